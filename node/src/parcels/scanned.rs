//! Looking through a sealed DICOM object while it is opened.

use std::io::{self, Read as _};

use dokuei_keys::id::Digest;

use crate::dicom::header::Header;
use crate::dicom::scanner::{Limits, Scanner, TransferSyntax};
use crate::dicom::uid::Uid;
use crate::parcels::{ObjectHead, OpenedObject};

/// Bytes of plaintext that are looked at at a time.
const PIECE: usize = 128 * 1024;

/// A DICOM object that was looked through.
pub struct ScannedObject {
    /// Its head.
    pub head: ObjectHead,
    /// What its data set says of it.
    pub header: Header,
    /// BLAKE3 of its data set.
    pub content: Digest,
    /// Its data set, when it was to be kept.
    pub data_set: Option<Vec<u8>>,
}

/// Scans an object to its end: its head, then its data set, which is kept when `keep` says so. `None` when it is no
/// DICOM object.
///
/// # Errors
/// When the file cannot be read; of [`io::ErrorKind::InvalidData`] when it is not what was sealed.
pub fn scan(object: &mut OpenedObject, keep: bool) -> io::Result<Option<ScannedObject>> {
    let Some(head) = ObjectHead::read(object)? else {
        return Ok(None);
    };
    let Ok(syntax) = Uid::parse(head.transfer_syntax.as_bytes()).map(TransferSyntax::from) else {
        return Ok(None);
    };
    let mut scanner = Scanner::new(syntax, Limits::default());
    let mut hasher = blake3::Hasher::new();
    let room = if keep {
        object.length() as usize
    } else {
        PIECE
    };
    let mut bytes = Vec::with_capacity(room);
    loop {
        let begin = bytes.len();
        object.take(PIECE as u64).read_to_end(&mut bytes)?;
        let piece = &bytes[begin..];
        if piece.is_empty() {
            break;
        }
        if scanner.push(piece).is_err() {
            return Ok(None);
        }
        hasher.update(piece);
        if !keep {
            bytes.clear();
        }
    }
    let content = Digest::from_bytes(*hasher.finalize().as_bytes());
    Ok(scanner.finish().ok().map(|header| ScannedObject {
        head,
        header,
        content,
        data_set: keep.then_some(bytes),
    }))
}
