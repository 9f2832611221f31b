//! Taking in files: each goes through the same gate as an object from a modality, and what is not
//! taken is named with its reason.

mod dicomdir;
mod zipped;

pub use self::dicomdir::{Missing, listed};
pub use self::zipped::{Entries, walk};

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use self::dicomdir::Directories;
use crate::dicom::dimse::StoreFailure;
use crate::dicom::header::Header;
use crate::dicom::part10::{FileError, ScannedFile, scan_file};
use crate::dicom::scanner::MalformedKind;
use crate::dicom::scp::ObjectWriter as _;
use crate::language::{Explain, Message, displayed_in_english};
use crate::parcels::ObjectHead;
use crate::say;
use crate::studies::attributes::Attributes;
use crate::studies::intake::StudyIntake;
use crate::studies::patient::Patient;

/// Files of one import. A disc holds some thousand; more is a wrong folder.
const FILES: usize = 200_000;
/// Folders inside each other.
const DEPTH: usize = 32;
/// Skipped files that are named one by one.
const NAMED: usize = 1_000;
/// Patients of one study whose files are named: enough to show that there are several.
const PATIENTS: usize = 8;
/// Characters of a name that are kept.
const NAME_CHARS: usize = 400;
/// Files that are named for each of them.
const FILES_OF_PATIENT: usize = 5;

/// What became of an import. Holds patient data: no `Debug`.
pub struct Imported {
    /// Objects that are here now, new or before.
    pub taken: usize,
    /// Their studies.
    pub studies: Vec<String>,
    /// By study, whom its files name: the first [`PATIENTS`].
    pub patients: BTreeMap<String, Vec<FilesOfPatient>>,
    /// Files that were not taken, the first [`NAMED`].
    pub skipped: Vec<Skipped>,
    /// Files that were not taken although an object may be in them: without it a study is not whole.
    pub refused: usize,
    /// What DICOMDIRs list and that is not there.
    pub missing: Missing,
}

/// The files of one patient in one study.
pub struct FilesOfPatient {
    /// Whom they name.
    pub patient: Patient,
    /// How many they are.
    pub count: usize,
    /// The first [`FILES_OF_PATIENT`], by their path below the imported folder.
    pub files: Vec<String>,
}

/// A file that was not taken.
pub struct Skipped {
    /// Its path below the imported folder.
    pub file: String,
    /// Why.
    pub why: Message,
    /// It holds no DICOM object: nothing is missing without it.
    pub is_foreign: bool,
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

/// Takes in a file, every file below a folder, and what zip archives among them hold. Symbolic links are not followed.
///
/// # Errors
/// When the path itself cannot be read.
pub fn import(intake: &StudyIntake, path: &Path) -> Result<Imported, ImportError> {
    import_expecting(intake, path, &mut |_| Ok(()))
}

/// The same; `expect` hears of each object before it is taken in, and may say why it is not to be.
///
/// # Errors
/// When the path itself cannot be read.
pub fn import_expecting(
    intake: &StudyIntake,
    path: &Path,
    expect: &mut dyn FnMut(&Header) -> Result<(), Message>,
) -> Result<Imported, ImportError> {
    let mut found = Found::default();
    collect(path, 0, &mut found)?;
    let Found {
        mut files,
        left_out,
        ..
    } = found;
    files.sort();
    let mut to = Gathering {
        intake,
        expect,
        directories: Directories::default(),
        count: 0,
        taken: 0,
        patients: BTreeMap::new(),
        skipped: Vec::new(),
        refused: 0,
    };
    for (place, why) in left_out {
        to.note(name_below(path, &place), Err(NotTaken::because(why)));
    }
    for file in files {
        let name = name_below(path, &file);
        if zipped::is_zip(&file) {
            zipped::take_in(&file, &name, &mut to);
        } else {
            to.saw(&name);
            if dicomdir::is_directory(&name)
                && let Ok(mut directory) = File::open(&file)
            {
                to.list(&name, &mut directory);
            }
            let taken = to.take(&file);
            to.note(name, taken);
        }
    }
    Ok(to.imported())
}

/// An import under way.
struct Gathering<'a> {
    intake: &'a StudyIntake,
    expect: &'a mut dyn FnMut(&Header) -> Result<(), Message>,
    directories: Directories,
    count: usize,
    taken: usize,
    patients: BTreeMap<String, Vec<FilesOfPatient>>,
    skipped: Vec<Skipped>,
    refused: usize,
}

impl Gathering<'_> {
    fn take(&mut self, path: &Path) -> Result<(String, Patient), NotTaken> {
        let unreadable = |error: io::Error| NotTaken::from(FileError::Io(error));
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let scanned = scan(&mut file, length)?;
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        self.fill(&scanned, &mut file)
    }

    fn imported(self) -> Imported {
        Imported {
            taken: self.taken,
            studies: self.patients.keys().cloned().collect(),
            patients: self.patients,
            skipped: self.skipped,
            refused: self.refused,
            missing: self.directories.missing(),
        }
    }
}

impl Entries for Gathering<'_> {
    fn is_full(&self) -> bool {
        self.count >= FILES
    }

    fn fill(
        &mut self,
        scanned: &ScannedFile,
        file: &mut dyn Read,
    ) -> Result<(String, Patient), NotTaken> {
        let unreadable = |error: io::Error| NotTaken::from(FileError::Io(error));
        let head = ObjectHead {
            sop_class: scanned.header.sop_class().as_str().to_owned(),
            sop_instance: scanned.header.sop_instance().as_str().to_owned(),
            transfer_syntax: scanned.header.transfer_syntax().uid().as_str().to_owned(),
        };
        let refused = |failure: StoreFailure| NotTaken::refused(&failure);
        let study = scanned.header.study().as_str();
        (self.expect)(&scanned.header).map_err(NotTaken::because)?;
        let mut object = Box::new(self.intake.object(head).map_err(refused)?);
        let mut before = file.take(scanned.data_set_offset);
        io::copy(&mut before, &mut io::sink()).map_err(unreadable)?;
        let mut piece = vec![0; 256 * 1024];
        loop {
            let count = file.read(&mut piece).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            object.write(&piece[..count]).map_err(refused)?;
        }
        object.commit().map_err(refused)?;
        let patient = Patient::of(&Attributes::of(&scanned.header));
        Ok((study.to_owned(), patient))
    }

    fn saw(&mut self, name: &str) {
        self.directories.saw(&legible(name));
    }

    fn list(&mut self, name: &str, directory: &mut dyn Read) {
        self.directories.read(&legible(name), directory);
    }

    fn note(&mut self, name: String, taken: Result<(String, Patient), NotTaken>) {
        let name = legible(&name);
        match taken {
            Ok((study, patient)) => {
                self.taken += 1;
                note(self.patients.entry(study).or_default(), patient, || {
                    name.clone()
                });
            }
            Err(NotTaken { why, is_foreign }) => {
                self.refused += usize::from(!is_foreign);
                if self.skipped.len() < NAMED {
                    self.skipped.push(Skipped {
                        file: name.clone(),
                        why,
                        is_foreign,
                    });
                }
            }
        }
        self.count += 1;
    }
}

/// A name as a terminal may show it: whoever made the medium chose it. Nothing in it turns what follows around.
fn legible(name: &str) -> String {
    let steers = |letter: char| {
        letter.is_control() || matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let letters = name.chars().take(NAME_CHARS);
    letters
        .map(|letter| if steers(letter) { '?' } else { letter })
        .collect()
}

/// Notes whom a file names.
fn note(patients: &mut Vec<FilesOfPatient>, patient: Patient, name: impl Fn() -> String) {
    let at = patients.iter().position(|known| known.patient == patient);
    let at = match at {
        Some(at) => at,
        None if patients.len() < PATIENTS => {
            patients.push(FilesOfPatient {
                patient,
                count: 0,
                files: Vec::new(),
            });
            patients.len() - 1
        }
        None => return,
    };
    let known = &mut patients[at];
    known.count += 1;
    if known.files.len() < FILES_OF_PATIENT {
        known.files.push(name());
    }
}

/// The path of a file below the imported folder; its own where it is what is imported.
fn name_below(root: &Path, file: &Path) -> String {
    let below = file.strip_prefix(root).ok();
    let below = below.filter(|name| !name.as_os_str().is_empty());
    below.unwrap_or(file).display().to_string()
}

/// What lies below a folder.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    /// Where images may be that nobody looked at, and why not.
    left_out: Vec<(PathBuf, Message)>,
    /// Files and folders so far: as many as there may be files.
    count: usize,
}

fn collect(path: &Path, depth: usize, found: &mut Found) -> Result<(), ImportError> {
    found.count += 1;
    if found.count > FILES {
        return Err(ImportError::TooMany);
    }
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_file() {
        found.files.push(path.to_owned());
    } else if kind.is_symlink() {
        found.left_out.push((path.to_owned(), link()));
    } else if kind.is_dir() && depth >= DEPTH {
        found.left_out.push((path.to_owned(), too_deep()));
    } else if kind.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), depth + 1, found)?;
        }
    }
    Ok(())
}

fn link() -> Message {
    say!(
        "リンクです。リンクの先は取り込みません",
        "it is a link, which is not followed"
    )
}

fn too_deep() -> Message {
    say!(
        "フォルダの階層が {DEPTH} 段を超えています。中は見ていません",
        "it lies more than {DEPTH} folders deep and was not looked into"
    )
}

/// Why a file was not taken.
pub struct NotTaken {
    why: Message,
    is_foreign: bool,
}

impl NotTaken {
    /// An object may be in the file, which cannot be read for this reason.
    fn because(why: Message) -> NotTaken {
        NotTaken {
            why: why.sentence(),
            is_foreign: false,
        }
    }

    /// An object may be in the file.
    fn refused(why: &dyn Explain) -> NotTaken {
        NotTaken {
            why: why.message().sentence(),
            is_foreign: false,
        }
    }
}

impl From<FileError> for NotTaken {
    fn from(error: FileError) -> NotTaken {
        let is_foreign = match &error {
            FileError::Io(_) => false,
            FileError::Malformed(malformed) => matches!(
                malformed.kind,
                MalformedKind::NotDicom | MalformedKind::Directory
            ),
        };
        NotTaken {
            is_foreign,
            ..NotTaken::refused(&error)
        }
    }
}

fn scan(file: impl Read, length: u64) -> Result<ScannedFile, NotTaken> {
    Ok(scan_file(file, Some(length))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn names_do_not_steer_a_terminal() {
        assert_eq!(legible("a\u{1b}[2Jb\u{202e}mcd.exe"), "a?[2Jb?mcd.exe");
        assert_eq!(legible("画像.dcm"), "画像.dcm");
    }

    #[test]
    fn what_nobody_looked_at_is_found() {
        let home = tempfile::tempdir().unwrap();
        let deepest = (0..DEPTH + 2).fold(home.path().to_owned(), |path, _| path.join("d"));
        std::fs::create_dir_all(&deepest).unwrap();
        std::fs::write(deepest.join("image"), b"x").unwrap();
        std::fs::write(home.path().join("image"), b"x").unwrap();
        std::os::unix::fs::symlink("image", home.path().join("link")).unwrap();
        let mut found = Found::default();
        collect(home.path(), 0, &mut found).ok().unwrap();
        assert_eq!(found.files.len(), 1);
        let mut names: Vec<String> = found
            .left_out
            .iter()
            .map(|(path, _)| name_below(home.path(), path))
            .collect();
        names.sort();
        assert_eq!(names, [["d"; DEPTH].join("/"), "link".to_owned()]);
        for why in [link(), too_deep()] {
            crate::language::assert_both(&why);
        }
    }

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
