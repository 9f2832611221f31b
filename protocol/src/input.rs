//! Everything that can reach the service.

use std::collections::BTreeSet;

use dokuei_keys::id::{DocumentId, NodeId, ParcelId, PersonId, SiteId};
use dokuei_keys::secret::ContentKey;

use crate::case::CaseId;
use crate::case::check::Check;
use crate::case::event::{ReleaseReason, WithdrawalReason};
use crate::case::priors::{PriorList, PriorRefusal};
use crate::case::report::ReportStatus;
use crate::case::terms::CaseTerms;
use crate::partner::agreement::Naming;
use crate::partner::announcement::OfferSlot;
use crate::partner::notice::Notice;
use crate::study::manifest::ManifestReference;

/// Ties an answer to the question it belongs to. The node chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something that the node tells the service.
pub enum Input {
    /// A person or a program asks for something; answered by [`crate::effect::Effect::Answer`].
    Command(Ticket, Command),
    /// A stranger called while an invitation is open.
    PairingCalled {
        /// To answer with.
        ticket: Ticket,
        /// Who TLS says it is.
        node: NodeId,
        /// What it said.
        frame: Vec<u8>,
    },
    /// The inviter answered the call that [`crate::effect::Effect::CallInviter`] made.
    PairingAnswered {
        /// Who TLS says it is.
        node: NodeId,
        /// What it said.
        frame: Vec<u8>,
    },
    /// The call failed.
    PairingFailed,
    /// A document arrived; answered by [`crate::effect::Effect::AnswerDocument`].
    DocumentArrived {
        /// To answer with.
        ticket: Ticket,
        /// Who sent it.
        node: NodeId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A partner asks for announcements; answered by [`crate::effect::Effect::AnswerSync`].
    SyncAsked {
        /// To answer with.
        ticket: Ticket,
        /// Who asks.
        node: NodeId,
        /// The question.
        bytes: Vec<u8>,
    },
    /// A partner answered a question for announcements.
    SyncAnswered {
        /// Who answered.
        node: NodeId,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// A question for announcements was not answered.
    SyncFailed(NodeId),
    /// A member's node is connected.
    Connected(NodeId),
    /// It is not any more.
    Disconnected(NodeId),
    /// A job that an effect began has ended, well or not. Each begun job ends exactly once, or with
    /// the process.
    JobEnded(Job, Outcome),
    /// Time has passed.
    Tick,
}

/// Something that takes time and can fail, owed from the state until it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Hand a document to a partner.
    Send(SiteId, DocumentId),
    /// Fetch and verify a granted study.
    ReceiveStudy(CaseId),
    /// Put a received study into this site's archive.
    StoreStudy(CaseId),
    /// Remove what lies here of a study whose key is destroyed.
    RemoveStudy(CaseId),
    /// Fetch and verify a report version, and put it into this site's archive.
    ReceiveReport(CaseId, u32),
    /// As requester: find out which earlier studies there are of a case's patient.
    ListPriors(CaseId),
    /// As requester: find the prior with this number, here or in this site's archive.
    FindPrior(CaseId, u16),
    /// As reader: fetch and verify a granted prior.
    ReceivePrior(CaseId, ParcelId),
    /// As reader: put a received prior into this site's archive.
    StorePrior(CaseId, ParcelId),
    /// As reader: remove what lies here of a prior whose key is destroyed.
    RemovePrior(CaseId, ParcelId),
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// It can never be done: what was fetched is not what was granted, the report does not verify,
    /// or the partner refuses the document.
    Impossible,
    /// Not this time.
    Failed(Trouble),
}

/// Why a job did not succeed this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The partner's node cannot be reached.
    PartnerUnreachable,
    /// The partner answered: not now (something before it has not arrived, or it is busy).
    PartnerBusy,
    /// The partner does not hand out the parcel (yet).
    NotPermitted,
    /// This site's archive cannot be reached.
    ArchiveUnreachable,
    /// This site's archive refused an object.
    ArchiveRefused,
    /// No archive is configured.
    NoArchive,
    /// This node's disk is full or failing.
    Disk,
}

/// What a person or a program may ask for.
pub enum Command {
    /// Open an invitation.
    Invite {
        /// Where this node is reached, `host:port`.
        addresses: Vec<String>,
        /// Days for which a reading side may keep a study after its case is closed.
        retention_days: u16,
        /// Under which name studies travel.
        naming: Naming,
    },
    /// Accept an invitation.
    Accept {
        /// Where the inviter is reached.
        addresses: Vec<String>,
        /// The secret part of the code.
        secret: String,
    },
    /// Propose another agreement to a partner. The one before holds until it accepts.
    ProposeAgreement {
        /// The partner.
        site: SiteId,
        /// Days for which a reading side may keep a study after its case is closed.
        retention_days: u16,
        /// Under which name studies travel.
        naming: Naming,
    },
    /// Accept the agreement that a partner proposed.
    AcceptAgreement(SiteId),
    /// Remove a partner: nothing is exchanged with it any more.
    RemovePartner(SiteId),
    /// Take back the key of a person of this site.
    RevokePerson(PersonId),
    /// Take what a partner, or this site itself, says of its keys, from wherever it came.
    TakeNotice(Box<Notice>),
    /// Say where this node is reached, if that has changed.
    AnnounceAddresses(Vec<String>),
    /// Say what this site reads, if that has changed.
    AnnounceCapacity(Vec<OfferSlot>),
    /// As reader: take what a medium brought of a case.
    TakeCargo {
        /// Who sealed it.
        from: SiteId,
        /// The case.
        case: CaseId,
        /// Its documents, in their order.
        documents: Vec<Vec<u8>>,
    },
    /// Note what the check before sending found in a study that is not sent.
    NoteCheck(ParcelId, Check),
    /// Answer for studies of this site that somebody asked it to keep (storage commitment): from then on no case lets
    /// them go.
    Commit(BTreeSet<ParcelId>),
    /// Open a case for a sealed study and offer it.
    OpenCase(Box<OpenCase>),
    /// Offer an open case (again).
    Offer {
        /// The case.
        case: CaseId,
        /// Whom to ask.
        to: Vec<SiteId>,
    },
    /// Take a case back: at once until somebody reads it; after that its reader is asked to stop, and may go on.
    Withdraw(CaseId, WithdrawalReason),
    /// As reader: promise by hand to read it.
    Quote {
        /// The case.
        case: CaseId,
        /// Hours from now until the report is there; otherwise as this site's capacity says, or when
        /// the requester needs it.
        hours: Option<u16>,
    },
    /// As reader: decline by hand.
    Decline(CaseId),
    /// As reader: begin.
    Claim {
        /// The case.
        case: CaseId,
        /// Who begins: their delegation as reader, as this site signed it.
        delegation: Vec<u8>,
    },
    /// As reader: give the booking back.
    Release(CaseId, ReleaseReason),
    /// As reader: a report version was signed and sealed.
    IssueReport(Box<IssueReport>),
    /// As requester: a doctor has read a report version.
    Acknowledge(CaseId, u32),
    /// As requester: the node has found out which earlier studies there are.
    ListPriors(CaseId, PriorList),
    /// As requester: the node has found a prior that the reader asked for, or cannot hand it over.
    FoundPrior {
        /// The case.
        case: CaseId,
        /// Its number.
        number: u16,
        /// The parcels it lies in, sealed, each with its content key; or why there are none.
        found: Result<Vec<(ManifestReference, ContentKey)>, PriorRefusal>,
    },
    /// As reader: ask for priors by their numbers.
    AskPriors(CaseId, Vec<u16>),
}

/// A sealed study to have read.
pub struct OpenCase {
    /// The study.
    pub manifest: ManifestReference,
    /// Its content key.
    pub key: ContentKey,
    /// Under which name it is sealed.
    pub naming: Naming,
    /// What the check before sending found in it.
    pub check: Check,
    /// What is asked for.
    pub terms: CaseTerms,
    /// Whom to ask.
    pub to: Vec<SiteId>,
}

/// A signed and sealed report version.
pub struct IssueReport {
    /// The case.
    pub case: CaseId,
    /// Version number.
    pub version: u32,
    /// What it is.
    pub status: ReportStatus,
    /// What it follows.
    pub predecessor: Option<DocumentId>,
    /// The signed report.
    pub report: DocumentId,
    /// Its author: their delegation as reader, as this site signed it.
    pub delegation: Vec<u8>,
    /// The parcel it is sealed in.
    pub manifest: ManifestReference,
    /// The parcel's content key.
    pub key: ContentKey,
}
