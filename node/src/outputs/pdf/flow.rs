//! The body of the report: blocks set one under the other, page after page.

use std::rc::Rc;

use super::canvas::{self, Area, Colour, GROUND, INK, Item, LINE, QUIET, Style};
use super::faces::{Faces, Weight};
use super::frame::{self, Paper};
use super::labels::{self, Label};
use super::linebreak;
use super::shaping::{self, Shaped};
use super::{MAX_TEXT_PAGES, RenderError};
use crate::outputs::dates::SigningTime;
use crate::outputs::view::{ReportBody, ReportView};

const TEXT: Style = Style::regular(10.5, INK);
const LEADING: f32 = 17.5;
const SMALL: Style = Style::regular(8.0, QUIET);

/// Lays the body out.
pub(super) struct Flow<'a> {
    faces: &'a Faces,
    view: &'a ReportView,
    body: Area,
    y: f32,
    pages: Vec<Vec<Item>>,
    page: Vec<Item>,
}

/// How a paragraph is set.
#[derive(Clone, Copy)]
struct Setting {
    style: Style,
    leading: f32,
    indent: f32,
    /// A bar at the left edge, for the part that must not be overlooked.
    bar: Option<Colour>,
}

/// One label with its value.
struct Field {
    label: Label,
    value: String,
    style: Style,
}

/// The pages of the body, each a list of items.
///
/// # Errors
/// [`RenderError::TooManyPages`].
pub(super) fn pages(
    faces: &Faces,
    view: &ReportView,
    signed: SigningTime,
) -> Result<Vec<Vec<Item>>, RenderError> {
    let body = Paper::A4.body();
    let mut flow = Flow {
        faces,
        view,
        body,
        y: body.y,
        pages: Vec::new(),
        page: Vec::new(),
    };
    flow.notices()?;
    flow.examination()?;
    flow.text()?;
    flow.signature(signed)?;
    flow.pages.push(flow.page);
    Ok(flow.pages)
}

impl Flow<'_> {
    /// Start a new page unless `height` points are left on this one.
    fn need(&mut self, height: f32) -> Result<(), RenderError> {
        let top = self.y <= self.body.y;
        if self.y + height <= self.body.y + self.body.height || top {
            return Ok(());
        }
        if self.pages.len() + 1 >= MAX_TEXT_PAGES {
            return Err(RenderError::TooManyPages {
                limit: MAX_TEXT_PAGES,
            });
        }
        self.pages.push(std::mem::take(&mut self.page));
        self.y = self.body.y;
        Ok(())
    }

    fn notices(&mut self) -> Result<(), RenderError> {
        let status = self.view.report.status;
        if let Some(notice) = labels::notice(status) {
            self.notice(notice, frame::colour(status))?;
        }
        if !self.view.patient.name.exact {
            self.notice(labels::NAME_INEXACT, canvas::ALERT)?;
        }
        Ok(())
    }

    fn notice(&mut self, words: Label, colour: Colour) -> Result<(), RenderError> {
        let height = 36.0;
        self.need(height + 8.0)?;
        let area = Area {
            height,
            y: self.y,
            ..self.body
        };
        self.page.push(Item::Border {
            area,
            colour,
            thickness: 0.9,
        });
        self.page.push(Item::Fill {
            area: Area { width: 5.0, ..area },
            colour,
        });
        let (x, width) = (area.x + 15.0, area.width - 25.0);
        let ja = Style::bold(10.5, colour);
        let at = (x, self.y + 15.5);
        self.page
            .push(canvas::fitted(self.faces, at, words.ja, ja, width).0);
        let en = Style::regular(8.5, INK);
        let at = (x, self.y + 28.5);
        self.page
            .push(canvas::fitted(self.faces, at, words.en, en, width).0);
        self.y += height + 8.0;
        Ok(())
    }

    fn examination(&mut self) -> Result<(), RenderError> {
        let (study, report) = (&self.view.study, &self.view.report);
        let value = Style::regular(9.5, INK);
        let tiny = Style::regular(7.5, QUIET);
        let field = |label, value: &str, style| Field {
            label,
            value: frame::known(value).to_owned(),
            style,
        };
        let images = labels::images(report.images_read.series, report.images_read.instances);
        let none = format!("{} {}", labels::NO_PRIOR.ja, labels::NO_PRIOR.en);
        let comparison = report.comparison.as_deref().unwrap_or(&none);
        let mut rows = vec![
            vec![
                field(labels::REQUESTED_BY, &study.requesting_institution, value),
                field(labels::REFERRING, &study.referring_physician, value),
            ],
            vec![
                field(labels::EXAMINATION, &study.description, value),
                field(labels::IMAGES_READ, &images, value),
            ],
            vec![field(labels::COMPARISON, comparison, value)],
        ];
        if let Some(digest) = &report.predecessor_digest {
            let words = format!("{}  {digest}", frame::short_digest(digest));
            rows.push(vec![field(labels::PREDECESSOR, &words, tiny)]);
        }
        rows.push(vec![
            field(labels::ISSUER, &self.view.patient.id_issuer, tiny),
            field(labels::CASE, &report.case_id, tiny),
        ]);
        rows.push(vec![field(
            labels::STUDY_UID,
            &study.study_instance_uid,
            tiny,
        )]);
        for row in rows {
            self.row(row)?;
        }
        self.y += 8.0;
        Ok(())
    }

    /// One or two label/value pairs side by side; long values wrap.
    fn row(&mut self, fields: Vec<Field>) -> Result<(), RenderError> {
        let columns = match fields.len() {
            2 => [0.42 * self.body.width, 0.58 * self.body.width],
            _ => [self.body.width, 0.0],
        };
        let label_width = 86.0;
        let mut cells = Vec::new();
        let mut lines = 1;
        let mut leading: f32 = 10.0;
        for (field, column) in fields.into_iter().zip(columns) {
            let words = field.value.replace(['\r', '\n'], " ");
            let shaped = Rc::new(shaping::shape(self.faces, &words, field.style.weight));
            let width = column - label_width - 8.0;
            let broken = linebreak::break_lines(&shaped, field.style.size, width);
            lines = lines.max(broken.len());
            leading = leading.max(field.style.size * 1.45);
            cells.push((field, shaped, broken, column));
        }
        self.need(lines as f32 * leading + 5.0)?;
        let first = self.y + leading * 0.5 + 4.6;
        let mut left = self.body.x;
        let mut extra = 0.0;
        for (field, shaped, broken, column) in cells {
            let words = format!("{} {}", field.label.ja, field.label.en);
            let quiet = Style::regular(7.5, QUIET);
            let at = (left, first - 0.4);
            self.page
                .push(canvas::fitted(self.faces, at, &words, quiet, label_width - 6.0).0);
            // A value longer than a page runs over the footer rather than being lost: fields are
            // bounded far below that.
            for (number, line) in broken.into_iter().enumerate() {
                let down = number as f32 * leading;
                extra = f32::max(extra, down);
                self.page.push(Item::Text {
                    x: left + label_width,
                    baseline: first + down,
                    shaped: Rc::clone(&shaped),
                    clusters: line.clusters,
                    size: field.style.size,
                    colour: field.style.colour,
                });
            }
            left += column;
        }
        self.y += leading + extra + 4.0;
        self.rule(self.y - 1.0);
        Ok(())
    }

    fn rule(&mut self, y: f32) {
        self.page.push(Item::Fill {
            area: Area {
                x: self.body.x,
                y,
                width: self.body.width,
                height: 0.4,
            },
            colour: LINE,
        });
    }

    fn text(&mut self) -> Result<(), RenderError> {
        let plain = Setting {
            style: TEXT,
            leading: LEADING,
            indent: 0.0,
            bar: None,
        };
        let marked = Setting {
            style: Style::regular(11.0, INK),
            leading: 18.5,
            indent: 14.0,
            bar: Some(frame::colour(self.view.report.status)),
        };
        match &self.view.report.body {
            ReportBody::Sections {
                findings,
                impression,
                recommendation,
            } => {
                self.section(labels::FINDINGS, findings, plain)?;
                self.section(labels::IMPRESSION, impression, marked)?;
                self.section(labels::RECOMMENDATION, recommendation, plain)
            }
            ReportBody::Plain(text) => self.section(labels::REPORT_TEXT, text, plain),
            ReportBody::OwnPdf => {
                let words = labels::OWN_PDF_FOLLOWS;
                self.y += 14.0;
                self.paragraph(words.ja, plain)?;
                let en = Setting {
                    style: Style::regular(9.0, QUIET),
                    leading: 14.0,
                    ..plain
                };
                self.paragraph(words.en, en)
            }
        }
    }

    fn section(&mut self, title: Label, text: &str, setting: Setting) -> Result<(), RenderError> {
        if text.trim().is_empty() {
            return Ok(());
        }
        // A title never stands alone at the foot of a page.
        self.need(32.0 + 2.0 * setting.leading)?;
        let baseline = self.y + 19.0;
        let accent = frame::colour(self.view.report.status);
        let at = (self.body.x, baseline);
        let bold = Style::bold(13.0, accent);
        let (ja, width) = canvas::fitted(self.faces, at, title.ja, bold, 200.0);
        self.page.push(ja);
        let en = Style::regular(9.0, QUIET);
        let x = self.body.x + width + 8.0;
        self.page
            .push(canvas::text(self.faces, x, baseline, title.en, en));
        self.rule(baseline + 5.5);
        self.y = baseline + 11.0;
        let unified = text.replace("\r\n", "\n").replace('\r', "\n");
        for line in unified.trim_end().split('\n') {
            self.paragraph(line, setting)?;
        }
        self.y += 8.0;
        Ok(())
    }

    fn paragraph(&mut self, text: &str, setting: Setting) -> Result<(), RenderError> {
        let words = text.replace('\t', "    ");
        let shaped: Rc<Shaped> = Rc::new(shaping::shape(self.faces, &words, setting.style.weight));
        let width = self.body.width - setting.indent;
        let lines = linebreak::break_lines(&shaped, setting.style.size, width);
        for line in lines {
            self.need(setting.leading)?;
            if let Some(colour) = setting.bar {
                self.page.push(Item::Fill {
                    area: Area {
                        x: self.body.x,
                        y: self.y,
                        width: 3.0,
                        height: setting.leading,
                    },
                    colour,
                });
            }
            self.page.push(Item::Text {
                x: self.body.x + setting.indent,
                baseline: self.y + setting.leading * 0.5 + setting.style.size * 0.37,
                shaped: Rc::clone(&shaped),
                clusters: line.clusters,
                size: setting.style.size,
                colour: setting.style.colour,
            });
            self.y += setting.leading;
        }
        Ok(())
    }

    fn signature(&mut self, signed: SigningTime) -> Result<(), RenderError> {
        self.need(94.0)?;
        let end = format!("— {} {} —", labels::END.ja, labels::END.en);
        let shaped = shaping::shape(self.faces, &end, Weight::Regular);
        let width = shaped.width(0..shaped.clusters.len()) * SMALL.size;
        let x = self.body.x + (self.body.width - width) / 2.0;
        self.page
            .push(canvas::text(self.faces, x, self.y + 14.0, &end, SMALL));
        let area = Area {
            x: self.body.x + self.body.width - 270.0,
            y: self.y + 24.0,
            width: 270.0,
            height: 62.0,
        };
        self.page.push(Item::Fill {
            area,
            colour: GROUND,
        });
        let reader = &self.view.report.reader;
        let when = signed.text();
        let large = Style::regular(13.0, INK);
        let value = Style::regular(9.0, INK);
        let rows = [
            (18.0, labels::READER, reader.name.as_str(), large),
            (31.5, labels::LICENCE, reader.licence.as_str(), value),
            (43.5, labels::SITE, reader.site.as_str(), value),
            (55.5, labels::SIGNED, when.as_str(), value),
        ];
        for (down, label, words, style) in rows {
            let y = area.y + down;
            let quiet = Style::regular(7.0, QUIET);
            let name = format!("{} {}", label.ja, label.en);
            self.page
                .push(canvas::fitted(self.faces, (area.x + 10.0, y), &name, quiet, 82.0).0);
            let at = (area.x + 96.0, y);
            self.page
                .push(canvas::fitted(self.faces, at, frame::known(words), style, 166.0).0);
        }
        self.y = area.y + area.height;
        Ok(())
    }
}
