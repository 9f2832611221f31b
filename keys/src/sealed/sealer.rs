//! Sealing an object as it arrives.

use zeroize::Zeroizing;

use super::lengths::{CHUNK, HEADER, SEALED_CHUNK, TAG, sealed_len};
use super::place::{Filling, Place};
use super::stream::{SALT, SealContext, Stream};
use crate::error::Refused;
use crate::secret::{ContentKey, Secret32};

/// Seals one object, fed in pieces of any size. Holds at most one chunk of plaintext, cleared when dropped.
pub struct Sealer {
    stream: Stream,
    index: u64,
    /// Less than a chunk, between calls.
    pending: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// Starts an object; gives the header that its sealed bytes begin with. `salt` comes from a random source: the
    /// same salt twice under one key gives both objects away.
    #[must_use]
    pub fn new(key: &ContentKey, context: &SealContext, salt: [u8; SALT]) -> (Self, [u8; HEADER]) {
        Self::with_context_bytes(key.secret(), &context.to_bytes(), salt)
    }

    pub(super) fn with_context_bytes(
        key: &Secret32,
        context: &[u8],
        salt: [u8; SALT],
    ) -> (Self, [u8; HEADER]) {
        let stream = Stream::new(key, context, &salt);
        let mut header = [0; HEADER];
        header[..SALT].copy_from_slice(&salt);
        header[SALT..].copy_from_slice(stream.commitment());
        let sealer = Self {
            stream,
            index: 0,
            pending: Zeroizing::new(Vec::new()),
        };
        (sealer, header)
    }

    /// Takes the next plaintext bytes, and appends to `out` each chunk they complete.
    ///
    /// # Errors
    /// [`crate::Why::TooManyChunks`] beyond 4 PiB.
    pub fn push(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.seal_full_chunks(plain, out)
    }

    /// Takes the next plaintext bytes, writes each chunk they complete to the start of `out`, and gives the number of
    /// bytes written. As many as [`Self::completed_by`] says are needed.
    ///
    /// # Errors
    /// [`crate::Why::NoRoom`] when `out` is too short, [`crate::Why::TooManyChunks`] beyond 4 PiB; the object cannot be
    /// continued then.
    pub fn push_into(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, Refused> {
        let mut place = Filling::new(out);
        self.seal_full_chunks(plain, &mut place)?;
        Ok(place.filled)
    }

    /// The sealed bytes that pushing `plain` more bytes completes.
    #[must_use]
    pub fn completed_by(&self, plain: usize) -> usize {
        self.pending.len().saturating_add(plain) / CHUNK * SEALED_CHUNK
    }

    fn seal_full_chunks(&mut self, mut plain: &[u8], out: &mut impl Place) -> Result<(), Refused> {
        if !self.pending.is_empty() {
            let missing = CHUNK - self.pending.len();
            let (fill, rest) = plain.split_at(missing.min(plain.len()));
            self.pending.extend_from_slice(fill);
            plain = rest;
            if self.pending.len() < CHUNK {
                return Ok(());
            }
            out.next(SEALED_CHUNK, |place| {
                self.stream.seal_into(self.index, &self.pending, place)
            })?;
            self.index += 1;
            self.pending.clear();
        }
        let (chunks, rest) = plain.as_chunks::<CHUNK>();
        for chunk in chunks {
            out.next(SEALED_CHUNK, |place| {
                self.stream.seal_into(self.index, chunk, place)
            })?;
            self.index += 1;
        }
        if !rest.is_empty() {
            // The whole chunk at once, so that growing never leaves a copy of plaintext behind uncleared.
            self.pending.reserve_exact(CHUNK);
            self.pending.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Ends the object: appends its last, short chunk.
    ///
    /// # Errors
    /// [`crate::Why::TooManyChunks`] beyond 4 PiB.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let length = self.pending.len() + TAG;
        out.next(length, |place| {
            self.stream.seal_into(self.index, &self.pending, place)
        })
    }
}

/// Seals an object that is in memory: header and all chunks.
///
/// # Errors
/// [`crate::Why::TooManyChunks`] beyond 4 PiB, which no memory holds.
pub fn seal(
    key: &ContentKey,
    context: &SealContext,
    salt: [u8; SALT],
    plain: &[u8],
) -> Result<Vec<u8>, Refused> {
    let (mut sealer, header) = Sealer::new(key, context, salt);
    let mut out = Vec::with_capacity(usize::try_from(sealed_len(plain.len() as u64)).unwrap_or(0));
    out.extend_from_slice(&header);
    sealer.push(plain, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}
