//! Bit-exact compression of grey pixels, outside of any format: samples in, bytes out, and back.
//!
//! All arithmetic is modulo 2¹⁶ or 2⁸, so any samples come back whatever a header says of them. A decoder is told the
//! shape of what it makes, allocates nothing beyond that, does work in proportion to it whatever it reads, and gives
//! errors.

pub mod dense;
mod energy;
mod error;
mod lanes;
mod raw_bits;
mod residual;
mod shape;
mod tables;
mod token;

pub use error::Damaged;
pub use shape::{Depth, Shape};
