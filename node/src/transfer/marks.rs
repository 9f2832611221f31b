//! Which segments of a transfer are on disk: one byte a segment in a file beside them, and behind them
//! how many bytes were received in all, whatever came twice included. A mark is a claim, not a proof;
//! whatever it claims is verified before it is confirmed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Name of the file in the parcel's folder.
const FILE: &str = "marks";
const HELD: u8 = 1;
/// Bytes of the count, which is big-endian.
const COUNT: u64 = 8;

/// The marks of one transfer.
pub struct Marks {
    file: File,
    segments: u32,
    received: Mutex<u64>,
}

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
        file.set_len(u64::from(segments) + COUNT)?;
        let mut received = [0; COUNT as usize];
        file.read_exact_at(&mut received, u64::from(segments))?;
        Ok(Marks {
            file,
            segments,
            received: Mutex::new(u64::from_be_bytes(received)),
        })
    }

    /// Counts bytes that were received, and gives the count, which survives the process.
    ///
    /// # Errors
    /// As the file system says.
    pub fn count(&self, more: u64) -> io::Result<u64> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        *received = received.saturating_add(more);
        let bytes = received.to_be_bytes();
        self.file.write_all_at(&bytes, u64::from(self.segments))?;
        Ok(*received)
    }

    /// The segments that are claimed to be on disk.
    ///
    /// # Errors
    /// As the file system says.
    pub fn held(&self) -> io::Result<Vec<u32>> {
        let mut bytes = vec![0; self.segments as usize];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok((0..self.segments)
            .filter(|index| bytes[*index as usize] == HELD)
            .collect())
    }

    /// Claims a segment.
    ///
    /// # Errors
    /// As the file system says.
    pub fn hold(&self, segment: u32) -> io::Result<()> {
        self.file.write_all_at(&[HELD], u64::from(segment))
    }

    /// Takes a claim back.
    ///
    /// # Errors
    /// As the file system says.
    pub fn discard(&self, segment: u32) -> io::Result<()> {
        self.file.write_all_at(&[0], u64::from(segment))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_the_count_survive() {
        let folder = tempfile::tempdir().unwrap();
        let marks = Marks::open(folder.path(), 5).unwrap();
        marks.hold(1).unwrap();
        marks.hold(4).unwrap();
        marks.discard(1).unwrap();
        assert_eq!(marks.count(7).unwrap(), 7);
        drop(marks);
        let marks = Marks::open(folder.path(), 5).unwrap();
        assert_eq!(marks.held().unwrap(), [4]);
        assert_eq!(marks.count(2).unwrap(), 9);
    }
}
