//! Studies that partners granted to this site, by case.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::StorageKey;
use dokuei_protocol::case::CaseId;

use crate::clock::now;
use crate::index::catalogue::Catalogue;
use crate::store::{Change, Rows, Store, StoreError, sealed};
use crate::studies::arrived::{Arrived, Verified};
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
    /// One may be read in several cases.
    parcels: BTreeSet<(ParcelId, CaseId)>,
    /// Those that are not here whole.
    arrived: Arrived,
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
        let row = sealed::put(&shared.storage, Rows::Granted, key, &(from, &study));
        let mut change = row.map_err(|error| ReceiveError::Disk(io::Error::other(error)))?;
        let head = Head::of(&study, Some(from));
        let head = head.seal(&shared.storage, Rows::GrantedHeads, key);
        let head = head.map_err(|error| ReceiveError::Disk(io::Error::other(error)))?;
        change.puts.push((Rows::GrantedHeads, key.to_vec(), head));
        let name = study.parcel.as_bytes().to_vec();
        change.puts.push((Rows::Headerless, name, Vec::new()));
        let committed = shared.store.commit(change);
        committed.map_err(|error| ReceiveError::Disk(io::Error::other(error)))?;
        shared.shelf.forget(key);
        {
            let mut held = self.lock();
            held.arrived.remove(&case);
            held.put(case, from, &study);
            shared.catalogue.note(from, &study);
        }
        shared.bell.ring();
        Ok(())
    }

    /// Forgets the study of a case.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub fn forget(&self, case: CaseId) -> Result<(), StoreError> {
        let key = case.as_bytes();
        let rows = [Rows::Granted, Rows::GrantedHeads];
        let listed = self.head(case).unwrap_or_else(|error| {
            tracing::warn!(target: "dokuei::studies", %case, "a study is listed until the next start: {error}");
            None
        });
        self.0.store.commit(Change {
            removals: rows.map(|rows| (rows, key.to_vec())).into(),
            ..Change::default()
        })?;
        self.0.shelf.forget(key);
        let mut held = self.lock();
        held.arrived.remove(&case);
        held.remove(&case);
        if let Some(Head {
            study,
            from: Some(from),
            ..
        }) = listed
            && held.case_of(&study.parcel).is_none()
        {
            self.0.catalogue.forget(from, &study.uid, &study.parcel);
        }
        Ok(())
    }

    /// Lists an object of a study that is on its way: it was verified, and can be opened.
    pub(crate) fn came(&self, case: CaseId, from: SiteId, object: &Verified<'_>) {
        let catalogue = &self.0.catalogue;
        let mut held = self.lock();
        if held.cases.contains_key(&case) {
            return;
        }
        let (part, gone) = held.arrived.add(case, from, object, now());
        if let Some(gone) = gone {
            catalogue.forget(gone.from, &gone.study.uid, &gone.study.parcel);
        }
        if let Some(part) = part {
            catalogue.note_part(from, &part.study, part.awaited());
        }
    }

    /// Lists what has come of a study no more: it is not what was granted.
    pub fn abandon(&self, case: CaseId) {
        let mut held = self.lock();
        if let Some(gone) = held.arrived.remove(&case) {
            let catalogue = &self.0.catalogue;
            catalogue.forget(gone.from, &gone.study.uid, &gone.study.parcel);
        }
    }

    /// Whether the study in a parcel is one of these and here whole.
    pub fn is_whole(&self, parcel: &ParcelId) -> bool {
        let held = self.lock();
        held.case_of(parcel)
            .is_some_and(|case| held.cases.contains_key(&case))
    }

    /// How many objects of the study of a case are not here yet.
    pub fn awaited(&self, case: CaseId) -> u32 {
        let held = self.lock();
        held.arrived.of(&case).map_or(0, |part| part.awaited())
    }

    /// The study of a case, when it is here whole. One that cannot be read is logged and is none.
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

    /// Looks at the study in one parcel, or at what has come of it.
    pub fn look<T>(&self, parcel: &ParcelId, look: impl FnOnce(&Study) -> T) -> Option<T> {
        let case = {
            let held = self.lock();
            let case = held.case_of(parcel)?;
            if let Some(part) = held.arrived.of(&case) {
                return Some(look(&part.study));
            }
            case
        };
        self.look_at(case, look)
    }

    /// The case of a parcel, and who granted it.
    pub fn case_of(&self, parcel: &ParcelId) -> Option<(CaseId, SiteId)> {
        let held = self.lock();
        let case = held.case_of(parcel)?;
        let known = held.cases.get(&case).map(|(from, ..)| *from);
        let from = known.or_else(|| held.arrived.of(&case).map(|part| part.from))?;
        Some((case, from))
    }

    /// The cases of all of them, each with who granted it, and since when it is here.
    pub fn cases(&self) -> Vec<(CaseId, SiteId, u64)> {
        let held = self.lock();
        let cases = held.cases.iter();
        let whole = cases.map(|(case, (from, _, first_at))| (*case, *from, *first_at));
        let arrived = held.arrived.all();
        let parts = arrived.map(|(case, part)| (*case, part.from, part.study.first_at));
        whole.chain(parts).collect()
    }

    /// What is listed of the study of a case; none when there is no such study.
    ///
    /// # Errors
    /// [`RegisterError`] when it cannot be read.
    pub fn head(&self, case: CaseId) -> Result<Option<Head>, RegisterError> {
        let (shared, key) = (&self.0, case.as_bytes());
        if let Some(part) = self.lock().arrived.of(&case) {
            return Ok(Some(Head::of(&part.study, Some(part.from))));
        }
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
        self.parcels.insert((study.parcel, case));
    }

    /// A case whose study lies in a parcel, whole or in part.
    fn case_of(&self, parcel: &ParcelId) -> Option<CaseId> {
        let first = (*parcel, CaseId::from_bytes([0; 32]));
        let mut from = self.parcels.range(first..);
        let whole = from.next().filter(|(known, _)| known == parcel);
        let part = || self.arrived.in_parcel(parcel).map(|(case, _)| *case);
        whole.map(|(_, case)| *case).or_else(part)
    }

    fn remove(&mut self, case: &CaseId) {
        if let Some((_, parcel, _)) = self.cases.remove(case) {
            self.parcels.remove(&(parcel, *case));
        }
    }
}
