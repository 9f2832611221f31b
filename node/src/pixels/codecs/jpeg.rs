//! JPEG (ITU-T T.81): baseline and progressive, extended with 8 or 12 bits, and lossless.

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::Writer;
use crate::pixels::error::DecodeError;
use crate::pixels::image::Image;

/// What the frame header of a stream says.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FrameHeader {
    /// Which process: 0xC0 baseline, 0xC1 extended, 0xC2 progressive, 0xC3 lossless.
    process: u8,
    precision: u8,
    rows: u16,
    columns: u16,
    components: u8,
}

/// Decodes a frame. Colours stay as they were coded: the image's attributes say what they are.
pub(super) fn decode(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let header = header(source).ok_or(DecodeError::Damaged)?;
    // The decoder makes room for what the stream says: it must be the image that was announced.
    let announced = (image.rows, image.columns, image.samples);
    if announced != (header.rows, header.columns, header.components) {
        return Err(DecodeError::Damaged);
    }
    match (header.process, header.precision) {
        (0xC0..=0xC2, 8) | (0xC3, 2..=16) => whole(image, source, header),
        (0xC1, 12) => twelve(image, source),
        _ => Err(DecodeError::Unsupported),
    }
}

fn whole(image: &Image, source: &[u8], header: FrameHeader) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(source);
    decoder.set_max_decoding_buffer_size(
        usize::try_from(2 * image.pixels() * u64::from(image.samples))
            .map_err(|_| DecodeError::TooLarge)?,
    );
    decoder.read_info().map_err(refusal)?;
    if image.samples == 3 {
        // In this library "RGB" means that nothing is converted.
        decoder.set_color_transform(ColorTransform::RGB);
    }
    let samples = decoder.decode().map_err(refusal)?;
    let info = decoder.info().ok_or(DecodeError::Damaged)?;
    let mut writer = Writer::new(image, header.precision.into(), false)?;
    match info.pixel_format {
        PixelFormat::L16 => {
            let samples = samples.as_chunks::<2>().0.iter();
            samples.for_each(|sample| writer.put(u16::from_ne_bytes(*sample).into()));
        }
        PixelFormat::L8 | PixelFormat::RGB24 | PixelFormat::CMYK32 => {
            samples
                .iter()
                .for_each(|sample| writer.put((*sample).into()));
        }
    }
    Ok(writer.finish())
}

/// The extended process with 12 bits.
fn twelve(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let most = usize::try_from(image.frame_bytes()).map_err(|_| DecodeError::TooLarge)?;
    let whole = whole_spectrum(source);
    let decoded = openreadout_codecs::jpeg_decode_limited(&whole, most);
    let decoded = decoded.map_err(|error| match error {
        openreadout_codecs::CodecError::Unsupported { .. } => DecodeError::Unsupported,
        _ => DecodeError::Damaged,
    })?;
    let mut writer = Writer::new(image, 12, false)?;
    let samples = decoded.data.as_chunks::<2>().0.iter();
    samples.for_each(|sample| writer.put(u16::from_le_bytes(*sample).into()));
    Ok(writer.finish())
}

/// The stream with scans that say they cover the whole spectrum, as each scan of this process does (ITU-T T.81
/// §B.2.3): some senders write zeros.
fn whole_spectrum(source: &[u8]) -> Vec<u8> {
    let mut whole = source.to_vec();
    let scan = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]);
    let selection = scan.and_then(|at| {
        let components = usize::from(*whole.get(at + 4)?);
        whole.get_mut(at + 5 + 2 * components..at + 8 + 2 * components)
    });
    if let Some(selection) = selection {
        selection.copy_from_slice(&[0, 63, 0]);
    }
    whole
}

fn refusal(error: jpeg_decoder::Error) -> DecodeError {
    match error {
        jpeg_decoder::Error::Unsupported(_) => DecodeError::Unsupported,
        _ => DecodeError::Damaged,
    }
}

/// The frame header, the first marker C0 to CF that is none of DHT, JPG and DAC (ITU-T T.81 §B.2.2). Each
/// segment is looked at once.
fn header(source: &[u8]) -> Option<FrameHeader> {
    let mut rest = source.strip_prefix(&[0xFF, 0xD8])?;
    loop {
        let (marker, after) = rest.split_first_chunk::<2>()?;
        match marker {
            [0xFF, 0xFF] => rest = &rest[1..],
            [0xFF, process @ 0xC0..=0xCF] if !matches!(process, 0xC4 | 0xC8 | 0xCC) => {
                let [_, _, precision, row, row2, column, column2, components, ..] = *after else {
                    return None;
                };
                return Some(FrameHeader {
                    process: *process,
                    precision,
                    rows: u16::from_be_bytes([row, row2]),
                    columns: u16::from_be_bytes([column, column2]),
                    components,
                });
            }
            [0xFF, 0xDA | 0xD9] => return None,
            [0xFF, _] => {
                let length = u16::from_be_bytes(*after.first_chunk()?);
                rest = after.get(usize::from(length.max(2))..)?;
            }
            _ => return None,
        }
    }
}
