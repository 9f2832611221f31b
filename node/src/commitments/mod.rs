//! What storage commitment owes to those who asked for it. Each answer is a sealed row before its
//! request is answered, and stays one until it was delivered: over the association that asked, or over new
//! ones, tried again and again for three days and across restarts.

mod debt;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dokuei_keys::cbor;
use dokuei_keys::secret::StorageKey;

pub use self::debt::{Debt, Judged};
use crate::chance::chance;
use crate::dicom::dimse::{QueryFailure, QueryStatus};
use crate::dicom::pdu::AeTitle;
use crate::dicom::scp::{Commitments, Destinations, Owed};
use crate::dicom::scu::report_commitment;
use crate::store::{Change, Rows, Store, StoreError};
use crate::studies::intake::now;

/// Answers owed at once. Each costs some hundred bytes an object; a hospital asks a few hundred times a day.
const MOST: usize = 10_000;

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

/// The answers that are owed. Clones share them.
#[derive(Clone)]
pub struct Debts(Arc<Shared>);

/// Delivers what is owed, until it is dropped.
pub struct Delivering {
    debts: Debts,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    store: Store,
    storage: StorageKey,
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

/// How one debt stands.
struct Standing {
    debt: Debt,
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
        for (key, row) in store.rows(Rows::Commitments)? {
            let plain = storage.open_row(Rows::Commitments.name(), &key, &row).ok();
            let debt = plain.and_then(|plain| minicbor::decode::<Debt>(&plain).ok());
            let Some(debt) = debt else {
                tracing::warn!(target: "dokuei::commitments", "an answer that is owed cannot be read");
                continue;
            };
            let standing = Standing {
                debt,
                due: Some(Instant::now()),
                failed: 0,
            };
            held.debts.insert(standing.debt.key(), standing);
        }
        Ok(Debts(Arc::new(Shared {
            store,
            storage,
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
            let Some(debt) = held.take_due(Instant::now()) else {
                let pause = held.until_due(Instant::now());
                let woken = self.0.changed.wait_timeout(held, pause);
                (held, _) = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(held);
            let (debts, destinations) = (self.clone(), Arc::clone(destinations));
            let title = debt.to.clone();
            let spawned = thread::Builder::new()
                .name("commitment".to_owned())
                .spawn(move || debts.tell(&debt, &*destinations));
            held = self.held();
            if spawned.is_err() {
                held.telling.retain(|busy| *busy != title);
            }
        }
    }

    /// Tries once.
    fn tell(&self, debt: &Debt, destinations: &dyn Destinations) {
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
            self.remove(&debt.key());
        }
        let mut held = self.held();
        held.telling.retain(|busy| *busy != debt.to);
        if let Some(standing) = held.debts.get_mut(&debt.key()) {
            standing.failed = standing.failed.saturating_add(1);
            standing.due = Some(Instant::now() + pause_after(standing.failed));
        }
        drop(held);
        self.0.changed.notify_all();
    }

    fn remove(&self, key: &[u8; 32]) {
        let change = Change {
            removals: vec![(Rows::Commitments, key.to_vec())],
            ..Change::default()
        };
        if let Err(error) = self.0.store.commit(change) {
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
    fn take_due(&mut self, at: Instant) -> Option<Debt> {
        if self.telling.len() >= TELLING {
            return None;
        }
        let telling = &self.telling;
        let found = self.debts.values_mut().find(|standing| {
            let is_due = standing.due.is_some_and(|due| due <= at);
            is_due && !telling.contains(&standing.debt.to)
        })?;
        found.due = None;
        let debt = found.debt.clone();
        self.telling.push(debt.to.clone());
        Some(debt)
    }

    /// How long nothing more falls due. What is due already waits for whom is being told, who wakes us.
    fn until_due(&self, at: Instant) -> Duration {
        let due = self.debts.values().filter_map(|standing| standing.due);
        let later = due.filter(|due| *due > at).min();
        later.map_or(LONGEST_PAUSE, |due| due.saturating_duration_since(at))
    }
}

fn pause_after(failed: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failed.saturating_sub(1).min(16));
    doubled.min(LONGEST_PAUSE)
}

impl Commitments for Debts {
    fn owe(&self, owed: &Owed) -> Result<(), QueryFailure> {
        let debt = Debt::of(owed, now());
        let key = debt.key();
        if self.count() >= MOST {
            return Err(TOO_MANY);
        }
        let plain = cbor::encode(&debt);
        let storage = &self.0.storage;
        let sealed = storage.seal_row(Rows::Commitments.name(), &key, &plain, &mut chance());
        let row = sealed.map_err(|_| NOT_KEPT)?;
        let change = Change::put(Rows::Commitments, &key, row);
        self.0.store.commit(change).map_err(|_| NOT_KEPT)?;
        let standing = Standing {
            debt,
            due: None,
            failed: 0,
        };
        self.held().debts.insert(key, standing);
        Ok(())
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

    fn standing(to: &str, transaction: &str, due: Option<Instant>) -> ([u8; 32], Standing) {
        let debt = Debt {
            to: to.to_owned(),
            transaction: transaction.to_owned(),
            instances: Vec::new(),
            since: 0,
        };
        let failed = 0;
        (debt.key(), Standing { debt, due, failed })
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
        let mut told = [held.take_due(now), held.take_due(now)].map(|debt| debt.unwrap().to);
        told.sort();
        assert_eq!(told, ["OTHER", "SLOW"]);
        assert!(held.take_due(now).is_none());
        assert_eq!(held.until_due(now), Duration::from_secs(9));
        held.telling.clear();
        assert_eq!(held.take_due(now).unwrap().to, "SLOW");
    }

    #[test]
    fn pauses_grow_and_end_growing() {
        assert_eq!(pause_after(1), Duration::from_secs(30));
        assert_eq!(pause_after(2), Duration::from_secs(60));
        assert_eq!(pause_after(7), LONGEST_PAUSE);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
