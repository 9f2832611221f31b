//! Frames that are not compressed (PS3.5 §8.1, PS3.3 §C.7.6.3.1).

use crate::pixels::error::DecodeError;
use crate::pixels::image::{Image, Photometric};

/// A little-endian frame.
pub(super) fn little(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let stored = usize::try_from(image.native_bits().div_ceil(8)).ok();
    let source = stored.and_then(|stored| source.get(..stored));
    let source = source.ok_or(DecodeError::Damaged)?;
    match image.photometric {
        Photometric::YbrFull422 | Photometric::YbrPartial422 => halved(image, source),
        Photometric::YbrPartial420 => Err(DecodeError::Unsupported),
        _ if image.planar && image.samples == 3 => Ok(interleaved(image, source)),
        _ => Ok(source.to_vec()),
    }
}

/// A big-endian frame.
pub(super) fn big(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut swapped = source.to_vec();
    let sample = image.sample_bytes();
    if sample > 1 {
        swapped.chunks_exact_mut(sample).for_each(<[u8]>::reverse);
    }
    little(image, &swapped)
}

/// A big-endian frame of bytes that are stored in words. It begins with a word, or it cannot be taken apart here.
pub(super) fn big_words(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if image.bits_allocated > 8 {
        return big(image, source);
    }
    let mut swapped = source.to_vec();
    swapped
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .for_each(|word| word.reverse());
    little(image, &swapped)
}

/// Colour planes, pixel after pixel.
pub(super) fn interleaved(image: &Image, planes: &[u8]) -> Vec<u8> {
    let sample = image.sample_bytes().max(1);
    let plane = planes.len() / 3;
    let mut frame = Vec::with_capacity(planes.len());
    for at in (0..plane).step_by(sample) {
        for colour in 0..3 {
            let from = colour * plane + at;
            frame.extend_from_slice(planes.get(from..from + sample).unwrap_or_default());
        }
    }
    frame
}

/// Chrominance at every second column, as Y1 Y2 Cb Cr (PS3.3 §C.7.6.3.1.2), brought to every pixel.
fn halved(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if image.bits_allocated != 8 || image.planar || image.columns % 2 != 0 {
        return Err(DecodeError::Unsupported);
    }
    let pairs = source.as_chunks::<4>().0.iter();
    Ok(pairs
        .flat_map(|[first, second, cb, cr]| [*first, *cb, *cr, *second, *cb, *cr])
        .collect())
}
