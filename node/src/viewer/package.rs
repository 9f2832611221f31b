//! A package as npm publishes it: a folder, or the `.tgz` of `npm pack`. Names in it never become paths here.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use crate::language::{Explain as _, Failure, Message};
use crate::say;

/// Files of one package. OHIF 3.13 has 249.
const FILES: usize = 5_000;
/// Bytes of one file. OHIF's largest has 20 MB.
pub(super) const FILE_BYTES: u64 = 64 << 20;
/// Bytes of a packed package: five times OHIF's.
const PACKED: u64 = 256 << 20;
/// Bytes that a package may unpack to: five times OHIF's.
const UNPACKED: u64 = 1 << 30;
/// Bytes that one packed byte may unpack to on average. OHIF's make 4.
const RATIO: u64 = 50;
/// Longest name of a file.
const NAME: usize = 200;
/// The folder that npm puts everything into.
const ROOT: &str = "package";

/// What is done with each file: its name in the package, and its content.
pub type Take<'a> = dyn FnMut(&str, &mut dyn Read) -> Result<(), Failure> + 'a;

/// Gives every file of a package to `take`.
///
/// # Errors
/// When it is none, is damaged, or holds more or other things than a package does.
pub(super) fn read(path: &Path, take: &mut Take<'_>) -> Result<(), Failure> {
    let about = fs::metadata(path).map_err(|error| unreadable(&error))?;
    match about.is_dir() {
        true => folder(path, take),
        false => packed(path, about.len(), take),
    }
}

fn packed(path: &Path, length: u64, take: &mut Take<'_>) -> Result<(), Failure> {
    if length > PACKED {
        return Err(too_much());
    }
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    unpack(file, length, take)
}

/// Gives every file of a packed package of `length` bytes to `take`.
///
/// # Errors
/// As [`read`].
pub fn unpack(file: impl Read, length: u64, take: &mut Take<'_>) -> Result<(), Failure> {
    let unpacked = Bounded {
        inner: GzDecoder::new(BufReader::new(file)),
        left: UNPACKED.min(length.saturating_mul(RATIO)),
    };
    let mut archive = Archive::new(unpacked);
    // Raw: what extends a name or an entry would be read into memory at the length it claims. npm writes none of it.
    let entries = archive.entries().map_err(|error| broken(&error))?.raw(true);
    for (count, entry) in entries.enumerate() {
        if count == FILES {
            return Err(too_much());
        }
        let mut entry = entry.map_err(|error| broken(&error))?;
        match entry.header().entry_type() {
            EntryType::Regular => {}
            EntryType::Directory => continue,
            _ => return Err(strange()),
        }
        if entry.size() > FILE_BYTES {
            return Err(too_much());
        }
        let path = entry.path_bytes().into_owned();
        let name = std::str::from_utf8(&path).ok().and_then(inner_name);
        take(name.ok_or_else(strange)?, &mut entry)?;
    }
    // What follows is padding, and the sum that says whether all of it came.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| broken(&error))?;
    Ok(())
}

/// The name of a file below the package's own folder.
fn inner_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix(ROOT)?.strip_prefix('/')?;
    is_name(name).then_some(name)
}

/// Whether this names a file of a package: segments of plain characters, none of which leads elsewhere.
fn is_name(name: &str) -> bool {
    let is_plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte))
    };
    name.len() <= NAME && name.split('/').all(is_plain)
}

fn folder(path: &Path, take: &mut Take<'_>) -> Result<(), Failure> {
    let inner = path.join(ROOT);
    let root = match inner.is_dir() {
        true => inner,
        false => path.to_owned(),
    };
    let mut waiting: Vec<(PathBuf, String)> = Vec::new();
    let mut count = 0;
    let mut left = UNPACKED;
    for name in ["package.json", "LICENSE", "dist"] {
        waiting.push((root.join(name), name.to_owned()));
    }
    while let Some((at, name)) = waiting.pop() {
        let about = match fs::symlink_metadata(&at) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&error)),
        };
        count += 1;
        if count > FILES || !is_name(&name) {
            return Err(if count > FILES { too_much() } else { strange() });
        }
        if about.is_dir() {
            for entry in fs::read_dir(&at).map_err(|error| unreadable(&error))? {
                let entry = entry.map_err(|error| unreadable(&error))?;
                let own = entry.file_name().into_string().map_err(|_| strange())?;
                if count + waiting.len() > FILES {
                    return Err(too_much());
                }
                waiting.push((entry.path(), format!("{name}/{own}")));
            }
            continue;
        }
        if !about.is_file() {
            return Err(strange());
        }
        if about.len() > FILE_BYTES || about.len() > left {
            return Err(too_much());
        }
        left -= about.len();
        let mut file = File::open(&at).map_err(|error| unreadable(&error))?;
        take(&name, &mut file)?;
    }
    Ok(())
}

/// Fails when more is read than may be.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::FileTooLarge => too_much(),
        _ => refused(say!(
            "壊れているか、npm の .tgz ではありません",
            "it is damaged, or no .tgz of npm"
        )),
    }
}

pub(super) fn unreadable(error: &io::Error) -> Failure {
    refused(say!("読めません（{why}）", "it cannot be read ({why})"; why = error.message()))
}

pub(super) fn too_much() -> Failure {
    refused(say!(
        "ファイルの数・大きさ・圧縮率が上限を超えています",
        "it holds more than a viewer's package does"
    ))
}

fn strange() -> Failure {
    refused(say!(
        "npm のパッケージにないもの（リンクや特殊な名前）が入っています",
        "it holds links or names that no package of npm has"
    ))
}

/// A package that is not taken, and why.
pub(super) fn refused(why: Message) -> Failure {
    Failure::new(
        "no-viewer-package",
        say!(
            "このパッケージは設置できません: {why}。「npm pack @ohif/app@{version}」で得た .tgz か、それを展開したフォルダを指定してください。",
            "This package cannot be installed: {why}. Give the .tgz of 'npm pack @ohif/app@{version}', or the folder it unpacks to.";
            why = why, version = Message::new(super::TESTED, super::TESTED)
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// One entry of a tar archive.
    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let mut all = header.to_vec();
        all.extend_from_slice(content);
        all.resize(all.len().next_multiple_of(512), 0);
        all
    }

    fn pressed(plain: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(plain).unwrap();
        out.finish().unwrap()
    }

    /// The names that were taken, or the code of the refusal with the first words of why.
    fn taken(tgz: &[u8]) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        let mut take = |name: &str, content: &mut dyn Read| {
            names.push(name.to_owned());
            io::copy(content, &mut io::sink()).map_err(|error| broken(&error))?;
            Ok(())
        };
        match unpack(tgz, tgz.len() as u64, &mut take) {
            Ok(()) => Ok(names),
            Err(failure) => {
                crate::language::assert_both(&failure.message);
                Err(failure.message.en)
            }
        }
    }

    #[test]
    fn a_package_is_read() {
        let mut tar = entry("package/package.json", b'0', b"{}");
        tar.extend(entry("package/dist/", b'5', b""));
        tar.extend(entry("package/dist/a.js", b'0', &[b'x'; 600]));
        tar.extend([0; 1024]);
        let tgz = pressed(&tar);
        assert_eq!(taken(&tgz).unwrap(), ["package.json", "dist/a.js"]);
        for cut in [10, tgz.len() / 2, tgz.len() - 4] {
            assert!(taken(&tgz[..cut]).unwrap_err().contains("damaged"), "{cut}");
        }
        assert!(taken(b"no gzip").unwrap_err().contains("damaged"));
    }

    #[test]
    fn names_that_lead_elsewhere_and_links_are_refused() {
        for (name, kind) in [
            ("package/../../etc/x", b'0'),
            ("/etc/x", b'0'),
            ("other/x", b'0'),
            ("package/a//b", b'0'),
            ("package/a\\b", b'0'),
            ("package/", b'0'),
            ("package/link", b'2'),
            ("package/hard", b'1'),
            ("package/device", b'3'),
            ("package/long", b'L'),
            ("package/extended", b'x'),
        ] {
            let mut tar = entry(name, kind, b"");
            tar.extend([0; 1024]);
            let why = taken(&pressed(&tar)).unwrap_err();
            assert!(why.contains("links or names"), "{name}: {why}");
        }
    }

    #[test]
    fn bombs_end_at_the_bounds() {
        let tar = entry("package/zeros", b'0', &vec![0; 8 << 20]);
        assert!(taken(&pressed(&tar)).unwrap_err().contains("holds more"));
        let mut many = Vec::new();
        for at in 0..=FILES {
            // Differing contents: this one is not to fail for its ratio.
            many.extend(entry(
                &format!("package/{at}"),
                b'0',
                blake3::hash(&at.to_le_bytes()).as_bytes(),
            ));
        }
        assert!(taken(&pressed(&many)).unwrap_err().contains("holds more"));
        let mut claims = entry("package/huge", b'0', b"");
        claims[124..135].copy_from_slice(b"77777777777");
        let sum: u32 = (0..512)
            .map(|at| {
                if (148..156).contains(&at) {
                    32
                } else {
                    u32::from(claims[at])
                }
            })
            .sum();
        claims[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        assert!(taken(&pressed(&claims)).unwrap_err().contains("holds more"));
    }

    #[test]
    fn a_folder_is_read_without_following_links() {
        let place = tempfile::tempdir().unwrap();
        let dist = place.path().join("package/dist");
        fs::create_dir_all(&dist).unwrap();
        fs::write(dist.join("a.js"), "x").unwrap();
        let names = |path: &Path| {
            let mut names = Vec::new();
            let read = read(path, &mut |name, _| {
                names.push(name.to_owned());
                Ok(())
            });
            read.map(|()| names)
        };
        assert_eq!(names(place.path()).unwrap(), ["dist/a.js"]);
        assert_eq!(names(&place.path().join("package")).unwrap(), ["dist/a.js"]);
        std::os::unix::fs::symlink("/etc/hosts", dist.join("link")).unwrap();
        assert!(names(place.path()).is_err());
        assert!(names(&place.path().join("nowhere")).is_err());
    }
}
