//! Looking through a DICOM object while it is opened or arrives.

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

/// A DICOM object that is being looked through.
pub struct Scanning {
    head: ObjectHead,
    scanner: Scanner,
    hasher: blake3::Hasher,
    kept: Option<Vec<u8>>,
}

impl Scanning {
    /// Begins with an object's head; none when that names no transfer syntax. The data set is kept when `keep` says how
    /// long it is.
    pub fn begin(head: ObjectHead, keep: Option<u64>) -> Option<Scanning> {
        let syntax = Uid::parse(head.transfer_syntax.as_bytes()).ok()?;
        Some(Scanning {
            head,
            scanner: Scanner::new(TransferSyntax::from(syntax), Limits::default()),
            hasher: blake3::Hasher::new(),
            kept: keep.map(|length| Vec::with_capacity(length as usize)),
        })
    }

    /// Takes the next bytes of the data set; whether it can still be one.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        self.hasher.update(piece);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(piece);
        }
        self.scanner.push(piece).is_ok()
    }

    /// What was found; none when it is no DICOM object.
    pub fn finish(self) -> Option<ScannedObject> {
        let header = self.scanner.finish().ok()?;
        Some(ScannedObject {
            head: self.head,
            header,
            content: Digest::from_bytes(*self.hasher.finalize().as_bytes()),
            data_set: self.kept,
        })
    }
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
    let Some(mut scanning) = Scanning::begin(head, keep.then(|| object.length())) else {
        return Ok(None);
    };
    let mut piece = vec![0; PIECE];
    loop {
        let count = object.read(&mut piece)?;
        if count == 0 {
            return Ok(scanning.finish());
        }
        if !scanning.push(&piece[..count]) {
            return Ok(None);
        }
    }
}
