//! What the archive has confirmed of one parcel: one byte an object, in a file beside them. A byte is
//! written after the archive's answer, so what it says is true whatever happens; one that a power
//! failure takes back costs one C-STORE again, of the same bytes. It also says in which form the archive took the
//! object: what was brought into another transfer syntax for it is not what was sealed, and is not taken for that.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Name of the file in the parcel's folder.
const FILE: &str = "archived";
const AS_SEALED: u8 = 1;
const TRANSCODED: u8 = 2;

/// In which form the archive took an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The bytes that were sealed.
    AsSealed,
    /// Brought into another transfer syntax, since it does not take the one that was sealed.
    Transcoded,
}

impl Form {
    fn byte(self) -> u8 {
        match self {
            Form::AsSealed => AS_SEALED,
            Form::Transcoded => TRANSCODED,
        }
    }

    fn of(byte: u8) -> Option<Form> {
        match byte {
            AS_SEALED => Some(Form::AsSealed),
            TRANSCODED => Some(Form::Transcoded),
            _ => None,
        }
    }
}

/// What the archive has, by position in the manifest.
pub struct Confirmed {
    file: File,
    held: Mutex<Vec<Option<Form>>>,
}

impl Confirmed {
    /// Opens what is written of a parcel of so many objects.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(folder: &Path, objects: usize) -> io::Result<Confirmed> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(FILE))?;
        file.set_len(objects as u64)?;
        let mut bytes = vec![0; objects];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Confirmed {
            file,
            held: Mutex::new(bytes.into_iter().map(Form::of).collect()),
        })
    }

    /// Whether the archive has this object.
    pub fn has(&self, position: usize) -> bool {
        self.lock().get(position).is_some_and(Option::is_some)
    }

    /// How many objects the archive has.
    pub fn count(&self) -> usize {
        self.lock().iter().flatten().count()
    }

    /// How many of these it has in another transfer syntax than they were sealed in.
    pub fn transcoded(&self) -> usize {
        let held = self.lock();
        let forms = held.iter().flatten();
        forms.filter(|form| **form == Form::Transcoded).count()
    }

    /// The archive has confirmed an object, in this form.
    ///
    /// # Errors
    /// As the file system says; the object is stored once more then, after a restart.
    pub fn note(&self, position: usize, form: Form) -> io::Result<()> {
        if let Some(held) = self.lock().get_mut(position) {
            *held = Some(form);
        }
        self.file.write_all_at(&[form.byte()], position as u64)
    }

    /// The archive does not have an object after all.
    ///
    /// # Errors
    /// As the file system says; the object is not sent again after a restart then, and asked for again.
    pub fn forget(&self, position: usize) -> io::Result<()> {
        if let Some(held) = self.lock().get_mut(position) {
            *held = None;
        }
        self.file.write_all_at(&[0], position as u64)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Form>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_confirmed_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let confirmed = Confirmed::open(folder.path(), 3).unwrap();
        confirmed.note(2, Form::AsSealed).unwrap();
        confirmed.note(1, Form::Transcoded).unwrap();
        assert!(confirmed.has(2) && !confirmed.has(0) && !confirmed.has(3));
        drop(confirmed);
        let confirmed = Confirmed::open(folder.path(), 3).unwrap();
        assert!(confirmed.has(2) && confirmed.has(1));
        assert_eq!((confirmed.count(), confirmed.transcoded()), (2, 1));
        confirmed.forget(2).unwrap();
        drop(confirmed);
        assert!(!Confirmed::open(folder.path(), 3).unwrap().has(2));
    }
}
