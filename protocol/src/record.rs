//! Everything that can have happened. The committed records are the audit trail, the journal that a
//! restart replays, and what the simulator checks: one mechanism for all three.

use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::case::CaseId;
use crate::case::check::Check;
use crate::case::priors::{PriorFound, PriorList};
use crate::case::report::ReportSealed;
use crate::case::terms::CaseTerms;
use crate::study::manifest::ManifestReference;

/// One thing that happened. Signed documents are kept as the bytes that were signed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Record {
    /// Two sites have proved to each other who they are.
    #[n(0)]
    PartnerPaired(#[n(0)] ByteVec),
    /// A partner was removed by this site.
    #[n(1)]
    PartnerRemoved(#[n(0)] SiteId),
    /// An agreement was proposed, by this site or to it.
    #[n(2)]
    AgreementProposed(#[n(0)] ByteVec),
    /// An agreement was accepted, by this site or by the partner: it is in force.
    #[n(3)]
    AgreementAccepted(#[n(0)] ByteVec),
    /// This site said something about itself: addresses, capacity, prekey.
    #[n(4)]
    AnnouncementMade(#[n(0)] ByteVec),
    /// A partner said something about itself.
    #[n(5)]
    AnnouncementReceived(#[n(0)] ByteVec),
    /// A case was opened for a sealed study.
    #[n(6)]
    CaseOpened(#[n(0)] CaseId, #[n(1)] ManifestReference, #[n(2)] CaseTerms),
    /// The study passed the check before sending.
    #[n(7)]
    CaseChecked(#[n(0)] CaseId),
    /// This site, as requester, added a link to a chain.
    #[n(8)]
    LinkMade(#[n(0)] ByteVec),
    /// A requester's link arrived.
    #[n(9)]
    LinkReceived(#[n(0)] ByteVec),
    /// This site, as reader, proposed something.
    #[n(10)]
    ProposalMade(#[n(0)] ByteVec),
    /// A reader's proposal arrived.
    #[n(11)]
    ProposalReceived(#[n(0)] ByteVec),
    /// A partner confirmed that it holds a document of this site.
    #[n(12)]
    DocumentConfirmed(#[n(0)] SiteId, #[n(1)] DocumentId),
    /// A partner refused a document of this site for good.
    #[n(13)]
    DocumentRefused(#[n(0)] SiteId, #[n(1)] DocumentId),
    /// Every object of a granted study is here and matches its digest.
    #[n(14)]
    StudyArrived(#[n(0)] CaseId),
    /// A granted study is in this site's own archive.
    #[n(15)]
    StudyStored(#[n(0)] CaseId),
    /// The content key of a case's study was destroyed here: its time is over.
    #[n(16)]
    StudyKeyDestroyed(#[n(0)] CaseId),
    /// Nothing of a case's sealed study lies here any more.
    #[n(17)]
    StudyRemoved(#[n(0)] CaseId),
    /// A key of this site or of a partner was revoked.
    #[n(19)]
    KeyRevoked(#[n(0)] ByteVec),
    /// A partner's certificate was renewed.
    #[n(20)]
    PartnerRenewed(#[n(0)] ByteVec),
    /// A report version was signed and sealed; it is issued when the requester's key is here.
    #[n(18)]
    ReportSealed(#[n(0)] CaseId, #[n(1)] ReportSealed),
    /// A study was looked through before sending: what was found, and whether it was to go nevertheless.
    #[n(21)]
    StudyChecked(#[n(0)] ParcelId, #[n(1)] Check),
    /// This site answered for a study of its own: whoever asked may have removed theirs.
    #[n(24)]
    StudyCommitted(#[n(0)] ParcelId),
    /// This site, as requester, asked a reader to stop.
    #[n(22)]
    CancelMade(#[n(0)] ByteVec),
    /// A requester asked this site to stop.
    #[n(23)]
    CancelReceived(#[n(0)] ByteVec),
    /// The sealed study of a case is a copy under a pseudonym.
    #[n(25)]
    CasePseudonymous(#[n(0)] CaseId),
    /// This site, as requester, has found out which earlier studies there are of a case's patient.
    #[n(26)]
    PriorsListed(#[n(0)] CaseId, #[n(1)] PriorList),
    /// This site, as requester, offered them to the reader.
    #[n(27)]
    PriorsOffered(#[n(0)] ByteVec),
    /// A requester offers earlier studies.
    #[n(28)]
    PriorsOfferReceived(#[n(0)] ByteVec),
    /// This site, as reader, asked for some of them.
    #[n(29)]
    PriorsAsked(#[n(0)] ByteVec),
    /// A reader asks for some of them.
    #[n(30)]
    PriorsRequestReceived(#[n(0)] ByteVec),
    /// This site, as requester, has found one of them, or cannot hand it over.
    #[n(31)]
    PriorFound(#[n(0)] CaseId, #[n(1)] u16, #[n(2)] PriorFound),
    /// This site, as requester, handed one over, or said why not.
    #[n(32)]
    PriorAnswered(#[n(0)] ByteVec),
    /// A requester handed one over, or said why not.
    #[n(33)]
    PriorAnswerReceived(#[n(0)] ByteVec),
    /// Every object of a granted prior is here and matches its digest.
    #[n(34)]
    PriorArrived(#[n(0)] CaseId, #[n(1)] ParcelId),
    /// A granted prior is in this site's own archive.
    #[n(35)]
    PriorStored(#[n(0)] CaseId, #[n(1)] ParcelId),
    /// The content key of a granted prior was destroyed here: its case is over, or it cannot be read.
    #[n(36)]
    PriorKeyDestroyed(#[n(0)] CaseId, #[n(1)] ParcelId),
    /// Nothing of a granted prior lies here any more.
    #[n(37)]
    PriorRemoved(#[n(0)] CaseId, #[n(1)] ParcelId),
}

impl Record {
    /// The word for it, as programs and auditors read it.
    pub fn code(&self) -> &'static str {
        match self {
            Record::PartnerPaired(_) => "partner-paired",
            Record::PartnerRemoved(_) => "partner-removed",
            Record::AgreementProposed(_) => "agreement-proposed",
            Record::AgreementAccepted(_) => "agreement-accepted",
            Record::AnnouncementMade(_) => "announcement-made",
            Record::AnnouncementReceived(_) => "announcement-received",
            Record::CaseOpened(..) => "case-opened",
            Record::CaseChecked(_) => "case-checked",
            Record::LinkMade(_) => "link-made",
            Record::LinkReceived(_) => "link-received",
            Record::ProposalMade(_) => "proposal-made",
            Record::ProposalReceived(_) => "proposal-received",
            Record::DocumentConfirmed(..) => "document-confirmed",
            Record::DocumentRefused(..) => "document-refused",
            Record::StudyArrived(_) => "study-arrived",
            Record::StudyStored(_) => "study-stored",
            Record::StudyKeyDestroyed(_) => "study-key-destroyed",
            Record::StudyRemoved(_) => "study-removed",
            Record::ReportSealed(..) => "report-sealed",
            Record::KeyRevoked(_) => "key-revoked",
            Record::PartnerRenewed(_) => "partner-renewed",
            Record::StudyChecked(..) => "study-checked",
            Record::StudyCommitted(_) => "study-committed",
            Record::CancelMade(_) => "cancel-made",
            Record::CancelReceived(_) => "cancel-received",
            Record::CasePseudonymous(_) => "case-pseudonymous",
            Record::PriorsListed(..) => "priors-listed",
            Record::PriorsOffered(_) => "priors-offered",
            Record::PriorsOfferReceived(_) => "priors-offer-received",
            Record::PriorsAsked(_) => "priors-asked",
            Record::PriorsRequestReceived(_) => "priors-request-received",
            Record::PriorFound(..) => "prior-found",
            Record::PriorAnswered(_) => "prior-answered",
            Record::PriorAnswerReceived(_) => "prior-answer-received",
            Record::PriorArrived(..) => "prior-arrived",
            Record::PriorStored(..) => "prior-stored",
            Record::PriorKeyDestroyed(..) => "prior-key-destroyed",
            Record::PriorRemoved(..) => "prior-removed",
        }
    }
}
