//! One study in the register, as long as the node runs.

use std::ops::RangeInclusive;

use dokuei_keys::secret::ContentKey;
use dokuei_protocol::limits;

use super::{Place, RegisterError};
use crate::parcels::Parcels;
use crate::studies::study::Study;

/// Files that are prepared at once for the objects of a study: as many again as there are, between these. A radiograph
/// leaves few to remove; the folder of a CT is synced once for many slices.
const PREPARED: RangeInclusive<u32> = 8..=64;

/// A study and what is needed to take its objects in.
pub(super) struct Held {
    pub(super) study: Study,
    /// None once the time for keeping the study is over.
    pub(super) key: Option<ContentKey>,
    pub(super) next_slot: u32,
    /// The first slot whose file is not prepared.
    pub(super) prepared: u32,
    pub(super) writing: u32,
    /// Its list of objects is being written down: it takes no more.
    pub(super) closing: bool,
}

impl Held {
    pub(super) fn is_open(&self) -> bool {
        self.study.manifest.is_none() && !self.closing
    }

    /// Whether it holds no object yet. It may never: a sender repeats objects that are here already.
    pub(super) fn is_bare(&self) -> bool {
        self.study.manifest.is_none() && self.study.objects.is_empty()
    }

    /// Begins to close it: what is to be written down, and its key.
    ///
    /// # Errors
    /// [`RegisterError::Arriving`] while an object is written; [`RegisterError::Unknown`] when it holds none.
    pub(super) fn begin_closing(&mut self) -> Result<(Study, ContentKey), RegisterError> {
        if self.writing > 0 {
            return Err(RegisterError::Arriving);
        }
        let key = self.key.as_ref().ok_or(RegisterError::Unknown)?;
        if self.study.objects.is_empty() {
            return Err(RegisterError::Unknown);
        }
        self.closing = true;
        Ok((self.study.clone(), key.duplicate()))
    }

    /// A place for the next object.
    pub(super) fn place(&mut self, parcels: &Parcels) -> Result<Place, RegisterError> {
        let key = self.key.as_ref().ok_or(RegisterError::Damaged)?.duplicate();
        let slot = self.next_slot;
        if slot as usize > limits::OBJECTS {
            return Err(RegisterError::Full);
        }
        if slot >= self.prepared {
            let more = slot.clamp(*PREPARED.start(), *PREPARED.end());
            parcels.prepare(&self.study.parcel, slot..slot + more)?;
            self.prepared = slot + more;
        }
        self.next_slot += 1;
        self.writing += 1;
        Ok(Place {
            parcel: self.study.parcel,
            key,
            slot,
        })
    }
}
