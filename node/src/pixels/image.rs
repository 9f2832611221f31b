//! What a decoder must know of an image. The node makes it from attributes; it names no patient.

use minicbor::{Decode, Encode};

use crate::dicom::uid::Uid;

/// Most bytes of one decoded frame: a mammogram of 24 × 30 cm at 50 µm has 60 MB, a digital
/// radiograph 35 MB, the largest whole-slide tile 50 MB.
pub const FRAME_BYTES_MAX: u64 = 128 << 20;

/// Most bytes of one compressed frame. A lossless codec that does not compress at all makes a frame
/// a little longer, never twice as long.
pub const SOURCE_BYTES_MAX: u64 = 2 * FRAME_BYTES_MAX;

/// Most values in a lookup table: its length is 16 bits, where 0 means 65536 (PS3.3 §C.11.1.1).
pub const LUT_ENTRIES_MAX: usize = 1 << 16;

/// How the pixels of a frame are compressed (PS3.5 §8.2 and §A.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Codec {
    /// Not compressed, little endian.
    #[n(0)]
    NativeLittle,
    /// Not compressed, big endian in words.
    #[n(1)]
    NativeBig,
    /// RLE Lossless (PS3.5 §G).
    #[n(2)]
    Rle,
    /// JPEG: baseline, extended, lossless (ITU-T T.81).
    #[n(3)]
    Jpeg,
    /// JPEG-LS, lossless and near-lossless (ITU-T T.87).
    #[n(4)]
    JpegLs,
    /// JPEG 2000 Part 1 and High-Throughput JPEG 2000 (ITU-T T.800 and T.814).
    #[n(5)]
    Jpeg2000,
    /// Each frame deflated (PS3.5 §A.4.13).
    #[n(6)]
    Deflate,
    /// Not compressed, big endian, bytes stored in words (OW): the bytes of each word are exchanged.
    #[n(7)]
    NativeBigWords,
}

impl Codec {
    /// The codec of a transfer syntax, or none if its frames cannot be decoded here.
    #[must_use]
    pub fn of(transfer_syntax: &Uid) -> Option<Codec> {
        let below = transfer_syntax.as_str().strip_prefix("1.2.840.10008.1.2")?;
        match below {
            "" | ".1" | ".1.99" => Some(Codec::NativeLittle),
            ".2" => Some(Codec::NativeBig),
            ".5" => Some(Codec::Rle),
            ".4.50" | ".4.51" | ".4.57" | ".4.70" => Some(Codec::Jpeg),
            ".4.80" | ".4.81" => Some(Codec::JpegLs),
            ".4.90" | ".4.91" | ".4.201" | ".4.202" | ".4.203" => Some(Codec::Jpeg2000),
            ".8.1" => Some(Codec::Deflate),
            _ => None,
        }
    }

    /// Whether frames lie in fragments.
    #[must_use]
    pub fn is_encapsulated(self) -> bool {
        !matches!(
            self,
            Codec::NativeLittle | Codec::NativeBig | Codec::NativeBigWords
        )
    }
}

/// Photometric Interpretation (0028,0004), as far as it can be shown (PS3.3 §C.7.6.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Photometric {
    /// The smallest value is white.
    #[n(0)]
    Monochrome1,
    /// The smallest value is black.
    #[n(1)]
    Monochrome2,
    /// Indices into three tables.
    #[n(2)]
    Palette,
    /// Red, green, blue.
    #[n(3)]
    Rgb,
    /// Luminance and chrominance over the full range (ITU-T T.871).
    #[n(4)]
    YbrFull,
    /// The same with chrominance at every second column.
    #[n(5)]
    YbrFull422,
    /// The retired form of restricted range, chrominance at every second column.
    #[n(6)]
    YbrPartial422,
    /// The reversible transform of JPEG 2000, which its decoder undoes.
    #[n(7)]
    YbrRct,
    /// The irreversible transform of JPEG 2000, which its decoder undoes.
    #[n(8)]
    YbrIct,
    /// The restricted range with chrominance at every second row and column; only compressed.
    #[n(9)]
    YbrPartial420,
}

impl Photometric {
    /// Reads the attribute's value.
    #[must_use]
    pub fn named(value: &str) -> Option<Photometric> {
        match value.trim_matches([' ', '\0']) {
            "MONOCHROME1" => Some(Photometric::Monochrome1),
            "MONOCHROME2" => Some(Photometric::Monochrome2),
            "PALETTE COLOR" => Some(Photometric::Palette),
            "RGB" => Some(Photometric::Rgb),
            "YBR_FULL" => Some(Photometric::YbrFull),
            "YBR_FULL_422" => Some(Photometric::YbrFull422),
            "YBR_PARTIAL_422" => Some(Photometric::YbrPartial422),
            "YBR_PARTIAL_420" => Some(Photometric::YbrPartial420),
            "YBR_RCT" => Some(Photometric::YbrRct),
            "YBR_ICT" => Some(Photometric::YbrIct),
            _ => None,
        }
    }

    /// The attribute's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Photometric::Monochrome1 => "MONOCHROME1",
            Photometric::Monochrome2 => "MONOCHROME2",
            Photometric::Palette => "PALETTE COLOR",
            Photometric::Rgb => "RGB",
            Photometric::YbrFull => "YBR_FULL",
            Photometric::YbrFull422 => "YBR_FULL_422",
            Photometric::YbrPartial422 => "YBR_PARTIAL_422",
            Photometric::YbrPartial420 => "YBR_PARTIAL_420",
            Photometric::YbrRct => "YBR_RCT",
            Photometric::YbrIct => "YBR_ICT",
        }
    }

    /// Whether a pixel is one value.
    #[must_use]
    pub fn is_single(self) -> bool {
        matches!(
            self,
            Photometric::Monochrome1 | Photometric::Monochrome2 | Photometric::Palette
        )
    }

    /// What a decoded frame is in: chrominance is brought to every pixel, and the transforms of JPEG
    /// 2000 are undone.
    #[must_use]
    pub fn decoded(self) -> Photometric {
        match self {
            Photometric::YbrFull422 => Photometric::YbrFull,
            Photometric::YbrRct | Photometric::YbrIct => Photometric::Rgb,
            other => other,
        }
    }
}

/// A lookup table (PS3.3 §C.11.1.1, §C.11.2.1.1, §C.7.6.3.1.5).
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Lut {
    /// The value that the first entry is for; what is below takes the first entry, too.
    #[n(0)]
    pub first: i32,
    /// Bits of an entry, 8 to 16.
    #[n(1)]
    pub bits: u8,
    /// The entries, at least one, at most [`LUT_ENTRIES_MAX`].
    #[n(2)]
    pub entries: Vec<u16>,
}

impl Lut {
    /// The entry for a value.
    #[must_use]
    pub fn entry(&self, value: i64) -> u16 {
        let last = self.entries.len().saturating_sub(1);
        let at = value.saturating_sub(i64::from(self.first)).max(0);
        let at = usize::try_from(at).unwrap_or(last).min(last);
        self.entries.get(at).copied().unwrap_or(0)
    }

    /// The largest entry that fits its bits.
    #[must_use]
    pub fn max(&self) -> u16 {
        u16::MAX >> 16_u8.saturating_sub(self.bits.max(1)).min(15)
    }
}

/// How a window maps values to brightness (PS3.3 §C.11.2.1.2 and §C.11.2.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Function {
    /// `LINEAR`: over width − 1, as the standard has it by default.
    #[default]
    #[n(0)]
    Linear,
    /// `LINEAR_EXACT`: over the width.
    #[n(1)]
    LinearExact,
    /// `SIGMOID`.
    #[n(2)]
    Sigmoid,
}

impl Function {
    /// Reads VOI LUT Function (0028,1056), or the word of a `window` parameter (PS3.18 §8.3.5.1.4).
    #[must_use]
    pub fn named(word: &str) -> Option<Function> {
        let word = word.trim_matches([' ', '\0']).replace('-', "_");
        match word.to_ascii_uppercase().as_str() {
            "LINEAR" => Some(Function::Linear),
            "LINEAR_EXACT" => Some(Function::LinearExact),
            "SIGMOID" => Some(Function::Sigmoid),
            _ => None,
        }
    }
}

/// A window of values, in output units of the modality transform.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct Window {
    /// Its centre.
    #[n(0)]
    pub center: f64,
    /// Its width: at least 1 for `LINEAR`, above 0 otherwise.
    #[n(1)]
    pub width: f64,
    /// Its shape.
    #[n(2)]
    pub function: Function,
}

impl Window {
    /// A window that the standard allows, or none.
    #[must_use]
    pub fn new(center: f64, width: f64, function: Function) -> Option<Window> {
        let least = match function {
            Function::Linear => 1.0,
            Function::LinearExact | Function::Sigmoid => f64::MIN_POSITIVE,
        };
        (center.is_finite() && width.is_finite() && width >= least).then_some(Window {
            center,
            width,
            function,
        })
    }
}

/// How stored values become values of the modality (PS3.3 §C.11.1).
#[derive(Clone, PartialEq, Encode, Decode)]
pub enum Modality {
    /// Rescale: value × slope + intercept.
    #[n(0)]
    Rescale(#[n(0)] f64, #[n(1)] f64),
    /// A table.
    #[n(1)]
    Table(#[n(0)] Lut),
}

/// How values of the modality become brightness (PS3.3 §C.11.2).
#[derive(Clone, PartialEq, Encode, Decode)]
pub enum Voi {
    /// From the smallest value of the frame to the largest.
    #[n(0)]
    Whole,
    /// A window.
    #[n(1)]
    Window(#[n(0)] Window),
    /// A table.
    #[n(2)]
    Table(#[n(0)] Lut),
}

/// What an image's attributes say about one of its frames (PS3.3 §C.7.6.3).
#[derive(Clone, PartialEq, Encode, Decode)]
pub struct Image {
    /// How it is compressed.
    #[n(0)]
    pub codec: Codec,
    /// Rows.
    #[n(1)]
    pub rows: u16,
    /// Columns.
    #[n(2)]
    pub columns: u16,
    /// Samples per Pixel: 1 or 3.
    #[n(3)]
    pub samples: u8,
    /// Bits Allocated: 1, 8, 16 or 32.
    #[n(4)]
    pub bits_allocated: u8,
    /// Bits Stored.
    #[n(5)]
    pub bits_stored: u8,
    /// High Bit.
    #[n(6)]
    pub high_bit: u8,
    /// Pixel Representation: two's complement.
    #[n(7)]
    pub signed: bool,
    /// Planar Configuration: each colour for itself.
    #[n(8)]
    pub planar: bool,
    /// Photometric Interpretation.
    #[n(9)]
    pub photometric: Photometric,
    /// The modality transform.
    #[n(10)]
    pub modality: Modality,
    /// The transform for display that the image comes with.
    #[n(11)]
    pub voi: Voi,
    /// Presentation LUT Shape INVERSE.
    #[n(12)]
    pub inverse: bool,
    /// The tables of a palette: red, green, blue.
    #[n(13)]
    pub palette: Option<[Lut; 3]>,
    /// Values that stand for no image, first and last, as stored; not counted when brightness goes from
    /// the smallest to the largest value (PS3.3 §C.7.5.1.1.2).
    #[n(14)]
    pub padding: Option<(i32, i32)>,
}

impl Image {
    /// Whether a decoder can be asked for this at all: its numbers agree with each other, and a frame is no
    /// larger than [`FRAME_BYTES_MAX`].
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn check(&self) -> Result<(), Misfit> {
        let bits = self.bits_stored >= 1
            && self.bits_stored <= self.bits_allocated
            && self.high_bit < self.bits_allocated
            && self.high_bit + 1 >= self.bits_stored;
        let samples = if self.photometric.is_single() { 1 } else { 3 };
        let tables = self.palette.iter().flatten().chain(match &self.modality {
            Modality::Table(table) => Some(table),
            Modality::Rescale(..) => None,
        });
        let mut tables = tables.chain(match &self.voi {
            Voi::Table(table) => Some(table),
            Voi::Whole | Voi::Window(_) => None,
        });
        let whole = tables.all(|table| (1..=LUT_ENTRIES_MAX).contains(&table.entries.len()));
        let sound = self.rows > 0
            && self.columns > 0
            && bits
            && whole
            && matches!(self.bits_allocated, 1 | 8 | 16 | 32)
            && self.samples == samples
            && (self.photometric != Photometric::Palette || self.palette.is_some());
        match sound {
            false => Err(Misfit::Contradiction),
            true if self.frame_bytes() > FRAME_BYTES_MAX => Err(Misfit::TooLarge),
            true => Ok(()),
        }
    }

    /// Pixels of a frame.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.columns)
    }

    /// Bytes of a decoded frame: pixel after pixel, little endian, each sample in its allocated bits, eight
    /// pixels a byte if that is one bit.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        (self.pixels() * u64::from(self.samples) * u64::from(self.bits_allocated)).div_ceil(8)
    }

    /// Bits of a native frame as it is stored, without padding (PS3.5 §8.1.1, PS3.3 §C.7.6.3.1.2).
    #[must_use]
    pub fn native_bits(&self) -> u64 {
        let half_samples = match self.photometric {
            Photometric::YbrFull422 | Photometric::YbrPartial422 => 4,
            Photometric::YbrPartial420 => 3,
            _ => 2 * u64::from(self.samples),
        };
        self.pixels() * half_samples * u64::from(self.bits_allocated) / 2
    }

    /// Bytes of a sample in a decoded frame, none for one bit.
    #[must_use]
    pub fn sample_bytes(&self) -> usize {
        usize::from(self.bits_allocated / 8)
    }
}

/// Why an image's description is no use to a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Its numbers contradict each other or describe nothing that is known here.
    Contradiction,
    /// A frame would be longer than [`FRAME_BYTES_MAX`].
    TooLarge,
}
