//! One object as its plaintext arrives: looked through, sealed to disk, and compared with the manifest.

use std::io;

use dokuei_keys::sealed::SealContext;
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::study::manifest::ManifestEntry;

use crate::chance::chance;
use crate::parcels::{ObjectHead, Parcels, ScannedObject, Scanning, SealedObject, SealingObject};
use crate::transfer::Content;

/// An object that is being taken in.
pub(super) struct Taking {
    sealing: SealingObject,
    content: Content,
    /// Of a study's object, from its first bytes on; none when it is no DICOM object.
    scanning: Option<Scanning>,
    has_begun: bool,
    keep: Option<u64>,
}

/// What an object turned out to be.
pub(super) enum Taken {
    /// What the manifest says, and on disk; of a study, what its header says.
    Genuine(Option<Box<ScannedObject>>),
    /// Something else. Nothing of it is on disk.
    Other,
}

impl Taking {
    /// Begins an object. `keep` is its length when its data set is to stay in memory.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn begin(
        (parcels, key): (&Parcels, &ContentKey),
        place: SealContext,
        content: Content,
        keep: Option<u64>,
    ) -> io::Result<Taking> {
        Ok(Taking {
            sealing: SealingObject::begin_unprepared(parcels, key, place, &mut chance())?,
            content,
            scanning: None,
            has_begun: false,
            keep,
        })
    }

    /// Takes the next bytes; the first time at least those of the head.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.content == Content::Study {
            let mut data_set = bytes;
            if !self.has_begun {
                let head = ObjectHead::read(&mut data_set)?;
                self.scanning = head.and_then(|head| Scanning::begin(head, self.keep));
            }
            self.scanning = self.scanning.take().and_then(|mut scanning| {
                let may_go_on = scanning.push(data_set);
                may_go_on.then_some(scanning)
            });
        }
        self.has_begun = true;
        self.sealing.write(bytes)
    }

    /// Ends the object and compares it with what the manifest says of it.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn finish(self, entry: &ManifestEntry) -> io::Result<Taken> {
        let scanned = self.scanning.and_then(Scanning::finish);
        if self.content == Content::Study && scanned.is_none() {
            return Ok(Taken::Other);
        }
        let expected = SealedObject {
            length: entry.length,
            digest: entry.digest,
        };
        let sealed = self.sealing.finish_as(expected)?;
        Ok(sealed.map_or(Taken::Other, |_| Taken::Genuine(scanned.map(Box::new))))
    }
}
