//! Reading and writing, on what others wrote and on what is hostile.

use std::io::Cursor;
use std::path::Path;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use proptest::prelude::*;

use super::{Bounds, Bulk, DataSet, Element, ReadError, Value, read, write};
use crate::dicom::scanner::{Encoding, MalformedKind};

const ENCODINGS: [Encoding; 3] = [
    Encoding::ImplicitLittle,
    Encoding::ExplicitLittle,
    Encoding::ExplicitBig,
];

fn identifier(bytes: &[u8], encoding: Encoding) -> Result<DataSet, ReadError> {
    read(&mut Cursor::new(bytes), encoding, &Bounds::IDENTIFIER)
}

fn sample() -> DataSet {
    let mut inner = DataSet::default();
    inner.put_text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3");
    let mut item = DataSet::default();
    item.put_text(tags::CODE_VALUE, VR::SH, "T-A0100");
    item.put_items(
        tags::REFERENCED_SOP_SEQUENCE,
        vec![inner, DataSet::default()],
    );
    let mut set = DataSet::default();
    set.put_text(tags::PATIENT_NAME, VR::PN, "Doe^J");
    set.put_short(tags::ROWS, 513);
    set.put_items(tags::ANATOMIC_REGION_SEQUENCE, vec![item]);
    set.put_text(tags::TEXT_VALUE, VR::UT, &"x".repeat(70_000));
    set
}

#[test]
fn what_is_written_is_read_again_in_every_encoding() {
    for encoding in ENCODINGS {
        let bytes = write(&sample(), encoding);
        let again = identifier(&bytes, encoding).ok().unwrap();
        assert!(again == sample(), "{encoding:?}");
        assert_eq!(again.short(tags::ROWS), Some(513));
        let item = &again.items(tags::ANATOMIC_REGION_SEQUENCE)[0];
        let inner = item.items(tags::REFERENCED_SOP_SEQUENCE);
        assert_eq!(inner.len(), 2);
        assert_eq!(inner[0].code(tags::REFERENCED_SOP_INSTANCE_UID), "1.2.3");
    }
}

#[test]
fn sequences_of_undefined_length_end_at_their_delimiters() {
    let bytes = [
        &b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff"[..],
        b"\xfe\xff\0\xe0\xff\xff\xff\xff",
        b"\x08\0\x50\x11UI\x04\x001.2\0",
        b"\xfe\xff\x0d\xe0\0\0\0\0",
        b"\xfe\xff\xdd\xe0\0\0\0\0",
        b"\x10\0\x20\0LO\x02\x007 ",
    ]
    .concat();
    let set = identifier(&bytes, Encoding::ExplicitLittle).ok().unwrap();
    assert_eq!(set.items(tags::REFERENCED_IMAGE_SEQUENCE).len(), 1);
    assert_eq!(set.text(tags::PATIENT_ID), "7");
}

#[test]
fn pixel_data_is_named_by_its_place() {
    let head = b"\x28\0\x10\0US\x02\0\0\x02";
    for (tail, length) in [
        (
            &b"\xe0\x7f\x10\0OW\0\0\x08\0\0\0\0\0\0\0\0\0\0\0"[..],
            Some(8),
        ),
        (
            b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0",
            None,
        ),
    ] {
        let bytes = [head, tail].concat();
        let set = read(
            &mut Cursor::new(&bytes),
            Encoding::ExplicitLittle,
            &Bounds::HEADER,
        );
        let set = set.ok().unwrap();
        assert_eq!(set.short(tags::ROWS), Some(512));
        let place = Bulk { offset: 22, length };
        assert!(set.element(tags::PIXEL_DATA).unwrap().value == Value::Bulk(place));
    }
}

#[test]
fn what_breaks_the_rules_is_refused_for_what_it_is() {
    let kind = |bytes: &[u8]| match identifier(bytes, Encoding::ExplicitLittle) {
        Err(ReadError::Malformed(malformed)) => Some(malformed.kind),
        _ => None,
    };
    assert_eq!(
        kind(b"\x10\0\x20\0LO\x09\x007 "),
        Some(MalformedKind::Truncated)
    );
    assert_eq!(kind(b"\x10\0\x20\0L"), Some(MalformedKind::Truncated));
    assert_eq!(
        kind(b"\x10\0\x20\0\0\0\x02\x007 "),
        Some(MalformedKind::InvalidVr)
    );
    assert_eq!(
        kind(b"\xfe\xff\0\xe0\0\0\0\0"),
        Some(MalformedKind::UnexpectedDelimiter)
    );
    let beyond = b"\x08\0\x40\x11SQ\0\0\x08\0\0\0\xfe\xff\0\xe0\x10\0\0\0";
    assert_eq!(kind(beyond), Some(MalformedKind::LengthBeyondParent));
    let deep = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff".repeat(100);
    assert_eq!(kind(&deep), Some(MalformedKind::TooDeep));
}

#[test]
fn a_length_that_is_announced_costs_no_memory_before_its_bytes_come() {
    let bytes = b"\xe0\x7f\x10\0OB\0\0\0\0\0\xf0";
    let refused = identifier(bytes, Encoding::ExplicitLittle);
    assert!(matches!(refused, Err(ReadError::TooLarge)));
}

#[test]
fn a_value_too_long_for_its_vr_is_written_as_unknown() {
    let mut set = DataSet::default();
    set.put_text(tags::PATIENT_ID, VR::LO, &"7".repeat(70_000));
    let bytes = write(&set, Encoding::ExplicitLittle);
    assert_eq!(&bytes[4..6], b"UN");
    let again = identifier(&bytes, Encoding::ExplicitLittle).ok().unwrap();
    assert_eq!(again.bytes(tags::PATIENT_ID).unwrap().len(), 70_000);
}

#[test]
fn elements_are_sorted_and_the_last_of_one_tag_stays() {
    let element = |tag, text: &str| Element {
        tag,
        vr: VR::LO,
        value: Value::Bytes(text.as_bytes().to_vec()),
    };
    let set: DataSet = [
        element(tags::PATIENT_ID, "a "),
        element(tags::STUDY_DESCRIPTION, "b "),
        element(tags::PATIENT_ID, "c "),
    ]
    .into_iter()
    .collect();
    let tags: Vec<Tag> = set.elements().iter().map(|element| element.tag).collect();
    assert_eq!(tags, [tags::STUDY_DESCRIPTION, tags::PATIENT_ID]);
    assert_eq!(set.text(tags::PATIENT_ID), "c");
}

#[test]
fn files_of_other_programs_are_read_to_their_pixel_data() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/ct-3slice");
    let mut read_some = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let Ok(scanned) = crate::dicom::part10::scan_file(&mut Cursor::new(&bytes), None) else {
            continue;
        };
        let mut data_set = Cursor::new(&bytes[scanned.data_set_offset as usize..]);
        let encoding = scanned.header.transfer_syntax().encoding();
        let set = read(&mut data_set, encoding, &Bounds::HEADER).ok().unwrap();
        assert_eq!(
            set.code(tags::SOP_INSTANCE_UID),
            scanned.header.sop_instance().as_str()
        );
        read_some += 1;
    }
    assert!(read_some > 0);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for encoding in ENCODINGS {
            if let Ok(set) = identifier(&bytes, encoding) {
                let again = identifier(&write(&set, Encoding::ExplicitLittle), Encoding::ExplicitLittle);
                prop_assert!(again.is_ok());
            }
        }
        let deflated = Encoding::DeflatedExplicitLittle;
        let _either = identifier(&bytes, deflated);
    }
}
