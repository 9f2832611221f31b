//! The reader's own PDF inside the report's frame.

use crate::sample::{Scratch, page_texts, report, run, squeezed};
use dokuei_node::outputs::pdf::{AttachmentError, RenderError, render};
use dokuei_node::outputs::view::{ReportBody, ReportStatus, ReportView};
use krilla::Document;
use krilla::geom::{PathBuilder, Point};
use krilla::page::PageSettings;
use krilla::text::{Font, GlyphId, KrillaGlyph};

static FACE: &[u8] = include_bytes!("../../assets/fonts/NotoSansCJKjp-Regular-report.otf");

/// A PDF with one line of text and a box on each page, as another program would make it.
fn own_pdf(pages: &[(f32, f32, &str)]) -> Vec<u8> {
    let font = Font::new(FACE.into(), 0).unwrap();
    let shaper = rustybuzz::Face::from_slice(FACE, 0).unwrap();
    let mut document = Document::new();
    for (width, height, text) in pages {
        let mut page = document.start_page_with(PageSettings::from_wh(*width, *height).unwrap());
        let mut surface = page.surface();
        let mut frame = PathBuilder::new();
        frame.move_to(20.0, 120.0);
        frame.line_to(*width - 20.0, 120.0);
        frame.line_to(*width - 20.0, *height - 20.0);
        frame.close();
        surface.draw_path(&frame.finish().unwrap());
        let glyphs: Vec<KrillaGlyph> = text
            .char_indices()
            .map(|(at, c)| {
                let glyph = shaper.glyph_index(c).unwrap();
                let advance = f32::from(shaper.glyph_hor_advance(glyph).unwrap()) / 1000.0;
                let id = GlyphId::new(u32::from(glyph.0));
                KrillaGlyph::new(id, advance, 0.0, 0.0, 0.0, at..at + c.len_utf8(), None)
            })
            .collect();
        surface.draw_glyphs(
            Point::from_xy(40.0, 80.0),
            &glyphs,
            font.clone(),
            text,
            14.0,
            false,
        );
        surface.finish();
        page.finish();
    }
    document.finish().unwrap()
}

fn own_report(status: ReportStatus) -> ReportView {
    let mut view = report(status);
    view.report.body = ReportBody::OwnPdf;
    view
}

#[test]
fn each_page_stands_in_the_frame() {
    let own = own_pdf(&[
        (595.0, 842.0, "一枚目 first page"),
        (842.0, 595.0, "二枚目 wide page"),
        (300.0, 200.0, "三枚目 small page"),
    ]);
    let view = own_report(ReportStatus::Preliminary);
    let pdf = render(&view, Some(&own)).unwrap();
    let pages = page_texts("own.pdf", &pdf);
    assert_eq!(pages.len(), 4);
    for (number, page) in pages.iter().enumerate() {
        let page = squeezed(page);
        for expected in [
            "山﨑太郎",
            "0001234567",
            "速報",
            "PRELIMINARY",
            "3FA1C7BE90D24E55",
        ] {
            assert!(page.contains(expected), "page {number}: {expected}");
        }
        assert!(page.contains(&format!("{}/4", number + 1)));
    }
    assert!(squeezed(&pages[0]).contains("本文は、次ページ以降の読影医作成文書です"));
    for (page, text) in pages[1..].iter().zip(["一枚目", "二枚目", "三枚目"]) {
        assert!(page.contains(text), "{text}");
    }
    let file = Scratch::file("own-size.pdf", &pdf);
    let sizes = run("pdfinfo", "poppler-utils", &["-l", "4", file.path()]);
    let wide = sizes
        .lines()
        .filter(|line| line.contains("841.89 x 595.28"))
        .count();
    assert_eq!(wide, 1, "{sizes}");
}

#[test]
fn text_and_own_pdf_go_together_and_bytes_are_stable() {
    let own = own_pdf(&[(595.0, 842.0, "計測表")]);
    let view = report(ReportStatus::Final);
    let pdf = render(&view, Some(&own)).unwrap();
    assert_eq!(pdf, render(&view, Some(&own)).unwrap());
    let text = squeezed(&page_texts("both.pdf", &pdf).concat());
    assert!(text.contains("右被殻出血") && text.contains("計測表"));
    let claim = b"<pdfaid:part>";
    assert!(
        !pdf.windows(claim.len()).any(|window| window == claim),
        "foreign pages are not promised to be PDF/A"
    );
}

#[test]
fn a_report_placed_in_a_report_is_still_readable() {
    let inner = render(&report(ReportStatus::Final), None).unwrap();
    let outer = render(&own_report(ReportStatus::Corrected), Some(&inner)).unwrap();
    let pages = page_texts("nested.pdf", &outer);
    let last = squeezed(pages.last().unwrap());
    assert!(last.contains("確定FINAL") && last.contains("訂正CORRECTED"));
}

#[test]
fn a_missing_or_refused_pdf_is_said() {
    let view = own_report(ReportStatus::Final);
    assert_eq!(
        render(&view, None).err(),
        Some(RenderError::AttachmentMissing)
    );
    let error = render(&view, Some(b"GIF89a")).err();
    assert_eq!(
        error,
        Some(RenderError::Attachment(AttachmentError::NotAPdf))
    );
    let own = own_pdf(&[(595.0, 842.0, "一枚目")]);
    let half = render(&view, Some(&own[..own.len() / 2])).err();
    let expected = matches!(
        half,
        Some(RenderError::Attachment(AttachmentError::Damaged { .. }))
    );
    assert!(expected);
}
