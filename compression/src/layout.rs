//! How pixel bytes are laid out, and where they are cut into blocks.

use crate::shape::{SAMPLES_MAX, Shape};

/// How pixel bytes are laid out: frames one behind the other, of rows, of samples. A hint only: any bytes come back whatever
/// it says, and what cannot be counts as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Samples of a row, of one colour.
    pub width: u32,
    /// Rows of a frame.
    pub rows: u32,
    /// Bytes of a sample, 1 or 2.
    pub bytes: u8,
    /// Colours, 1 or 3; of three, the samples of a place stand side by side.
    pub colours: u8,
    /// Whether samples are below zero where their first bit is set.
    pub is_signed: bool,
    /// Whether the first byte of a sample is its most significant.
    pub is_big_endian: bool,
}

/// Bytes that become one block, about.
const BLOCK: usize = 256 * 1024;
/// Bytes of a block of which nothing is known.
pub(crate) const PLAIN: usize = 1024 * 1024;
/// Samples below which it does not pay to look at them as such.
const SAMPLES_LEAST: usize = 256;
/// Strips of a block at the most: each has a flag in its header.
pub(crate) const STRIPS_MAX: usize = 256;

/// Bytes of a block.
pub(crate) struct Piece<'a> {
    pub(crate) bytes: &'a [u8],
    /// How their samples lie, of one colour.
    pub(crate) shape: Option<Shape>,
}

/// Where bytes are cut.
pub(crate) struct Pieces<'a> {
    left: &'a [u8],
    cut: Option<Cut>,
    /// Rows of the frame that were taken.
    taken: usize,
}

#[derive(Clone, Copy)]
struct Cut {
    width: usize,
    rows: usize,
    row_bytes: usize,
    /// Rows at once, of large frames.
    strip: usize,
    /// Frames at once, of small ones.
    frames: usize,
}

impl Cut {
    fn of(layout: &Layout) -> Option<Cut> {
        let is_known = matches!((layout.bytes, layout.colours), (1 | 2, 1 | 3));
        let (width, rows) = (
            usize::try_from(layout.width).ok()?,
            usize::try_from(layout.rows).ok()?,
        );
        let sample = usize::from(layout.bytes) * usize::from(layout.colours);
        let row_bytes = width.checked_mul(sample)?;
        let frame = row_bytes.checked_mul(rows)?;
        let fits = row_bytes <= BLOCK && frame / sample.max(1) >= SAMPLES_LEAST;
        (is_known && fits).then(|| Cut {
            width,
            rows,
            row_bytes,
            strip: rows
                .div_ceil(frame.div_ceil(BLOCK))
                .min(BLOCK / row_bytes)
                .max(1),
            frames: (BLOCK / frame).clamp(1, STRIPS_MAX),
        })
    }
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(bytes: &'a [u8], layout: Option<&Layout>) -> Pieces<'a> {
        Pieces {
            left: bytes,
            cut: layout.and_then(Cut::of),
            taken: 0,
        }
    }

    /// Rows of a strip and strips of the next block, as far as there are bytes.
    fn next_rows(&mut self, cut: &Cut) -> (usize, usize) {
        let there = self.left.len() / cut.row_bytes;
        if self.taken == 0 && cut.strip == cut.rows && there >= cut.rows {
            return (cut.rows, cut.frames.min(there / cut.rows));
        }
        let rows = cut.strip.min(cut.rows - self.taken).min(there);
        self.taken = (self.taken + rows) % cut.rows;
        (rows, 1)
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.left.is_empty() {
            return None;
        }
        let shaped = self.cut.and_then(|cut| {
            let (strip, strips) = self.next_rows(&cut);
            let shape = Shape::new(cut.width, strip, strips).ok()?;
            let length = cut.row_bytes * strip * strips;
            let is_worth = shape.samples() >= SAMPLES_LEAST;
            is_worth.then_some((length, shape))
        });
        let length = shaped.map_or(PLAIN.min(self.left.len()), |(length, _)| length);
        if shaped.is_none() {
            // What is left is no rows, or too few.
            self.cut = None;
        }
        let (bytes, left) = self.left.split_at_checked(length)?;
        self.left = left;
        Some(Piece {
            bytes,
            shape: shaped.map(|(_, shape)| shape),
        })
    }
}

// A block of samples of one byte has as many of them as bytes.
const _: () = assert!(BLOCK <= SAMPLES_MAX && BLOCK <= PLAIN);

#[cfg(test)]
mod tests {
    use super::*;

    const CT: Layout = Layout {
        width: 512,
        rows: 512,
        bytes: 2,
        colours: 1,
        is_signed: true,
        is_big_endian: false,
    };

    fn cut(length: usize, layout: &Layout) -> Vec<(usize, Option<(usize, usize)>)> {
        let bytes = vec![0; length];
        Pieces::of(&bytes, Some(layout))
            .map(|piece| {
                let shape = piece.shape.map(|shape| (shape.strip(), shape.strips()));
                (piece.bytes.len(), shape)
            })
            .collect()
    }

    #[test]
    fn large_frames_are_cut_and_small_ones_stacked() {
        let half = (256 * 1024, Some((256, 1)));
        assert_eq!(cut(2 * 512 * 1024, &CT), [half; 4]);
        let small = Layout {
            width: 64,
            rows: 64,
            ..CT
        };
        assert_eq!(
            cut(40 * 8192 + 1281, &small),
            [
                (32 * 8192, Some((64, 32))),
                (8 * 8192, Some((64, 8))),
                (1280, Some((10, 1))),
                (1, None)
            ]
        );
    }

    #[test]
    fn what_is_cut_is_all_there_is() {
        for (width, rows, bytes, colours) in [
            (0, 9, 2, 1),
            (9, 0, 1, 1),
            (u32::MAX, u32::MAX, 2, 3),
            (300_000, 3, 1, 1),
            (70_000, 8, 1, 3),
            (30, 700, 2, 1),
            (16, 16, 1, 1),
            (4, 1, 1, 1),
            (511, 513, 2, 3),
            (64, 64, 3, 1),
        ] {
            let layout = Layout {
                width,
                rows,
                bytes,
                colours,
                ..CT
            };
            for length in [0, 1, 300, 70_001, 3 << 20] {
                let pieces = cut(length, &layout);
                assert_eq!(
                    pieces.iter().map(|(length, _)| length).sum::<usize>(),
                    length
                );
                assert!(
                    pieces
                        .iter()
                        .all(|(length, _)| (1..=PLAIN).contains(length))
                );
            }
        }
    }
}
