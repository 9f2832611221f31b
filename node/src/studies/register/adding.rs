//! Registering an object that came: new, here already, or another one under the UID of one that is here.

use dokuei_keys::id::Digest;

use super::{HeldObject, Place, Register, RegisterError};
use crate::dicom::header::Header;
use crate::parcels::SealedObject;
use crate::studies::instances;
use crate::studies::quarantine::{Conflict, Taken};

/// What became of an object.
pub enum Added {
    /// It is registered.
    New,
    /// The same object was here already.
    Same,
    /// Another object with its SOP Instance UID is here: one of its study, or of another one.
    Conflict(HeldObject),
}

impl Register {
    /// Registers an object that is sealed and durable.
    ///
    /// # Errors
    /// [`RegisterError`] when it cannot be read whether the object is here already.
    pub fn add(
        &self,
        place: &Place,
        header: &Header,
        (sealed, content): (SealedObject, Digest),
        at: u64,
    ) -> Result<Added, RegisterError> {
        let (study, instance) = (header.study().as_str(), header.sop_instance().as_str());
        loop {
            // The store is not read while everybody waits; a study may be closed or removed meanwhile.
            let changes = self.lock().changes;
            let mut here = self.closed_objects(instance)?;
            let mut all = self.lock();
            if all.changes != changes {
                continue;
            }
            here.extend(all.arriving.object(instance));
            if let Some(added) = compared(here, (study, content)) {
                return Ok(added);
            }
            let slot = (place.parcel, place.slot);
            let added = all.arriving.add(slot, header, (sealed, content), at);
            let study = added.ok_or(RegisterError::Unknown)?;
            self.shared.catalogue.note(self.shared.site, study);
            return Ok(Added::New);
        }
    }

    /// Sets an object aside that [`Register::add`] answered with [`Added::Conflict`]. What is not taken is removed.
    ///
    /// # Errors
    /// [`RegisterError`] when that cannot be stored.
    pub fn set_aside(
        &self,
        place: &Place,
        header: &Header,
        content: Digest,
        conflict: Conflict,
        at: u64,
    ) -> Result<Taken, RegisterError> {
        let named = (header.study().as_str(), header.sop_instance().as_str());
        let quarantine = &self.shared.quarantine;
        let taken = quarantine.take(place, named, content, conflict, at)?;
        if !matches!(taken, Taken::Aside) {
            std::fs::remove_file(self.shared.parcels.file_of(&place.parcel, place.slot))?;
        }
        Ok(taken)
    }

    /// The objects with this SOP Instance UID in closed studies, the one that came first in front.
    pub(super) fn closed_objects(&self, instance: &str) -> Result<Vec<HeldObject>, RegisterError> {
        let shared = &self.shared;
        let mut found = Vec::new();
        for (parcel, slot) in instances::find(&shared.store, &shared.storage, instance)? {
            if let Some(study) = self.closed_study(&parcel)?
                && let Some(object) = study.at(slot, instance)
            {
                found.push((study.first_at, HeldObject::of(&study, object)));
            }
        }
        found.sort_by_key(|(first_at, object)| (*first_at, object.parcel));
        Ok(found.into_iter().map(|(_, object)| object).collect())
    }
}

/// What an object of this study and content is to those of its UID that are here; none when there are none.
pub(super) fn compared(here: Vec<HeldObject>, (study, content): (&str, Digest)) -> Option<Added> {
    if here.iter().any(|twin| twin.content == content) {
        return Some(Added::Same);
    }
    let of_study = here.iter().position(|twin| twin.study == study);
    let mut here = here.into_iter();
    here.nth(of_study.unwrap_or(0)).map(Added::Conflict)
}
