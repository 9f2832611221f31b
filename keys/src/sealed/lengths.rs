//! Where things lie in a sealed object.

use std::ops::Range;

use crate::error::{Refused, Why};

/// Plaintext bytes of a full chunk.
pub const CHUNK: usize = 16 * 1024;
/// Bytes of a Poly1305 tag.
pub const TAG: usize = 16;
/// Bytes of a sealed full chunk.
pub const SEALED_CHUNK: usize = CHUNK + TAG;
/// Bytes before the first chunk: salt and commitment.
pub const HEADER: usize = 56;
/// Most chunks of one object. The specification's own bound, which keeps 58 bits of each nonce out of the counter.
pub const MAX_CHUNKS: u64 = 1 << 38;
/// Longest plaintext: all chunks full but the last, which lacks one byte (4 PiB − 1).
pub const MAX_PLAIN: u64 = MAX_CHUNKS * CHUNK as u64 - 1;

/// The sealed length of `plain` bytes; `u64::MAX` beyond [`MAX_PLAIN`], which no file has.
#[must_use]
pub const fn sealed_len(plain: u64) -> u64 {
    if plain > MAX_PLAIN {
        return u64::MAX;
    }
    let chunks = plain / CHUNK as u64 + 1;
    HEADER as u64 + plain + chunks * TAG as u64
}

/// The plaintext length of a sealed object of `sealed` bytes, header included.
///
/// # Errors
/// [`Why::SealedLength`] for a length that no object has, [`Why::TooManyChunks`] beyond the longest.
pub fn plain_len(sealed: u64) -> Result<u64, Refused> {
    if sealed < (HEADER + TAG) as u64 {
        return Err(Why::SealedLength.into());
    }
    let body = sealed - HEADER as u64;
    let (full, last) = (body / SEALED_CHUNK as u64, body % SEALED_CHUNK as u64);
    if last < TAG as u64 {
        return Err(Why::SealedLength.into());
    }
    if full >= MAX_CHUNKS {
        return Err(Why::TooManyChunks.into());
    }
    Ok(full * CHUNK as u64 + last - TAG as u64)
}

/// The chunk that holds plaintext byte `offset`, and where in it.
#[must_use]
pub const fn chunk_of(offset: u64) -> (u64, usize) {
    (offset / CHUNK as u64, (offset % CHUNK as u64) as usize)
}

/// The bytes of chunk `index` in a sealed object of `sealed` bytes, and whether it is the last.
///
/// # Errors
/// [`Why::SealedLength`] when no object has that length or this one has no such chunk.
pub fn sealed_chunk(index: u64, sealed: u64) -> Result<(Range<u64>, bool), Refused> {
    let last_index = plain_len(sealed)? / CHUNK as u64;
    if index > last_index {
        return Err(Why::SealedLength.into());
    }
    let start = HEADER as u64 + index * SEALED_CHUNK as u64;
    let end = sealed.min(start + SEALED_CHUNK as u64);
    Ok((start..end, index == last_index))
}
