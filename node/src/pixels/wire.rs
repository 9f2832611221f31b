//! What goes through the pipes between the node and a child.
//!
//! A request is the length of its head (4 bytes, little endian), the head in CBOR, the length of the source (8
//! bytes), the source. An answer is a code (1 byte: 0, or why not), a length (8 bytes), and so many bytes.

use std::io::{self, Read, Write};

use minicbor::{Decode, Encode};

use crate::pixels::error::DecodeError;
use crate::pixels::image::{Image, SOURCE_BYTES_MAX};
use crate::pixels::rendering::Rendering;

/// Most bytes of a head: four tables of 65536 entries, each of 3 bytes in CBOR, and a few numbers.
pub(super) const HEAD_BYTES_MAX: usize = 1 << 20;

/// Bytes of an answer before its content.
pub(super) const ANSWER_HEAD_BYTES: usize = 9;

/// What is asked of a child.
#[derive(Encode, Decode)]
pub(super) enum Task {
    /// The decoded samples.
    #[n(0)]
    Frame,
    /// A picture.
    #[n(1)]
    Render(#[n(0)] Rendering),
}

/// The head of a request.
#[derive(Encode, Decode)]
pub(super) struct Head {
    /// The image.
    #[n(0)]
    pub(super) image: Image,
    /// What to do with it.
    #[n(1)]
    pub(super) task: Task,
}

/// A request, without its source.
pub(super) fn head(head: &Head, source_bytes: usize) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = vec![0; 4];
    minicbor::encode(head, &mut bytes).map_err(|_| DecodeError::Description)?;
    let length = bytes.len() - 4;
    let short = u32::try_from(length)
        .ok()
        .filter(|_| length <= HEAD_BYTES_MAX);
    let length = short.ok_or(DecodeError::Description)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    let source_bytes = u64::try_from(source_bytes).map_err(|_| DecodeError::TooLarge)?;
    if source_bytes > SOURCE_BYTES_MAX {
        return Err(DecodeError::TooLarge);
    }
    bytes.extend(source_bytes.to_le_bytes());
    Ok(bytes)
}

/// Reads the next request. None when the node has closed the pipe.
pub(super) fn request(from: &mut impl Read) -> io::Result<Option<(Head, Vec<u8>)>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let head = bytes(
        from,
        u64::from(u32::from_le_bytes(length)),
        HEAD_BYTES_MAX as u64,
    )?;
    let head = minicbor::decode(&head).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let source = bytes(from, u64::from_le_bytes(length), SOURCE_BYTES_MAX)?;
    Ok(Some((head, source)))
}

fn bytes(from: &mut impl Read, length: u64, most: u64) -> io::Result<Vec<u8>> {
    if length > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) == Ok(length) {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Writes an answer.
pub(super) fn answer(to: &mut impl Write, answer: Result<Vec<u8>, DecodeError>) -> io::Result<()> {
    let (code, bytes) = match answer {
        Ok(bytes) => (0, bytes),
        Err(error) => (error.code(), Vec::new()),
    };
    to.write_all(&[code])?;
    let length = u64::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// The code and length of an answer.
pub(super) fn answer_head(head: [u8; ANSWER_HEAD_BYTES]) -> (u8, u64) {
    let [code, length @ ..] = head;
    (code, u64::from_le_bytes(length))
}
