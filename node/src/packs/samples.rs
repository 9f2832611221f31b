//! Where the samples of an object lie, and how they are laid out, as far as compressing them asks: only a hint, since any
//! bytes come back as they went whatever a header says of them.

use std::io::{self, Read};
use std::ops::Range;

use dicom_dictionary_std::tags;
use dokuei_compression::Layout;

use crate::dicom::dataset::{Bounds, DataSet, ReadError};
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::uid::Uid;
use crate::packs::content::Kind;
use crate::parcels::ObjectHead;
use crate::transcoding::ranges::{self, Plain};

/// Bounds of a header that is read for this. An object with a longer one is compressed as bytes.
const BOUNDS: Bounds = Bounds {
    kept_bytes: 8 * 1024 * 1024,
    bulk_from: 64,
    ..Bounds::HEADER
};

/// The samples of one object.
#[derive(Clone)]
pub(super) struct Place {
    /// Their bytes in the object as it was sealed; to its end, where nobody says how many there are.
    range: Range<u64>,
    kind: Kind,
}

impl Place {
    /// Finds the samples of an object of `whole` bytes; none when it is none of DICOM, has none, or they are nothing to take
    /// apart.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of(mut object: impl Read + Send, whole: u64) -> io::Result<Option<Place>> {
        let Some(head) = ObjectHead::read(&mut object)? else {
            return Ok(None);
        };
        let Ok(syntax) = Uid::parse(head.transfer_syntax.as_bytes()).map(TransferSyntax::from)
        else {
            return Ok(None);
        };
        let encoding = syntax.encoding();
        let begins = head.to_bytes().len() as u64;
        let header = match Plain::new(object, encoding).header(encoding, &BOUNDS) {
            Ok(header) => header,
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Malformed(_) | ReadError::TooLarge) => return Ok(None),
        };
        Ok(place(&header, encoding, begins, whole))
    }

    /// The samples in a piece of the object that begins at `offset` and has `length` bytes, whole ones only.
    pub(super) fn within(&self, offset: u64, length: u64) -> Option<(Range<usize>, Kind)> {
        let sample = match &self.kind {
            Kind::Native(layout) => u64::from(layout.bytes) * u64::from(layout.colours),
            Kind::Compressed => 1,
        };
        let from_first = |at: u64| at - self.range.start;
        let start = self.range.start.max(offset);
        let start = self.range.start + from_first(start).next_multiple_of(sample);
        let end = self.range.end.min(offset + length);
        let count = end.checked_sub(start)? / sample * sample;
        let start = (start - offset) as usize;
        (count > 0).then(|| (start..start + count as usize, self.kind.clone()))
    }
}

fn place(header: &DataSet, encoding: Encoding, begins: u64, whole: u64) -> Option<Place> {
    if encoding == Encoding::DeflatedExplicitLittle {
        // Positions are those after inflation, and there is nothing to gain.
        return Some(Place {
            range: begins..whole,
            kind: Kind::Compressed,
        });
    }
    let pixels = ranges::pixels(header)?;
    let start = begins.checked_add(pixels.offset)?;
    let Some(length) = pixels.length else {
        return Some(Place {
            range: start..whole,
            kind: Kind::Compressed,
        });
    };
    let end = start.checked_add(length).filter(|end| *end <= whole)?;
    layout(header, encoding).map(|layout| Place {
        range: start..end,
        kind: Kind::Native(layout),
    })
}

/// How uncompressed samples are laid out (PS3.3 §C.7.6.3); none where they are neither bytes nor words.
fn layout(header: &DataSet, encoding: Encoding) -> Option<Layout> {
    let bytes = match header.short(tags::BITS_ALLOCATED)? {
        8 => 1,
        16 => 2,
        _ => return None,
    };
    let width = u32::from(header.short(tags::COLUMNS)?);
    let rows = u32::from(header.short(tags::ROWS)?);
    let is_planar = header.short(tags::PLANAR_CONFIGURATION) == Some(1);
    let (colours, rows) = match header.short(tags::SAMPLES_PER_PIXEL) {
        Some(3) if header.code(tags::PHOTOMETRIC_INTERPRETATION).contains("42") => return None,
        Some(3) if is_planar => (1, rows * 3),
        Some(3) => (3, rows),
        Some(1) | None => (1, rows),
        Some(_) => return None,
    };
    (width > 0 && rows > 0).then_some(Layout {
        width,
        rows,
        bytes,
        colours,
        is_signed: header.short(tags::PIXEL_REPRESENTATION) == Some(1),
        is_big_endian: bytes == 2 && encoding == Encoding::ExplicitBig,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(range: Range<u64>, bytes: u8) -> Place {
        let layout = Layout {
            width: 4,
            rows: 4,
            bytes,
            colours: 1,
            is_signed: false,
            is_big_endian: false,
        };
        Place {
            range,
            kind: Kind::Native(layout),
        }
    }

    #[test]
    fn a_piece_has_the_whole_samples_that_lie_in_it() {
        let place = native(101..141, 2);
        let within = |offset, length| {
            let found = place.within(offset, length);
            found.map(|(range, _)| range)
        };
        assert_eq!(within(0, 200), Some(101..141));
        assert_eq!(within(0, 110), Some(101..109));
        assert_eq!(within(110, 20), Some(1..19));
        assert_eq!(within(140, 50), None);
        assert_eq!(within(0, 101), None);
        assert_eq!(within(0, 102), None);
        assert_eq!(within(141, 10), None);
    }
}
