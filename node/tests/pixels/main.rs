//! Frames and pictures, by the built program's own children: bit by bit what other implementations decode, and
//! what becomes of frames and children that are no good.
//!
//! The files under `tests/data/pixels` are other projects' or made for this one; its NOTICE says so.

#![cfg(test)]
#![allow(clippy::cast_possible_truncation)]

mod children;
mod exact;
mod hostile;
mod object;
mod pictures;

use std::path::{Path, PathBuf};

use dokuei_node::pixels::{Codec, Decoders, Image, Modality, Photometric, Plan, Voi};
use sha2::Digest as _;

/// Decoders by the built program.
fn decoders() -> Decoders {
    Decoders::new(plan())
}

fn plan() -> Plan {
    Plan {
        program: env!("CARGO_BIN_EXE_dokuei").into(),
        ..Plan::this_program()
    }
}

/// A file of this test, or one of those that are read as data sets, too.
fn file(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let own = data.join("pixels").join(name);
    match own.exists() {
        true => own,
        false => data.join("dicom/objects").join(name),
    }
}

/// The lines of a table, in columns.
fn table(name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file(name)).unwrap();
    let lines = text.lines().map(|line| line.split('\t').map(str::to_owned));
    let lines: Vec<Vec<String>> = lines.map(Iterator::collect).collect();
    assert!(!lines.is_empty());
    lines
}

fn digest(bytes: &[u8]) -> String {
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A grey image without any transform.
fn grey(codec: Codec, rows: u16, columns: u16, bits: u8) -> Image {
    Image {
        codec,
        rows,
        columns,
        samples: 1,
        bits_allocated: bits.next_multiple_of(8),
        bits_stored: bits,
        high_bit: bits - 1,
        signed: false,
        planar: false,
        photometric: Photometric::Monochrome2,
        modality: Modality::Rescale(1.0, 0.0),
        voi: Voi::Whole,
        inverse: false,
        palette: None,
        padding: None,
    }
}

/// A colour image.
fn colour(codec: Codec, rows: u16, columns: u16, bits: u8) -> Image {
    Image {
        samples: 3,
        photometric: Photometric::Rgb,
        ..grey(codec, rows, columns, bits)
    }
}
