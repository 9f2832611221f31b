//! The signed documents of a case, and what each says.

use dokuei_keys::cbor;
use dokuei_keys::envelope::WrappedKey;
use dokuei_keys::id::{Digest, DocumentId, PersonId, SiteId};
use dokuei_keys::labels::Label;
use dokuei_keys::signed::Document;
use minicbor::{Decode, Encode};

use crate::case::CaseId;
use crate::case::report::ReportIssued;
use crate::case::terms::CaseTerms;
use crate::limits;
use crate::study::manifest::ManifestReference;
use crate::time::Timestamp;

/// One link of a case's chain with one reader, signed by the requester's site key. The requester
/// alone gives the order of events; that is how there is one winner and one history.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Link {
    /// The case.
    #[n(0)]
    pub case: CaseId,
    /// The site that asks; the signer.
    #[n(1)]
    pub requester: SiteId,
    /// The site that was asked.
    #[n(2)]
    pub reader: SiteId,
    /// Position in this chain, from zero without gaps.
    #[n(3)]
    pub sequence: u32,
    /// The link before; absent in the first only.
    #[n(4)]
    pub previous: Option<DocumentId>,
    /// When, by the requester's clock.
    #[n(5)]
    pub at: Timestamp,
    /// What happened.
    #[n(6)]
    pub event: RequesterEvent,
}

impl Document for Link {
    const KIND: &'static str = "link";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Link;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

/// What a requester may say.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RequesterEvent {
    /// The case is offered to this reader, under an agreement in force, until a moment.
    #[n(0)]
    Offered(#[n(0)] CaseOffer),
    /// A proposal of the reader takes effect.
    #[n(1)]
    Admitted(#[n(0)] DocumentId),
    /// A proposal of the reader came too late or does not fit; it has no effect.
    #[n(2)]
    NotAdmitted(#[n(0)] DocumentId),
    /// The reader's quote is accepted: this reader, and no other, reads the case.
    #[n(3)]
    Booked(#[n(0)] DocumentId),
    /// The study's content key, for this reader.
    #[n(4)]
    Granted(#[n(0)] Box<Grant>),
    /// A report version is verified and stored in the requester's archive.
    #[n(5)]
    Delivered(#[n(0)] u32),
    /// A doctor has read the report version.
    #[n(6)]
    Acknowledged(#[n(0)] u32),
    /// A report version did not verify.
    #[n(7)]
    ReportRejected(#[n(0)] u32),
    /// Everything is done.
    #[n(8)]
    Closed,
    /// The requester takes the case back.
    #[n(9)]
    Withdrawn(#[n(0)] WithdrawalReason),
    /// Nobody took it in time.
    #[n(10)]
    Expired,
    /// Another reader was booked.
    #[n(11)]
    NotChosen,
}

/// The offer of a case to one reader.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CaseOffer {
    /// What is asked for.
    #[n(0)]
    pub terms: CaseTerms,
    /// The agreement it falls under.
    #[n(1)]
    pub agreement: DocumentId,
    /// Until when it can be quoted and booked.
    #[n(2)]
    pub until: Timestamp,
}

/// Gives a recipient the content key of a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// Which parcel, and the digest of what it holds.
    #[n(0)]
    pub manifest: ManifestReference,
    /// The content key, wrapped for the recipient's prekey.
    #[n(1)]
    pub key: WrappedKey,
}

/// Why a case was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum WithdrawalReason {
    /// No longer needed.
    #[n(0)]
    NotNeeded,
    /// Sent in error (wrong study or wrong recipient).
    #[n(1)]
    SentInError,
    /// Read elsewhere.
    #[n(2)]
    ReadElsewhere,
}

/// What a reader proposes, signed by its site key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Proposal {
    /// The case.
    #[n(0)]
    pub case: CaseId,
    /// The site that asks.
    #[n(1)]
    pub requester: SiteId,
    /// The site that was asked; the signer.
    #[n(2)]
    pub reader: SiteId,
    /// The last link that the reader had seen.
    #[n(3)]
    pub follows: DocumentId,
    /// When, by the reader's clock.
    #[n(4)]
    pub at: Timestamp,
    /// What is proposed.
    #[n(5)]
    pub event: ReaderEvent,
}

impl Document for Proposal {
    const KIND: &'static str = "proposal";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Proposal;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

/// What a reader may say.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReaderEvent {
    /// Ready to read it by `due`, if booked before `until`.
    #[n(0)]
    Quoted(#[n(0)] Quote),
    /// Not taken.
    #[n(1)]
    Declined(#[n(0)] DeclineReason),
    /// Every object arrived and matches its digest: the custody receipt.
    #[n(2)]
    Received(#[n(0)] CustodyReceipt),
    /// A reader has begun.
    #[n(3)]
    Claimed(#[n(0)] PersonId),
    /// The booking is given back unread.
    #[n(4)]
    Released(#[n(0)] ReleaseReason),
    /// A report version is signed.
    #[n(5)]
    Reported(#[n(0)] Box<ReportIssued>),
}

/// A promise to read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Quote {
    /// The report will be there by then, by the requester's clock.
    #[n(0)]
    pub due: Timestamp,
    /// The place is kept until then, by the requester's clock.
    #[n(1)]
    pub until: Timestamp,
}

/// Why a reader declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum DeclineReason {
    /// No capacity offer covers modality, specialty and priority.
    #[n(0)]
    NotOffered,
    /// The day's places are taken.
    #[n(1)]
    Full,
    /// A person declined.
    #[n(2)]
    ByHand,
    /// No agreement between the two sites is in force.
    #[n(3)]
    NoAgreement,
}

/// Why a reader gave a booking back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ReleaseReason {
    /// The shift ended.
    #[n(0)]
    ShiftEnded,
    /// Outside the reader's competence after all.
    #[n(1)]
    OutsideCompetence,
    /// The images do not allow a reading.
    #[n(2)]
    ImageQuality,
    /// The granted key cannot be opened, or what it opens is not what was granted.
    #[n(3)]
    Unreadable,
}

/// The receiver holds every object of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CustodyReceipt {
    /// SHA-256 over the encoded manifest reference of the grant.
    #[n(0)]
    pub manifest: Digest,
    /// Objects verified.
    #[n(1)]
    pub objects: u32,
    /// Plaintext bytes verified.
    #[n(2)]
    pub bytes: u64,
}

impl CustodyReceipt {
    /// The receipt for a whole study.
    pub fn of(manifest: &ManifestReference) -> CustodyReceipt {
        CustodyReceipt {
            manifest: Digest::of(&cbor::encode(manifest)),
            objects: manifest.objects,
            bytes: manifest.bytes,
        }
    }

    /// Whether it is the receipt for this study, all of it.
    pub fn is_for(&self, manifest: &ManifestReference) -> bool {
        *self == CustodyReceipt::of(manifest)
    }
}
