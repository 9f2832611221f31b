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
