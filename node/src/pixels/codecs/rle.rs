//! RLE Lossless (PS3.5 §G): one segment for each byte of a pixel, the most significant first.

use crate::pixels::error::DecodeError;
use crate::pixels::image::Image;

/// Segments that the header has room for (PS3.5 §G.5).
const SEGMENTS_MAX: usize = 15;
/// Bytes of the header: the number of segments, and where each begins.
const HEADER_BYTES: usize = 64;

/// Decodes a frame.
pub(super) fn decode(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let total = usize::try_from(image.frame_bytes()).map_err(|_| DecodeError::TooLarge)?;
    let bytes_of_sample = image.sample_bytes().max(1);
    let count = bytes_of_sample * usize::from(image.samples);
    let segments = segments(source, count)?;
    let plane = total / count;
    let mut frame = vec![0; total];
    for (number, segment) in segments.into_iter().enumerate() {
        let unpacked = unpack(segment, plane)?;
        // The first segment of a sample is its most significant byte, which comes last here.
        let (sample, byte) = (number / bytes_of_sample, number % bytes_of_sample);
        let place = sample * bytes_of_sample + (bytes_of_sample - 1 - byte);
        for (pixel, value) in frame.chunks_exact_mut(count).zip(unpacked) {
            pixel[place] = value;
        }
    }
    Ok(frame)
}

/// The segments of a frame.
fn segments(source: &[u8], count: usize) -> Result<Vec<&[u8]>, DecodeError> {
    let (header, _) = source
        .split_at_checked(HEADER_BYTES)
        .ok_or(DecodeError::Damaged)?;
    let words: Vec<usize> = header
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word))
        .map(|word| usize::try_from(word).unwrap_or(usize::MAX))
        .collect();
    if words.first() != Some(&count) || count > SEGMENTS_MAX {
        return Err(DecodeError::Damaged);
    }
    let begins = words[1..=count].iter().copied();
    let ends = words[2..].iter().copied().take(count - 1);
    let ends = ends.chain([source.len()]);
    begins
        .zip(ends)
        .map(|(begin, end)| source.get(begin..end).ok_or(DecodeError::Damaged))
        .collect()
}

/// Unpacks a segment into exactly `length` bytes (PS3.5 §G.3.2). What a sender put behind them, padding for
/// instance, is not read; what is missing is damage.
pub(super) fn unpack(segment: &[u8], length: usize) -> Result<Vec<u8>, DecodeError> {
    let mut unpacked = Vec::with_capacity(length);
    let mut rest = segment;
    while unpacked.len() < length {
        let (&control, after) = rest.split_first().ok_or(DecodeError::Damaged)?;
        let room = length - unpacked.len();
        rest = match control {
            0..=127 => {
                let run = usize::from(control) + 1;
                let (literal, after) = after.split_at_checked(run).ok_or(DecodeError::Damaged)?;
                unpacked.extend_from_slice(&literal[..run.min(room)]);
                after
            }
            128 => after,
            129..=255 => {
                let run = 257 - usize::from(control);
                let (&value, after) = after.split_first().ok_or(DecodeError::Damaged)?;
                unpacked.resize(unpacked.len() + run.min(room), value);
                after
            }
        };
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Packs as PS3.5 §G.3.1 has it: repeats of three or more, the rest literally.
    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let same = bytes[at..].iter().take_while(|byte| **byte == bytes[at]);
            let run = same.count().min(128);
            if run >= 3 {
                packed.extend([u8::try_from(257 - run).unwrap(), bytes[at]]);
                at += run;
            } else {
                let end = (at + 100).min(bytes.len());
                packed.push(u8::try_from(end - at - 1).unwrap());
                packed.extend(&bytes[at..end]);
                at = end;
            }
        }
        packed
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(bytes in prop::collection::vec(0..4_u8, 0..2000)) {
            prop_assert_eq!(unpack(&pack(&bytes), bytes.len()).unwrap(), bytes);
        }

        #[test]
        fn nothing_makes_more_than_was_asked_for(
            packed in prop::collection::vec(any::<u8>(), 0..300),
            length in 0..500_usize,
        ) {
            if let Ok(bytes) = unpack(&packed, length) {
                prop_assert_eq!(bytes.len(), length);
            }
        }

        #[test]
        fn any_header_is_survived(source in prop::collection::vec(any::<u8>(), 0..200), count in 1..13_usize) {
            if let Ok(found) = segments(&source, count) {
                prop_assert_eq!(found.len(), count);
            }
        }
    }

    #[test]
    fn a_segment_that_never_fills_its_frame_is_damage() {
        assert_eq!(unpack(&[128; 4000], 1), Err(DecodeError::Damaged));
        assert_eq!(unpack(&[], 1), Err(DecodeError::Damaged));
        assert_eq!(unpack(&[129], 2), Err(DecodeError::Damaged));
        assert_eq!(unpack(&[127, 1, 2], 3), Err(DecodeError::Damaged));
    }
}
