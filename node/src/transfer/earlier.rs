//! What an earlier run of this node left of studies that are not here whole: listed again after a start, before their
//! partners are reached. Nothing of a transfer is changed here.

use std::io;

use dokuei_keys::id::SiteId;
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::Grant;
use dokuei_protocol::study::manifest::ManifestReference;

use crate::parcels::{OpenError, OpenedObject, Parcels, scan};
use crate::studies::arrived::Verified;
use crate::studies::granted::GrantedStudies;
use crate::transfer::Listed;

/// A granted study that is not here whole: its case, who granted it, and its key.
pub type Incomplete = (CaseId, SiteId, Grant, ContentKey);

/// Lists what has come of granted studies that are not here whole. Blocks.
pub fn list_all(parcels: &Parcels, granted: &GrantedStudies, incomplete: Vec<Incomplete>) {
    for (case, from, grant, key) in incomplete {
        let listed = Listed {
            granted: granted.clone(),
            case,
        };
        if let Err(error) = list(parcels, (from, &grant.manifest, &key), &listed) {
            tracing::warn!(target: "dokuei::transfer", %case, "what has arrived is listed when the transfer goes on: {error}");
        }
    }
}

/// Verifies the objects of a granted study that lie here whole, and lists those that are what was granted.
///
/// # Errors
/// When the disk fails.
fn list(
    parcels: &Parcels,
    (from, granted, key): (SiteId, &ManifestReference, &ContentKey),
    listed: &Listed,
) -> io::Result<()> {
    // Its transfer fetches the manifest first.
    let Ok(manifest) = parcels.open_manifest(key, granted, from) else {
        return Ok(());
    };
    for entry in &manifest.objects {
        let opened = OpenedObject::open(parcels, key, manifest.parcel, from, entry.slot);
        let scanned = opened.and_then(|mut opened| {
            let scanned = scan(&mut opened, false)?;
            let is_genuine = opened.digest() == Some(entry.digest);
            Ok(scanned.filter(|_| is_genuine && opened.length() == entry.length))
        });
        match scanned {
            Ok(Some(scanned)) => {
                let object = Verified {
                    parcel: manifest.parcel,
                    entry,
                    header: &scanned.header,
                    content: scanned.content,
                    of: u32::try_from(manifest.objects.len()).unwrap_or(u32::MAX),
                };
                listed.granted.came(listed.case, from, &object);
            }
            // Its transfer fetches it again.
            Ok(None) | Err(OpenError::Damaged) => {}
            Err(OpenError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(OpenError::Disk(error)) => return Err(error),
        }
    }
    Ok(())
}
