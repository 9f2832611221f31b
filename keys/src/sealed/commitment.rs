//! What a grant and a manifest say about a parcel's key and objects without giving them away.

use zeroize::Zeroize;

use crate::derivation::{derive_key, expand};
use crate::id::{Digest, ObjectDigest, ParcelId};
use crate::labels::Label;
use crate::secret::{ContentKey, Secret32};

/// The parcel's public commitment to its content key. Equal commitments mean equal keys; nothing else is learnt.
#[must_use]
pub fn commitment(key: &ContentKey, parcel: &ParcelId) -> Digest {
    let mut out = [0; 32];
    let info = [Label::KeyCommitment.as_bytes(), parcel.as_bytes()];
    expand(key.secret(), &info, &mut out);
    Digest::from_bytes(out)
}

/// The BLAKE3 key of a parcel's object digests: two parcels with the same image show different digests, and nobody
/// without the content key can tell which image a digest is of.
#[must_use]
pub fn object_digest_key(key: &ContentKey, parcel: &ParcelId) -> Secret32 {
    derive_key(key.secret(), Label::ObjectDigest, parcel.as_bytes())
}

/// The digest of one object's plaintext, fed in pieces.
pub struct ObjectHasher(blake3::Hasher);

impl ObjectHasher {
    /// Starts, with the key of [`object_digest_key`].
    #[must_use]
    pub fn new(key: &Secret32) -> Self {
        Self(blake3::Hasher::new_keyed(key.expose()))
    }

    /// Takes the next plaintext bytes.
    pub fn update(&mut self, plain: &[u8]) {
        self.0.update(plain);
    }

    /// The digest of all bytes taken.
    #[must_use]
    pub fn finish(self) -> ObjectDigest {
        ObjectDigest::from_bytes(*self.0.finalize().as_bytes())
    }

    /// The digest of an object that is in memory.
    #[must_use]
    pub fn digest(key: &Secret32, plain: &[u8]) -> ObjectDigest {
        let mut hasher = Self::new(key);
        hasher.update(plain);
        hasher.finish()
    }
}

impl Drop for ObjectHasher {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
