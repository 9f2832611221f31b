//! What every page carries whatever its content: who the patient is, what standing the report has,
//! which version it is, who signed it and when, its digest, and the page number.

use std::rc::Rc;

use super::canvas::{self, ALERT, Area, Colour, GROUND, INK, Item, LINE, PAPER, QUIET, Style};
use super::faces::{Faces, Weight};
use super::labels::{self, Label};
use super::shaping;
use crate::outputs::dates::{self, SigningTime};
use crate::outputs::view::{PersonName, ReportStatus, ReportView};

/// Space left and right of everything.
pub(super) const MARGIN: f32 = 42.0;
const BODY_TOP: f32 = 138.0;
const FOOTER: f32 = 66.0;
const BAND: f32 = 54.0;

/// Paper in points.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Paper {
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Paper {
    /// ISO 216 A4 upright.
    pub(super) const A4: Paper = Paper {
        width: 595.28,
        height: 841.89,
    };
    /// A4 on its side, for wide pages of the reader's own PDF.
    pub(super) const A4_WIDE: Paper = Paper {
        width: 841.89,
        height: 595.28,
    };

    /// The area between header and footer.
    pub(super) fn body(self) -> Area {
        Area {
            x: MARGIN,
            y: BODY_TOP,
            width: self.width - 2.0 * MARGIN,
            height: self.height - BODY_TOP - FOOTER - 8.0,
        }
    }
}

/// Colour that goes with a standing, on every page.
pub(super) fn colour(status: ReportStatus) -> Colour {
    match status {
        ReportStatus::Preliminary => Colour(0xB4, 0x53, 0x09),
        ReportStatus::Final => Colour(0x12, 0x43, 0x5C),
        ReportStatus::Addendum => Colour(0x1B, 0x5F, 0x8C),
        ReportStatus::Amended | ReportStatus::Corrected => Colour(0x6B, 0x2F, 0x8A),
        ReportStatus::Retracted => ALERT,
    }
}

/// Header and footer of one report version.
pub(super) struct Frame<'a> {
    pub(super) faces: &'a Faces,
    pub(super) view: &'a ReportView,
    pub(super) signed: SigningTime,
}

impl Frame<'_> {
    /// Everything of the frame for page `page` (from 1) of `pages`.
    pub(super) fn items(&self, paper: Paper, page: usize, pages: usize) -> Vec<Item> {
        let mut items = Vec::new();
        self.title(paper, &mut items);
        self.patient(paper, &mut items);
        self.study(paper, &mut items);
        self.footer(paper, page, pages, &mut items);
        items
    }

    /// Words across the page that keep a preliminary or retracted report from being taken for a
    /// valid one, even when photographed or photocopied in part.
    pub(super) fn watermark(&self, paper: Paper, opacity: f32) -> Option<Item> {
        let status = self.view.report.status;
        match status {
            ReportStatus::Preliminary | ReportStatus::Retracted => {}
            ReportStatus::Final
            | ReportStatus::Addendum
            | ReportStatus::Amended
            | ReportStatus::Corrected => return None,
        }
        let word = labels::status(status);
        let words = format!("{} {}", word.ja, word.en);
        let shaped = shaping::shape(self.faces, &words, Weight::Bold);
        let body = paper.body();
        Some(Item::Watermark {
            shaped: Rc::new(shaped),
            centre: (body.x + body.width / 2.0, body.y + body.height * 0.52),
            size: 62.0,
            colour: colour(status),
            opacity,
        })
    }

    fn title(&self, paper: Paper, items: &mut Vec<Item>) {
        let right = paper.width - MARGIN;
        let report = &self.view.report;
        let accent = colour(report.status);
        let title = labels::REPORT_TITLE;
        let (ja, width) = canvas::fitted(
            self.faces,
            (MARGIN, 53.0),
            title.ja,
            Style::bold(18.0, INK),
            200.0,
        );
        items.push(ja);
        let en = Style::regular(9.0, QUIET);
        items.push(canvas::text(
            self.faces,
            MARGIN + width + 9.0,
            53.0,
            title.en,
            en,
        ));

        let plate = Area {
            x: right - 148.0,
            y: 31.0,
            width: 148.0,
            height: 29.0,
        };
        self.plate(plate, labels::status(report.status), accent, items);
        let version = labels::version(report.version);
        let at = (plate.x - 12.0, 53.0);
        let style = Style::regular(9.5, INK);
        items.push(canvas::right_aligned(self.faces, at, &version, style, 120.0).0);
        items.push(Item::Fill {
            area: Area {
                x: MARGIN,
                y: 66.0,
                width: right - MARGIN,
                height: 1.6,
            },
            colour: accent,
        });
    }

    /// The standing: filled when the report is valid as it stands, an outline when it is not.
    fn plate(&self, area: Area, word: Label, accent: Colour, items: &mut Vec<Item>) {
        let valid = match self.view.report.status {
            ReportStatus::Preliminary | ReportStatus::Retracted => false,
            ReportStatus::Final
            | ReportStatus::Addendum
            | ReportStatus::Amended
            | ReportStatus::Corrected => true,
        };
        let text = if valid { PAPER } else { accent };
        if valid {
            items.push(Item::Fill {
                area,
                colour: accent,
            });
        } else {
            items.push(Item::Border {
                area: Area {
                    x: area.x + 1.0,
                    y: area.y + 1.0,
                    width: area.width - 2.0,
                    height: area.height - 2.0,
                },
                colour: accent,
                thickness: 2.0,
            });
        }
        let baseline = area.y + 20.5;
        let (ja, ja_width) = canvas::fitted(
            self.faces,
            (0.0, baseline),
            word.ja,
            Style::bold(16.0, text),
            area.width,
        );
        let en_style = Style::bold(10.0, text);
        let (en, en_width) =
            canvas::fitted(self.faces, (0.0, baseline), word.en, en_style, area.width);
        let gap = 7.0;
        let left = area.x + (area.width - ja_width - gap - en_width) / 2.0;
        items.push(ja.at(left));
        items.push(en.at(left + ja_width + gap));
    }

    fn patient(&self, paper: Paper, items: &mut Vec<Item>) {
        items.push(Item::Fill {
            area: Area {
                x: MARGIN,
                y: 71.0,
                width: paper.width - 2.0 * MARGIN,
                height: BAND,
            },
            colour: GROUND,
        });
        let (above, main, below) = name_lines(&self.view.patient.name);
        let x = MARGIN + 10.0;
        let width = self.left_column(paper) - 20.0;
        let quiet = Style::regular(8.0, QUIET);
        items.push(canvas::fitted(self.faces, (x, 83.0), above, quiet, width).0);
        let style = Style::regular(17.0, INK);
        let (name, taken) = canvas::fitted(self.faces, (x, 102.0), main, style, width - 14.0);
        items.push(name);
        if !self.view.patient.name.exact {
            let style = Style::bold(12.0, ALERT);
            items.push(canvas::text(
                self.faces,
                x + taken + 3.0,
                100.0,
                labels::MARK,
                style,
            ));
        }
        let style = Style::regular(8.5, INK);
        items.push(canvas::fitted(self.faces, (x, 117.0), below, style, width).0);
    }

    fn left_column(&self, paper: Paper) -> f32 {
        (paper.width - 2.0 * MARGIN) * 0.42
    }

    fn study(&self, paper: Paper, items: &mut Vec<Item>) {
        let (patient, study) = (&self.view.patient, &self.view.study);
        let left = MARGIN + self.left_column(paper);
        let whole = paper.width - MARGIN - left;
        let age = dates::age(&patient.birth_date, &study.date);
        let sex = match (labels::sex(patient.sex), age) {
            (Some(sex), Some(age)) => format!("{} {} / {age}", sex.ja, sex.en),
            (Some(sex), None) => format!("{} {}", sex.ja, sex.en),
            (None, Some(age)) => format!("{} / {age}", labels::NOT_KNOWN),
            (None, None) => String::new(),
        };
        let sex_label = match age {
            Some(_) => labels::SEX_AND_AGE,
            None => labels::SEX,
        };
        let date = format!(
            "{} {}",
            dates::date_text(&study.date),
            dates::time_text(&study.time)
        );
        let modality = format!("{} {}", study.modality, study.body_part);
        let birth = dates::birth_date_text(&patient.birth_date);
        let rows = [
            (
                83.5,
                [
                    (labels::PATIENT_ID, patient.id.as_str()),
                    (labels::BIRTH_DATE, birth.as_str()),
                    (sex_label, sex.as_str()),
                ],
            ),
            (
                108.5,
                [
                    (labels::ACCESSION, study.accession_number.as_str()),
                    (labels::STUDY_DATE, date.trim()),
                    (labels::MODALITY, modality.trim()),
                ],
            ),
        ];
        for (y, cells) in rows {
            let mut x = left;
            for ((label, value), part) in cells.into_iter().zip([0.31, 0.40, 0.29]) {
                let width = whole * part - 6.0;
                self.cell((x, y), label, value, width, items);
                x += whole * part;
            }
        }
    }

    fn cell(
        &self,
        (x, y): (f32, f32),
        label: Label,
        value: &str,
        width: f32,
        items: &mut Vec<Item>,
    ) {
        let words = format!("{} {}", label.ja, label.en);
        let quiet = Style::regular(6.5, QUIET);
        items.push(canvas::fitted(self.faces, (x, y - 1.0), &words, quiet, width).0);
        let value = known(value);
        let style = Style::regular(10.0, INK);
        items.push(canvas::fitted(self.faces, (x, y + 11.5), value, style, width).0);
    }

    fn footer(&self, paper: Paper, page: usize, pages: usize, items: &mut Vec<Item>) {
        let top = paper.height - FOOTER;
        let right = paper.width - MARGIN;
        let width = right - MARGIN;
        items.push(Item::Fill {
            area: Area {
                x: MARGIN,
                y: top,
                width,
                height: 0.6,
            },
            colour: LINE,
        });
        let report = &self.view.report;
        let reader = format!(
            "{} {}  {}  ({} {})  {}",
            labels::READER.ja,
            labels::READER.en,
            known(&report.reader.name),
            labels::LICENCE.ja,
            known(&report.reader.licence),
            report.reader.site,
        );
        let style = Style::regular(8.5, INK);
        items.push(
            canvas::fitted(
                self.faces,
                (MARGIN, top + 13.0),
                &reader,
                style,
                width - 60.0,
            )
            .0,
        );
        let number = format!("{page} / {pages}");
        let bold = Style::bold(10.0, INK);
        items.push(canvas::right_aligned(self.faces, (right, top + 13.5), &number, bold, 56.0).0);

        let signed = format!(
            "{} {}  {}",
            labels::SIGNED.ja,
            labels::SIGNED.en,
            self.signed.text()
        );
        items.push(
            canvas::fitted(
                self.faces,
                (MARGIN, top + 26.0),
                &signed,
                style,
                width - 150.0,
            )
            .0,
        );
        let short = short_digest(&report.digest);
        let bold = Style::bold(9.0, INK);
        items.push(canvas::right_aligned(self.faces, (right, top + 26.0), &short, bold, 145.0).0);

        let digest = format!(
            "{} {}  {}",
            labels::DIGEST.ja,
            labels::DIGEST.en,
            report.digest
        );
        let small = Style::regular(6.3, QUIET);
        items.push(canvas::fitted(self.faces, (MARGIN, top + 37.0), &digest, small, width).0);
    }
}

/// The first 16 digits in groups of four, as read out over a telephone.
pub(super) fn short_digest(digest: &str) -> String {
    let digits: Vec<char> = digest.to_uppercase().chars().take(16).collect();
    let groups: Vec<String> = digits
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

/// The text, or a dash when it is not known.
pub(super) fn known(text: &str) -> &str {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        labels::NOT_KNOWN
    } else {
        trimmed
    }
}

/// Kana above, the name as people write it, Latin letters below.
fn name_lines(name: &PersonName) -> (&str, &str, &str) {
    let (kana, kanji) = (name.phonetic.trim(), name.ideographic.trim());
    let latin = name.alphabetic.trim();
    match (kanji.is_empty(), latin.is_empty()) {
        (false, _) => (kana, kanji, latin),
        (true, false) => (kana, latin, ""),
        (true, true) => ("", known(kana), ""),
    }
}
