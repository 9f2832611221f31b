//! Every signing and derivation label, in one table.
//!
//! A label says what a signature or a derived key is *for*, so that bytes made for one purpose never pass for
//! another. Two rules, both tested: no two are equal, and none is the beginning of another – so a label followed
//! by anything is never another label followed by something else.

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// What a signature or a derived key is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Label {
            $($(#[$doc])* $name,)+
        }

        impl Label {
            /// All labels, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The label as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The bytes that are signed or derived with: ASCII, no terminator.
            #[must_use]
            pub const fn as_bytes(self) -> &'static [u8] {
                self.as_str().as_bytes()
            }
        }
    };
}

labels! {
    /// A site's root certifies the site's key.
    SiteCertificate = "dokuei/v1/sign/site-certificate",
    /// A site delegates to a node, a person or a log key.
    Delegation = "dokuei/v1/sign/delegation",
    /// A site revokes a key.
    Revocation = "dokuei/v1/sign/revocation",
    /// A site publishes a prekey.
    Prekey = "dokuei/v1/sign/prekey",
    /// A site introduces itself during pairing.
    Introduction = "dokuei/v1/sign/introduction",
    /// A consortium's charter.
    Charter = "dokuei/v1/sign/charter",
    /// A consortium's roster of members.
    Roster = "dokuei/v1/sign/roster",
    /// A site advertises capacity.
    Offer = "dokuei/v1/sign/offer",
    /// A site says where its nodes are reached.
    AddressRecord = "dokuei/v1/sign/address-record",
    /// A site proposes terms to another.
    Agreement = "dokuei/v1/sign/agreement/proposed",
    /// The other site accepts them.
    AgreementAccepted = "dokuei/v1/sign/agreement/accepted",
    /// A requester adds a link to a case's chain.
    Link = "dokuei/v1/sign/case/link",
    /// A reader proposes what a link may admit.
    Proposal = "dokuei/v1/sign/case/proposal",
    /// A requester asks a reader to stop.
    CancelRequest = "dokuei/v1/sign/case/cancel-request",
    /// A requester offers earlier studies of the patient to a reader.
    PriorsOffer = "dokuei/v1/sign/case/priors-offer",
    /// A reader asks for some of them.
    PriorsRequest = "dokuei/v1/sign/case/priors-request",
    /// The requester hands one over, or says why not.
    PriorAnswer = "dokuei/v1/sign/case/prior-answer",
    /// A content key is granted to recipients.
    Grant = "dokuei/v1/sign/grant",
    /// What a parcel holds.
    Manifest = "dokuei/v1/sign/manifest",
    /// A recipient has taken custody.
    Receipt = "dokuei/v1/sign/receipt",
    /// A reader's report.
    Report = "dokuei/v1/sign/report/person",
    /// The reading site stands behind a report and its printed form.
    Countersignature = "dokuei/v1/sign/report/site",
    /// One entry of a site's log follows another.
    LogEntry = "dokuei/v1/log/entry",
    /// An attending doctor has seen or acted on a report.
    Acknowledgement = "dokuei/v1/sign/acknowledgement",
    /// What is owed for a period.
    Statement = "dokuei/v1/sign/statement",
    /// A peer's receipt for a record of a case.
    PeerReceipt = "dokuei/v1/sign/peer-receipt",

    /// The context of a sealed object's stream.
    SealedObject = "dokuei/v1/seal/object",
    /// The context of a sealed pack's stream.
    SealedPack = "dokuei/v1/seal/pack",
    /// The context of a sealed list of earlier studies.
    SealedPriors = "dokuei/v1/seal/priors",
    /// The key of the salts of packs.
    PackSalt = "dokuei/v1/derive/pack-salt",
    /// The public commitment to a parcel's content key.
    KeyCommitment = "dokuei/v1/derive/key-commitment",
    /// The key of a parcel's object digests.
    ObjectDigest = "dokuei/v1/derive/object-digest",
    /// The key under which the rows of the store are sealed.
    RowKey = "dokuei/v1/derive/row-key",
    /// The names under which rows are found by a value that must not lie readable.
    RowName = "dokuei/v1/derive/row-name",
    /// The key under which content keys are wrapped in the store.
    ContentKeyWrap = "dokuei/v1/derive/content-key-wrap",
    /// The context of an envelope (HPKE `info`).
    Envelope = "dokuei/v1/envelope",
    /// The keys of a key file.
    KeyFile = "dokuei/v1/derive/keyfile",
    /// The tags two sites exchange during pairing.
    Pairing = "dokuei/v1/pairing",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_begins_with_another() {
        for (i, one) in Label::ALL.iter().enumerate() {
            for (j, two) in Label::ALL.iter().enumerate() {
                assert!(
                    i == j || !two.as_bytes().starts_with(one.as_bytes()),
                    "{one:?} {two:?}"
                );
            }
        }
    }

    #[test]
    fn labels_are_plain_ascii_of_this_version() {
        for label in Label::ALL {
            let text = label.as_str();
            assert!(text.starts_with("dokuei/v1/"), "{text}");
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/-".contains(&b);
            assert!(text.bytes().all(plain), "{text}");
        }
    }

    #[test]
    fn the_table() {
        let table: Vec<String> = Label::ALL
            .iter()
            .map(|label| format!("{label:?} = {}", label.as_str()))
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }
}
