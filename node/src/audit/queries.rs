//! Queries that callers make over DICOM, told as they come (PS3.15 §A.5.3.10): who asks for whom is told whatever is found.
//! Of what they retrieve it is told which studies begin to go to whom, and how many objects of each have gone (§A.5.3.3,
//! §A.5.3.7).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Audit;
use super::associations::entity;
use super::event::{Event, Kind, Outcome, Query, Subject, Transfer, Who};
use crate::dicom::dataset::{self, DataSet};
use crate::dicom::dimse::{Level, Looked, Model, QueryFailure, Reference, Verdict};
use crate::dicom::scanner::Encoding;
use crate::dicom::scp::{Caller, Counted, Holdings, Recipient, Selected};
use crate::index::holdings;

/// How the identifier is written in a message.
const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// What lies here, for callers whose queries are told.
pub struct Told {
    holdings: holdings::Holdings,
    audit: Audit,
}

impl Told {
    /// Tells the queries and retrievals of `holdings` to this trail.
    #[must_use]
    pub fn new(holdings: holdings::Holdings, audit: Audit) -> Told {
        Told { holdings, audit }
    }

    /// What of one study goes to whom.
    fn transfer(
        &self,
        (caller, to): (&Caller, &Recipient),
        study: &str,
        classes: Option<&BTreeMap<String, u32>>,
    ) -> Transfer {
        let attributes = self.holdings.attributes(&caller.permission.scope, study);
        let named = attributes.map(|attributes| Subject::named(&attributes, study));
        let mut subject = named.unwrap_or_else(|| Subject {
            study: study.to_owned(),
            ..Subject::default()
        });
        for (sop_class, count) in classes.into_iter().flatten() {
            subject.count_many(sop_class, *count);
        }
        let to = Who::Entity {
            title: to.title.to_string(),
            host: to.host.clone(),
        };
        Transfer {
            from: Who::ThisNode,
            to,
            asked: Some(entity(caller)),
            subject,
        }
    }
}

/// How a study went of which so many objects were to go.
fn outcome(selected: &BTreeMap<String, u32>, arrived: Option<&BTreeMap<String, u32>>) -> Outcome {
    match arrived {
        Some(arrived) if arrived == selected => Outcome::Success,
        Some(_) => Outcome::Minor,
        None => Outcome::Serious,
    }
}

impl Holdings for Told {
    fn serves(&self, caller: &Caller) -> bool {
        self.holdings.serves(caller)
    }

    fn find(
        &self,
        caller: &Caller,
        model: Model,
        level: Level,
        identifier: &DataSet,
        answer: &mut dyn FnMut(Looked) -> ControlFlow<()>,
    ) -> Result<(), QueryFailure> {
        let found = Holdings::find(&self.holdings, caller, model, level, identifier, answer);
        if self.audit.is_kept() {
            let query = Query {
                sop_class: model.find_class().to_owned(),
                identifier: dataset::write(identifier, Encoding::ExplicitLittle),
                transfer_syntax: Some(EXPLICIT_VR_LITTLE_ENDIAN.to_owned()),
            };
            let by = entity(caller);
            let event = Event::now(Kind::Queried { by, query });
            self.audit.note(match found {
                Ok(()) => event,
                Err(_) => event.with(Outcome::Minor),
            });
        }
        found
    }

    fn select(
        &self,
        caller: &Caller,
        level: Level,
        identifier: &DataSet,
    ) -> Result<Vec<Selected>, QueryFailure> {
        self.holdings.select(caller, level, identifier)
    }

    fn begins(&self, caller: &Caller, to: &Recipient, objects: &Counted) {
        if !self.audit.is_kept() {
            return;
        }
        for (study, classes) in objects {
            let transfer = self.transfer((caller, to), study, Some(classes));
            self.audit.note(Event::now(Kind::TransferBegan(transfer)));
        }
    }

    fn ended(&self, caller: &Caller, to: &Recipient, objects: &Counted, arrived: &Counted) {
        if !self.audit.is_kept() {
            return;
        }
        for (study, selected) in objects {
            let arrived = arrived.get(study);
            let transfer = self.transfer((caller, to), study, arrived);
            let event = Event::now(Kind::Transferred(transfer));
            self.audit.note(event.with(outcome(selected, arrived)));
        }
    }

    fn commits(&self, caller: &Caller, references: &[Reference]) -> Vec<Verdict> {
        self.holdings.commits(caller, references)
    }
}
