//! A sealed case on a medium: a folder with one file of documents and the sealed objects as they lie here. There is
//! nothing readable in it; what it is worth is seen when the receiver opens it, as with what comes over the network.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use dokuei_keys::cbor;
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::limits;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::parcels::Parcels;

/// First bytes of the file of documents. The number is its form.
const MAGIC: &[u8] = b"dokuei-case-1\n";
/// Its name in the folder.
const FILE: &str = "dokuei-case";
/// Bytes of it: as many documents as a chain may have would be more, but a case that is on its way has about ten.
const BYTES: usize = 4 << 20;

/// What goes with the sealed objects.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CaseFile {
    /// The case.
    #[n(0)]
    pub case: CaseId,
    /// The site that asks, and sealed the study.
    #[n(1)]
    pub requester: SiteId,
    /// The site that is to read it.
    #[n(2)]
    pub reader: SiteId,
    /// The parcel.
    #[n(3)]
    pub parcel: ParcelId,
    /// The signed documents that the reader has not confirmed, in their order.
    #[n(4)]
    pub documents: Vec<ByteVec>,
}

impl CaseFile {
    /// The bytes of its file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&cbor::encode(self));
        bytes
    }

    /// Reads the file in a folder; none when there is none, or it is no such file.
    ///
    /// # Errors
    /// As the file system says.
    pub fn read(folder: &Path) -> io::Result<Option<CaseFile>> {
        let file = match File::open(folder.join(FILE)) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        let most = MAGIC.len() + BYTES;
        file.take(most as u64 + 1).read_to_end(&mut bytes)?;
        let content = bytes.strip_prefix(MAGIC);
        Ok(content.and_then(|content| cbor::decode_strict(content, BYTES).ok()))
    }

    /// Writes the file and the parcel's sealed objects into a new folder, durably. Gives how many objects there are.
    ///
    /// # Errors
    /// As the file system says; a folder that is there already is not touched.
    pub fn write(&self, parcels: &Parcels, folder: &Path) -> io::Result<u32> {
        std::fs::create_dir(folder)?;
        let written = self.write_into(parcels, folder);
        if written.is_err() {
            // Half a case is none. What cannot be removed is not taken for one: it has no file of documents.
            let _ = std::fs::remove_dir_all(folder);
        }
        written
    }

    fn write_into(&self, parcels: &Parcels, folder: &Path) -> io::Result<u32> {
        let mut slots = parcels.slots(&self.parcel)?;
        let objects = slots.len() as u32;
        slots.push(0);
        for slot in slots {
            let copy = folder.join(slot.to_string());
            std::fs::copy(parcels.file_of(&self.parcel, slot), &copy)?;
            File::open(copy)?.sync_all()?;
        }
        let file = folder.join(FILE);
        std::fs::write(&file, self.to_bytes())?;
        File::open(file)?.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(objects)
    }

    /// Copies the sealed objects to where a transfer looks for what was carried here.
    ///
    /// # Errors
    /// As the file system says.
    pub fn bring(&self, parcels: &Parcels, folder: &Path) -> io::Result<()> {
        let to = parcels.carried(&self.parcel);
        std::fs::create_dir_all(&to)?;
        let mut count = 0;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let slot: Option<u32> = name.to_str().and_then(|name| name.parse().ok());
            let Some(slot) = slot.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file()))
            else {
                continue;
            };
            count += 1;
            if count > limits::OBJECTS + 1 || entry.metadata()?.len() > limits::OBJECT_BYTES * 2 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            std::fs::copy(entry.path(), to.join(slot.to_string()))?;
        }
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
