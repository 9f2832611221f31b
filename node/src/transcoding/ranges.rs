//! Which bytes of a data set are asked for, and streaming them: frames and long values. Nothing is decoded.

#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::time::Instant;

use dicom_dictionary_std::tags;
use flate2::read::DeflateDecoder;

use crate::dicom::dataset::{Bounds, Bulk, DataSet, ReadError, Value, read};
use crate::dicom::scanner::{Encoding, INFLATED_BYTES_MAX};
use crate::parcels::OpenedObject;
use crate::pixels::DecodeError;
use crate::pixels::frames::{FRAGMENTS_MAX, Offsets, begins_a_frame, fragments};

/// Item head of a fragment (PS3.5 section A.4).
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
const DELIMITER: [u8; 4] = [0xFE, 0xFF, 0xDD, 0xE0];
/// Bytes copied at a time.
const PIECE: usize = 128 * 1024;

/// Bytes of a data set, from an offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Bytes that are one frame, or one value.
pub(crate) type Ranges = Vec<Range>;

/// Why no bytes can be named.
#[derive(Debug)]
pub(crate) enum RangeError {
    /// The object has no pixel data, or not so many frames.
    None,
    /// The object's description and its pixel data do not go together.
    Contradiction,
    /// A frame begins inside a byte.
    InsideByte,
    /// It cannot be read.
    Unreadable(ReadError),
}

impl From<ReadError> for RangeError {
    fn from(error: ReadError) -> RangeError {
        RangeError::Unreadable(error)
    }
}

impl From<io::Error> for RangeError {
    fn from(error: io::Error) -> RangeError {
        RangeError::Unreadable(error.into())
    }
}

/// A data set as it is read: inflated, when it is deflated, and with its position.
pub(crate) struct Plain<'a> {
    source: Source<'a>,
    encoding: Encoding,
    position: u64,
    until: Option<Instant>,
}

enum Source<'a> {
    /// A sealed object, of which parts are passed over without being opened.
    Sealed(Box<OpenedObject>),
    /// What is read from its beginning to its end.
    Stream(Box<dyn Read + Send + 'a>),
}

impl<'a> Plain<'a> {
    /// Reads a data set of this encoding from its first byte.
    pub(crate) fn new(source: impl Read + Send + 'a, encoding: Encoding) -> Plain<'a> {
        let source: Box<dyn Read + Send + 'a> = match encoding {
            Encoding::DeflatedExplicitLittle => {
                Box::new(DeflateDecoder::new(source).take(INFLATED_BYTES_MAX))
            }
            Encoding::ImplicitLittle | Encoding::ExplicitLittle | Encoding::ExplicitBig => {
                Box::new(source)
            }
        };
        Plain {
            source: Source::Stream(source),
            encoding,
            position: 0,
            until: None,
        }
    }

    /// Reads the data set of a sealed object, whose head was read.
    pub(crate) fn of(object: OpenedObject, encoding: Encoding) -> Plain<'a> {
        match encoding {
            Encoding::DeflatedExplicitLittle => Plain::new(object, encoding),
            Encoding::ImplicitLittle | Encoding::ExplicitLittle | Encoding::ExplicitBig => Plain {
                source: Source::Sealed(Box::new(object)),
                encoding,
                position: 0,
                until: None,
            },
        }
    }

    /// The same, of which nothing is read any more after this time: that fails as [`io::ErrorKind::TimedOut`].
    #[must_use]
    pub(crate) fn by(self, until: Instant) -> Plain<'a> {
        let until = Some(until);
        Plain { until, ..self }
    }

    /// Reads what stands before the pixel data; the next byte is the first of its value.
    pub(crate) fn header(
        &mut self,
        encoding: Encoding,
        bounds: &Bounds,
    ) -> Result<DataSet, ReadError> {
        let inside = match encoding {
            Encoding::DeflatedExplicitLittle => Encoding::ExplicitLittle,
            plain => plain,
        };
        read(self, inside, bounds)
    }

    /// Copies a range that is not before the position to `out`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for one that is; else as reading and writing.
    pub(crate) fn copy(
        &mut self,
        range: Range,
        swap: usize,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let before = range.offset.checked_sub(self.position);
        self.skip(before.ok_or(io::ErrorKind::InvalidInput)?)?;
        let mut piece = vec![0; PIECE];
        let mut left = range.length;
        while left > 0 {
            // A piece holds whole numbers of any width.
            let count = left.min(PIECE as u64) as usize;
            self.read_exact(&mut piece[..count])?;
            if swap > 1 {
                let numbers = piece[..count].chunks_exact_mut(swap);
                numbers.for_each(|number| number.reverse());
            }
            out.write_all(&piece[..count])?;
            left -= count as u64;
        }
        Ok(())
    }

    /// How it is written.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Where the next byte stands.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        if let Source::Sealed(object) = &mut self.source {
            object.skip(count)?;
            self.position += count;
            return Ok(());
        }
        let skipped = io::copy(&mut self.by_ref().take(count), &mut io::sink())?;
        match skipped == count {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Read for Plain<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.until.is_some_and(|until| Instant::now() > until) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = match &mut self.source {
            Source::Sealed(object) => object.read(out)?,
            Source::Stream(stream) => stream.read(out)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}

/// The pixel data of a header.
pub(crate) fn pixels(header: &DataSet) -> Option<Bulk> {
    let of_pixels = [
        tags::PIXEL_DATA,
        tags::FLOAT_PIXEL_DATA,
        tags::DOUBLE_FLOAT_PIXEL_DATA,
    ];
    let element = of_pixels.iter().find_map(|tag| header.element(*tag))?;
    match element.value {
        Value::Bulk(place) => Some(place),
        Value::Bytes(_) | Value::Items(_) => None,
    }
}

/// Number of frames, as the header says.
pub(crate) fn frame_count(header: &DataSet) -> u32 {
    let said = header.code(tags::NUMBER_OF_FRAMES).parse();
    said.ok().filter(|count| *count > 0).unwrap_or(1)
}

/// The numbers of all frames, from 1 on.
///
/// # Errors
/// [`DecodeError::TooLarge`] when the header tells of more than there can be fragments.
pub(crate) fn all_frames(header: &DataSet) -> Result<Vec<u32>, DecodeError> {
    let count = frame_count(header);
    match count as usize <= FRAGMENTS_MAX {
        true => Ok((1..=count).collect()),
        false => Err(DecodeError::TooLarge),
    }
}

/// Where the wanted frames lie, each counted from 1; `plain` stands at the first byte of the pixel data. No number: all.
///
/// # Errors
/// [`RangeError`].
pub(crate) fn frames(
    plain: &mut Plain<'_>,
    header: &DataSet,
    wanted: Option<&[u32]>,
) -> Result<Vec<Ranges>, RangeError> {
    let place = pixels(header).ok_or(RangeError::None)?;
    let count = frame_count(header);
    let all: Vec<u32>;
    let wanted = match wanted {
        Some(wanted) => wanted,
        None => {
            all = all_frames(header).map_err(|_| RangeError::Contradiction)?;
            &all
        }
    };
    if wanted.iter().any(|number| *number > count) {
        return Err(RangeError::None);
    }
    match place.length {
        Some(length) => {
            let frame = |number: &u32| native(header, place.offset, length, *number);
            wanted.iter().map(frame).collect()
        }
        None => {
            let fragments = Fragments::read(plain)?;
            fragments.frames(header, wanted, count)
        }
    }
}

/// A frame of native pixel data (PS3.5 section 8.1).
fn native(header: &DataSet, begin: u64, length: u64, number: u32) -> Result<Ranges, RangeError> {
    let short = |tag| header.short(tag).map(u64::from);
    let needed = |tag| short(tag).ok_or(RangeError::Contradiction);
    // Half samples: colour may be kept for every second pixel (PS3.3 section C.7.6.3.1.2).
    let half_samples = match header.code(tags::PHOTOMETRIC_INTERPRETATION) {
        "YBR_FULL_422" | "YBR_PARTIAL_422" => 4,
        "YBR_PARTIAL_420" => 3,
        _ => 2 * short(tags::SAMPLES_PER_PIXEL).unwrap_or(1),
    };
    let (rows, columns) = (needed(tags::ROWS)?, needed(tags::COLUMNS)?);
    let bits = rows * columns * needed(tags::BITS_ALLOCATED)?;
    let bits = bits
        .checked_mul(half_samples)
        .ok_or(RangeError::Contradiction)?
        / 2;
    if bits % 8 != 0 {
        return Err(RangeError::InsideByte);
    }
    let bytes = bits / 8;
    let offset = bytes.checked_mul(u64::from(number - 1));
    let fits = |offset: &u64| offset.checked_add(bytes).is_some_and(|end| end <= length);
    let offset = offset.filter(|offset| bytes > 0 && fits(offset));
    let offset = offset.ok_or(RangeError::Contradiction)?;
    Ok(vec![Range {
        offset: begin + offset,
        length: bytes,
    }])
}

/// The fragments of encapsulated pixel data (PS3.5 section A.4).
#[derive(Default)]
struct Fragments {
    /// The value of the Basic Offset Table.
    table: Vec<u8>,
    /// Where their contents begin, and how long they are.
    offsets: Vec<u64>,
    lengths: Vec<u32>,
    /// Which of them begin like a compressed image.
    begins: Vec<bool>,
}

impl Fragments {
    fn read(plain: &mut Plain<'_>) -> Result<Fragments, RangeError> {
        let mut fragments = Fragments::default();
        let mut is_table = true;
        loop {
            let mut head = [0; 8];
            plain.read_exact(&mut head)?;
            let [a, b, c, d, length @ ..] = head;
            let length = u32::from_le_bytes(length);
            match [a, b, c, d] {
                DELIMITER => return Ok(fragments),
                ITEM if fragments.lengths.len() < FRAGMENTS_MAX => {}
                _ => return Err(RangeError::Contradiction),
            }
            if std::mem::take(&mut is_table) {
                // Four bytes for each frame, of which there are no more than fragments.
                if length as usize > 4 * FRAGMENTS_MAX {
                    return Err(RangeError::Contradiction);
                }
                let mut value = plain.by_ref().take(u64::from(length));
                value.read_to_end(&mut fragments.table)?;
                continue;
            }
            fragments.offsets.push(plain.position());
            fragments.lengths.push(length);
            let mut first = [0; 3];
            let seen = length.min(3) as usize;
            plain.read_exact(&mut first[..seen])?;
            fragments.begins.push(begins_a_frame(&first));
            plain.skip(u64::from(length) - seen as u64)?;
        }
    }

    /// The fragments of the wanted frames, counted from 1.
    fn frames(
        &self,
        header: &DataSet,
        wanted: &[u32],
        count: u32,
    ) -> Result<Vec<Ranges>, RangeError> {
        let extended = header.bytes(tags::EXTENDED_OFFSET_TABLE);
        let table = match extended.filter(|table| !table.is_empty()) {
            Some(extended) => Offsets::extended(extended),
            None => Offsets::basic(&self.table),
        };
        let begins = |at: usize| self.begins[at];
        let found = fragments(&self.lengths, &table, count, begins);
        let found = found.map_err(|_| RangeError::Contradiction)?;
        let place = |at: usize| Range {
            offset: self.offsets[at],
            length: u64::from(self.lengths[at]),
        };
        let frame = |number: &u32| {
            let of_frame = found.get(*number as usize - 1);
            of_frame.map(|all| all.clone().map(place).collect())
        };
        let frames = wanted.iter().map(frame);
        frames.collect::<Option<_>>().ok_or(RangeError::None)
    }
}

/// In which groups the bytes of native pixels are turned around to be little endian; 1: not at all.
pub(crate) fn swap_width(header: &DataSet, encoding: Encoding) -> usize {
    let words = header
        .element(tags::PIXEL_DATA)
        .is_some_and(|element| element.vr == dicom_core::VR::OW);
    match (encoding, header.short(tags::BITS_ALLOCATED)) {
        (Encoding::ExplicitBig, Some(bits @ (16 | 32 | 64))) => usize::from(bits / 8),
        (Encoding::ExplicitBig, _) if words => 2,
        _ => 1,
    }
}
