//! Opening an object as it arrives, or any chunk of it.

use subtle::ConstantTimeEq;

use super::lengths::{CHUNK, HEADER, SEALED_CHUNK, TAG, plain_len};
use super::place::{Filling, Place};
use super::stream::{SALT, SealContext, Stream};
use crate::error::{Refused, Why};
use crate::secret::{ContentKey, Secret32};

/// Opens one object, fed in pieces of any size, or chunk by chunk in any order. Holds at most one sealed chunk.
pub struct Opener {
    stream: Stream,
    index: u64,
    /// Less than a sealed chunk, between calls.
    pending: Vec<u8>,
    refused: bool,
}

impl Opener {
    /// Starts from an object's header, whose commitment is compared in constant time.
    ///
    /// # Errors
    /// [`Why::OtherSeal`] when the object was sealed under another key or as something else.
    pub fn new(
        key: &ContentKey,
        context: &SealContext,
        header: &[u8; HEADER],
    ) -> Result<Self, Refused> {
        Self::with_context_bytes(key.secret(), &context.to_bytes(), header)
    }

    pub(super) fn with_context_bytes(
        key: &Secret32,
        context: &[u8],
        header: &[u8; HEADER],
    ) -> Result<Self, Refused> {
        let (salt, committed) = header.split_first_chunk::<SALT>().ok_or(Why::OtherSeal)?;
        let stream = Stream::new(key, context, salt);
        if !bool::from(stream.commitment().as_slice().ct_eq(committed)) {
            return Err(Why::OtherSeal.into());
        }
        Ok(Self {
            stream,
            index: 0,
            pending: Vec::new(),
            refused: false,
        })
    }

    /// Takes the next sealed bytes, after the header, and appends to `out` the plaintext of each chunk they complete.
    /// What is appended is genuine; that more should follow is known only to [`Self::finish`].
    ///
    /// # Errors
    /// [`Why::Chunk`] for a chunk that was changed, moved or forged; `out` then ends with the last genuine chunk, and
    /// every later call is refused too.
    pub fn push(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.push_to(sealed, out)
    }

    /// As [`Self::push`], but writes to the start of `out`, and gives the number of bytes written: as many as
    /// [`Self::completed_by`] says are needed.
    ///
    /// # Errors
    /// As [`Self::push`], and [`Why::NoRoom`] when `out` is too short.
    pub fn push_into(&mut self, sealed: &[u8], out: &mut [u8]) -> Result<usize, Refused> {
        let mut place = Filling::new(out);
        self.push_to(sealed, &mut place)?;
        Ok(place.filled)
    }

    /// The plaintext bytes that pushing `sealed` more bytes completes.
    #[must_use]
    pub fn completed_by(&self, sealed: usize) -> usize {
        self.pending.len().saturating_add(sealed) / SEALED_CHUNK * CHUNK
    }

    fn push_to(&mut self, sealed: &[u8], out: &mut impl Place) -> Result<(), Refused> {
        if self.refused {
            return Err(Why::AlreadyRefused.into());
        }
        let opened = self.open_full_chunks(sealed, out);
        self.refused = opened.is_err();
        opened
    }

    fn open_full_chunks(&mut self, mut sealed: &[u8], out: &mut impl Place) -> Result<(), Refused> {
        if !self.pending.is_empty() {
            let missing = SEALED_CHUNK - self.pending.len();
            let (fill, rest) = sealed.split_at(missing.min(sealed.len()));
            self.pending.extend_from_slice(fill);
            sealed = rest;
            if self.pending.len() < SEALED_CHUNK {
                return Ok(());
            }
            out.next(CHUNK, |place| {
                self.stream.open_into(self.index, &self.pending, place)
            })?;
            self.index += 1;
            self.pending.clear();
        }
        let (chunks, rest) = sealed.as_chunks::<SEALED_CHUNK>();
        for chunk in chunks {
            out.next(CHUNK, |place| {
                self.stream.open_into(self.index, chunk, place)
            })?;
            self.index += 1;
        }
        if !rest.is_empty() {
            self.pending.reserve_exact(SEALED_CHUNK);
            self.pending.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Ends the object: appends the plaintext of its last chunk, which must be short.
    ///
    /// # Errors
    /// [`Why::SealedLength`] when the object was cut off, [`Why::Chunk`] when the last chunk is not genuine.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Refused> {
        if self.refused {
            return Err(Why::AlreadyRefused.into());
        }
        self.open_chunk(self.index, true, &self.pending, out)
    }

    /// Opens chunk `index` alone and appends its plaintext to `out`. `last` says whether it is the object's last,
    /// which its length must agree with.
    ///
    /// # Errors
    /// [`Why::SealedLength`], [`Why::TooManyChunks`] or [`Why::Chunk`]; `out` is then as before.
    pub fn open_chunk(
        &self,
        index: u64,
        last: bool,
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        self.open_chunk_to(index, last, sealed, out)
    }

    /// As [`Self::open_chunk`], but writes to the start of `out`, and gives the number of bytes written.
    ///
    /// # Errors
    /// As [`Self::open_chunk`], and [`Why::NoRoom`] when `out` is too short.
    pub fn open_chunk_into(
        &self,
        index: u64,
        last: bool,
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Refused> {
        let mut place = Filling::new(out);
        self.open_chunk_to(index, last, sealed, &mut place)?;
        Ok(place.filled)
    }

    fn open_chunk_to(
        &self,
        index: u64,
        last: bool,
        sealed: &[u8],
        out: &mut impl Place,
    ) -> Result<(), Refused> {
        let right = if last {
            (TAG..SEALED_CHUNK).contains(&sealed.len())
        } else {
            sealed.len() == SEALED_CHUNK
        };
        if !right {
            return Err(Why::SealedLength.into());
        }
        out.next(sealed.len() - TAG, |place| {
            self.stream.open_into(index, sealed, place)
        })
    }
}

/// Opens an object that is in memory. Nothing is released unless all of it is genuine.
///
/// # Errors
/// [`Why::SealedLength`] before any work, then as [`Opener`].
pub fn open(key: &ContentKey, context: &SealContext, sealed: &[u8]) -> Result<Vec<u8>, Refused> {
    open_with(sealed, |header| Opener::new(key, context, header))
}

/// Opens what is in memory, with the opener that its header gives.
pub(super) fn open_with(
    sealed: &[u8],
    opener: impl FnOnce(&[u8; HEADER]) -> Result<Opener, Refused>,
) -> Result<Vec<u8>, Refused> {
    let plain = plain_len(sealed.len() as u64)?;
    let (header, body) = sealed
        .split_first_chunk::<HEADER>()
        .ok_or(Why::SealedLength)?;
    let mut opener = opener(header)?;
    // Never more than the sealed bytes that are already in memory.
    let mut out = Vec::with_capacity(usize::try_from(plain).unwrap_or(CHUNK));
    opener.push(body, &mut out)?;
    opener.finish(&mut out)?;
    Ok(out)
}
