//! Packs that have come ahead of a grant: each in a file, sealed under a key that is not here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use dokuei_compression::Effort;
use dokuei_keys::id::ParcelId;

use crate::packs;
use crate::parcels::Parcels;
use crate::transfer::counts::Counts;

/// How long packs lie here whose grant does not come: a study that nobody sends for a day goes whole when it goes.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Behind the name of a file whose pack is not here whole.
const PART: &str = "part";

/// The packs of one parcel.
pub(super) struct Kept {
    ahead: Parcels,
    parcel: ParcelId,
    effort: Effort,
    counts: Counts,
    packs: Mutex<Packs>,
}

#[derive(Default)]
struct Packs {
    whole: BTreeSet<u32>,
    /// How much is here of others.
    parts: BTreeMap<u32, u64>,
}

impl Kept {
    /// What is here of a parcel's packs made with this effort. Blocks.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn open(parcels: &Parcels, parcel: ParcelId, effort: Effort) -> io::Result<Kept> {
        let ahead = parcels.ahead();
        std::fs::create_dir_all(ahead.folder_of(&parcel))?;
        let counts = Counts::open(&ahead.folder_of(&parcel))?;
        let name = packs::name(effort);
        let whole = ahead.packs(&parcel, name)?.into_iter().collect();
        let part = format!("{name}.{PART}");
        let mut parts = BTreeMap::new();
        for pack in ahead.packs(&parcel, &part)? {
            let bytes = ahead.pack_of(&parcel, pack, &part).metadata()?.len();
            parts.insert(pack, bytes);
        }
        Ok(Kept {
            ahead,
            parcel,
            effort,
            counts,
            packs: Mutex::new(Packs { whole, parts }),
        })
    }

    /// The effort that its packs are made with.
    pub(super) fn effort(&self) -> Effort {
        self.effort
    }

    /// The first pack from `from` on that is not here whole, with how much is here of it.
    pub(super) fn next(&self, from: u32) -> (u32, u64) {
        let packs = self.lock();
        let mut pack = from;
        while packs.whole.contains(&pack) {
            pack += 1;
        }
        (pack, packs.parts.get(&pack).copied().unwrap_or(0))
    }

    /// How many packs are here whole.
    pub(super) fn count(&self) -> usize {
        self.lock().whole.len()
    }

    /// Keeps bytes of a pack.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn write(&self, pack: u32, at: u64, bytes: &[u8]) -> io::Result<()> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.part(pack))?;
        file.write_all_at(bytes, at)?;
        self.lock().parts.insert(pack, at + bytes.len() as u64);
        self.counts.receive(bytes.len() as u64).map(drop)
    }

    /// Notes that a pack is here whole.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn complete(&self, pack: u32) -> io::Result<()> {
        let whole = packs::name(self.effort);
        std::fs::rename(
            self.part(pack),
            self.ahead.pack_of(&self.parcel, pack, whole),
        )?;
        let mut packs = self.lock();
        packs.parts.remove(&pack);
        packs.whole.insert(pack);
        Ok(())
    }

    /// Forgets what is here of a pack that cannot be continued.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn discard(&self, pack: u32) -> io::Result<()> {
        self.lock().parts.remove(&pack);
        match std::fs::remove_file(self.part(pack)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn part(&self, pack: u32) -> PathBuf {
        let name = format!("{}.{PART}", packs::name(self.effort));
        self.ahead.pack_of(&self.parcel, pack, &name)
    }

    fn lock(&self) -> MutexGuard<'_, Packs> {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves what has come of a parcel to where its transfer looks for it, with what it cost. Blocks.
///
/// # Errors
/// As the file system says; nothing there is no error.
pub(crate) fn hand_over(parcels: &Parcels, parcel: &ParcelId) -> io::Result<()> {
    let (from, to) = (parcels.ahead().folder_of(parcel), parcels.folder_of(parcel));
    let entries = match std::fs::read_dir(&from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        // A transfer continues what is not whole.
        let name = match name.extension() {
            Some(part) if part == PART => name.with_extension(""),
            _ => name,
        };
        let file = to.join(name);
        if !file.exists() {
            std::fs::rename(entry.path(), file)?;
        }
    }
    std::fs::remove_dir_all(from)
}

/// Removes what has lain here for too long; how many bytes there are of the others. Blocks.
///
/// # Errors
/// As the file system says.
pub(super) fn sweep(parcels: &Parcels) -> io::Result<u64> {
    let mut bytes = 0;
    for folder in all(parcels)? {
        let (mut here, mut last) = (0, SystemTime::UNIX_EPOCH);
        for file in std::fs::read_dir(&folder)? {
            let known = file?.metadata()?;
            here += known.len();
            last = last.max(known.modified()?);
        }
        match last.elapsed() {
            Ok(age) if age > KEPT => std::fs::remove_dir_all(&folder)?,
            _ => bytes += here,
        }
    }
    Ok(bytes)
}

/// Removes everything but the parcels of which `stays` says so. Blocks.
///
/// # Errors
/// As the file system says.
pub(super) fn remove_all(parcels: &Parcels, stays: impl Fn(&ParcelId) -> bool) -> io::Result<()> {
    for folder in all(parcels)? {
        let name = folder.file_name().and_then(|name| name.to_str());
        let parcel = name.and_then(|name| name.parse().ok());
        if !parcel.is_some_and(|parcel| stays(&parcel)) {
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

/// The folders of all parcels of which something has come ahead.
fn all(parcels: &Parcels) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for above in folders(parcels.ahead().folder())? {
        all.extend(folders(&above)?);
    }
    Ok(all)
}

/// The folders in a folder; none when it is not there.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARCEL: ParcelId = ParcelId::from_bytes([3; 32]);

    #[test]
    fn what_came_ahead_is_continued_and_handed_over() {
        let folder = tempfile::tempdir().unwrap();
        let parcels = Parcels::open(folder.path().join("parcels")).unwrap();
        let open = || Kept::open(&parcels, PARCEL, Effort::Dense).unwrap();
        let kept = open();
        kept.write(0, 0, b"first").unwrap();
        kept.complete(0).unwrap();
        kept.write(2, 0, b"third").unwrap();
        kept.complete(2).unwrap();
        kept.write(1, 0, b"sec").unwrap();
        kept.write(3, 0, b"useless").unwrap();
        kept.discard(3).unwrap();
        drop(kept);
        // After a crash.
        let kept = open();
        assert_eq!((kept.next(0), kept.next(2)), ((1, 3), (3, 0)));
        kept.write(1, 3, b"ond").unwrap();
        assert_eq!(kept.next(1), (1, 6));
        drop(kept);
        assert_eq!(sweep(&parcels).unwrap(), 5 + 5 + 6 + 16);
        parcels.create(&PARCEL).unwrap();
        hand_over(&parcels, &PARCEL).unwrap();
        let read = |pack| std::fs::read(parcels.pack_of(&PARCEL, pack, "dense")).unwrap();
        let expected = [&b"first"[..], b"second", b"third"];
        assert_eq!([read(0), read(1), read(2)], expected);
        let counts = Counts::open(&parcels.folder_of(&PARCEL)).unwrap();
        assert_eq!(counts.cost().received, 5 + 5 + 6 + 7);
        hand_over(&parcels, &PARCEL).unwrap();
        assert_eq!(sweep(&parcels).unwrap(), 0);
    }

    #[test]
    fn what_nobody_grants_is_removed_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let parcels = Parcels::open(folder.path().join("parcels")).unwrap();
        let kept = Kept::open(&parcels, PARCEL, Effort::Fast).unwrap();
        kept.write(0, 0, b"here").unwrap();
        assert_eq!(sweep(&parcels).unwrap(), 4 + 16);
        remove_all(&parcels, |parcel| *parcel == PARCEL).unwrap();
        assert_eq!(sweep(&parcels).unwrap(), 4 + 16);
        let files = std::fs::read_dir(parcels.ahead().folder_of(&PARCEL)).unwrap();
        for file in files {
            let file = File::options().write(true).open(file.unwrap().path());
            let before = SystemTime::now() - KEPT - Duration::from_secs(1);
            file.unwrap().set_modified(before).unwrap();
        }
        assert_eq!(sweep(&parcels).unwrap(), 0);
        assert!(!parcels.ahead().folder_of(&PARCEL).exists());
        let kept = Kept::open(&parcels, PARCEL, Effort::Fast).unwrap();
        kept.write(0, 0, b"here").unwrap();
        remove_all(&parcels, |_| false).unwrap();
        assert!(!parcels.ahead().folder_of(&PARCEL).exists());
    }
}
