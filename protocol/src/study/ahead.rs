//! What a site says of a parcel that its partner may be granted later, so that it can be on its way before.
//!
//! The packs are sealed under a key that the partner gets with a grant or never, so nobody is granted anything by them. Who
//! does not want them leaves them where they are.

use dokuei_keys::cbor;
use dokuei_keys::id::ParcelId;
use minicbor::{Decode, Encode};

/// Bytes of [`ReadyPacks`] at the most.
const READY_BYTES: usize = 64;

/// How much of a parcel can be fetched by now; said again as it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReadyPacks {
    /// The parcel, which may still be open.
    #[n(0)]
    pub parcel: ParcelId,
    /// The packs with lower numbers than this are as they will be.
    #[n(1)]
    pub packs: u32,
}

impl ReadyPacks {
    /// Reads what a partner says; none when it is nothing of this kind.
    pub fn from_bytes(bytes: &[u8]) -> Option<ReadyPacks> {
        cbor::decode_strict(bytes, READY_BYTES).ok()
    }

    /// The bytes that say it.
    pub fn to_bytes(self) -> Vec<u8> {
        cbor::encode(&self)
    }
}
