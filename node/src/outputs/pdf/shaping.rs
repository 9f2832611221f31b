//! From text to positioned glyphs: which face, which glyph, how wide.
//!
//! One shaper run gives both the widths lines are broken by and the glyphs that are drawn, so what
//! was measured is what is printed. Only left-to-right scripts are in the faces; a character no
//! face has becomes a box with its code point, never a gap.

use std::ops::Range;

use krilla::text::{GlyphId, KrillaGlyph};
use rustybuzz::{Direction, UnicodeBuffer};

use super::faces::{FaceId, Faces, Weight};

/// Size of the code point inside the box of a missing character, in parts of the text size.
pub(super) const BOX_TEXT: f32 = 0.55;
/// Space left and right of that code point, in em of the text size.
pub(super) const BOX_PADDING: f32 = 0.14;

/// Shaped text; positions are in em, multiply by the text size.
pub(super) struct Shaped {
    /// What was shaped; glyphs point into it.
    pub(super) text: String,
    /// In reading order.
    pub(super) clusters: Vec<Cluster>,
    /// All glyphs of all clusters.
    pub(super) glyphs: Vec<KrillaGlyph>,
}

/// The smallest piece a line may be broken around.
pub(super) struct Cluster {
    /// Its bytes in [`Shaped::text`].
    pub(super) text: Range<usize>,
    /// Advance in em.
    pub(super) advance: f32,
    /// What is drawn.
    pub(super) ink: Ink,
}

/// What a cluster draws.
pub(super) enum Ink {
    /// Glyphs of one face, as a range of [`Shaped::glyphs`].
    Glyphs { face: FaceId, glyphs: Range<usize> },
    /// A box with the code point.
    Missing(char),
}

impl Shaped {
    /// Width of a range of clusters in em.
    pub(super) fn width(&self, clusters: Range<usize>) -> f32 {
        self.clusters
            .get(clusters)
            .unwrap_or_default()
            .iter()
            .map(|cluster| cluster.advance)
            .sum()
    }

    /// First character of a cluster.
    pub(super) fn character(&self, cluster: usize) -> Option<char> {
        let range = self.clusters.get(cluster)?.text.clone();
        self.text.get(range)?.chars().next()
    }
}

/// Shape one line or paragraph (no line ends inside).
pub(super) fn shape(faces: &Faces, text: &str, weight: Weight) -> Shaped {
    let mut shaped = Shaped {
        text: text.to_owned(),
        clusters: Vec::new(),
        glyphs: Vec::new(),
    };
    for run in runs(faces, text, weight) {
        match run.face {
            Some(face) => shape_run(faces, &mut shaped, run.text, face),
            None => push_missing(faces, &mut shaped, run.text),
        }
    }
    shaped
}

/// `U+XXXX` as printed inside the box.
pub(super) fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

struct Run {
    text: Range<usize>,
    face: Option<FaceId>,
}

fn runs(faces: &Faces, text: &str, weight: Weight) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let choices = choices(faces, text, weight);
    for ((start, character), face) in text.char_indices().zip(choices) {
        let end = start + character.len_utf8();
        match runs.last_mut() {
            Some(run) if run.face == face => run.text.end = end,
            Some(_) | None => runs.push(Run {
                text: start..end,
                face,
            }),
        }
    }
    runs
}

/// The face of each character.
fn choices(faces: &Faces, text: &str, weight: Weight) -> Vec<Option<FaceId>> {
    let mut choices: Vec<Option<FaceId>> = Vec::new();
    let mut word = 0;
    let mut rare = false;
    for character in text.chars() {
        let choice = if is_unprintable(character) {
            None
        } else if joins_previous(character)
            && let Some(previous) = choices.last()
        {
            *previous
        } else {
            faces.face_with(character, weight)
        };
        if is_letter(character) {
            rare |= choice == Some(FaceId::Letters);
        } else if !joins_previous(character) {
            set_word(&mut choices, word, rare);
            word = choices.len() + 1;
            rare = false;
        }
        choices.push(choice);
    }
    set_word(&mut choices, word, rare);
    choices
}

/// A word with a letter only the letter face has is set in that face as a whole.
fn set_word(choices: &mut [Option<FaceId>], from: usize, rare: bool) {
    if rare {
        for choice in choices.get_mut(from..).unwrap_or_default() {
            *choice = Some(FaceId::Letters);
        }
    }
}

/// Latin letters, all of which the letter face has.
fn is_letter(character: char) -> bool {
    matches!(character, 'A'..='Z' | 'a'..='z' | '\u{00AA}'..='\u{024F}' | '\u{1E00}'..='\u{1EFF}')
        && character.is_alphabetic()
}

/// Control characters, direction overrides and noncharacters: they would be invisible or reorder
/// the page, so they are shown as boxes.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{206F}'
                | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FDD0}'..='\u{FDEF}'
                | '\u{E0000}'..='\u{E007F}'
        )
        || u32::from(character) & 0xFFFE == 0xFFFE
}

/// Combining marks, variation selectors and joiners belong to the character before them.
fn joins_previous(character: char) -> bool {
    is_invisible(character)
        || matches!(
            character,
            '\u{0300}'..='\u{036F}' | '\u{3099}' | '\u{309A}' | '\u{20D0}'..='\u{20FF}'
                | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{FE20}'..='\u{FE2F}'
        )
}

/// Characters that draw nothing by definition.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{E0100}'..='\u{E01EF}'
    )
}

fn push_missing(faces: &Faces, shaped: &mut Shaped, range: Range<usize>) {
    let characters: Vec<(usize, char)> = shaped
        .text
        .get(range.clone())
        .unwrap_or_default()
        .char_indices()
        .filter(|(_, character)| !is_invisible(*character))
        .collect();
    for (offset, character) in characters {
        let start = range.start + offset;
        let inner = plain_width(faces, &code_point(character)) * BOX_TEXT;
        shaped.clusters.push(Cluster {
            text: start..start + character.len_utf8(),
            advance: inner + 2.0 * BOX_PADDING + 0.08,
            ink: Ink::Missing(character),
        });
    }
}

/// Glyphs of ASCII text without kerning, for the label of a missing character.
pub(super) fn plain_glyphs(faces: &Faces, text: &str) -> Vec<KrillaGlyph> {
    let face = faces.face(FaceId::Regular);
    text.char_indices()
        .filter_map(|(start, character)| {
            let glyph = face.shaper.glyph_index(character)?;
            let advance = f32::from(face.shaper.glyph_hor_advance(glyph)?) / face.units_per_em;
            let range = start..start + character.len_utf8();
            let id = GlyphId::new(u32::from(glyph.0));
            Some(KrillaGlyph::new(id, advance, 0.0, 0.0, 0.0, range, None))
        })
        .collect()
}

fn plain_width(faces: &Faces, text: &str) -> f32 {
    plain_glyphs(faces, text).iter().map(|g| g.x_advance).sum()
}

fn shape_run(faces: &Faces, shaped: &mut Shaped, range: Range<usize>, face_id: FaceId) {
    let face = faces.face(face_id);
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(shaped.text.get(range.clone()).unwrap_or_default());
    buffer.guess_segment_properties();
    buffer.set_direction(Direction::LeftToRight);
    let output = rustybuzz::shape(&face.shaper, &[], buffer);
    let infos = output.glyph_infos();
    let positions = output.glyph_positions();

    let mut first = 0;
    while let Some(head) = infos.get(first) {
        let count = infos
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|info| info.cluster == head.cluster)
            .count();
        let next = first + count;
        let end = infos
            .get(next)
            .map_or(range.len(), |info| info.cluster as usize);
        let text = range.start + head.cluster as usize..range.start + end;
        let members = first..next;
        let incomplete = infos
            .get(members.clone())
            .unwrap_or_default()
            .iter()
            .any(|info| info.glyph_id == 0);
        if incomplete && face_id != FaceId::Letters {
            shape_run(faces, shaped, text, FaceId::Letters);
        } else if incomplete {
            push_missing(faces, shaped, text);
        } else {
            let start = shaped.glyphs.len();
            let mut advance = 0.0;
            for (info, position) in infos.iter().zip(positions).skip(first).take(count) {
                let em = |units: i32| units as f32 / face.units_per_em;
                advance += em(position.x_advance);
                shaped.glyphs.push(KrillaGlyph::new(
                    GlyphId::new(info.glyph_id),
                    em(position.x_advance),
                    em(position.x_offset),
                    em(position.y_offset),
                    em(position.y_advance),
                    text.clone(),
                    None,
                ));
            }
            let glyphs = start..shaped.glyphs.len();
            let ink = Ink::Glyphs {
                face: face_id,
                glyphs,
            };
            shaped.clusters.push(Cluster { text, advance, ink });
        }
        first = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(text: &str) -> Shaped {
        shape(&Faces::load().unwrap(), text, Weight::Regular)
    }

    fn missing(shaped: &Shaped) -> String {
        shaped
            .clusters
            .iter()
            .filter_map(|cluster| match cluster.ink {
                Ink::Missing(character) => Some(character),
                Ink::Glyphs { .. } => None,
            })
            .collect()
    }

    #[test]
    fn full_width_characters_are_one_em() {
        let text = shaped("山田太郎、。");
        assert_eq!(text.clusters.len(), 6);
        assert!(
            text.clusters
                .iter()
                .all(|c| (c.advance - 1.0).abs() < 0.001)
        );
    }

    #[test]
    fn half_width_kana_is_half_an_em() {
        let text = shaped("ﾔﾏﾀﾞ");
        // The sound mark belongs to its kana.
        assert_eq!(text.clusters.len(), 3);
        assert!((text.width(0..3) - 2.0).abs() < 0.001);
    }

    #[test]
    fn decomposed_kana_becomes_one_cluster_and_loses_nothing() {
        let text = shaped("か\u{3099}");
        assert_eq!(text.clusters.len(), 1);
        assert_eq!(missing(&text), "");
        assert_eq!(text.clusters[0].text, 0..6);
    }

    #[test]
    fn an_ideographic_variant_keeps_its_selector_in_the_cluster() {
        let plain = shaped("葛");
        let variant = shaped("葛\u{E0100}");
        assert_eq!(variant.clusters.len(), 1);
        let glyph = |s: &Shaped| s.glyphs[0].glyph_id;
        assert_ne!(
            glyph(&plain),
            glyph(&variant),
            "the face holds both shapes of 葛"
        );
    }

    #[test]
    fn missing_characters_are_named_and_take_space() {
        let text = shaped("A\u{1F600}B\u{E000}\u{202E}\u{7}");
        assert_eq!(missing(&text), "\u{1F600}\u{E000}\u{202E}\u{7}");
        assert!(text.clusters.iter().all(|c| c.advance > 0.4));
        assert_eq!(code_point('\u{1F600}'), "U+1F600");
    }

    #[test]
    fn letters_come_from_the_second_face() {
        let text = shaped("Jan Łukasz様");
        assert_eq!(missing(&text), "");
        let faces: Vec<bool> = text
            .clusters
            .iter()
            .map(|cluster| match &cluster.ink {
                Ink::Glyphs { face, .. } => *face == FaceId::Letters,
                Ink::Missing(_) => panic!("all letters are drawn"),
            })
            .collect();
        // One word, one face.
        assert_eq!(faces, [vec![false; 4], vec![true; 6], vec![false]].concat());
    }

    #[test]
    fn a_mark_without_a_base_in_the_face_is_not_lost() {
        let text = shaped("q\u{0323}\u{0302}");
        assert_eq!(missing(&text), "");
        assert!(!text.clusters.is_empty());
    }
}
