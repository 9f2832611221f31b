//! Bits that are not worth coding, one after the other, the least significant first.

use crate::error::Damaged;

/// Numbers whose bits are taken at once, up to 14 of each.
const AT_ONCE: usize = 4;
/// Bytes in which so many and what is left of the byte before stand.
const WORD: usize = 8;

/// So many bits, the lowest.
const MASKS: [u32; 16] = {
    let mut masks = [0; 16];
    let mut bits = 0;
    while bits < masks.len() {
        masks[bits] = (1 << bits) - 1;
        bits += 1;
    }
    masks
};

/// Where bits go.
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    at: usize,
    held: u64,
    count: u32,
}

impl BitWriter {
    /// Begins, with room for the bits of so many numbers.
    pub(crate) fn begin(&mut self, numbers: usize) {
        let room = numbers * 2 + WORD;
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
        (self.at, self.held, self.count) = (0, 0, 0);
    }

    /// Appends the lower bits of up to four numbers, up to 14 of each: `(number, bits)`.
    #[inline(always)]
    pub(crate) fn put(&mut self, numbers: impl Iterator<Item = (u16, u32)>) {
        let (mut held, mut count) = (self.held, self.count);
        for (number, bits) in numbers {
            held |= (u64::from(number) & ((1 << bits) - 1)) << count;
            count += bits;
        }
        if let Some(place) = self.bytes.get_mut(self.at..self.at + WORD) {
            place.copy_from_slice(&held.to_le_bytes());
        }
        self.at += (count / 8) as usize;
        self.held = held >> (count & !7);
        self.count = count & 7;
    }

    /// All bytes.
    pub(crate) fn finish(&self) -> &[u8] {
        let end = self.at + usize::from(self.count > 0);
        self.bytes.get(..end).unwrap_or_default()
    }
}

/// Where bits come from.
#[derive(Default)]
pub(crate) struct BitReader {
    /// With a word behind their end, so that whole words can be read.
    bytes: Vec<u8>,
    end: usize,
    at: usize,
}

impl BitReader {
    /// Begins.
    pub(crate) fn begin(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(&[0; WORD]);
        (self.end, self.at) = (8 * bytes.len(), 0);
    }

    /// The place of the next bit.
    #[inline(always)]
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            bytes: &self.bytes,
            at: self.at,
        }
    }

    /// Goes on behind what was taken.
    pub(crate) fn go_on(&mut self, at: usize) {
        self.at = at;
    }

    /// # Errors
    /// When bits were missing, or are left over.
    pub(crate) fn finish(&self) -> Result<(), Damaged> {
        let left = self.end.checked_sub(self.at).ok_or(Damaged::Length)?;
        let last = self.bytes.get(self.at / 8).copied().unwrap_or_default();
        match left < 8 && last >> (self.at % 8) == 0 {
            true => Ok(()),
            false => Err(Damaged::Length),
        }
    }
}

/// A place among bits.
pub(crate) struct Place<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Place<'_> {
    /// Bits before it.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Completes numbers of a shape ([`crate::token::TABLE`]) by the bits that stand behind their tokens. Behind the end
    /// they are zeros.
    #[inline(always)]
    pub(crate) fn complete(&mut self, shapes: &[u32; 2 * AT_ONCE]) -> [u16; 2 * AT_ONCE] {
        let mut numbers = [0; 2 * AT_ONCE];
        for half in [0, AT_ONCE] {
            let bytes = self.bytes.get(self.at / 8..).and_then(<[u8]>::first_chunk);
            let word = bytes.map_or(0, |word: &[u8; WORD]| u64::from_le_bytes(*word));
            let mut held = word >> (self.at % 8);
            let mut all = 0;
            for lane in half..half + AT_ONCE {
                let bits = shapes[lane] & 0xF;
                numbers[lane] =
                    ((shapes[lane] >> 16) + (held as u32 & MASKS[bits as usize])) as u16;
                held >>= bits;
                all += bits;
            }
            self.at += all as usize;
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn bits_come_out_as_they_went_in(all in proptest::collection::vec((0..=14_u32, 0..=u16::MAX), 0..200)) {
            let (mut writer, mut reader) = (BitWriter::default(), BitReader::default());
            writer.begin(all.len());
            for four in all.chunks(AT_ONCE) {
                writer.put(four.iter().map(|(bits, number)| (*number, *bits)));
            }
            let bytes = writer.finish().to_vec();
            let take = |reader: &mut BitReader, bytes: &[u8]| {
                reader.begin(bytes);
                let mut place = reader.place();
                let mut numbers = Vec::new();
                for eight in all.chunks(2 * AT_ONCE) {
                    let mut shapes = [0; 2 * AT_ONCE];
                    shapes.iter_mut().zip(eight).for_each(|(to, (bits, _))| *to = *bits);
                    numbers.extend(place.complete(&shapes).into_iter().map(u32::from).take(eight.len()));
                }
                let at = place.at();
                reader.go_on(at);
                numbers
            };
            let expected: Vec<u32> = all.iter().map(|(bits, number)| u32::from(*number) & ((1 << bits) - 1)).collect();
            assert_eq!(take(&mut reader, &bytes), expected);
            assert_eq!(reader.finish(), Ok(()));
            if let Some(short) = bytes.len().checked_sub(1) {
                take(&mut reader, &bytes[..short]);
                assert_eq!(reader.finish(), Err(Damaged::Length));
            }
            take(&mut reader, &[bytes.as_slice(), &[0]].concat());
            assert_eq!(reader.finish(), Err(Damaged::Length));
        }
    }
}
