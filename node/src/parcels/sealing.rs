//! Sealing one object into its file, as its bytes come.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use dokuei_keys::id::{ObjectDigest, ParcelId, SiteId};
use dokuei_keys::sealed::{ObjectHasher, SealContext, Sealer, object_digest_key};
use dokuei_keys::secret::ContentKey;
use rand_core::CryptoRng;

use crate::parcels::Parcels;

/// Sealed bytes are written to the file in pieces of this size.
const PIECE: usize = 256 * 1024;

/// An object being sealed. Dropped unfinished, it leaves no file.
pub struct SealingObject {
    file: Option<File>,
    path: PathBuf,
    sealer: Option<Sealer>,
    hasher: Option<ObjectHasher>,
    sealed: Vec<u8>,
    length: u64,
}

/// An object that is sealed and durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedObject {
    /// Bytes of plaintext.
    pub length: u64,
    /// Its keyed digest.
    pub digest: ObjectDigest,
}

impl SealingObject {
    /// Begins an object in its prepared file ([`Parcels::prepare`]). What a crash left there is overwritten.
    ///
    /// # Errors
    /// As the file system says.
    pub fn begin(
        parcels: &Parcels,
        key: &ContentKey,
        parcel: ParcelId,
        site: SiteId,
        slot: u32,
        rng: &mut impl CryptoRng,
    ) -> io::Result<SealingObject> {
        let sealed_for = SealContext { parcel, site, slot };
        let file = parcels.file_of(&parcel, slot);
        let opened = File::options().write(true).truncate(true).open(&file)?;
        Ok(SealingObject::begin_in(opened, file, key, sealed_for, rng))
    }

    /// Begins an object whose file nobody prepared; its name is durable once its folder is.
    ///
    /// # Errors
    /// As the file system says.
    pub fn begin_unprepared(
        parcels: &Parcels,
        key: &ContentKey,
        sealed_for: SealContext,
        rng: &mut impl CryptoRng,
    ) -> io::Result<SealingObject> {
        let file = parcels.file_of(&sealed_for.parcel, sealed_for.slot);
        let opened = File::create(&file)?;
        Ok(SealingObject::begin_in(opened, file, key, sealed_for, rng))
    }

    fn begin_in(
        file: File,
        path: PathBuf,
        key: &ContentKey,
        sealed_for: SealContext,
        rng: &mut impl CryptoRng,
    ) -> SealingObject {
        let mut salt = [0; 24];
        rng.fill_bytes(&mut salt);
        let (sealer, header) = Sealer::new(key, &sealed_for, salt);
        let mut sealed = Vec::with_capacity(PIECE + 64 * 1024);
        sealed.extend_from_slice(&header);
        let hasher = ObjectHasher::new(&object_digest_key(key, &sealed_for.parcel));
        SealingObject {
            file: Some(file),
            path,
            sealer: Some(sealer),
            hasher: Some(hasher),
            sealed,
            length: 0,
        }
    }

    /// The next plaintext bytes.
    ///
    /// # Errors
    /// As the file system says.
    pub fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        for piece in plain.chunks(PIECE) {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(piece);
            }
            if let Some(sealer) = &mut self.sealer {
                sealer.push(piece, &mut self.sealed).map_err(too_long)?;
            }
            self.length += piece.len() as u64;
            if self.sealed.len() >= PIECE {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Ends the object and makes it durable: when this returns, it survives a power failure.
    ///
    /// # Errors
    /// As the file system says; the object is not there then.
    pub fn finish(mut self) -> io::Result<SealedObject> {
        let sealed = self.end()?;
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        self.file = None;
        Ok(sealed)
    }

    /// Ends the object if it is what it should be; none, and no file, when it is not. Whoever calls makes it durable,
    /// together with others.
    ///
    /// # Errors
    /// As the file system says; the object is not there then.
    pub fn finish_as(mut self, expected: SealedObject) -> io::Result<Option<SealedObject>> {
        let sealed = self.end()?;
        if sealed != expected {
            return Ok(None);
        }
        self.file = None;
        Ok(Some(sealed))
    }

    fn end(&mut self) -> io::Result<SealedObject> {
        if let Some(sealer) = self.sealer.take() {
            sealer.finish(&mut self.sealed).map_err(too_long)?;
        }
        self.flush()?;
        let digest = self.hasher.take().map(ObjectHasher::finish);
        digest
            .map(|digest| SealedObject {
                length: self.length,
                digest,
            })
            .ok_or_else(|| io::Error::other("the object was ended twice"))
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.sealed)?;
        }
        self.sealed.clear();
        Ok(())
    }
}

impl Drop for SealingObject {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn too_long(_: dokuei_keys::error::Refused) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        "the object is longer than can be sealed",
    )
}
