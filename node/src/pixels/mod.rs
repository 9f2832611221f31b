//! Pixels: which bytes make a frame, and what they show.
//!
//! The node itself decodes nothing. It reads an image's attributes ([`Image`]), finds a frame's bytes
//! ([`frames`]), and hands both to [`Decoders`]: separate processes with bounded memory and time, which give back
//! samples or a picture. A frame that makes one of them fail costs one refused request.

mod attributes;
mod child;
mod codecs;
mod error;
pub mod frames;
mod image;
mod pool;
mod rendering;
mod request;
mod segments;
mod wire;

pub use attributes::{Attributes, Document, Place};
pub use child::{COMMAND, LIFE_SECONDS, MEMORY_BYTES, REQUEST_SECONDS, run as run_child};
pub use error::DecodeError;
pub use image::{
    Codec, FRAME_BYTES_MAX, Function, Image, LUT_ENTRIES_MAX, Lut, Misfit, Modality, Photometric,
    SOURCE_BYTES_MAX, Voi, Window,
};
pub use pool::{DEADLINE, Decoders, Frame, PATIENCE, Plan, WAITING_PER_CHILD};
pub use rendering::{
    Format, Picture, QUALITY, Region, Rendering, SIDE_MAX, THUMBNAIL_SIDE, Viewport,
};
pub use request::Request;
