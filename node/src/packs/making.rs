//! Making packs of what this site sealed.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_compression::{Effort, Encoder};
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::{PackContext, seal_pack};
use dokuei_keys::secret::{ContentKey, StorageKey};
use dokuei_protocol::study::plan::{Piece, TransferPlan};

use crate::packs::content::{Filling, pack};
use crate::packs::samples::Place;
use crate::parcels::{OpenError, OpenedObject, Parcels};
use crate::store::{Rows, Store};

/// Plans that are remembered: one for each study that is on its way, of which there are never more at once.
const PLANS: usize = 16;
/// Encoders that are kept for the next pack, with the room they work in: one for each of two cores, and some to spare.
const ENCODERS: usize = 4;

/// Makes packs. Nothing of them is kept.
pub struct PackMaker {
    parcels: Parcels,
    site: SiteId,
    store: Store,
    storage: StorageKey,
    /// With when each was used last.
    plans: Mutex<BTreeMap<ParcelId, (Arc<TransferPlan>, u64)>>,
    encoders: Mutex<Vec<Encoder>>,
    /// Where the samples of the object lie of which a piece was packed last: its pieces are asked for one after the other.
    last: Mutex<Option<Long>>,
}

/// A pack.
pub struct Made {
    /// Its sealed bytes.
    pub sealed: Vec<u8>,
    /// The plan that it is of.
    pub plan: Arc<TransferPlan>,
}

/// An object that is sent in pieces.
struct Long {
    parcel: ParcelId,
    slot: u32,
    place: Option<Place>,
}

impl PackMaker {
    /// Makes packs of the parcels that `site` sealed.
    pub fn new(parcels: Parcels, site: SiteId, (store, storage): (Store, StorageKey)) -> PackMaker {
        PackMaker {
            parcels,
            site,
            store,
            storage,
            plans: Mutex::default(),
            encoders: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Where the parcels lie.
    pub fn parcels(&self) -> &Parcels {
        &self.parcels
    }

    /// Makes a pack; none when there is no such parcel, or it has no such pack. Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`OpenError`] when something of it cannot be read.
    pub fn make(
        &self,
        parcel: ParcelId,
        number: u32,
        effort: Effort,
    ) -> Result<Option<Made>, OpenError> {
        let Some(key) = self.key(&parcel)? else {
            return Ok(None);
        };
        let plan = self.plan(&key, parcel)?;
        self.make_by(plan, &key, (parcel, number), effort)
    }

    /// The same by a plan of a parcel whose list of objects is not closed yet.
    ///
    /// # Errors
    /// [`OpenError`] when something of it cannot be read.
    pub fn make_ahead(
        &self,
        plan: Arc<TransferPlan>,
        (parcel, number): (ParcelId, u32),
        effort: Effort,
    ) -> Result<Option<Made>, OpenError> {
        match self.key(&parcel)? {
            Some(key) => self.make_by(plan, &key, (parcel, number), effort),
            None => Ok(None),
        }
    }

    fn make_by(
        &self,
        plan: Arc<TransferPlan>,
        key: &ContentKey,
        (parcel, number): (ParcelId, u32),
        effort: Effort,
    ) -> Result<Option<Made>, OpenError> {
        let mut pieces = Vec::new();
        let mut failed = None;
        for piece in plan.pieces(number) {
            let filling = self.filling(key, parcel, &piece);
            // The others can be read meanwhile.
            pieces.push(filling.map_err(|error| failed = Some(error)).ok());
        }
        match failed {
            Some(error) if pieces.iter().all(Option::is_none) => return Err(error),
            Some(error) => {
                tracing::warn!(target: "dokuei::transfer", %parcel, number, "an object cannot be sent with its pack: {error}")
            }
            None if pieces.is_empty() => return Ok(None),
            None => {}
        }
        let mut encoder = lock(&self.encoders).pop().unwrap_or_default();
        let content = pack(&pieces, effort, &mut encoder);
        let mut encoders = lock(&self.encoders);
        if encoders.len() < ENCODERS {
            encoders.push(encoder);
        }
        drop(encoders);
        let context = PackContext {
            parcel,
            site: self.site,
            pack: number,
        };
        let sealed = seal_pack(key, &context, &content)?;
        Ok(Some(Made { sealed, plan }))
    }

    /// The parcel's key; none once it is destroyed.
    fn key(&self, parcel: &ParcelId) -> Result<Option<ContentKey>, OpenError> {
        let wrapped = self.store.row(Rows::ContentKeys, parcel.as_bytes());
        let wrapped = wrapped.map_err(|error| OpenError::Disk(io::Error::other(error)))?;
        let opened = wrapped.map(|wrapped| self.storage.unwrap_content_key(parcel, &wrapped));
        Ok(opened.transpose()?)
    }

    fn plan(&self, key: &ContentKey, parcel: ParcelId) -> Result<Arc<TransferPlan>, OpenError> {
        let mut plans = lock(&self.plans);
        let now = 1 + plans.values().map(|(_, used)| *used).max().unwrap_or(0);
        if let Some((plan, used)) = plans.get_mut(&parcel) {
            *used = now;
            return Ok(Arc::clone(plan));
        }
        drop(plans);
        let manifest = self.parcels.own_manifest(key, parcel, self.site)?;
        let plan = Arc::new(TransferPlan::new(&manifest));
        let mut plans = lock(&self.plans);
        if plans.len() >= PLANS {
            let oldest = plans.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(parcel, _)| *parcel);
            oldest.and_then(|parcel| plans.remove(&parcel));
        }
        plans.insert(parcel, (Arc::clone(&plan), now));
        Ok(plan)
    }

    fn filling(
        &self,
        key: &ContentKey,
        parcel: ParcelId,
        piece: &Piece,
    ) -> Result<Filling, OpenError> {
        let mut object = self.open(key, parcel, piece.slot)?;
        object.skip(piece.offset)?;
        let mut bytes = Vec::with_capacity(piece.length as usize);
        object.take(piece.length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != piece.length {
            return Err(OpenError::Damaged);
        }
        let place = match piece.is_whole {
            true => Place::of(bytes.as_slice(), piece.length)?,
            false => self.place(key, parcel, piece.slot)?,
        };
        let samples = place.and_then(|place| place.within(piece.offset, piece.length));
        Ok(Filling { bytes, samples })
    }

    /// Where the samples of an object lie that is sent in pieces.
    fn place(
        &self,
        key: &ContentKey,
        parcel: ParcelId,
        slot: u32,
    ) -> Result<Option<Place>, OpenError> {
        if let Some(last) = &*lock(&self.last)
            && (last.parcel, last.slot) == (parcel, slot)
        {
            return Ok(last.place.clone());
        }
        let object = self.open(key, parcel, slot)?;
        let whole = object.length();
        let place = Place::of(object, whole)?;
        *lock(&self.last) = Some(Long {
            parcel,
            slot,
            place: place.clone(),
        });
        Ok(place)
    }

    fn open(
        &self,
        key: &ContentKey,
        parcel: ParcelId,
        slot: u32,
    ) -> Result<OpenedObject, OpenError> {
        let opened = OpenedObject::open(&self.parcels, key, parcel, self.site, slot)?;
        Ok(opened.undigested())
    }
}

/// Locks, also when another thread panicked while it held the lock: every change under these locks is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
