//! The sealed stream of one object: C2SP `chunked-encryption@v1` with AES-256-GCM and HKDF-Expand-SHA-512
//! (Cobblestone-256).
//!
//! ```text
//! sealed = salt (24) ‖ commitment (32) ‖ chunk₀ ‖ chunk₁ ‖ … ‖ last chunk
//! ```
//!
//! Each chunk is 16 KiB of plaintext and a 16-byte tag; the last is always shorter than 16 KiB, if need be empty, so
//! every length has exactly one chunking and a cut is noticed. Any chunk opens alone, at a known place. The key, the
//! nonces and the commitment come from the parcel's content key, the salt and the context
//!
//! ```text
//! context = label ‖ parcel (32) ‖ sealing site (32) ‖ slot (u32, big-endian)
//! ```
//!
//! so an object opens only as what it was sealed as. An opener releases plaintext chunk by chunk, each genuine; that
//! the whole object arrived is known after [`Opener::finish`], and that it is the object the manifest names after its
//! [`ObjectHasher`] digest matches. Source: c2sp.org/chunked-encryption.

mod commitment;
mod lengths;
mod opener;
mod pack;
mod place;
mod priors;
mod sealer;
mod stream;
#[cfg(test)]
mod vectors;

pub use commitment::{ObjectHasher, commitment, object_digest_key};
pub use lengths::{
    CHUNK, HEADER, MAX_CHUNKS, MAX_PLAIN, SEALED_CHUNK, TAG, chunk_of, plain_len, sealed_chunk,
    sealed_len,
};
pub use opener::{Opener, open};
pub use pack::{PackContext, open_pack, seal_pack};
pub use priors::{PriorsContext, open_priors, seal_priors};
pub use sealer::{Sealer, seal};
pub use stream::{SALT, SealContext};
