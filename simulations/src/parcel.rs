//! Parcels: real manifests and keys; the content itself is only its length and digest.

use dokuei_keys::cbor;
use dokuei_keys::id::{DocumentId, ObjectDigest, ParcelId, SiteId};
use dokuei_keys::sealed::{self, ObjectHasher};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::study::manifest::{Manifest, ManifestEntry, ManifestReference, ObjectClass};

use crate::chance::Chance;

/// A report version that its reader's site has sealed.
#[derive(Clone)]
pub(crate) struct SealedReport {
    /// The case it belongs to.
    pub(crate) case: CaseId,
    /// Its number.
    pub(crate) version: u32,
    /// What it is.
    pub(crate) status: ReportStatus,
    /// The signed report.
    pub(crate) report: DocumentId,
}

/// Seals a study of one to six objects, of up to three packs and a bit each.
pub(crate) fn study(
    chance: &mut Chance,
    site: SiteId,
) -> (Manifest, ManifestReference, ContentKey) {
    let count = chance.between(1, 6) as u32;
    let objects = (1..=count)
        .map(|slot| ManifestEntry {
            slot,
            length: chance.below(3_600_000),
            digest: ObjectDigest::from_bytes(chance.bytes()),
            series: 0,
            class: ObjectClass::Image,
        })
        .collect();
    seal(chance, site, objects)
}

/// Seals a report.
pub(crate) fn report(chance: &mut Chance, site: SiteId) -> (ManifestReference, ContentKey) {
    let objects = vec![ManifestEntry {
        slot: 1,
        length: chance.between(500, 90_000),
        digest: ObjectDigest::from_bytes(chance.bytes()),
        series: 0,
        class: ObjectClass::Document,
    }];
    let (_, reference, key) = seal(chance, site, objects);
    (reference, key)
}

fn seal(
    chance: &mut Chance,
    site: SiteId,
    objects: Vec<ManifestEntry>,
) -> (Manifest, ManifestReference, ContentKey) {
    let key = ContentKey::from_secret(chance.secret());
    let parcel = ParcelId::from_bytes(chance.bytes());
    let manifest = Manifest {
        parcel,
        site,
        commitment: sealed::commitment(&key, &parcel),
        objects,
    };
    let encoded = cbor::encode(&manifest);
    let reference = ManifestReference {
        parcel,
        commitment: manifest.commitment,
        digest: digest(&key, &manifest),
        length: encoded.len() as u64,
        objects: manifest.objects.len() as u32,
        bytes: manifest.bytes(),
    };
    (manifest, reference, key)
}

/// The keyed digest of a manifest.
pub(crate) fn digest(key: &ContentKey, manifest: &Manifest) -> ObjectDigest {
    let digest_key = sealed::object_digest_key(key, &manifest.parcel);
    ObjectHasher::digest(&digest_key, &cbor::encode(manifest))
}
