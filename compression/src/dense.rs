//! The mode that is smallest: differences by the median edge detector, their tokens by rANS in the context of how large the
//! differences above were.
//!
//! ```text
//! contexts ‖ length of the bits (u32) ‖ states (8 × u32) ‖ bits ‖ words (u16 each)         numbers in little endian
//! ```

use crate::energy::Rows;
use crate::error::Damaged;
use crate::lanes::{Decoder, Encoder, LANES};
use crate::raw_bits::{BitReader, BitWriter};
use crate::residual;
use crate::shape::{Depth, Shape};
use crate::tables::{Contexts, Histogram};
use crate::token::{bits_behind, least, token};

/// Appends the samples of a shape, in their dense form. Samples that are missing count as 0, what is beyond the depth as cut
/// off.
pub fn encode(samples: &[u16], shape: Shape, depth: Depth, out: &mut Vec<u8>) {
    let Modelled {
        tokens,
        mut classes,
        histogram,
        bits,
    } = modelled(samples, shape, depth);
    let contexts = Contexts::of(&histogram);
    for class in &mut classes {
        let context = contexts.of_class.get(usize::from(*class));
        *class = context.copied().unwrap_or_default();
    }
    let mut encoder = Encoder::new(&contexts.frequencies, tokens.len());
    let width = shape.width();
    let rows = tokens.chunks(width).zip(classes.chunks(width));
    for (tokens, contexts) in rows.rev() {
        encoder.take(tokens, contexts);
    }
    contexts.write(out);
    out.extend_from_slice(&(bits.len() as u32).to_le_bytes());
    let (states, words) = encoder.finish();
    states
        .iter()
        .for_each(|state| out.extend_from_slice(&state.to_le_bytes()));
    out.extend_from_slice(&bits);
    words.for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

/// Samples as they are coded.
struct Modelled {
    tokens: Vec<u8>,
    classes: Vec<u8>,
    histogram: Histogram,
    bits: Vec<u8>,
}

fn modelled(samples: &[u16], shape: Shape, depth: Depth) -> Modelled {
    let width = shape.width();
    let mut tokens = vec![0; shape.samples()];
    let mut classes = vec![0; shape.samples()];
    let mut histogram = Histogram::new();
    let mut bits = BitWriter::default();
    let mut rows = Rows::new(width);
    let mut row = vec![0; width];
    let mut above: Option<&[u16]> = None;
    let samples = samples.chunks_exact(width);
    let places = tokens.chunks_mut(width).zip(classes.chunks_mut(width));
    for (index, (samples, (tokens, classes))) in samples.zip(places).enumerate() {
        if index % shape.strip() == 0 {
            rows.begin();
            above = None;
        }
        residual::differences(samples, above, depth, &mut row);
        rows.classes(classes);
        for ((number, out), class) in row.iter().zip(tokens).zip(classes.iter()) {
            let token = token(*number);
            *out = token;
            histogram.count(*class, token);
            bits.put(number - least(token), bits_behind(token));
        }
        rows.take(&row);
        above = Some(samples);
    }
    Modelled {
        tokens,
        classes,
        histogram,
        bits: bits.finish(),
    }
}

/// Puts samples of a shape into `out`, which has exactly as many.
///
/// # Errors
/// [`Damaged`]; what is in `out` then is of no use.
pub fn decode(from: &[u8], shape: Shape, depth: Depth, out: &mut [u16]) -> Result<(), Damaged> {
    if out.len() != shape.samples() {
        return Err(Damaged::Length);
    }
    let mut from = from;
    let contexts = Contexts::read(&mut from)?;
    let (length, rest) = from.split_first_chunk().ok_or(Damaged::Length)?;
    let (states, rest) = rest.split_at_checked(4 * LANES).ok_or(Damaged::Length)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (bits, words) = rest.split_at_checked(length).ok_or(Damaged::Length)?;
    let (words, []) = words.as_chunks::<2>() else {
        return Err(Damaged::Length);
    };
    let mut lanes = [0; LANES];
    let (states, _) = states.as_chunks::<4>();
    for (lane, state) in lanes.iter_mut().zip(states) {
        *lane = u32::from_le_bytes(*state);
    }
    let mut decoder = Decoder::new(&contexts.frequencies, lanes, words)?;
    let mut bits = BitReader::new(bits);
    let width = shape.width();
    let (mut rows, mut row) = (Rows::new(width), vec![0; width]);
    let (mut classes, mut tokens) = (vec![0; width], vec![0; width]);
    let mut done = 0;
    while done < out.len() {
        let (before, after) = out.split_at_mut(done);
        let place = after.get_mut(..width).ok_or(Damaged::Length)?;
        let is_first = done / width % shape.strip() == 0;
        if is_first {
            rows.begin();
        }
        rows.classes(&mut classes);
        for class in &mut classes {
            let context = contexts.of_class.get(usize::from(*class));
            *class = context.copied().unwrap_or_default();
        }
        decoder.give(&classes, &mut tokens);
        for (number, token) in row.iter_mut().zip(&tokens) {
            *number = least(*token).wrapping_add(bits.take(bits_behind(*token))) & depth.mask();
        }
        let above = before.get(done.saturating_sub(width)..);
        residual::samples(&row, above.filter(|_| !is_first), depth, place);
        rows.take(&row);
        done += width;
    }
    bits.finish()?;
    decoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(samples: &[u16], shape: Shape, depth: Depth) -> usize {
        let mut encoded = Vec::new();
        encode(samples, shape, depth, &mut encoded);
        let mut back = vec![1; shape.samples()];
        assert_eq!(decode(&encoded, shape, depth, &mut back), Ok(()));
        assert!(back == samples);
        encoded.len()
    }

    proptest::proptest! {
        #[test]
        fn any_samples_come_back(
            width in 1..40_usize, strip in 1..6_usize, strips in 1..4_usize,
            seed: Vec<u16>, spread in 0..16_u32, is_byte: bool,
        ) {
            let shape = Shape::new(width, strip, strips).unwrap();
            let depth = if is_byte { Depth::Eight } else { Depth::Sixteen };
            let sample = |at: usize| {
                let noise = seed.get(at % seed.len().max(1)).copied().unwrap_or(7);
                (noise >> spread).wrapping_add((at / 3) as u16) & depth.mask()
            };
            let samples: Vec<u16> = (0..shape.samples()).map(sample).collect();
            round(&samples, shape, depth);
        }

        #[test]
        fn any_bytes_are_samples_or_an_error(bytes: Vec<u8>, at: usize, bit in 0..8_u32) {
            let shape = Shape::new(11, 4, 2).unwrap();
            let mut out = vec![0; shape.samples()];
            let _ = decode(&bytes, shape, Depth::Sixteen, &mut out);
            let samples: Vec<u16> = (0..shape.samples()).map(|at| (at * at % 991) as u16).collect();
            let mut encoded = Vec::new();
            encode(&samples, shape, Depth::Sixteen, &mut encoded);
            let place = at % encoded.len();
            encoded[place] ^= 1 << bit;
            let damaged = decode(&encoded, shape, Depth::Sixteen, &mut out);
            let _ = damaged;
            encoded.truncate(place);
            assert!(decode(&encoded, shape, Depth::Sixteen, &mut out).is_err());
        }
    }

    #[test]
    fn what_is_smooth_becomes_small() {
        let shape = Shape::new(256, 256, 1).unwrap();
        let sample = |at: usize| (1000 + at % 256 * 3 + at / 256 * 2) as u16;
        let samples: Vec<u16> = (0..shape.samples()).map(sample).collect();
        assert!(round(&samples, shape, Depth::Sixteen) < shape.samples() / 50);
    }

    #[test]
    fn extremes_come_back() {
        for depth in [Depth::Eight, Depth::Sixteen] {
            let shape = Shape::new(64, 8, 4).unwrap();
            for pattern in [[0, depth.mask()], [depth.mask(); 2], [0; 2]] {
                let samples: Vec<u16> = pattern.iter().copied().cycle().take(2048).collect();
                round(&samples, shape, depth);
            }
        }
    }
}
