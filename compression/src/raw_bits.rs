//! Bits that are not worth coding, one after the other, the least significant first.

use crate::error::Damaged;

#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl BitWriter {
    /// Appends up to 16 bits.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u16, count: u32) {
        self.held |= u64::from(bits) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes
                .extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.count -= 32;
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let left = self.count.div_ceil(8) as usize;
        let last = self.held.to_le_bytes();
        self.bytes.extend(last.iter().take(left));
        self.bytes
    }
}

pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u32,
    /// Bits that were taken and are not there.
    missing: bool,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader {
            bytes,
            held: 0,
            count: 0,
            missing: false,
        }
    }

    /// Takes up to 16 bits; behind the end they are zeros.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> u16 {
        if self.count < count {
            self.refill();
        }
        let bits = self.held & ((1 << count) - 1);
        self.held >>= count;
        match self.count.checked_sub(count) {
            Some(left) => self.count = left,
            None => (self.count, self.missing) = (0, true),
        }
        bits as u16
    }

    #[inline(always)]
    fn refill(&mut self) {
        match self.bytes.split_first_chunk::<4>() {
            Some((four, rest)) => {
                self.held |= u64::from(u32::from_le_bytes(*four)) << self.count;
                self.count += 32;
                self.bytes = rest;
            }
            None => self.refill_last(),
        }
    }

    #[cold]
    fn refill_last(&mut self) {
        for byte in std::mem::take(&mut self.bytes) {
            self.held |= u64::from(*byte) << self.count;
            self.count += 8;
        }
    }

    /// # Errors
    /// When bits were missing, or are left over.
    pub(crate) fn finish(self) -> Result<(), Damaged> {
        let padded = self.count < 8 && self.held == 0;
        match self.missing || !self.bytes.is_empty() || !padded {
            true => Err(Damaged::Length),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn bits_come_out_as_they_went_in(all in proptest::collection::vec((0..=16_u32, 0..=u16::MAX), 0..200)) {
            let mut writer = BitWriter::default();
            let cut = |(count, bits): &(u32, u16)| (u32::from(*bits) & ((1 << count) - 1)) as u16;
            for one in &all {
                writer.put(cut(one), one.0);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for one in &all {
                assert_eq!(reader.take(one.0), cut(one));
            }
            assert_eq!(reader.finish(), Ok(()));
            if let Some(short) = bytes.get(..bytes.len().saturating_sub(1)).filter(|_| !bytes.is_empty()) {
                let mut reader = BitReader::new(short);
                all.iter().for_each(|one| { reader.take(one.0); });
                assert_eq!(reader.finish(), Err(Damaged::Length));
            }
            let mut reader = BitReader::new(&bytes);
            let _ = reader.take(0);
            assert_eq!(reader.finish().is_err(), !bytes.is_empty());
        }
    }
}
