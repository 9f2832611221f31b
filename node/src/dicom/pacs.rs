//! A receiving archive that writes files: the far end of the demonstration, and a stand-in for a
//! site's PACS in tests. It does nothing an archive is needed for beyond keeping what it is sent.
//!
//! Each object becomes a Part 10 file (PS3.10 section 7.1) with a zero preamble, our own meta
//! group and the data set's bytes exactly as they came. Its name is made of a digest of the SOP
//! Instance UID, never of anything a peer sent.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::dimse::{StoreFailure, StoreStatus};
use super::part10::file_head;
use super::scp::{Caller, Incoming, Intake, ObjectWriter};
use super::uid::Uid;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// Hexadecimal digits of the digest in a file name: 128 bits, no collision to be met.
const NAME_DIGITS: usize = 32;

/// How names of files under way begin and end.
const PART_PREFIX: &str = "incoming-";
const PART_SUFFIX: &str = ".part";

/// Two files are compared in pieces of this length.
const COMPARED: usize = 64 * 1024;

/// The archive's folder cannot be used: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub struct PacsError {
    folder: PathBuf,
    source: io::Error,
}

/// An archive in one folder. One program at a time uses the folder.
#[derive(Debug)]
pub struct Pacs {
    folder: PathBuf,
    sync: bool,
    stored: AtomicU64,
    serial: AtomicU64,
    /// Held while a finished file takes its name, so that of two senders of one instance the
    /// second sees the first.
    naming: Mutex<()>,
}

impl Pacs {
    /// Use `folder`, creating it where it is missing; what an earlier run left unfinished is
    /// removed. With `sync`, every file and its name are on the disk before they are acknowledged.
    ///
    /// # Errors
    /// The folder cannot be created or read.
    pub fn open(folder: &Path, sync: bool) -> Result<Self, PacsError> {
        let kept = prepare(folder).map_err(|source| PacsError {
            folder: folder.to_owned(),
            source,
        })?;
        Ok(Pacs {
            folder: folder.to_owned(),
            sync,
            stored: AtomicU64::new(kept),
            serial: AtomicU64::new(0),
            naming: Mutex::new(()),
        })
    }

    /// How many objects the archive holds.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Where the object with this SOP Instance UID is, or would be.
    pub fn file_of(&self, sop_instance: &str) -> PathBuf {
        let mut name = String::with_capacity(NAME_DIGITS + 4);
        for byte in Sha256::digest(sop_instance.as_bytes())
            .iter()
            .take(NAME_DIGITS / 2)
        {
            name.push_str(&format!("{byte:02x}"));
        }
        name.push_str(".dcm");
        self.folder.join(name)
    }

    fn part(&self) -> PathBuf {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        self.folder
            .join(format!("{PART_PREFIX}{serial}{PART_SUFFIX}"))
    }
}

/// Create the folder, remove unfinished files, count the finished ones.
fn prepare(folder: &Path) -> io::Result<u64> {
    fs::create_dir_all(folder)?;
    let mut kept = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PART_PREFIX) && name.ends_with(PART_SUFFIX) {
            fs::remove_file(entry.path())?;
        } else if name.ends_with(".dcm") {
            kept += 1;
        }
    }
    Ok(kept)
}

impl Intake for Pacs {
    fn begin(&self, object: Incoming<'_>) -> Result<Box<dyn ObjectWriter + '_>, StoreFailure> {
        let path = self.part();
        let mut file = File::create_new(&path).map_err(out_of_resources)?;
        let header = file_head_of(&object)?;
        let written = file.write_all(&header);
        let writer = PartFile {
            pacs: self,
            target: self.file_of(object.sop_instance),
            path: Some(path),
            file,
        };
        // The writer exists by now, so that a failure removes the file.
        written.map_err(out_of_resources)?;
        Ok(Box::new(writer))
    }

    fn echo(&self, _caller: &Caller) -> bool {
        true
    }
}

/// A file under way; removed when dropped before it has its name.
struct PartFile<'p> {
    pacs: &'p Pacs,
    target: PathBuf,
    path: Option<PathBuf>,
    file: File,
}

impl ObjectWriter for PartFile<'_> {
    fn write(&mut self, data: &[u8]) -> Result<(), StoreFailure> {
        self.file.write_all(data).map_err(out_of_resources)
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreFailure> {
        if self.pacs.sync {
            self.file.sync_data().map_err(out_of_resources)?;
        }
        let Some(path) = self.path.clone() else {
            return Ok(());
        };
        let _naming = self
            .pacs
            .naming
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.target.try_exists().map_err(out_of_resources)? {
            return if same_content(&path, &self.target).map_err(out_of_resources)? {
                Ok(())
            } else {
                Err(StoreFailure::new(
                    StoreStatus::DuplicateInstance,
                    "an instance with this UID and other content is stored",
                    "同じ UID で内容の違うオブジェクトが既に保管されています",
                ))
            };
        }
        fs::rename(&path, &self.target).map_err(out_of_resources)?;
        self.path = None;
        if self.pacs.sync {
            let folder = File::open(&self.pacs.folder).map_err(out_of_resources)?;
            folder.sync_all().map_err(out_of_resources)?;
        }
        self.pacs.stored.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for PartFile<'_> {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed now is removed when the archive is next opened.
            let _left = fs::remove_file(path);
        }
    }
}

/// Whatever the disk says, the sender is told to keep the object and try again (A700).
fn out_of_resources(_why: io::Error) -> StoreFailure {
    StoreFailure::new(
        StoreStatus::OutOfResources,
        "the archive cannot write to its disk",
        "PACS がディスクに書き込めません",
    )
}

/// Whether two files hold the same bytes.
fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; COMPARED], vec![0; COMPARED]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        let (left, right) = (left.get(..count), right.get_mut(..count));
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(false);
        };
        other.read_exact(right)?;
        if left != right {
            return Ok(false);
        }
    }
}

/// The head of the object's file. The UIDs were checked when the request arrived.
fn file_head_of(object: &Incoming<'_>) -> Result<Vec<u8>, StoreFailure> {
    let uid = |text: &str| {
        Uid::parse_lenient(text.as_bytes()).map_err(|_| {
            StoreFailure::new(
                StoreStatus::InvalidInstance,
                "not a unique identifier",
                "UID が正しくありません",
            )
        })
    };
    Ok(file_head(
        &uid(object.sop_class)?,
        &uid(object.sop_instance)?,
        &uid(object.transfer_syntax)?,
    ))
}

impl Explain for PacsError {
    fn message(&self) -> Message {
        let folder = self.folder.display();
        say!(
            "PACS のフォルダ {folder} を使用できません（{why}）",
            "the archive's folder {folder} cannot be used: {why}";
            why = self.source.message()
        )
    }
}

displayed_in_english!(PacsError);
