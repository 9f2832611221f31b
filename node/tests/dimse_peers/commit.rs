//! Storage commitment, both sides and both ways of answering.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dokuei_keys::secret::{Secret32, StorageKey};
use dokuei_node::commitments::Debts;
use dokuei_node::dicom::dimse::{Committed, Reference, Verdict};
use dokuei_node::dicom::scp::{Answers, Caller, Limits, Scp, Services};
use dokuei_node::dicom::scu::{ScuFault, report_commitment, request_commitment};
use dokuei_node::store::Store;

use crate::memory::{self, Memory, PATIENCE};
use crate::object::*;
use crate::raw::Peer;
use crate::send::{destination, impatient};
use crate::shelf::{self, Debt, OUT_OF_RESOURCES, Shelf};

const COMMITMENT: &str = "1.2.840.10008.1.20.1";

fn objects(count: usize) -> Vec<Object> {
    (0..count)
        .map(|n| Object::new(CT, EXPLICIT, n, 8))
        .collect()
}

fn reference(object: &Object) -> Reference {
    Reference {
        sop_class: object.sop_class.clone(),
        sop_instance: object.sop_instance.clone(),
    }
}

/// Three references: one kept, one of another class, one unknown.
fn mixed(objects: &[Object]) -> Vec<Reference> {
    let mut other = reference(&objects[1]);
    other.sop_class = MR.to_owned();
    let unknown = Reference {
        sop_class: CT.to_owned(),
        sop_instance: "1.2.3.4".to_owned(),
    };
    vec![reference(&objects[0]), other, unknown]
}

/// Remembers what it hears.
#[derive(Default)]
struct Ears(Mutex<Vec<Committed>>);

impl Answers for Ears {
    fn heard(&self, _caller: &Caller, committed: Committed) -> bool {
        let is_ours = committed.transaction != "9.9";
        self.0.lock().unwrap().push(committed);
        is_ours
    }
}

fn listener() -> (Scp, Arc<Ears>) {
    let ears = Arc::new(Ears::default());
    let services = Services {
        answers: Some(Arc::clone(&ears) as _),
        ..Services::default()
    };
    let config = memory::config(Limits::default());
    let scp = Scp::serve(config, Memory::new() as _, services).unwrap();
    (scp, ears)
}

pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_answer_comes_over_the_association_that_asked() {
    let objects = objects(2);
    let (scp, shelf, _) = shelf::start(Shelf::of_objects(&objects));
    let to = destination(scp.local_addr());
    let answer = request_commitment(&to, "1.2.9", &mixed(&objects), PATIENCE).unwrap();
    let answer = answer.unwrap();
    assert_eq!(answer.transaction, "1.2.9");
    let verdicts: Vec<Verdict> = answer.verdicts.iter().map(|(_, v)| *v).collect();
    assert_eq!(
        verdicts,
        [Verdict::Kept, Verdict::OTHER_CLASS, Verdict::UNKNOWN]
    );
    until("settling", || {
        let debts = shelf.debts.lock().unwrap();
        debts.iter().map(|(_, debt)| *debt).eq([Debt::Settled])
    });
}

#[test]
fn who_leaves_at_once_is_owed_the_answer() {
    let objects = objects(1);
    let (scp, shelf, _) = shelf::start(Shelf::of_objects(&objects));
    let to = destination(scp.local_addr());
    let references = [reference(&objects[0])];
    let answer = request_commitment(&to, "1.2.9", &references, Duration::ZERO).unwrap();
    assert!(answer.is_none());
    until("postponing", || {
        let debts = shelf.debts.lock().unwrap();
        debts.iter().map(|(_, debt)| *debt).eq([Debt::Postponed])
    });
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let objects = objects(1);
    let mut full = Shelf::of_objects(&objects);
    full.failing = Some(OUT_OF_RESOURCES);
    let (scp, ..) = shelf::start(full);
    let to = destination(scp.local_addr());
    let ask = |transaction: &str, references: &[Reference]| {
        let asked = request_commitment(&to, transaction, references, PATIENCE);
        match asked {
            Err(ScuFault::Failed(status)) => status,
            _ => panic!("it was not refused"),
        }
    };
    assert_eq!(ask("1.2.9", &[reference(&objects[0])]), 0x0213);
    assert_eq!(ask("1.2.9", &[]), 0x0115);
    assert_eq!(ask("", &[reference(&objects[0])]), 0x0115);
}

#[test]
fn where_it_is_not_offered_that_is_said() {
    let scp = memory::start(&Memory::new());
    let to = destination(scp.local_addr());
    let refused = request_commitment(&to, "1.2.9", &[], PATIENCE);
    assert!(matches!(refused, Err(ScuFault::NotOffered)));
}

#[test]
fn an_archive_answers_over_an_association_of_its_own() {
    let (scp, ears) = listener();
    let to = destination(scp.local_addr());
    let committed = |transaction: &str| Committed {
        transaction: transaction.to_owned(),
        verdicts: mixed(&objects(2))
            .into_iter()
            .zip([Verdict::Kept, Verdict::UNKNOWN, Verdict::PROCESSING_FAILURE])
            .collect(),
    };
    report_commitment(&to, &committed("1.2.9")).unwrap();
    assert!(ears.0.lock().unwrap().pop() == Some(committed("1.2.9")));
    // One that nobody waits for is told so.
    let refused = report_commitment(&to, &committed("9.9"));
    assert!(matches!(refused, Err(ScuFault::Failed(0x0112))));
}

#[test]
fn a_response_that_nobody_asked_for_is_cut() {
    let (scp, ..) = shelf::start(Shelf::default());
    let mut peer = Peer::associate(scp.local_addr(), &[COMMITMENT]);
    let response = crate::raw::command(&[
        (0x0100, &[0x00, 0x81]),
        (0x0120, &[7, 0]),
        (0x0800, &[1, 1]),
        (0x0900, &[0, 0]),
    ]);
    peer.send(&crate::raw::data(1, true, true, &response));
    peer.assert_aborted();
}

/// A node's debts in `folder`, told to the caller that listens at `listening`.
fn node(folder: &std::path::Path) -> Debts {
    let store = Store::open(&folder.join("store.redb")).unwrap();
    let storage = StorageKey::from_secret(Secret32::from_bytes([10; 32]));
    Debts::open(store, storage).unwrap()
}

fn told_to(listening: SocketAddr) -> Arc<Shelf> {
    Arc::new(Shelf {
        destinations: [("CLINIC".to_owned(), impatient(listening))].into(),
        ..Shelf::default()
    })
}

#[test]
fn what_is_owed_outlives_the_node() {
    let objects = objects(2);
    let home = tempfile::tempdir().unwrap();
    let debts = node(home.path());
    let shelf = Arc::new(Shelf::of_objects(&objects));
    let services = Services {
        holdings: Some(shelf as _),
        commitments: Some(Arc::new(Permitting(debts.clone())) as _),
        ..Services::default()
    };
    let config = memory::config(Limits::default());
    let scp = Scp::serve(config, Memory::new() as _, services).unwrap();
    let to = destination(scp.local_addr());
    // The caller asks, leaves, and is not there when it is called.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = told_to(closed.local_addr().unwrap());
    drop(closed);
    let delivering = debts.deliver(away as _).unwrap();
    request_commitment(&to, "1.2.9", &mixed(&objects), Duration::ZERO).unwrap();
    scp.stop();
    drop((delivering, to));
    assert_eq!(debts.count(), 1);
    // The store is let go by whoever still tries.
    drop(debts);
    until("reopening", || {
        let store = Store::open(&home.path().join("store.redb"));
        store.is_ok()
    });
    let debts = node(home.path());
    assert_eq!(debts.count(), 1);
    let (listening, ears) = listener();
    let delivering = debts.deliver(told_to(listening.local_addr()) as _).unwrap();
    until("delivery", || !ears.0.lock().unwrap().is_empty());
    until("settling", || debts.count() == 0);
    assert_eq!(ears.0.lock().unwrap()[0].verdicts.len(), 3);
    drop(delivering);
}

/// Serves whoever asks.
struct Permitting(Debts);

impl dokuei_node::dicom::scp::Commitments for Permitting {
    fn serves(&self, _caller: &Caller) -> bool {
        true
    }

    fn owe(
        &self,
        owed: &dokuei_node::dicom::scp::Owed,
    ) -> Result<(), dokuei_node::dicom::dimse::QueryFailure> {
        self.0.owe(owed)
    }

    fn settle(&self, owed: &dokuei_node::dicom::scp::Owed) {
        self.0.settle(owed);
    }

    fn postpone(&self, owed: &dokuei_node::dicom::scp::Owed) {
        self.0.postpone(owed);
    }
}
