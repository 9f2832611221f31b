//! Which segments of a transfer are on disk: one byte a segment in a file beside them. A mark is a
//! claim, not a proof; whatever it claims is verified before it is confirmed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Name of the file in the parcel's folder.
const FILE: &str = "marks";
const HELD: u8 = 1;

/// The marks of one transfer.
pub struct Marks(File);

impl Marks {
    /// Opens the marks of a parcel, making them when there are none.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(folder: &Path, segments: u32) -> io::Result<Marks> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(FILE))?;
        file.set_len(u64::from(segments))?;
        Ok(Marks(file))
    }

    /// The segments that are claimed to be on disk.
    ///
    /// # Errors
    /// As the file system says.
    pub fn held(&self, segments: u32) -> io::Result<Vec<u32>> {
        let mut bytes = vec![0; segments as usize];
        self.0.read_exact_at(&mut bytes, 0)?;
        Ok((0..segments)
            .filter(|index| bytes[*index as usize] == HELD)
            .collect())
    }

    /// Claims a segment.
    ///
    /// # Errors
    /// As the file system says.
    pub fn hold(&self, segment: u32) -> io::Result<()> {
        self.0.write_all_at(&[HELD], u64::from(segment))
    }

    /// Takes a claim back.
    ///
    /// # Errors
    /// As the file system says.
    pub fn discard(&self, segment: u32) -> io::Result<()> {
        self.0.write_all_at(&[0], u64::from(segment))
    }

    /// Removes the marks of a transfer that is complete.
    ///
    /// # Errors
    /// As the file system says.
    pub fn remove(folder: &Path) -> io::Result<()> {
        match std::fs::remove_file(folder.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
