//! What can stand on a page, and drawing it.
//!
//! Layout first makes a list of items for every page (so the number of pages is known before the
//! first footer is drawn), then each list is drawn. Units are points from the top left corner.

use std::ops::Range;
use std::rc::Rc;

use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::num::NormalizedF32;
use krilla::paint::{Fill, FillRule, Stroke};
use krilla::pdf::PdfDocument;
use krilla::surface::Surface;

use super::faces::{FaceId, Faces, Weight};
use super::shaping::{self, Ink, Shaped};

/// An sRGB colour.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

/// Text colour of the report itself.
pub(super) const INK: Colour = Colour(0x1A, 0x1F, 0x26);
/// Labels and secondary text; 5.5:1 against white, so it survives a poor printer.
pub(super) const QUIET: Colour = Colour(0x5B, 0x65, 0x72);
/// Hair lines.
pub(super) const LINE: Colour = Colour(0xCF, 0xD6, 0xDD);
/// Ground of the patient band.
pub(super) const GROUND: Colour = Colour(0xF2, 0xF5, 0xF8);
/// Text on a filled plate.
pub(super) const PAPER: Colour = Colour(0xFF, 0xFF, 0xFF);
/// Warnings.
pub(super) const ALERT: Colour = Colour(0xB4, 0x1C, 0x1C);

/// Position and size of a rectangle.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

/// Size, weight and colour of text.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) size: f32,
    pub(super) weight: Weight,
    pub(super) colour: Colour,
}

impl Style {
    pub(super) const fn regular(size: f32, colour: Colour) -> Style {
        Style {
            size,
            weight: Weight::Regular,
            colour,
        }
    }

    pub(super) const fn bold(size: f32, colour: Colour) -> Style {
        Style {
            size,
            weight: Weight::Bold,
            colour,
        }
    }
}

/// One thing on a page.
pub(super) enum Item {
    /// Some clusters of a shaped text, starting at `x` on the baseline.
    Text {
        x: f32,
        baseline: f32,
        shaped: Rc<Shaped>,
        clusters: Range<usize>,
        size: f32,
        colour: Colour,
    },
    /// A filled rectangle.
    Fill { area: Area, colour: Colour },
    /// The border of a rectangle.
    Border {
        area: Area,
        colour: Colour,
        thickness: f32,
    },
    /// Large slanted words across the page, drawn as shapes so that text search does not see them.
    Watermark {
        shaped: Rc<Shaped>,
        centre: (f32, f32),
        size: f32,
        colour: Colour,
        opacity: f32,
    },
    /// A page of the reader's own PDF, scaled into the area.
    OwnPage { page: usize, area: Area },
}

impl Item {
    /// The same text starting at `to`; other items stay where they are.
    pub(super) fn at(mut self, to: f32) -> Item {
        if let Item::Text { x, .. } = &mut self {
            *x = to;
        }
        self
    }
}

/// Slant of the watermark in degrees, counter-clockwise.
const WATERMARK_SLANT: f32 = -35.0;

/// Draws items on one page.
pub(super) struct Canvas<'a, 's> {
    pub(super) faces: &'a Faces,
    pub(super) own: Option<&'a PdfDocument>,
    pub(super) surface: &'a mut Surface<'s>,
}

impl Canvas<'_, '_> {
    /// Draw in the order given; later items cover earlier ones.
    pub(super) fn draw(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Text {
                    x,
                    baseline,
                    shaped,
                    clusters,
                    size,
                    colour,
                } => {
                    self.fill(*colour, 1.0);
                    self.text((*x, *baseline), shaped, clusters.clone(), *size, false);
                }
                Item::Fill { area, colour } => {
                    self.fill(*colour, 1.0);
                    self.rectangle(*area);
                }
                Item::Border {
                    area,
                    colour,
                    thickness,
                } => self.border(*area, *colour, *thickness),
                Item::Watermark {
                    shaped,
                    centre,
                    size,
                    colour,
                    opacity,
                } => {
                    self.fill(*colour, *opacity);
                    let (x, y) = *centre;
                    let turn = Transform::from_rotate_at(WATERMARK_SLANT, x, y);
                    self.surface.push_transform(&turn);
                    let all = 0..shaped.clusters.len();
                    let left = x - shaped.width(all.clone()) * size / 2.0;
                    self.text((left, y + size * 0.36), shaped, all, *size, true);
                    self.surface.pop();
                }
                Item::OwnPage { page, area } => self.own_page(*page, *area),
            }
        }
    }

    fn own_page(&mut self, page: usize, area: Area) {
        let (Some(own), Some(size)) = (self.own, Size::from_wh(area.width, area.height)) else {
            return;
        };
        self.surface
            .push_transform(&Transform::from_translate(area.x, area.y));
        self.surface.draw_pdf_page(own, size, page);
        self.surface.pop();
    }

    fn fill(&mut self, colour: Colour, opacity: f32) {
        self.surface.set_stroke(None);
        self.surface.set_fill(Some(Fill {
            paint: rgb(colour).into(),
            opacity: NormalizedF32::new(opacity).unwrap_or(NormalizedF32::ONE),
            rule: FillRule::NonZero,
        }));
    }

    fn border(&mut self, area: Area, colour: Colour, thickness: f32) {
        self.surface.set_fill(None);
        self.surface.set_stroke(Some(Stroke {
            paint: rgb(colour).into(),
            width: thickness,
            ..Stroke::default()
        }));
        self.rectangle(area);
        self.surface.set_stroke(None);
    }

    fn rectangle(&mut self, area: Area) {
        let mut path = PathBuilder::new();
        if let Some(rect) = Rect::from_xywh(area.x, area.y, area.width, area.height) {
            path.push_rect(rect);
        }
        if let Some(path) = path.finish() {
            self.surface.draw_path(&path);
        }
    }

    /// Draw clusters from `origin` on; neighbouring clusters of one face are one text run.
    fn text(
        &mut self,
        origin: (f32, f32),
        shaped: &Shaped,
        clusters: Range<usize>,
        size: f32,
        outlined: bool,
    ) {
        let (mut x, y) = origin;
        let mut run: Option<(FaceId, Range<usize>, f32)> = None;
        for cluster in shaped.clusters.get(clusters).unwrap_or_default() {
            match &cluster.ink {
                Ink::Glyphs { face, glyphs } => match &mut run {
                    Some((running, range, _)) if running == face && range.end == glyphs.start => {
                        range.end = glyphs.end;
                    }
                    Some(_) | None => {
                        if let Some(done) = run.replace((*face, glyphs.clone(), x)) {
                            self.run(done, y, shaped, size, outlined);
                        }
                    }
                },
                Ink::Missing(character) => {
                    if let Some(done) = run.take() {
                        self.run(done, y, shaped, size, outlined);
                    }
                    self.missing(*character, (x, y), cluster.advance, size);
                }
            }
            x += cluster.advance * size;
        }
        if let Some(done) = run {
            self.run(done, y, shaped, size, outlined);
        }
    }

    fn run(
        &mut self,
        (face, glyphs, x): (FaceId, Range<usize>, f32),
        y: f32,
        shaped: &Shaped,
        size: f32,
        outlined: bool,
    ) {
        let glyphs = shaped.glyphs.get(glyphs).unwrap_or_default();
        self.surface.draw_glyphs(
            Point::from_xy(x, y),
            glyphs,
            self.faces.face(face).font.clone(),
            &shaped.text,
            size,
            outlined,
        );
    }

    /// A box with the code point in it, where no face has the character.
    fn missing(&mut self, character: char, (x, y): (f32, f32), advance: f32, size: f32) {
        let label = shaping::code_point(character);
        let fill = self.surface.get_fill().cloned();
        let area = Area {
            x: x + 0.04 * size,
            y: y - 0.72 * size,
            width: (advance - 0.08) * size,
            height: 0.86 * size,
        };
        self.border(area, ALERT, (size * 0.05).max(0.3));
        self.fill(ALERT, 1.0);
        self.surface.draw_glyphs(
            Point::from_xy(x + (0.04 + shaping::BOX_PADDING) * size, y - 0.10 * size),
            &shaping::plain_glyphs(self.faces, &label),
            self.faces.face(FaceId::Regular).font.clone(),
            &label,
            size * shaping::BOX_TEXT,
            false,
        );
        self.surface.set_fill(fill);
    }
}

fn rgb(colour: Colour) -> rgb::Color {
    rgb::Color::new(colour.0, colour.1, colour.2)
}

/// One line of text as an item, placed by its left edge.
pub(super) fn text(faces: &Faces, x: f32, baseline: f32, words: &str, style: Style) -> Item {
    let shaped = shaping::shape(faces, words, style.weight);
    let clusters = 0..shaped.clusters.len();
    Item::Text {
        x,
        baseline,
        shaped: Rc::new(shaped),
        clusters,
        size: style.size,
        colour: style.colour,
    }
}

/// Smallest size text is shrunk to before it is cut, in parts of the size asked for.
const SMALLEST: f32 = 0.62;

/// One line of text in at most `width` points: smaller if need be, then cut with `…`.
///
/// Returns the item and the width it takes.
pub(super) fn fitted(
    faces: &Faces,
    (x, baseline): (f32, f32),
    words: &str,
    style: Style,
    width: f32,
) -> (Item, f32) {
    let mut shaped = shaping::shape(faces, words, style.weight);
    let full = shaped.width(0..shaped.clusters.len());
    let mut size = style.size;
    if full * size > width {
        size = (width / full).max(style.size * SMALLEST);
    }
    if full * size > width {
        shaped = cut(faces, &shaped, style.weight, width / size);
    }
    let clusters = 0..shaped.clusters.len();
    let taken = shaped.width(clusters.clone()) * size;
    let item = Item::Text {
        x,
        baseline,
        shaped: Rc::new(shaped),
        clusters,
        size,
        colour: style.colour,
    };
    (item, taken)
}

fn cut(faces: &Faces, shaped: &Shaped, weight: Weight, ems: f32) -> Shaped {
    let mut used = 1.0;
    let mut end = 0;
    for cluster in &shaped.clusters {
        used += cluster.advance;
        if used > ems {
            break;
        }
        end = cluster.text.end;
    }
    let kept = shaped.text.get(..end).unwrap_or_default();
    shaping::shape(faces, &format!("{kept}…"), weight)
}

/// One line of text placed by its right edge.
pub(super) fn right_aligned(
    faces: &Faces,
    (right, baseline): (f32, f32),
    words: &str,
    style: Style,
    width: f32,
) -> (Item, f32) {
    let (item, taken) = fitted(faces, (0.0, baseline), words, style, width);
    (item.at(right - taken), taken)
}
