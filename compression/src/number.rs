//! Whole numbers of a header, seven bits a byte, the least significant first, a bit in each byte for whether one follows.

use crate::error::Damaged;

/// Bytes of a number at the most.
const BYTES: usize = 4;

/// Appends a number below 2²⁸; of larger ones, the lower bits.
pub(crate) fn write(number: usize, out: &mut Vec<u8>) {
    let mut left = number;
    for at in 1..=BYTES {
        let seven = (left & 0x7F) as u8;
        left >>= 7;
        if left == 0 || at == BYTES {
            out.push(seven);
            return;
        }
        out.push(seven | 0x80);
    }
}

/// Reads a number, below 2²⁸.
///
/// # Errors
/// [`Damaged`].
pub(crate) fn read(from: &mut &[u8]) -> Result<usize, Damaged> {
    let mut number = 0;
    for at in 0..BYTES {
        let byte = byte(from)?;
        number |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged::Value)
}

/// Reads a byte.
///
/// # Errors
/// [`Damaged`].
pub(crate) fn byte(from: &mut &[u8]) -> Result<u8, Damaged> {
    let (first, rest) = from.split_first().ok_or(Damaged::Length)?;
    *from = rest;
    Ok(*first)
}

/// Reads so many bytes.
///
/// # Errors
/// [`Damaged`].
pub(crate) fn bytes<'a>(from: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damaged> {
    let (bytes, rest) = from.split_at_checked(length).ok_or(Damaged::Length)?;
    *from = rest;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_longer_ones_are_refused() {
        for number in [0, 1, 127, 128, 300, 65_535, 1 << 21, (1 << 28) - 1] {
            let mut written = Vec::new();
            write(number, &mut written);
            written.push(9);
            let mut from = written.as_slice();
            assert_eq!(read(&mut from), Ok(number));
            assert_eq!(from, [9]);
        }
        assert_eq!(read(&mut [0xFF; 9].as_slice()), Err(Damaged::Value));
        assert_eq!(read(&mut [0x80].as_slice()), Err(Damaged::Length));
    }
}
