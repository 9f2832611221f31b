//! Parts of pictures made black: uncompressed pixels row by row as they pass, compressed ones after a decoder has opened
//! them, and then written uncompressed.

use std::io::{self, Read, Write};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use tokio::runtime::Handle;

use super::fragments::{DELIMITER, ITEM};
use super::refusal::Refusal;
use super::regions::Rectangle;
use crate::dicom::dataset::DataSet;
use crate::dicom::scanner::ELEMENTS_MAX;
use crate::dicom::uid::Uid;
use crate::pixels::frames::{Offsets, begins_a_frame};
use crate::pixels::{Codec, DecodeError, Decoders, Image, Photometric, SOURCE_BYTES_MAX};
use crate::transcoding::header::describe_decoded;

/// Most frames of one object: a cine of an hour at thirty a second has 108,000.
const FRAMES_MAX: u64 = 1 << 20;

/// Pixels on their way through, parts of which are made black.
pub(super) struct Blanking<'a> {
    image: Image,
    frames: u64,
    parts: Vec<Rectangle>,
    coded: Option<Coded<'a>>,
}

/// What takes a decoder to be read.
struct Coded<'a> {
    decoders: &'a Decoders,
    /// From the header, if it tells where frames begin.
    extended: Option<Vec<u8>>,
}

impl<'a> Blanking<'a> {
    /// What is to be done with the pixels that this header describes, written in `syntax` in words (OW) or not, with
    /// so many bytes or in fragments.
    ///
    /// # Errors
    /// When these pixels cannot be blanked.
    pub(super) fn plan(
        header: &DataSet,
        syntax: &Uid,
        (vr, length): (VR, Option<u64>),
        parts: Vec<Rectangle>,
        decoders: &'a Decoders,
    ) -> Result<Blanking<'a>, Refusal> {
        let codec = match Codec::of(syntax).ok_or(DecodeError::Unsupported)? {
            Codec::NativeBig if vr == VR::OW => Codec::NativeBigWords,
            codec => codec,
        };
        let image = Image::read(header, codec, 0)?;
        image.check().map_err(DecodeError::from)?;
        let frames = header.code(tags::NUMBER_OF_FRAMES);
        let frames = if frames.is_empty() {
            Some(1)
        } else {
            frames.parse::<u64>().ok()
        };
        let frames = frames.filter(|frames| (1..=FRAMES_MAX).contains(frames));
        let frames = frames.ok_or(DecodeError::Description)?;
        // Pixels of one bit do not begin at bytes.
        if image.bits_allocated < 8 || codec.is_encapsulated() != length.is_none() {
            return Err(DecodeError::Unsupported.into());
        }
        let whole = image.native_bits() / 8 * frames;
        if length.is_some_and(|length| length < whole) {
            return Err(DecodeError::Damaged.into());
        }
        let is_plain =
            codec == Codec::NativeLittle && image.native_bits() / 8 == image.frame_bytes();
        let coded = (!is_plain).then(|| Coded {
            decoders,
            extended: header
                .bytes(tags::EXTENDED_OFFSET_TABLE)
                .map(<[u8]>::to_vec),
        });
        Ok(Blanking {
            image,
            frames,
            parts,
            coded,
        })
    }

    /// Whether the pixels come out decoded: then the object is in another transfer syntax.
    pub(super) fn decodes(&self) -> bool {
        self.coded.is_some()
    }

    /// How the pixels are written when they come out decoded.
    pub(super) fn vr(&self) -> VR {
        match self.image.bits_allocated > 8 {
            true => VR::OW,
            false => VR::OB,
        }
    }

    /// Bytes of the value that is written, with its padding; none when no element holds so many.
    pub(super) fn length(&self) -> Option<u64> {
        let length = self.image.frame_bytes().checked_mul(self.frames)?;
        let length = length.next_multiple_of(2);
        (length < u64::from(u32::MAX)).then_some(length)
    }

    /// Says in the header what a decoder makes of the image.
    pub(super) fn describe(&self, header: &mut DataSet, syntax: &Uid) {
        describe_decoded(header, &self.image, syntax);
    }

    /// Writes the pixels, which come from `source`. Blocks.
    ///
    /// # Errors
    /// When they break off, or cannot be decoded.
    pub(super) fn write(&self, source: &mut dyn Read, out: &mut dyn Write) -> Result<(), Refusal> {
        match &self.coded {
            None => {
                (0..self.frames).try_for_each(|_| self.frame(source, self.image.planar, out))?
            }
            Some(coded) if self.image.codec.is_encapsulated() => {
                self.decoded(source, coded, out)?
            }
            Some(coded) => {
                let bytes = self.image.native_bits() / 8;
                for _ in 0..self.frames {
                    let mut kept = Vec::new();
                    source.take(bytes).read_to_end(&mut kept)?;
                    self.decode(&kept, coded.decoders, out)?;
                }
            }
        }
        let length = self.image.frame_bytes() * self.frames;
        if length % 2 == 1 {
            out.write_all(&[0])?;
        }
        Ok(())
    }

    fn decoded(
        &self,
        source: &mut dyn Read,
        coded: &Coded<'_>,
        out: &mut dyn Write,
    ) -> Result<(), Refusal> {
        let each = matches!(self.image.codec, Codec::Rle | Codec::Deflate);
        let mut runs = Runs::begin(source, coded.extended.as_deref(), (each, self.frames == 1))?;
        for _ in 0..self.frames {
            let kept = runs.next()?.ok_or(DecodeError::Damaged)?;
            self.decode(&kept, coded.decoders, out)?;
        }
        match runs.next()? {
            // Whatever it is, nobody would see it.
            Some(_) => Err(Refusal::PixelsTooLong),
            None => Ok(()),
        }
    }

    fn decode(&self, kept: &[u8], decoders: &Decoders, out: &mut dyn Write) -> Result<(), Refusal> {
        let runtime = Handle::try_current().map_err(|_| DecodeError::Unavailable)?;
        let frame = runtime.block_on(decoders.frame(&self.image, kept))?;
        Ok(self.frame(&mut frame.bytes.as_slice(), false, out)?)
    }

    /// Passes one uncompressed frame on, row by row.
    fn frame(&self, source: &mut dyn Read, planar: bool, out: &mut dyn Write) -> io::Result<()> {
        let black = self.black();
        let planes: Vec<Vec<u8>> = match planar {
            true => black,
            false => vec![black.concat()],
        };
        for pixel in planes {
            let mut bytes = vec![0; usize::from(self.image.columns) * pixel.len()];
            for row in 0..self.image.rows {
                source.read_exact(&mut bytes)?;
                for part in self.parts.iter().filter(|part| part.has_row(row)) {
                    let columns = part.columns();
                    let bytes = bytes.chunks_exact_mut(pixel.len());
                    let covered = bytes.skip(columns.start).take(columns.len());
                    covered.for_each(|place| place.copy_from_slice(&pixel));
                }
                out.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// The samples of a black pixel, each in its allocated bits, little endian.
    fn black(&self) -> Vec<Vec<u8>> {
        let stored = u32::from(self.image.bits_stored);
        let (least, most) = match self.image.signed {
            true => (-(1_i64 << (stored - 1)), (1_i64 << (stored - 1)) - 1),
            false => (0, (1_i64 << stored) - 1),
        };
        let middle = 1_i64 << (stored - 1);
        let values = match self.image.photometric.decoded() {
            Photometric::Monochrome1 => vec![most],
            Photometric::Monochrome2 => vec![least],
            Photometric::Palette => vec![0],
            Photometric::Rgb => vec![0; 3],
            _ => vec![0, middle, middle],
        };
        let bytes = self.image.sample_bytes();
        let sample = |value: i64| value.to_le_bytes()[..bytes].to_vec();
        values.into_iter().map(sample).collect()
    }
}

impl Rectangle {
    fn has_row(&self, row: u16) -> bool {
        row >= self.top && row - self.top < self.height
    }

    fn columns(&self) -> std::ops::Range<usize> {
        let left = usize::from(self.left);
        left..left + usize::from(self.width)
    }
}

/// Fragments, put together to the frames that they make.
struct Runs<'a> {
    source: &'a mut dyn Read,
    /// Where frames begin, from the first fragment's item; none: by the fragments themselves.
    table: Option<Vec<u64>>,
    /// Each fragment is a frame.
    each: bool,
    /// All are one frame.
    single: bool,
    /// Where the next fragment's item lies, and how many there were.
    at: u64,
    count: u32,
    ahead: Option<Vec<u8>>,
}

impl<'a> Runs<'a> {
    fn begin(
        source: &'a mut dyn Read,
        extended: Option<&[u8]>,
        (each, single): (bool, bool),
    ) -> Result<Runs<'a>, Refusal> {
        let mut runs = Runs {
            source,
            table: None,
            each,
            single,
            at: 0,
            count: 0,
            ahead: None,
        };
        let basic = runs.item()?.ok_or(DecodeError::Damaged)?;
        let basic = match Offsets::basic(&basic) {
            Offsets::Basic(table) => Some(table.into_iter().map(u64::from).collect()),
            _ => None,
        };
        let extended = extended.and_then(|extended| match Offsets::extended(extended) {
            Offsets::Extended(table) => Some(table),
            _ => None,
        });
        (runs.table, runs.at) = (basic.or(extended), 0);
        runs.ahead = runs.item()?;
        Ok(runs)
    }

    /// The bytes of the next frame; none behind the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(mut frame) = self.ahead.take() else {
            return Ok(None);
        };
        loop {
            let at = self.at;
            let Some(more) = self.item()? else {
                return Ok(Some(frame));
            };
            let begins = !self.single
                && match &self.table {
                    _ if self.each => true,
                    Some(table) => table.contains(&at),
                    None => begins_a_frame(&more),
                };
            if begins {
                self.ahead = Some(more);
                return Ok(Some(frame));
            }
            if (frame.len() + more.len()) as u64 > SOURCE_BYTES_MAX {
                return Err(DecodeError::TooLarge.into());
            }
            frame.extend(more);
        }
    }

    /// The content of the next item; none at the end.
    fn item(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let mut head = [0; 8];
        self.source.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        match [head[0], head[1], head[2], head[3]] {
            DELIMITER => return Ok(None),
            ITEM if u64::from(length) <= SOURCE_BYTES_MAX && self.count < ELEMENTS_MAX => {}
            _ => return Err(DecodeError::Damaged.into()),
        }
        self.count += 1;
        self.at += 8 + u64::from(length);
        let mut content = Vec::new();
        let mut rest = (&mut self.source).take(u64::from(length));
        rest.read_to_end(&mut content)?;
        match content.len() as u64 == u64::from(length) {
            true => Ok(Some(content)),
            false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: &[u8]) -> Vec<u8> {
        let length = (bytes.len() as u32).to_le_bytes();
        [&ITEM[..], &length, bytes].concat()
    }

    fn frames(items: &[Vec<u8>], form: (bool, bool)) -> Option<Vec<Vec<u8>>> {
        let mut bytes = items.concat();
        bytes.extend([&DELIMITER[..], &[0; 4]].concat());
        let mut source = bytes.as_slice();
        let mut runs = Runs::begin(&mut source, None, form).ok()?;
        let mut found = Vec::new();
        while let Some(frame) = runs.next().ok()? {
            found.push(frame);
        }
        Some(found)
    }

    #[test]
    fn fragments_are_put_together_to_frames() {
        let (one, more, two) = (
            b"\xFF\xD8\xFFa".to_vec(),
            b"bb".to_vec(),
            b"\xFF\xD8\xFFc".to_vec(),
        );
        let all = [item(&one), item(&more), item(&two)];
        let with = |table: &[u8]| [&[item(table)], &all[..]].concat();
        let (joined, whole) = ([&one[..], &more].concat(), [&one[..], &more, &two].concat());
        let expected = vec![joined.clone(), two.clone()];
        assert_eq!(frames(&with(b""), (false, false)), Some(expected.clone()));
        let table = [0_u32.to_le_bytes(), 22_u32.to_le_bytes()].concat();
        assert_eq!(frames(&with(&table), (false, false)), Some(expected));
        assert_eq!(frames(&with(b""), (false, true)), Some(vec![whole]));
        assert_eq!(
            frames(&with(b""), (true, false)),
            Some(vec![one, more, two])
        );
    }

    #[test]
    fn what_breaks_off_is_no_run() {
        let mut cut = item(b"");
        cut.extend(&item(b"abcdef")[..10]);
        let mut source = cut.as_slice();
        assert!(Runs::begin(&mut source, None, (true, false)).is_err());
        let mut nothing: &[u8] = b"";
        assert!(Runs::begin(&mut nothing, None, (true, false)).is_err());
    }
}
