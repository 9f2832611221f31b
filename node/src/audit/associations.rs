//! What modalities send, for each association and study rather than for each image (PS3.15 §A.5.3.3 and §A.5.3.7).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Audit;
use super::event::{Alert, Event, Kind, Outcome, Subject, Transfer, Who};
use crate::dicom::header::Header;
use crate::dicom::pdu::RejectionReason;
use crate::dicom::scp::{Caller, Notice};

/// Studies of one association that are told apart at a time. Modalities send one; an archive that sends hundreds over one
/// association has each told when it is pushed out by another.
const STUDIES: usize = 64;

/// The open associations, and what each has brought.
pub struct Associations {
    audit: Audit,
    open: Mutex<BTreeMap<SocketAddr, Vec<Subject>>>,
}

impl Associations {
    /// Tells what modalities send to this trail.
    #[must_use]
    pub fn new(audit: Audit) -> Associations {
        Associations {
            audit,
            open: Mutex::default(),
        }
    }

    /// An object was stored.
    pub fn stored(&self, caller: &Caller, header: &Header) {
        if !self.audit.is_kept() {
            return;
        }
        let (study, class) = (header.study().as_str(), header.sop_class().as_str());
        let mut pushed_out = None;
        let mut begun = None;
        {
            let mut open = self.lock();
            let brought = open.entry(caller.address).or_default();
            if let Some(subject) = brought.iter_mut().find(|subject| subject.study == study) {
                subject.count(class);
                return;
            }
            if brought.len() == STUDIES {
                pushed_out = Some(brought.remove(0));
            }
            let mut subject = Subject::of_object(header);
            subject.count(class);
            begun.replace(subject.clone());
            brought.push(subject);
        }
        if let Some(subject) = pushed_out {
            self.note(Kind::Transferred, caller, subject);
        }
        if let Some(subject) = begun {
            self.note(Kind::TransferBegan, caller, subject);
        }
    }

    /// An association has ended, however it did.
    pub fn left(&self, caller: &Caller) {
        let brought = self.lock().remove(&caller.address);
        for subject in brought.into_iter().flatten() {
            self.note(Kind::Transferred, caller, subject);
        }
    }

    /// Something is told to the operator; auditors hear of callers that were refused for who they are.
    pub fn notice(&self, notice: &Notice<'_>) {
        let (caller, description) = match notice {
            Notice::NotLetIn { caller, .. } => (
                caller,
                "a caller was refused for its AE title, address or certificate",
            ),
            Notice::Rejected { caller, why } if why.reason == RejectionReason::CalledAeTitle => {
                (caller, "an association for another AE title was refused")
            }
            _ => return,
        };
        let alert = Kind::Alert {
            what: Alert::NodeAuthentication,
            by: Some(entity(caller)),
            about: caller.address.ip().to_canonical().to_string(),
            description: description.to_owned(),
        };
        self.audit.note(Event::now(alert).with(Outcome::Minor));
    }

    fn note(&self, kind: fn(Transfer) -> Kind, caller: &Caller, subject: Subject) {
        self.audit.note(Event::now(kind(Transfer {
            from: entity(caller),
            to: Who::ThisNode,
            asked: None,
            subject,
        })));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Vec<Subject>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other end of an association.
#[must_use]
pub fn entity(caller: &Caller) -> Who {
    Who::Entity {
        title: caller.calling_ae.to_string(),
        host: caller.address.ip().to_canonical().to_string(),
    }
}
