//! From a frame to a picture that a browser shows (PS3.18 §8.3.5). Runs in the child, apart from what the node
//! must know to ask for one.

mod colour;
mod geometry;
mod grey;
mod output;

use minicbor::{Decode, Encode};

use crate::pixels::codecs;
use crate::pixels::error::DecodeError;
use crate::pixels::image::{Image, Photometric, Window};
pub use geometry::{Region, Viewport};

/// Longest side of a picture that may be asked for: twice the largest medical screen.
pub const SIDE_MAX: u16 = 8192;

/// Longest side of a thumbnail for which no size was asked.
pub const THUMBNAIL_SIDE: u16 = 128;

/// What a picture is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Format {
    /// JPEG with 8 bits, with a quality from 1 to 100 (PS3.18 §8.3.5.1.2).
    #[n(0)]
    Jpeg(#[n(0)] u8),
    /// PNG with 8 bits.
    #[n(1)]
    Png,
}

impl Format {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Jpeg(_) => "image/jpeg",
            Format::Png => "image/png",
        }
    }
}

/// Quality of a JPEG when none was asked for: no visible loss on radiographs.
pub const QUALITY: u8 = 90;

/// How a picture is to be.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct Rendering {
    /// What it is written as.
    #[n(0)]
    pub format: Format,
    /// The window to use instead of what the image comes with.
    #[n(1)]
    pub window: Option<Window>,
    /// The size, and the part of the image; without one the whole image in its own size.
    #[n(2)]
    pub viewport: Option<Viewport>,
}

impl Rendering {
    /// A picture of the whole image in its own size, as a JPEG.
    #[must_use]
    pub fn whole() -> Rendering {
        Rendering {
            format: Format::Jpeg(QUALITY),
            window: None,
            viewport: None,
        }
    }

    /// A thumbnail as a JPEG.
    #[must_use]
    pub fn thumbnail() -> Rendering {
        Rendering {
            viewport: Some(Viewport {
                width: THUMBNAIL_SIDE,
                height: THUMBNAIL_SIDE,
                region: None,
            }),
            ..Rendering::whole()
        }
    }

    /// Most bytes of the picture. Both formats need no more than the pixels themselves, apart from what surrounds them and,
    /// for noise in a JPEG of the best quality, half as much again.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] if a side is longer than [`SIDE_MAX`].
    pub(super) fn bytes_max(&self, image: &Image) -> Result<u64, DecodeError> {
        let pixels = match self.viewport {
            None => image.pixels(),
            Some(viewport) if viewport.width.max(viewport.height) > SIDE_MAX => {
                return Err(DecodeError::TooLarge);
            }
            Some(viewport) => u64::from(viewport.width) * u64::from(viewport.height),
        };
        Ok(pixels * 3 * 3 / 2 + (64 << 10))
    }
}

/// A picture. It shows a patient: no `Debug`.
pub struct Picture {
    /// Its media type.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Pixels of 8 bits, one or three samples each.
struct Raster {
    width: usize,
    height: usize,
    samples: usize,
    bytes: Vec<u8>,
}

/// Decodes a frame and makes the picture.
///
/// # Errors
/// [`DecodeError`].
pub(super) fn render(
    image: &Image,
    source: &[u8],
    rendering: &Rendering,
) -> Result<Vec<u8>, DecodeError> {
    rendering.bytes_max(image)?;
    let frame = codecs::decode(image, source)?;
    let single = matches!(
        image.photometric,
        Photometric::Monochrome1 | Photometric::Monochrome2
    );
    let bytes = match single {
        true => grey::shown(image, &frame, rendering.window),
        false => colour::shown(image, &frame)?,
    };
    drop(frame);
    let raster = Raster {
        width: image.columns.into(),
        height: image.rows.into(),
        samples: if single { 1 } else { 3 },
        bytes,
    };
    let raster = match &rendering.viewport {
        Some(viewport) => geometry::shown(&raster, viewport)?,
        None => raster,
    };
    output::written(&raster, rendering.format)
}

/// The samples of a frame as numbers, in the bits that are stored.
fn samples<'a>(image: &'a Image, frame: &'a [u8]) -> impl Iterator<Item = i64> + 'a {
    let bytes = image.sample_bytes();
    let stored = u32::from(image.bits_stored);
    let below = u32::from(image.high_bit) + 1 - stored;
    let bits = (bytes == 0).then(|| {
        let pixels = usize::try_from(image.pixels()).unwrap_or(0);
        (0..pixels).map(move |at| {
            let byte = frame.get(at / 8).copied().unwrap_or(0);
            i64::from(byte >> (at % 8) & 1)
        })
    });
    let whole = (bytes > 0).then(|| {
        frame.chunks_exact(bytes.max(1)).map(move |sample| {
            let number = sample.iter().rev();
            let number = number.fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
            // Moving it to the top drops what lies above the high bit; moving it back repeats the sign, or not.
            let top = (number >> below) << (64 - stored);
            match image.signed {
                true => top >> (64 - stored),
                false => (top.cast_unsigned() >> (64 - stored)).cast_signed(),
            }
        })
    });
    bits.into_iter()
        .flatten()
        .chain(whole.into_iter().flatten())
}
