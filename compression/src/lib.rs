//! Bit-exact compression of pixels, outside of any format: bytes in, bytes out, and back.
//!
//! Bytes are cut into blocks, and each is coded by what makes it smallest. All arithmetic is modulo 2¹⁶ or 2⁸, so any bytes
//! come back whatever a header says of them. A decoder is told how many bytes it makes, allocates nothing beyond that and
//! one block, does work in proportion to what it reads and makes, and gives errors.

mod block;
mod choice;
mod decoder;
mod dense;
mod encoder;
mod energy;
mod error;
mod frame;
mod lanes;
mod layout;
mod number;
mod packed;
mod planes;
mod raw_bits;
mod residual;
mod scale;
mod shape;
mod tables;
mod token;

pub use decoder::Decoder;
pub use encoder::{Effort, Encoder};
pub use error::Damaged;
pub use layout::Layout;
