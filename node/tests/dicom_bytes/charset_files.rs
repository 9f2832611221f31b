//! The files of the charset folder, against the names their makers published.

use crate::files::{names, read, scan};
use dicom_dictionary_std::tags;
use dokuei_node::dicom::charset::CharacterSets;
use dokuei_node::studies::attributes::Attributes;

/// Patient's names as pydicom's test suite and the file makers state them.
const NAMES: &[(&str, &str)] = &[
    ("chrArab.dcm", "قباني^لنزار"),
    ("chrFren.dcm", "Buc^Jérôme"),
    ("chrFrenMulti.dcm", "Buc^Jérôme"),
    ("chrGerm.dcm", "Äneas^Rüdiger"),
    ("chrGreek.dcm", "Διονυσιος"),
    ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    ("chrHbrw.dcm", "שרון^דבורה"),
    ("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("chrRuss.dcm", "Люкceмбypг"),
    ("chrX1.dcm", "Wang^XiaoDong=王^小東"),
    ("chrX2.dcm", "Wang^XiaoDong=王^小东"),
];

/// Files without the UIDs of an object.
const UNIDENTIFIED: &[&str] = &["chrSQEncoding.dcm", "empty_charset_LEI.dcm"];

#[test]
fn names_are_what_the_makers_state() {
    let mut listed: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    listed.extend(UNIDENTIFIED);
    listed.sort_unstable();
    assert_eq!(names("charsets"), listed);
    for (file, expected) in NAMES {
        let header = scan(&read("charsets", file), 4096).unwrap().header;
        assert!(header.character_sets().are_known());
        let name = Attributes::of(&header).name(tags::PATIENT_NAME);
        assert!(name.exact, "{file}");
        assert_eq!(name.to_value(), *expected, "{file}");
    }
    for file in UNIDENTIFIED {
        let malformed = scan(&read("charsets", file), 4096).unwrap_err();
        assert_eq!(malformed.kind.code(), "identity-missing", "{file}");
    }
}

#[test]
fn an_item_may_declare_its_own_sets() {
    // The item in this file declares ISO 2022 IR 13 and 87 within an object of ISO_IR 192.
    let file = read("charsets", "chrSQEncoding.dcm");
    let start = file
        .windows(4)
        .position(|bytes| bytes == b"\x1B$B;")
        .unwrap();
    let name = file.get(start - 9..).unwrap();
    let name = name.get(..name.len() - 1).unwrap_or_default();
    let outer = CharacterSets::read(b"ISO_IR 192").decode_values(name);
    assert!(!outer[0].exact);
    let inner = CharacterSets::read(b"ISO 2022 IR 13\\ISO 2022 IR 87");
    let decoded = inner.decode_person_names(name);
    assert_eq!(decoded[0].ideographic.display(), "山田 太郎");
}

#[test]
fn raw_bytes_stay_beside_the_text() {
    let header = scan(&read("charsets", "chrH31.dcm"), 4096).unwrap().header;
    let raw = header.raw(tags::PATIENT_NAME).unwrap();
    assert!(raw.starts_with(b"Yamada^Tarou=\x1B$B;3ED\x1B(B"));
}
