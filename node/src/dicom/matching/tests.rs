//! Keys against data sets.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::Keys;
use crate::dicom::dataset::DataSet;

fn subject() -> DataSet {
    let mut code = DataSet::default();
    code.put_text(tags::CODE_VALUE, VR::SH, "T-A0100");
    let mut set = DataSet::default();
    set.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    set.put_text(
        tags::PATIENT_NAME,
        VR::PN,
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    );
    set.put_text(tags::PATIENT_ID, VR::LO, "12345");
    set.put_text(tags::STUDY_DATE, VR::DA, "20250110");
    set.put_text(tags::STUDY_TIME, VR::TM, "101530.25");
    set.put_text(tags::MODALITIES_IN_STUDY, VR::CS, "CT\\SR");
    set.put_text(tags::SERIES_NUMBER, VR::IS, "007");
    set.put_text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3");
    set.put_short(tags::ROWS, 512);
    set.put_items(
        tags::PROCEDURE_CODE_SEQUENCE,
        vec![DataSet::default(), code],
    );
    set
}

fn matches(tag: dicom_core::Tag, vr: VR, key: &str) -> bool {
    let mut identifier = DataSet::default();
    identifier.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    identifier.put_text(tag, vr, key);
    Keys::read(&identifier).unwrap().match_with(&subject())
}

#[test]
fn each_kind_of_key_matches_as_the_standard_says() {
    for (tag, vr, yes, no) in [
        (
            tags::PATIENT_ID,
            VR::LO,
            &["", "*", "12345", "1?3*", "9\\12345"][..],
            &["1234", "12345x"][..],
        ),
        (
            tags::PATIENT_NAME,
            VR::PN,
            &["yamada*", "山田*", "ﾔﾏﾀﾞ*", "=山田^太郎"],
            &["Suzuki*", "山口*"],
        ),
        (
            tags::STUDY_DATE,
            VR::DA,
            &[
                "20250110",
                "20250101-20250131",
                "-20250110",
                "20250110-",
                "2025.01.10",
            ],
            &["20250111", "20250111-", "-20250109", "20240101-20241231"],
        ),
        (
            tags::STUDY_TIME,
            VR::TM,
            &[
                "10",
                "1015",
                "1000-1100",
                "10:15:30",
                "101530.2-",
                "-101530.25",
            ],
            &["11", "1016-", "-1014"],
        ),
        (
            tags::MODALITIES_IN_STUDY,
            VR::CS,
            &["CT", "MR\\SR", "S?"],
            &["MR", "C"],
        ),
        (tags::SERIES_NUMBER, VR::IS, &["7", "1\\7"], &["8", "x"]),
        (
            tags::STUDY_INSTANCE_UID,
            VR::UI,
            &["1.2.3", "9\\1.2.3", ""],
            &["1.2", "1.2.3.4"],
        ),
        (tags::ACCESSION_NUMBER, VR::SH, &["", "*"], &["1"]),
    ] {
        for key in yes {
            assert!(matches(tag, vr, key), "{tag} {key}");
        }
        for key in no {
            assert!(!matches(tag, vr, key), "{tag} {key}");
        }
    }
}

#[test]
fn a_sequence_matches_by_any_of_its_items() {
    let with = |value: Option<&str>| {
        let mut item = DataSet::default();
        item.put_text(tags::CODE_VALUE, VR::SH, value.unwrap_or_default());
        let mut identifier = DataSet::default();
        identifier.put_items(tags::PROCEDURE_CODE_SEQUENCE, vec![item]);
        Keys::read(&identifier).unwrap().match_with(&subject())
    };
    assert!(with(Some("T-A0100")) && with(Some("T-*")) && with(None));
    assert!(!with(Some("X")));
}

#[test]
fn a_query_without_end_is_none() {
    let mut identifier = DataSet::default();
    for group in 0..1_000 {
        identifier.put_text(dicom_core::Tag(0x0009, group), VR::LO, "x");
    }
    assert!(Keys::read(&identifier).is_none());
}
