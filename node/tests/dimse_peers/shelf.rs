//! Holdings and destinations in memory, for whoever asks.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{DataSet, Element, Value};
use dokuei_node::dicom::dimse::{
    Level, Looked, Model, QueryFailure, QueryStatus, Reference, Verdict,
};
use dokuei_node::dicom::pdu::AeTitle;
use dokuei_node::dicom::scp::{
    Caller, Commitments, Destinations, Holdings, Limits, Owed, Route, Scp, Selected, Services,
};
use dokuei_node::dicom::scu::{Destination, Transcoding};

use crate::memory::{self, Memory};
use crate::object::Object;

/// How long it is looked in vain at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// The study of every object that [`Object::new`] makes.
pub(crate) const STUDY: &str = "2.25.8000002";

pub(crate) const OUT_OF_RESOURCES: QueryFailure =
    QueryFailure::new(QueryStatus::OutOfResources, "index is busy", "混雑");

/// Studies that are found by number, and objects that are sent.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) studies: usize,
    pub(crate) objects: Vec<Object>,
    pub(crate) failing: Option<QueryFailure>,
    /// Whether only the caller `READER` may ask.
    pub(crate) picky: bool,
    /// Whether it looks for matches for as long as somebody waits, and finds none.
    pub(crate) in_vain: bool,
    /// Whether that was ended by whoever waited.
    pub(crate) broken_off: AtomicBool,
    /// Matches handed over so far, or looks in vain.
    pub(crate) found: AtomicUsize,
    pub(crate) asked: Mutex<Vec<(Model, Level)>>,
    pub(crate) destinations: BTreeMap<String, Destination>,
    pub(crate) debts: Mutex<Vec<(Owed, Debt)>>,
}

/// What became of an answer that was owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debt {
    Owed,
    Settled,
    Postponed,
}

impl Shelf {
    pub(crate) fn of_objects(objects: &[Object]) -> Self {
        Shelf {
            objects: objects.to_vec(),
            ..Shelf::default()
        }
    }
}

/// A receiving side that offers what is on the shelf.
pub(crate) fn start(shelf: Shelf) -> (Scp, Arc<Shelf>, Arc<Memory>) {
    let shelf = Arc::new(shelf);
    serve(Arc::clone(&shelf), shelf, None)
}

/// The same with other destinations.
pub(crate) fn start_towards(
    shelf: Shelf,
    destinations: Arc<dyn Destinations>,
) -> (Scp, Arc<Shelf>, Arc<Memory>) {
    serve(Arc::new(shelf), destinations, None)
}

/// The same, bringing objects into what a requestor of C-GET takes.
pub(crate) fn start_transcoding(
    shelf: Shelf,
    by: Arc<dyn Transcoding>,
) -> (Scp, Arc<Shelf>, Arc<Memory>) {
    let shelf = Arc::new(shelf);
    serve(Arc::clone(&shelf), shelf, Some(by))
}

fn serve(
    shelf: Arc<Shelf>,
    destinations: Arc<dyn Destinations>,
    transcoding: Option<Arc<dyn Transcoding>>,
) -> (Scp, Arc<Shelf>, Arc<Memory>) {
    let memory = Memory::new();
    let services = Services {
        holdings: Some(Arc::clone(&shelf) as _),
        destinations: Some(destinations),
        commitments: Some(Arc::clone(&shelf) as _),
        answers: None,
        transcoding,
    };
    let config = memory::config(Limits::default());
    let scp = Scp::serve(config, Arc::clone(&memory) as _, services).unwrap();
    (scp, shelf, memory)
}

impl Holdings for Shelf {
    fn serves(&self, caller: &Caller) -> bool {
        !self.picky || caller.calling_ae.as_str() == "READER"
    }

    fn find(
        &self,
        _caller: &Caller,
        model: Model,
        level: Level,
        identifier: &DataSet,
        answer: &mut dyn FnMut(Looked) -> ControlFlow<()>,
    ) -> Result<(), QueryFailure> {
        self.asked.lock().unwrap().push((model, level));
        if let Some(failure) = self.failing {
            return Err(failure);
        }
        if self.in_vain {
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until {
                self.found.fetch_add(1, Ordering::Relaxed);
                if answer(Looked::InVain).is_break() {
                    self.broken_off.store(true, Ordering::Release);
                    break;
                }
            }
            return Ok(());
        }
        for number in 0..self.studies {
            let mut found = DataSet::default();
            let known = |tag: Tag| match tag {
                tags::PATIENT_NAME => Some("山田^太郎".to_owned()),
                tags::PATIENT_ID => Some("P-1".to_owned()),
                tags::STUDY_INSTANCE_UID => Some(format!("2.25.{number}")),
                _ => None,
            };
            for key in identifier.elements() {
                if let Some(text) = known(key.tag) {
                    found.put_text(key.tag, key.vr, &text);
                }
            }
            found.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
            self.found.fetch_add(1, Ordering::Relaxed);
            if answer(Looked::Match(found)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn select(
        &self,
        _caller: &Caller,
        _level: Level,
        identifier: &DataSet,
    ) -> Result<Vec<Selected>, QueryFailure> {
        if let Some(failure) = self.failing {
            return Err(failure);
        }
        let named = identifier.code(tags::STUDY_INSTANCE_UID) == STUDY;
        let objects = self.objects.iter().filter(|_| named);
        Ok(objects
            .map(|object| Box::new(object.clone()) as Selected)
            .collect())
    }

    fn commits(&self, _caller: &Caller, references: &[Reference]) -> Vec<Verdict> {
        let verdict = |wanted: &Reference| {
            let mut objects = self.objects.iter();
            match objects.find(|object| object.sop_instance == wanted.sop_instance) {
                Some(object) if object.sop_class == wanted.sop_class => Verdict::Kept,
                Some(_) => Verdict::OTHER_CLASS,
                None => Verdict::UNKNOWN,
            }
        };
        references.iter().map(verdict).collect()
    }
}

impl Destinations for Shelf {
    fn named(&self, title: &AeTitle) -> Option<Arc<dyn Route>> {
        let known = self.destinations.get(title.as_str()).cloned();
        known.map(|known| Arc::new(known) as Arc<dyn Route>)
    }
}

impl Shelf {
    fn mark(&self, owed: &Owed, debt: Debt) {
        let mut debts = self.debts.lock().unwrap();
        let known = debts.iter_mut().find(|(known, _)| known == owed);
        known.unwrap().1 = debt;
    }
}

impl Commitments for Shelf {
    fn serves(&self, _caller: &Caller) -> bool {
        true
    }

    fn owe(&self, owed: &Owed) -> Result<(), QueryFailure> {
        match self.failing {
            Some(failure) => Err(failure),
            None => {
                self.debts.lock().unwrap().push((owed.clone(), Debt::Owed));
                Ok(())
            }
        }
    }

    fn settle(&self, owed: &Owed) {
        self.mark(owed, Debt::Settled);
    }

    fn postpone(&self, owed: &Owed) {
        self.mark(owed, Debt::Postponed);
    }
}

/// An identifier at a level.
pub(crate) fn identifier(level: &str, keys: &[(Tag, VR, &str)]) -> DataSet {
    let mut identifier: DataSet = keys
        .iter()
        .map(|(tag, vr, value)| Element {
            tag: *tag,
            vr: *vr,
            value: Value::Bytes(value.as_bytes().to_vec()),
        })
        .collect();
    identifier.put_text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, level);
    identifier
}
