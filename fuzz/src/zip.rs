//! Zip archives of studies (`studies/import`).

use std::io::{self, Cursor, Read};

use dokuei_node::dicom::part10::ScannedFile;
use dokuei_node::studies::import::{Entries, NotTaken, walk};
use dokuei_node::studies::patient::Patient;

/// Entries that are looked at of one input.
const ENTRIES: usize = 200;

/// Every entry is told once by a name, and what a taken one holds is as long as it was scanned.
pub fn check(data: &[u8]) {
    let mut seen = Seen { count: 0 };
    walk(Cursor::new(data), "a.zip", &mut seen);
    // That no more is taken is told, and that names come twice.
    assert!(seen.count <= ENTRIES + 2);
}

struct Seen {
    count: usize,
}

impl Entries for Seen {
    fn is_full(&self) -> bool {
        self.count >= ENTRIES
    }

    fn fill(
        &mut self,
        scanned: &ScannedFile,
        content: &mut dyn Read,
    ) -> Result<(String, Patient), NotTaken> {
        let bytes = io::copy(content, &mut io::sink()).unwrap_or(0);
        assert!(bytes >= scanned.data_set_offset);
        Ok((
            scanned.header.study().as_str().to_owned(),
            Patient {
                id: String::new(),
                issuer: String::new(),
            },
        ))
    }

    fn saw(&mut self, name: &str) {
        assert!(name.starts_with("a.zip:"));
    }

    fn list(&mut self, name: &str, directory: &mut dyn Read) {
        assert!(name.starts_with("a.zip:"));
        let _ = io::copy(directory, &mut io::sink());
    }

    fn note(&mut self, name: String, _: Result<(String, Patient), NotTaken>) {
        assert!(name.starts_with("a.zip"));
        self.count += 1;
    }
}
