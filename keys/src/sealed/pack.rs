//! Packs: what a transfer sends of a parcel, made anew whenever somebody asks for it.
//!
//! A pack is sealed as an object is, in a context of its own, and with a salt that comes from what it holds:
//!
//! ```text
//! context = label ‖ parcel (32) ‖ sealing site (32) ‖ pack (u32, big-endian)
//! salt    = first 24 bytes of BLAKE3, keyed from the content key, over context ‖ plaintext
//! ```
//!
//! So the same pack is the same bytes after every restart, and a transfer goes on in the middle of one. A salt repeats only
//! where context and plaintext do, which is the same ciphertext and tells nobody more than that.

use super::lengths::sealed_len;
use super::opener::{Opener, open_with};
use super::sealer::Sealer;
use super::stream::SALT;
use crate::derivation::derive_key;
use crate::error::Refused;
use crate::id::{ParcelId, SiteId};
use crate::labels::Label;
use crate::secret::ContentKey;

/// What a pack is sealed as. It opens as nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackContext {
    /// The parcel it belongs to.
    pub parcel: ParcelId,
    /// The site that sealed it.
    pub site: SiteId,
    /// Its number in the parcel.
    pub pack: u32,
}

impl PackContext {
    fn to_bytes(self) -> Vec<u8> {
        [
            Label::SealedPack.as_bytes(),
            self.parcel.as_bytes(),
            self.site.as_bytes(),
            &self.pack.to_be_bytes(),
        ]
        .concat()
    }
}

/// Seals a pack: header and all chunks. The same always gives the same.
///
/// # Errors
/// [`crate::Why::TooManyChunks`] beyond 4 PiB, which no memory holds.
pub fn seal_pack(
    key: &ContentKey,
    context: &PackContext,
    plain: &[u8],
) -> Result<Vec<u8>, Refused> {
    let context = context.to_bytes();
    let salt_key = derive_key(key.secret(), Label::PackSalt, &[]);
    let mut hasher = blake3::Hasher::new_keyed(salt_key.expose());
    hasher.update(&context).update(plain);
    let mut salt = [0; SALT];
    hasher.finalize_xof().fill(&mut salt);
    zeroize::Zeroize::zeroize(&mut hasher);
    let (mut sealer, header) = Sealer::with_context_bytes(key.secret(), &context, salt);
    let mut out = Vec::with_capacity(usize::try_from(sealed_len(plain.len() as u64)).unwrap_or(0));
    out.extend_from_slice(&header);
    sealer.push(plain, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}

/// Opens a pack. Nothing is released unless all of it is genuine.
///
/// # Errors
/// [`crate::Why::SealedLength`] before any work, then as [`Opener`].
pub fn open_pack(
    key: &ContentKey,
    context: &PackContext,
    sealed: &[u8],
) -> Result<Vec<u8>, Refused> {
    open_with(sealed, |header| {
        Opener::with_context_bytes(key.secret(), &context.to_bytes(), header)
    })
}
