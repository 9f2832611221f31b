//! What samples of a block look like.

use crate::error::Damaged;

/// Rows of samples: as many as fill whole strips. A strip is a frame, or the part of one, whose first row knows nothing of
/// what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    width: usize,
    strip: usize,
    strips: usize,
}

/// Samples of a block at the most. What is kept while one is coded grows with it: 6 MiB at the most.
pub(crate) const SAMPLES_MAX: usize = 512 * 1024;

impl Shape {
    /// `strips` times `strip` rows of `width` samples.
    ///
    /// # Errors
    /// When one is nothing, or when these are more than [`SAMPLES_MAX`] samples.
    pub(crate) fn new(width: usize, strip: usize, strips: usize) -> Result<Shape, Damaged> {
        let samples = width
            .checked_mul(strip)
            .and_then(|one| one.checked_mul(strips));
        let is_possible = samples.is_some_and(|samples| (1..=SAMPLES_MAX).contains(&samples));
        match is_possible {
            true => Ok(Shape {
                width,
                strip,
                strips,
            }),
            false => Err(Damaged::Value),
        }
    }

    /// Samples of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Rows of a strip.
    pub(crate) fn strip(&self) -> usize {
        self.strip
    }

    /// Strips.
    pub(crate) fn strips(&self) -> usize {
        self.strips
    }

    /// Samples of a strip.
    pub(crate) fn of_strip(&self) -> usize {
        self.width * self.strip
    }

    /// All samples.
    pub(crate) fn samples(&self) -> usize {
        self.of_strip() * self.strips
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert!(Shape::new(512, 256, 4).is_ok());
        for (width, strip, strips) in [
            (0, 1, 1),
            (1, 0, 1),
            (1, 1, 0),
            (SAMPLES_MAX, 1, 2),
            (usize::MAX, usize::MAX, 1),
        ] {
            assert!(Shape::new(width, strip, strips).is_err());
        }
    }
}
