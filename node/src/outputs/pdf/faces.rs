//! The three embedded faces and which of them draws a character.
//!
//! Sources, licence (SIL OFL 1.1) and the build command are in `node/assets/fonts/`.

use krilla::text::Font;

use super::RenderError;

static REGULAR: &[u8] = include_bytes!("../../../assets/fonts/NotoSansCJKjp-Regular-report.otf");
static BOLD: &[u8] = include_bytes!("../../../assets/fonts/NotoSansCJKjp-Bold-labels.otf");
static LETTERS: &[u8] = include_bytes!("../../../assets/fonts/NotoSans-Regular-letters.ttf");

/// One of the embedded faces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FaceId {
    /// Japanese, half-width kana, basic Latin, every character of JIS X 0208, 0212 and 0213 but a
    /// few letters.
    Regular,
    /// Only the characters of `labels.rs` and ASCII.
    Bold,
    /// Latin, Greek and Cyrillic letters the Japanese face lacks.
    Letters,
}

/// Thickness asked for; characters outside the bold face fall back to regular.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// One face, as the shaper and as the PDF writer see it.
pub(super) struct Face {
    pub(super) shaper: rustybuzz::Face<'static>,
    pub(super) font: Font,
    /// Font units per em, never zero.
    pub(super) units_per_em: f32,
}

/// All embedded faces.
pub(super) struct Faces {
    regular: Face,
    bold: Face,
    letters: Face,
}

impl Faces {
    /// Parse the embedded faces (headers only; glyphs are read when drawn).
    ///
    /// # Errors
    /// [`RenderError::Writer`] when an embedded file is damaged.
    pub(super) fn load() -> Result<Faces, RenderError> {
        Ok(Faces {
            regular: face(REGULAR)?,
            bold: face(BOLD)?,
            letters: face(LETTERS)?,
        })
    }

    pub(super) fn face(&self, id: FaceId) -> &Face {
        match id {
            FaceId::Regular => &self.regular,
            FaceId::Bold => &self.bold,
            FaceId::Letters => &self.letters,
        }
    }

    /// The face that has `character`, the asked weight first; `None` when no face has it.
    pub(super) fn face_with(&self, character: char, weight: Weight) -> Option<FaceId> {
        let order: &[FaceId] = match weight {
            Weight::Bold => &[FaceId::Bold, FaceId::Regular, FaceId::Letters],
            Weight::Regular => &[FaceId::Regular, FaceId::Letters],
        };
        order
            .iter()
            .copied()
            .find(|id| self.face(*id).shaper.glyph_index(character).is_some())
    }
}

fn face(bytes: &'static [u8]) -> Result<Face, RenderError> {
    let damaged = || RenderError::Writer {
        what: "an embedded font cannot be read",
    };
    let shaper = rustybuzz::Face::from_slice(bytes, 0).ok_or_else(damaged)?;
    let font = Font::new(bytes.into(), 0).ok_or_else(damaged)?;
    let units_per_em = font.units_per_em();
    if units_per_em <= 0.0 {
        return Err(damaged());
    }
    Ok(Face {
        shaper,
        font,
        units_per_em,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uncovered(faces: &Faces, text: &str, weight: Weight) -> Vec<char> {
        text.chars()
            .filter(|c| faces.face_with(*c, weight).is_none())
            .collect()
    }

    #[test]
    fn names_with_rare_characters_are_covered() {
        let faces = Faces::load().unwrap();
        let names = "髙﨑𠮷德濵邉邊彅栁瀨增寬曻郞塚桒槗𣘺圡𠀋𡈽葛神﨟仝々〆丂丄丅丌丒丟亍仂";
        assert_eq!(
            uncovered(&faces, names, Weight::Regular),
            Vec::<char>::new()
        );
        let kana = "ｱｲｳｴｵｶﾞﾊﾟｰﾔﾏﾀﾞ ヤマダ やまだ ヴヷゔ";
        assert_eq!(uncovered(&faces, kana, Weight::Regular), Vec::<char>::new());
        let foreign = "Łukasz Nguyễn Müller Ångström Žižek İstanbul Ελένη Наталья 김철수 张伟";
        assert_eq!(
            uncovered(&faces, foreign, Weight::Regular),
            Vec::<char>::new()
        );
        let signs = "①⑳Ⅰⅹ㎜㎝㎡℃‰±×÷≒≠≦≧→←↑↓■□●○▲※〒µμ㍉㈱";
        assert_eq!(
            uncovered(&faces, signs, Weight::Regular),
            Vec::<char>::new()
        );
    }

    #[test]
    fn every_label_is_in_the_bold_face() {
        let faces = Faces::load().unwrap();
        let source = include_str!("labels.rs");
        let missing: Vec<char> = source
            .chars()
            .filter(|c| !c.is_whitespace())
            .filter(|c| faces.face_with(*c, Weight::Bold) != Some(FaceId::Bold))
            .collect();
        assert_eq!(
            missing,
            Vec::<char>::new(),
            "run node/assets/fonts/build.py"
        );
    }

    #[test]
    fn a_character_no_face_has_is_told_apart() {
        let faces = Faces::load().unwrap();
        assert!(faces.face_with('\u{1F600}', Weight::Regular).is_none());
        assert!(faces.face_with('\u{E000}', Weight::Regular).is_none());
    }
}
