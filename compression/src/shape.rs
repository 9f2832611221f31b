//! What samples look like.

/// Rows of samples: as many as fill whole strips. A strip is a frame, or the part of one, whose first row knows nothing of
/// what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    width: usize,
    strip: usize,
    strips: usize,
}

/// Samples of a block at the most: 4 MiB of them.
pub const SAMPLES_MAX: usize = 2 * 1024 * 1024;

impl Shape {
    /// `strips` times `strip` rows of `width` samples; none when one is nothing, or when these are more than
    /// [`SAMPLES_MAX`] samples.
    #[must_use]
    pub fn new(width: usize, strip: usize, strips: usize) -> Option<Shape> {
        let samples = width.checked_mul(strip)?.checked_mul(strips)?;
        (1..=SAMPLES_MAX).contains(&samples).then_some(Shape {
            width,
            strip,
            strips,
        })
    }

    /// Samples of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of a strip.
    #[must_use]
    pub fn strip(&self) -> usize {
        self.strip
    }

    /// All samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.width * self.strip * self.strips
    }
}

/// Bits of a sample, and what arithmetic is modulo of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Values up to 255.
    Eight,
    /// Values up to 65,535.
    Sixteen,
}

impl Depth {
    /// The largest value.
    #[must_use]
    pub fn mask(self) -> u16 {
        match self {
            Depth::Eight => 0x00FF,
            Depth::Sixteen => 0xFFFF,
        }
    }

    /// The bit that says of a difference that it is negative.
    pub(crate) fn sign(self) -> u32 {
        match self {
            Depth::Eight => 7,
            Depth::Sixteen => 15,
        }
    }
}
