//! Messages that wait for the collector: rows of the store, sealed, in order, bounded.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dokuei_keys::cbor;
use dokuei_keys::secret::StorageKey;
use minicbor::{Decode, Encode};

use super::event::Outcome;
use super::syslog;
use crate::chance::chance;
use crate::store::{Change, Rows, Store, StoreError};

/// Messages that wait: some months of a small site, some days of a large one.
const MESSAGES: usize = 50_000;
/// Bytes that wait: as many messages of usual length.
const BYTES: usize = 64 * 1024 * 1024;
/// Messages and bytes that are sent at a time.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;
/// The row that holds the [`Ledger`]. Messages lie under eight bytes, their number.
const LEDGER: &[u8] = b"ledger";

/// What is known of the trail beyond the messages that wait.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ledger {
    /// The number of the next message.
    #[n(0)]
    pub next: u64,
    /// How many entries of the site's log have become messages.
    #[n(1)]
    pub records: u64,
    /// How many messages were lost for want of room, since that was last told.
    #[n(2)]
    pub dropped: u64,
}

/// A message that has no number yet.
pub(super) struct Draft {
    pub(super) at: u64,
    pub(super) outcome: Outcome,
    pub(super) document: String,
}

struct State {
    ledger: Ledger,
    /// The sizes of the messages that wait, oldest first; the newest has the number before the ledger's next.
    sizes: VecDeque<usize>,
    bytes: usize,
    closing: bool,
}

/// The spool. Both of its threads hold it.
pub(super) struct Spool {
    store: Store,
    storage: StorageKey,
    state: Mutex<State>,
    changed: Condvar,
    /// For whoever asks how it is, without waiting for the disk.
    waiting: AtomicU64,
    dropped: AtomicU64,
}

impl Spool {
    /// Opens the spool. The trail of a store that has none begins behind its first `records` entries.
    pub(super) fn open(
        store: Store,
        storage: StorageKey,
        records: u64,
    ) -> Result<Spool, StoreError> {
        let table = Rows::Audit;
        let mut ledger = Ledger {
            next: 0,
            records,
            dropped: 0,
        };
        if let Some(row) = store.row(table, LEDGER)? {
            let plain = storage
                .open_row(table.name(), LEDGER, &row)
                .map_err(|_| damaged())?;
            ledger = minicbor::decode(&plain).map_err(|_| damaged())?;
        }
        let sizes = store.sizes(table)?.into_iter();
        let sizes: VecDeque<usize> = sizes
            .filter(|(key, _)| key.len() == size_of::<u64>())
            .map(|(_, size)| size)
            .collect();
        let (waiting, dropped) = (sizes.len() as u64, ledger.dropped);
        Ok(Spool {
            store,
            storage,
            state: Mutex::new(State {
                ledger,
                bytes: sizes.iter().sum(),
                sizes,
                closing: false,
            }),
            changed: Condvar::new(),
            waiting: AtomicU64::new(waiting),
            dropped: AtomicU64::new(dropped),
        })
    }

    /// How many messages wait, and how many were lost since that was last told.
    pub(super) fn standing(&self) -> (u64, u64) {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (of(&self.waiting), of(&self.dropped))
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.lock().ledger
    }

    /// Whether another `count` messages find room.
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.lock().has_room(count)
    }

    /// Keeps these messages, as many as there is room for, the first ones first, and notes the ledger's other numbers.
    /// Returns how many it kept; they are on disk.
    pub(super) fn add(
        &self,
        host: &str,
        drafts: &[Draft],
        (records, dropped): (u64, u64),
    ) -> Result<usize, StoreError> {
        let mut state = self.lock();
        let mut change = Change::default();
        let (mut ledger, mut sizes) = (state.ledger, Vec::new());
        for draft in drafts {
            if !state.has_room(sizes.len() + 1) {
                break;
            }
            let message =
                syslog::message(host, draft.at, draft.outcome, ledger.next, &draft.document);
            let row = self.put(&mut change, &ledger.next.to_be_bytes(), message.as_bytes())?;
            sizes.push(row);
            ledger.next += 1;
        }
        ledger.records = records;
        ledger.dropped = dropped.saturating_add((drafts.len() - sizes.len()) as u64);
        self.put(&mut change, LEDGER, &cbor::encode(&ledger))?;
        self.store.commit(change)?;
        let kept = sizes.len();
        state.ledger = ledger;
        state.bytes += sizes.iter().sum::<usize>();
        state.sizes.extend(sizes);
        self.tell(&state);
        drop(state);
        self.changed.notify_all();
        Ok(kept)
    }

    /// Seals a row into a change; answers its size.
    fn put(&self, change: &mut Change, key: &[u8], plain: &[u8]) -> Result<usize, StoreError> {
        let table = Rows::Audit;
        let row = self
            .storage
            .seal_row(table.name(), key, plain, &mut chance());
        let row = row.map_err(|_| damaged())?;
        let size = row.len();
        change.puts.push((table, key.to_vec(), row));
        Ok(size)
    }

    /// The oldest messages: the number after the last of them, and each as it is sent. A row that cannot be opened is
    /// left out: nothing that waits behind it may wait for ever.
    pub(super) fn batch(&self) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
        let (first, count) = {
            let state = self.lock();
            let (mut count, mut bytes) = (0, 0);
            for size in state.sizes.iter().take(BATCH) {
                bytes += size;
                if count > 0 && bytes > BATCH_BYTES {
                    break;
                }
                count += 1;
            }
            (state.first(), count)
        };
        let mut messages = Vec::with_capacity(count);
        let end = first + count as u64;
        for number in first..end {
            let key = number.to_be_bytes();
            let row = self.store.row(Rows::Audit, &key)?.unwrap_or_default();
            match self.storage.open_row(Rows::Audit.name(), &key, &row) {
                Ok(plain) => messages.push(plain.to_vec()),
                Err(_) => {
                    tracing::error!(target: "dokuei::audit", number, "an audit message is damaged and left out")
                }
            }
        }
        Ok((end, messages))
    }

    /// Removes the messages before number `end`: the collector has them.
    pub(super) fn remove_before(&self, end: u64) -> Result<(), StoreError> {
        let mut state = self.lock();
        let first = state.first();
        let removals = (first..end).map(|number| (Rows::Audit, number.to_be_bytes().to_vec()));
        self.store.commit(Change {
            removals: removals.collect(),
            ..Change::default()
        })?;
        for _ in first..end {
            let size = state.sizes.pop_front().unwrap_or_default();
            state.bytes = state.bytes.saturating_sub(size);
        }
        self.tell(&state);
        Ok(())
    }

    /// Waits until there are messages, at most `patience`. Whether there are.
    pub(super) fn wait_for_messages(&self, patience: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), patience, |state| {
                state.sizes.is_empty() && !state.closing
            })
            .unwrap_or_else(PoisonError::into_inner);
        !state.sizes.is_empty()
    }

    /// Waits `pause`, or until the spool closes.
    pub(super) fn rest(&self, pause: Duration) {
        let rested = self
            .changed
            .wait_timeout_while(self.lock(), pause, |state| !state.closing);
        drop(rested.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn tell(&self, state: &State) {
        self.waiting
            .store(state.sizes.len() as u64, Ordering::Relaxed);
        self.dropped.store(state.ledger.dropped, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is set in one go after the commit it follows.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn first(&self) -> u64 {
        self.ledger.next - self.sizes.len() as u64
    }

    fn has_room(&self, count: usize) -> bool {
        let longest = count.saturating_mul(syslog::MESSAGE_BYTES);
        self.sizes.len() + count <= MESSAGES && self.bytes + longest <= BYTES
    }
}

fn damaged() -> StoreError {
    StoreError::Failed("a row of the audit trail is damaged".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dokuei_keys::secret::Secret32;

    fn open(folder: &std::path::Path) -> Spool {
        let store = Store::open(&folder.join("store.redb")).unwrap();
        let storage = StorageKey::from_secret(Secret32::from_bytes([7; 32]));
        Spool::open(store, storage, 5).unwrap()
    }

    fn draft(document: &str) -> Draft {
        Draft {
            at: 0,
            outcome: Outcome::Success,
            document: document.to_owned(),
        }
    }

    fn documents(spool: &Spool) -> Vec<String> {
        let (_, messages) = spool.batch().unwrap();
        let text = |message: Vec<u8>| String::from_utf8(message).unwrap();
        let document = |text: String| text.split_once('\u{FEFF}').unwrap().1.to_owned();
        messages.into_iter().map(text).map(document).collect()
    }

    #[test]
    fn what_waits_survives_in_order_and_leaves_when_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(folder.path());
        assert_eq!(spool.ledger().records, 5);
        assert_eq!(
            spool
                .add("h", &[draft("<1/>"), draft("<2/>")], (6, 0))
                .unwrap(),
            2
        );
        assert_eq!(documents(&spool), ["<1/>", "<2/>"]);
        spool.remove_before(1).unwrap();
        drop(spool);
        let spool = open(folder.path());
        assert_eq!((spool.ledger().next, spool.ledger().records), (2, 6));
        spool.add("h", &[draft("<3/>")], (6, 0)).unwrap();
        assert_eq!(documents(&spool), ["<2/>", "<3/>"]);
        assert_eq!(spool.standing(), (2, 0));
        spool.remove_before(3).unwrap();
        assert!(documents(&spool).is_empty());
        assert!(!spool.wait_for_messages(Duration::ZERO));
    }

    #[test]
    fn a_full_spool_keeps_the_oldest_and_counts_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(folder.path());
        spool.lock().bytes = BYTES - 2 * syslog::MESSAGE_BYTES;
        let drafts: Vec<Draft> = ["<1/>", "<2/>", "<3/>"].map(draft).into();
        assert_eq!(spool.add("h", &drafts, (5, 1)).unwrap(), 2);
        assert_eq!(spool.standing(), (2, 2));
        assert_eq!(documents(&spool), ["<1/>", "<2/>"]);
    }
}
