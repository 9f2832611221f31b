//! Zip archives, read in place. Names in them never become paths, and nothing is unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::{FILES, Gathering, NotTaken, dicomdir, legible};
use crate::dicom::part10::PREAMBLE_BYTES;
use crate::dicom::scanner::{INFLATE_RATIO_FROM, INFLATE_RATIO_MAX};
use crate::language::{Explain, Message};
use crate::say;

/// Bytes that everything in one archive may unpack to: more than any disc holds.
const UNPACKED: u64 = 128 << 30;
/// Bytes of an archive's list of entries: a name and its fields are some hundred bytes each.
const LIST_BYTES: u64 = 64 << 20;
/// Bytes at the end of an archive in which the end of its list lies: the record and the longest comment.
const END_BYTES: u64 = 22 + 65_535;

/// Whether a file is a zip archive, and no DICOM file whose preamble looks like one.
pub(super) fn is_zip(path: &Path) -> bool {
    let mut head = Vec::new();
    let length = PREAMBLE_BYTES as u64 + 4;
    let read = File::open(path).and_then(|file| file.take(length).read_to_end(&mut head));
    read.is_ok()
        && (head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06"))
        && head.get(PREAMBLE_BYTES..) != Some(b"DICM")
}

/// Takes in what an archive holds. `name` is how people know the archive.
pub(super) fn take_in(path: &Path, name: &str, to: &mut Gathering<'_>) {
    let mut archive = match open(path) {
        Ok(archive) => archive,
        Err(refused) => return to.refuse(name.to_owned(), refused),
    };
    let mut left = UNPACKED;
    for index in 0..archive.len() {
        if to.is_full() {
            return to.refuse(name.to_owned(), NotTaken::because(too_many()));
        }
        take_entry(&mut archive, index, name, &mut left, to);
    }
}

fn take_entry(
    archive: &mut ZipArchive<BufReader<File>>,
    index: usize,
    outer: &str,
    left: &mut u64,
    to: &mut Gathering<'_>,
) {
    let (name, size) = match archive.by_index_raw(index) {
        Ok(entry) if entry.is_dir() => return,
        Ok(entry) => {
            let name = format!("{outer}:{}", String::from_utf8_lossy(entry.name_raw()));
            let (size, packed) = (entry.size(), entry.compressed_size());
            let is_nested = name.to_ascii_lowercase().ends_with(".zip");
            let is_bomb = size > INFLATE_RATIO_FROM && size / INFLATE_RATIO_MAX > packed;
            let why = match (entry.encrypted(), is_nested) {
                (true, _) => Some(locked()),
                (false, true) => Some(nested()),
                (false, false) if is_bomb || size > *left => Some(too_large()),
                (false, false) => None,
            };
            match why {
                Some(why) => return to.refuse(name, NotTaken::because(why)),
                None => (name, size),
            }
        }
        Err(error) => return to.refuse(outer.to_owned(), NotTaken::because(said(&error))),
    };
    *left -= size;
    note_listed(archive, index, &name, size, to);
    let scanned = match archive.by_index(index) {
        Ok(entry) => super::scan(entry.take(size), size),
        Err(error) => Err(NotTaken::because(said(&error))),
    };
    let taken = scanned.and_then(|scanned| {
        let entry = archive
            .by_index(index)
            .map_err(|error| NotTaken::because(said(&error)))?;
        to.fill(&scanned, entry.take(size))
    });
    to.note(name, taken);
}

/// Notes an entry and, when it is a DICOMDIR, what that lists. Names are compared, and lead nowhere.
fn note_listed(
    archive: &mut ZipArchive<BufReader<File>>,
    index: usize,
    name: &str,
    size: u64,
    to: &mut Gathering<'_>,
) {
    let here = legible(name);
    to.directories.saw(&here);
    if dicomdir::is_directory(&here)
        && let Ok(entry) = archive.by_index(index)
    {
        to.directories.read(&here, entry.take(size));
    }
}

fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>, NotTaken> {
    let unreadable = |error: io::Error| NotTaken::from(crate::dicom::part10::FileError::Io(error));
    let mut file = File::open(path).map_err(unreadable)?;
    let (entries, bytes) = list(&mut file)
        .map_err(unreadable)?
        .ok_or_else(|| NotTaken::because(damaged()))?;
    if entries > FILES as u64 || bytes > LIST_BYTES {
        return Err(NotTaken::because(too_many()));
    }
    ZipArchive::new(BufReader::new(file)).map_err(|error| NotTaken::because(said(&error)))
}

/// How many entries an archive says it has, and how long its list of them is (APPNOTE 4.3.14, 4.3.16), so that the list
/// is not read before its bounds are known.
fn list(file: &mut (impl Read + Seek)) -> io::Result<Option<(u64, u64)>> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(END_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(END_BYTES).read_to_end(&mut end)?;
    let Some(at) = end.windows(4).rposition(|four| four == b"PK\x05\x06") else {
        return Ok(None);
    };
    let number = |bytes: &[u8], at: usize, count: usize| -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(count)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u64::from(*byte)),
        )
    };
    let (entries, bytes) = (number(&end, at + 10, 2), number(&end, at + 12, 4));
    let (Some(entries), Some(bytes)) = (entries, bytes) else {
        return Ok(None);
    };
    if entries < 0xFFFF && bytes < 0xFFFF_FFFF {
        return Ok(Some((entries, bytes)));
    }
    let locator = at.checked_sub(20).and_then(|at| number(&end, at + 8, 8));
    let Some(place) = locator.filter(|place| *place < length) else {
        return Ok(Some((entries, bytes)));
    };
    let mut record = Vec::new();
    file.seek(SeekFrom::Start(place))?;
    file.take(56).read_to_end(&mut record)?;
    let long = number(&record, 32, 8).zip(number(&record, 40, 8));
    Ok(long.filter(|_| record.starts_with(b"PK\x06\x06")))
}

fn said(error: &ZipError) -> Message {
    match error {
        ZipError::Io(error) => {
            say!("読めません（{why}）", "it cannot be read ({why})"; why = error.message())
        }
        ZipError::InvalidPassword => locked(),
        ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => say!(
            "この zip の圧縮方式には対応していません。展開してから取り込んでください",
            "this kind of zip compression is not read: unpack it first"
        ),
        _ => damaged(),
    }
}

fn damaged() -> Message {
    say!("zip が壊れています", "the zip archive is damaged")
}

fn locked() -> Message {
    say!(
        "暗号化された zip です。展開してから取り込んでください",
        "it is encrypted: unpack it first"
    )
}

fn nested() -> Message {
    say!(
        "zip の中の zip です。取り出してから取り込んでください",
        "a zip archive inside another one: take it out first"
    )
}

fn too_large() -> Message {
    say!(
        "展開後の大きさか圧縮率が上限を超えています",
        "it unpacks to more than is taken"
    )
}

fn too_many() -> Message {
    say!(
        "ファイルが {FILES} 個を超えています",
        "it holds more than {FILES} files"
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::language::assert_both;

    #[test]
    fn the_list_is_measured_before_it_is_read() {
        let mut end = b"PK\x05\x06\0\0\0\0\x02\0\x03\0\x10\x01\0\0\0\0\0\0\0\0".to_vec();
        assert_eq!(list(&mut Cursor::new(&end)).unwrap(), Some((3, 0x110)));
        end.truncate(12);
        assert_eq!(list(&mut Cursor::new(&end)).unwrap(), None);
        assert_eq!(list(&mut Cursor::new(b"no zip")).unwrap(), None);
        let mut long = b"PK\x06\x06".to_vec();
        long.resize(32, 0);
        long.extend(u64::MAX.to_le_bytes());
        long.extend(7u64.to_le_bytes());
        long.resize(56, 0);
        long.extend(b"PK\x06\x07\0\0\0\0");
        long.extend(0u64.to_le_bytes());
        long.extend([1, 0, 0, 0]);
        long.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0");
        assert_eq!(list(&mut Cursor::new(&long)).unwrap(), Some((u64::MAX, 7)));
    }

    #[test]
    fn what_is_not_taken_is_told_in_both_languages() {
        for said in [damaged(), locked(), nested(), too_large(), too_many()] {
            assert_both(&said);
        }
        assert_both(&said(&ZipError::FileNotFound));
    }
}
