//! What stands before the bytes of a block.
//!
//! ```text
//! version and method ‖ length of the samples ‖ length of the payload ‖ payload                    zstd
//! version and method ‖ length ‖ bytes                                                             stored
//! version and method ‖ form ‖ predictor ‖ scale, if form says so ‖ width ‖ rows of a strip ‖ strips
//!   ‖ a bit for each strip, if form says so ‖ length of the payload ‖ payload                     dense, fast
//! ```

use crate::error::Damaged;
use crate::layout::{PLAIN, STRIPS_MAX};
use crate::number::{self, byte};
use crate::residual::{Depth, Predictor};
use crate::scale::Scale;
use crate::shape::Shape;

/// Of this form; a decoder reads no other.
const VERSION: u8 = 1;

/// How the bytes of a block are coded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Header {
    /// As they are, so many.
    Stored(usize),
    /// By zstd, so many.
    Packed(usize),
    /// As numbers, with zstd over their bytes.
    Fast(Form),
    /// As numbers, with tokens in contexts.
    Dense(Form),
}

/// How bytes became numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Form {
    /// Of one colour.
    pub(crate) shape: Shape,
    pub(crate) depth: Depth,
    pub(crate) is_big_endian: bool,
    pub(crate) is_signed: bool,
    pub(crate) colours: Colours,
    pub(crate) predictor: Predictor,
    pub(crate) scale: Scale,
    /// Which strips are differences from the strip before them.
    pub(crate) differs: Vec<bool>,
}

/// Colours, and how they stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Colours {
    One,
    /// Three, one plane after the other.
    Three,
    /// Three, as the second, the first without the second, and the third without the second.
    ThreeFromSecond,
}

impl Colours {
    pub(crate) fn count(self) -> usize {
        match self {
            Colours::One => 1,
            Colours::Three | Colours::ThreeFromSecond => 3,
        }
    }
}

impl Form {
    /// All colours, one behind the other.
    ///
    /// # Errors
    /// When these are too many samples.
    pub(crate) fn all(&self) -> Result<Shape, Damaged> {
        let strips = self.shape.strips() * self.colours.count();
        Shape::new(self.shape.width(), self.shape.strip(), strips)
    }

    /// Bytes of its samples.
    pub(crate) fn length(&self) -> usize {
        let bytes = match self.depth {
            Depth::Eight => 1,
            Depth::Sixteen => 2,
        };
        self.shape.samples() * self.colours.count() * bytes
    }

    fn write(&self, out: &mut Vec<u8>) {
        let differs = self.differs.contains(&true);
        let is_scaled = self.scale != Scale::plain(self.depth);
        let colours = match self.colours {
            Colours::One => 0,
            Colours::Three => 1,
            Colours::ThreeFromSecond => 2,
        };
        out.push(
            u8::from(self.depth == Depth::Sixteen)
                | u8::from(self.is_big_endian) << 1
                | u8::from(self.is_signed) << 2
                | u8::from(differs) << 3
                | u8::from(is_scaled) << 4
                | colours << 5,
        );
        let predictor = Predictor::ALL.iter().position(|one| *one == self.predictor);
        out.push(predictor.unwrap_or_default() as u8);
        if is_scaled {
            self.scale.write(out);
        }
        number::write(self.shape.width(), out);
        number::write(self.shape.strip(), out);
        number::write(self.shape.strips(), out);
        if differs {
            for eight in self.differs.chunks(8) {
                let bits = eight
                    .iter()
                    .rev()
                    .fold(0, |bits, one| bits << 1 | u8::from(*one));
                out.push(bits);
            }
        }
    }

    fn read(from: &mut &[u8]) -> Result<Form, Damaged> {
        let flags = byte(from)?;
        let predictor = byte(from)?;
        let colours = match flags >> 5 {
            0 => Colours::One,
            1 => Colours::Three,
            2 => Colours::ThreeFromSecond,
            _ => return Err(Damaged::Value),
        };
        let depth = match flags & 1 {
            0 => Depth::Eight,
            _ => Depth::Sixteen,
        };
        let scale = match flags & 0x10 {
            0 => Scale::plain(depth),
            _ => Scale::read(from)?,
        };
        let [width, strip, strips] = [
            number::read(from)?,
            number::read(from)?,
            number::read(from)?,
        ];
        let shape = Shape::new(width, strip, strips)?;
        if strips > STRIPS_MAX {
            return Err(Damaged::Value);
        }
        let differs = match flags & 8 {
            0 => Vec::new(),
            _ => read_differs(from, strips)?,
        };
        Ok(Form {
            shape,
            depth,
            is_big_endian: flags & 2 != 0,
            is_signed: flags & 4 != 0,
            colours,
            predictor: *Predictor::ALL
                .get(usize::from(predictor))
                .ok_or(Damaged::Value)?,
            scale,
            differs,
        })
    }
}

fn read_differs(from: &mut &[u8], strips: usize) -> Result<Vec<bool>, Damaged> {
    let mut differs = Vec::with_capacity(strips.next_multiple_of(8));
    for byte in number::bytes(from, strips.div_ceil(8))? {
        differs.extend((0..8).map(|bit| byte >> bit & 1 != 0));
    }
    // The first has none before it, and there are no more.
    let is_possible = |(at, one): (usize, &bool)| !one || (1..strips).contains(&at);
    match differs.iter().enumerate().all(is_possible) && differs.contains(&true) {
        true => {
            differs.truncate(strips);
            Ok(differs)
        }
        false => Err(Damaged::Value),
    }
}

impl Header {
    /// Bytes of the block's samples.
    pub(crate) fn length(&self) -> usize {
        match self {
            Header::Stored(length) | Header::Packed(length) => *length,
            Header::Fast(form) | Header::Dense(form) => form.length(),
        }
    }

    /// Appends a block.
    pub(crate) fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        let method = match self {
            Header::Stored(_) => 0,
            Header::Packed(_) => 1,
            Header::Fast(_) => 2,
            Header::Dense(_) => 3,
        };
        out.push(VERSION << 4 | method);
        match self {
            Header::Stored(_) => {}
            Header::Packed(length) => number::write(*length, out),
            Header::Fast(form) | Header::Dense(form) => form.write(out),
        }
        number::write(payload.len(), out);
        out.extend_from_slice(payload);
    }

    /// Reads a block of up to `most` bytes of samples: what it is, and its payload.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn read<'a>(
        from: &mut &'a [u8],
        most: usize,
    ) -> Result<(Header, &'a [u8]), Damaged> {
        let first = byte(from)?;
        if first >> 4 != VERSION {
            return Err(Damaged::Value);
        }
        let header = match first & 0x0F {
            0 => {
                let mut ahead = *from;
                Header::Stored(number::read(&mut ahead)?)
            }
            1 => Header::Packed(number::read(from)?),
            2 => Header::Fast(Form::read(from)?),
            3 => Header::Dense(Form::read(from)?),
            _ => return Err(Damaged::Value),
        };
        if !(1..=most.min(PLAIN)).contains(&header.length()) {
            return Err(Damaged::Value);
        }
        let length = number::read(from)?;
        Ok((header, number::bytes(from, length)?))
    }
}
