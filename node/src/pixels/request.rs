//! One request to a child: read and performed there, and wherever the decoders are tried on any bytes. The node itself
//! asks by [`Decoders`](super::Decoders).

use std::io::{self, Read};

use crate::pixels::codecs;
use crate::pixels::error::DecodeError;
use crate::pixels::image::Image;
use crate::pixels::rendering::{self, Rendering};
use crate::pixels::wire::{self, Head, Task};

/// What is asked of a child. It holds a patient's image: no `Debug`.
pub struct Request {
    head: Head,
    source: Vec<u8>,
}

impl Request {
    /// The samples of the frame with these compressed bytes.
    #[must_use]
    pub fn frame(image: Image, source: Vec<u8>) -> Request {
        let task = Task::Frame;
        Request {
            head: Head { image, task },
            source,
        }
    }

    /// A picture of it.
    #[must_use]
    pub fn picture(image: Image, source: Vec<u8>, rendering: Rendering) -> Request {
        let task = Task::Render(rendering);
        Request {
            head: Head { image, task },
            source,
        }
    }

    /// What is to be decoded.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.head.image
    }

    /// Reads the next request. None when the node has closed the pipe.
    ///
    /// # Errors
    /// When the bytes end early, are no request, or announce more than one may have.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Request>> {
        let read = wire::request(from)?;
        Ok(read.map(|(head, source)| Request { head, source }))
    }

    /// As it goes through the pipe.
    ///
    /// # Errors
    /// [`DecodeError`] when it is larger than it may be.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DecodeError> {
        let mut bytes = wire::head(&self.head, self.source.len())?;
        bytes.extend_from_slice(&self.source);
        Ok(bytes)
    }

    /// Most bytes that the answer may have.
    ///
    /// # Errors
    /// [`DecodeError`] for what is never performed.
    pub fn answer_bytes_max(&self) -> Result<u64, DecodeError> {
        self.head.image.check()?;
        match &self.head.task {
            Task::Frame => Ok(self.head.image.frame_bytes()),
            Task::Render(rendering) => rendering.bytes_max(&self.head.image),
        }
    }

    /// Does what is asked. A decoder that is not sound may panic; memory and time are bounded by the child alone.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn perform(&self) -> Result<Vec<u8>, DecodeError> {
        let image = &self.head.image;
        match &self.head.task {
            Task::Frame => codecs::decode(image, &self.source),
            Task::Render(rendering) => rendering::render(image, &self.source, rendering),
        }
    }
}
