//! The closed list of what a parcel holds.

use dokuei_keys::id::{Digest, ObjectDigest, ParcelId, SiteId};
use minicbor::{Decode, Encode};

use crate::limits;

/// The slot of the sealed manifest itself; objects are numbered from one.
pub const MANIFEST_SLOT: u32 = 0;

/// What one object of a parcel is, as far as the order of sending needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ObjectClass {
    /// An image.
    #[n(0)]
    Image,
    /// A localizer (scout) image.
    #[n(1)]
    Localizer,
    /// A key object selection or presentation state.
    #[n(2)]
    Key,
    /// A structured report or encapsulated document.
    #[n(3)]
    Document,
    /// Anything else.
    #[n(4)]
    Other,
}

/// One sealed object.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestEntry {
    /// Number of the object in its parcel, from one; part of what its seal binds.
    #[n(0)]
    pub slot: u32,
    /// Bytes of plaintext.
    #[n(1)]
    pub length: u64,
    /// BLAKE3 of the plaintext, keyed from the content key, so that it tells nothing without it.
    #[n(2)]
    pub digest: ObjectDigest,
    /// Which series of the study, numbered in order of appearance.
    #[n(3)]
    pub series: u16,
    /// What it is.
    #[n(4)]
    pub class: ObjectClass,
}

/// The manifest: every object of a closed parcel, in the order in which they are most useful.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Manifest {
    /// The parcel.
    #[n(0)]
    pub parcel: ParcelId,
    /// The site that sealed it.
    #[n(1)]
    pub site: SiteId,
    /// The key commitment of the content key.
    #[n(2)]
    pub commitment: Digest,
    /// The objects, most useful first.
    #[n(3)]
    pub objects: Vec<ManifestEntry>,
}

/// What a signed document says of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestReference {
    /// The parcel.
    #[n(0)]
    pub parcel: ParcelId,
    /// The key commitment of the content key.
    #[n(1)]
    pub commitment: Digest,
    /// Keyed digest of the encoded manifest.
    #[n(2)]
    pub digest: ObjectDigest,
    /// Bytes of the encoded manifest.
    #[n(3)]
    pub length: u64,
    /// Number of objects.
    #[n(4)]
    pub objects: u32,
    /// Sum of their plaintext bytes.
    #[n(5)]
    pub bytes: u64,
}

/// Why a manifest cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// More objects than [`limits::OBJECTS`], or none.
    #[error(
        "the manifest lists no object or more than {} objects",
        limits::OBJECTS
    )]
    Count,
    /// A slot is zero or appears twice.
    #[error("the manifest numbers two objects alike")]
    Slots,
    /// An object is longer than [`limits::OBJECT_BYTES`], or all are together than [`limits::PARCEL_BYTES`].
    #[error(
        "the manifest lists an object that is longer than {} bytes, or more than {} in all",
        limits::OBJECT_BYTES,
        limits::PARCEL_BYTES
    )]
    Length,
    /// Grant, commitment and manifest do not speak of the same parcel.
    #[error("the manifest is not the one that was granted")]
    Mismatch,
}

impl Manifest {
    /// Sum of the objects' plaintext bytes.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.length).sum()
    }

    /// Checks the manifest in itself and against what was granted.
    ///
    /// # Errors
    /// [`BadManifest`] names the first thing that does not hold.
    pub fn check(&self, granted: &ManifestReference, site: SiteId) -> Result<(), BadManifest> {
        if self.objects.is_empty() || self.objects.len() > limits::OBJECTS {
            return Err(BadManifest::Count);
        }
        let mut slots: Vec<u32> = self.objects.iter().map(|object| object.slot).collect();
        slots.sort_unstable();
        let distinct = slots.windows(2).all(|pair| pair[0] != pair[1]);
        if slots[0] == MANIFEST_SLOT || !distinct {
            return Err(BadManifest::Slots);
        }
        if self
            .objects
            .iter()
            .any(|object| object.length > limits::OBJECT_BYTES)
            || self.bytes() > limits::PARCEL_BYTES
        {
            return Err(BadManifest::Length);
        }
        let agrees = self.parcel == granted.parcel
            && self.commitment == granted.commitment
            && self.site == site
            && self.objects.len() as u64 == u64::from(granted.objects)
            && self.bytes() == granted.bytes;
        if agrees {
            Ok(())
        } else {
            Err(BadManifest::Mismatch)
        }
    }
}
