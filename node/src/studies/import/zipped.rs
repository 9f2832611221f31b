//! Zip archives, read in place. Names in them never become paths, and nothing is unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::{FILES, NotTaken, dicomdir};
use crate::dicom::part10::{FileError, PREAMBLE_BYTES, ScannedFile};
use crate::dicom::scanner::{INFLATE_RATIO_FROM, INFLATE_RATIO_MAX};
use crate::language::{Explain, Message};
use crate::say;
use crate::studies::patient::Patient;

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

/// Where what an archive holds goes.
pub trait Entries {
    /// Whether no more is taken.
    fn is_full(&self) -> bool;

    /// Takes in a file that was scanned, read from its beginning. Gives its study and whom it names.
    ///
    /// # Errors
    /// Why it is not taken.
    fn fill(
        &mut self,
        scanned: &ScannedFile,
        content: &mut dyn Read,
    ) -> Result<(String, Patient), NotTaken>;

    /// Hears of a file that is there, by the name of the archive and its own.
    fn saw(&mut self, name: &str);

    /// Hears what a DICOMDIR of this name lists. Names are compared, and lead nowhere.
    fn list(&mut self, name: &str, directory: &mut dyn Read);

    /// Hears what became of a file, by the name of the archive and its own.
    fn note(&mut self, name: String, taken: Result<(String, Patient), NotTaken>);
}

/// Takes in what the archive at a path holds. `name` is how people know the archive.
pub(super) fn take_in(path: &Path, name: &str, to: &mut dyn Entries) {
    match File::open(path) {
        Ok(file) => walk(BufReader::new(file), name, to),
        Err(error) => to.note(name.to_owned(), Err(unreadable(error))),
    }
}

/// Takes in what an archive holds.
pub fn walk(mut source: impl Read + Seek, name: &str, to: &mut dyn Entries) {
    let length = match source.seek(SeekFrom::End(0)) {
        Ok(length) => length,
        Err(error) => return to.note(name.to_owned(), Err(unreadable(error))),
    };
    let (mut archive, entries) = match open(source) {
        Ok(opened) => opened,
        Err(refused) => return to.note(name.to_owned(), Err(refused)),
    };
    // Entries may share their bytes: what one may unpack to is no bound for all of them.
    // Of entries with one name the library gives the last.
    let twins = entries.saturating_sub(archive.len() as u64);
    if twins > 0 {
        to.note(name.to_owned(), Err(NotTaken::because(named_twice(twins))));
    }
    let most = length
        .saturating_mul(INFLATE_RATIO_MAX)
        .max(INFLATE_RATIO_FROM);
    let mut left = UNPACKED.min(most);
    for index in 0..archive.len() {
        if to.is_full() {
            return to.note(name.to_owned(), Err(NotTaken::because(too_many())));
        }
        take_entry(&mut archive, index, name, &mut left, to);
    }
}

fn take_entry(
    archive: &mut ZipArchive<impl Read + Seek>,
    index: usize,
    outer: &str,
    left: &mut u64,
    to: &mut dyn Entries,
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
                Some(why) => return to.note(name, Err(NotTaken::because(why))),
                None => (name, size),
            }
        }
        Err(error) => return to.note(outer.to_owned(), Err(NotTaken::because(said(&error)))),
    };
    *left -= size;
    to.saw(&name);
    if dicomdir::is_directory(&name)
        && let Ok(entry) = archive.by_index(index)
    {
        to.list(&name, &mut entry.take(size));
    }
    let scanned = match archive.by_index(index) {
        Ok(entry) => super::scan(entry.take(size), size),
        Err(error) => Err(NotTaken::because(said(&error))),
    };
    let taken = scanned.and_then(|scanned| {
        let entry = archive
            .by_index(index)
            .map_err(|error| NotTaken::because(said(&error)))?;
        to.fill(&scanned, &mut entry.take(size))
    });
    to.note(name, taken);
}

fn unreadable(error: io::Error) -> NotTaken {
    NotTaken::from(FileError::Io(error))
}

/// An archive, and how many entries it says it has.
fn open<R: Read + Seek>(mut source: R) -> Result<(ZipArchive<R>, u64), NotTaken> {
    let (entries, bytes) = list(&mut source)
        .map_err(unreadable)?
        .ok_or_else(|| NotTaken::because(damaged()))?;
    if entries > FILES as u64 || bytes > LIST_BYTES {
        return Err(NotTaken::because(too_many()));
    }
    let archive = ZipArchive::new(source).map_err(|error| NotTaken::because(said(&error)))?;
    Ok((archive, entries))
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

fn named_twice(count: u64) -> Message {
    say!(
        "ほかのファイルと同じ名前のファイルが {count} 個あり、読めません。名前を変えて展開してから取り込んでください",
        "{count} of its files have the name of another one and cannot be read: unpack it under other names first"
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
        let all = [
            damaged(),
            locked(),
            nested(),
            named_twice(2),
            too_large(),
            too_many(),
        ];
        for said in all {
            assert_both(&said);
        }
        assert_both(&said(&ZipError::FileNotFound));
    }
}
