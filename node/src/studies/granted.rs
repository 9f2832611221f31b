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
use crate::studies::register::RegisterError;
use crate::studies::study::{STUDY_VERSION, Study};
use crate::transfer::receive::ReceiveError;

/// The granted studies. Clones share them.
#[derive(Clone)]
pub struct GrantedStudies {
    store: Store,
    storage: Arc<StorageKey>,
    catalogue: Catalogue,
    held: Arc<Mutex<BTreeMap<CaseId, (SiteId, Study)>>>,
}

impl GrantedStudies {
    /// Opens the granted studies, and lists them in the catalogue.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub fn open(
        store: Store,
        storage: StorageKey,
        catalogue: Catalogue,
    ) -> Result<GrantedStudies, RegisterError> {
        let mut held = BTreeMap::new();
        for (key, row) in store.rows(Rows::Granted)? {
            let plain = storage
                .open_row(Rows::Granted.name(), &key, &row)
                .map_err(|_| RegisterError::Damaged)?;
            let (site, study): (SiteId, Study) =
                minicbor::decode(&plain).map_err(|_| RegisterError::Damaged)?;
            let case: [u8; 32] = key.try_into().map_err(|_| RegisterError::Damaged)?;
            if study.version != STUDY_VERSION {
                return Err(RegisterError::Damaged);
            }
            catalogue.note(site, &study);
            held.insert(CaseId::from_bytes(case), (site, study));
        }
        Ok(GrantedStudies {
            catalogue,
            store,
            storage: Arc::new(storage),
            held: Arc::new(Mutex::new(held)),
        })
    }

    /// Keeps what is known of a study that was received whole.
    ///
    /// # Errors
    /// When it is no study, or cannot be stored.
    pub fn keep(&self, case: CaseId, from: SiteId, study: Study) -> Result<(), ReceiveError> {
        let plain = cbor::encode(&(from, &study));
        let row =
            self.storage
                .seal_row(Rows::Granted.name(), case.as_bytes(), &plain, &mut chance());
        let row = row.map_err(|_| {
            ReceiveError::Disk(io::Error::other("the study's row cannot be sealed"))
        })?;
        self.store
            .commit(Change::put(Rows::Granted, case.as_bytes(), row))
            .map_err(|error| ReceiveError::Disk(io::Error::other(error)))?;
        self.catalogue.note(from, &study);
        self.lock().insert(case, (from, study));
        Ok(())
    }

    /// Forgets the study of a case.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub fn forget(&self, case: CaseId) -> Result<(), StoreError> {
        let change = Change {
            removals: vec![(Rows::Granted, case.as_bytes().to_vec())],
            ..Change::default()
        };
        self.store.commit(change)?;
        let forgotten = self.lock().remove(&case);
        if let Some((_, study)) = forgotten {
            self.catalogue.forget(&study.parcel);
        }
        Ok(())
    }

    /// The study of a case.
    pub fn study(&self, case: CaseId) -> Option<Study> {
        self.lock().get(&case).map(|(_, study)| study.clone())
    }

    /// Looks at the study of a case.
    pub fn look_at<T>(&self, case: CaseId, look: impl FnOnce(&Study) -> T) -> Option<T> {
        self.lock().get(&case).map(|(_, study)| look(study))
    }

    /// Looks at the study in one parcel.
    pub fn look<T>(&self, parcel: &ParcelId, look: impl FnOnce(&Study) -> T) -> Option<T> {
        let held = self.lock();
        let mut studies = held.values().map(|(_, study)| study);
        studies.find(|study| study.parcel == *parcel).map(look)
    }

    /// Looks at every study.
    pub fn look_at_all(&self, mut look: impl FnMut(CaseId, SiteId, &Study)) {
        for (case, (from, study)) in self.lock().iter() {
            look(*case, *from, study);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CaseId, (SiteId, Study)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
