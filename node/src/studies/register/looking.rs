//! Looking at the studies of the register.

use std::sync::Arc;

use dokuei_keys::id::{Digest, ParcelId};
use dokuei_keys::secret::ContentKey;

use super::{Register, RegisterError, opening};
use crate::store::Rows;
use crate::studies::head::Head;
use crate::studies::likeness::Sealed;
use crate::studies::study::{Study, StudyObject};

/// A study by what is in memory of it.
pub struct Outline<'a> {
    /// Its parcel.
    pub parcel: ParcelId,
    /// Study Instance UID.
    pub uid: &'a str,
    /// When its first object came, milliseconds since the epoch.
    pub first_at: u64,
    /// Whether its list of objects is closed.
    pub is_closed: bool,
}

/// An object that lies here: where, and what it is.
pub struct HeldObject {
    /// SOP Class UID.
    pub class: String,
    /// Study Instance UID.
    pub study: String,
    /// The parcel that holds it.
    pub parcel: ParcelId,
    /// Its slot there.
    pub slot: u32,
    /// BLAKE3 of its data set.
    pub content: Digest,
}

impl HeldObject {
    pub(super) fn of(study: &Study, object: &StudyObject) -> HeldObject {
        HeldObject {
            class: object.sop_class.clone(),
            study: study.uid.clone(),
            parcel: study.parcel,
            slot: object.slot,
            content: object.content,
        }
    }
}

impl Register {
    /// The parcels of a study, oldest first.
    pub fn parcels_of(&self, uid: &str) -> Vec<ParcelId> {
        let all = self.lock();
        let arriving = all.arriving.each();
        let mut found: Vec<(u64, ParcelId)> = arriving
            .filter(|held| held.study.uid == uid && !held.is_bare())
            .map(|held| (held.study.first_at, held.study.parcel))
            .chain(all.closed.parcels_of(uid))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, parcel)| parcel).collect()
    }

    /// Looks at one study. One that cannot be read is logged and is none.
    pub fn look<T>(&self, parcel: &ParcelId, look: impl FnOnce(&Study) -> T) -> Option<T> {
        self.try_look(parcel, look).unwrap_or_else(|error| {
            tracing::error!(target: "dokuei::studies", %parcel, "a study cannot be read: {error}");
            None
        })
    }

    /// Looks at one study; none when there is no such study.
    ///
    /// # Errors
    /// [`RegisterError`] when it cannot be read.
    pub fn try_look<T>(
        &self,
        parcel: &ParcelId,
        look: impl FnOnce(&Study) -> T,
    ) -> Result<Option<T>, RegisterError> {
        {
            let all = self.lock();
            if let Some(held) = all.arriving.of(parcel) {
                return Ok(Some(look(&held.study)));
            }
        }
        let study = self.closed_study(parcel)?;
        Ok(study.map(|study| look(&study)))
    }

    /// Of each study that arrives now, its parcel with [`Held::settled`]: what is known to stay as it is.
    pub fn settled(&self) -> Vec<(ParcelId, Vec<(u32, u64)>)> {
        let all = self.lock();
        let open = all.arriving.each().filter(|held| held.is_open());
        open.map(|held| (held.study.parcel, held.settled()))
            .collect()
    }

    /// A closed study. Of those that arrive there is a row too, which says nothing of their objects.
    pub(super) fn closed_study(
        &self,
        parcel: &ParcelId,
    ) -> Result<Option<Arc<Study>>, RegisterError> {
        if !self.lock().closed.holds(parcel) {
            return Ok(None);
        }
        self.shared.shelf.study(parcel.as_bytes())
    }

    /// Looks at what is in memory of every study, in no order.
    pub fn outlines(&self, mut look: impl FnMut(Outline<'_>)) {
        let all = self.lock();
        let arriving = all.arriving.each().filter(|held| !held.is_bare());
        let arriving = arriving.map(|held| Outline {
            parcel: held.study.parcel,
            uid: &held.study.uid,
            first_at: held.study.first_at,
            is_closed: false,
        });
        let closed = all.closed.each().map(|(parcel, uid, first_at)| Outline {
            parcel,
            uid,
            first_at,
            is_closed: true,
        });
        arriving.chain(closed).for_each(&mut look);
    }

    /// What is listed of one study; none when there is no such study.
    ///
    /// # Errors
    /// [`RegisterError`] when it cannot be read.
    pub fn head(&self, parcel: &ParcelId) -> Result<Option<Head>, RegisterError> {
        if let Some(held) = self.lock().arriving.of(parcel) {
            return Ok(Some(Head::of(&held.study, None)));
        }
        let shared = &self.shared;
        let row = shared.store.row(Rows::Heads, parcel.as_bytes())?;
        row.map(|row| Head::open(&shared.storage, Rows::Heads, parcel.as_bytes(), &row))
            .transpose()
    }

    /// The content key of a study; none once the time for keeping it is over. One that cannot be read is logged and is
    /// none.
    pub fn key(&self, parcel: &ParcelId) -> Option<ContentKey> {
        {
            let all = self.lock();
            if let Some(held) = all.arriving.of(parcel) {
                return Some(held.key.as_ref()?.duplicate());
            }
            if !all.closed.holds(parcel) {
                return None;
            }
        }
        let shared = &self.shared;
        opening::key(&shared.store, &shared.storage, parcel).unwrap_or_else(|error| {
            tracing::error!(target: "dokuei::studies", %parcel, "a content key cannot be read: {error}");
            None
        })
    }

    /// An object, to be opened; none once its key is destroyed.
    pub(in crate::studies) fn sealed(&self, object: &HeldObject) -> Option<Sealed> {
        Some(Sealed {
            file: self.parcels().file_of(&object.parcel, object.slot),
            key: self.key(&object.parcel)?,
            parcel: object.parcel,
            site: self.site(),
            slot: object.slot,
        })
    }

    /// An object of this site, by its SOP Instance UID, if it lies here: where studies of an earlier version share one, the
    /// one that came first.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be read.
    pub fn held_object(&self, instance: &str) -> Result<Option<HeldObject>, RegisterError> {
        // First: what is closed meanwhile is in the index before it leaves here.
        let arriving = self.lock().arriving.object(instance);
        let closed = self.closed_objects(instance)?;
        Ok(closed.into_iter().next().or(arriving))
    }
}
