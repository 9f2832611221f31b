//! What the committed records say to auditors. The log is the queue: an entry becomes messages once, in the transaction
//! that notes how far the trail has come, however long the collector or the node was away.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::signed;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, Proposal, ReaderEvent, RequesterEvent};
use dokuei_protocol::case::priors::{PriorAnswer, PriorGiven, lies_as};
use dokuei_protocol::log::entry::Entry;
use dokuei_protocol::record::Record;

use super::event::{Access, Alert, Event, Kind, Place, Subject, Transfer, Who};
use crate::store::{Store, StoreError};
use crate::studies::granted::GrantedStudies;
use crate::studies::register::Register;

/// Studies that are kept in mind: more than one step destroys, and the trail is behind by milliseconds.
const REMEMBERED: usize = 64;

/// Where records come from, and what they are about.
pub struct Records {
    /// The log.
    pub store: Store,
    /// Knows cases and partners.
    pub cases: Box<dyn Cases>,
    /// The studies of this site.
    pub register: Register,
    /// The studies of partners.
    pub granted: GrantedStudies,
    /// This site's archive, if it has one.
    pub archive: Option<Who>,
}

/// Whoever knows cases and partners.
pub trait Cases: Send {
    /// A case, and the partner in it: the one that asked, and otherwise `reader`. Blocks; called from the trail's own
    /// thread.
    ///
    /// # Errors
    /// [`Stopping`].
    fn case(&self, case: CaseId, reader: Option<SiteId>) -> Result<Case, Stopping>;
}

/// The node is stopping: what is not told yet is told at the next start.
pub struct Stopping;

/// What is known of a case.
pub struct Case {
    /// The study's parcel, at the requester.
    pub parcel: Option<ParcelId>,
    /// The site that asked.
    pub requester: Option<SiteId>,
    /// The name of the site that asked, or that was asked.
    pub partner: String,
}

/// Whose studies are about to be destroyed, the newest [`REMEMBERED`]. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Remembered(Arc<Mutex<VecDeque<(CaseId, Subject)>>>);

impl Remembered {
    pub(super) fn put(&self, case: CaseId, subject: Subject) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() == REMEMBERED {
            held.pop_front();
        }
        held.push_back((case, subject));
    }

    fn take(&self, case: CaseId) -> Option<Subject> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = held.iter().position(|(known, _)| *known == case)?;
        held.remove(at).map(|(_, subject)| subject)
    }
}

enum Ended {
    Stopping,
    Store(StoreError),
    Enough,
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Ended {
        Ended::Store(error)
    }
}

impl Records {
    /// The events of at most `entries` log entries from number `first` on, and the number of the next entry. Fewer when the
    /// node stops or the store fails: the rest is told at the next start.
    pub(super) fn events(
        &self,
        first: u64,
        entries: u64,
        remembered: &Remembered,
    ) -> (u64, Vec<Event>) {
        let (mut next, mut events) = (first, Vec::new());
        let read = self.store.entries(first, |sequence, bytes| {
            if sequence >= first.saturating_add(entries) {
                return Err(Ended::Enough);
            }
            match minicbor::decode::<Entry>(bytes) {
                Ok(entry) => events.extend(
                    self.of(&entry, remembered)
                        .map_err(|Stopping| Ended::Stopping)?,
                ),
                Err(_) => {
                    tracing::error!(target: "dokuei::audit", sequence, "a log entry cannot be read")
                }
            }
            next = sequence + 1;
            Ok(())
        });
        if let Err(Ended::Store(error)) = read {
            tracing::warn!(target: "dokuei::audit", "{error}");
        }
        (next, events)
    }

    fn of(&self, entry: &Entry, remembered: &Remembered) -> Result<Vec<Event>, Stopping> {
        let kinds = match &entry.record {
            Record::LinkMade(bytes) => match signed::recorded::<Link>(bytes) {
                Ok(link) => self.of_link(&link)?,
                Err(_) => Vec::new(),
            },
            Record::StudyArrived(case) => {
                let known = self.cases.case(*case, None)?;
                vec![imported(&known, self.subject(*case, &known))]
            }
            Record::StudyStored(case) => {
                let known = self.cases.case(*case, None)?;
                self.archived(self.subject(*case, &known))
            }
            Record::StudyKeyDestroyed(case) => {
                let known = self.cases.case(*case, None)?;
                let subject = remembered.take(*case);
                vec![deleted(subject, || self.subject(*case, &known))]
            }
            record @ (Record::PriorAnswered(_)
            | Record::PriorArrived(..)
            | Record::PriorStored(..)
            | Record::PriorKeyDestroyed(..)) => self.of_priors(record, remembered)?,
            Record::ProposalMade(bytes) => match signed::recorded::<Proposal>(bytes) {
                Ok(proposal) => self.of_proposal(&proposal)?,
                Err(_) => Vec::new(),
            },
            Record::PartnerPaired(_) => vec![trust("a partner", "a partner was paired")],
            Record::PartnerRemoved(site) => {
                vec![trust(&site.to_string(), "a partner was removed")]
            }
            Record::KeyRevoked(_) => vec![trust("a key", "a key was revoked")],
            Record::PartnerRenewed(_) => vec![trust("a partner", "a partner's keys were renewed")],
            Record::AgreementProposed(_)
            | Record::AgreementAccepted(_)
            | Record::AnnouncementMade(_)
            | Record::AnnouncementReceived(_)
            | Record::CaseOpened(..)
            | Record::CaseChecked(_)
            | Record::CasePseudonymous(_)
            | Record::StudyChecked(..)
            | Record::StudyCommitted(_)
            | Record::LinkReceived(_)
            // A report that waits for the requester's key is told when it is issued.
            | Record::ReportSealed(..)
            | Record::ProposalReceived(_)
            | Record::DocumentConfirmed(..)
            | Record::DocumentRefused(..)
            | Record::CancelMade(_)
            | Record::CancelReceived(_)
            | Record::PriorsListed(..)
            | Record::PriorsOffered(_)
            | Record::PriorsOfferReceived(_)
            | Record::PriorsAsked(_)
            | Record::PriorsRequestReceived(_)
            | Record::PriorFound(..)
            | Record::PriorAnswerReceived(_)
            | Record::PriorRemoved(..)
            | Record::StudyRemoved(_) => Vec::new(),
        };
        let events = kinds.into_iter().map(|kind| Event::at(entry.at.0, kind));
        Ok(events.collect())
    }

    fn of_link(&self, link: &Link) -> Result<Vec<Kind>, Stopping> {
        Ok(match &link.event {
            // From here on the partner may fetch the study and can read it.
            RequesterEvent::Granted(_) => {
                let known = self.cases.case(link.case, Some(link.reader))?;
                vec![Kind::Exported {
                    to: partner(Some(link.reader), &known.partner),
                    by: None,
                    subject: self.subject(link.case, &known),
                }]
            }
            RequesterEvent::Delivered(_) => {
                let known = self.cases.case(link.case, Some(link.reader))?;
                let mut subject = self.subject(link.case, &known);
                subject.classes = [(ENCAPSULATED_PDF.to_owned(), 1)].into();
                let from = partner(Some(link.reader), &known.partner);
                let mut kinds = vec![Kind::Imported {
                    from,
                    by: None,
                    subject: subject.clone(),
                }];
                kinds.extend(self.archived(subject));
                kinds
            }
            RequesterEvent::Offered(_)
            | RequesterEvent::Admitted(_)
            | RequesterEvent::NotAdmitted(_)
            | RequesterEvent::Booked(_)
            | RequesterEvent::Acknowledged(_)
            | RequesterEvent::ReportRejected(_)
            | RequesterEvent::Closed
            | RequesterEvent::Withdrawn(_)
            | RequesterEvent::Expired
            | RequesterEvent::NotChosen => Vec::new(),
        })
    }

    fn of_proposal(&self, proposal: &Proposal) -> Result<Vec<Kind>, Stopping> {
        let ReaderEvent::Reported(issued) = &proposal.event else {
            return Ok(Vec::new());
        };
        let known = self.cases.case(proposal.case, None)?;
        let subject = self.subject(proposal.case, &known);
        let author = Who::Person {
            id: issued.author.to_string(),
            name: String::new(),
            address: None,
        };
        Ok(vec![
            Kind::Accessed {
                by: author.clone(),
                how: Access::Report,
                subject: subject.clone(),
            },
            // The report alone goes back.
            Kind::Exported {
                to: partner(Some(proposal.requester), &known.partner),
                by: Some(author),
                subject: Subject {
                    classes: BTreeMap::new(),
                    ..subject
                },
            },
        ])
    }

    fn of_priors(&self, record: &Record, remembered: &Remembered) -> Result<Vec<Kind>, Stopping> {
        let subject = |name| self.granted_subject(name);
        Ok(match record {
            Record::PriorAnswered(bytes) => match signed::recorded::<PriorAnswer>(bytes) {
                Ok(answer) => self.of_prior(&answer)?,
                Err(_) => Vec::new(),
            },
            Record::PriorArrived(case, parcel) => {
                let known = self.cases.case(*case, None)?;
                vec![imported(&known, subject(lies_as(*case, *parcel)))]
            }
            Record::PriorStored(case, parcel) => self.archived(subject(lies_as(*case, *parcel))),
            Record::PriorKeyDestroyed(case, parcel) => {
                let name = lies_as(*case, *parcel);
                vec![deleted(remembered.take(name), || subject(name))]
            }
            _ => Vec::new(),
        })
    }

    /// From here on the partner may fetch a prior and can read it.
    fn of_prior(&self, answer: &PriorAnswer) -> Result<Vec<Kind>, Stopping> {
        let PriorGiven::Granted(grants) = &answer.given else {
            return Ok(Vec::new());
        };
        let known = self.cases.case(answer.case, Some(answer.reader))?;
        let exported = grants.iter().map(|grant| {
            let parcel = &grant.manifest.parcel;
            let subject = self.register.look(parcel, Subject::of);
            Kind::Exported {
                to: partner(Some(answer.reader), &known.partner),
                by: None,
                subject: subject.unwrap_or_default(),
            }
        });
        Ok(exported.collect())
    }

    fn archived(&self, subject: Subject) -> Vec<Kind> {
        let archive = self.archive.clone().into_iter();
        let transferred = archive.map(|to| {
            Kind::Transferred(Transfer {
                from: Who::ThisNode,
                to,
                asked: None,
                subject: subject.clone(),
            })
        });
        transferred.collect()
    }

    /// The study of a case, as far as this site still knows it.
    fn subject(&self, case: CaseId, known: &Case) -> Subject {
        let own = known
            .parcel
            .and_then(|parcel| self.register.look(&parcel, Subject::of));
        own.unwrap_or_else(|| self.granted_subject(case))
    }

    /// The study that lies here under the name of a case, or of a prior.
    fn granted_subject(&self, name: CaseId) -> Subject {
        let study = self.granted.study(name);
        study.map(|study| Subject::of(&study)).unwrap_or_default()
    }
}

/// SOP class of delivered reports (PS3.4 annex B.5).
const ENCAPSULATED_PDF: &str = dicom_dictionary_std::uids::ENCAPSULATED_PDF_STORAGE;

fn imported(known: &Case, subject: Subject) -> Kind {
    Kind::Imported {
        from: partner(known.requester, &known.partner),
        by: None,
        subject,
    }
}

fn deleted(remembered: Option<Subject>, otherwise: impl FnOnce() -> Subject) -> Kind {
    Kind::StudyDeleted {
        by: Who::ThisNode,
        subject: remembered.unwrap_or_else(otherwise),
    }
}

fn partner(site: Option<SiteId>, name: &str) -> Place {
    Place::Partner {
        site: site.map(|site| site.to_string()).unwrap_or_default(),
        name: name.to_owned(),
    }
}

fn trust(about: &str, description: &str) -> Kind {
    Kind::Alert {
        what: Alert::SecurityConfiguration,
        by: None,
        about: about.to_owned(),
        description: description.to_owned(),
    }
}
