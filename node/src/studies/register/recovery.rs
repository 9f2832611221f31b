//! What an arriving study holds, read again from its sealed objects.

use std::io;

use dokuei_keys::id::SiteId;
use dokuei_keys::secret::ContentKey;

use super::RegisterError;
use crate::parcels::{OpenError, OpenedObject, Parcels, ScannedObject, SealedObject, scan};
use crate::studies::study::Study;

/// Rebuilds the list of an arriving study from its sealed objects. One that is not whole was most likely never
/// confirmed to its sender: it is put aside under another name, where whoever misses it can look for it.
///
/// # Errors
/// When an object cannot be read now: what was confirmed is not given up for that.
pub(super) fn recover(
    parcels: &Parcels,
    study: &mut Study,
    key: &ContentKey,
    site: SiteId,
) -> Result<(), RegisterError> {
    let at = study.last_at;
    parcels.remove_unused(&study.parcel)?;
    for slot in parcels.slots(&study.parcel)? {
        match reopen(parcels, study, key, site, slot)? {
            Some((scanned, _))
                if study
                    .object(scanned.header.sop_instance().as_str())
                    .is_some() =>
            {
                std::fs::remove_file(parcels.file_of(&study.parcel, slot))?;
            }
            Some((scanned, sealed)) => {
                study.add(&scanned.header, slot, sealed, scanned.content, at);
            }
            None => {
                tracing::warn!(target: "dokuei::studies", parcel = %study.parcel, slot, "an object that is not whole is put aside");
                parcels.put_aside(&study.parcel, slot)?;
            }
        }
    }
    Ok(())
}

/// An object that is whole; `None` when it is not.
fn reopen(
    parcels: &Parcels,
    study: &Study,
    key: &ContentKey,
    site: SiteId,
    slot: u32,
) -> io::Result<Option<(ScannedObject, SealedObject)>> {
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
