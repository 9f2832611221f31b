//! Opening one sealed object as a stream, chunk by chunk, in constant memory.

use std::fs::File;
use std::io::{self, Read};

use dokuei_keys::error::Refused;
use dokuei_keys::id::{ObjectDigest, ParcelId, SiteId};
use dokuei_keys::sealed::{
    HEADER, ObjectHasher, Opener, SEALED_CHUNK, SealContext, object_digest_key, plain_len,
};
use dokuei_keys::secret::ContentKey;

use crate::language::{Explain, Message, displayed_in_english};
use crate::parcels::Parcels;
use crate::say;

/// Sealed bytes read from the file at once: sixteen chunks.
const PIECE: usize = 16 * SEALED_CHUNK;

/// An object cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is not there or cannot be read.
    Disk(io::Error),
    /// The file is not what was sealed.
    Damaged,
}

impl Explain for OpenError {
    fn message(&self) -> Message {
        match self {
            OpenError::Disk(error) => say!(
                "封入されたデータを読めません（{why}）",
                "a sealed object cannot be read: {why}";
                why = error.message()
            ),
            OpenError::Damaged => {
                say!(
                    "封入されたデータが壊れています",
                    "a sealed object is damaged"
                )
            }
        }
    }
}

displayed_in_english!(OpenError);

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        if error.kind() == io::ErrorKind::InvalidData {
            OpenError::Damaged
        } else {
            OpenError::Disk(error)
        }
    }
}

impl From<Refused> for OpenError {
    fn from(_: Refused) -> OpenError {
        OpenError::Damaged
    }
}

/// A sealed object being read. `read` gives plaintext that was authenticated; a damaged chunk ends
/// it with [`io::ErrorKind::InvalidData`].
pub struct OpenedObject {
    file: File,
    opener: Option<Opener>,
    hasher: Option<ObjectHasher>,
    digest: Option<ObjectDigest>,
    sealed: Box<[u8]>,
    plain: Vec<u8>,
    taken: usize,
    length: u64,
    begun: bool,
}

impl OpenedObject {
    /// Opens an object's file and checks its commitment and length.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        parcels: &Parcels,
        key: &ContentKey,
        parcel: ParcelId,
        site: SiteId,
        slot: u32,
    ) -> Result<OpenedObject, OpenError> {
        let mut file = File::open(parcels.file_of(&parcel, slot)).map_err(OpenError::Disk)?;
        let length = plain_len(file.metadata().map_err(OpenError::Disk)?.len())?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(OpenError::Disk)?;
        let opener = Opener::new(key, &SealContext { parcel, site, slot }, &header)?;
        Ok(OpenedObject {
            file,
            opener: Some(opener),
            hasher: Some(ObjectHasher::new(&object_digest_key(key, &parcel))),
            digest: None,
            sealed: vec![0; PIECE].into_boxed_slice(),
            plain: Vec::with_capacity(PIECE),
            taken: 0,
            length,
            begun: false,
        })
    }

    /// Bytes of plaintext.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The keyed digest, once everything was read.
    pub fn digest(&self) -> Option<ObjectDigest> {
        self.digest
    }

    /// Reads to the end and gives the keyed digest.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn verify(mut self) -> Result<ObjectDigest, OpenError> {
        while self.refill()? {}
        self.digest.ok_or(OpenError::Damaged)
    }

    /// Puts the next plaintext into `plain`; whether there was any.
    fn refill(&mut self) -> io::Result<bool> {
        let damaged = |_: Refused| io::Error::from(io::ErrorKind::InvalidData);
        self.plain.clear();
        self.taken = 0;
        while self.plain.is_empty() {
            let Some(opener) = &mut self.opener else {
                return Ok(false);
            };
            // Whoever reads only the beginning pays for one chunk.
            let piece = if self.begun { PIECE } else { SEALED_CHUNK };
            self.begun = true;
            let read = self.file.read(&mut self.sealed[..piece])?;
            if read > 0 {
                opener
                    .push(&self.sealed[..read], &mut self.plain)
                    .map_err(damaged)?;
            } else if let Some(opener) = self.opener.take() {
                opener.finish(&mut self.plain).map_err(damaged)?;
            }
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&self.plain);
            }
            if self.opener.is_none() {
                self.digest = self.hasher.take().map(ObjectHasher::finish);
            }
        }
        Ok(true)
    }
}

impl Read for OpenedObject {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.plain.len() && !self.refill()? {
            return Ok(0);
        }
        let count = out.len().min(self.plain.len() - self.taken);
        out[..count].copy_from_slice(&self.plain[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
