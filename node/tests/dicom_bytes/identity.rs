//! Who an object is must be beyond doubt.

use crate::dataset::{DataSet, Form};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::header::Header;
use dokuei_node::dicom::scanner::MalformedKind;
use dokuei_node::studies::attributes::Attributes;
use dokuei_node::studies::patient::Patient;

/// The four UIDs, with one of them replaced, or left out.
fn with(replaced: Tag, value: Option<&[u8]>) -> String {
    let uids: [(Tag, &[u8]); 4] = [
        (tags::SOP_CLASS_UID, b"1.2.840.10008.5.1.4.1.1.7\0"),
        (tags::SOP_INSTANCE_UID, b"1.2.3.4\0"),
        (tags::STUDY_INSTANCE_UID, b"1.2.3\0"),
        (tags::SERIES_INSTANCE_UID, b"1.2.3.1\0"),
    ];
    let mut data_set = DataSet::new(Form::Explicit);
    for (tag, standard) in uids {
        match (tag == replaced, value) {
            (true, Some(value)) => data_set = data_set.element(tag, b"UI", value),
            (true, None) => {}
            (false, _) => data_set = data_set.element(tag, b"UI", standard),
        }
    }
    data_set.outcome()
}

#[test]
fn each_of_the_four_uids_is_needed_and_checked() {
    for tag in [
        tags::SOP_CLASS_UID,
        tags::SOP_INSTANCE_UID,
        tags::STUDY_INSTANCE_UID,
        tags::SERIES_INSTANCE_UID,
    ] {
        assert_eq!(with(tag, None), "identity-missing");
        assert_eq!(with(tag, Some(b"")), "identity-missing");
        assert_eq!(with(tag, Some(b"\0\0")), "identity-missing");
        assert_eq!(with(tag, Some(b"../../x\0")), "identity-invalid");
        assert_eq!(with(tag, Some(b"1.2\\1.3 ")), "identity-invalid");
        assert_eq!(with(tag, Some(b"1.2.03")), "carried uid-leading-zero");
    }
}

#[test]
fn two_patients_in_one_object_are_refused() {
    for tag in [
        tags::SPECIFIC_CHARACTER_SET,
        tags::PATIENT_ID,
        tags::PATIENT_NAME,
        tags::ISSUER_OF_PATIENT_ID,
        tags::PATIENT_BIRTH_DATE,
        tags::PATIENT_SEX,
        tags::STUDY_INSTANCE_UID,
        tags::SOP_INSTANCE_UID,
    ] {
        let twice = |second: &[u8]| {
            let data_set = DataSet::new(Form::Implicit)
                .element(tag, b"LO", b"1.2.3\0")
                .element(tag, b"LO", second);
            data_set
                .scan_structure()
                .map(|_| ())
                .map_err(|malformed| malformed.kind)
        };
        assert_eq!(twice(b"1.2.4\0"), Err(MalformedKind::Ambiguous));
        assert_eq!(twice(b"1.2.3\0"), Ok(()));
    }
}

#[test]
fn an_identifying_attribute_is_no_sequence() {
    let length = u32::MAX;
    for data_set in [
        DataSet::new(Form::Explicit).head(tags::PATIENT_ID, b"SQ", length),
        DataSet::new(Form::Explicit).head(tags::PATIENT_ID, b"SQ", 0),
        DataSet::new(Form::Explicit).head(tags::PATIENT_ID, b"UN", length),
        DataSet::new(Form::Implicit).head(tags::PATIENT_ID, b"LO", length),
    ] {
        let malformed = data_set.scan_structure().err().unwrap();
        assert_eq!(malformed.kind, MalformedKind::IdentityInvalid);
    }
}

#[test]
fn other_attributes_may_repeat_and_the_first_counts() {
    let data_set = DataSet::identified(Form::Explicit)
        .element(tags::MODALITY, b"CS", b"CT")
        .element(tags::MODALITY, b"CS", b"MR");
    assert_eq!(
        data_set.outcome(),
        "carried out-of-order out-of-order duplicate"
    );
    assert_eq!(data_set.scan().unwrap().modality(), Some("CT"));
}

fn described() -> Header {
    DataSet::new(Form::Explicit)
        .element(tags::SPECIFIC_CHARACTER_SET, b"CS", b"\\ISO 2022 IR 87 ")
        .element(tags::SOP_CLASS_UID, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0")
        .element(tags::SOP_INSTANCE_UID, b"UI", b"1.2.3.4\0")
        .element(tags::STUDY_DATE, b"DA", b"20260401")
        .element(tags::STUDY_TIME, b"TM", b"093015.5")
        .element(tags::ACCESSION_NUMBER, b"SH", b"A-17")
        .element(tags::MODALITY, b"CS", b"CT")
        .element(tags::INSTITUTION_NAME, b"LO", b"\x1B$BIB1!\x1B(B")
        .element(tags::REFERRING_PHYSICIAN_NAME, b"PN", b"Beispiel^Arzt ")
        .element(tags::TIMEZONE_OFFSET_FROM_UTC, b"SH", b"+0900 ")
        .element(tags::STUDY_DESCRIPTION, b"LO", b"Head")
        .element(tags::SERIES_DESCRIPTION, b"LO", b"5 mm")
        .element(
            tags::PATIENT_NAME,
            b"PN",
            b"Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B",
        )
        .element(tags::PATIENT_ID, b"LO", b"0017")
        .element(tags::ISSUER_OF_PATIENT_ID, b"LO", b"CLINIC")
        .element(tags::PATIENT_BIRTH_DATE, b"DA", b"19630229")
        .element(tags::PATIENT_SEX, b"CS", b"M ")
        .element(Tag(0x0010, 0x1000), b"LO", b"17\\x-17 ")
        .element(tags::BODY_PART_EXAMINED, b"CS", b"HEAD")
        .element(tags::STUDY_INSTANCE_UID, b"UI", b"1.2.3\0")
        .element(tags::SERIES_INSTANCE_UID, b"UI", b"1.2.3.1\0")
        .element(tags::STUDY_ID, b"SH", b"S1")
        .element(tags::SERIES_NUMBER, b"IS", b" 2")
        .element(tags::INSTANCE_NUMBER, b"IS", b"-3")
        .element(tags::IMAGE_POSITION_PATIENT, b"DS", b"1.5\\-2e1\\0")
        .element(tags::IMAGE_ORIENTATION_PATIENT, b"DS", b"1\\0\\0\\0\\1\\0 ")
        .element(tags::LATERALITY, b"CS", b"R ")
        .element(tags::SLICE_LOCATION, b"DS", b"1e999 ")
        .scan()
        .unwrap()
}

#[test]
fn the_header_shows_what_the_object_says() {
    let header = described();
    assert_eq!(header.findings().count(), 0);
    let text = |decoded: Option<dokuei_node::dicom::charset::Decoded>| decoded.unwrap().text;
    assert_eq!(text(header.institution()), "病院");
    assert_eq!(text(header.accession_number()), "A-17");
    assert_eq!(text(header.study_description()), "Head");
    assert_eq!(text(header.series_description()), "5 mm");
    assert_eq!(text(header.study_id()), "S1");
    assert_eq!(
        header.referring_physician().unwrap().display(),
        "Beispiel Arzt"
    );
    assert_eq!(header.study_date().unwrap().to_string(), "2026-04-01");
    assert_eq!(header.study_time().unwrap().to_string(), "09:30:15.5");
    assert_eq!(header.timezone_offset().unwrap().seconds(), 9 * 3600);
    assert_eq!(header.body_part(), Some("HEAD"));
    assert_eq!(header.laterality(), Some("R"));
    assert_eq!(
        (header.series_number(), header.instance_number()),
        (Some(2), Some(-3))
    );
    let image = header.image();
    assert_eq!(image.position, Some([1.5, -20.0, 0.0]));
    assert_eq!(image.orientation, Some([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
    assert_eq!(image.slice_location, None, "not a finite number");
    assert_eq!(header.raw(tags::SERIES_NUMBER), Some(b" 2".as_slice()));
}

#[test]
fn the_patient_is_decoded() {
    let attributes = Attributes::of(&described());
    let name = attributes.name(tags::PATIENT_NAME);
    assert_eq!(name.display(), "山田 太郎 (Yamada Tarou)");
    let patient = Patient::of(&attributes);
    assert_eq!((&*patient.id, &*patient.issuer), ("0017", "CLINIC"));
}

#[test]
fn debug_output_holds_no_patient() {
    let header = described();
    let name = Attributes::of(&header).name(tags::PATIENT_NAME);
    let shown = format!("{header:?} {name:?}");
    for trace in [
        "Yamada", "山田", "0017", "CLINIC", "1963", "病院", "Beispiel",
    ] {
        assert!(!shown.contains(trace), "{shown}");
    }
}
