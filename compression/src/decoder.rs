//! Blocks as bytes again.

use crate::block::{Form, Header};
use crate::dense;
use crate::error::Damaged;
use crate::packed::Unpacker;
use crate::planes;
use crate::residual;

/// A decoder of pixel bytes. Keeps what it allocated, a few megabytes.
pub struct Decoder {
    dense: dense::Decoder,
    unpacker: Unpacker,
    numbers: Vec<u16>,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// A new one.
    #[must_use]
    pub fn new() -> Decoder {
        Decoder {
            dense: dense::Decoder::new(),
            unpacker: Unpacker::new(),
            numbers: Vec::new(),
        }
    }

    /// Appends exactly `length` bytes, of blocks at the front of `from`, and leaves what comes behind them. Each block is
    /// checked before anything is allocated for it; what it costs grows with its bytes here and there, whatever they say.
    ///
    /// # Errors
    /// [`Damaged`], when no encoder wrote these blocks, or not for so many bytes; `out` then is as it was.
    pub fn decode(
        &mut self,
        from: &mut &[u8],
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let begin = out.len();
        let decoded = self.blocks(from, length, out);
        if decoded.is_err() {
            out.truncate(begin);
        }
        decoded
    }

    fn blocks(
        &mut self,
        from: &mut &[u8],
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let mut left = length;
        while left > 0 {
            let (header, payload) = Header::read(from, left)?;
            let (begin, of_block) = (out.len(), header.length());
            match header {
                Header::Stored(_) => out.extend_from_slice(payload),
                Header::Packed(_) => {
                    out.resize(begin + of_block, 0);
                    let place = out.get_mut(begin..).unwrap_or_default();
                    self.unpacker.unpack(payload, place)?;
                }
                Header::Fast(form) => self.samples(payload, &form, true, out)?,
                Header::Dense(form) => self.samples(payload, &form, false, out)?,
            }
            left -= of_block;
        }
        Ok(())
    }

    fn samples(
        &mut self,
        payload: &[u8],
        form: &Form,
        is_fast: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let all = form.all()?;
        self.numbers.resize(all.samples(), 0);
        match is_fast {
            true => self
                .unpacker
                .numbers(payload, form.depth, &mut self.numbers)?,
            false => self.dense.decode(payload, all, &mut self.numbers)?,
        }
        residual::samples(&mut self.numbers, all, (form.predictor, form.depth));
        planes::write(&mut self.numbers, form, out);
        Ok(())
    }
}
