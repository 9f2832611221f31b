//! What a DICOMDIR lists. It is not trusted: what is on a medium is found by looking at every file, and this is only
//! held against it, to say what should have been there.

use std::collections::BTreeSet;
use std::io::Read;

use super::FILES;

/// Bytes of a DICOMDIR that are looked through: a disc of 50,000 images lists them in some 20 MB.
const BYTES: u64 = 64 << 20;
/// Files that are named as missing.
const NAMED: usize = 100;
/// Bytes of one Referenced File ID: eight components of eight characters (PS3.10 §8.2), and room for those who write more.
const NAME_BYTES: usize = 256;
/// Referenced File ID (0004,1500), as both little-endian syntaxes write its tag.
const REFERENCED_FILE_ID: &[u8] = b"\x04\x00\x00\x15";

/// The files that DICOMDIRs list and that are not there.
#[derive(Default)]
pub struct Missing {
    /// The first [`NAMED`] of them, by their path below the imported folder; in an archive, behind its name and a colon.
    pub named: Vec<String>,
    /// How many they are.
    pub count: u32,
}

/// What is on a medium, and what its DICOMDIRs say should be. Names are compared, in folders as in archives; none
/// becomes a path.
#[derive(Default)]
pub(super) struct Directories {
    /// Every file, as it is compared.
    seen: BTreeSet<String>,
    /// What is listed, at most [`FILES`]: a medium holds no more.
    listed: BTreeSet<String>,
}

impl Directories {
    /// Notes a file that is there.
    pub(super) fn saw(&mut self, name: &str) {
        self.seen.insert(comparable(name));
    }

    /// Notes what a DICOMDIR of this name lists. One that cannot be read lists what was read of it.
    pub(super) fn read(&mut self, name: &str, directory: impl Read) {
        let file = name.rsplit(['/', ':']).next().unwrap_or(name);
        let folder = name.strip_suffix(file).unwrap_or_default();
        let mut bytes = Vec::new();
        let _ = directory.take(BYTES).read_to_end(&mut bytes);
        let room = FILES.saturating_sub(self.listed.len());
        let listed = listed(&bytes).take(room);
        self.listed
            .extend(listed.map(|listed| format!("{folder}{listed}")));
    }

    /// What is listed and not there.
    pub(super) fn missing(&self) -> Missing {
        let mut missing = Missing::default();
        let listed = self.listed.iter();
        for name in listed.filter(|name| !self.seen.contains(&comparable(name))) {
            missing.count = missing.count.saturating_add(1);
            if missing.named.len() < NAMED {
                missing.named.push(name.clone());
            }
        }
        missing
    }
}

/// Whether a file is a DICOMDIR by its name.
pub(super) fn is_directory(name: &str) -> bool {
    let file = name.rsplit(['/', ':']).next().unwrap_or(name);
    file.split(';')
        .next()
        .unwrap_or(file)
        .eq_ignore_ascii_case("DICOMDIR")
}

/// Discs are written in capitals and read in small letters, with or without `;1` and a dot (ISO 9660).
fn comparable(name: &str) -> String {
    let name = name.split(';').next().unwrap_or(name);
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The file names in a DICOMDIR, by their tag: no parser goes through its records. Each leads downwards, if anywhere.
pub fn listed(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes
        .windows(REFERENCED_FILE_ID.len())
        .enumerate()
        .filter(|(_, four)| *four == REFERENCED_FILE_ID)
        .filter_map(|(at, _)| name(bytes.get(at + REFERENCED_FILE_ID.len()..)?))
}

fn name(after: &[u8]) -> Option<String> {
    let (length, value) = match after {
        [b'C', b'S', low, high, value @ ..] => (u16::from_le_bytes([*low, *high]).into(), value),
        [a, b, c, d, value @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, value),
        _ => return None,
    };
    let value = value.get(..length).filter(|_| length <= NAME_BYTES)?;
    let parts: Vec<&str> = std::str::from_utf8(value)
        .ok()?
        .split('\\')
        .map(str::trim)
        .collect();
    let is_name = |part: &&str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        part.bytes().any(|byte| byte.is_ascii_alphanumeric()) && part.bytes().all(letters)
    };
    parts.iter().all(is_name).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_and_not_there_is_named() {
        let mut bytes = b"noise\x04\x00\x00\x15CS\x0c\x00IMAGES\\ONE  ".to_vec();
        bytes.extend(b"\x04\x00\x00\x15CS\x0a\x00IMAGES\\TWO");
        bytes.extend(b"\x04\x00\x00\x15\x0a\x00\x00\x00IMAGES\\SIX");
        // Neither a path upwards nor a length beyond the end is a name.
        bytes.extend(b"\x04\x00\x00\x15CS\x06\x00..\\ETC\x04\x00\x00\x15CS\xff\x00A");
        let missing = |directory: &str, file: &str| {
            let mut directories = Directories::default();
            directories.read(directory, bytes.as_slice());
            directories.saw(directory);
            directories.saw(file);
            let missing = directories.missing();
            assert_eq!(missing.count as usize, missing.named.len());
            missing.named
        };
        assert_eq!(
            missing("DICOMDIR", "images/two"),
            ["IMAGES/ONE", "IMAGES/SIX"]
        );
        // In an archive, whose other files lie beside the DICOMDIR.
        assert_eq!(
            missing("cd.zip:disc/DICOMDIR;1", "cd.zip:disc/IMAGES/ONE.;1"),
            ["cd.zip:disc/IMAGES/SIX", "cd.zip:disc/IMAGES/TWO"]
        );
        assert_eq!(missing("cd.zip:DICOMDIR", "IMAGES/ONE").len(), 3);
        assert!(is_directory("cd.zip:dicomdir") && !is_directory("DICOMDIR/1"));
    }
}
