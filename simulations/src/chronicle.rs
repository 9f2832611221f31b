//! What committed entries say happened, taken apart for the checkers. They build their own picture from
//! it, so that a fault of the protocol's own bookkeeping does not hide itself.

use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use dokuei_keys::signed::{self, Document};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::cancel::CancelRequest;
use dokuei_protocol::case::event::{Link, Proposal};
use dokuei_protocol::case::priors::{PriorAnswer, PriorsOffer, PriorsRequest};
use dokuei_protocol::log::entry::Entry;
use dokuei_protocol::partner::agreement::{Agreement, AgreementAccepted};
use dokuei_protocol::partner::introduction::Introduction;
use dokuei_protocol::record::Record;

use crate::checks::Violation;

/// Something that happened at a site and is committed there.
#[derive(Clone)]
pub(crate) enum Fact {
    /// Another site became a partner.
    Paired(SiteId),
    /// A partner was removed.
    Removed(SiteId),
    /// An agreement was proposed.
    Proposed(DocumentId, Agreement),
    /// An agreement was accepted.
    Accepted(DocumentId, AgreementAccepted),
    /// A case was opened.
    Opened(CaseId),
    /// Its study is under a pseudonym.
    Pseudonymous(CaseId),
    /// A link was made.
    LinkMade(DocumentId, Box<Link>),
    /// A link arrived.
    LinkReceived(DocumentId, Box<Link>),
    /// A proposal was made.
    ProposalMade(DocumentId, Box<Proposal>),
    /// A proposal arrived.
    ProposalReceived(DocumentId, Box<Proposal>),
    /// A reader was asked to stop.
    CancelMade(DocumentId, CancelRequest),
    /// The request to stop arrived.
    CancelReceived(DocumentId, CancelRequest),
    /// Priors were offered.
    PriorsOffered(DocumentId, Box<PriorsOffer>),
    /// An offer of priors arrived.
    PriorsOfferReceived(DocumentId, CaseId),
    /// A request for priors arrived.
    PriorsRequestReceived(DocumentId, PriorsRequest),
    /// A prior was handed over or refused.
    PriorAnswered(Box<PriorAnswer>),
    /// The answer arrived.
    PriorAnswerReceived(DocumentId, CaseId),
    /// A prior arrived.
    PriorArrived(CaseId, ParcelId),
    /// A prior is in the archive.
    PriorStored(CaseId, ParcelId),
    /// A partner confirmed a document.
    Confirmed(SiteId, DocumentId),
    /// A partner refused a document.
    Refused(SiteId, DocumentId),
    /// A study arrived.
    StudyArrived(CaseId),
    /// A study is in the archive.
    StudyStored(CaseId),
    /// The key of a study was destroyed.
    StudyKeyDestroyed(CaseId),
    /// A study was removed.
    StudyRemoved(CaseId),
    /// What says nothing about partners and cases.
    Other,
}

impl Fact {
    /// What a committed entry says.
    ///
    /// # Errors
    /// [`Violation`] when the entry cannot be read.
    pub(crate) fn of(entry: &[u8]) -> Result<Fact, Violation> {
        let entry: Entry = minicbor::decode(entry)
            .map_err(|error| Violation::new("log", format!("an entry cannot be read: {error}")))?;
        Ok(match &entry.record {
            Record::PartnerPaired(bytes) => {
                let introduction: Introduction = minicbor::decode(bytes)
                    .map_err(|error| Violation::new("log", format!("introduction: {error}")))?;
                let acquaintance = introduction
                    .recorded()
                    .map_err(|error| Violation::new("log", format!("introduction: {error}")))?;
                Fact::Paired(acquaintance.site)
            }
            Record::PartnerRemoved(site) => Fact::Removed(*site),
            Record::AgreementProposed(bytes) => {
                let agreement = Agreement::recorded(bytes)
                    .map_err(|error| Violation::new("log", format!("agreement: {error}")))?;
                Fact::Proposed(id(bytes), agreement)
            }
            Record::AgreementAccepted(bytes) => Fact::Accepted(id(bytes), content(bytes)?),
            Record::CaseOpened(case, ..) => Fact::Opened(*case),
            Record::CasePseudonymous(case) => Fact::Pseudonymous(*case),
            Record::LinkMade(bytes) => Fact::LinkMade(id(bytes), Box::new(content(bytes)?)),
            Record::LinkReceived(bytes) => Fact::LinkReceived(id(bytes), Box::new(content(bytes)?)),
            Record::ProposalMade(bytes) => Fact::ProposalMade(id(bytes), Box::new(content(bytes)?)),
            Record::ProposalReceived(bytes) => {
                Fact::ProposalReceived(id(bytes), Box::new(content(bytes)?))
            }
            Record::CancelMade(bytes) => Fact::CancelMade(id(bytes), content(bytes)?),
            Record::CancelReceived(bytes) => Fact::CancelReceived(id(bytes), content(bytes)?),
            Record::PriorsOffered(bytes) => {
                Fact::PriorsOffered(id(bytes), Box::new(content(bytes)?))
            }
            Record::PriorsOfferReceived(bytes) => {
                let offer: PriorsOffer = content(bytes)?;
                Fact::PriorsOfferReceived(id(bytes), offer.case)
            }
            Record::PriorsRequestReceived(bytes) => {
                Fact::PriorsRequestReceived(id(bytes), content(bytes)?)
            }
            Record::PriorAnswered(bytes) => Fact::PriorAnswered(Box::new(content(bytes)?)),
            Record::PriorAnswerReceived(bytes) => {
                let answer: PriorAnswer = content(bytes)?;
                Fact::PriorAnswerReceived(id(bytes), answer.case)
            }
            Record::PriorArrived(case, parcel) => Fact::PriorArrived(*case, *parcel),
            Record::PriorStored(case, parcel) => Fact::PriorStored(*case, *parcel),
            Record::DocumentConfirmed(site, document) => Fact::Confirmed(*site, *document),
            Record::DocumentRefused(site, document) => Fact::Refused(*site, *document),
            Record::StudyArrived(case) => Fact::StudyArrived(*case),
            Record::StudyStored(case) => Fact::StudyStored(*case),
            Record::StudyKeyDestroyed(case) => Fact::StudyKeyDestroyed(*case),
            Record::StudyRemoved(case) => Fact::StudyRemoved(*case),
            Record::AnnouncementMade(_)
            | Record::AnnouncementReceived(_)
            | Record::KeyRevoked(_)
            | Record::PartnerRenewed(_)
            | Record::ReportSealed(..)
            | Record::StudyChecked(..)
            | Record::StudyCommitted(_)
            | Record::PriorsListed(..)
            | Record::PriorsAsked(_)
            | Record::PriorFound(..)
            | Record::PriorKeyDestroyed(..)
            | Record::PriorRemoved(..)
            | Record::CaseChecked(_) => Fact::Other,
        })
    }

    /// The document that this site holds from now on because it came from another.
    pub(crate) fn taken(&self) -> Option<DocumentId> {
        match self {
            Fact::Proposed(id, _)
            | Fact::Accepted(id, _)
            | Fact::LinkReceived(id, _)
            | Fact::ProposalReceived(id, _)
            | Fact::CancelReceived(id, _)
            | Fact::PriorsOfferReceived(id, _)
            | Fact::PriorsRequestReceived(id, _)
            | Fact::PriorAnswerReceived(id, _) => Some(*id),
            Fact::Paired(_)
            | Fact::Removed(_)
            | Fact::Opened(_)
            | Fact::Pseudonymous(_)
            | Fact::LinkMade(..)
            | Fact::ProposalMade(..)
            | Fact::CancelMade(..)
            | Fact::PriorsOffered(..)
            | Fact::PriorAnswered(_)
            | Fact::PriorArrived(..)
            | Fact::PriorStored(..)
            | Fact::Confirmed(..)
            | Fact::Refused(..)
            | Fact::StudyArrived(_)
            | Fact::StudyStored(_)
            | Fact::StudyKeyDestroyed(_)
            | Fact::StudyRemoved(_)
            | Fact::Other => None,
        }
    }

    /// The case it is about.
    pub(crate) fn case(&self) -> Option<CaseId> {
        match self {
            Fact::LinkMade(_, link) | Fact::LinkReceived(_, link) => Some(link.case),
            Fact::ProposalMade(_, proposal) | Fact::ProposalReceived(_, proposal) => {
                Some(proposal.case)
            }
            Fact::CancelMade(_, cancel) | Fact::CancelReceived(_, cancel) => Some(cancel.case),
            Fact::PriorsOffered(_, offer) => Some(offer.case),
            Fact::PriorsRequestReceived(_, request) => Some(request.case),
            Fact::PriorAnswered(answer) => Some(answer.case),
            Fact::Opened(case)
            | Fact::Pseudonymous(case)
            | Fact::PriorsOfferReceived(_, case)
            | Fact::PriorAnswerReceived(_, case)
            | Fact::PriorArrived(case, _)
            | Fact::PriorStored(case, _)
            | Fact::StudyArrived(case)
            | Fact::StudyStored(case)
            | Fact::StudyKeyDestroyed(case)
            | Fact::StudyRemoved(case) => Some(*case),
            Fact::Paired(_)
            | Fact::Removed(_)
            | Fact::Proposed(..)
            | Fact::Accepted(..)
            | Fact::Confirmed(..)
            | Fact::Refused(..)
            | Fact::Other => None,
        }
    }
}

fn id(bytes: &[u8]) -> DocumentId {
    DocumentId::of(bytes)
}

fn content<T: Document>(bytes: &[u8]) -> Result<T, Violation> {
    signed::recorded(bytes)
        .map_err(|error| Violation::new("log", format!("a {} in it: {error}", T::KIND)))
}
