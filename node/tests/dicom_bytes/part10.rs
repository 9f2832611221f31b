//! Files: their file meta information, its absence, and the head we write.

use crate::dataset::{DataSet, Form, ITEM, SEQUENCE_END, UNDEFINED};
use crate::files::{names, outcome, read, scan};
use dicom_dictionary_std::tags;
use dokuei_node::dicom::part10::{FileError, IMPLEMENTATION_VERSION, file_head, scan_file};
use dokuei_node::dicom::uid::{self, Uid};

fn file(meta: &DataSet, data_set: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    file.extend_from_slice(&meta.bytes);
    file.extend_from_slice(data_set);
    file
}

fn stated(transfer_syntax: &Uid) -> DataSet {
    DataSet::new(Form::Explicit).element(
        tags::TRANSFER_SYNTAX_UID,
        b"UI",
        &transfer_syntax.to_value(),
    )
}

fn object() -> Vec<u8> {
    DataSet::identified(Form::Explicit).bytes
}

#[test]
fn a_delivered_file_holds_the_data_set_unchanged() {
    for name in names("objects") {
        let original = read("objects", &name);
        let scanned = scan(&original, 4096).unwrap();
        let data_set = &original[usize::try_from(scanned.data_set_offset).unwrap()..];
        let header = &scanned.header;
        let mut delivered = file_head(
            header.sop_class(),
            header.sop_instance(),
            header.transfer_syntax().uid(),
        );
        assert_eq!(delivered[..128], [0; 128]);
        let head_length = delivered.len();
        delivered.extend_from_slice(data_set);
        let again = scan(&delivered, 4096).unwrap();
        assert_eq!(again.data_set_offset, head_length as u64, "{name}");
        assert_eq!(again.meta.sop_class.as_ref(), Some(header.sop_class()));
        assert_eq!(
            again.meta.sop_instance.as_ref(),
            Some(header.sop_instance())
        );
        assert_eq!(again.meta.transfer_syntax, scanned.meta.transfer_syntax);
        assert_eq!(
            again.header.raw(tags::PATIENT_NAME),
            header.raw(tags::PATIENT_NAME)
        );
    }
}

#[test]
fn the_written_head_is_what_part_10_asks_for() {
    assert!(IMPLEMENTATION_VERSION.len() <= 16);
    let instance: Uid = "1.2.3".parse().unwrap();
    let head = file_head(
        &uid::CT_IMAGE_STORAGE,
        &instance,
        &uid::EXPLICIT_VR_LITTLE_ENDIAN,
    );
    let mut version = IMPLEMENTATION_VERSION.as_bytes().to_vec();
    version.resize(version.len().next_multiple_of(2), b' ');
    let group = DataSet::new(Form::Explicit)
        .element(tags::FILE_META_INFORMATION_VERSION, b"OB", &[0, 1])
        .element(
            tags::MEDIA_STORAGE_SOP_CLASS_UID,
            b"UI",
            b"1.2.840.10008.5.1.4.1.1.2\0",
        )
        .element(tags::MEDIA_STORAGE_SOP_INSTANCE_UID, b"UI", b"1.2.3\0")
        .element(tags::TRANSFER_SYNTAX_UID, b"UI", b"1.2.840.10008.1.2.1\0")
        .element(
            tags::IMPLEMENTATION_CLASS_UID,
            b"UI",
            &uid::IMPLEMENTATION_CLASS.to_value(),
        )
        .element(tags::IMPLEMENTATION_VERSION_NAME, b"SH", &version);
    let length = u32::try_from(group.bytes.len()).unwrap().to_le_bytes();
    let meta = DataSet::new(Form::Explicit)
        .element(tags::FILE_META_INFORMATION_GROUP_LENGTH, b"UL", &length)
        .raw(&group.bytes);
    assert_eq!(head, file(&meta, b""));
}

#[test]
fn group_lengths_are_checked_but_not_trusted() {
    let stated = stated(&uid::EXPLICIT_VR_LITTLE_ENDIAN);
    let length = u32::try_from(stated.bytes.len()).unwrap();
    for (said, expected) in [
        (length, "carried meta-identity meta-identity"),
        (
            length - 1,
            "carried meta-group-length meta-identity meta-identity",
        ),
        (
            length + 1,
            "carried meta-group-length meta-identity meta-identity",
        ),
        (0, "carried meta-group-length meta-identity meta-identity"),
        (
            UNDEFINED,
            "carried meta-group-length meta-identity meta-identity",
        ),
    ] {
        let meta = DataSet::new(Form::Explicit)
            .element(
                tags::FILE_META_INFORMATION_GROUP_LENGTH,
                b"UL",
                &said.to_le_bytes(),
            )
            .raw(&stated.bytes);
        assert_eq!(
            outcome(&scan(&file(&meta, &object()), 3)),
            expected,
            "{said}"
        );
    }
}

#[test]
fn a_broken_start_is_refused() {
    let good = stated(&uid::EXPLICIT_VR_LITTLE_ENDIAN);
    let cases = [
        (DataSet::new(Form::Explicit), "transfer-syntax-missing"),
        (good.clone().raw(&good.bytes), "meta-broken"),
        (
            good.clone()
                .element(tags::TRANSFER_SYNTAX_UID, b"\0\0", b""),
            "meta-broken",
        ),
        (
            good.clone()
                .head(tags::PRIVATE_INFORMATION, b"OB", UNDEFINED),
            "meta-broken",
        ),
        (
            good.clone().head(tags::PRIVATE_INFORMATION, b"OB", 65536),
            "meta-too-large",
        ),
        (
            good.clone().head(tags::PRIVATE_INFORMATION, b"OB", 60000),
            "truncated",
        ),
        (
            DataSet::new(Form::Explicit).element(tags::TRANSFER_SYNTAX_UID, b"UI", b"../x"),
            "transfer-syntax-missing",
        ),
    ];
    for (meta, code) in cases {
        assert_eq!(
            outcome(&scan(&file(&meta, &object()), 64)),
            format!("refused {code}")
        );
    }
    let large = good.raw(
        &DataSet::new(Form::Explicit)
            .element(tags::PRIVATE_INFORMATION, b"OB", &[0; 30000])
            .bytes
            .repeat(3),
    );
    assert_eq!(
        outcome(&scan(&file(&large, &object()), 64)),
        "refused meta-too-large"
    );
}

#[test]
fn a_directory_is_said_to_be_one() {
    let class = uid::MEDIA_STORAGE_DIRECTORY.to_value();
    let meta = DataSet::new(Form::Explicit)
        .element(tags::MEDIA_STORAGE_SOP_CLASS_UID, b"UI", &class)
        .raw(&stated(&uid::EXPLICIT_VR_LITTLE_ENDIAN).bytes);
    assert_eq!(
        outcome(&scan(&file(&meta, b"\x04\0"), 64)),
        "refused directory"
    );
}

#[test]
fn data_sets_without_a_start_are_recognised_if_that_is_safe() {
    for form in [Form::Explicit, Form::Implicit] {
        let bare = DataSet::identified(form);
        assert_eq!(outcome(&scan(&bare.bytes, 5)), "carried meta-missing");
    }
    let big = DataSet::identified(Form::Big);
    assert_eq!(outcome(&scan(&big.bytes, 5)), "refused not-dicom");
    let fragments = DataSet::identified(Form::Explicit)
        .head(tags::PIXEL_DATA, b"OB", UNDEFINED)
        .mark(ITEM, 0)
        .mark(SEQUENCE_END, 0);
    assert_eq!(
        outcome(&scan(&fragments.bytes, 5)),
        "refused transfer-syntax-missing"
    );
    // File meta information without the preamble.
    let headless = stated(&uid::EXPLICIT_VR_LITTLE_ENDIAN).raw(&object());
    let expected = "carried meta-missing meta-group-length meta-identity meta-identity";
    assert_eq!(outcome(&scan(&headless.bytes, 5)), expected);
}

#[test]
fn what_is_no_dicom_is_refused() {
    let cases: [&[u8]; 6] = [
        b"",
        b"DICM",
        b"%PDF-1.7",
        &[0; 500],
        b"PK\x03\x04",
        &[0x08, 0, 0],
    ];
    for bytes in cases {
        assert_eq!(outcome(&scan(bytes, 100)), "refused not-dicom");
    }
}

#[test]
fn a_file_is_read_to_its_end() {
    let bytes = read("objects", "CT_small.dcm");
    let scanned = scan_file(bytes.as_slice(), Some(bytes.len() as u64)).unwrap();
    assert_eq!(scanned.header.modality(), Some("CT"));
    let shorter = scan_file(&bytes[..20000], Some(bytes.len() as u64));
    assert!(matches!(shorter, Err(FileError::Malformed(_))));
}

#[test]
fn a_deflated_data_set_may_look_like_more_of_the_start() {
    use flate2::{Compression, write::DeflateEncoder};
    use std::io::Write;
    // A stored block starts with 00 or 01, its length follows: 01 00 … is group 0001; what matters
    // is that the group length decides.
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&object()).unwrap();
    let deflated = encoder.finish().unwrap();
    let stated = stated(&uid::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
    let length = u32::try_from(stated.bytes.len()).unwrap().to_le_bytes();
    let meta = DataSet::new(Form::Explicit)
        .element(tags::FILE_META_INFORMATION_GROUP_LENGTH, b"UL", &length)
        .raw(&stated.bytes);
    let expected = "carried meta-identity meta-identity";
    assert_eq!(outcome(&scan(&file(&meta, &deflated), 1)), expected);
    let mut disguised = vec![2, 0];
    disguised.extend_from_slice(&deflated);
    let refused = scan(&file(&meta, &disguised), 1).unwrap_err();
    assert_eq!(refused.kind.code(), "inflate-broken");
}
