//! Studies that partners granted to this site, by case.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::cbor;
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::StorageKey;
use dokuei_protocol::case::CaseId;

use crate::chance::chance;
use crate::index::catalogue::Catalogue;
use crate::store::{Change, Rows, Store, StoreError};
use crate::studies::bell::Bell;
use crate::studies::head::Head;
use crate::studies::register::RegisterError;
use crate::studies::shelf::Shelf;
use crate::studies::study::Study;
use crate::transfer::receive::ReceiveError;

/// The granted studies. Clones share them.
#[derive(Clone)]
pub struct GrantedStudies(Arc<Shared>);

struct Shared {
    store: Store,
    storage: StorageKey,
    catalogue: Catalogue,
    shelf: Shelf,
    /// Rings when a study is here whole.
    bell: Arc<Bell>,
    held: Mutex<Held>,
}

/// What is in memory of them.
#[derive(Default)]
struct Held {
    /// Who granted each, where it lies, and since when.
    cases: BTreeMap<CaseId, (SiteId, ParcelId, u64)>,
    parcels: BTreeMap<ParcelId, CaseId>,
}

impl GrantedStudies {
    /// Opens the granted studies, and lists them in the catalogue. `bell` rings when one is here whole.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub fn open(
        store: Store,
        storage: StorageKey,
        catalogue: Catalogue,
        bell: Arc<Bell>,
    ) -> Result<GrantedStudies, RegisterError> {
        let shelf = Shelf::new(store.clone(), Arc::new(storage.duplicate()), Rows::Granted);
        shelf.list()?;
        let mut held = Held::default();
        store.each::<RegisterError>(Rows::GrantedHeads, |key, row| {
            let head = Head::open(&storage, Rows::GrantedHeads, key, row)?;
            let from = head.from.ok_or(RegisterError::Damaged)?;
            let case: [u8; 32] = key.try_into().map_err(|_| RegisterError::Damaged)?;
            catalogue.note(from, &head.study);
            held.put(CaseId::from_bytes(case), from, &head.study);
            Ok(())
        })?;
        Ok(GrantedStudies(Arc::new(Shared {
            store,
            storage,
            catalogue,
            shelf,
            bell,
            held: Mutex::new(held),
        })))
    }

    /// Keeps what is known of a study that was received whole.
    ///
    /// # Errors
    /// When it is no study, or cannot be stored.
    pub fn keep(&self, case: CaseId, from: SiteId, study: Study) -> Result<(), ReceiveError> {
        let (shared, key) = (&self.0, case.as_bytes());
        let unsealed = |_| ReceiveError::Disk(io::Error::other("the study's row cannot be sealed"));
        let plain = zeroize::Zeroizing::new(cbor::encode(&(from, &study)));
        let name = Rows::Granted.name();
        let row = shared.storage.seal_row(name, key, &plain, &mut chance());
        let mut change = Change::put(Rows::Granted, key, row.map_err(unsealed)?);
        let head = Head::of(&study, Some(from));
        let head = head.seal(&shared.storage, Rows::GrantedHeads, key);
        let head = head.map_err(|error| ReceiveError::Disk(io::Error::other(error)))?;
        change.puts.push((Rows::GrantedHeads, key.to_vec(), head));
        let name = study.parcel.as_bytes().to_vec();
        change.puts.push((Rows::Headerless, name, Vec::new()));
        let committed = shared.store.commit(change);
        committed.map_err(|error| ReceiveError::Disk(io::Error::other(error)))?;
        shared.shelf.forget(key);
        shared.catalogue.note(from, &study);
        self.lock().put(case, from, &study);
        self.0.bell.ring();
        Ok(())
    }

    /// Forgets the study of a case.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub fn forget(&self, case: CaseId) -> Result<(), StoreError> {
        let key = case.as_bytes();
        let rows = [Rows::Granted, Rows::GrantedHeads];
        self.0.store.commit(Change {
            removals: rows.map(|rows| (rows, key.to_vec())).into(),
            ..Change::default()
        })?;
        self.0.shelf.forget(key);
        if let Some(parcel) = self.lock().remove(&case) {
            self.0.catalogue.forget(&parcel);
        }
        Ok(())
    }

    /// The study of a case. One that cannot be read is logged and is none.
    pub fn study(&self, case: CaseId) -> Option<Arc<Study>> {
        if !self.lock().cases.contains_key(&case) {
            return None;
        }
        self.0.shelf.study(case.as_bytes()).unwrap_or_else(|error| {
            tracing::error!(target: "dokuei::studies", %case, "a study cannot be read: {error}");
            None
        })
    }

    /// Looks at the study of a case.
    pub fn look_at<T>(&self, case: CaseId, look: impl FnOnce(&Study) -> T) -> Option<T> {
        self.study(case).map(|study| look(&study))
    }

    /// Looks at the study in one parcel.
    pub fn look<T>(&self, parcel: &ParcelId, look: impl FnOnce(&Study) -> T) -> Option<T> {
        let case = self.lock().parcels.get(parcel).copied();
        self.look_at(case?, look)
    }

    /// The case of a parcel, and who granted it.
    pub fn case_of(&self, parcel: &ParcelId) -> Option<(CaseId, SiteId)> {
        let held = self.lock();
        let case = held.parcels.get(parcel)?;
        held.cases.get(case).map(|(from, ..)| (*case, *from))
    }

    /// The cases of all of them, each with who granted it, and since when it is here.
    pub fn cases(&self) -> Vec<(CaseId, SiteId, u64)> {
        let held = self.lock();
        let cases = held.cases.iter();
        let each = cases.map(|(case, (from, _, first_at))| (*case, *from, *first_at));
        each.collect()
    }

    /// What is listed of the study of a case; none when there is no such study.
    ///
    /// # Errors
    /// [`RegisterError`] when it cannot be read.
    pub fn head(&self, case: CaseId) -> Result<Option<Head>, RegisterError> {
        let (shared, key) = (&self.0, case.as_bytes());
        let row = shared.store.row(Rows::GrantedHeads, key)?;
        row.map(|row| Head::open(&shared.storage, Rows::GrantedHeads, key, &row))
            .transpose()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn put(&mut self, case: CaseId, from: SiteId, study: &Study) {
        self.cases
            .insert(case, (from, study.parcel, study.first_at));
        self.parcels.insert(study.parcel, case);
    }

    fn remove(&mut self, case: &CaseId) -> Option<ParcelId> {
        let (_, parcel, _) = self.cases.remove(case)?;
        self.parcels.remove(&parcel);
        Some(parcel)
    }
}
