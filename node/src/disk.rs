//! Room on the disk. Intake stops while there is still room for what must go on: records, receipts,
//! reports.

use std::path::{Path, PathBuf};

/// Never take more than this from large disks as a reserve.
const RESERVE_MOST: u64 = 256 << 20;
/// The reserve is this part of a small disk.
const RESERVE_PART: u64 = 16;

/// So many reserves are room for what need not be here.
const AMPLE: u64 = 8;

fn reserve(total: u64) -> u64 {
    RESERVE_MOST.min(total / RESERVE_PART)
}

/// Watches the free space under a folder.
#[derive(Clone, Debug)]
pub struct Room {
    folder: PathBuf,
}

impl Room {
    /// Room under this folder.
    pub fn under(folder: &Path) -> Room {
        Room {
            folder: folder.to_owned(),
        }
    }

    /// Whether there is room beyond the reserve. A disk that cannot be asked counts as full: what
    /// cannot be asked cannot be written either.
    pub fn is_left(&self) -> bool {
        self.free()
            .is_some_and(|(free, total)| free > reserve(total))
    }

    /// Whether there is room for what is perhaps of use later: [`AMPLE`] times the reserve.
    pub fn is_ample(&self) -> bool {
        self.free()
            .is_some_and(|(free, total)| free > AMPLE * reserve(total))
    }

    /// Free and total bytes.
    pub fn free(&self) -> Option<(u64, u64)> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some((
            disk.f_bavail.saturating_mul(disk.f_frsize),
            disk.f_blocks.saturating_mul(disk.f_frsize),
        ))
    }
}
