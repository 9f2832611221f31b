//! The one thread that writes. Whatever waits is committed together: one durable transaction in two
//! phases, so that a crash at any moment leaves it wholly there or wholly absent.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use redb::{Builder, Database, Durability, WriteTransaction};

use crate::language::{Explain, Message, displayed_in_english};
use crate::say;
use crate::store::tables::{RECORDS, Rows};

/// Changes that may wait for the writer. More callers wait in `commit`.
const QUEUE: usize = 256;

/// Pages of the database that redb keeps in memory: the inner pages of every table, and what was asked for lately. Its
/// own bound would be a GiB; what falls out is in the kernel's cache, which gives way to others.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// How the database is opened.
pub(crate) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Something to commit.
#[derive(Default)]
pub struct Change {
    /// Log entries: sequence number and bytes.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// Rows to put: kind, key, value.
    pub puts: Vec<(Rows, Vec<u8>, Vec<u8>)>,
    /// Rows to remove: kind, key.
    pub removals: Vec<(Rows, Vec<u8>)>,
}

impl Change {
    /// A change that puts one row.
    pub fn put(rows: Rows, key: &[u8], value: Vec<u8>) -> Change {
        Change {
            puts: vec![(rows, key.to_vec(), value)],
            ..Change::default()
        }
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.puts.is_empty() && self.removals.is_empty()
    }
}

/// The store could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database or the disk under it failed; a full disk is the usual reason.
    Failed(String),
    /// The writer has ended.
    Closed,
    /// A row of this table cannot be opened, or says nothing that is known.
    Damaged(&'static str),
}

impl Explain for StoreError {
    fn message(&self) -> Message {
        match self {
            StoreError::Failed(said) => say!(
                "データベースに読み書きできません（{said}）。空き容量とディスクを確認してください",
                "the store failed ({said}): check free space and the disk"
            ),
            StoreError::Closed => say!("データベースは閉じられています", "the store is closed"),
            StoreError::Damaged(table) => say!(
                "データベースの表「{table}」の行が壊れています。データフォルダをバックアップから復元してください",
                "a row of the table '{table}' is damaged: restore the data folder from a backup"
            ),
        }
    }
}

displayed_in_english!(StoreError);

macro_rules! from_redb {
    ($($error:ty),+) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> StoreError {
                StoreError::Failed(error.to_string())
            }
        }
    )+};
}

from_redb!(
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);

/// The database, and how to open it again.
pub(crate) struct Opened {
    path: PathBuf,
    /// `None` when it could not be opened again.
    database: RwLock<Option<Database>>,
}

impl Opened {
    pub(crate) fn new(path: &Path, database: Database) -> Opened {
        Opened {
            path: path.to_owned(),
            database: RwLock::new(Some(database)),
        }
    }

    /// Works with the database.
    pub(crate) fn with<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, E>,
    ) -> Result<T, E> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match database.as_ref() {
            Some(database) => work(database),
            None => Err(StoreError::Failed("the database is not open".to_owned()).into()),
        }
    }

    /// Opens the database again. After one failed write, as on a full disk, redb refuses every other until then.
    fn open_again(&self) {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // The old one holds the lock of the file.
        *database = None;
        match builder().open(&self.path) {
            Ok(opened) => *database = Some(opened),
            Err(error) => {
                tracing::error!(target: "dokuei::store", "the database cannot be opened again: {error}");
            }
        }
    }
}

struct Request {
    change: Change,
    done: SyncSender<Result<(), StoreError>>,
}

pub(crate) struct Writer {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(database: Arc<Opened>) -> std::io::Result<Writer> {
        let (requests, waiting) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write(&database, &waiting))?;
        Ok(Writer {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    pub(crate) fn commit(&self, change: Change) -> Result<(), StoreError> {
        if change.is_empty() {
            return Ok(());
        }
        let (done, answer) = sync_channel(1);
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        requests
            .send(Request { change, done })
            .map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(database: &Opened, waiting: &Receiver<Request>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<Request> = std::iter::once(first)
            .chain(waiting.try_iter())
            .take(QUEUE)
            .collect();
        let outcome = database.with(|database| commit(database, &batch));
        if outcome.is_err() {
            database.open_again();
        }
        for request in batch {
            let _ = request.done.send(outcome.clone());
        }
    }
}

fn commit(database: &Database, batch: &[Request]) -> Result<(), StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    for request in batch {
        apply(&transaction, &request.change)?;
    }
    transaction.commit()?;
    Ok(())
}

fn apply(transaction: &WriteTransaction, change: &Change) -> Result<(), StoreError> {
    let mut records = transaction.open_table(RECORDS)?;
    for (sequence, bytes) in &change.entries {
        records.insert(sequence, bytes.as_slice())?;
    }
    for (rows, key, value) in &change.puts {
        transaction
            .open_table(rows.table())?
            .insert(key.as_slice(), value.as_slice())?;
    }
    for (rows, key) in &change.removals {
        transaction
            .open_table(rows.table())?
            .remove(key.as_slice())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::store::{Change, Rows, Store, StoreError};

    #[test]
    fn what_was_committed_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store").join("x.redb");
        let store = Store::open(&path).unwrap();
        let threads: Vec<_> = (0..8u64)
            .map(|at| {
                let store = store.clone();
                std::thread::spawn(move || {
                    let mut change =
                        Change::put(Rows::Studies, &at.to_be_bytes(), vec![at as u8; 3]);
                    change.entries.push((at, vec![at as u8]));
                    store.commit(change)
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        drop(store);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.rows(Rows::Studies).unwrap().len(), 8);
        assert_eq!(
            store.row(Rows::Studies, &5u64.to_be_bytes()).unwrap(),
            Some(vec![5; 3])
        );
        let mut seen = Vec::new();
        store
            .entries::<StoreError>(3, |sequence, bytes| {
                seen.push((sequence, bytes.to_vec()));
                Ok(())
            })
            .unwrap();
        assert_eq!(
            seen,
            (3..8).map(|at| (at, vec![at as u8])).collect::<Vec<_>>()
        );
    }

    #[test]
    fn an_unusable_place_is_one_sentence() {
        let failure = Store::open(std::path::Path::new("/proc/nowhere/x.redb"))
            .err()
            .unwrap();
        assert_eq!(failure.code, "store-unusable");
    }
}
