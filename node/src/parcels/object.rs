//! What a sealed DICOM object holds: a short head that says how its data set is written, then the
//! data set, byte for byte as it arrived.

use std::io::{self, Read};

use dokuei_keys::cbor;
use minicbor::{Decode, Encode};

/// Longest head. Three UIDs of 64 characters and their frames.
const HEAD_BYTES: usize = 256;

/// How an object's data set is written, and which object it is.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ObjectHead {
    /// SOP Class UID.
    #[n(0)]
    pub sop_class: String,
    /// SOP Instance UID.
    #[n(1)]
    pub sop_instance: String,
    /// Transfer Syntax UID.
    #[n(2)]
    pub transfer_syntax: String,
}

impl ObjectHead {
    /// The head as it stands before the data set: its length in two bytes, then itself.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = cbor::encode(self);
        let mut bytes = Vec::with_capacity(head.len() + 2);
        bytes.extend_from_slice(&(head.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&head);
        bytes
    }

    /// Reads the head; what follows in `object` is the data set. `None` when the bytes are no head.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(object: &mut impl Read) -> io::Result<Option<ObjectHead>> {
        let mut length = [0; 2];
        if !filled(object.read_exact(&mut length))? {
            return Ok(None);
        }
        let length = usize::from(u16::from_be_bytes(length));
        let mut head = vec![0; length.min(HEAD_BYTES)];
        if length > HEAD_BYTES || !filled(object.read_exact(&mut head))? {
            return Ok(None);
        }
        Ok(cbor::decode_strict(&head, HEAD_BYTES).ok())
    }
}

/// Whether there were as many bytes as were wanted.
fn filled(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}
