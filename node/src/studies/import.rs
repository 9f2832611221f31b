//! Taking in files: each goes through the same gate as an object from a modality, and what is not
//! taken is named with its reason.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::dicom::dimse::StoreFailure;
use crate::dicom::part10::{FileError, scan_file};
use crate::dicom::scp::ObjectWriter as _;
use crate::language::{Explain, Message, displayed_in_english};
use crate::parcels::ObjectHead;
use crate::say;
use crate::studies::intake::StudyIntake;

/// Files of one import. A disc holds some thousand; more is a wrong folder.
const FILES: usize = 200_000;
/// Folders inside each other.
const DEPTH: usize = 32;
/// Skipped files that are named one by one.
const NAMED: usize = 1_000;

/// What became of an import.
pub struct Imported {
    /// Objects that are here now, new or before.
    pub taken: usize,
    /// Their studies.
    pub studies: Vec<String>,
    /// Files that were not taken, the first [`NAMED`].
    pub skipped: Vec<Skipped>,
}

/// A file that was not taken.
pub struct Skipped {
    /// Its path below the imported folder.
    pub file: String,
    /// Why.
    pub why: Message,
}

/// Nothing was taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The path cannot be read.
    Unreadable(#[from] io::Error),
    /// More than [`FILES`].
    TooMany,
}

impl Explain for ImportError {
    fn message(&self) -> Message {
        match self {
            ImportError::Unreadable(error) => error.message(),
            ImportError::TooMany => say!(
                "ファイルが {FILES} 個を超えています",
                "it holds more than {FILES} files"
            ),
        }
    }
}

displayed_in_english!(ImportError);

/// Takes in a file, or every file below a folder. Symbolic links are not followed.
///
/// # Errors
/// When the path itself cannot be read.
pub fn import(intake: &StudyIntake, path: &Path) -> Result<Imported, ImportError> {
    let mut files = Vec::new();
    collect(path, 0, &mut files)?;
    files.sort();
    let mut studies = BTreeSet::new();
    let mut imported = Imported {
        taken: 0,
        studies: Vec::new(),
        skipped: Vec::new(),
    };
    for file in files {
        match take(intake, &file) {
            Ok(study) => {
                imported.taken += 1;
                studies.insert(study);
            }
            Err(why) if imported.skipped.len() < NAMED => {
                let name = file
                    .strip_prefix(path)
                    .ok()
                    .filter(|name| !name.as_os_str().is_empty())
                    .unwrap_or(&file);
                imported.skipped.push(Skipped {
                    file: name.display().to_string(),
                    why,
                });
            }
            Err(_) => {}
        }
    }
    imported.studies = studies.into_iter().collect();
    Ok(imported)
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ImportError> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_file() {
        files.push(path.to_owned());
    } else if kind.is_dir() && depth < DEPTH {
        for entry in std::fs::read_dir(path)? {
            if files.len() >= FILES {
                return Err(ImportError::TooMany);
            }
            collect(&entry?.path(), depth + 1, files)?;
        }
    }
    Ok(())
}

fn take(intake: &StudyIntake, path: &Path) -> Result<String, Message> {
    let unreadable = |error: io::Error| FileError::Io(error).message().sentence();
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let scanned = scan_file(&mut file, Some(length)).map_err(|error| error.message().sentence())?;
    let head = ObjectHead {
        sop_class: scanned.header.sop_class().as_str().to_owned(),
        sop_instance: scanned.header.sop_instance().as_str().to_owned(),
        transfer_syntax: scanned.header.transfer_syntax().uid().as_str().to_owned(),
    };
    let refused = |failure: StoreFailure| failure.message().sentence();
    let mut object = Box::new(intake.object(head).map_err(refused)?);
    file.seek(SeekFrom::Start(scanned.data_set_offset))
        .map_err(unreadable)?;
    let mut piece = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut piece).map_err(unreadable)?;
        if count == 0 {
            break;
        }
        object.write(&piece[..count]).map_err(refused)?;
    }
    object.commit().map_err(refused)?;
    Ok(scanned.header.study().as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn what_keeps_files_out_is_told_in_both_languages() {
        let errors = [
            ImportError::Unreadable(io::ErrorKind::NotFound.into()),
            ImportError::TooMany,
        ];
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
    }

    #[test]
    fn what_the_register_cannot_do_is_told_in_both_languages() {
        use crate::store::StoreError;
        use crate::studies::register::RegisterError;
        let errors = [
            RegisterError::Disk(io::ErrorKind::StorageFull.into()),
            RegisterError::Store(StoreError::Failed("x".to_owned())),
            RegisterError::Store(StoreError::Closed),
            RegisterError::Full,
            RegisterError::Unknown,
            RegisterError::Arriving,
            RegisterError::Damaged,
        ];
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
    }
}
