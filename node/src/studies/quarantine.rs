//! Objects that came under the SOP Instance UID of another object with other content: kept sealed aside, so that
//! somebody can find out which of the two is right. Nothing is read from here when a study is sent.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::cbor;
use dokuei_keys::id::{Digest, ParcelId};
use dokuei_keys::secret::StorageKey;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::chance::chance;
use crate::dicom::header::Header;
use crate::parcels::Parcels;
use crate::store::{Change, Rows, Store};
use crate::studies::register::{Place, RegisterError};

/// Form of stored rows.
const VERSION: u8 = 1;
/// Objects that are kept. A device that repeats UIDs makes hundreds in a day; whoever has more has a device to mend,
/// and what comes then is refused without being kept.
const KEPT: usize = 1_000;

/// One object that is set aside.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Quarantined {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// The parcel that it was sealed for.
    #[n(1)]
    pub parcel: ParcelId,
    /// Its slot there.
    #[n(2)]
    pub slot: u32,
    /// That parcel's content key, wrapped: the parcel may be gone when somebody looks.
    #[n(3)]
    pub key: ByteVec,
    /// Study Instance UID.
    #[n(4)]
    pub study: String,
    /// SOP Instance UID.
    #[n(5)]
    pub sop_instance: String,
    /// BLAKE3 of the data set.
    #[n(6)]
    pub content: Digest,
    /// When it came, milliseconds since the epoch.
    #[n(7)]
    pub at: u64,
}

/// The objects that are set aside, by names of their own.
pub struct Quarantine {
    parcels: Parcels,
    store: Store,
    storage: Arc<StorageKey>,
    held: Mutex<BTreeMap<ParcelId, Quarantined>>,
}

impl Quarantine {
    /// Opens it, and drops rows whose object a crash kept from coming here: their sender was told nothing.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub(super) fn open(
        parcels: Parcels,
        store: Store,
        storage: Arc<StorageKey>,
    ) -> Result<Quarantine, RegisterError> {
        let mut held = BTreeMap::new();
        for (key, row) in store.rows(Rows::Quarantine)? {
            let plain = storage
                .open_row(Rows::Quarantine.name(), &key, &row)
                .map_err(|_| RegisterError::Damaged)?;
            let kept: Quarantined = minicbor::decode(&plain).map_err(|_| RegisterError::Damaged)?;
            let name: [u8; 32] = key.try_into().map_err(|_| RegisterError::Damaged)?;
            let name = ParcelId::from_bytes(name);
            if kept.version != VERSION {
                return Err(RegisterError::Damaged);
            }
            if parcels.quarantined(&name).try_exists()? {
                held.insert(name, kept);
            } else {
                store.commit(removal(&name))?;
            }
        }
        Ok(Quarantine {
            parcels,
            store,
            storage,
            held: Mutex::new(held),
        })
    }

    /// Takes the sealed object at a place. The same content again is dropped, and so is what finds no room.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub(super) fn take(
        &self,
        place: &Place,
        header: &Header,
        content: Digest,
        at: u64,
    ) -> Result<(), RegisterError> {
        let file = self.parcels.file_of(&place.parcel, place.slot);
        // Held all the while: two senders of one object must not both find room.
        let mut held = self.lock();
        let is_known = held.values().any(|kept| kept.content == content);
        if is_known || held.len() >= KEPT {
            if !is_known {
                tracing::warn!(target: "dokuei::studies", "an object with the UID of another one is not kept: {KEPT} are set aside already");
            }
            return Ok(std::fs::remove_file(file)?);
        }
        let name = ParcelId::from_rng(&mut chance());
        let key = self
            .storage
            .wrap_content_key(&place.parcel, &place.key, &mut chance())
            .map_err(|_| RegisterError::Damaged)?;
        let kept = Quarantined {
            version: VERSION,
            parcel: place.parcel,
            slot: place.slot,
            key: key.into(),
            study: header.study().as_str().to_owned(),
            sop_instance: header.sop_instance().as_str().to_owned(),
            content,
            at,
        };
        let row = self
            .storage
            .seal_row(
                Rows::Quarantine.name(),
                name.as_bytes(),
                &cbor::encode(&kept),
                &mut chance(),
            )
            .map_err(|_| RegisterError::Damaged)?;
        self.store
            .commit(Change::put(Rows::Quarantine, name.as_bytes(), row))?;
        self.parcels.quarantine(&place.parcel, place.slot, &name)?;
        held.insert(name, kept);
        Ok(())
    }

    /// Everything that is set aside, oldest first.
    pub fn all(&self) -> Vec<(ParcelId, Quarantined)> {
        let held = self.lock();
        let mut all: Vec<_> = held
            .iter()
            .map(|(name, kept)| (*name, kept.clone()))
            .collect();
        all.sort_by_key(|(_, kept)| kept.at);
        all
    }

    /// How many objects of a study are set aside.
    pub fn count_of(&self, study: &str) -> usize {
        let held = self.lock();
        held.values().filter(|kept| kept.study == study).count()
    }

    /// Whether an object under this SOP Instance UID is set aside.
    pub fn has(&self, sop_instance: &str) -> bool {
        let held = self.lock();
        held.values().any(|kept| kept.sop_instance == sop_instance)
    }

    /// Removes one for good. One that is not here is no error.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub fn discard(&self, name: &ParcelId) -> Result<(), RegisterError> {
        let mut held = self.lock();
        self.store.commit(removal(name))?;
        held.remove(name);
        match std::fs::remove_file(self.parcels.quarantined(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => Ok(other?),
        }
    }

    /// Removes all of a study: its time is over, and nothing of it stays that a key here opens.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub(super) fn discard_study(&self, study: &str) -> Result<(), RegisterError> {
        let names = self.all().into_iter();
        for (name, _) in names.filter(|(_, kept)| kept.study == study) {
            self.discard(&name)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ParcelId, Quarantined>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn removal(name: &ParcelId) -> Change {
    Change {
        removals: vec![(Rows::Quarantine, name.as_bytes().to_vec())],
        ..Change::default()
    }
}
