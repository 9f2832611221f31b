//! Which bytes make a frame: in native pixel data (PS3.5 §8.1) and in fragments (PS3.5 §A.4).

use std::ops::Range;

use crate::pixels::error::DecodeError;
use crate::pixels::image::Image;

/// Most fragments that are looked at: a frame in fragments of 4 KiB, as some senders write, of the largest study
/// there is (a whole slide of 4 GB). Each takes 8 bytes here.
pub const FRAGMENTS_MAX: usize = 1 << 20;

/// Where a native frame lies in the value of Pixel Data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeFrame {
    /// Its bytes.
    pub bytes: Range<u64>,
    /// Bits of the first byte that belong to the frame before: frames of one bit a pixel follow each other without
    /// a gap (PS3.5 §8.1.1).
    pub bits_before: u8,
}

impl NativeFrame {
    /// Frame `number`, counted from 0, of `frames`, in a value of `value_bytes`.
    ///
    /// # Errors
    /// [`DecodeError::NoFrame`]; [`DecodeError::Damaged`] if the value ends before the frame does.
    pub fn find(
        image: &Image,
        number: u32,
        frames: u32,
        value_bytes: u64,
    ) -> Result<NativeFrame, DecodeError> {
        image.check()?;
        if number >= frames {
            return Err(DecodeError::NoFrame);
        }
        let bits = image.native_bits();
        // Frames are below 2^32, and a frame is below 2^31 bits.
        let begin = bits * u64::from(number);
        let end = begin + bits;
        let bytes = begin / 8..end.div_ceil(8);
        if bytes.end > value_bytes {
            return Err(DecodeError::Damaged);
        }
        Ok(NativeFrame {
            bytes,
            bits_before: (begin % 8) as u8,
        })
    }

    /// The frame's bytes as a decoder wants them: the first pixel in the lowest bit.
    #[must_use]
    pub fn aligned(&self, bytes: &[u8]) -> Vec<u8> {
        if self.bits_before == 0 {
            return bytes.to_vec();
        }
        let next = bytes.iter().skip(1).copied().chain([0]);
        let shifted = bytes.iter().zip(next).map(|(this, next)| {
            let both = u16::from(*this) | u16::from(next) << 8;
            (both >> self.bits_before & 0xFF) as u8
        });
        shifted.collect()
    }
}

/// What tells where frames begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offsets {
    /// The Basic Offset Table is empty, and there is no other.
    None,
    /// Basic Offset Table: where the item of a frame's first fragment begins, from the first fragment's item (PS3.5
    /// §A.4).
    Basic(Vec<u32>),
    /// Extended Offset Table (7FE0,0001), in the same terms, 64 bits each (PS3.3 §C.7.6.3.1.8).
    Extended(Vec<u64>),
}

impl Offsets {
    /// Reads a Basic Offset Table.
    #[must_use]
    pub fn basic(value: &[u8]) -> Offsets {
        match value.as_chunks::<4>().0 {
            [] => Offsets::None,
            words => Offsets::Basic(words.iter().map(|word| u32::from_le_bytes(*word)).collect()),
        }
    }

    /// Reads an Extended Offset Table.
    #[must_use]
    pub fn extended(value: &[u8]) -> Offsets {
        match value.as_chunks::<8>().0 {
            [] => Offsets::None,
            words => {
                Offsets::Extended(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
            }
        }
    }

    /// The places it names.
    fn places(&self) -> Vec<u64> {
        match self {
            Offsets::None => Vec::new(),
            Offsets::Basic(table) => table.iter().map(|offset| u64::from(*offset)).collect(),
            Offsets::Extended(table) => table.clone(),
        }
    }
}

/// Bytes before a fragment's content: the item's tag and length.
const ITEM_BYTES: u64 = 8;

/// Which fragments, counted from 0 without the Basic Offset Table, make each of `frames` frames.
///
/// `lengths` are the fragments' lengths. An offset table that does not agree with them is not used when each frame has
/// one fragment, or when there is one frame: then there is no doubt. `begins` is asked only when nothing else tells: it
/// says whether a fragment begins like a compressed image of its own ([`begins_a_frame`]).
///
/// # Errors
/// [`DecodeError::TooLarge`] for more than [`FRAGMENTS_MAX`]; [`DecodeError::Damaged`] if it cannot be told.
pub fn fragments(
    lengths: &[u32],
    offsets: &Offsets,
    frames: u32,
    begins: impl Fn(usize) -> bool,
) -> Result<Vec<Range<usize>>, DecodeError> {
    if lengths.len() > FRAGMENTS_MAX {
        return Err(DecodeError::TooLarge);
    }
    let frames = usize::try_from(frames).map_err(|_| DecodeError::TooLarge)?;
    // A frame has one fragment at least.
    if frames == 0 || frames > lengths.len() {
        return Err(DecodeError::Damaged);
    }
    let starts = if frames == 1 {
        vec![0]
    } else if lengths.len() == frames {
        (0..frames).collect()
    } else if let Some(starts) = by_table(lengths, offsets, frames) {
        starts
    } else {
        let found: Vec<usize> = (0..lengths.len()).filter(|at| begins(*at)).collect();
        match found.len() == frames && found.first() == Some(&0) {
            true => found,
            false => return Err(DecodeError::Damaged),
        }
    };
    let ends = starts.iter().skip(1).copied().chain([lengths.len()]);
    Ok(starts
        .iter()
        .zip(ends)
        .map(|(from, to)| *from..to)
        .collect())
}

/// The fragments that begin a frame by an offset table, if it agrees with all of them.
fn by_table(lengths: &[u32], offsets: &Offsets, frames: usize) -> Option<Vec<usize>> {
    let named = offsets.places();
    if named.len() != frames || named.first() != Some(&0) {
        return None;
    }
    let mut starts = Vec::with_capacity(frames);
    let mut offset = 0;
    for (at, length) in lengths.iter().enumerate() {
        if named.get(starts.len()) == Some(&offset) {
            starts.push(at);
        }
        offset += ITEM_BYTES + u64::from(*length);
    }
    (starts.len() == frames).then_some(starts)
}

/// Whether the first bytes of a fragment are those of a compressed image: JPEG and JPEG-LS (FF D8), JPEG 2000 (FF 4F).
#[must_use]
pub fn begins_a_frame(first: &[u8]) -> bool {
    matches!(first, [0xFF, 0xD8 | 0x4F, 0xFF, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::image::{Codec, Modality, Photometric, Voi};
    use proptest::prelude::*;

    fn image(rows: u16, columns: u16, bits: u8) -> Image {
        Image {
            codec: Codec::NativeLittle,
            rows,
            columns,
            samples: 1,
            bits_allocated: bits,
            bits_stored: bits,
            high_bit: bits - 1,
            signed: false,
            planar: false,
            photometric: Photometric::Monochrome2,
            modality: Modality::Rescale(1.0, 0.0),
            voi: Voi::Whole,
            inverse: false,
            palette: None,
            padding: None,
        }
    }

    fn offsets(lengths: &[Vec<u32>]) -> Vec<u64> {
        let mut offset = 0;
        let begins = lengths.iter().map(|frame| {
            let begin = offset;
            offset += frame
                .iter()
                .map(|length| u64::from(*length) + 8)
                .sum::<u64>();
            begin
        });
        begins.collect()
    }

    proptest! {
        #[test]
        fn every_frame_is_found_with_each_table_and_without(
            frames in prop::collection::vec(prop::collection::vec(0..1000_u32, 1..5), 1..12),
        ) {
            let lengths: Vec<u32> = frames.concat();
            let begins = offsets(&frames);
            let basic = begins.iter().map(|offset| u32::try_from(*offset).unwrap()).collect();
            let count = u32::try_from(frames.len()).unwrap();
            let mut at = 0;
            for (number, frame) in frames.iter().enumerate() {
                let expected = at..at + frame.len();
                at = expected.end;
                let starts: Vec<usize> = (0..frames.len()).map(|n| frames[..n].concat().len()).collect();
                let found = |offsets: &Offsets, known: bool| {
                    let all = fragments(&lengths, offsets, count, |at| known && starts.contains(&at));
                    all.map(|all| all[number].clone())
                };
                prop_assert_eq!(found(&Offsets::Basic(Vec::clone(&basic)), false).unwrap(), expected.clone());
                prop_assert_eq!(found(&Offsets::Extended(begins.clone()), false).unwrap(), expected.clone());
                prop_assert_eq!(found(&Offsets::None, true).unwrap(), expected);
            }
        }

        #[test]
        fn any_table_gives_a_range_of_fragments_or_a_refusal(
            lengths in prop::collection::vec(any::<u32>(), 0..20),
            table in prop::collection::vec(any::<u64>(), 0..20),
            frames in 0..20_u32,
        ) {
            if let Ok(all) = fragments(&lengths, &Offsets::Extended(table), frames, |at| at % 2 == 0) {
                prop_assert_eq!(all.len(), frames as usize);
                let mut next = 0;
                for range in all {
                    prop_assert!(range.start == next && range.end > next);
                    next = range.end;
                }
                prop_assert_eq!(next, lengths.len());
            }
        }

        #[test]
        fn bits_of_a_frame_are_moved_to_the_beginning(bits in prop::collection::vec(any::<bool>(), 60)) {
            let packed = |bits: &[bool]| -> Vec<u8> {
                let bytes = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | u8::from(*bit)));
                bytes.collect()
            };
            let value = packed(&bits);
            let image = image(3, 5, 1);
            for number in 0..4 {
                let frame = NativeFrame::find(&image, number, 4, value.len() as u64).unwrap();
                let bytes = &value[frame.bytes.start as usize..frame.bytes.end as usize];
                let begin = number as usize * 15;
                let expected = packed(&bits[begin..begin + 15]);
                let aligned = frame.aligned(bytes);
                prop_assert_eq!(aligned[0], expected[0]);
                prop_assert_eq!(aligned[1] & 0x7F, expected[1]);
            }
        }
    }

    #[test]
    fn native_frames_lie_one_behind_the_other() {
        let image = image(4, 5, 16);
        let find = |number, bytes| NativeFrame::find(&image, number, 3, bytes);
        assert_eq!(find(2, 120).unwrap().bytes, 80..120);
        assert_eq!(find(2, 119), Err(DecodeError::Damaged));
        assert_eq!(find(3, 1000), Err(DecodeError::NoFrame));
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        let none = |_: usize| false;
        let lengths = [10, 10, 10];
        let damaged = Err(DecodeError::Damaged);
        let basic = |table: &[u32]| Offsets::Basic(table.to_vec());
        assert_eq!(fragments(&lengths, &Offsets::None, 2, none), damaged);
        assert_eq!(fragments(&lengths, &basic(&[0, 19]), 2, none), damaged);
        assert_eq!(fragments(&lengths, &basic(&[18, 0]), 2, none), damaged);
        assert_eq!(fragments(&lengths, &basic(&[18, 36]), 2, none), damaged);
        assert_eq!(fragments(&lengths, &Offsets::None, 2, |at| at > 0), damaged);
        assert_eq!(fragments(&[], &Offsets::None, 1, none), damaged);
        assert_eq!(fragments(&lengths, &Offsets::None, 0, none), damaged);
        assert_eq!(fragments(&lengths, &Offsets::None, 4, |_| true), damaged);
        let one = fragments(&lengths, &basic(&[7]), 1, none);
        assert_eq!(one, Ok(std::iter::once(0..3).collect()));
        let each = fragments(&lengths, &basic(&[7; 3]), 3, none);
        assert_eq!(each, Ok(vec![0..1, 1..2, 2..3]));
        let too_many = vec![0; FRAGMENTS_MAX + 1];
        assert_eq!(
            fragments(&too_many, &Offsets::None, 1, none),
            Err(DecodeError::TooLarge)
        );
    }

    #[test]
    fn tables_are_read_in_words() {
        assert_eq!(Offsets::basic(&[]), Offsets::None);
        assert_eq!(Offsets::basic(&[1, 0, 0, 0, 2]), Offsets::Basic(vec![1]));
        assert_eq!(
            Offsets::extended(&[1, 0, 0, 0, 0, 0, 0, 1]),
            Offsets::Extended(vec![1 | 1 << 56])
        );
    }
}
