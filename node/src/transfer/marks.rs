//! How far each segment of a transfer is on disk: one byte a segment in a file beside the objects, the
//! number of its sealed chunks that lie there from its beginning, or that it lies there whole. Behind
//! them stands how many bytes were received in all, whatever came twice included. A mark is a claim, not
//! a proof; whatever it claims is verified before it is confirmed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Name of the file in the parcel's folder.
const FILE: &str = "marks";
/// The mark of a segment that is there whole. No number of chunks is so high.
const HELD: u8 = u8::MAX;
/// Bytes of the count, which is big-endian.
const COUNT: u64 = 8;

/// What a mark says of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It lies there whole.
    Whole,
    /// So many of its sealed chunks lie there, from its beginning.
    Chunks(u8),
}

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

    /// What is claimed of each segment, in order.
    ///
    /// # Errors
    /// As the file system says.
    pub fn claims(&self) -> io::Result<Vec<Claim>> {
        let mut bytes = vec![0; self.segments as usize];
        self.file.read_exact_at(&mut bytes, 0)?;
        let claim = |byte| match byte {
            HELD => Claim::Whole,
            chunks => Claim::Chunks(chunks),
        };
        Ok(bytes.into_iter().map(claim).collect())
    }

    /// Claims a segment.
    ///
    /// # Errors
    /// As the file system says.
    pub fn hold(&self, segment: u32) -> io::Result<()> {
        self.file.write_all_at(&[HELD], u64::from(segment))
    }

    /// Claims so many chunks from the beginning of a segment.
    ///
    /// # Errors
    /// As the file system says.
    pub fn reach(&self, segment: u32, chunks: u8) -> io::Result<()> {
        let mark = chunks.min(HELD - 1);
        self.file.write_all_at(&[mark], u64::from(segment))
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
        marks.reach(2, 63).unwrap();
        assert_eq!(marks.count(7).unwrap(), 7);
        drop(marks);
        let marks = Marks::open(folder.path(), 5).unwrap();
        let none = Claim::Chunks(0);
        let claims = [none, none, Claim::Chunks(63), none, Claim::Whole];
        assert_eq!(marks.claims().unwrap(), claims);
        assert_eq!(marks.count(2).unwrap(), 9);
    }
}
