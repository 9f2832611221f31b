//! What a site says of its own keys: which it has taken back, and which took their place.

use std::collections::BTreeMap;

use dokuei_keys::delegation::Revocation;
use dokuei_keys::error::Refused;
use dokuei_keys::id::{Digest, DocumentId, SiteId};
use dokuei_keys::signing::PublicKey;
use dokuei_keys::time::UnixSeconds;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::limits;
use crate::partner::introduction::Acquaintance;
use crate::time::Timestamp;

/// A site's newest certificate and its node's delegation, as signed. The same root vouches for both, so whoever knows
/// the site goes on with it without pairing again.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Renewal {
    /// The site certificate, signed by the site's root.
    #[n(0)]
    pub certificate: ByteVec,
    /// The node's delegation, signed by the site key.
    #[n(1)]
    pub node: ByteVec,
}

impl Renewal {
    /// Verifies certificate and delegation at `now`.
    ///
    /// # Errors
    /// [`Refused`] when a signature, a validity or the relation between the two does not hold.
    pub fn check(&self, now: Timestamp) -> Result<Acquaintance, Refused> {
        Acquaintance::check(&self.certificate, &self.node, now)
    }

    /// What a renewal from this site's own log says; it was verified before it was written.
    ///
    /// # Errors
    /// [`Refused`] when it is none.
    pub fn recorded(&self) -> Result<Acquaintance, Refused> {
        Acquaintance::recorded(&self.certificate, &self.node)
    }
}

/// What a site says of its keys, in an answer of the sync protocol or in a file that people carry. Who brings it does
/// not matter: each part is verified by the site's own keys.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Notice {
    /// The site it is about.
    #[n(0)]
    pub site: SiteId,
    /// The newest certificate, when it is to be told.
    #[n(1)]
    pub renewal: Option<Renewal>,
    /// Revocations, as signed; at most [`limits::REVOCATIONS`].
    #[n(2)]
    pub revocations: Vec<ByteVec>,
}

/// How the file of a notice begins.
const FILE: &[u8] = b"dokuei-notice-1\n";

impl Notice {
    /// The file that people carry to partners.
    pub fn file(&self) -> Vec<u8> {
        [FILE, &dokuei_keys::cbor::encode(self)].concat()
    }

    /// Reads such a file; nothing in it is verified yet. `None` when it is none.
    pub fn read(file: &[u8]) -> Option<Notice> {
        let bytes = file.strip_prefix(FILE)?;
        dokuei_keys::cbor::decode_strict(bytes, limits::SYNC_BYTES).ok()
    }
}

/// What a site has revoked, each revocation with its bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Revocations(BTreeMap<DocumentId, (Vec<u8>, Revocation)>);

impl Revocations {
    /// Keeps one that was verified.
    pub fn keep(&mut self, bytes: &[u8], revocation: Revocation) {
        let id = DocumentId::of(bytes);
        self.0.insert(id, (bytes.to_vec(), revocation));
    }

    /// Whether this one is held.
    pub fn holds(&self, id: DocumentId) -> bool {
        self.0.contains_key(&id)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All of them, in order of their ids.
    pub fn all(&self) -> impl Iterator<Item = (&[u8], &Revocation)> {
        self.0
            .values()
            .map(|(bytes, revocation)| (bytes.as_slice(), revocation))
    }

    /// Names the set: the SHA-256 of the ids in ascending order. `None` when there are none.
    pub fn digest(&self) -> Option<Digest> {
        let ids: Vec<u8> = self.0.keys().flat_map(|id| id.to_bytes()).collect();
        (!ids.is_empty()).then(|| Digest::of(&ids))
    }

    /// From when the key with these 32 bytes is revoked, if it is.
    pub fn since(&self, key: &[u8; 32]) -> Option<UnixSeconds> {
        self.all()
            .filter(|(_, revocation)| revocation.revoked.as_bytes() == key)
            .map(|(_, revocation)| revocation.since)
            .min()
    }

    /// Whether what this key signed at `at` is revoked.
    pub fn cover(&self, key: &[u8; 32], at: UnixSeconds) -> bool {
        self.since(key).is_some_and(|since| at >= since)
    }

    /// Which of a site's keys is revoked, if one is: the one that weighs most.
    pub fn bar(&self, root: &PublicKey, site: &PublicKey, node: &[u8; 32]) -> Option<Barred> {
        let revoked = |key: &[u8; 32]| self.since(key).is_some();
        if revoked(root.as_bytes()) {
            Some(Barred::Root)
        } else if revoked(site.as_bytes()) {
            Some(Barred::SiteKey)
        } else if revoked(node) {
            Some(Barred::Node)
        } else {
            None
        }
    }
}

/// Why a site's node must not be believed any more: which key was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// The root: nothing of this site counts any more, and nothing can renew it.
    Root,
    /// The site key, and with it every node it delegated to.
    SiteKey,
    /// The node's key.
    Node,
}
