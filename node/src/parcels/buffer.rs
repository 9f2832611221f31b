//! Buffers for the pieces in which sealed objects are opened, used again and again: clearing a new one for each piece takes
//! as long as opening it does.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Bytes of each.
pub(super) const LENGTH: usize = super::opened::PIECE;

/// Of those that nobody uses, so many are kept: 8 MiB.
const SPARES: usize = 64;

static SPARE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer. What it holds at first belongs to somebody else.
pub(super) struct Buffer(Box<[u8]>);

impl Buffer {
    pub(super) fn take() -> Buffer {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer(spare.unwrap_or_else(|| vec![0; LENGTH].into_boxed_slice()))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARES {
            spare.push(mem::take(&mut self.0));
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// What was written to the beginning of a buffer.
pub(super) struct Filled {
    buffer: Buffer,
    length: usize,
}

impl Filled {
    /// Nothing.
    pub(super) fn empty() -> Filled {
        Filled {
            buffer: Buffer::take(),
            length: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Has `write` write behind it, and say how much that was.
    ///
    /// # Errors
    /// Those of `write`; nothing was written then.
    pub(super) fn append<E>(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let room = self.buffer.get_mut(self.length..).unwrap_or_default();
        let most = room.len();
        self.length += write(room)?.min(most);
        Ok(())
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl Deref for Filled {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_is_there_whoever_had_the_buffer_before() {
        for round in 1..=3 {
            let mut filled = Filled::empty();
            for _ in 0..2 {
                let written = filled.append(|room| {
                    room[..10].fill(round);
                    Ok::<usize, ()>(10)
                });
                assert_eq!(written, Ok(()));
            }
            assert_eq!(*filled, [round; 20]);
            assert_eq!(filled.append(|_| Err(round)), Err(round));
            assert_eq!(filled.len(), 20);
            filled.clear();
            assert!(filled.is_empty());
            let full = filled.append(|room| Ok::<usize, ()>(room.len() + 1));
            assert_eq!((full, filled.len()), (Ok(()), LENGTH));
        }
    }
}
