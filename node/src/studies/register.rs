//! The register of studies that modalities sent: which are arriving, which are complete, which were
//! sent to whom.

mod error;
mod held;
mod recovery;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::cbor;
use dokuei_keys::id::{Digest, ParcelId, SiteId};
use dokuei_keys::sealed::commitment;
use dokuei_keys::secret::{ContentKey, StorageKey};
use dokuei_protocol::study::manifest::ManifestReference;

use crate::chance::chance;
use crate::dicom::header::Header;
use crate::dicom::uid::Uid;
use crate::index::catalogue::Catalogue;
use crate::parcels::{Parcels, SealedObject};
use crate::store::{Change, Rows, Store};
use crate::studies::quarantine::Quarantine;
use crate::studies::study::{STUDY_VERSION, Study};

pub use self::error::RegisterError;
use self::held::Held;
use self::recovery::recover;

/// Studies that may be arriving at once. Each costs a few kilobytes and the list of its objects.
const ARRIVING: usize = 1_000;

/// The studies of this node. Clones share them.
#[derive(Clone)]
pub struct Register {
    shared: Arc<Shared>,
}

struct Shared {
    site: SiteId,
    parcels: Parcels,
    store: Store,
    storage: Arc<StorageKey>,
    catalogue: Catalogue,
    quarantine: Quarantine,
    held: Mutex<BTreeMap<ParcelId, Held>>,
    /// Held while a study is closed, so that nobody closes it a second time meanwhile.
    closing: Mutex<()>,
}

/// Where an arriving object is to be sealed.
pub struct Place {
    /// The parcel.
    pub parcel: ParcelId,
    /// Its content key.
    pub key: ContentKey,
    /// The object's slot.
    pub slot: u32,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is registered.
    New,
    /// The same object was here already.
    Same,
    /// Another object with its SOP Instance UID is here.
    Conflict,
}

impl Register {
    /// Opens the register: reads every study, lists it in the catalogue, and finishes what a crash interrupted.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened or the disk fails.
    pub fn open(
        site: SiteId,
        parcels: Parcels,
        store: Store,
        storage: StorageKey,
        catalogue: Catalogue,
    ) -> Result<Register, RegisterError> {
        let mut held = BTreeMap::new();
        for (key, row) in store.rows(Rows::Studies)? {
            let plain = storage
                .open_row(Rows::Studies.name(), &key, &row)
                .map_err(|_| RegisterError::Damaged)?;
            let mut study: Study = minicbor::decode(&plain).map_err(|_| RegisterError::Damaged)?;
            if study.version != STUDY_VERSION {
                return Err(RegisterError::Damaged);
            }
            let wrapped = store.row(Rows::ContentKeys, study.parcel.as_bytes())?;
            let content = wrapped
                .map(|wrapped| storage.unwrap_content_key(&study.parcel, &wrapped))
                .transpose()
                .map_err(|_| RegisterError::Damaged)?;
            let mut next_slot = 1;
            if study.manifest.is_none() {
                let content = content.as_ref().ok_or(RegisterError::Damaged)?;
                recover(&parcels, &mut study, content, site)?;
                let slots = parcels.slots(&study.parcel)?;
                next_slot = slots.last().map_or(1, |last| last + 1);
            }
            catalogue.note(site, &study);
            held.insert(
                study.parcel,
                Held {
                    study,
                    key: content,
                    next_slot,
                    prepared: next_slot,
                    writing: 0,
                    closing: false,
                },
            );
        }
        let storage = Arc::new(storage);
        let quarantine = Quarantine::open(parcels.clone(), store.clone(), Arc::clone(&storage))?;
        Ok(Register {
            shared: Arc::new(Shared {
                quarantine,
                site,
                parcels,
                store,
                storage,
                catalogue,
                held: Mutex::new(held),
                closing: Mutex::new(()),
            }),
        })
    }

    /// The sealed objects.
    pub fn parcels(&self) -> &Parcels {
        &self.shared.parcels
    }

    /// The objects that are set aside.
    pub fn quarantine(&self) -> &Quarantine {
        &self.shared.quarantine
    }

    /// Sets an object aside that [`Register::add`] answered with [`Added::Conflict`].
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub fn set_aside(
        &self,
        place: &Place,
        header: &Header,
        content: Digest,
        at: u64,
    ) -> Result<(), RegisterError> {
        self.shared.quarantine.take(place, header, content, at)
    }

    /// The site that seals here.
    pub fn site(&self) -> SiteId {
        self.shared.site
    }

    /// A place for an object of this study: in its arriving parcel, or in a new one.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn place(&self, study: &Uid, at: u64) -> Result<Place, RegisterError> {
        let mut held = self.lock();
        let open = held
            .values_mut()
            .find(|held| held.study.uid == study.as_str() && held.is_open());
        if let Some(open) = open {
            return open.place(&self.shared.parcels);
        }
        if held.values().filter(|held| held.is_open()).count() >= ARRIVING {
            return Err(RegisterError::Full);
        }
        let mut new = self.begin(study, at)?;
        let place = new.place(&self.shared.parcels);
        held.insert(new.study.parcel, new);
        place
    }

    fn begin(&self, uid: &Uid, at: u64) -> Result<Held, RegisterError> {
        let shared = &self.shared;
        let mut chance = chance();
        let parcel = ParcelId::from_rng(&mut chance);
        let key = ContentKey::from_rng(&mut chance);
        let study = Study::begun(parcel, uid.as_str(), at);
        shared.parcels.create(&parcel)?;
        let mut change = self.row(&study)?;
        let wrapped = shared
            .storage
            .wrap_content_key(&parcel, &key, &mut chance)
            .map_err(|_| RegisterError::Damaged)?;
        change
            .puts
            .push((Rows::ContentKeys, parcel.as_bytes().to_vec(), wrapped));
        shared.store.commit(change)?;
        Ok(Held {
            study,
            key: Some(key),
            next_slot: 1,
            prepared: 1,
            writing: 0,
            closing: false,
        })
    }

    /// Registers an object that is sealed and durable.
    pub fn add(
        &self,
        place: &Place,
        header: &Header,
        sealed: SealedObject,
        content: Digest,
        at: u64,
    ) -> Added {
        let mut held = self.lock();
        let instance = header.sop_instance().as_str();
        let twin = held
            .values()
            .filter(|held| held.study.uid == header.study().as_str())
            .find_map(|held| {
                held.study
                    .object(instance)
                    .map(|object| object.content == content)
            });
        let Some(arriving) = held.get_mut(&place.parcel) else {
            return Added::Conflict;
        };
        arriving.writing -= 1;
        match twin {
            Some(true) => Added::Same,
            Some(false) => Added::Conflict,
            None => {
                arriving.study.add(header, place.slot, sealed, content, at);
                self.shared
                    .catalogue
                    .note(self.shared.site, &arriving.study);
                Added::New
            }
        }
    }

    /// Gives a place back unused.
    pub fn give_back(&self, place: &Place) {
        if let Some(held) = self.lock().get_mut(&place.parcel) {
            held.writing -= 1;
        }
    }

    /// Closes every study that has been quiet since before `since`, and removes those that got no object by then.
    /// Returns how many were closed.
    ///
    /// # Errors
    /// [`RegisterError`] when the disk fails.
    pub fn close_quiet(&self, since: u64) -> Result<usize, RegisterError> {
        self.remove_bare(since)?;
        let quiet: Vec<ParcelId> = self
            .lock()
            .values()
            .filter(|held| {
                held.study.manifest.is_none()
                    && held.writing == 0
                    && held.study.last_at <= since
                    && !held.study.objects.is_empty()
            })
            .map(|held| held.study.parcel)
            .collect();
        let (mut closed, mut failed) = (0, None);
        for parcel in &quiet {
            match self.close(parcel) {
                Ok(_) => closed += 1,
                // An object began meanwhile.
                Err(RegisterError::Arriving) => {}
                // One that cannot be closed does not keep the others open.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(closed), Err)
    }

    fn remove_bare(&self, since: u64) -> Result<(), RegisterError> {
        let bare: Vec<ParcelId> = self
            .lock()
            .extract_if(.., |_, held| {
                held.is_bare() && held.is_open() && held.writing == 0 && held.study.last_at <= since
            })
            .map(|(parcel, _)| parcel)
            .collect();
        for parcel in bare {
            self.erase(&parcel)?;
        }
        Ok(())
    }

    /// Closes the list of a study's objects: its manifest is sealed, later objects begin another parcel.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn close(&self, parcel: &ParcelId) -> Result<ManifestReference, RegisterError> {
        let _alone = self
            .shared
            .closing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (study, key) = {
            let mut held = self.lock();
            let held = held.get_mut(parcel).ok_or(RegisterError::Unknown)?;
            if let Some(manifest) = &held.study.manifest {
                return Ok(manifest.clone());
            }
            if held.writing > 0 {
                return Err(RegisterError::Arriving);
            }
            if held.study.objects.is_empty() {
                return Err(RegisterError::Unknown);
            }
            held.closing = true;
            let key = held.key.as_ref().ok_or(RegisterError::Unknown)?;
            (held.study.clone(), key.duplicate())
        };
        let closed = self.write_manifest(study, &key);
        let mut held = self.lock();
        let held = held.get_mut(parcel).ok_or(RegisterError::Unknown)?;
        held.closing = false;
        // Files that were prepared are removed by now.
        held.prepared = held.next_slot;
        let (study, reference) = closed?;
        held.study = study;
        Ok(reference)
    }

    fn write_manifest(
        &self,
        mut study: Study,
        key: &ContentKey,
    ) -> Result<(Study, ManifestReference), RegisterError> {
        let (shared, parcel) = (&self.shared, study.parcel);
        shared.parcels.remove_unused(&parcel)?;
        let manifest = study.manifest(shared.site, commitment(key, &parcel));
        let reference = shared
            .parcels
            .seal_manifest(key, &manifest, &mut chance())?;
        study.manifest = Some(reference.clone());
        shared.store.commit(self.row(&study)?)?;
        Ok((study, reference))
    }

    /// The parcels of a study, oldest first.
    pub fn parcels_of(&self, uid: &str) -> Vec<ParcelId> {
        let held = self.lock();
        let mut found: Vec<(u64, ParcelId)> = held
            .values()
            .filter(|held| held.study.uid == uid && !held.is_bare())
            .map(|held| (held.study.first_at, held.study.parcel))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, parcel)| parcel).collect()
    }

    /// Looks at one study.
    pub fn look<T>(&self, parcel: &ParcelId, look: impl FnOnce(&Study) -> T) -> Option<T> {
        self.lock().get(parcel).map(|held| look(&held.study))
    }

    /// Looks at every study, oldest first.
    pub fn look_at_all(&self, mut look: impl FnMut(&Study)) {
        let held = self.lock();
        let shown = held.values().filter(|held| !held.is_bare());
        let mut all: Vec<&Study> = shown.map(|held| &held.study).collect();
        all.sort_by_key(|study| study.first_at);
        all.into_iter().for_each(&mut look);
    }

    /// The content key of a study.
    pub fn key(&self, parcel: &ParcelId) -> Option<ContentKey> {
        let held = self.lock();
        Some(held.get(parcel)?.key.as_ref()?.duplicate())
    }

    /// Removes a study as if it had never come; one that is not here, or that still arrives, is left alone. It must be
    /// in no case. Returns whether it was removed.
    ///
    /// # Errors
    /// [`RegisterError`] when the disk fails.
    pub fn remove(&self, parcel: &ParcelId) -> Result<bool, RegisterError> {
        let removed = {
            let mut held = self.lock();
            let is_still = |held: &Held| held.writing == 0 && !held.closing;
            held.extract_if(*parcel..=*parcel, |_, held| is_still(held))
                .next()
        };
        if removed.is_none() {
            return Ok(false);
        }
        self.erase(parcel)?;
        Ok(true)
    }

    fn erase(&self, parcel: &ParcelId) -> Result<(), RegisterError> {
        self.shared.catalogue.forget(parcel);
        let key = parcel.as_bytes().to_vec();
        self.shared.store.commit(Change {
            removals: vec![(Rows::Studies, key.clone()), (Rows::ContentKeys, key)],
            ..Change::default()
        })?;
        Ok(self.shared.parcels.remove(parcel)?)
    }

    /// Notes that the sealed objects of a closed study are removed; what is not here is no error.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub fn put_away(&self, parcel: &ParcelId) -> Result<(), RegisterError> {
        let known = self.look(parcel, |study| {
            let closed = study.manifest.is_some() && study.removed.is_none();
            closed.then(|| study.clone())
        });
        let Some(mut study) = known.flatten() else {
            return Ok(());
        };
        study.put_away();
        self.shared.catalogue.forget(parcel);
        self.shared.quarantine.discard_study(&study.uid)?;
        self.shared.store.commit(self.row(&study)?)?;
        if let Some(held) = self.lock().get_mut(parcel) {
            held.study = study;
            held.key = None;
        }
        Ok(())
    }

    fn row(&self, study: &Study) -> Result<Change, RegisterError> {
        let key = study.parcel.as_bytes();
        let sealed = self.shared.storage.seal_row(
            Rows::Studies.name(),
            key,
            &cbor::encode(study),
            &mut chance(),
        );
        sealed
            .map(|row| Change::put(Rows::Studies, key, row))
            .map_err(|_| RegisterError::Damaged)
    }

    /// A panic of another thread leaves the register as it was before the change it was making.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ParcelId, Held>> {
        self.shared
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
