//! Queries that callers make over DICOM, told as they come (PS3.15 §A.5.3.10): who asks for whom is told whatever is found.

use std::ops::ControlFlow;

use super::Audit;
use super::associations::entity;
use super::event::{Event, Kind, Outcome, Query};
use crate::dicom::dataset::{self, DataSet};
use crate::dicom::dimse::{Level, Model, QueryFailure, Reference, Verdict};
use crate::dicom::scanner::Encoding;
use crate::dicom::scp::{Caller, Holdings, Selected};

/// How the identifier is written in a message.
const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// What lies here, for callers whose queries are told.
pub struct Told<H> {
    holdings: H,
    audit: Audit,
}

impl<H> Told<H> {
    /// Tells the queries of `holdings` to this trail.
    #[must_use]
    pub fn new(holdings: H, audit: Audit) -> Told<H> {
        Told { holdings, audit }
    }
}

impl<H: Holdings> Holdings for Told<H> {
    fn serves(&self, caller: &Caller) -> bool {
        self.holdings.serves(caller)
    }

    fn find(
        &self,
        caller: &Caller,
        model: Model,
        level: Level,
        identifier: &DataSet,
        answer: &mut dyn FnMut(DataSet) -> ControlFlow<()>,
    ) -> Result<(), QueryFailure> {
        let found = self.holdings.find(caller, model, level, identifier, answer);
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

    fn commits(&self, caller: &Caller, references: &[Reference]) -> Vec<Verdict> {
        self.holdings.commits(caller, references)
    }
}
