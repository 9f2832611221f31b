//! Deflated frames (PS3.5 §A.4.13): a native frame in a raw deflate stream.

use std::io::Read as _;

use super::native;
use crate::pixels::error::DecodeError;
use crate::pixels::image::Image;

/// Decodes a frame. No more is inflated than a frame has bytes.
pub(super) fn decode(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let stored = image.native_bits().div_ceil(8);
    let mut frame = Vec::new();
    flate2::read::DeflateDecoder::new(source)
        .take(stored)
        .read_to_end(&mut frame)
        .map_err(|_| DecodeError::Damaged)?;
    native::little(image, &frame)
}
