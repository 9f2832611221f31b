//! Destinations that do not take the transfer syntax in which objects are kept: what they get instead is the same, to the
//! last bit of each pixel. Uncompressed objects are held against what `dcmconv` makes of them, decoded ones against what
//! pydicom decodes with libjpeg, OpenJPEG and CharLS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{self, Bounds, DataSet, Value};
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::dicom::scu::{Delivery, Destination, Transcoding};
use dokuei_node::pixels::{Decoders, Plan};
use dokuei_node::transcoding::Transcoder;
use sha2::Digest as _;

use crate::dcmtk::{self, StoreScp};
use crate::folder::Folder;
use crate::memory::{self, Memory};
use crate::object::*;
use crate::retrieve::{getscu, movescu};
use crate::send::{destination, send};
use crate::shelf::{self, Shelf};

/// Decoders that are this program's children, and the runtime that they are asked on.
struct Transcodes {
    transcoder: Arc<dyn Transcoding>,
    _runtime: tokio::runtime::Runtime,
}

fn by(program: &str) -> Transcodes {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let plan = Plan {
        program: program.into(),
        ..Plan::this_program()
    };
    let transcoder = Transcoder::new(Decoders::new(plan), runtime.handle().clone());
    Transcodes {
        transcoder: Arc::new(transcoder),
        _runtime: runtime,
    }
}

fn transcodes() -> Transcodes {
    by(env!("CARGO_BIN_EXE_dokuei"))
}

fn towards(to: SocketAddr, transcodes: &Transcodes) -> Destination {
    Destination {
        transcoding: Some(Arc::clone(&transcodes.transcoder)),
        ..destination(to)
    }
}

fn file(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let own = data.join("pixels").join(name);
    match own.exists() {
        true => own,
        false => data.join("dicom/objects").join(name),
    }
}

/// An object as it lies in a file, by what stands before its data set: some of the references name no study.
fn object(path: &Path) -> Object {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[128..132], b"DICM", "{}", path.display());
    let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    let (meta, data_set) = bytes[144..].split_at(length);
    let bounds = Bounds::IDENTIFIER;
    let meta = dataset::read(&mut &*meta, Encoding::ExplicitLittle, &bounds).unwrap();
    let code = |tag| meta.code(tag).to_owned();
    Object {
        sop_class: code(tags::MEDIA_STORAGE_SOP_CLASS_UID),
        sop_instance: code(tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
        transfer_syntax: code(tags::TRANSFER_SYNTAX_UID),
        data_set: data_set.to_vec(),
    }
}

fn read(object: &Object) -> DataSet {
    let encoding = match object.transfer_syntax.as_str() {
        IMPLICIT => Encoding::ImplicitLittle,
        EXPLICIT => Encoding::ExplicitLittle,
        other => panic!("{other}"),
    };
    let bounds = Bounds {
        header_only: false,
        ..Bounds::WHOLE_HEADER
    };
    dataset::read(&mut object.data_set.as_slice(), encoding, &bounds).unwrap()
}

/// What was received into a folder, by SOP Instance UID.
fn received(folder: &Path) -> BTreeMap<String, Object> {
    let files = std::fs::read_dir(folder).unwrap();
    let objects = files.map(|entry| object(&entry.unwrap().path()));
    objects.map(|one| (one.sop_instance.clone(), one)).collect()
}

fn digest(bytes: &[u8]) -> String {
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The frames of uncompressed pixel data.
fn frames(data_set: &DataSet) -> Vec<&[u8]> {
    let number = |tag: Tag| usize::from(data_set.short(tag).unwrap_or(1));
    let bits = number(tags::ROWS)
        * number(tags::COLUMNS)
        * number(tags::SAMPLES_PER_PIXEL)
        * number(tags::BITS_ALLOCATED);
    let count = data_set.code(tags::NUMBER_OF_FRAMES).parse().unwrap_or(1);
    let pixels = data_set.bytes(tags::PIXEL_DATA).unwrap();
    let frames: Vec<&[u8]> = pixels.chunks(bits / 8).take(count).collect();
    assert_eq!(frames.len(), count);
    frames
}

/// Every file of the references, with the digests of its frames.
fn references() -> BTreeMap<String, Vec<String>> {
    let table = std::fs::read_to_string(file("frames.tsv")).unwrap();
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for line in table.lines() {
        let [name, _, digest] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let frames = all.entry(name.to_owned()).or_default();
        frames.push(digest.to_owned());
    }
    all
}

fn is_compressed(object: &Object) -> bool {
    ![IMPLICIT, EXPLICIT, BIG_ENDIAN].contains(&object.transfer_syntax.as_str())
}

/// A compressed object, the file it is from, and the digests of its frames.
type Known = (Object, String, Vec<String>);

/// Every compressed object of the references, each under a UID of its own: some files are of one object.
fn compressed() -> Vec<Known> {
    let files = references().into_iter().zip(1..);
    let objects = files.map(|((name, digests), number)| {
        let mut object = object(&file(&name));
        object.sop_instance = format!("2.25.{number}");
        (object, name, digests)
    });
    objects
        .filter(|(object, ..)| is_compressed(object))
        .collect()
}

#[test]
fn compressed_images_reach_an_archive_that_takes_implicit_only_bit_by_bit() {
    let transcodes = transcodes();
    let kept = compressed();
    assert!(kept.len() >= 19, "{}", kept.len());
    let folder = Folder::new();
    let archive = StoreScp::start(&["+xi", "+B"], folder.path());
    let to = towards(([127, 0, 0, 1], archive.port).into(), &transcodes);
    let (outcomes, summary) = send(&to, kept.iter().map(|(object, ..)| object.boxed()));
    for (outcome, (_, name, _)) in outcomes.iter().zip(&kept) {
        let delivery = &outcome.delivery;
        assert!(delivery.is_stored(), "{name}: {delivery}");
        assert_eq!(outcome.brought_into, Some(IMPLICIT), "{name}");
    }
    assert_eq!(summary.transcoded, kept.len() as u64);
    let received = received(folder.path());
    for known in &kept {
        assert_decoded(&received[&known.0.sop_instance], known);
    }
}

fn assert_decoded(made: &Object, (object, name, digests): &Known) {
    assert_eq!(made.transfer_syntax, IMPLICIT, "{name}");
    assert_eq!(made.sop_class, object.sop_class);
    let made = read(made);
    let found: Vec<String> = frames(&made).into_iter().map(digest).collect();
    // The references hold the first frames of some.
    assert_eq!(&found[..digests.len()], digests, "{name}");
    // What was lost is said to be, if only by the way it was compressed.
    let is_lossy = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"];
    if is_lossy.contains(&object.transfer_syntax.as_str()) {
        assert_eq!(made.code(tags::LOSSY_IMAGE_COMPRESSION), "01", "{name}");
    }
}

#[test]
fn uncompressed_objects_are_written_as_dcmconv_writes_them() {
    let transcodes = transcodes();
    let names = [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "SC_rgb_small_odd.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "rtdose.dcm",
        "image_dfl.dcm",
    ];
    for (option, dcmconv, syntax) in [("+xi", "+ti", IMPLICIT), ("+xe", "+te", EXPLICIT)] {
        for name in names {
            let object = object(&file(name));
            let (folder, converted) = (Folder::new(), Folder::new());
            let archive = StoreScp::start(&[option, "+B"], folder.path());
            let to = towards(([127, 0, 0, 1], archive.port).into(), &transcodes);
            let (outcomes, _) = send(&to, [object.boxed()].into_iter());
            assert!(
                outcomes[0].delivery.is_stored(),
                "{name}: {}",
                outcomes[0].delivery
            );
            let made = &received(folder.path())[&object.sop_instance];
            if option == "+xi" {
                assert_eq!(made.transfer_syntax, IMPLICIT, "{name}");
            }
            let as_kept = made.transfer_syntax == object.transfer_syntax;
            assert_eq!(outcomes[0].brought_into.is_none(), as_kept, "{name}");
            if as_kept {
                assert!(made.data_set == object.data_set, "{name}");
                continue;
            }
            let expected = converted.path().join("x.dcm");
            let (from, into) = (file(name), expected.to_str().unwrap().to_owned());
            let ran = dcmtk::run("dcmconv", &[dcmconv, "-g", from.to_str().unwrap(), &into]);
            assert!(ran.success, "{}", ran.output);
            let expected = self::object(&expected);
            assert_eq!(expected.transfer_syntax, syntax);
            if made.transfer_syntax == syntax {
                assert_same(&read(made), &read(&expected), name);
            }
        }
    }
}

fn assert_same(made: &DataSet, expected: &DataSet, name: &str) {
    let tags = |set: &DataSet| {
        let all = set.elements().iter().map(|element| element.tag);
        // Lengths of groups, and padding, say nothing of the object.
        all.filter(|tag| tag.element() != 0 && *tag != Tag(0xFFFC, 0xFFFC))
            .collect::<Vec<_>>()
    };
    assert_eq!(tags(made), tags(expected), "{name}");
    for tag in tags(made) {
        let (one, other) = (made.element(tag).unwrap(), expected.element(tag).unwrap());
        match (&one.value, &other.value) {
            (Value::Items(one), Value::Items(other)) => {
                assert_eq!(one.len(), other.len(), "{name} {tag}");
                for (one, other) in one.iter().zip(other) {
                    assert_same(one, other, name);
                }
            }
            (one, other) => assert!(one == other, "{name} {tag}"),
        }
    }
}

#[test]
fn what_is_taken_as_it_is_kept_goes_as_it_is_kept() {
    let transcodes = transcodes();
    let objects: Vec<Object> = [
        IMPLICIT,
        EXPLICIT,
        BIG_ENDIAN,
        JPEG_LOSSLESS,
        JPEG_2000,
        RLE,
    ]
    .into_iter()
    .enumerate()
    .map(|(n, syntax)| Object::new(MR, syntax, n, 32))
    .collect();
    let reader = Memory::new();
    let archive = memory::start(&reader);
    let to = towards(archive.local_addr(), &transcodes);
    let (outcomes, summary) = send(&to, objects.iter().map(Object::boxed));
    assert!(outcomes.iter().all(|one| one.brought_into.is_none()));
    assert_eq!((summary.stored, summary.transcoded), (6, 0));
    reader.assert_kept(&objects);
}

#[test]
fn more_kinds_than_contexts_are_all_delivered() {
    let transcodes = transcodes();
    let objects: Vec<Object> = (0..100)
        .map(|n| Object::new(&format!("{CT}.{n}"), RLE, n, 4))
        .collect();
    let reader = Memory::new();
    let archive = memory::start(&reader);
    let to = towards(archive.local_addr(), &transcodes);
    let (_, summary) = send(&to, objects.iter().map(Object::boxed));
    // Three forms of each: 42 kinds fit into the contexts of one association.
    assert_eq!((summary.stored, summary.associations), (100, 3));
    reader.assert_kept(&objects);
}

#[test]
fn a_damaged_image_fails_alone_and_is_named() {
    let transcodes = transcodes();
    let sound = object(&file("MR_small_RLE.dcm"));
    let damaged = Object::new(MR, JPEG_2000, 3, 64);
    let video = Object::new(MR, "1.2.840.10008.1.2.4.102", 4, 64);
    let folder = Folder::new();
    let archive = StoreScp::start(&["+xi", "+B"], folder.path());
    let mut shelf = Shelf::of_objects(&[damaged, video, sound.clone()]);
    let to = towards(([127, 0, 0, 1], archive.port).into(), &transcodes);
    shelf.destinations = [("READER".to_owned(), to)].into();
    let (scp, _, memory) = shelf::start(shelf);
    let ran = movescu(scp.local_addr(), "READER");
    assert!(ran.output.contains("0xb000"), "{}", ran.output);
    assert!(
        ran.output.contains("Completed Suboperations       : 1")
            && ran.output.contains("Failed Suboperations          : 2"),
        "{}",
        ran.output
    );
    memory.wait_for_notice("2 of 3 objects");
    memory.wait_for_notice("it could not be brought into");
    memory
        .wait_for_notice("1 of 3 objects that MOVESCU asked for were sent to READER uncompressed");
    let received = received(folder.path());
    assert!(received.len() == 1 && received.contains_key(&sound.sop_instance));
}

#[test]
fn a_damaged_image_of_a_c_get_fails_alone_and_is_named() {
    let transcodes = transcodes();
    let objects = [
        Object::new(MR, JPEG_2000, 3, 64),
        object(&file("MR_small_RLE.dcm")),
    ];
    let by = Arc::clone(&transcodes.transcoder);
    let (scp, _, memory) = shelf::start_transcoding(Shelf::of_objects(&objects), by);
    let folder = Folder::new();
    let into = folder.path().to_str().unwrap();
    let ran = getscu(scp.local_addr(), &["-od", into, "+B", "+xi"]);
    assert!(ran.output.contains("0xb000"), "{}", ran.output);
    memory.wait_for_notice("1 of 2 objects that GETSCU asked for could not be sent");
    memory.wait_for_notice(&format!("does not accept {JPEG_2000}, and it could not be"));
    assert!(received(folder.path()).contains_key(&objects[1].sop_instance));
}

#[test]
fn without_decoders_it_is_for_now_and_uncompressed_objects_go_on() {
    let transcodes = by("/nonexistent");
    let objects = [
        object(&file("MR_small_RLE.dcm")),
        object(&file("CT_small.dcm")),
    ];
    let folder = Folder::new();
    let archive = StoreScp::start(&["+xi", "+B"], folder.path());
    let to = towards(([127, 0, 0, 1], archive.port).into(), &transcodes);
    let (outcomes, _) = send(&to, objects.iter().map(Object::boxed));
    let told = &outcomes[0].delivery;
    assert!(
        matches!(told, Delivery::NotTranscoded { .. }) && told.may_retry(),
        "{told}"
    );
    assert!(outcomes[1].delivery.is_stored());
}

#[test]
fn getscu_gets_what_it_takes_whatever_is_kept() {
    let transcodes = transcodes();
    let references = references();
    let names = [
        "MR_small_RLE.dcm",
        "JPEG2000.dcm",
        "JPEG-LL.dcm",
        "CT_small.dcm",
        "emri_small_RLE.dcm",
    ];
    let objects: Vec<Object> = names.iter().map(|name| object(&file(name))).collect();
    let shelf = Shelf::of_objects(&objects);
    let (scp, ..) = shelf::start_transcoding(shelf, Arc::clone(&transcodes.transcoder));
    for option in ["+x=", "+xi", "+xs", "+xv", "+xr"] {
        let folder = Folder::new();
        let into = folder.path().to_str().unwrap();
        let ran = getscu(scp.local_addr(), &["-od", into, "+B", option]);
        assert!(ran.output.contains("0x0000"), "{option}: {}", ran.output);
        let received = received(folder.path());
        assert_eq!(received.len(), names.len(), "{option}");
        for (name, object) in names.iter().zip(&objects) {
            let made = &received[&object.sop_instance];
            if is_compressed(made) {
                assert!(made == object, "{option} {name}");
                continue;
            }
            let made = read(made);
            let found: Vec<String> = frames(&made).into_iter().map(digest).collect();
            let digests = &references[*name];
            assert_eq!(&found[..digests.len()], digests, "{option} {name}");
            assert_eq!(made.code(tags::SOP_INSTANCE_UID), object.sop_instance);
        }
    }
}
