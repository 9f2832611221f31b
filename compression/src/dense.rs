//! The mode that is smallest: tokens of numbers by rANS, in the context of how large the numbers above are.
//!
//! ```text
//! contexts ‖ length of the bits ‖ states (8 × u32, little endian) ‖ bits ‖ words (u16 each, little endian)
//! ```

use crate::energy;
use crate::error::Damaged;
use crate::lanes::{self, LANES};
use crate::number;
use crate::raw_bits::{BitReader, BitWriter};
use crate::shape::Shape;
use crate::tables::{CLASS_SHIFT, Contexts, Histogram, SYMBOLS};
use crate::token::{PLACES, TABLE, token};

/// Counters that take turns, so that counting one symbol twice in a row does not wait for the first.
const TURNS: usize = 4;

/// What an encoder keeps from block to block.
pub(crate) struct Encoder {
    symbols: Vec<u16>,
    counters: Box<[Histogram; TURNS]>,
    bits: BitWriter,
    lanes: lanes::Encoder,
}

impl Encoder {
    pub(crate) fn new() -> Encoder {
        Encoder {
            symbols: Vec::new(),
            counters: Box::new([[0; SYMBOLS]; TURNS]),
            bits: BitWriter::default(),
            lanes: lanes::Encoder::new(),
        }
    }

    /// Appends the numbers of a shape, as many as it has, in their dense form.
    pub(crate) fn encode(&mut self, numbers: &[u16], shape: Shape, out: &mut Vec<u8>) {
        let width = shape.width();
        self.symbols.resize(shape.samples(), 0);
        self.bits.begin(shape.samples());
        self.counters.iter_mut().for_each(|one| one.fill(0));
        let rows = numbers.chunks_exact(width);
        let rows = rows.zip(self.symbols.chunks_exact_mut(width));
        for (index, (row, symbols)) in rows.enumerate() {
            energy::classes(numbers, shape, index, symbols);
            for (symbol, number) in symbols.iter_mut().zip(row) {
                *symbol = *symbol << CLASS_SHIFT | token(*number);
            }
            count(symbols, row, &mut self.counters, &mut self.bits);
        }
        let [histogram, others @ ..] = &mut *self.counters;
        for other in others {
            histogram
                .iter_mut()
                .zip(other)
                .for_each(|(to, more)| *to += *more);
        }
        let contexts = Contexts::of(histogram, shape.samples());
        self.lanes.begin(&contexts, shape.samples());
        for row in self.symbols.chunks_exact(width).rev() {
            self.lanes.take(row);
        }
        let (bits, (states, words)) = (self.bits.finish(), self.lanes.finish());
        contexts.write(out);
        number::write(bits.len(), out);
        out.extend(states.iter().flat_map(|state| state.to_le_bytes()));
        out.extend_from_slice(bits);
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
}

/// Counts the symbols of a row, and writes the bits behind its tokens.
fn count(symbols: &[u16], row: &[u16], counters: &mut [Histogram; TURNS], bits: &mut BitWriter) {
    let behind = |symbol: &u16| TABLE[usize::from(*symbol) % PLACES] & 0xFF;
    let (fours, rest) = symbols.as_chunks::<TURNS>();
    let (rows, last) = row.as_chunks::<TURNS>();
    for (four, numbers) in fours.iter().zip(rows) {
        for (symbol, counter) in four.iter().zip(counters.iter_mut()) {
            counter[usize::from(*symbol) % SYMBOLS] += 1;
        }
        bits.put(numbers.iter().copied().zip(four.iter().map(behind)));
    }
    for (symbol, counter) in rest.iter().zip(counters) {
        counter[usize::from(*symbol) % SYMBOLS] += 1;
    }
    bits.put(last.iter().copied().zip(rest.iter().map(behind)));
}

/// What a decoder keeps from block to block.
pub(crate) struct Decoder {
    classes: Vec<u16>,
    bits: BitReader,
    lanes: lanes::Decoder,
}

impl Decoder {
    pub(crate) fn new() -> Decoder {
        Decoder {
            classes: Vec::new(),
            bits: BitReader::default(),
            lanes: lanes::Decoder::new(),
        }
    }

    /// Puts the numbers of a shape into `out`, which has as many.
    ///
    /// # Errors
    /// [`Damaged`]; what is in `out` then is of no use.
    pub(crate) fn decode(
        &mut self,
        from: &[u8],
        shape: Shape,
        out: &mut [u16],
    ) -> Result<(), Damaged> {
        let mut from = from;
        let contexts = Contexts::read(&mut from, shape.samples())?;
        let length = number::read(&mut from)?;
        let (states, _) = number::bytes(&mut from, 4 * LANES)?.as_chunks::<4>();
        let mut lanes = [0; LANES];
        for (lane, state) in lanes.iter_mut().zip(states) {
            *lane = u32::from_le_bytes(*state);
        }
        let bits = number::bytes(&mut from, length)?;
        let (words, []) = from.as_chunks::<2>() else {
            return Err(Damaged::Length);
        };
        // A number takes no more than one word, and two bytes of bits.
        if words.len() > shape.samples() || bits.len() > 2 * shape.samples() {
            return Err(Damaged::Length);
        }
        self.bits.begin(bits);
        self.lanes.begin(&contexts, lanes, words)?;
        let width = shape.width();
        self.classes.resize(width, 0);
        for index in 0..out.len() / width {
            let (before, after) = out.split_at_mut(index * width);
            let row = after.get_mut(..width).ok_or(Damaged::Length)?;
            energy::classes(before, shape, index, &mut self.classes);
            self.lanes.give(&self.classes, &mut self.bits, row)?;
        }
        self.bits.finish()?;
        self.lanes.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(numbers: &[u16], shape: Shape) -> Vec<u8> {
        let mut encoded = Vec::new();
        Encoder::new().encode(numbers, shape, &mut encoded);
        let mut back = vec![1; shape.samples()];
        assert_eq!(Decoder::new().decode(&encoded, shape, &mut back), Ok(()));
        assert!(back == numbers);
        encoded
    }

    proptest::proptest! {
        #[test]
        fn any_numbers_come_back(
            width in 1..40_usize, strip in 1..6_usize, strips in 1..4_usize, seed: Vec<u16>, spread in 0..16_u32,
        ) {
            let shape = Shape::new(width, strip, strips).unwrap();
            let number = |at: usize| seed.get(at % seed.len().max(1)).copied().unwrap_or(7) >> spread;
            let numbers: Vec<u16> = (0..shape.samples()).map(number).collect();
            round(&numbers, shape);
        }

        #[test]
        fn any_bytes_are_numbers_or_an_error(bytes: Vec<u8>, at: usize, bit in 0..8_u32) {
            let shape = Shape::new(11, 4, 2).unwrap();
            let mut out = vec![0; shape.samples()];
            let mut decoder = Decoder::new();
            let _ = decoder.decode(&bytes, shape, &mut out);
            let numbers: Vec<u16> = (0..shape.samples()).map(|at| (at * at % 991) as u16).collect();
            let mut encoded = round(&numbers, shape);
            let place = at % encoded.len();
            encoded[place] ^= 1 << bit;
            let _ = decoder.decode(&encoded, shape, &mut out);
            encoded.truncate(place);
            assert!(decoder.decode(&encoded, shape, &mut out).is_err());
        }
    }

    #[test]
    fn extremes_come_back() {
        let shape = Shape::new(64, 8, 4).unwrap();
        for pattern in [[0, u16::MAX], [u16::MAX; 2], [0; 2]] {
            let numbers: Vec<u16> = pattern.iter().copied().cycle().take(2048).collect();
            round(&numbers, shape);
        }
    }
}
