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

    /// Where frame `number` begins, and the next one.
    fn around(&self, number: usize) -> Option<(u64, Option<u64>)> {
        let at = |number: usize| match self {
            Offsets::None => None,
            Offsets::Basic(table) => table.get(number).map(|offset| u64::from(*offset)),
            Offsets::Extended(table) => table.get(number).copied(),
        };
        Some((at(number)?, at(number + 1)))
    }

    fn len(&self) -> usize {
        match self {
            Offsets::None => 0,
            Offsets::Basic(table) => table.len(),
            Offsets::Extended(table) => table.len(),
        }
    }
}

/// Bytes before a fragment's content: the item's tag and length.
const ITEM_BYTES: u64 = 8;

/// Which fragments, counted from 0 without the Basic Offset Table, make frame `number` of `frames`.
///
/// `lengths` are the fragments' lengths. An offset table that does not agree with them is not used when each frame has
/// one fragment, or when there is one frame: then there is no doubt. `begins` is asked only when nothing else tells: it
/// says whether a fragment begins like a compressed image of its own ([`begins_a_frame`]).
///
/// # Errors
/// [`DecodeError::NoFrame`]; [`DecodeError::TooLarge`] for more than [`FRAGMENTS_MAX`]; [`DecodeError::Damaged`] if
/// it cannot be told.
pub fn fragments(
    lengths: &[u32],
    offsets: &Offsets,
    number: u32,
    frames: u32,
    begins: impl Fn(usize) -> bool,
) -> Result<Range<usize>, DecodeError> {
    if lengths.len() > FRAGMENTS_MAX {
        return Err(DecodeError::TooLarge);
    }
    let size = |number: u32| usize::try_from(number).map_err(|_| DecodeError::NoFrame);
    let (number, frames) = (size(number)?, size(frames)?);
    if number >= frames {
        return Err(DecodeError::NoFrame);
    }
    if lengths.is_empty() {
        return Err(DecodeError::Damaged);
    }
    if frames == 1 {
        return Ok(0..lengths.len());
    }
    if lengths.len() == frames {
        return Ok(number..number + 1);
    }
    if let Some(range) = by_table(lengths, offsets, number, frames) {
        return Ok(range);
    }
    let mut starts = (0..lengths.len()).filter(|at| begins(*at));
    let mut starts_found = Vec::new();
    starts_found.extend(starts.by_ref().take(frames + 1));
    match (starts_found.len() == frames, starts_found.first()) {
        (true, Some(0)) => {
            let end = starts_found.get(number + 1).copied();
            Ok(starts_found[number]..end.unwrap_or(lengths.len()))
        }
        _ => Err(DecodeError::Damaged),
    }
}

/// The fragments of a frame by an offset table, if it agrees with the fragments.
fn by_table(
    lengths: &[u32],
    offsets: &Offsets,
    number: usize,
    frames: usize,
) -> Option<Range<usize>> {
    if offsets.len() != frames {
        return None;
    }
    let (begin, end) = offsets.around(number)?;
    let mut places = Vec::with_capacity(2);
    let mut offset = 0;
    for (at, length) in lengths.iter().enumerate() {
        if offset == begin || Some(offset) == end {
            places.push(at);
        }
        offset += ITEM_BYTES + u64::from(*length);
    }
    match (places.as_slice(), end) {
        ([first], None) => Some(*first..lengths.len()),
        ([first, next], Some(end)) if end > begin => Some(*first..*next),
        _ => None,
    }
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
            for (number, frame) in (0..).zip(&frames) {
                let expected = at..at + frame.len();
                at = expected.end;
                let starts: Vec<usize> = (0..frames.len()).map(|n| frames[..n].concat().len()).collect();
                let found = |offsets: &Offsets, known: bool| {
                    fragments(&lengths, offsets, number, count, |at| known && starts.contains(&at))
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
            number in 0..20_u32,
            frames in 0..20_u32,
        ) {
            if let Ok(range) = fragments(&lengths, &Offsets::Extended(table), number, frames, |at| at % 2 == 0) {
                prop_assert!(range.start < range.end && range.end <= lengths.len());
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
        assert_eq!(fragments(&lengths, &Offsets::None, 0, 2, none), damaged);
        assert_eq!(
            fragments(&lengths, &Offsets::Basic(vec![0, 19]), 1, 2, none),
            damaged
        );
        assert_eq!(
            fragments(&lengths, &Offsets::None, 1, 2, |at| at > 0),
            damaged
        );
        assert_eq!(fragments(&[], &Offsets::None, 0, 1, none), damaged);
        assert_eq!(
            fragments(&lengths, &Offsets::None, 2, 2, none),
            Err(DecodeError::NoFrame)
        );
        assert_eq!(
            fragments(&lengths, &Offsets::Basic(vec![7]), 0, 1, none),
            Ok(0..3)
        );
        assert_eq!(
            fragments(&lengths, &Offsets::Basic(vec![7; 3]), 1, 3, none),
            Ok(1..2)
        );
        let too_many = vec![0; FRAGMENTS_MAX + 1];
        assert_eq!(
            fragments(&too_many, &Offsets::None, 0, 1, none),
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
