//! What storage commitment owes to those who asked for it. Each answer is a sealed row before its
//! request is answered, and stays one until it was delivered: over the association that asked, or over new
//! ones, tried again and again for three days and across restarts.

mod debt;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dokuei_keys::secret::StorageKey;

pub use self::debt::{Debt, Judged};
use crate::clock::now;
use crate::dicom::dimse::{QueryFailure, QueryStatus};
use crate::dicom::pdu::AeTitle;
use crate::dicom::scp::{Commitments, Destinations, Owed};
use crate::dicom::scu::report_commitment;
use crate::store::{Rows, SealedRows, Store, StoreError};

/// What is owed at most, to everybody. A hospital asks a few hundred times a day. In memory each answer costs some hundred
/// bytes, however many instances it is about; on the disk each instance costs about as many, which are read at start.
const TO_ALL: Bound = Bound {
    answers: 10_000,
    instances: 500_000,
};
/// The same to one AE title, so that a device that asks and never answers takes no room from others.
const TO_ONE: Bound = Bound {
    answers: 1_000,
    instances: 100_000,
};

/// Callers that are told at once: one that is slow holds up nobody else.
const TELLING: usize = 4;

/// Pause before the second attempt; twice as long before each further one, at most [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

/// After this, nobody waits for the answer any more: who asked asks again. A device that is off over a weekend is told.
const GIVEN_UP_AFTER_MS: u64 = 3 * 24 * 3600 * 1000;

const TOO_MANY: QueryFailure = QueryFailure::new(
    QueryStatus::OutOfResources,
    "too many commitments are owed",
    "回答待ちの保管確認が多すぎます",
);
const NOT_KEPT: QueryFailure = QueryFailure::new(
    QueryStatus::OutOfResources,
    "the node cannot write to its disk",
    "ノードがディスクに書き込めません",
);

/// How much may be owed.
struct Bound {
    answers: usize,
    instances: usize,
}

/// The answers that are owed. Clones share them.
#[derive(Clone)]
pub struct Debts(Arc<Shared>);

/// Delivers what is owed, until it is dropped.
pub struct Delivering {
    debts: Debts,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    rows: SealedRows<Debt>,
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    debts: BTreeMap<[u8; 32], Standing>,
    /// To whom something is on its way.
    telling: Vec<String>,
    stopping: bool,
}

/// How one debt stands. What it is about lies in its row, and is read when it is told.
#[derive(Clone)]
struct Standing {
    /// AE title of whom it is owed to.
    to: String,
    instances: usize,
    /// When it is to be tried; none while the association that asked delivers it.
    due: Option<Instant>,
    failed: u32,
}

impl Debts {
    /// Opens the rows; all that is owed is due, as the associations that asked are gone.
    ///
    /// # Errors
    /// When the store fails. A row that cannot be opened is passed over: who asked asks again.
    pub fn open(store: Store, storage: StorageKey) -> Result<Debts, StoreError> {
        let mut held = Held::default();
        let rows: SealedRows<Debt> = SealedRows::new(Rows::Commitments, store, Arc::new(storage));
        for (_, debt) in rows.readable()? {
            let Ok(debt) = debt else {
                tracing::warn!(target: "dokuei::commitments", "an answer that is owed cannot be read");
                continue;
            };
            let mut standing = Standing::of(&debt);
            standing.due = Some(Instant::now());
            held.debts.insert(debt.key(), standing);
        }
        Ok(Debts(Arc::new(Shared {
            rows,
            held: Mutex::new(held),
            changed: Condvar::new(),
        })))
    }

    /// Starts to deliver.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn deliver(&self, destinations: Arc<dyn Destinations>) -> std::io::Result<Delivering> {
        let debts = self.clone();
        let thread = thread::Builder::new()
            .name("commitments".to_owned())
            .spawn(move || debts.run(&destinations))?;
        Ok(Delivering {
            debts: self.clone(),
            thread: Some(thread),
        })
    }

    /// How many answers are owed.
    pub fn count(&self) -> usize {
        self.held().debts.len()
    }

    fn run(&self, destinations: &Arc<dyn Destinations>) {
        let mut held = self.held();
        while !held.stopping {
            let Some((key, to)) = held.take_due(Instant::now()) else {
                let pause = held.until_due(Instant::now());
                let woken = self.0.changed.wait_timeout(held, pause);
                (held, _) = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(held);
            let destinations = Arc::clone(destinations);
            let telling = Telling {
                debts: self.clone(),
                key,
                to,
            };
            // Where no thread can be had, it ends here as any attempt that failed.
            let _spawned = thread::Builder::new()
                .name("commitment".to_owned())
                .spawn(move || telling.debts.tell(&telling.key, &*destinations));
            held = self.held();
        }
    }

    /// Tries once.
    fn tell(&self, key: &[u8; 32], destinations: &dyn Destinations) {
        let debt = match self.0.rows.get(key) {
            Ok(Some(debt)) => debt,
            Ok(None) | Err(StoreError::Damaged(_)) => {
                tracing::warn!(target: "dokuei::commitments", "an answer that is owed cannot be read");
                self.held().debts.remove(key);
                return;
            }
            Err(error) => {
                tracing::warn!(target: "dokuei::commitments", "storage commitment not delivered: {error}");
                return;
            }
        };
        let title = debt.to.parse::<AeTitle>().ok();
        let route = title.and_then(|title| destinations.named(&title));
        let told = match route {
            Some(route) => match report_commitment(route.destination(), &debt.committed()) {
                Ok(()) => true,
                Err(why) => {
                    tracing::warn!(target: "dokuei::commitments", to = debt.to, "storage commitment not delivered: {why}");
                    false
                }
            },
            None => {
                tracing::warn!(target: "dokuei::commitments", to = debt.to, "storage commitment not delivered: no destination has this AE title; add it with 'dokuei dicom destination add'");
                false
            }
        };
        let is_old = now().saturating_sub(debt.since) > GIVEN_UP_AFTER_MS;
        if told || is_old {
            self.remove(key);
        }
    }

    fn keep(&self, key: &[u8; 32], debt: &Debt) -> Result<(), QueryFailure> {
        self.0.rows.put(key, debt).map_err(|_| NOT_KEPT)
    }

    fn remove(&self, key: &[u8; 32]) {
        if let Err(error) = self.0.rows.remove([key]) {
            // It stays a row, and is delivered once more after a restart: nobody is harmed by that.
            tracing::warn!(target: "dokuei::commitments", "a delivered answer cannot be removed: {error}");
        }
        self.held().debts.remove(key);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Every change is one entry: a panic elsewhere leaves it whole.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Something due to somebody who is not being told anything, if one more may be told.
    fn take_due(&mut self, at: Instant) -> Option<([u8; 32], String)> {
        if self.telling.len() >= TELLING {
            return None;
        }
        let telling = &self.telling;
        let (key, found) = self.debts.iter_mut().find(|(_, standing)| {
            let is_due = standing.due.is_some_and(|due| due <= at);
            is_due && !telling.contains(&standing.to)
        })?;
        found.due = None;
        let (key, to) = (*key, found.to.clone());
        self.telling.push(to.clone());
        Some((key, to))
    }

    /// Whether this may be owed beside all else.
    fn has_room(&self, key: &[u8; 32], new: &Standing) -> bool {
        let others = || self.debts.iter().filter(|(known, _)| *known != key);
        let fits = |to: Option<&str>, bound: &Bound| {
            let counted = others().filter(|(_, one)| to.is_none_or(|to| one.to == to));
            let (answers, instances) = counted
                .fold((1, new.instances), |(count, sum), (_, one)| {
                    (count + 1, sum + one.instances)
                });
            answers <= bound.answers && instances <= bound.instances
        };
        fits(None, &TO_ALL) && fits(Some(&new.to), &TO_ONE)
    }

    /// How long nothing more falls due. What is due already waits for whom is being told, who wakes us.
    fn until_due(&self, at: Instant) -> Duration {
        let due = self.debts.values().filter_map(|standing| standing.due);
        let later = due.filter(|due| *due > at).min();
        later.map_or(LONGEST_PAUSE, |due| due.saturating_duration_since(at))
    }
}

impl Standing {
    /// Of what is not yet to be tried.
    fn of(debt: &Debt) -> Standing {
        Standing {
            to: debt.to.clone(),
            instances: debt.instances.len(),
            due: None,
            failed: 0,
        }
    }
}

/// Somebody is being told something. However that ends, in a panic too, they can be told something again, and what is
/// still owed is tried again.
struct Telling {
    debts: Debts,
    key: [u8; 32],
    to: String,
}

impl Drop for Telling {
    fn drop(&mut self) {
        let mut held = self.debts.held();
        held.telling.retain(|busy| *busy != self.to);
        if let Some(standing) = held.debts.get_mut(&self.key) {
            standing.failed = standing.failed.saturating_add(1);
            standing.due = Some(Instant::now() + pause_after(standing.failed));
        }
        drop(held);
        self.debts.0.changed.notify_all();
    }
}

fn pause_after(failed: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failed.saturating_sub(1).min(16));
    doubled.min(LONGEST_PAUSE)
}

impl Commitments for Debts {
    fn owe(&self, owed: &Owed) -> Result<(), QueryFailure> {
        let debt = Debt::of(owed, now());
        let (key, standing) = (debt.key(), Standing::of(&debt));
        let mut held = self.held();
        if !held.has_room(&key, &standing) {
            return Err(TOO_MANY);
        }
        // Before it is a row: what others owe meanwhile must find room beside it.
        let before = held.debts.insert(key, standing);
        drop(held);
        let kept = self.keep(&key, &debt);
        if kept.is_err() {
            let mut held = self.held();
            match before {
                Some(before) => held.debts.insert(key, before),
                None => held.debts.remove(&key),
            };
        }
        kept
    }

    fn settle(&self, owed: &Owed) {
        self.remove(&Debt::of(owed, 0).key());
    }

    fn postpone(&self, owed: &Owed) {
        let key = Debt::of(owed, 0).key();
        if let Some(standing) = self.held().debts.get_mut(&key) {
            standing.due = Some(Instant::now());
        }
        self.0.changed.notify_all();
    }
}

impl Drop for Delivering {
    fn drop(&mut self) {
        self.debts.held().stopping = true;
        self.debts.0.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic in there has been reported by its own thread.
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dimse::{Committed, Reference, Verdict};
    use crate::dicom::scp::Route;
    use dokuei_keys::secret::Secret32;

    fn standing(to: &str, transaction: &str, due: Option<Instant>) -> ([u8; 32], Standing) {
        let debt = debt(to, transaction, 0);
        let mut standing = Standing::of(&debt);
        standing.due = due;
        (debt.key(), standing)
    }

    fn debt(to: &str, transaction: &str, since: u64) -> Debt {
        Debt {
            to: to.to_owned(),
            transaction: transaction.to_owned(),
            instances: Vec::new(),
            since,
        }
    }

    fn owed(to: &str, transaction: &str, instances: usize) -> Owed {
        let reference = Reference {
            sop_class: "1.2".to_owned(),
            sop_instance: "1.2.3".to_owned(),
        };
        Owed {
            to: to.parse().unwrap(),
            committed: Committed {
                transaction: transaction.to_owned(),
                verdicts: vec![(reference, Verdict::Kept); instances],
            },
        }
    }

    fn open(home: &tempfile::TempDir) -> Debts {
        let store = Store::open(&home.path().join("store.redb")).unwrap();
        let storage = StorageKey::from_secret(Secret32::from_bytes([10; 32]));
        Debts::open(store, storage).unwrap()
    }

    /// Panics when it is asked.
    struct Broken;

    impl Destinations for Broken {
        fn named(&self, _: &AeTitle) -> Option<Arc<dyn Route>> {
            panic!("this destination is broken")
        }
    }

    #[test]
    fn a_panic_while_somebody_is_told_costs_one_attempt() {
        let home = tempfile::tempdir().unwrap();
        let debts = open(&home);
        let one = owed("ASKING", "1.1", 1);
        assert!(debts.owe(&one).is_ok());
        let delivering = debts.deliver(Arc::new(Broken)).unwrap();
        debts.postpone(&one);
        let deadline = Instant::now() + Duration::from_secs(60);
        let is_due_again = |debts: &Debts| {
            let held = debts.held();
            let mut all = held.debts.values();
            held.telling.is_empty() && all.any(|one| one.failed == 1 && one.due.is_some())
        };
        while !is_due_again(&debts) {
            assert!(Instant::now() < deadline, "it is not tried again");
            thread::yield_now();
        }
        drop(delivering);
    }

    #[test]
    fn one_device_takes_no_room_from_others() {
        let home = tempfile::tempdir().unwrap();
        let debts = open(&home);
        let half = TO_ONE.instances / 2;
        assert!(debts.owe(&owed("GREEDY", "1.1", half)).is_ok());
        // The same request again takes no more room.
        assert!(debts.owe(&owed("GREEDY", "1.1", half)).is_ok());
        assert!(debts.owe(&owed("GREEDY", "1.2", half + 1)).is_err());
        assert!(debts.owe(&owed("OTHER", "1.1", half)).is_ok());
        let mut held = Held::default();
        for number in 0..TO_ONE.answers {
            let (key, one) = standing("GREEDY", &number.to_string(), None);
            held.debts.insert(key, one);
        }
        let (key, one) = standing("GREEDY", "x", None);
        assert!(!held.has_room(&key, &one));
        let (key, one) = standing("OTHER", "x", None);
        assert!(held.has_room(&key, &one));
    }

    #[test]
    fn one_who_is_slow_holds_up_nobody_else() {
        let now = Instant::now();
        let debts = [
            standing("SLOW", "1.1", Some(now)),
            standing("SLOW", "1.2", Some(now)),
            standing("OTHER", "1.1", Some(now)),
            standing("ASKING", "1.1", None),
            standing("LATER", "1.1", Some(now + Duration::from_secs(9))),
        ];
        let mut held = Held {
            debts: debts.into_iter().collect(),
            ..Held::default()
        };
        let mut told = [held.take_due(now), held.take_due(now)].map(|due| due.unwrap().1);
        told.sort();
        assert_eq!(told, ["OTHER", "SLOW"]);
        assert!(held.take_due(now).is_none());
        assert_eq!(held.until_due(now), Duration::from_secs(9));
        held.telling.clear();
        assert_eq!(held.take_due(now).unwrap().1, "SLOW");
    }

    #[test]
    fn pauses_grow_and_end_growing() {
        assert_eq!(pause_after(1), Duration::from_secs(30));
        assert_eq!(pause_after(2), Duration::from_secs(60));
        assert_eq!(pause_after(7), LONGEST_PAUSE);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
