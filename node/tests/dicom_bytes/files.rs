//! The test files, and ways to scan them.

use dokuei_node::dicom::part10::{FileScanner, ScannedFile};
use dokuei_node::dicom::scanner::{Limits, Malformed};
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", "dicom", name]
        .iter()
        .collect()
}

/// The names of the DICOM files of a folder, sorted.
pub(crate) fn names(folder_name: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder(folder_name))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "NOTICE")
        .collect();
    names.sort();
    names
}

pub(crate) fn read(folder_name: &str, name: &str) -> Vec<u8> {
    std::fs::read(folder(folder_name).join(name)).unwrap()
}

/// A table of tab-separated values beside the folders, without its comment lines.
pub(crate) fn table(name: &str) -> Vec<Vec<String>> {
    std::fs::read_to_string(folder(name))
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

/// Scans a file in pieces of `piece` bytes; its length is known beforehand.
pub(crate) fn scan(file: &[u8], piece: usize) -> Result<ScannedFile, Malformed> {
    scan_within(file, piece, Limits::for_total(file.len() as u64))
}

/// Scans a file in pieces of `piece` bytes within `limits`.
pub(crate) fn scan_within(
    file: &[u8],
    piece: usize,
    limits: Limits,
) -> Result<ScannedFile, Malformed> {
    let mut scanner = FileScanner::new(limits);
    for bytes in file.chunks(piece) {
        scanner.push(bytes)?;
    }
    scanner.finish()
}

/// What became of a file, in one comparable word or list.
pub(crate) fn outcome(scanned: &Result<ScannedFile, Malformed>) -> String {
    match scanned {
        Err(malformed) => format!("refused {}", malformed.kind.code()),
        Ok(file) => {
            let findings = file.header.findings().as_slice().iter();
            let codes: Vec<&str> = findings.map(|finding| finding.kind.code()).collect();
            ["carried"]
                .into_iter()
                .chain(codes)
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}
