//! Files that deviate from the standard: most are carried with findings, and those whose boundaries
//! or identity are uncertain are refused.

use crate::files::{names, outcome, read, scan};
use dicom_dictionary_std::tags;
use dokuei_node::studies::attributes::Attributes;

const OUTCOMES: &[(&str, &str)] = &[
    ("CTImageStorage_bad_meta.dcm", "carried meta-identity"),
    ("ExplVR_BigEndNoMeta.dcm", "refused not-dicom"),
    ("ExplVR_LitEndNoMeta.dcm", "carried meta-missing"),
    ("JLSN_RGB_ILV0.dcm", "refused identity-missing"),
    ("JPEG2000-embedded-sequence-delimiter.dcm", "carried"),
    ("MR_small_padded.dcm", "carried pixel-data-long"),
    ("MR_truncated.dcm", "refused length-beyond-end"),
    ("OT-PAL-8-face.dcm", "carried meta-missing"),
    ("UN_sequence.dcm", "refused identity-missing"),
    ("badVR.dcm", "carried value-unreadable meta-identity"),
    ("bad_sequence.dcm", "refused identity-invalid"),
    (
        "emri_small_jpeg_2k_lossless_too_short.dcm",
        "refused truncated",
    ),
    ("explicit_VR-UN.dcm", "carried"),
    (
        "meta_missing_tsyntax.dcm",
        "refused transfer-syntax-missing",
    ),
    ("nested_priv_SQ.dcm", "refused identity-missing"),
    ("no_meta.dcm", "refused not-dicom"),
    ("no_meta_group_length.dcm", "refused identity-missing"),
    ("priv_SQ.dcm", "refused identity-missing"),
    ("rtplan_truncated.dcm", "refused length-beyond-end"),
    ("zipMR.gz", "refused not-dicom"),
];

#[test]
fn every_file_ends_as_the_rule_says() {
    let listed: Vec<&str> = OUTCOMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names("broken"), listed);
    for (name, expected) in OUTCOMES {
        let file = read("broken", name);
        for piece in [1, 1000, file.len()] {
            assert_eq!(
                outcome(&scan(&file, piece)),
                *expected,
                "{name} in pieces of {piece}"
            );
        }
    }
}

#[test]
fn values_written_as_un_are_read_all_the_same() {
    let header = scan(&read("broken", "explicit_VR-UN.dcm"), 4096)
        .unwrap()
        .header;
    assert_eq!(header.modality(), Some("CT"));
    assert_eq!(header.body_part(), Some("PANCREAS"));
    let id = Attributes::of(&header).text(tags::PATIENT_ID);
    assert_eq!(id, "PANCREAS_0001");
}
