//! Rows that are values: each in CBOR, sealed under the storage key together with its table and its key, so that none can
//! be read, changed or put in another's place.

use std::marker::PhantomData;
use std::sync::Arc;

use dokuei_keys::cbor;
use dokuei_keys::secret::StorageKey;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::chance::chance;
use crate::store::{Change, Rows, Store, StoreError};

/// The rows of one kind, each holding a `T`. Clones share them.
pub struct SealedRows<T> {
    rows: Rows,
    store: Store,
    storage: Arc<StorageKey>,
    holds: PhantomData<fn() -> T>,
}

impl<T> Clone for SealedRows<T> {
    fn clone(&self) -> SealedRows<T> {
        SealedRows {
            rows: self.rows,
            store: self.store.clone(),
            storage: Arc::clone(&self.storage),
            holds: PhantomData,
        }
    }
}

impl<T: Encode<()> + for<'b> Decode<'b, ()>> SealedRows<T> {
    /// The rows of this kind.
    pub fn new(rows: Rows, store: Store, storage: Arc<StorageKey>) -> SealedRows<T> {
        SealedRows {
            rows,
            store,
            storage,
            holds: PhantomData,
        }
    }

    /// Every row with its key: for kinds of which there are few. Blocks.
    ///
    /// # Errors
    /// [`StoreError`], also when one row is damaged.
    pub fn all(&self) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let rows = self.readable()?;
        rows.map(|(key, value)| Ok((key, value?))).collect()
    }

    /// The same, of each whether it is damaged.
    ///
    /// # Errors
    /// [`StoreError`] when the rows cannot be had.
    pub fn readable(
        &self,
    ) -> Result<impl Iterator<Item = (Vec<u8>, Result<T, StoreError>)>, StoreError> {
        let rows = self.store.rows(self.rows)?.into_iter();
        Ok(rows.map(|(key, row)| {
            let value = open(&self.storage, self.rows, &key, &row);
            (key, value)
        }))
    }

    /// One row. Blocks.
    ///
    /// # Errors
    /// [`StoreError`], also when it is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let row = self.store.row(self.rows, key)?;
        row.map(|row| open(&self.storage, self.rows, key, &row))
            .transpose()
    }

    /// Puts one row, durably. Blocks.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub fn put(&self, key: &[u8], value: &T) -> Result<(), StoreError> {
        self.store
            .commit(put(&self.storage, self.rows, key, value)?)
    }

    /// Removes rows, all or none, durably; those that are not there are passed over. Blocks.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub fn remove<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), StoreError> {
        let removals = keys
            .into_iter()
            .map(|key| (self.rows, key.as_ref().to_vec()));
        self.store.commit(Change {
            removals: removals.collect(),
            ..Change::default()
        })
    }
}

/// The change that puts a row.
///
/// # Errors
/// None in practice: rows are far below what can be sealed.
pub fn put(
    storage: &StorageKey,
    rows: Rows,
    key: &[u8],
    value: &impl Encode<()>,
) -> Result<Change, StoreError> {
    Ok(Change::put(rows, key, seal(storage, rows, key, value)?))
}

/// A value as the row with this key.
///
/// # Errors
/// As of [`put`].
pub fn seal(
    storage: &StorageKey,
    rows: Rows,
    key: &[u8],
    value: &impl Encode<()>,
) -> Result<Vec<u8>, StoreError> {
    let plain = Zeroizing::new(cbor::encode(value));
    let sealed = storage.seal_row(rows.name(), key, &plain, &mut chance());
    sealed.map_err(|_| StoreError::Damaged(rows.name()))
}

/// The value in the row with this key.
///
/// # Errors
/// [`StoreError::Damaged`].
pub fn open<T: for<'b> Decode<'b, ()>>(
    storage: &StorageKey,
    rows: Rows,
    key: &[u8],
    row: &[u8],
) -> Result<T, StoreError> {
    let damaged = || StoreError::Damaged(rows.name());
    let plain = storage.open_row(rows.name(), key, row);
    minicbor::decode(&plain.map_err(|_| damaged())?).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use dokuei_keys::secret::Secret32;

    use super::*;

    #[test]
    fn a_row_is_of_its_place_alone() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("store.redb")).unwrap();
        let storage = Arc::new(StorageKey::from_secret(Secret32::from_bytes([7; 32])));
        let rows: SealedRows<String> =
            SealedRows::new(Rows::Persons, store.clone(), Arc::clone(&storage));
        rows.put(b"a", &"one".to_owned()).unwrap();
        rows.put(b"b", &"two".to_owned()).unwrap();
        assert_eq!(rows.get(b"a").unwrap().as_deref(), Some("one"));
        assert_eq!(rows.get(b"c").unwrap(), None);
        let row = store.row(Rows::Persons, b"a").unwrap().unwrap();
        for (kind, key) in [(Rows::Persons, b"b"), (Rows::Imports, b"a")] {
            let elsewhere = open::<String>(&storage, kind, key, &row);
            assert!(matches!(elsewhere, Err(StoreError::Damaged(_))));
        }
        let other = open::<u32>(&storage, Rows::Persons, b"a", &row);
        assert!(matches!(other, Err(StoreError::Damaged("persons-1"))));
        rows.remove([b"a", b"c"]).unwrap();
        let left: Vec<_> = rows.all().unwrap();
        assert_eq!(left, [(b"b".to_vec(), "two".to_owned())]);
        store.commit(Change::put(Rows::Persons, b"d", row)).unwrap();
        assert!(matches!(rows.all(), Err(StoreError::Damaged(_))));
        assert!(matches!(rows.get(b"d"), Err(StoreError::Damaged(_))));
    }
}
