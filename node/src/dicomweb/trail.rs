//! What auditors hear of the web (PS3.15 §A.5): who searched for what, who saw which study, what came in, who logged in,
//! who was refused.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::Asked;
use super::access::{Kind as CredentialKind, Visitor};
use super::find::selection;
use super::route::{Place, What};
use crate::audit::Audit;
use crate::audit::event::{Access, Alert, Event, Kind, Outcome, Query, Subject, Transfer, Who};
use crate::audit::rate::{Rate, described};
use crate::dicom::header::Header;
use crate::entities::Scope;
use crate::index::holdings::Holdings;

/// A viewer asks for every image by itself: whoever sees a study is told once in this time.
const VISIT: Duration = Duration::from_secs(5 * 60);
/// Visits that are remembered: some hundred people with some studies each. The oldest is told again.
const VISITS: usize = 1_024;
/// Studies of one STOW request that are told apart at a time, as of an association.
const STUDIES: usize = 64;
/// What a search is as auditors know it: DICOMweb has no SOP classes, and Study Root FIND answers the same.
const SEARCH: &str = "1.2.840.10008.5.1.4.1.2.2.1";
/// What a search for workitems is: UPS Query.
const SEARCH_WORKITEMS: &str = "1.2.840.10008.5.1.4.34.6.5";
/// What a workitem is: UPS Push.
const WORKITEM: &str = "1.2.840.10008.5.1.4.34.6.1";

/// Tells auditors of the web.
pub(super) struct Trail {
    audit: Audit,
    visits: Mutex<BTreeMap<(String, String), Instant>>,
    refusals: Mutex<Rate>,
}

/// A request, as far as auditors hear of it.
pub(super) struct Heard {
    by: Who,
    what: Subjected,
}

enum Subjected {
    Search(String),
    Study(Box<(Scope, Place)>),
    Other,
}

impl Trail {
    pub(super) fn new(audit: Audit) -> Trail {
        Trail {
            audit,
            visits: Mutex::default(),
            refusals: Mutex::default(),
        }
    }

    /// What there will be to tell of a request; `text` is its query. None when nobody listens.
    pub(super) fn heard(&self, asked: &Asked, text: &str) -> Option<Heard> {
        if !self.audit.is_kept() {
            return None;
        }
        let what = match &asked.resource.what {
            // Objects that come in are told by [`Arrivals`].
            _ if asked.method != http::Method::GET => Subjected::Other,
            What::Search(_) => Subjected::Search(text.to_owned()),
            _ => Subjected::Study(Box::new((
                asked.scope.clone(),
                asked.resource.place.clone(),
            ))),
        };
        Some(Heard {
            by: asked.by.clone(),
            what,
        })
    }

    /// A request was answered with this status.
    pub(super) fn answered(&self, heard: Heard, holdings: &Holdings, status: StatusCode) {
        let Heard { by, what } = heard;
        let is_given = status.is_success() || status == StatusCode::NOT_MODIFIED;
        match what {
            Subjected::Search(text) => self.queried(by, SEARCH, text, is_given),
            Subjected::Study(study) if is_given => self.saw(by, holdings, &study.0, &study.1),
            Subjected::Study(_) | Subjected::Other => {
                if status == StatusCode::FORBIDDEN {
                    let about = Alert::RestrictedFunction;
                    self.refused(about, Some(by), "a request was refused");
                }
            }
        }
    }

    fn queried(&self, by: Who, what: &str, text: String, is_given: bool) {
        let query = Query {
            sop_class: what.to_owned(),
            identifier: text.into_bytes(),
            transfer_syntax: None,
        };
        let outcome = match is_given {
            true => Outcome::Success,
            false => Outcome::Minor,
        };
        let asked = Kind::Queried { by, query };
        self.audit.note(Event::now(asked).with(outcome));
    }

    /// Somebody saw the page that lists studies.
    pub(super) fn listed(&self, visitor: &Visitor, from: IpAddr) {
        self.queried(person(visitor, from), SEARCH, String::new(), true);
    }

    /// Somebody searched for workitems, with this query.
    pub(super) fn searched_workitems(&self, by: Who, text: &str, is_given: bool) {
        self.queried(by, SEARCH_WORKITEMS, text.to_owned(), is_given);
    }

    /// Somebody saw a workitem about a study; told once in a while, as of images.
    pub(super) fn saw_workitem(&self, by: Who, holdings: &Holdings, scope: &Scope, about: About) {
        let About { workitem, study } = about;
        if !self.audit.is_kept() || !self.is_first(&by, workitem) {
            return;
        }
        let mut subject = match holdings.attributes(scope, study) {
            Some(attributes) => Subject::named(&attributes, study),
            // It is not here yet.
            None => Subject {
                study: study.to_owned(),
                ..Subject::default()
            },
        };
        subject.count(WORKITEM);
        self.audit.note(Event::now(Kind::Accessed {
            by,
            how: Access::Read,
            subject,
        }));
    }

    fn saw(&self, by: Who, holdings: &Holdings, scope: &Scope, place: &Place) {
        let selection = selection(place);
        if !self.is_first(&by, &selection.study) {
            return;
        }
        let Some(attributes) = holdings.attributes(scope, &selection.study) else {
            return;
        };
        let mut subject = Subject::named(&attributes, &selection.study);
        for instance in holdings.instances(scope, &selection) {
            subject.count(&instance.sop_class);
        }
        self.audit.note(Event::now(Kind::Accessed {
            by,
            how: Access::Read,
            subject,
        }));
    }

    /// Whether somebody sees a study for the first time in a while.
    fn is_first(&self, by: &Who, study: &str) -> bool {
        let Who::Person { id, address, .. } = by else {
            return true;
        };
        let who = format!("{id} {address:?}");
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let visit = (who, study.to_owned());
        if visits.get(&visit).is_some_and(|at| at.elapsed() < VISIT) {
            return false;
        }
        if visits.len() >= VISITS {
            visits.retain(|_, at| at.elapsed() < VISIT);
        }
        if visits.len() >= VISITS {
            let oldest = visits.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(visit, _)| visit.clone()) {
                visits.remove(&oldest);
            }
        }
        visits.insert(visit, Instant::now());
        true
    }

    /// Somebody was refused, told at a bounded rate.
    pub(super) fn refused(&self, what: Alert, by: Option<Who>, description: &str) {
        if !self.audit.is_kept() {
            return;
        }
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = refusals.admits() else {
            return;
        };
        let alert = Kind::Alert {
            what,
            by,
            about: "DICOMweb".to_owned(),
            description: described(description, before),
        };
        self.audit.note(Event::now(alert).with(Outcome::Minor));
    }

    /// Somebody came with what lets nobody in.
    pub(super) fn stranger(&self, from: IpAddr) {
        let description = format!("a request from {from} with an unknown token was refused");
        self.refused(Alert::NodeAuthentication, None, &description);
    }

    /// Somebody logged in, or could not.
    pub(super) fn logged_in(&self, name: &str, from: IpAddr, outcome: Outcome) {
        let logged_in = Kind::LoggedIn(account(name, from));
        self.audit.note(Event::now(logged_in).with(outcome));
    }

    /// Somebody logged out.
    pub(super) fn logged_out(&self, name: &str, from: IpAddr) {
        let logged_out = Kind::LoggedOut(account(name, from));
        self.audit.note(Event::now(logged_out));
    }
}

/// A workitem and the study that it is about, by their UIDs.
pub(super) struct About<'a> {
    pub workitem: &'a str,
    pub study: &'a str,
}

/// Somebody who came by the web: an account, a token or a certificate, which may be called the same.
pub(super) fn person(visitor: &Visitor, from: IpAddr) -> Who {
    Who::Person {
        id: visitor.id(),
        name: visitor.name.clone(),
        address: Some(from.to_canonical()),
    }
}

/// Somebody who logs in or out.
fn account(name: &str, from: IpAddr) -> Who {
    Who::Person {
        id: format!("{}:{name}", CredentialKind::Account.code()),
        name: name.to_owned(),
        address: Some(from.to_canonical()),
    }
}

/// What one STOW request brings, told by study when it ends.
pub(super) struct Arrivals {
    trail: Arc<Trail>,
    by: Who,
    brought: Vec<Subject>,
}

impl Arrivals {
    pub(super) fn new(trail: Arc<Trail>, by: Who) -> Arrivals {
        Arrivals {
            trail,
            by,
            brought: Vec::new(),
        }
    }

    /// An object was stored.
    pub(super) fn stored(&mut self, header: &Header) {
        if !self.trail.audit.is_kept() {
            return;
        }
        let (study, class) = (header.study().as_str(), header.sop_class().as_str());
        let known = self.brought.iter_mut().find(|known| known.study == study);
        if let Some(subject) = known {
            return subject.count(class);
        }
        if self.brought.len() == STUDIES {
            let pushed_out = self.brought.remove(0);
            self.tell(pushed_out);
        }
        let mut subject = Subject::of_object(header);
        subject.count(class);
        self.brought.push(subject);
    }

    fn tell(&self, subject: Subject) {
        self.trail
            .audit
            .note(Event::now(Kind::Transferred(Transfer {
                from: self.by.clone(),
                to: Who::ThisNode,
                asked: None,
                subject,
            })));
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        for subject in std::mem::take(&mut self.brought) {
            self.tell(subject);
        }
    }
}
