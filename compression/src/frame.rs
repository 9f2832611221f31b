//! A zstd frame (RFC 8878, §3.1.1), walked through before zstd sees it: one frame as our encoder writes them, with neither
//! dictionary nor checksum nor a window larger than a block, whose blocks fill it to its last byte.

use crate::error::Damaged;
use crate::layout::PLAIN;
use crate::number::{byte, bytes};

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Of the exponents of a window, the least, of 1 KiB.
const WINDOW_LEAST: u32 = 10;
/// Bytes that a block becomes at the most.
const BLOCK_MAX: usize = 128 * 1024;

/// # Errors
/// When a frame is none, or longer or shorter than its blocks say, or becomes more than `length` bytes as far as can be seen
/// from their headers.
pub(crate) fn check(frame: &[u8], length: usize) -> Result<(), Damaged> {
    let mut from = frame;
    if bytes(&mut from, MAGIC.len())? != MAGIC {
        return Err(Damaged::Value);
    }
    let (descriptor, window) = (byte(&mut from)?, byte(&mut from)?);
    let exponent = WINDOW_LEAST + u32::from(window >> 3);
    if descriptor != 0 || exponent > PLAIN.ilog2() + 1 {
        return Err(Damaged::Value);
    }
    let mut left = length;
    loop {
        let [a, b, c] = *bytes(&mut from, 3)?.first_chunk().ok_or(Damaged::Length)?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        let size = (header >> 3) as usize;
        let (read, made) = match header >> 1 & 3 {
            // As they are, one byte again and again, or compressed, of which what they become is not said.
            0 => (size, size),
            1 => (1, size),
            2 => (size, 0),
            _ => return Err(Damaged::Value),
        };
        if size > BLOCK_MAX {
            return Err(Damaged::Value);
        }
        bytes(&mut from, read)?;
        left = left.checked_sub(made).ok_or(Damaged::Length)?;
        let is_last = header & 1 != 0;
        match (is_last, from.is_empty()) {
            (false, _) => {}
            (true, true) => return Ok(()),
            (true, false) => return Err(Damaged::Length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a stored block, a repeated byte, and an end.
    const FRAME: [u8; 20] = [
        0x28, 0xB5, 0x2F, 0xFD, 0, 0, 0x18, 0, 0, 1, 2, 3, 0x2A, 0, 0, 9, 1, 0, 0, 0,
    ];

    #[test]
    fn one_whole_frame_is_one() {
        let frame = &FRAME[..19];
        assert_eq!(check(frame, 8), Ok(()));
        let unpacked = zstd::bulk::decompress(frame, 8).unwrap();
        assert_eq!(unpacked, [1, 2, 3, 9, 9, 9, 9, 9]);
        assert_eq!(check(frame, 7), Err(Damaged::Length));
        assert_eq!(check(&FRAME, 8), Err(Damaged::Length));
        assert_eq!(check(&[frame, frame].concat(), 16), Err(Damaged::Length));
        for short in 0..frame.len() {
            assert_eq!(check(&frame[..short], 8), Err(Damaged::Length));
        }
        // Magic, checksum, window, kind of block, size of block.
        for (at, value) in [(0, 0), (4, 4), (5, 0xF8), (6, 0x1E), (8, 0xFF)] {
            let mut frame = frame.to_vec();
            frame[at] = value;
            assert!(check(&frame, 8).is_err(), "{at}");
        }
    }
}
