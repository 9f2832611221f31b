//! What an arriving study holds, read again from its sealed objects.

use dokuei_keys::id::{Digest, SiteId};
use dokuei_keys::secret::ContentKey;

use super::RegisterError;
use crate::dicom::header::Header;
use crate::dicom::scanner::{Limits, Scanner, TransferSyntax};
use crate::dicom::uid::Uid;
use crate::parcels::{ObjectHead, OpenedObject, Parcels, SealedObject};
use crate::studies::study::Study;

/// Rebuilds the list of an arriving study from its sealed objects. One that is not whole was never
/// confirmed to its sender, and goes.
pub(super) fn recover(
    parcels: &Parcels,
    study: &mut Study,
    key: &ContentKey,
    site: SiteId,
) -> Result<(), RegisterError> {
    let at = study.last_at;
    parcels.remove_unused(&study.parcel)?;
    for slot in parcels.slots(&study.parcel)? {
        match reopen(parcels, study, key, site, slot) {
            Some((header, sealed, content))
                if study.object(header.sop_instance().as_str()).is_none() =>
            {
                study.add(&header, slot, sealed, content, at);
            }
            Some(_) | None => std::fs::remove_file(parcels.file_of(&study.parcel, slot))?,
        }
    }
    Ok(())
}

fn reopen(
    parcels: &Parcels,
    study: &Study,
    key: &ContentKey,
    site: SiteId,
    slot: u32,
) -> Option<(Header, SealedObject, Digest)> {
    let mut opened = OpenedObject::open(parcels, key, study.parcel, site, slot).ok()?;
    let length = opened.length();
    let (header, content) = scan_object(&mut opened)?;
    let digest = opened.digest()?;
    Some((header, SealedObject { length, digest }, content))
}

/// Scans an object as it is sealed: its head, then its data set. Gives the BLAKE3 of the data set.
pub fn scan_object(object: &mut impl std::io::Read) -> Option<(Header, Digest)> {
    let head = ObjectHead::read(object).ok()?;
    let syntax = TransferSyntax::from(Uid::parse(head.transfer_syntax.as_bytes()).ok()?);
    let mut scanner = Scanner::new(syntax, Limits::default());
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; 256 * 1024];
    loop {
        let count = object.read(&mut piece).ok()?;
        if count == 0 {
            break;
        }
        scanner.push(&piece[..count]).ok()?;
        hasher.update(&piece[..count]);
    }
    Some((
        scanner.finish().ok()?,
        Digest::from_bytes(*hasher.finalize().as_bytes()),
    ))
}
