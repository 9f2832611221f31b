//! What a sealed DICOM object holds: a short head that says how its data set is written, then the
//! data set, byte for byte as it arrived.

use std::io::Read;

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

/// The head of an object cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("a sealed object does not begin with a head that can be read")]
pub struct BadObject;

impl ObjectHead {
    /// The head as it stands before the data set: its length in two bytes, then itself.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = cbor::encode(self);
        let mut bytes = Vec::with_capacity(head.len() + 2);
        bytes.extend_from_slice(&(head.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&head);
        bytes
    }

    /// Reads the head; what follows in `object` is the data set.
    ///
    /// # Errors
    /// When the bytes are none, or cannot be read.
    pub fn read(object: &mut impl Read) -> Result<ObjectHead, BadObject> {
        let mut length = [0; 2];
        object.read_exact(&mut length).map_err(|_| BadObject)?;
        let length = usize::from(u16::from_be_bytes(length));
        if length > HEAD_BYTES {
            return Err(BadObject);
        }
        let mut head = vec![0; length];
        object.read_exact(&mut head).map_err(|_| BadObject)?;
        cbor::decode_strict(&head, HEAD_BYTES).map_err(|_| BadObject)
    }
}
