//! Where the chunks of a stream are written: behind a vector's end, or into a buffer that exists already.

use crate::error::{Refused, Why};

/// A place that takes chunks one after the other.
pub(super) trait Place {
    /// Gives `write` the next `length` bytes; they count only when it succeeds.
    fn next(
        &mut self,
        length: usize,
        write: impl FnOnce(&mut [u8]) -> Result<(), Refused>,
    ) -> Result<(), Refused>;
}

/// Grows; is as before when a chunk fails.
impl Place for Vec<u8> {
    fn next(
        &mut self,
        length: usize,
        write: impl FnOnce(&mut [u8]) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let start = self.len();
        self.resize(start + length, 0);
        write(&mut self[start..]).inspect_err(|_| self.truncate(start))
    }
}

/// A buffer that is filled from its start. Saves the clearing that a growing vector needs, which shows when the result
/// does not fit the processor's cache.
pub(super) struct Filling<'a> {
    buffer: &'a mut [u8],
    pub(super) filled: usize,
}

impl<'a> Filling<'a> {
    pub(super) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, filled: 0 }
    }
}

impl Place for Filling<'_> {
    fn next(
        &mut self,
        length: usize,
        write: impl FnOnce(&mut [u8]) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let room = self.buffer[self.filled..].get_mut(..length);
        write(room.ok_or(Why::NoRoom)?)?;
        self.filled += length;
        Ok(())
    }
}
