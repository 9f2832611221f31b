//! Everything the service may tell the node to do, after the records of the same step are committed.

use std::collections::BTreeSet;

use dokuei_keys::delegation::Revocation;
use dokuei_keys::id::{DocumentId, NodeId, ParcelId, PrekeyId, SiteId};
use dokuei_keys::secret::{ContentKey, Secret32};

use crate::case::CaseId;
use crate::case::event::Grant;
use crate::case::priors::PriorList;
use crate::case::report::ReportIssued;
use crate::case::terms::Priority;
use crate::input::Ticket;
use crate::time::Timestamp;

/// What one input led to.
#[derive(Default)]
pub struct Step {
    /// Entries to append to the log, encoded, in order.
    pub records: Vec<Vec<u8>>,
    /// Secrets to keep or destroy in the same transaction.
    pub secrets: Vec<SecretChange>,
    /// What to do once they are committed.
    pub effects: Vec<Effect>,
}

/// A secret to keep or to destroy. Secrets are not records: a log is for ever, they are not.
pub enum SecretChange {
    /// Keep the private half of a prekey.
    KeepPrekey(KeptPrekey),
    /// Destroy it.
    DestroyPrekey(PrekeyId),
    /// Keep a content key.
    KeepContentKey(ParcelId, ContentKey),
    /// Destroy it: what it sealed cannot be opened any more.
    DestroyContentKey(ParcelId),
}

/// The private half of a prekey.
pub struct KeptPrekey {
    /// Which.
    pub id: PrekeyId,
    /// When it was published.
    pub published: Timestamp,
    /// The secret.
    pub secret: Secret32,
}

/// A node that may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whose node.
    pub site: SiteId,
    /// The node.
    pub node: NodeId,
    /// Where it is reached.
    pub addresses: Vec<String>,
}

/// A node that may fetch a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permit {
    /// The node.
    pub node: NodeId,
    /// The parcel.
    pub parcel: ParcelId,
}

/// What lies here that this site and a partner have both had, so that it need not come from that partner again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Parcels that the partner granted and that are here whole, and those of this site that were granted to the partner.
    pub parcels: BTreeSet<ParcelId>,
    /// The earlier case, granted by the partner too, of the same study, if the partner named one.
    pub earlier: Option<CaseId>,
}

/// Something for the node to do.
pub enum Effect {
    /// These nodes may never connect, not even to pair: their keys are revoked.
    Bar(Vec<NodeId>),
    /// These nodes, and no others, may connect.
    Admit(Vec<Member>),
    /// These parcels, and no others, may be fetched, by these nodes.
    Permit(Vec<Permit>),
    /// Let strangers call, for pairing only, until then.
    OpenPairing(Timestamp),
    /// No more.
    ClosePairing,
    /// Answer a stranger's call; with nothing, hang up.
    AnswerPairing(Ticket, Option<Vec<u8>>),
    /// Call an inviter and say this.
    CallInviter {
        /// Where it is reached.
        addresses: Vec<String>,
        /// The first words.
        frame: Vec<u8>,
    },
    /// Hand a document to a partner's node: [`crate::input::Job::Send`].
    Send {
        /// The partner.
        to: SiteId,
        /// Its node.
        node: NodeId,
        /// The document.
        id: DocumentId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Answer a document that arrived.
    AnswerDocument(Ticket, DocumentAnswer),
    /// Ask a partner's node for its announcements.
    AskSync(NodeId, Vec<u8>),
    /// Answer a partner's question for announcements; with nothing, refuse.
    AnswerSync(Ticket, Option<Vec<u8>>),
    /// Fetch and verify a study: [`crate::input::Job::ReceiveStudy`].
    ReceiveStudy {
        /// The case.
        case: CaseId,
        /// Who sealed it.
        from: SiteId,
        /// Where it lies.
        node: NodeId,
        /// How urgent its case is: what is more urgent goes first where both go over one line.
        priority: Priority,
        /// What was granted.
        grant: Grant,
        /// Its content key.
        key: ContentKey,
        /// Where objects of it may lie already.
        shared: Shared,
    },
    /// Put a received study into the archive: [`crate::input::Job::StoreStudy`].
    StoreStudy {
        /// The case.
        case: CaseId,
        /// Who sealed it.
        from: SiteId,
        /// What was granted.
        grant: Grant,
        /// Its content key.
        key: ContentKey,
    },
    /// Remove what lies here of a study whose key is destroyed: [`crate::input::Job::RemoveStudy`].
    RemoveStudy {
        /// The case.
        case: CaseId,
        /// The parcel.
        parcel: ParcelId,
    },
    /// Fetch, verify and store a report version: [`crate::input::Job::ReceiveReport`].
    ReceiveReport {
        /// The case.
        case: CaseId,
        /// Who sealed it.
        from: SiteId,
        /// Where it lies.
        node: NodeId,
        /// What was issued.
        issued: ReportIssued,
        /// What the reading site has revoked: a report that one of them covers does not count.
        revocations: Vec<Revocation>,
        /// Its content key.
        key: ContentKey,
    },
    /// Find out which earlier studies there are of the patient of a case, and say so by
    /// [`crate::input::Command::ListPriors`]: [`crate::input::Job::ListPriors`].
    ListPriors {
        /// The case.
        case: CaseId,
        /// Its study.
        parcel: ParcelId,
        /// The study's content key.
        key: ContentKey,
    },
    /// Find a prior that the reader asked for, and say so by [`crate::input::Command::FoundPrior`]:
    /// [`crate::input::Job::FindPrior`].
    FindPrior {
        /// The case.
        case: CaseId,
        /// Its number in the list.
        number: u16,
        /// The list, sealed.
        list: PriorList,
        /// The case's study.
        parcel: ParcelId,
        /// The content key that the list is sealed under.
        key: ContentKey,
        /// How often it was tried in vain.
        failures: u32,
    },
    /// Fetch and verify a prior: [`crate::input::Job::ReceivePrior`].
    ReceivePrior {
        /// The case.
        case: CaseId,
        /// Who sealed it.
        from: SiteId,
        /// Where it lies.
        node: NodeId,
        /// How urgent its case is.
        priority: Priority,
        /// What was granted.
        grant: Grant,
        /// Its content key.
        key: ContentKey,
        /// Where objects of it may lie already.
        shared: Shared,
    },
    /// Put a received prior into the archive: [`crate::input::Job::StorePrior`].
    StorePrior {
        /// The case.
        case: CaseId,
        /// Who sealed it.
        from: SiteId,
        /// What was granted.
        grant: Grant,
        /// Its content key.
        key: ContentKey,
    },
    /// Remove what lies here of a prior whose key is destroyed: [`crate::input::Job::RemovePrior`].
    RemovePrior {
        /// The case.
        case: CaseId,
        /// The parcel.
        parcel: ParcelId,
    },
    /// Answer a command.
    Answer(Ticket, Result<Answer, CannotDo>),
    /// Call again at this moment with [`crate::input::Input::Tick`], unless something comes before.
    Wake(Timestamp),
}

/// What a receiver says of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentAnswer {
    /// It is committed here.
    Accepted,
    /// Something before it is missing, or there is no room: send again later.
    Later,
    /// It will never be taken.
    Refused,
}

/// The answer to a command that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// An invitation is open; the secret part of its code.
    Invited {
        /// 20 characters in groups of five.
        secret: String,
        /// Until when.
        until: Timestamp,
    },
    /// Paired with this site.
    Paired(SiteId),
    /// A case was opened.
    Opened(CaseId),
}

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotDo {
    /// No such case here.
    #[error("there is no such case at this site")]
    NoCase,
    /// No such partner.
    #[error("there is no such partner")]
    NoPartner,
    /// No agreement in force with the partner.
    #[error("no agreement with this partner is in force")]
    NoAgreement,
    /// The agreement wants a pseudonym, and the sealed study has none.
    #[error(
        "by the agreement with this partner studies travel under a pseudonym, and this one does not; 'dokuei study send' makes a copy under one"
    )]
    Identified,
    /// The case is not at a point where this is possible.
    #[error("the case is not at a point where this is possible")]
    NotNow,
    /// Nobody was named to ask, or too many.
    #[error("name between one and {} partners to ask", crate::limits::CANDIDATES)]
    Candidates,
    /// The check before sending holds the study back.
    #[error("the check before sending holds the study back")]
    HeldBack,
    /// The partner has not said since the start what it holds of this site.
    #[error(
        "the partner has not been connected since this node was started: nothing can go out to it"
    )]
    NotHeard,
    /// The requester has offered no such prior.
    #[error("the requester has offered no earlier study with this number")]
    NoPrior,
    /// Too many open cases.
    #[error("there are too many open cases; close some first")]
    TooManyCases,
    /// Too many partners.
    #[error("there are too many partners")]
    TooManyPartners,
    /// A limit of the protocol is exceeded.
    #[error("more than the protocol allows")]
    Limit,
    /// The code is not an invitation's.
    #[error("this is not an invitation code")]
    BadCode,
    /// The inviter did not answer, or not with the same code.
    #[error("the inviter did not answer to this code")]
    NotPaired,
    /// Another pairing is under way.
    #[error("another pairing is under way")]
    PairingBusy,
    /// A key that this site itself lives by is revoked.
    #[error("a key of this site is revoked; make new ones with 'dokuei renew --new-keys'")]
    OwnKeyRevoked,
    /// The data folder is older than what a partner has seen.
    #[error("this data folder is older than what a partner has seen; restore a newer copy")]
    FolderOlder,
    /// The person's key is revoked.
    #[error("this person's key is revoked; give them a new one")]
    PersonRevoked,
    /// Nothing in a notice could be verified, or some of it could not.
    #[error("the notice does not verify with what is known of that site")]
    BadNotice,
    /// The partner has not published a key to seal for.
    #[error("the partner's key to seal for is not here yet")]
    NoPrekey,
    /// The sealed study is gone.
    #[error("the time agreed for keeping the study is over: it has to be sent again as a new case")]
    StudyGone,
    /// Neither the command nor the capacity says when the report will be there.
    #[error("say in how many hours the report will be there")]
    NoHours,
    /// The person may not sign here now.
    #[error(
        "the delegation of this person, or the certificate of this site, is not valid now: renew it"
    )]
    NotCertified,
    /// The person is no reader.
    #[error("only a person whom this site has certified as a reader may read a case")]
    NotAReader,
    /// The report version does not follow the newest one.
    #[error(transparent)]
    Version(#[from] crate::case::report::WrongVersion),
}
