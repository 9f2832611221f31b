//! Colours of 8 bits (PS3.3 §C.7.6.3.1.2, §C.7.6.3.1.5).

use super::samples;
use crate::pixels::error::DecodeError;
use crate::pixels::image::{Image, Lut, Photometric};

/// Red, green and blue of each pixel.
pub(super) fn shown(image: &Image, frame: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if let (Photometric::Palette, Some(palette)) = (image.photometric, &image.palette) {
        let colours = samples(image, frame).flat_map(|index| {
            let colour = palette.each_ref().map(|table| eight_bits(table, index));
            colour.into_iter()
        });
        return Ok(colours.collect());
    }
    let above = u32::from(image.bits_stored).saturating_sub(8);
    let below = 8_u32.saturating_sub(image.bits_stored.into());
    // Signed colours do not exist in the standard.
    if image.signed || image.bits_allocated < 8 {
        return Err(DecodeError::Unsupported);
    }
    let eight = samples(image, frame).map(|sample| {
        let sample = u64::try_from(sample).unwrap_or(0) >> above << below;
        u8::try_from(sample).unwrap_or(u8::MAX)
    });
    let mut bytes: Vec<u8> = eight.collect();
    let convert: fn([f32; 3]) -> [f32; 3] = match image.photometric.decoded() {
        Photometric::YbrFull => full,
        Photometric::YbrPartial422 => partial,
        _ => return Ok(bytes),
    };
    for pixel in bytes.as_chunks_mut::<3>().0 {
        *pixel = convert(pixel.map(f32::from)).map(nearest);
    }
    Ok(bytes)
}

/// An entry of a palette in 8 bits. Tables say 16 bits and hold 8 in many old objects: what fits in 8 is 8.
fn eight_bits(table: &Lut, index: i64) -> u8 {
    let entry = table.entry(index);
    let high = if table.bits > 8 {
        entry >> (table.bits - 8).min(8)
    } else {
        entry
    };
    u8::try_from(high).unwrap_or(u8::MAX)
}

/// ITU-T T.871.
fn full([y, cb, cr]: [f32; 3]) -> [f32; 3] {
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ]
}

/// The restricted range of CCIR 601.
fn partial([y, cb, cr]: [f32; 3]) -> [f32; 3] {
    let y = (y - 16.0) * (255.0 / 219.0);
    let [cb, cr] = [cb, cr].map(|chroma| (chroma - 128.0) * (255.0 / 224.0) + 128.0);
    full([y, cb, cr])
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits"
)]
fn nearest(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}
