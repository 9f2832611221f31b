//! The report as DICOM Encapsulated PDF, read back by us and by dcmtk.

use crate::sample::{DIGEST, Scratch, report, run};
use dokuei_node::outputs::encapsulated::{
    EncapsulateError, EncapsulatedInput, EncapsulatedPdf, MAX_SOURCES, PredecessorDocument,
    RawElement, ReadError, SourceInstance, Tag, copied_elements, encapsulate, read_encapsulated,
};
use dokuei_node::outputs::pdf::render;
use dokuei_node::outputs::view::ReportStatus;

const STUDY: &[u8] = b"1.2.826.0.1.3680043.8.498.1001122334455";
const SIGNED: &str = "2024-01-15T22:04:31+09:00";
const BUNDLE: &[u8] = b"\xA3signed without the pdf\x00";
/// 山﨑^太郎 in ISO 2022 IR 87 cannot be written (﨑 is not in JIS X 0208), 山崎^太郎 can.
const JIS_NAME: &[u8] = b"YAMAZAKI^TAROU=\x1B$B;3:j\x1B(B^\x1B$BB@O:\x1B(B";

fn element(group: u16, element: u16, value: &[u8]) -> RawElement {
    RawElement {
        tag: Tag(group, element),
        value: value.to_vec(),
    }
}

fn originals(character_set: &[u8], name: &[u8]) -> Vec<RawElement> {
    vec![
        element(0x0008, 0x0005, character_set),
        element(0x0008, 0x0020, b"20240115"),
        element(0x0008, 0x0030, b"213045.12 "),
        element(0x0008, 0x0050, b"A240115-0032"),
        element(0x0010, 0x0010, name),
        element(0x0010, 0x0020, b"0001234567"),
        element(0x0010, 0x0040, b"M "),
        element(0x0020, 0x000D, STUDY),
        element(0x0028, 0x0010, b"\x00\x02"),
    ]
}

fn input<'a>(originals: &'a [RawElement], pdf: &'a [u8]) -> EncapsulatedInput<'a> {
    EncapsulatedInput {
        originals,
        sources: &[],
        predecessors: &[],
        status: ReportStatus::Final,
        version: 2,
        report_digest: DIGEST,
        signed_at: SIGNED,
        pdf,
        bundle: BUNDLE,
    }
}

fn made(character_set: &[u8], name: &[u8]) -> EncapsulatedPdf {
    encapsulate(&input(&originals(character_set, name), b"%PDF-1.7 odd")).unwrap()
}

fn dump(name: &str, data_set: &[u8]) -> String {
    let file = Scratch::file(name, data_set);
    let arguments = ["-f", "-te", "+U8", "+L", "-dc", file.path()];
    run("dcmdump", "dcmtk", &arguments)
}

/// The value of an element without its padding.
fn trimmed(data_set: &[u8], tag: Tag) -> Vec<u8> {
    let content = read_encapsulated(data_set).unwrap();
    let value = content
        .elements
        .iter()
        .find(|e| e.tag == tag)
        .unwrap()
        .value;
    value.strip_suffix(b" ").unwrap_or(value).to_vec()
}

/// Decoded by somebody else: the C library knows the escape sequences of ISO 2022.
fn from_iso_2022(value: &[u8]) -> String {
    let file = Scratch::file("title.txt", value);
    run(
        "iconv",
        "libc-bin",
        &["-f", "ISO-2022-JP", "-t", "UTF-8", file.path()],
    )
}

#[test]
fn pdf_and_bundle_come_back_byte_for_byte() {
    let pdf = render(&report(ReportStatus::Final), None).unwrap();
    for cut in [pdf.len(), pdf.len() - 1] {
        let originals = originals(b"ISO_IR 192", "YAMAZAKI^TAROU=山﨑^太郎".as_bytes());
        let done = encapsulate(&input(&originals, &pdf[..cut])).unwrap();
        assert_eq!(done.data_set.len() % 2, 0);
        let content = read_encapsulated(&done.data_set).unwrap();
        assert_eq!(content.pdf, &pdf[..cut]);
        assert_eq!(content.bundle, BUNDLE);
        let value = |tag| {
            content
                .elements
                .iter()
                .find(|e| e.tag == tag)
                .unwrap()
                .value
        };
        assert_eq!(
            value(Tag(0x0010, 0x0010)),
            "YAMAZAKI^TAROU=山﨑^太郎".as_bytes()
        );
        assert!(
            content
                .elements
                .iter()
                .all(|e| e.tag != Tag(0x0028, 0x0010))
        );
    }
}

#[test]
fn dcmtk_gives_the_pdf_back_whatever_the_transfer_syntax() {
    let pdf = render(&report(ReportStatus::Final), None).unwrap();
    let originals = originals(b"ISO_IR 192", "YAMAZAKI^TAROU=山﨑^太郎".as_bytes());
    let sources = [SourceInstance {
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".into(),
        sop_instance_uid: "1.2.3.4".into(),
    }];
    let given = EncapsulatedInput {
        sources: &sources,
        ..input(&originals, &pdf)
    };
    let done = encapsulate(&given).unwrap();
    let bare = Scratch::file("bare.dcm", &done.data_set);
    for (name, syntax, lengths) in [
        ("explicit.dcm", "+te", "+e"),
        ("explicit-undefined.dcm", "+te", "-e"),
        ("implicit-undefined.dcm", "+ti", "-e"),
    ] {
        let part_10 = Scratch::file(name, b"");
        let arguments = ["-f", "-te", syntax, lengths, bare.path(), part_10.path()];
        run("dcmconv", "dcmtk", &arguments);
        let bytes = std::fs::read(&part_10.0).unwrap();
        let content = read_encapsulated(&bytes).unwrap();
        assert!(content.pdf == pdf, "{name}");
        assert_eq!(content.bundle, BUNDLE, "{name}");
        let taken_out = Scratch::file(&format!("{name}.pdf"), b"");
        run("dcm2pdf", "dcmtk", &[part_10.path(), taken_out.path()]);
        let bytes = std::fs::read(&taken_out.0).unwrap();
        assert!(bytes == pdf, "{name}");
    }
}

#[test]
fn original_bytes_and_titles_are_right_in_every_character_set() {
    let standings = [
        (ReportStatus::Preliminary, "速報"),
        (ReportStatus::Final, "確定"),
        (ReportStatus::Addendum, "追加"),
        (ReportStatus::Amended, "改訂"),
        (ReportStatus::Corrected, "訂正"),
        (ReportStatus::Retracted, "取下げ"),
    ];
    let sets: [(&[u8], &[u8]); 2] = [
        (b"\\ISO 2022 IR 87", JIS_NAME),
        (
            b"ISO 2022 IR 13\\ISO 2022 IR 87",
            b"\xD4\xCF\xBB\xDE\xB7^\xC0\xDB\xB3",
        ),
    ];
    for (status, word) in standings {
        for (set, name) in sets {
            let originals = originals(set, name);
            let given = EncapsulatedInput {
                status,
                ..input(&originals, b"%PDF")
            };
            let done = encapsulate(&given).unwrap();
            assert_eq!(trimmed(&done.data_set, Tag(0x0010, 0x0010)), name);
            let title = trimmed(&done.data_set, Tag(0x0042, 0x0010));
            assert_eq!(title, trimmed(&done.data_set, Tag(0x0008, 0x103E)));
            assert_eq!(
                from_iso_2022(&title),
                format!("画像診断報告書 {word} 第2版")
            );
        }
    }
    let utf8 = made(b"ISO_IR 192", "YAMAZAKI^TAROU=山﨑^太郎".as_bytes());
    let text = dump("utf8.dcm", &utf8.data_set);
    assert!(text.contains("山﨑^太郎"), "{text}");
    assert!(text.contains("画像診断報告書 確定 第2版 FINAL"), "{text}");

    let latin = made(b"ISO_IR 100", b"M\xFCller^Hans");
    let text = dump("latin.dcm", &latin.data_set);
    assert!(text.contains("Müller^Hans"), "{text}");
    assert!(
        text.contains("Diagnostic Imaging Report FINAL v2"),
        "{text}"
    );
}

#[test]
fn attributes_are_those_of_the_study_and_the_report() {
    let predecessors = [PredecessorDocument {
        series_instance_uid: "1.2.3.5".into(),
        sop_instance_uid: "1.2.3.6".into(),
    }];
    let sources: Vec<SourceInstance> = (0..MAX_SOURCES + 7)
        .map(|number| SourceInstance {
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".into(),
            sop_instance_uid: format!("1.2.3.4.{number}"),
        })
        .collect();
    let mut originals = originals(b"ISO_IR 192", b"YAMAZAKI^TAROU");
    originals.push(element(0x0008, 0x0201, b"+0000 "));
    let given = EncapsulatedInput {
        predecessors: &predecessors,
        sources: &sources,
        ..input(&originals, b"%PDF-1.7")
    };
    let done = encapsulate(&given).unwrap();
    assert_eq!(done.sources_left_out, 7);
    assert_eq!(done.study_instance_uid.as_bytes(), STUDY);
    let text = dump("attributes.dcm", &done.data_set);
    for expected in [
        "(0008,0016) UI =EncapsulatedPDFStorage",
        "(0008,0060) CS [DOC",
        "(0008,0050) SH [A240115-0032]",
        "(0008,0023) DA [20240115]",
        "(0008,0033) TM [130431]",
        "(0008,002a) DT [20240115220431+0900",
        "(0020,0011) IS [90002",
        "(0020,0013) IS [2",
        "(0028,0301) CS [YES",
        "(0040,a493) CS [VERIFIED",
        "[18748-4",
        "(0042,0012) LO [application/pdf",
        "(0042,0015) UL 8",
        "(0008,0090) PN (no value available)",
        "(444b,0010) LO [DOKUEI REPORT",
        "1.2.3.4.4999",
        "1.2.3.6",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains("1.2.3.4.5000"));
    assert_eq!(copied_elements().count(), 19);
}

#[test]
fn uids_are_derived_and_change_with_the_content() {
    let first = made(b"ISO_IR 192", b"A^B");
    let again = made(b"ISO_IR 192", b"A^B");
    assert_eq!(first.data_set, again.data_set);
    let originals = originals(b"ISO_IR 192", b"A^B");
    let other = encapsulate(&input(&originals, b"%PDF-1.7 other")).unwrap();
    assert_eq!(first.series_instance_uid, other.series_instance_uid);
    assert_ne!(first.sop_instance_uid, other.sop_instance_uid);
}

#[test]
fn unusable_input_is_refused() {
    let mut without = originals(b"", b"A^B");
    without.retain(|e| e.tag != Tag(0x0020, 0x000D));
    assert_eq!(
        encapsulate(&input(&without, b"%PDF")).err(),
        Some(EncapsulateError::StudyInstanceUid)
    );
    let long = originals(b"", &[b'A'; 70_000]);
    let error = encapsulate(&input(&long, b"%PDF")).err();
    assert!(matches!(
        error,
        Some(EncapsulateError::ValueTooLong { bytes: 70_000, .. })
    ));
    let fine = originals(b"", b"A^B");
    let given = EncapsulatedInput {
        signed_at: "yesterday",
        ..input(&fine, b"%PDF")
    };
    assert_eq!(
        encapsulate(&given).err(),
        Some(EncapsulateError::SigningTime)
    );
}

#[test]
fn damaged_and_foreign_files_are_refused_and_never_panic() {
    let whole = made(b"\\ISO 2022 IR 87", JIS_NAME).data_set;
    for cut in 0..whole.len() {
        assert!(read_encapsulated(&whole[..cut]).is_err(), "{cut}");
    }
    let mut state = 88_172_645_463_325_252u64;
    for _ in 0..20_000 {
        let mut file = whole.clone();
        for _ in 0..2 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state as usize) % file.len();
            file[at] = (state >> 40) as u8;
        }
        if let Ok(content) = read_encapsulated(&file) {
            assert!(content.pdf.len() <= file.len());
        }
    }
    assert_eq!(read_encapsulated(b"").err(), Some(ReadError::NoDocument));
    let deep: Vec<u8> = [&[8, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 255, 255, 255, 255][..]]
        .into_iter()
        .chain(std::iter::repeat_n(
            &[
                0xFE, 0xFF, 0, 0xE0, 255, 255, 255, 255, 8, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 255,
                255, 255, 255,
            ][..],
            50_000,
        ))
        .flatten()
        .copied()
        .collect();
    assert!(matches!(
        read_encapsulated(&deep),
        Err(ReadError::Sequence { .. })
    ));
}

#[test]
fn a_foreign_encapsulated_pdf_is_told_apart() {
    let whole = made(b"", b"A^B").data_set;
    let creator = b"DOKUEI REPORT";
    let at = whole
        .windows(creator.len())
        .position(|w| w == creator)
        .unwrap();
    let mut foreign = whole;
    foreign[at] = b'X';
    assert_eq!(read_encapsulated(&foreign).err(), Some(ReadError::NoBundle));
}
