//! From a compressed frame to samples. Runs in the child only.
//!
//! A decoded frame is what a native frame in Explicit VR Little Endian would be: pixel after pixel, each
//! sample in its allocated bits, little endian, chrominance at every pixel.

mod deflate;
mod jpeg;
mod jpeg2000;
mod jpeg_ls;
mod native;
mod rle;

use crate::pixels::error::DecodeError;
use crate::pixels::image::{Codec, Image};

/// Decodes one frame.
///
/// # Errors
/// [`DecodeError`]; the frame is never longer than [`Image::frame_bytes`].
pub(super) fn decode(image: &Image, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    image.check()?;
    let frame = match image.codec {
        Codec::NativeLittle => native::little(image, source),
        Codec::NativeBig => native::big(image, source),
        Codec::NativeBigWords => native::big_words(image, source),
        Codec::Rle => rle::decode(image, source),
        Codec::Jpeg => jpeg::decode(image, source),
        Codec::JpegLs => jpeg_ls::decode(image, source),
        Codec::Jpeg2000 => jpeg2000::decode(image, source),
        Codec::Deflate => deflate::decode(image, source),
    }?;
    match u64::try_from(frame.len()) == Ok(image.frame_bytes()) {
        true => Ok(frame),
        false => Err(DecodeError::Damaged),
    }
}

/// Samples as a codec gives them, which are written as the image's attributes have them.
struct Writer<'a> {
    image: &'a Image,
    /// Bits of the codec's values, and whether they already have a sign.
    precision: u32,
    signed: bool,
    bytes: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A frame to be written, of values with `precision` bits.
    fn new(image: &'a Image, precision: u32, signed: bool) -> Result<Writer<'a>, DecodeError> {
        let allocated = u32::from(image.bits_allocated);
        if !(8..=32).contains(&allocated) || !(1..=allocated).contains(&precision) {
            return Err(DecodeError::Damaged);
        }
        let bytes = usize::try_from(image.frame_bytes()).map_err(|_| DecodeError::TooLarge)?;
        Ok(Writer {
            image,
            precision,
            signed,
            bytes: Vec::with_capacity(bytes),
        })
    }

    /// Writes a sample. A value without a sign of an image with one is two's complement in the codec's bits.
    fn put(&mut self, value: i64) {
        let unused = 64 - self.precision;
        let value = match self.image.signed && !self.signed {
            true => (value << unused) >> unused,
            false => value,
        };
        let bytes = value.to_le_bytes();
        self.bytes
            .extend_from_slice(&bytes[..self.image.sample_bytes()]);
    }

    /// The frame.
    fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
