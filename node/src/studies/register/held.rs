//! One study in the register, as long as the node runs.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};

use dokuei_keys::secret::ContentKey;
use dokuei_protocol::limits;

use super::{Place, RegisterError};
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
    /// Slots that are given out and not given back: each has its object, or none, only then.
    pub(super) writing: BTreeSet<u32>,
    /// Somebody prepares more files, and is going to write.
    pub(super) preparing: bool,
    /// Its list of objects is being written down: it takes no more.
    pub(super) closing: bool,
}

impl Held {
    /// A study whose next object goes into this slot, and of which no file is prepared.
    pub(super) fn of(study: Study, key: ContentKey, next_slot: u32) -> Held {
        Held {
            study,
            key: Some(key),
            next_slot,
            prepared: next_slot,
            writing: BTreeSet::new(),
            preparing: false,
            closing: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.study.manifest.is_none() && !self.closing
    }

    /// Whether it holds no object yet. It may never: a sender repeats objects that are here already.
    pub(super) fn is_bare(&self) -> bool {
        self.study.manifest.is_none() && self.study.objects.is_empty()
    }

    /// Whether somebody writes an object of it, or is about to.
    pub(super) fn is_written(&self) -> bool {
        self.preparing || !self.writing.is_empty()
    }

    /// Slots and lengths of its first objects, in the order of their slots: as many as no other object can come between.
    pub(super) fn settled(&self) -> Vec<(u32, u64)> {
        let until = self.writing.first().copied().unwrap_or(u32::MAX);
        let objects = self.study.objects.iter();
        let settled = objects.filter(|object| object.slot < until);
        let mut settled: Vec<(u32, u64)> =
            settled.map(|object| (object.slot, object.length)).collect();
        settled.sort_unstable();
        settled
    }

    /// Begins to close it: what is to be written down, and its key.
    ///
    /// # Errors
    /// [`RegisterError::Arriving`] while an object is written; [`RegisterError::Unknown`] when it holds none.
    pub(super) fn begin_closing(&mut self) -> Result<(Study, ContentKey), RegisterError> {
        if self.is_written() {
            return Err(RegisterError::Arriving);
        }
        let key = self.key.as_ref().ok_or(RegisterError::Unknown)?;
        if self.study.objects.is_empty() {
            return Err(RegisterError::Unknown);
        }
        self.closing = true;
        Ok((self.study.clone(), key.duplicate()))
    }

    /// The files to prepare before there is a place for the next object; none when its own is.
    ///
    /// # Errors
    /// [`RegisterError::Full`] when it takes no more objects.
    pub(super) fn unprepared(&self) -> Result<Option<Range<u32>>, RegisterError> {
        let slot = self.next_slot;
        if slot as usize > limits::OBJECTS {
            return Err(RegisterError::Full);
        }
        let more = slot.clamp(*PREPARED.start(), *PREPARED.end());
        Ok((slot >= self.prepared).then_some(slot..slot + more))
    }

    /// A place for the next object, whose file is prepared.
    pub(super) fn place(&mut self) -> Result<Place, RegisterError> {
        let key = self.key.as_ref().ok_or(RegisterError::Damaged)?.duplicate();
        let slot = self.next_slot;
        self.next_slot += 1;
        self.writing.insert(slot);
        Ok(Place {
            parcel: self.study.parcel,
            key,
            slot,
        })
    }
}
