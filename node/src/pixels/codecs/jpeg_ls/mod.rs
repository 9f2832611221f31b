//! JPEG-LS (ITU-T T.87), lossless and near-lossless, all three interleavings. Ours, because no kept crate in
//! Rust decodes colour; its answers are compared bit by bit with those of CharLS.

mod bits;
mod model;
mod scan;

use super::Writer;
use crate::pixels::error::DecodeError;
use crate::pixels::image::Image;
use model::Presets;
use scan::Scan;

/// What the frame header says, after it was found to be the image that was announced.
struct Frame {
    precision: u8,
    components: usize,
}

/// Decodes a frame.
pub(super) fn decode(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut rest = source
        .strip_prefix(&[0xFF, 0xD8])
        .ok_or(DecodeError::Damaged)?;
    let (rows, columns) = (usize::from(image.rows), usize::from(image.columns));
    let mut frame = None;
    let mut presets = Presets::default();
    let mut samples: Vec<u16> = Vec::new();
    let mut decoded = 0;
    // Every turn takes bytes away.
    while frame
        .as_ref()
        .is_none_or(|frame: &Frame| decoded < frame.components)
    {
        let (marker, segment, after) = segment(rest).ok_or(DecodeError::Damaged)?;
        rest = after;
        match marker {
            0xF7 if frame.is_none() => {
                let read = frame_header(image, segment)?;
                samples = vec![0; rows * columns * read.components];
                frame = Some(read);
            }
            0xF8 => presets = Presets::read(segment)?,
            0xDA => {
                let frame = frame.as_ref().ok_or(DecodeError::Damaged)?;
                let mut scan = Scan::new(segment, frame.precision, &presets, columns)?;
                let places = decoded..decoded + scan.components();
                if places.end > frame.components {
                    return Err(DecodeError::Damaged);
                }
                decoded = places.end;
                let read = scan.decode(rest, rows, |row, column, component, value| {
                    let place = places.start + component;
                    let at = (row * columns + column) * frame.components + place;
                    if let Some(sample) = samples.get_mut(at) {
                        *sample = value;
                    }
                })?;
                rest = rest.get(read..).unwrap_or_default();
            }
            // A restart interval, and Hewlett-Packard's colour transforms: neither is used in DICOM.
            0xDD => return Err(DecodeError::Unsupported),
            0xE8 if segment.starts_with(b"mrfx") && segment.get(4) != Some(&0) => {
                return Err(DecodeError::Unsupported);
            }
            0xC4 | 0xFE | 0xE0..=0xEF => {}
            _ => return Err(DecodeError::Damaged),
        }
    }
    let precision = frame.map_or(0, |frame| u32::from(frame.precision));
    let mut writer = Writer::new(image, precision, false)?;
    samples
        .iter()
        .for_each(|sample| writer.put((*sample).into()));
    Ok(writer.finish())
}

/// The next marker, its segment, and what comes behind it.
fn segment(rest: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    // Fill bytes and the stuffing behind a scan come before a marker.
    let at = rest
        .windows(2)
        .position(|pair| pair[0] == 0xFF && pair[1] >= 0x80 && pair[1] != 0xFF)?;
    let (head, after) = rest.get(at + 1..)?.split_first()?;
    let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
    let (segment, after) = after.split_at_checked(length)?;
    Some((*head, segment.get(2..)?, after))
}

fn frame_header(image: &Image, segment: &[u8]) -> Result<Frame, DecodeError> {
    let [precision, row, row2, column, column2, components, ..] = *segment else {
        return Err(DecodeError::Damaged);
    };
    let announced = (image.rows, image.columns, image.samples);
    let (rows, columns) = (
        u16::from_be_bytes([row, row2]),
        u16::from_be_bytes([column, column2]),
    );
    let sound = (2..=16).contains(&precision) && announced == (rows, columns, components);
    match sound {
        true => Ok(Frame {
            precision,
            components: components.into(),
        }),
        false => Err(DecodeError::Damaged),
    }
}
