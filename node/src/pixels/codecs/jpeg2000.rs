//! JPEG 2000 and High-Throughput JPEG 2000 (ITU-T T.800, T.814), by a port of OpenJPEG to Rust.

use jpeg2k::DecodeParameters;

use super::Writer;
use crate::pixels::error::DecodeError;
use crate::pixels::image::Image;

/// Bytes of a code stream before its number of components: SOC, then SIZ (ITU-T T.800 §A.5.1).
const SIZ_BYTES: usize = 42;

/// Decodes a frame.
pub(super) fn decode(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let stream = code_stream(source).ok_or(DecodeError::Damaged)?;
    if size(stream)
        != Some((
            u32::from(image.columns),
            u32::from(image.rows),
            image.samples.into(),
        ))
    {
        return Err(DecodeError::Damaged);
    }
    let parameters = DecodeParameters::new().strict(true).ignore_pclr_cmap_cdef();
    let decoded = jpeg2k::Image::from_bytes_with(stream, parameters);
    let decoded = decoded.map_err(|_| DecodeError::Damaged)?;
    let components = decoded.components();
    let pixels = usize::try_from(image.pixels()).map_err(|_| DecodeError::TooLarge)?;
    let first = components.first().ok_or(DecodeError::Damaged)?;
    let alike = components.iter().all(|component| {
        component.width() == u32::from(image.columns)
            && component.height() == u32::from(image.rows)
            && component.precision() == first.precision()
            && component.is_signed() == first.is_signed()
    });
    if !alike || components.len() != usize::from(image.samples) {
        return Err(DecodeError::Damaged);
    }
    let mut writer = Writer::new(image, first.precision(), first.is_signed())?;
    let planes: Vec<&[i32]> = components
        .iter()
        .map(jpeg2k::ImageComponent::data)
        .collect();
    for pixel in 0..pixels {
        for plane in &planes {
            writer.put(i64::from(plane.get(pixel).copied().unwrap_or_default()));
        }
    }
    Ok(writer.finish())
}

/// The code stream: as the standard has it (PS3.5 §A.4.4), or inside a JP2 file, as some senders have it.
fn code_stream(source: &[u8]) -> Option<&[u8]> {
    if source.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        return Some(source);
    }
    let mut rest = source;
    while let Some((head, content)) = rest.split_at_checked(8) {
        let (length, kind) = head.split_at(4);
        let length = u32::from_be_bytes(length.try_into().ok()?);
        if kind == b"jp2c" {
            return Some(content);
        }
        // Lengths 0 and 1 mean "to the end" and "more than 4 GB": neither comes before the image here.
        let length = usize::try_from(length).ok().filter(|length| *length >= 8)?;
        rest = rest.get(length..)?;
    }
    None
}

/// Width, height and number of components of a code stream.
fn size(stream: &[u8]) -> Option<(u32, u32, u16)> {
    let head = stream.get(..SIZ_BYTES)?;
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let width = number(8)?.checked_sub(number(16)?)?;
    let height = number(12)?.checked_sub(number(20)?)?;
    let components = u16::from_be_bytes(head.get(40..42)?.try_into().ok()?);
    Some((width, height, components))
}
