//! Opening one sealed object as a stream, chunk by chunk, in constant memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::mem;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use dokuei_keys::error::Refused;
use dokuei_keys::id::{ObjectDigest, ParcelId, SiteId};
use dokuei_keys::sealed::{
    CHUNK, HEADER, ObjectHasher, Opener, SEALED_CHUNK, SealContext, chunk_of, object_digest_key,
    plain_len, sealed_chunk,
};
use dokuei_keys::secret::ContentKey;

use crate::language::{Explain, Message, displayed_in_english};
use crate::parcels::Parcels;
use crate::parcels::buffer::{Buffer, Filled};
use crate::say;

/// Chunks read from the file at once.
const CHUNKS: u64 = 8;
/// Their sealed bytes.
pub(super) const PIECE: usize = CHUNKS as usize * SEALED_CHUNK;

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
    opener: Opener,
    /// None once something was passed over, or all of it was read.
    hasher: Option<ObjectHasher>,
    digest: Option<ObjectDigest>,
    sealed: Buffer,
    plain: Filled,
    taken: usize,
    length: u64,
    sealed_length: u64,
    /// The chunk behind those in `plain`.
    next: u64,
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
        let file = parcels.file_of(&parcel, slot);
        OpenedObject::open_file(&file, key, SealContext { parcel, site, slot })
    }

    /// Opens the file of an object that lies elsewhere than where it was sealed for ([`Parcels::quarantined`]).
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_file(
        file: &Path,
        key: &ContentKey,
        sealed_for: SealContext,
    ) -> Result<OpenedObject, OpenError> {
        let mut file = File::open(file).map_err(OpenError::Disk)?;
        let sealed_length = file.metadata().map_err(OpenError::Disk)?.len();
        let length = plain_len(sealed_length)?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(OpenError::Disk)?;
        let opener = Opener::new(key, &sealed_for, &header)?;
        let digest_key = object_digest_key(key, &sealed_for.parcel);
        Ok(OpenedObject {
            file,
            opener,
            hasher: Some(ObjectHasher::new(&digest_key)),
            digest: None,
            sealed: Buffer::take(),
            plain: Filled::empty(),
            taken: 0,
            length,
            sealed_length,
            next: 0,
            begun: false,
        })
    }

    /// Without a digest, for whom each chunk's own seal is enough: computing it takes longer than opening.
    #[must_use]
    pub fn undigested(mut self) -> OpenedObject {
        self.hasher = None;
        self
    }

    /// What comes next, as much as was opened together; none at the end. Costs no copy.
    ///
    /// # Errors
    /// As reading.
    pub fn piece(&mut self) -> io::Result<Option<Bytes>> {
        if self.taken == self.plain.len() && !self.refill()? {
            return Ok(None);
        }
        let plain = mem::replace(&mut self.plain, Filled::empty());
        let taken = mem::take(&mut self.taken);
        Ok(Some(Bytes::from_owner(plain).slice(taken..)))
    }

    /// Bytes of plaintext.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The keyed digest, once everything was read and nothing was passed over.
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
        self.plain.clear();
        self.taken = 0;
        let last = chunk_of(self.length).0;
        while self.plain.is_empty() && self.next <= last {
            // Whoever reads only the beginning pays for one chunk.
            let count = if self.begun { CHUNKS } else { 1 };
            self.begun = true;
            let chunks = self.next..(self.next + count).min(last + 1);
            self.open_chunks(chunks.clone(), last)?;
            self.next = chunks.end;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&self.plain);
            }
            if self.next > last {
                self.digest = self.hasher.take().map(ObjectHasher::finish);
            }
        }
        Ok(!self.plain.is_empty())
    }

    /// Opens chunks, the first of which is the next one in the file.
    fn open_chunks(&mut self, chunks: Range<u64>, last: u64) -> io::Result<()> {
        let damaged = |_: Refused| io::Error::from(io::ErrorKind::InvalidData);
        let bytes = |index| sealed_chunk(index, self.sealed_length).map_err(damaged);
        let (first, ending) = (bytes(chunks.start)?.0, bytes(chunks.end - 1)?.0);
        let length = usize::try_from(ending.end - first.start).unwrap_or(usize::MAX);
        let sealed = self.sealed.get_mut(..length);
        let sealed = sealed.ok_or(io::ErrorKind::InvalidData)?;
        self.file.read_exact(sealed).map_err(|error| {
            // A file that became shorter is not what was sealed.
            match error.kind() {
                io::ErrorKind::UnexpectedEof => io::ErrorKind::InvalidData.into(),
                _ => error,
            }
        })?;
        for (index, chunk) in chunks.zip(sealed.chunks(SEALED_CHUNK)) {
            let opened = self.plain.append(|room| {
                self.opener
                    .open_chunk_into(index, index == last, chunk, room)
            });
            opened.map_err(damaged)?;
        }
        Ok(())
    }

    /// Passes over bytes. Chunks that hold nothing else are neither read nor checked, and there is no digest then.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when there are not so many; else as reading.
    pub fn skip(&mut self, count: u64) -> io::Result<()> {
        let here = (self.plain.len() - self.taken) as u64;
        if count <= here {
            self.taken += count as usize;
            return Ok(());
        }
        let position = (self.next * CHUNK as u64).min(self.length);
        let target = position.checked_add(count - here);
        let target = target.filter(|target| *target <= self.length);
        let target = target.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (index, within) = chunk_of(target);
        self.plain.clear();
        self.taken = 0;
        if index > self.next {
            let damaged = |_: Refused| io::Error::from(io::ErrorKind::InvalidData);
            let (bytes, _) = sealed_chunk(index, self.sealed_length).map_err(damaged)?;
            self.file.seek(SeekFrom::Start(bytes.start))?;
            (self.next, self.begun, self.hasher) = (index, false, None);
        }
        if within > 0 {
            self.refill()?;
            self.taken = within;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use dokuei_keys::sealed::sealed_len;

    use super::*;
    use crate::chance::chance;
    use crate::parcels::SealingObject;

    const PARCEL: ParcelId = ParcelId::from_bytes([1; 32]);
    const SITE: SiteId = SiteId::from_bytes([2; 32]);

    fn sealed(place: &std::path::Path, plain: &[u8]) -> (Parcels, ContentKey, ObjectDigest) {
        let parcels = Parcels::open(place.join("parcels")).unwrap();
        let key = ContentKey::from_rng(&mut chance());
        parcels.create(&PARCEL).unwrap();
        parcels.prepare(&PARCEL, 1..2).unwrap();
        let mut sealing =
            SealingObject::begin(&parcels, &key, PARCEL, SITE, 1, &mut chance()).unwrap();
        sealing.write(plain).unwrap();
        let digest = sealing.finish().unwrap().digest;
        (parcels, key, digest)
    }

    #[test]
    fn any_part_is_read_without_the_parts_before_it() {
        for length in [0, 1, CHUNK, 3 * CHUNK - 1, 40 * CHUNK + 7, 32 * CHUNK] {
            let place = tempfile::tempdir().unwrap();
            let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (parcels, key, digest) = sealed(place.path(), &plain);
            let open = || {
                OpenedObject::open(&parcels, &key, PARCEL, SITE, 1)
                    .ok()
                    .unwrap()
            };
            assert_eq!(open().verify().ok(), Some(digest));
            let (mut opened, mut pieces) = (open().undigested(), Vec::new());
            while let Some(piece) = opened.piece().unwrap() {
                pieces.extend_from_slice(&piece);
            }
            assert!(pieces == plain && opened.digest().is_none());
            for skipped in [
                0,
                1,
                CHUNK - 1,
                CHUNK,
                CHUNK + 1,
                17 * CHUNK,
                30 * CHUNK + 9,
                length,
            ] {
                for read_before in [0, 5, CHUNK + 3] {
                    let from = read_before + skipped;
                    if from > length {
                        continue;
                    }
                    let (mut opened, mut before) = (open(), vec![0; read_before]);
                    opened.read_exact(&mut before).unwrap();
                    opened.skip(skipped as u64).unwrap();
                    let first = opened.piece().unwrap().unwrap_or_default();
                    let mut rest = first.to_vec();
                    opened.read_to_end(&mut rest).unwrap();
                    assert!(rest == plain[from..], "{length} {read_before} {skipped}");
                }
            }
            let beyond = open().skip(length as u64 + 1);
            assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn what_is_passed_over_is_not_opened_and_what_is_read_is_genuine() {
        let place = tempfile::tempdir().unwrap();
        let plain = vec![7; 40 * CHUNK + 7];
        let (parcels, key, _) = sealed(place.path(), &plain);
        let file = parcels.file_of(&PARCEL, 1);
        let mut bytes = std::fs::read(&file).unwrap();
        assert_eq!(bytes.len() as u64, sealed_len(plain.len() as u64));
        bytes[HEADER + 20 * SEALED_CHUNK] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let open = || {
            OpenedObject::open(&parcels, &key, PARCEL, SITE, 1)
                .ok()
                .unwrap()
        };
        let mut behind = open();
        behind.skip(21 * CHUNK as u64).unwrap();
        let mut rest = Vec::new();
        assert_eq!(behind.read_to_end(&mut rest).unwrap(), 19 * CHUNK + 7);
        assert!(behind.digest().is_none());
        let mut inside = open();
        let damaged = inside.skip(20 * CHUNK as u64 + 1).unwrap_err();
        assert_eq!(damaged.kind(), io::ErrorKind::InvalidData);
        assert!(open().verify().is_err());
    }
}
