//! The register of studies that modalities sent: which are arriving, which are complete, which were
//! sent to whom.

mod adding;
mod arriving;
mod closed;
mod error;
mod held;
mod looking;
mod opening;
mod placing;
mod recovery;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::commitment;
use dokuei_keys::secret::{ContentKey, StorageKey};
use dokuei_protocol::study::manifest::ManifestReference;
use tokio::sync::watch;

use crate::chance::chance;
use crate::index::catalogue::Catalogue;
use crate::parcels::Parcels;
use crate::store::{Change, Rows, Store, sealed};
use crate::studies::bell::Bell;
use crate::studies::head::Head;
use crate::studies::instances;
use crate::studies::quarantine::Quarantine;
use crate::studies::shelf::Shelf;
use crate::studies::study::Study;

pub use self::adding::Added;
use self::arriving::Arriving;
use self::closed::Closed;
pub use self::error::RegisterError;
use self::held::Held;
pub use self::looking::{HeldObject, Outline};
use self::placing::{Made, Making};

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
    /// Rings when a study is closed.
    bell: Arc<Bell>,
    /// Counts the objects that came, and the studies that were closed.
    grown: watch::Sender<u64>,
    /// The closed studies.
    shelf: Shelf,
    /// Never held while the disk is waited for.
    held: Mutex<All>,
    /// Something was made that others wait for.
    changed: Condvar,
}

/// What is in memory of every study.
#[derive(Default)]
struct All {
    /// Those that take objects, with everything that is known of them.
    arriving: Arriving,
    /// UIDs of studies that somebody begins.
    beginning: BTreeSet<String>,
    closed: Closed,
    /// Counts the studies that were closed or removed: what was read of such ones before may be out of date.
    changes: u64,
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

impl Register {
    /// Opens the register: lists every study in the catalogue by its head, and finishes what a crash interrupted.
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
        let storage = Arc::new(storage);
        let shelf = Shelf::new(store.clone(), Arc::clone(&storage), Rows::Studies);
        shelf.list()?;
        let mut held = All::default();
        let mut arriving = Vec::new();
        store.each::<RegisterError>(Rows::Heads, |key, row| {
            let head = Head::open(&storage, Rows::Heads, key, row)?;
            if head.study.manifest.is_some() {
                held.closed.put(&head.study);
                catalogue.note(site, &head.study);
            } else {
                arriving.push(head.study);
            }
            Ok(())
        })?;
        let quarantine = Quarantine::open(parcels.clone(), store.clone(), Arc::clone(&storage))?;
        let register = Register {
            shared: Arc::new(Shared {
                quarantine,
                bell: Arc::default(),
                grown: watch::Sender::new(0),
                shelf,
                site,
                parcels,
                store,
                storage,
                catalogue,
                held: Mutex::new(held),
                changed: Condvar::new(),
            }),
        };
        // What came first stays.
        arriving.sort_by_key(|study| (study.first_at, study.parcel));
        for study in arriving {
            register.recover(study)?;
        }
        Ok(register)
    }

    /// The sealed objects.
    pub fn parcels(&self) -> &Parcels {
        &self.shared.parcels
    }

    /// The bell that rings when there are headers of a study to write.
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.shared.bell)
    }

    /// Changes with every object that comes, and when a study is closed.
    pub fn grown(&self) -> watch::Receiver<u64> {
        self.shared.grown.subscribe()
    }

    /// The objects that are set aside.
    pub fn quarantine(&self) -> &Quarantine {
        &self.shared.quarantine
    }

    /// The site that seals here.
    pub fn site(&self) -> SiteId {
        self.shared.site
    }

    /// Gives a place back: its object is registered or set aside, or there is none. Until then its study is not closed.
    pub fn give_back(&self, place: &Place) {
        if let Some(held) = self.lock().arriving.of_mut(&place.parcel) {
            held.writing.remove(&place.slot);
            self.shared.grown.send_modify(|grown| *grown += 1);
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
            .arriving
            .each()
            .filter(|held| {
                !held.is_written() && held.study.last_at <= since && !held.study.objects.is_empty()
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
        let bare = self.lock().arriving.take_all(|held| {
            held.is_bare() && held.is_open() && !held.is_written() && held.study.last_at <= since
        });
        for Held { study, .. } in bare {
            self.erase((&study.uid, &study.parcel), Change::default())?;
        }
        Ok(())
    }

    /// Closes the list of a study's objects: its manifest is sealed, later objects begin another parcel.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn close(&self, parcel: &ParcelId) -> Result<ManifestReference, RegisterError> {
        let until = Register::patience();
        let mut all = self.lock();
        let begun = loop {
            match all.arriving.of_mut(parcel) {
                Some(held) if held.closing => all = self.wait(all, until)?,
                Some(held) => break Some(held.begin_closing()?),
                None => break None,
            }
        };
        drop(all);
        let Some((study, key)) = begun else {
            let closed = self.closed_study(parcel)?;
            let manifest = closed.and_then(|study| study.manifest.clone());
            return manifest.ok_or(RegisterError::Unknown);
        };
        let _making = Making::of(self, Made::List(*parcel));
        let (study, reference) = self.write_manifest(study, &key)?;
        let mut all = self.lock();
        all.arriving.take_if(parcel, |_| true);
        all.closed.put(&study);
        all.changes += 1;
        drop(all);
        self.shared.bell.ring();
        self.shared.grown.send_modify(|grown| *grown += 1);
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
        let mut change = self.row(&study)?;
        instances::put(&mut change, &shared.storage, &study);
        let name = parcel.as_bytes().to_vec();
        change.puts.push((Rows::Headerless, name, Vec::new()));
        shared.store.commit(change)?;
        Ok((study, reference))
    }

    /// Removes a study as if it had never come; one that is not here, or that still arrives, is left alone. It must be
    /// in no case. Returns whether it was removed.
    ///
    /// # Errors
    /// [`RegisterError`] when the disk fails.
    pub fn remove(&self, parcel: &ParcelId) -> Result<bool, RegisterError> {
        let listed = self.closed_study(parcel)?;
        let removed = {
            let mut all = self.lock();
            let is_still = |held: &Held| !held.is_written() && !held.closing;
            all.changes += 1;
            let arriving = all.arriving.take_if(parcel, is_still);
            let arriving = arriving.map(|held| held.study.uid.into());
            arriving.or_else(|| all.closed.remove(parcel))
        };
        let Some(uid) = removed else {
            return Ok(false);
        };
        let mut change = Change::default();
        if let Some(study) = listed {
            instances::remove(&mut change, &self.shared.storage, &study);
        }
        self.erase((&uid, parcel), change)?;
        Ok(true)
    }

    fn erase(
        &self,
        (uid, parcel): (&str, &ParcelId),
        mut change: Change,
    ) -> Result<(), RegisterError> {
        self.shared.catalogue.forget(self.shared.site, uid, parcel);
        let key = parcel.as_bytes().to_vec();
        for rows in [
            Rows::Studies,
            Rows::Heads,
            Rows::ContentKeys,
            Rows::Headerless,
        ] {
            change.removals.push((rows, key.clone()));
        }
        self.shared.store.commit(change)?;
        self.shared.shelf.forget(parcel.as_bytes());
        Ok(self.shared.parcels.remove(parcel)?)
    }

    /// Notes that the sealed objects of a closed study are removed; what is not here is no error.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub fn put_away(&self, parcel: &ParcelId) -> Result<(), RegisterError> {
        let known = self.closed_study(parcel)?;
        let is_here = |study: &Arc<Study>| study.manifest.is_some() && study.removed.is_none();
        let Some(known) = known.filter(is_here) else {
            return Ok(());
        };
        let mut study = Study::clone(&known);
        study.put_away();
        let shared = &self.shared;
        shared.catalogue.forget(shared.site, &study.uid, parcel);
        self.shared.quarantine.discard_study(&study.uid)?;
        let mut change = self.row(&study)?;
        instances::remove(&mut change, &self.shared.storage, &known);
        self.shared.store.commit(change)?;
        self.shared.shelf.forget(parcel.as_bytes());
        self.lock().changes += 1;
        Ok(())
    }

    /// The rows that hold a study.
    fn row(&self, study: &Study) -> Result<Change, RegisterError> {
        let (storage, key) = (&self.shared.storage, study.parcel.as_bytes());
        let mut change = sealed::put(storage, Rows::Studies, key, study)?;
        let head = Head::of(study, None).seal(storage, Rows::Heads, key)?;
        change.puts.push((Rows::Heads, key.to_vec(), head));
        Ok(change)
    }

    /// A panic of another thread leaves the register as it was before the change it was making.
    fn lock(&self) -> MutexGuard<'_, All> {
        self.shared
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
