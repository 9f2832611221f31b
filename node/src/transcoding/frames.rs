//! Frames of one object as a decoder wants them: what they are, and their bytes, one frame at a time.

use std::borrow::Cow;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::ranges::{self, Plain, Range, RangeError, Ranges};
use crate::dicom::dataset::{DataSet, ReadError, Value};
use crate::dicom::scanner::TransferSyntax;
use crate::pixels::frames::NativeFrame;
use crate::pixels::{Attributes, Codec, DecodeError, Image, Place, SOURCE_BYTES_MAX};

/// Why there is no frame.
pub(crate) enum FrameError {
    /// The object has no pixel data.
    NoImage,
    /// It has, but this frame cannot be decoded.
    Undecodable(DecodeError),
    /// It cannot be read.
    Unreadable(ReadError),
}

impl From<DecodeError> for FrameError {
    fn from(error: DecodeError) -> FrameError {
        FrameError::Undecodable(error)
    }
}

impl From<RangeError> for FrameError {
    fn from(error: RangeError) -> FrameError {
        match error {
            RangeError::None => FrameError::Undecodable(DecodeError::NoFrame),
            RangeError::Contradiction | RangeError::InsideByte => {
                FrameError::Undecodable(DecodeError::Damaged)
            }
            RangeError::Unreadable(error) => FrameError::Unreadable(error),
        }
    }
}

/// The frames of an object that were asked for.
pub(crate) struct Frames {
    codec: Codec,
    header: DataSet,
    kept: Vec<Kept>,
}

/// Where a frame lies.
struct Kept {
    /// From 1 on.
    number: u32,
    ranges: Ranges,
    native: Option<NativeFrame>,
}

impl Attributes for DataSet {
    fn value(&self, place: Place<'_>, tag: Tag) -> Option<Cow<'_, [u8]>> {
        let mut set = self;
        for (sequence, item) in place {
            set = set.items(*sequence).get(*item)?;
        }
        set.bytes(tag).map(Cow::Borrowed)
    }
}

impl Frames {
    /// Finds frames, each counted from 1, of an object of this transfer syntax. `plain` stands behind its header; of
    /// encapsulated ones it stands behind the pixel data afterwards.
    ///
    /// # Errors
    /// [`FrameError`].
    pub(crate) fn find(
        (syntax, header): (&TransferSyntax, DataSet),
        plain: &mut Plain<'_>,
        numbers: &[u32],
    ) -> Result<Frames, FrameError> {
        if header.element(tags::PIXEL_DATA).is_none() {
            return Err(match ranges::pixels(&header) {
                None => FrameError::NoImage,
                // In floating point.
                Some(_) => DecodeError::Unsupported.into(),
            });
        }
        let codec = codec(syntax, &header).ok_or(DecodeError::Unsupported)?;
        let kept = match codec.is_encapsulated() {
            true => {
                let found = ranges::frames(plain, &header, Some(numbers))?;
                let found = found.into_iter().zip(numbers);
                let kept = found.map(|(ranges, number)| Kept {
                    number: *number,
                    ranges,
                    native: None,
                });
                kept.collect()
            }
            false => native(&header, codec, numbers)?,
        };
        Ok(Frames {
            codec,
            header,
            kept,
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.kept.len()
    }

    /// The number, from 1 on, of the frame at this place.
    pub(crate) fn number(&self, at: usize) -> Option<u32> {
        self.kept.get(at).map(|kept| kept.number)
    }

    /// Most bytes of one of them as it is kept.
    pub(crate) fn longest(&self) -> u64 {
        let lengths = self.kept.iter().map(Kept::bytes);
        lengths.max().unwrap_or(0)
    }

    /// What a decoder must know of the frame at this place.
    pub(crate) fn image(&self, at: usize) -> Result<Image, DecodeError> {
        let number = self.number(at).ok_or(DecodeError::NoFrame)?;
        Image::read(&self.header, self.codec, number - 1)
    }

    /// Where in the data set the frame at this place begins.
    pub(crate) fn begins(&self, at: usize) -> u64 {
        let first = self.kept.get(at).and_then(|kept| kept.ranges.first());
        first.map_or(0, |range| range.offset)
    }

    /// The bytes of the frame at this place, out of `plain`, which must not be past where it begins. Blocks.
    ///
    /// # Errors
    /// [`FrameError`].
    pub(crate) fn source(&self, at: usize, plain: &mut Plain<'_>) -> Result<Vec<u8>, FrameError> {
        let kept = self.kept.get(at).ok_or(DecodeError::NoFrame)?;
        let bytes = kept.bytes();
        if bytes > SOURCE_BYTES_MAX {
            return Err(DecodeError::TooLarge.into());
        }
        let mut source = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        for range in &kept.ranges {
            let copied = plain.copy(*range, 1, &mut source);
            copied.map_err(|error| FrameError::from(RangeError::from(error)))?;
        }
        Ok(match &kept.native {
            Some(native) if native.bits_before > 0 => native.aligned(&source),
            Some(_) | None => source,
        })
    }
}

impl Kept {
    fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.length).sum()
    }
}

fn codec(syntax: &TransferSyntax, header: &DataSet) -> Option<Codec> {
    let codec = Codec::of(syntax.uid())?;
    let words = || {
        let pixels = header.element(tags::PIXEL_DATA);
        pixels.is_some_and(|element| element.vr == VR::OW)
    };
    Some(match codec {
        Codec::NativeBig if words() => Codec::NativeBigWords,
        codec => codec,
    })
}

fn native(header: &DataSet, codec: Codec, numbers: &[u32]) -> Result<Vec<Kept>, FrameError> {
    let image = Image::read(header, codec, 0)?;
    let count = ranges::frame_count(header);
    let (offset, length) = match header.element(tags::PIXEL_DATA).map(|all| &all.value) {
        Some(Value::Bulk(place)) => (place.offset, place.length.ok_or(DecodeError::Damaged)?),
        Some(_) | None => return Err(DecodeError::Damaged.into()),
    };
    // Bytes that are exchanged in pairs cannot be taken apart between them.
    let in_pairs = codec == Codec::NativeBigWords && image.bits_allocated <= 8;
    let mut kept = Vec::with_capacity(numbers.len());
    for number in numbers {
        let found = NativeFrame::find(&image, number - 1, count, length)?;
        let mut bytes = found.bytes.clone();
        if in_pairs {
            if bytes.start % 2 == 1 {
                return Err(DecodeError::Unsupported.into());
            }
            bytes.end = bytes.end.next_multiple_of(2).min(length);
        }
        kept.push(Kept {
            number: *number,
            ranges: vec![Range {
                offset: offset + bytes.start,
                length: bytes.end - bytes.start,
            }],
            native: Some(found),
        });
    }
    Ok(kept)
}
