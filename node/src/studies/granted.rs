//! Studies that partners granted to this site, by case.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::cbor;
use dokuei_keys::id::SiteId;
use dokuei_keys::secret::StorageKey;
use dokuei_protocol::case::CaseId;

use crate::chance::chance;
use crate::parcels::SealedObject;
use crate::store::{Change, Rows, Store};
use crate::studies::intake::now;
use crate::studies::register::RegisterError;
use crate::studies::study::{STUDY_VERSION, Study};
use crate::transfer::receive::{Damage, ReceiveError, Received};

/// The granted studies. Clones share them.
#[derive(Clone)]
pub struct GrantedStudies {
    store: Store,
    storage: Arc<StorageKey>,
    held: Arc<Mutex<BTreeMap<CaseId, (SiteId, Study)>>>,
}

impl GrantedStudies {
    /// Opens the granted studies.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub fn open(store: Store, storage: StorageKey) -> Result<GrantedStudies, RegisterError> {
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
            held.insert(CaseId::from_bytes(case), (site, study));
        }
        Ok(GrantedStudies {
            store,
            storage: Arc::new(storage),
            held: Arc::new(Mutex::new(held)),
        })
    }

    /// Keeps what is known of a study that was received whole.
    ///
    /// # Errors
    /// When its objects are not of one study, or it cannot be stored.
    pub fn keep(&self, case: CaseId, from: SiteId, received: Received) -> Result<(), ReceiveError> {
        let at = now();
        let mut study: Option<Study> = None;
        for entry in &received.manifest.objects {
            let Some(Some((header, content))) = received.verified.get(&entry.slot) else {
                return Err(ReceiveError::Incomplete);
            };
            let study = study.get_or_insert_with(|| {
                Study::begun(received.manifest.parcel, header.study().as_str(), at)
            });
            if study.uid != header.study().as_str() {
                return Err(ReceiveError::Damaged(Damage::Mixed));
            }
            study.add(
                header,
                entry.slot,
                SealedObject {
                    length: entry.length,
                    digest: entry.digest,
                },
                *content,
                at,
            );
        }
        let study = study.ok_or(ReceiveError::Incomplete)?;
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
        self.lock().insert(case, (from, study));
        Ok(())
    }

    /// The study of a case.
    pub fn study(&self, case: CaseId) -> Option<Study> {
        self.lock().get(&case).map(|(_, study)| study.clone())
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
