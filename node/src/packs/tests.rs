//! Real objects through packs: whatever a header says of its pixels, the bytes come back.

use std::path::{Path, PathBuf};

use dokuei_compression::{Decoder, Effort, Encoder};
use dokuei_protocol::study::plan::{PACK, PACK_OBJECTS};

use super::content::{Filling, overhead, pack, unpack};
use super::samples::Place;
use crate::dicom::part10::scan_file;
use crate::parcels::ObjectHead;

/// The variable that names another folder of DICOM files to try, beside those that are kept here.
const MORE: &str = "DOKUEI_DICOM";

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
    found.sort();
}

/// An object as it would be sealed; none when the file is not taken in.
fn object(file: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(file).unwrap();
    let scanned = scan_file(bytes.as_slice(), Some(bytes.len() as u64)).ok()?;
    let head = ObjectHead {
        sop_class: scanned.header.sop_class().as_str().to_owned(),
        sop_instance: scanned.header.sop_instance().as_str().to_owned(),
        transfer_syntax: scanned.meta.transfer_syntax.uid().as_str().to_owned(),
    };
    let mut object = head.to_bytes();
    object.extend_from_slice(&bytes[scanned.data_set_offset as usize..]);
    Some(object)
}

fn objects() -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    files(&here.join("tests/data/dicom"), &mut found);
    files(&here.join("../tests/fixtures"), &mut found);
    if let Some(more) = std::env::var_os(MORE) {
        files(Path::new(&more), &mut found);
    }
    found.iter().filter_map(|file| object(file)).collect()
}

/// Pieces of an object as a plan would cut it if packs had so many bytes.
fn pieces(object: &[u8], length: usize) -> Vec<Filling> {
    let place = Place::of(object, object.len() as u64).unwrap();
    let cut = object.chunks(length).enumerate().map(|(index, bytes)| {
        let offset = (index * length) as u64;
        let place = place.as_ref();
        Filling {
            bytes: bytes.to_vec(),
            samples: place.and_then(|place| place.within(offset, bytes.len() as u64)),
        }
    });
    cut.collect()
}

fn round(pieces: Vec<Filling>, effort: Effort) -> usize {
    let lengths: Vec<usize> = pieces.iter().map(|piece| piece.bytes.len()).collect();
    let pieces: Vec<Option<Filling>> = pieces.into_iter().map(Some).collect();
    let packed = pack(&pieces, effort, &mut Encoder::new());
    let whole = lengths.iter().sum::<usize>() as u64;
    assert!(packed.len() as u64 <= whole + overhead(whole, pieces.len()));
    let back = unpack(&packed, &lengths, &mut Decoder::new()).unwrap();
    let went = pieces
        .iter()
        .map(|piece| piece.as_ref().map(|piece| &piece.bytes));
    assert!(went.eq(back.iter().map(Option::as_ref)));
    packed.len()
}

#[test]
fn every_object_comes_back_whole_and_in_pieces_cut_anywhere() {
    let objects = objects();
    assert!(objects.len() > 30);
    for object in &objects {
        for effort in [Effort::Fast, Effort::Dense] {
            for piece in pieces(object, PACK as usize) {
                round(vec![piece], effort);
            }
        }
        for piece in pieces(object, (object.len() / 3).max(997)) {
            round(vec![piece], Effort::Dense);
        }
    }
}

#[test]
fn objects_of_all_kinds_share_a_pack() {
    let mut objects = objects();
    objects.retain(|object| object.len() < 50_000);
    for many in objects.chunks(PACK_OBJECTS.min(20)) {
        let whole: usize = many.iter().map(Vec::len).sum();
        let pieces = many
            .iter()
            .flat_map(|object| pieces(object, object.len()))
            .collect();
        assert!(round(pieces, Effort::Dense) < whole);
    }
}
