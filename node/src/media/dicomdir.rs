//! What a DICOMDIR lists. It is not trusted: what is on a medium is found by looking at every file, and this is only
//! held against it, to say what should have been there.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes of a DICOMDIR that are looked through: a disc of 50,000 images lists them in some 20 MB.
const BYTES: u64 = 64 << 20;
/// Files that are named as missing.
const NAMED: usize = 100;
/// Bytes of one Referenced File ID: eight components of eight characters (PS3.10 §8.2), and room for those who write more.
const NAME_BYTES: usize = 256;
/// Referenced File ID (0004,1500), as both little-endian syntaxes write its tag.
const REFERENCED_FILE_ID: &[u8] = b"\x04\x00\x00\x15";

/// The files that the DICOMDIRs of a medium list and that are not on it, the first [`NAMED`], and how many there are.
/// `seen` are the files that were found, by their path below `root`.
///
/// # Errors
/// As the file system says.
pub fn missing(root: &Path, seen: &[String]) -> io::Result<(Vec<String>, u32)> {
    let known: BTreeSet<String> = seen.iter().map(|name| comparable(name)).collect();
    let (mut named, mut count) = (BTreeSet::new(), 0_u32);
    for directory in seen.iter().filter(|name| is_directory(name)) {
        let folder = directory.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut bytes = Vec::new();
        let file = match File::open(root.join(directory)) {
            Ok(file) => file,
            // The name is shown otherwise than it is written.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        file.take(BYTES).read_to_end(&mut bytes)?;
        for listed in listed(&bytes) {
            let name = match folder.is_empty() {
                true => listed,
                false => format!("{folder}/{listed}"),
            };
            if !known.contains(&comparable(&name)) && !named.contains(&name) {
                count = count.saturating_add(1);
                if named.len() < NAMED {
                    named.insert(name);
                }
            }
        }
    }
    Ok((named.into_iter().collect(), count))
}

fn is_directory(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.eq_ignore_ascii_case("DICOMDIR")
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
        let home = tempfile::tempdir().unwrap();
        let mut bytes = b"noise\x04\x00\x00\x15CS\x0c\x00IMAGES\\ONE  ".to_vec();
        bytes.extend(b"\x04\x00\x00\x15CS\x0a\x00IMAGES\\TWO");
        bytes.extend(b"\x04\x00\x00\x15\x0a\x00\x00\x00IMAGES\\SIX");
        // Neither a path upwards nor a length beyond the end is a name.
        bytes.extend(b"\x04\x00\x00\x15CS\x06\x00..\\ETC\x04\x00\x00\x15CS\xff\x00A");
        std::fs::write(home.path().join("DICOMDIR"), bytes).unwrap();
        let seen = ["DICOMDIR".to_owned(), "images/two".to_owned()];
        let (named, count) = missing(home.path(), &seen).unwrap();
        assert_eq!(named, ["IMAGES/ONE", "IMAGES/SIX"]);
        assert_eq!(count, 2);
    }
}
