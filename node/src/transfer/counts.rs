//! What one transfer has cost so far, in a file beside the objects, so that it is known after a restart too.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Name of the file in the parcel's folder.
const FILE: &str = "counts";
/// What stood there in an earlier version: how far segments of objects were here. Nothing of it is of use any more.
const EARLIER: &str = "marks";
/// Bytes of a count, which is big-endian.
const COUNT: usize = 8;

/// Bytes over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Received in all.
    pub received: u64,
    /// Of these, those of packs whose objects are here.
    pub accepted: u64,
}

/// The counts of one transfer.
pub struct Counts {
    file: File,
    cost: Mutex<Cost>,
}

impl Counts {
    /// Opens the counts of a parcel, making them when there are none.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(folder: &Path) -> io::Result<Counts> {
        remove(&folder.join(EARLIER))?;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(FILE))?;
        file.set_len(2 * COUNT as u64)?;
        let mut bytes = [0; 2 * COUNT];
        file.read_exact_at(&mut bytes, 0)?;
        let number = |at: usize| {
            let bytes = bytes[at..].first_chunk().copied().unwrap_or_default();
            u64::from_be_bytes(bytes)
        };
        let cost = Cost {
            received: number(0),
            accepted: number(COUNT),
        };
        Ok(Counts {
            file,
            cost: Mutex::new(cost),
        })
    }

    /// Counts bytes that were received.
    ///
    /// # Errors
    /// As the file system says.
    pub fn receive(&self, bytes: u64) -> io::Result<Cost> {
        self.change(|cost| cost.received = cost.received.saturating_add(bytes))
    }

    /// Counts those of a pack whose objects are here.
    ///
    /// # Errors
    /// As the file system says.
    pub fn accept(&self, bytes: u64) -> io::Result<Cost> {
        self.change(|cost| cost.accepted = cost.accepted.saturating_add(bytes))
    }

    /// What is counted by now.
    pub fn cost(&self) -> Cost {
        *self.cost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Cost)) -> io::Result<Cost> {
        let mut cost = self.cost.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut cost);
        let bytes = [cost.received.to_be_bytes(), cost.accepted.to_be_bytes()].concat();
        self.file.write_all_at(&bytes, 0)?;
        Ok(*cost)
    }

    /// Removes the counts of a transfer that is complete.
    ///
    /// # Errors
    /// As the file system says.
    pub fn remove(folder: &Path) -> io::Result<()> {
        remove(&folder.join(FILE))
    }
}

/// Removes a file; one that is not there is no error.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_until_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("marks"), [255; 9]).unwrap();
        let counts = Counts::open(folder.path()).unwrap();
        counts.receive(7).unwrap();
        counts.receive(5).unwrap();
        counts.accept(6).unwrap();
        drop(counts);
        let counts = Counts::open(folder.path()).unwrap();
        let expected = Cost {
            received: 12,
            accepted: 6,
        };
        assert_eq!(counts.cost(), expected);
        Counts::remove(folder.path()).unwrap();
        Counts::remove(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
