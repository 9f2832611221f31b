//! The report as PDF, looked at with the programs people use.

use crate::sample::{DIGEST, page_texts, report, squeezed};
use dokuei_node::outputs::pdf::{MAX_FIELD_BYTES, MAX_TEXT_BYTES, RenderError, render};
use dokuei_node::outputs::view::{ReportBody, ReportStatus};

const ALL: [(ReportStatus, &str, &str); 6] = [
    (ReportStatus::Preliminary, "速報", "PRELIMINARY"),
    (ReportStatus::Final, "確定", "FINAL"),
    (ReportStatus::Addendum, "追加", "ADDENDUM"),
    (ReportStatus::Amended, "改訂", "AMENDED"),
    (ReportStatus::Corrected, "訂正", "CORRECTED"),
    (ReportStatus::Retracted, "取下げ", "RETRACTED"),
];

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

#[test]
fn every_page_says_who_what_standing_and_which_version() {
    for (status, ja, en) in ALL {
        let mut view = report(status);
        view.report.body = ReportBody::Plain("所見に異常を認めません。\n".repeat(120));
        let pages = page_texts(&format!("frame-{en}.pdf"), &render(&view, None).unwrap());
        assert!(pages.len() >= 3, "{en}: {} pages", pages.len());
        let version = format!("第{}版", view.report.version);
        for (number, page) in pages.iter().enumerate() {
            let page = squeezed(page);
            let count = format!("{}/{}", number + 1, pages.len());
            for expected in [
                "山﨑太郎",
                "YAMAZAKITAROU",
                "ﾔﾏｻﾞｷﾀﾛｳ",
                "0001234567",
                "1952-08-14(昭和27年)",
                "男性Male/71",
                "A240115-0032",
                "2024-01-1521:30",
                ja,
                en,
                &version,
                "読影一郎",
                "123456",
                "2024-01-1522:04:31(UTC+09:00)",
                DIGEST,
                "3FA1C7BE90D24E55",
                &count,
            ] {
                assert!(
                    page.contains(expected),
                    "{en}, page {number}: {expected} is missing"
                );
            }
        }
    }
}

#[test]
fn no_character_of_the_text_is_lost() {
    let view = report(ReportStatus::Final);
    let text = squeezed(&page_texts("whole.pdf", &render(&view, None).unwrap()).concat());
    let ReportBody::Sections {
        findings,
        impression,
        recommendation,
    } = &view.report.body
    else {
        panic!("the sample has sections");
    };
    for line in [findings, impression, recommendation]
        .into_iter()
        .flat_map(|section| section.lines())
    {
        assert!(text.contains(&squeezed(line)), "{line}");
    }
    for title in ["所見Findings", "診断Impression", "推奨Recommendation"] {
        assert!(text.contains(title), "{title}");
    }
    assert!(text.contains("頭部単純CT2023-06-02"));
    assert!(text.contains("3シリーズ412画像"));
}

#[test]
fn a_missing_prior_is_said_and_standings_explain_themselves() {
    let mut view = report(ReportStatus::Retracted);
    view.report.comparison = None;
    let text = squeezed(&page_texts("prior.pdf", &render(&view, None).unwrap()).concat());
    assert!(text.contains("過去画像の提供なしNoprioroffered"));
    assert!(text.contains("このレポートは取り下げられました"));
    assert!(text.contains(&squeezed(crate::sample::PREDECESSOR)));
}

#[test]
fn names_that_were_not_decoded_exactly_are_marked_on_every_page() {
    let mut view = report(ReportStatus::Final);
    view.patient.name.exact = false;
    view.report.body = ReportBody::Plain("本文\n".repeat(60));
    let pages = page_texts("inexact.pdf", &render(&view, None).unwrap());
    assert!(pages.len() > 1);
    assert!(pages.iter().all(|page| page.contains('※')));
    assert!(squeezed(&pages[0]).contains("患者IDで確認してください"));
}

#[test]
fn characters_no_face_has_are_named() {
    let mut view = report(ReportStatus::Final);
    let text = "外字\u{E001}と\u{1F600}とبو\u{202E}";
    view.report.body = ReportBody::Plain(text.into());
    view.patient.name.ideographic = "\u{E002}田 太郎".into();
    let text = squeezed(&page_texts("missing.pdf", &render(&view, None).unwrap()).concat());
    for named in ["U+E001", "U+1F600", "U+0628", "U+0648", "U+202E", "U+E002"] {
        assert!(text.contains(named), "{named}");
    }
}

/// Any text at all can be printed, within PDF/A, with no character refused by the writer.
#[test]
fn every_character_of_unicode_makes_a_page() {
    let mut text = String::new();
    let mut rendered = 0;
    for number in (0..0x3_2000)
        .chain(0xE_0000..0xE_0200)
        .chain(0x10_FF00..=0x10_FFFF)
    {
        text.extend(char::from_u32(number));
        // Marks and joiners meet letters of all kinds.
        if number % 5 == 0 {
            text.push_str("a\u{0301}か\u{3099}葛\u{E0100}\u{200D}");
        }
        if text.len() > 200_000 || number == 0x10_FFFF {
            let mut view = report(ReportStatus::Final);
            view.report.body = ReportBody::Plain(std::mem::take(&mut text));
            assert!(render(&view, None).is_ok(), "before U+{number:04X}");
            rendered += 1;
        }
    }
    assert!(rendered > 5, "{rendered}");
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    for (status, _, en) in ALL {
        let first = render(&report(status), None).unwrap();
        assert_eq!(first, render(&report(status), None).unwrap(), "{en}");
    }
    let mut other = report(ReportStatus::Final);
    other.report.signed_at = "2024-01-15T22:04:32+09:00".into();
    assert_ne!(
        render(&report(ReportStatus::Final), None).unwrap(),
        render(&other, None).unwrap()
    );
}

#[test]
fn the_file_is_pdf_a_and_its_metadata_names_no_patient() {
    let pdf = render(&report(ReportStatus::Final), None).unwrap();
    assert!(holds(&pdf, "<pdfaid:part>2</pdfaid:part>"));
    assert!(holds(&pdf, "<pdfaid:conformance>U</pdfaid:conformance>"));
    let file = crate::sample::Scratch::file("meta.pdf", &pdf);
    let information = crate::sample::run("pdfinfo", "poppler-utils", &["-isodates", file.path()]);
    assert!(information.contains("A4"), "{information}");
    assert!(information.contains("2024-01-15T"), "{information}");
    assert!(information.contains("画像診断報告書 確定 第2版 Version 2"));
    for private in ["山﨑", "YAMAZAKI", "0001234567"] {
        assert!(!information.contains(private), "{private}");
    }
    let fonts = crate::sample::run("pdffonts", "poppler-utils", &[file.path()]);
    for line in fonts.lines().skip(2) {
        assert!(
            line.contains("yes yes yes"),
            "embedded, subset, with Unicode map: {line}"
        );
    }
}

#[test]
fn limits_are_kept_and_said() {
    let mut view = report(ReportStatus::Final);
    view.report.body = ReportBody::Plain("あ".repeat(MAX_TEXT_BYTES / 3 + 1));
    assert!(matches!(
        render(&view, None),
        Err(RenderError::TextTooLong { .. })
    ));
    view.report.body = ReportBody::Plain("\n.".repeat(MAX_TEXT_BYTES / 2));
    assert!(matches!(
        render(&view, None),
        Err(RenderError::TooManyPages { .. })
    ));
    view.report.body = ReportBody::Plain("\u{1}".repeat(MAX_TEXT_BYTES));
    assert!(matches!(
        render(&view, None),
        Err(RenderError::TooManyPages { .. })
    ));
    view.report.body = ReportBody::Plain("所見".repeat(40_000));
    assert!(render(&view, None).is_ok());

    let mut view = report(ReportStatus::Final);
    view.patient.id = "9".repeat(MAX_FIELD_BYTES + 1);
    let error = render(&view, None).err();
    assert!(matches!(
        error,
        Some(RenderError::FieldTooLong {
            field: "patient ID",
            ..
        })
    ));
    let mut view = report(ReportStatus::Final);
    view.report.signed_at = "2024-01-15 22:04".into();
    assert_eq!(render(&view, None).err(), Some(RenderError::SigningTime));
}

#[test]
fn the_longest_fields_still_make_a_page() {
    let mut view = report(ReportStatus::Corrected);
    let long = "長".repeat(MAX_FIELD_BYTES / 3);
    view.patient.name.ideographic = long.clone();
    view.patient.name.phonetic = long.clone();
    view.patient.id = long.clone();
    view.study.accession_number = long.clone();
    view.study.description = long.clone();
    view.study.modality = long.clone();
    view.study.requesting_institution = long.clone();
    view.report.reader.name = long.clone();
    view.report.reader.site = long.clone();
    view.report.digest = "f".repeat(MAX_FIELD_BYTES);
    let pages = page_texts("long.pdf", &render(&view, None).unwrap());
    assert!(pages.iter().all(|page| page.contains("CORRECTED")));
    assert!(
        pages.iter().all(|page| page.contains('…')),
        "what is cut says so"
    );
}
