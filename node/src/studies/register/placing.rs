//! Places for objects to be sealed in. What they need on disk is made while nobody else waits: objects of other studies
//! get theirs meanwhile, and those of the same study wait for the one that makes it.

use std::ops::Range;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dokuei_keys::id::ParcelId;
use dokuei_keys::secret::ContentKey;

use super::held::Held;
use super::{All, Place, Register, RegisterError};
use crate::chance::chance;
use crate::dicom::uid::Uid;
use crate::store::Rows;
use crate::studies::study::Study;

/// Studies that may be arriving at once. Each costs a few kilobytes and the list of its objects.
const ARRIVING: usize = 1_000;

/// How long one waits for what another one makes for the same study: a few files, or a row. A disk that takes longer does
/// nothing any more, and senders have given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What somebody who wants a place has to do.
enum Wanted {
    Nothing(Place),
    /// Begin the study.
    Study,
    /// Prepare these files of a parcel.
    Files(ParcelId, Range<u32>),
    /// Wait for somebody who does.
    Patience,
}

/// What is being made, or written down.
pub(super) enum Made {
    Study(String),
    Files(ParcelId),
    List(ParcelId),
}

/// Somebody makes something for a study. However that ends, whoever waits for it goes on.
pub(super) struct Making<'a> {
    register: &'a Register,
    made: Made,
}

impl<'a> Making<'a> {
    pub(super) fn of(register: &'a Register, made: Made) -> Making<'a> {
        Making { register, made }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut all = self.register.lock();
        match &self.made {
            Made::Study(uid) => {
                all.beginning.remove(uid);
            }
            Made::Files(parcel) => {
                if let Some(held) = all.arriving.of_mut(parcel) {
                    held.preparing = false;
                }
            }
            Made::List(parcel) => {
                if let Some(held) = all.arriving.of_mut(parcel) {
                    held.closing = false;
                    // Files that were prepared are removed by now.
                    held.prepared = held.next_slot;
                }
            }
        }
        drop(all);
        self.register.shared.changed.notify_all();
    }
}

impl All {
    fn wanted(&mut self, study: &str) -> Result<Wanted, RegisterError> {
        if let Some(held) = self.arriving.open_mut(study) {
            let Some(files) = held.unprepared()? else {
                return held.place().map(Wanted::Nothing);
            };
            if held.preparing {
                return Ok(Wanted::Patience);
            }
            held.preparing = true;
            return Ok(Wanted::Files(held.study.parcel, files));
        }
        if self.beginning.contains(study) {
            return Ok(Wanted::Patience);
        }
        let open = self.arriving.each().filter(|held| held.is_open());
        if open.count() + self.beginning.len() >= ARRIVING {
            return Err(RegisterError::Full);
        }
        self.beginning.insert(study.to_owned());
        Ok(Wanted::Study)
    }
}

impl Register {
    /// A place for an object of this study: in its arriving parcel, or in a new one. Blocks.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn place(&self, study: &Uid, at: u64) -> Result<Place, RegisterError> {
        let until = Instant::now() + PATIENCE;
        let mut all = self.lock();
        loop {
            let wanted = all.wanted(study.as_str())?;
            match wanted {
                Wanted::Nothing(place) => return Ok(place),
                Wanted::Patience => all = self.wait(all, until)?,
                Wanted::Study => {
                    drop(all);
                    self.begin(study, at)?;
                    all = self.lock();
                }
                Wanted::Files(parcel, files) => {
                    drop(all);
                    return self.prepare(parcel, files);
                }
            }
        }
    }

    /// Waits until something was made.
    pub(super) fn wait<'a>(
        &self,
        all: MutexGuard<'a, All>,
        until: Instant,
    ) -> Result<MutexGuard<'a, All>, RegisterError> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(RegisterError::Arriving);
        }
        let woken = self.shared.changed.wait_timeout(all, left);
        Ok(woken.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Until when one waits for what somebody makes now.
    pub(super) fn patience() -> Instant {
        Instant::now() + PATIENCE
    }

    fn begin(&self, uid: &Uid, at: u64) -> Result<(), RegisterError> {
        let _making = Making::of(self, Made::Study(uid.as_str().to_owned()));
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
        self.lock().arriving.put(Held::of(study, key, 1));
        Ok(())
    }

    fn prepare(&self, parcel: ParcelId, files: Range<u32>) -> Result<Place, RegisterError> {
        let _making = Making::of(self, Made::Files(parcel));
        let prepared = self.shared.parcels.prepare(&parcel, files.clone());
        let mut all = self.lock();
        let held = all.arriving.of_mut(&parcel);
        let held = held.ok_or(RegisterError::Unknown)?;
        prepared?;
        held.prepared = files.end;
        held.place()
    }
}
