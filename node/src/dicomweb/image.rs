//! Frames of one object as a decoder wants them: what they are, and their bytes, one frame at a time.

use std::borrow::Cow;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::answer::Refusal;
use super::headed::Headed;
use super::ranges::{self, Plain, Range, RangeError, Ranges};
use super::retrieve::{lost, open};
use crate::dicom::dataset::{DataSet, Value};
use crate::dicom::scanner::Encoding;
use crate::index::holdings::{Holdings, Instance};
use crate::pixels::frames::NativeFrame;
use crate::pixels::{Attributes, Codec, DecodeError, Image, Place, SOURCE_BYTES_MAX};

/// Why there is no frame.
pub(super) enum NoFrame {
    /// The object has no pixel data.
    NoImage,
    /// It has, but this frame cannot be decoded.
    Undecodable(DecodeError),
    /// It cannot be read.
    Refused(Refusal),
}

impl From<DecodeError> for NoFrame {
    fn from(error: DecodeError) -> NoFrame {
        NoFrame::Undecodable(error)
    }
}

impl From<RangeError> for NoFrame {
    fn from(error: RangeError) -> NoFrame {
        match error {
            RangeError::None => NoFrame::Undecodable(DecodeError::NoFrame),
            RangeError::Contradiction | RangeError::InsideByte => {
                NoFrame::Undecodable(DecodeError::Damaged)
            }
            RangeError::Unreadable(error) => {
                tracing::error!(target: "dokuei::web", "an object cannot be read: {error}");
                NoFrame::Refused(Refusal::failed())
            }
        }
    }
}

/// The frames of an object that were asked for.
pub(super) struct Frames {
    holdings: Holdings,
    instance: Instance,
    encoding: Encoding,
    codec: Codec,
    header: DataSet,
    kept: Vec<Kept>,
    /// Where the reading stands; none before the first frame.
    plain: Option<Plain<'static>>,
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
    /// Finds frames, each counted from 1.
    ///
    /// # Errors
    /// [`NoFrame`].
    pub(super) fn find(
        (holdings, instance): (&Holdings, &Instance),
        headed: Headed,
        numbers: &[u32],
    ) -> Result<Frames, NoFrame> {
        if headed.header.element(tags::PIXEL_DATA).is_none() {
            return Err(match ranges::pixels(&headed.header) {
                None => NoFrame::NoImage,
                // In floating point.
                Some(_) => DecodeError::Unsupported.into(),
            });
        }
        let codec = codec(&headed).ok_or(DecodeError::Unsupported)?;
        let encoding = headed.encoding();
        let Headed {
            header, mut plain, ..
        } = headed;
        let kept = match codec.is_encapsulated() {
            true => {
                let found = ranges::frames(&mut plain, &header, Some(numbers))?;
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
            holdings: holdings.clone(),
            instance: instance.clone(),
            encoding,
            codec,
            header,
            kept,
            plain: None,
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.kept.len()
    }

    /// The number, from 1 on, of the frame at this place.
    pub(super) fn number(&self, at: usize) -> Option<u32> {
        self.kept.get(at).map(|kept| kept.number)
    }

    /// Most bytes of one of them as it is kept.
    pub(super) fn longest(&self) -> u64 {
        let lengths = self.kept.iter().map(Kept::bytes);
        lengths.max().unwrap_or(0)
    }

    /// What a decoder must know of the frame at this place.
    pub(super) fn image(&self, at: usize) -> Result<Image, DecodeError> {
        let number = self.number(at).ok_or(DecodeError::NoFrame)?;
        Image::read(&self.header, self.codec, number - 1)
    }

    /// The bytes of the frame at this place. Blocks.
    pub(super) fn source(&mut self, at: usize) -> Result<Vec<u8>, NoFrame> {
        let kept = self.kept.get(at).ok_or(DecodeError::NoFrame)?;
        let bytes = kept.bytes();
        if bytes > SOURCE_BYTES_MAX {
            return Err(DecodeError::TooLarge.into());
        }
        let begin = kept.ranges.first().map_or(0, |range| range.offset);
        let plain = match self.plain.take() {
            Some(plain) if plain.position() <= begin => plain,
            Some(_) | None => self.opened()?,
        };
        let plain = self.plain.insert(plain);
        let mut source = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        for range in &kept.ranges {
            let copied = plain.copy(*range, 1, &mut source);
            copied.map_err(|error| NoFrame::from(RangeError::from(error)))?;
        }
        Ok(match &kept.native {
            Some(native) if native.bits_before > 0 => native.aligned(&source),
            Some(_) | None => source,
        })
    }

    fn opened(&self) -> Result<Plain<'static>, NoFrame> {
        let opened = open(&self.holdings, &self.instance);
        let opened = opened.map_err(|error| NoFrame::Refused(lost(&error)))?;
        let opened = opened.ok_or_else(|| NoFrame::Refused(Refusal::not_found()))?;
        Ok(Plain::of(opened.data_set, self.encoding))
    }
}

impl Kept {
    fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.length).sum()
    }
}

fn codec(headed: &Headed) -> Option<Codec> {
    let codec = Codec::of(headed.syntax.uid())?;
    let words = || {
        let pixels = headed.header.element(tags::PIXEL_DATA);
        pixels.is_some_and(|element| element.vr == VR::OW)
    };
    Some(match codec {
        Codec::NativeBig if words() => Codec::NativeBigWords,
        codec => codec,
    })
}

fn native(header: &DataSet, codec: Codec, numbers: &[u32]) -> Result<Vec<Kept>, NoFrame> {
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
