//! What an arriving study holds, read again from its sealed objects.

use std::io;

use dokuei_keys::secret::ContentKey;

use super::adding::compared;
use super::held::Held;
use super::{Added, HeldObject, Place, Register, RegisterError, opening};
use crate::parcels::{OpenError, OpenedObject, ScannedObject, SealedObject, scan};
use crate::studies::quarantine::{Conflict, Taken};
use crate::studies::study::Study;

impl Register {
    /// Lets a study take objects that was arriving when the node stopped, with what lies on disk of it. One that is not
    /// whole was most likely never confirmed to its sender: it is put aside under another name, where whoever misses it
    /// can look for it. One under the UID of another one goes where it would have gone: of two such in one study nobody
    /// knows any more which came first, and the one with the lower slot stays.
    ///
    /// # Errors
    /// When an object cannot be read now: what was confirmed is not given up for that.
    pub(super) fn recover(&self, mut study: Study) -> Result<(), RegisterError> {
        let shared = &self.shared;
        let key = opening::key(&shared.store, &shared.storage, &study.parcel)?;
        let key = key.ok_or(RegisterError::Damaged)?;
        shared.parcels.remove_unused(&study.parcel)?;
        for slot in shared.parcels.slots(&study.parcel)? {
            match self.reopen(&study, &key, slot)? {
                Some(found) => self.sort_in(&mut study, &key, slot, found)?,
                None => {
                    tracing::warn!(target: "dokuei::studies", parcel = %study.parcel, slot, "an object that is not whole is put aside");
                    shared.parcels.put_aside(&study.parcel, slot)?;
                }
            }
        }
        let slots = shared.parcels.slots(&study.parcel)?;
        let next_slot = slots.last().map_or(1, |last| last + 1);
        shared.catalogue.note(shared.site, &study);
        self.lock().arriving.put(Held::of(study, key, next_slot));
        Ok(())
    }

    /// Registers an object that is whole, unless it is here already, or another one with its UID is.
    fn sort_in(
        &self,
        study: &mut Study,
        key: &ContentKey,
        slot: u32,
        (scanned, sealed): (ScannedObject, SealedObject),
    ) -> Result<(), RegisterError> {
        let (header, content) = (&scanned.header, scanned.content);
        let instance = header.sop_instance().as_str();
        let mut here = self.closed_objects(instance)?;
        here.extend(self.lock().arriving.object(instance));
        let of_study = study.object(instance);
        here.extend(of_study.map(|object| HeldObject::of(study, object)));
        let parcels = &self.shared.parcels;
        match compared(here, (&study.uid, content)) {
            None | Some(Added::New) => study.add(header, slot, sealed, content, study.last_at),
            Some(Added::Same) => std::fs::remove_file(parcels.file_of(&study.parcel, slot))?,
            Some(Added::Conflict(twin)) => {
                tracing::warn!(target: "dokuei::studies", parcel = %study.parcel, slot, "an object with the UID of another one is set aside");
                let place = Place {
                    parcel: study.parcel,
                    key: key.duplicate(),
                    slot,
                };
                let named = (study.uid.as_str(), instance);
                let conflict = Conflict::with(twin, &study.uid);
                let quarantine = &self.shared.quarantine;
                match quarantine.take(&place, named, content, conflict, study.last_at)? {
                    Taken::Aside => {}
                    Taken::Full | Taken::Coming => parcels.put_aside(&study.parcel, slot)?,
                }
            }
        }
        Ok(())
    }

    /// An object that is whole; `None` when it is not.
    fn reopen(
        &self,
        study: &Study,
        key: &ContentKey,
        slot: u32,
    ) -> io::Result<Option<(ScannedObject, SealedObject)>> {
        let (parcels, site) = (&self.shared.parcels, self.shared.site);
        let mut opened = match OpenedObject::open(parcels, key, study.parcel, site, slot) {
            Ok(opened) => opened,
            Err(OpenError::Damaged) => return Ok(None),
            Err(OpenError::Disk(error)) => return whole(Err::<(), _>(error)).map(|_| None),
        };
        let length = opened.length();
        let scanned = whole(scan(&mut opened, false))?.flatten();
        let sealed = opened
            .digest()
            .map(|digest| SealedObject { length, digest });
        Ok(scanned.zip(sealed))
    }
}

/// `None` when the bytes are not those that were sealed, or end too early.
fn whole<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
