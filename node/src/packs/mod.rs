//! Packs: what a transfer sends of a parcel. Objects, or pieces of long ones, compressed bit-exactly and sealed under the
//! parcel's content key; whoever opens one has the bytes that came from the modality.
//!
//! A pack is made when somebody asks for it and is the same bytes each time, so nothing of it lies on the serving side's
//! disk, and a transfer goes on in the middle of one after any interruption.

mod content;
mod making;
mod samples;
#[cfg(test)]
mod tests;

use dokuei_compression::Effort;
use dokuei_keys::sealed::sealed_len;

pub use making::{Made, PackMaker};

pub use content::{BadPack, unpack};

/// Bytes that a pack of `plain` bytes in `pieces` pieces has at most once it is sealed.
pub(crate) fn longest(plain: u64, pieces: usize) -> u64 {
    sealed_len(plain + content::overhead(plain, pieces))
}

/// The effort by its name in the names of files.
pub(crate) fn name(effort: Effort) -> &'static str {
    match effort {
        Effort::Fast => "fast",
        Effort::Dense => "dense",
    }
}
