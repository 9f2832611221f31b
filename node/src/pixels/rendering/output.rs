//! Pictures as files.

use super::{Format, Raster};
use crate::pixels::error::DecodeError;

/// The file of a picture.
pub(super) fn written(raster: &Raster, format: Format) -> Result<Vec<u8>, DecodeError> {
    match format {
        Format::Jpeg(quality) => jpeg(raster, quality),
        Format::Png => png(raster),
    }
}

fn jpeg(raster: &Raster, quality: u8) -> Result<Vec<u8>, DecodeError> {
    let side = |side: usize| u16::try_from(side).map_err(|_| DecodeError::TooLarge);
    let colour = match raster.samples {
        1 => jpeg_encoder::ColorType::Luma,
        _ => jpeg_encoder::ColorType::Rgb,
    };
    let mut file = Vec::new();
    jpeg_encoder::Encoder::new(&mut file, quality.clamp(1, 100))
        .encode(
            &raster.bytes,
            side(raster.width)?,
            side(raster.height)?,
            colour,
        )
        .map_err(|_| DecodeError::TooLarge)?;
    Ok(file)
}

fn png(raster: &Raster) -> Result<Vec<u8>, DecodeError> {
    let side = |side: usize| u32::try_from(side).map_err(|_| DecodeError::TooLarge);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side(raster.width)?, side(raster.height)?);
    encoder.set_color(match raster.samples {
        1 => png::ColorType::Grayscale,
        _ => png::ColorType::Rgb,
    });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&raster.bytes));
    written.map_err(|_| DecodeError::TooLarge)?;
    Ok(file)
}
