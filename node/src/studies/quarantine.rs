//! Objects that came under the SOP Instance UID of another object with other content: kept sealed aside, so that
//! somebody can find out which of the two is right. Nothing is read from here when a study is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::{Digest, ParcelId, SiteId};
use dokuei_keys::secret::StorageKey;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::chance::chance;
use crate::language::{Explain, Message};
use crate::parcels::Parcels;
use crate::say;
use crate::store::{Rows, SealedRows, Store};
use crate::studies::likeness::Sealed;
use crate::studies::register::{HeldObject, Place, RegisterError};

/// Form of stored rows.
const VERSION: u8 = 1;
/// Objects that are kept. A device that repeats UIDs makes hundreds in a day; whoever has more has a device to mend,
/// and what comes then is refused without being kept. Tests need not make so many.
pub(super) const KEPT: usize = if cfg!(test) { 8 } else { 1_000 };
/// Studies that are remembered of which an object found no room here: more than a clinic makes in months, in a megabyte
/// or two.
const MISSED: usize = 10_000;

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
    /// Why.
    #[n(8)]
    #[cbor(default, skip_if = "Why::is_content")]
    pub why: Why,
    /// Study Instance UID of the other object with its UID, where that is of another study.
    #[n(9)]
    pub other_study: Option<String>,
}

impl Quarantined {
    /// Whether it puts this study in question: it says that it is of it, or has the UID of one of its objects.
    fn concerns(&self, study: &str) -> bool {
        self.study == study || self.other_study.as_deref() == Some(study)
    }
}

/// Why an object is set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Why {
    /// Its content is another one.
    #[default]
    #[n(0)]
    Content,
    /// Its UID is that of an object of another study.
    #[n(1)]
    Study,
    /// It says the same, and is coded with loss, or the one that is here is.
    #[n(2)]
    Lossy,
    /// It says the same in another coding, and the pixels cannot be compared.
    #[n(3)]
    Unknown,
}

impl Why {
    fn is_content(&self) -> bool {
        *self == Why::Content
    }
}

impl Explain for Why {
    fn message(&self) -> Message {
        match self {
            Why::Content => say!("内容が違う", "other content"),
            Why::Study => say!("別の検査に同じ UID がある", "its UID is in another study"),
            Why::Lossy => say!("一方が非可逆圧縮", "one of the two is compressed with loss"),
            Why::Unknown => say!(
                "圧縮方式が違い、比べられない",
                "in another coding, and cannot be compared"
            ),
        }
    }
}

/// What an object is set aside for.
#[derive(Clone)]
pub struct Conflict {
    /// Why.
    pub why: Why,
    /// The study of the other object with its UID, where that is another one.
    pub other_study: Option<String>,
}

impl From<Why> for Conflict {
    /// With an object of its own study.
    fn from(why: Why) -> Conflict {
        let other_study = None;
        Conflict { why, other_study }
    }
}

impl Conflict {
    /// Of an object of this study with another one under its UID.
    pub fn with(other: HeldObject, study: &str) -> Conflict {
        match other.study == study {
            true => Why::Content.into(),
            false => Conflict {
                why: Why::Study,
                other_study: Some(other.study),
            },
        }
    }
}

/// What became of an object that was to be set aside.
pub enum Taken {
    /// It is here, or the same content was.
    Aside,
    /// There is no room: nobody keeps it. Its studies are in question all the same, until the next start.
    Full,
    /// The same content is only being written down for somebody else, which may fail: nobody keeps this one.
    Coming,
}

/// The objects that are set aside, by names of their own.
pub struct Quarantine {
    parcels: Parcels,
    rows: SealedRows<Quarantined>,
    storage: Arc<StorageKey>,
    /// Never held while the disk is waited for.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    kept: BTreeMap<ParcelId, Quarantined>,
    /// Those that are being written down: they have room, and their studies are in question. One whose writing panics is
    /// counted until the next start.
    coming: BTreeMap<ParcelId, Quarantined>,
    /// Those that are being removed. What has their content finds nothing here any more.
    leaving: BTreeMap<ParcelId, Quarantined>,
    /// Studies in question for what found no room, at most [`MISSED`].
    missed: BTreeSet<String>,
}

impl Held {
    fn each(&self) -> impl Iterator<Item = &Quarantined> {
        let kept = self.kept.values().chain(self.coming.values());
        kept.chain(self.leaving.values())
    }

    /// What is to become of an object; none when it has to be written down.
    fn sort(&mut self, object: &Quarantined) -> Option<Taken> {
        let is_same = |other: &Quarantined| other.content == object.content;
        if self.kept.values().any(is_same) {
            return Some(Taken::Aside);
        }
        if self.coming.values().any(is_same) {
            return Some(Taken::Coming);
        }
        if self.each().count() < KEPT {
            return None;
        }
        tracing::warn!(target: "dokuei::studies", "an object with the UID of another one finds no room: {KEPT} are set aside already");
        let studies = [Some(&object.study), object.other_study.as_ref()];
        for study in studies.into_iter().flatten() {
            if self.missed.len() < MISSED {
                self.missed.insert(study.clone());
            }
        }
        Some(Taken::Full)
    }
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
        let mut held = Held::default();
        let rows: SealedRows<Quarantined> =
            SealedRows::new(Rows::Quarantine, store, Arc::clone(&storage));
        for (key, kept) in rows.all()? {
            let name: [u8; 32] = key.try_into().map_err(|_| RegisterError::Damaged)?;
            let name = ParcelId::from_bytes(name);
            if kept.version != VERSION {
                return Err(RegisterError::Damaged);
            }
            if parcels.quarantined(&name).try_exists()? {
                held.kept.insert(name, kept);
            } else {
                rows.remove([name.as_bytes()])?;
            }
        }
        Ok(Quarantine {
            parcels,
            rows,
            storage,
            held: Mutex::new(held),
        })
    }

    /// Takes the sealed object at a place. What it does not take stays there; of the same content that is here the second
    /// is dropped.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub(super) fn take(
        &self,
        place: &Place,
        (study, sop_instance): (&str, &str),
        content: Digest,
        conflict: Conflict,
        at: u64,
    ) -> Result<Taken, RegisterError> {
        let key = self
            .storage
            .wrap_content_key(&place.parcel, &place.key, &mut chance())
            .map_err(|_| RegisterError::Damaged)?;
        let coming = Quarantined {
            version: VERSION,
            parcel: place.parcel,
            slot: place.slot,
            key: key.into(),
            study: study.to_owned(),
            sop_instance: sop_instance.to_owned(),
            content,
            at,
            why: conflict.why,
            other_study: conflict.other_study,
        };
        let name = ParcelId::from_rng(&mut chance());
        let sorted = {
            let mut held = self.lock();
            let sorted = held.sort(&coming);
            if sorted.is_none() {
                held.coming.insert(name, coming.clone());
            }
            sorted
        };
        if let Some(taken) = sorted {
            if matches!(taken, Taken::Aside) {
                std::fs::remove_file(self.parcels.file_of(&place.parcel, place.slot))?;
            }
            return Ok(taken);
        }
        let written = self.write(&name, &coming);
        let mut held = self.lock();
        held.coming.remove(&name);
        written?;
        held.kept.insert(name, coming);
        Ok(Taken::Aside)
    }

    fn write(&self, name: &ParcelId, kept: &Quarantined) -> Result<(), RegisterError> {
        self.rows.put(name.as_bytes(), kept)?;
        Ok(self.parcels.quarantine(&kept.parcel, kept.slot, name)?)
    }

    /// Everything that is set aside, oldest first.
    pub fn all(&self) -> Vec<(ParcelId, Quarantined)> {
        let held = self.lock();
        let mut all: Vec<_> = held
            .kept
            .iter()
            .map(|(name, kept)| (*name, kept.clone()))
            .collect();
        all.sort_by_key(|(_, kept)| kept.at);
        all
    }

    /// An object that is set aside, to be opened; none when its key cannot be.
    pub(super) fn sealed(
        &self,
        name: &ParcelId,
        kept: &Quarantined,
        site: SiteId,
    ) -> Option<Sealed> {
        let key = self.storage.unwrap_content_key(&kept.parcel, &kept.key);
        Some(Sealed {
            file: self.parcels.quarantined(name),
            key: key.ok()?,
            parcel: kept.parcel,
            site,
            slot: kept.slot,
        })
    }

    /// How many objects put a study in question: those that are set aside, and one for all that found no room.
    pub fn count_of(&self, study: &str) -> usize {
        let held = self.lock();
        let aside = held.each().filter(|kept| kept.concerns(study)).count();
        aside + usize::from(held.missed.contains(study))
    }

    /// Whether an object under this SOP Instance UID is set aside.
    pub fn has(&self, sop_instance: &str) -> bool {
        let held = self.lock();
        held.each().any(|kept| kept.sop_instance == sop_instance)
    }

    /// Removes one for good. One that is not here is no error.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub fn discard(&self, name: &ParcelId) -> Result<(), RegisterError> {
        {
            let mut held = self.lock();
            if let Some(kept) = held.kept.remove(name) {
                held.leaving.insert(*name, kept);
            }
        }
        let removed = self.rows.remove([name.as_bytes()]);
        {
            let mut held = self.lock();
            let left = held.leaving.remove(name);
            if let Some(kept) = left.filter(|_| removed.is_err()) {
                held.kept.insert(*name, kept);
            }
        }
        removed?;
        match std::fs::remove_file(self.parcels.quarantined(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => Ok(other?),
        }
    }

    /// Removes what has this content, if it is set aside: it was found to be the same as what is here.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub(super) fn discard_content(&self, content: Digest) -> Result<(), RegisterError> {
        let same = {
            let held = self.lock();
            let mut kept = held.kept.iter();
            kept.find(|(_, kept)| kept.content == content)
                .map(|(name, _)| *name)
        };
        same.map_or(Ok(()), |name| self.discard(&name))
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
        self.lock().missed.remove(study);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
