//! Good objects: read as pydicom reads them, however the bytes arrive.

use crate::files::{names, outcome, read, scan, table};
use dicom_dictionary_std::tags;
use dokuei_node::dicom::header::Header;
use dokuei_node::studies::attributes::Attributes;
use proptest::prelude::*;
use proptest::sample::Index;

/// What is noted of good files: a deviation or two is normal.
const FINDINGS: &[(&str, &str)] = &[
    ("image_dfl.dcm", "carried trailing-after-deflate"),
    ("rtdose.dcm", "carried meta-identity"),
    ("rtplan.dcm", "carried meta-identity"),
    ("rtstruct.dcm", "carried meta-missing"),
];

fn number(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// A header in the columns of the table.
fn columns(header: &Header) -> Vec<String> {
    let (image, patient) = (header.image(), Attributes::of(header));
    vec![
        header.sop_class().to_string(),
        header.sop_instance().to_string(),
        header.study().to_string(),
        header.series().to_string(),
        header.modality().unwrap_or_default().to_owned(),
        number(image.rows),
        number(image.columns),
        number(image.frames),
        number(image.bits_allocated),
        patient.name(tags::PATIENT_NAME).to_value(),
        patient.text(tags::PATIENT_ID),
    ]
}

#[test]
fn headers_are_what_pydicom_reads() {
    let table = table("objects.tsv");
    let listed: Vec<&String> = table.iter().filter_map(|row| row.first()).collect();
    assert_eq!(names("objects").iter().collect::<Vec<_>>(), listed);
    for row in &table {
        let file = scan(&read("objects", &row[0]), 128 * 1024).unwrap();
        // Without file meta information the table names no transfer syntax.
        if !row[1].is_empty() {
            assert_eq!(
                file.meta.transfer_syntax.uid().as_str(),
                row[1],
                "{}",
                row[0]
            );
        }
        let mut expected = row[2..].to_vec();
        expected[9] = expected[9].trim_end_matches(['^', '=']).to_owned();
        assert_eq!(columns(&file.header), expected, "{}", row[0]);
    }
}

#[test]
fn findings_are_few_and_known() {
    for name in names("objects") {
        let expected = FINDINGS.iter().find(|(file, _)| *file == name);
        let expected = expected.map_or("carried", |(_, outcome)| outcome);
        assert_eq!(
            outcome(&scan(&read("objects", &name), 4096)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn single_bytes_give_the_same_as_one_push() {
    for folder in ["objects", "charsets", "broken"] {
        for name in names(folder) {
            let file = read(folder, &name);
            let whole = scan(&file, file.len());
            let single = scan(&file, 1);
            assert_eq!(outcome(&single), outcome(&whole), "{name}");
            match (whole, single) {
                (Ok(whole), Ok(single)) => {
                    assert!(whole.header == single.header, "{name}");
                    assert_eq!(whole.data_set_offset, single.data_set_offset, "{name}");
                }
                (whole, single) => assert_eq!(whole.err(), single.err(), "{name}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn random_pushes_give_the_same_as_one_push(
        which in any::<Index>(),
        cuts in proptest::collection::vec(any::<Index>(), 0..20),
    ) {
        use dokuei_node::dicom::part10::FileScanner;
        use dokuei_node::dicom::scanner::Limits;
        let names = names("objects");
        let file = read("objects", &names[which.index(names.len())]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(file.len())).collect();
        cuts.extend([0, file.len()]);
        cuts.sort_unstable();
        let mut scanner = FileScanner::new(Limits::default());
        for pair in cuts.windows(2) {
            scanner.push(&file[pair[0]..pair[1]]).unwrap();
        }
        let whole = scan(&file, file.len()).unwrap();
        prop_assert!(scanner.finish().unwrap().header == whole.header);
    }
}
