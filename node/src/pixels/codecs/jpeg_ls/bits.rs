//! The bits of a scan: after a byte FF the next one has only seven, so that no marker appears (ITU-T T.87 §A.1).

use crate::pixels::error::DecodeError;

/// Reads bits, most significant first.
pub(super) struct Bits<'a> {
    source: &'a [u8],
    /// The next byte to take.
    at: usize,
    /// Bits taken and not yet given, at the low end.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(source: &'a [u8]) -> Bits<'a> {
        Bits {
            source,
            at: 0,
            held: 0,
            count: 0,
        }
    }

    /// Takes bytes until there are more than 48 bits, or a marker ends the scan.
    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.source.get(self.at) else {
                return;
            };
            if byte == 0xFF
                && self
                    .source
                    .get(self.at + 1)
                    .is_none_or(|next| *next >= 0x80)
            {
                return;
            }
            let after_ff = self.at > 0 && self.source.get(self.at - 1) == Some(&0xFF);
            let bits = if after_ff { 7 } else { 8 };
            self.held = self.held << bits | u64::from(byte);
            self.count += bits;
            self.at += 1;
        }
    }

    /// The next `count` bits, at most 32.
    pub(super) fn take(&mut self, count: u32) -> Result<i32, DecodeError> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count).ok_or(DecodeError::Damaged)?;
        let value = self.held >> self.count & ((1 << count) - 1);
        i32::try_from(value).map_err(|_| DecodeError::Damaged)
    }

    /// How many zeros come before a one, which is taken with them; more than `most` are damage.
    pub(super) fn zeros(&mut self, most: u32) -> Result<u32, DecodeError> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > most {
                return Err(DecodeError::Damaged);
            }
        }
        Ok(zeros)
    }

    /// Bytes that were taken: the marker behind the scan is not among them.
    pub(super) fn position(&self) -> usize {
        self.at
    }
}
