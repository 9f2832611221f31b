//! The store: one database file, one thread that writes it. Facts are rows; sealed objects are files
//! beside it. Every row that says anything of a person is sealed under the storage key.

pub mod sealed;
mod tables;
mod writer;

use std::path::Path;
use std::sync::Arc;

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use crate::language::{Explain as _, Failure, Message};
use crate::say;

pub use sealed::SealedRows;
pub use tables::Rows;
use writer::Opened;
pub use writer::{Change, StoreError};

/// The open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    database: Arc<Opened>,
    writer: Arc<writer::Writer>,
}

/// A row with its key.
pub type Row = (Vec<u8>, Vec<u8>);

impl Store {
    /// Opens the store, making it when there is none.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or of a later program.
    pub fn open(path: &Path) -> Result<Store, Failure> {
        let file = path.display().to_string();
        let unusable = |why: Message| {
            Failure::new(
                "store-unusable",
                say!(
                    "データベース {file} を開けません（{why}）。空き容量とアクセス権を確認し、壊れている場合はバックアップから復元してください。",
                    "The database {file} cannot be opened ({why}). Check free space and permissions; if it is damaged, restore it from a backup.";
                    why = why
                ),
            )
        };
        let broken = |said: &dyn std::fmt::Display| {
            unusable(say!("データベースのエラー「{said}」", "{said}"))
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| unusable(error.message()))?;
        }
        let database = writer::builder()
            .create(path)
            .map_err(|error| broken(&error))?;
        tables::create(&database).map_err(|error| broken(&error))?;
        let database = Arc::new(Opened::new(path, database));
        let writer = writer::Writer::start(Arc::clone(&database))
            .map_err(|error| unusable(error.message()))?;
        Ok(Store {
            database,
            writer: Arc::new(writer),
        })
    }

    /// Commits a change durably. Returns when it is on disk; what others commit at the same time
    /// shares the transaction.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the change is stored then.
    pub fn commit(&self, change: Change) -> Result<(), StoreError> {
        self.writer.commit(change)
    }

    /// Keeps everything that is committed waiting while `work` runs, as a disk does that is slow.
    #[cfg(test)]
    pub(crate) fn stalled<T>(&self, work: impl FnOnce() -> T) -> T {
        let stalled = self.database.with::<T, StoreError>(|database| {
            let _open = database.begin_write()?;
            Ok(work())
        });
        stalled.ok().unwrap()
    }

    /// All log entries from `first` on, in order, each handed to `each` until it returns an error.
    ///
    /// # Errors
    /// What `each` returned, or that the store cannot be read.
    pub fn entries<E: From<StoreError>>(
        &self,
        first: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.database.with(|database| {
            let read = database.begin_read().map_err(StoreError::from)?;
            let table = read.open_table(tables::RECORDS).map_err(StoreError::from)?;
            for row in table.range(first..).map_err(StoreError::from)? {
                let (sequence, bytes) = row.map_err(StoreError::from)?;
                each(sequence.value(), bytes.value())?;
            }
            Ok(())
        })
    }

    /// All rows of one kind in the order of their keys, each with its key handed to `each` until it returns an error.
    /// Nothing but the row at hand is in memory.
    ///
    /// # Errors
    /// What `each` returned, or that the store cannot be read.
    pub fn each<E: From<StoreError>>(
        &self,
        rows: Rows,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.database.with(|database| {
            let read = database.begin_read().map_err(StoreError::from)?;
            let table = read.open_table(rows.table()).map_err(StoreError::from)?;
            for row in table.iter().map_err(StoreError::from)? {
                let (key, value) = row.map_err(StoreError::from)?;
                each(key.value(), value.value())?;
            }
            Ok(())
        })
    }

    /// How many rows of one kind there are; costs the same for any number of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self, rows: Rows) -> Result<u64, StoreError> {
        self.database.with(|database| {
            let read = database.begin_read()?;
            Ok(read.open_table(rows.table())?.len()?)
        })
    }

    /// The rows of one kind whose keys begin with `prefix`, `most` of them at the most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn beginning_with(
        &self,
        rows: Rows,
        prefix: &[u8],
        most: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.database.with(|database| {
            let read = database.begin_read()?;
            let table = read.open_table(rows.table())?;
            let mut found = Vec::new();
            for row in table.range(prefix..)?.take(most) {
                let (key, value) = row?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                found.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(found)
        })
    }

    /// All rows of one kind: for kinds of which there are few.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rows(&self, rows: Rows) -> Result<Vec<Row>, StoreError> {
        self.database.with(|database| {
            let read = database.begin_read()?;
            let table = read.open_table(rows.table())?;
            let mut all = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                all.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(all)
        })
    }

    /// The keys of all rows of one kind, in order, each with the bytes of its row.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sizes(&self, rows: Rows) -> Result<Vec<(Vec<u8>, usize)>, StoreError> {
        self.database.with(|database| {
            let read = database.begin_read()?;
            let table = read.open_table(rows.table())?;
            let mut all = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                all.push((key.value().to_vec(), value.value().len()));
            }
            Ok(all)
        })
    }

    /// One row.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn row(&self, rows: Rows, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.database.with(|database| {
            let read = database.begin_read()?;
            let table = read.open_table(rows.table())?;
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }
}
