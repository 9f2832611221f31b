//! What the readers are meant to read and known to refuse: from the files of the node's own tests, and made here. Fuzzing
//! and replaying begin with it.

mod made;

use std::fs;
use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{Bounds, DataSet, Value, json as json_model, read, write};
use dokuei_node::dicom::part10::scan_file;
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::pixels::{Codec, Format, Image, Rendering, Request};

pub use made::{
    addresses, archives, commands, directories, documents, multiparts, packages, streams,
};

/// Longest file that becomes a seed: fuzzing is quick with what is short.
const BYTES: u64 = 12 * 1024;

/// The files of a folder of the node's tests that are short, in the order of their names.
fn fixtures(folder: &str) -> Vec<Vec<u8>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/tests/data");
    let entries = fs::read_dir(data.join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_short = |path: &PathBuf| fs::metadata(path).unwrap().len() <= BYTES;
    let is_data = |path: &PathBuf| !path.ends_with("NOTICE") && is_short(path);
    let data = paths.iter().filter(|path| is_data(path));
    data.map(|path| fs::read(path).unwrap()).collect()
}

/// Files for the gate.
pub fn files() -> Vec<Vec<u8>> {
    [
        "dicom/objects",
        "dicom/broken",
        "dicom/charsets",
        "dicom/hostile",
    ]
    .into_iter()
    .flat_map(fixtures)
    .collect()
}

/// The data sets of files that pass the gate, and how they are written.
fn carried(folders: &[&str]) -> Vec<(Encoding, Vec<u8>)> {
    let files = folders.iter().flat_map(|folder| fixtures(folder));
    files
        .filter_map(|file| {
            let scanned = scan_file(&*file, Some(file.len() as u64)).ok()?;
            let from = usize::try_from(scanned.data_set_offset).ok()?;
            let encoding = scanned.header.transfer_syntax().encoding();
            Some((encoding, file[from..].to_vec()))
        })
        .collect()
}

/// Data sets with the byte that chooses their encoding, whole and as headers.
pub fn data_sets() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (encoding, bytes) in carried(&["dicom/objects", "dicom/charsets"]) {
        let known = crate::dataset::ENCODINGS;
        let at = known.iter().position(|one| *one == encoding).unwrap() as u8;
        for bounds in [0, 4, 8] {
            all.push([&[at | bounds], &*bytes].concat());
        }
    }
    all
}

/// Trees that files are read as, with their pixel data where it is native.
fn trees(folders: &[&str]) -> Vec<DataSet> {
    let read = |(encoding, bytes): (Encoding, Vec<u8>)| {
        let bounds = Bounds {
            kept_bytes: BYTES as usize,
            ..Bounds::IDENTIFIER
        };
        read(&mut &*bytes, encoding, &bounds).ok()
    };
    carried(folders).into_iter().filter_map(read).collect()
}

/// Images: the codec, the number of frames, a data set.
pub fn images() -> Vec<Vec<u8>> {
    let trees = trees(&["dicom/objects", "pixels"]).into_iter();
    let written = trees.map(|tree| write(&tree, Encoding::ExplicitLittle));
    written
        .zip(0u8..)
        .map(|(bytes, number)| [&[number % 4, 1 + number % 5], &*bytes].concat())
        .collect()
}

/// Data sets in JSON.
pub fn json() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for mut tree in trees(&["dicom/charsets"]) {
        let _none = tree.take(tags::PIXEL_DATA);
        let mut text = Vec::new();
        json_model::write(&tree, &mut text);
        all.push(text);
    }
    for text in [
        "[{}]",
        r#"{"00741000":{"vr":"CS","Value":["SCHEDULED"]}}"#,
        r#"{"00280010":{"vr":"US","Value":[512]},"00280030":{"vr":"DS","Value":[0.5,"1e-3",null]}}"#,
        r#"{"00100010":{"vr":"PN","Value":[{"Alphabetic":"A^B","Ideographic":"山田^太郎"}]}}"#,
        r#"{"00420011":{"vr":"OB","InlineBinary":"AAEC"},"00081190":{"vr":"UR","Value":["http://x"]}}"#,
        r#"{"00081032":{"vr":"SQ","Value":[{"00080100":{"vr":"SH","Value":["1"]}},null,{}]}}"#,
        r#"{"00280009":{"vr":"AT","Value":["00181063"]},"00189073":{"vr":"FD","Value":[1e308,"NaN"]}}"#,
    ] {
        all.push(text.as_bytes().to_vec());
    }
    all
}

/// Keys of a query and the entity that they are held against.
pub fn queries() -> Vec<Vec<u8>> {
    let mut keys = DataSet::default();
    keys.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    keys.put_text(tags::STUDY_DATE, VR::DA, "20200101-");
    keys.put_text(tags::STUDY_TIME, VR::TM, "0800-1830.5");
    keys.put_text(tags::MODALITIES_IN_STUDY, VR::CS, "CT\\MR");
    keys.put_text(tags::PATIENT_NAME, VR::PN, "*ﾔﾏﾀﾞ*=山?^*=");
    keys.put_text(tags::PATIENT_ID, VR::LO, "");
    keys.put_text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3\\1.2.4");
    keys.put_text(tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, "3");
    let mut item = DataSet::default();
    item.put_text(tags::SCHEDULED_PROCEDURE_STEP_ID, VR::SH, "A*?*B");
    keys.put_items(tags::REQUEST_ATTRIBUTES_SEQUENCE, vec![item]);
    let mut all = Vec::new();
    for subject in trees(&["dicom/charsets"]).into_iter().chain([keys.clone()]) {
        for keys in [&keys, &subject] {
            let keys = write(keys, Encoding::ExplicitLittle);
            let Ok(length) = u16::try_from(keys.len()) else {
                continue;
            };
            let subject = write(&subject, Encoding::ExplicitLittle);
            all.push([&length.to_le_bytes()[..], &keys, &subject].concat());
        }
    }
    all
}

/// Names, with the character sets that they are in.
pub fn texts() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for tree in trees(&["dicom/charsets"]) {
        let terms = tree.bytes(tags::SPECIFIC_CHARACTER_SET).unwrap_or_default();
        let name = tree.bytes(tags::PATIENT_NAME).unwrap_or_default();
        all.push([terms, b"\n", name].concat());
    }
    for terms in [
        "ISO_IR 13",
        "GB18030",
        "ISO 2022 IR 58",
        "\\ISO 2022 IR 149",
        "ISO_IR 192",
    ] {
        all.push(format!("{terms}\nYamada^Tarou=山田^太郎=やまだ^たろう\\*?").into_bytes());
    }
    all
}

/// Requests to a decoder: a frame of each codec that is this program's own, and a picture of it.
pub fn requests() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for file in ["dicom/objects", "pixels"].into_iter().flat_map(fixtures) {
        let Some((image, source)) = first_frame(&file) else {
            continue;
        };
        let picture = Rendering {
            format: Format::Png,
            ..Rendering::thumbnail()
        };
        let asked = [
            Request::frame(image.clone(), source.clone()),
            Request::picture(image, source, picture),
        ];
        all.extend(asked.iter().filter_map(|request| request.to_bytes().ok()));
    }
    all
}

/// What a decoder must know of the first frame of a file, and its bytes.
fn first_frame(file: &[u8]) -> Option<(Image, Vec<u8>)> {
    let scanned = scan_file(file, Some(file.len() as u64)).ok()?;
    let from = usize::try_from(scanned.data_set_offset).ok()?;
    let transfer_syntax = scanned.header.transfer_syntax();
    let set = &file[from..];
    let header = read(&mut &*set, transfer_syntax.encoding(), &Bounds::IMAGE).ok()?;
    let image = Image::read(&header, Codec::of(transfer_syntax.uid())?, 0).ok()?;
    let Value::Bulk(place) = &header.element(tags::PIXEL_DATA)?.value else {
        return None;
    };
    let value = set.get(usize::try_from(place.offset).ok()?..)?;
    let source = match place.length {
        Some(length) => value.get(..usize::try_from(length).ok()?)?.to_vec(),
        None => first_fragment(value)?.to_vec(),
    };
    Some((image, source))
}

/// The content of the item behind the Basic Offset Table.
fn first_fragment(value: &[u8]) -> Option<&[u8]> {
    let item = |from: &'_ [u8]| -> Option<usize> {
        let length = from.get(4..8)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*length) as usize)
    };
    let behind = value.get(8 + item(value)?..)?;
    behind.get(8..8 + item(behind)?)
}
