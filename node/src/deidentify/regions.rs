//! Where devices write into their pictures (option 113101, PS3.15 section E.3.1): rules of a file that the site keeps. A
//! picture is of a rule only when everything agrees that the rule names; nothing is guessed.

use std::path::Path;

use dicom_dictionary_std::tags;
use serde::Deserialize;

use crate::dicom::dataset::DataSet;
use crate::language::{Explain as _, Failure, Message};
use crate::say;

/// Form of the file. A higher one is of a later program.
const VERSION: u32 = 1;
/// Bytes of a file: a rule has some three hundred.
const BYTES: u64 = 1 << 20;
/// Rules of a file: a hospital has some ten kinds of devices with some ten sizes of pictures each.
const RULES: usize = 1_000;
/// Rectangles of a rule: a screen has a handful of places with text.
const RECTANGLES: usize = 64;

/// A part of a picture, in pixels from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "[u16; 4]")]
pub(super) struct Rectangle {
    /// First column.
    pub left: u16,
    /// First row.
    pub top: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl From<[u16; 4]> for Rectangle {
    fn from([left, top, width, height]: [u16; 4]) -> Rectangle {
        Rectangle {
            left,
            top,
            width,
            height,
        }
    }
}

impl Rectangle {
    fn is_inside(&self, rows: u16, columns: u16) -> bool {
        let fits = |from: u16, count: u16, of: u16| {
            count > 0 && u32::from(from) + u32::from(count) <= u32::from(of)
        };
        fits(self.left, self.width, columns) && fits(self.top, self.height, rows)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    version: u32,
    #[serde(default)]
    rule: Vec<Rule>,
}

/// One kind of pictures of one device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    modality: String,
    manufacturer: String,
    model: String,
    rows: u16,
    columns: u16,
    sop_class: Option<String>,
    software: Option<String>,
    image_type: Option<String>,
    blank: Vec<Rectangle>,
}

/// The rules of a site. Without any nothing is blanked.
#[derive(Debug, Default)]
pub struct Regions(Vec<Rule>);

impl Regions {
    /// Reads the file of rules.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong in it.
    pub fn read(path: &Path) -> Result<Regions, Failure> {
        let file = path.display();
        let wrong = |what: Message| {
            Failure::new(
                "regions-invalid",
                say!(
                    "領域ファイル {file} に誤りがあります: {what}。",
                    "The file of regions {file} is wrong: {what}.";
                    what = what
                ),
            )
        };
        let length = std::fs::metadata(path).map(|file| file.len());
        let length = length.map_err(|error| wrong(error.message()))?;
        if length > BYTES {
            return Err(wrong(too_long()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.message()))?;
        Regions::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Regions, Message> {
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text[..start].matches('\n').count() + 1;
            let what = error.message().to_owned();
            say!("{line} 行目（{what}）", "line {line}, {what}")
        })?;
        if raw.version != VERSION {
            let version = raw.version;
            return Err(say!(
                "版 {version} には対応していません。{VERSION} と書いてください",
                "version {version} is not known here, {VERSION} is"
            ));
        }
        if raw.rule.len() > RULES {
            return Err(too_long());
        }
        for (at, rule) in raw.rule.iter().enumerate() {
            rule.check(at + 1)?;
        }
        Ok(Regions(raw.rule))
    }

    /// The parts of a picture that are blanked: those of every rule that it is of.
    pub(super) fn of(&self, header: &DataSet) -> Vec<Rectangle> {
        let rules = self.0.iter().filter(|rule| rule.is_of(header));
        rules.flat_map(|rule| rule.blank.iter().copied()).collect()
    }
}

impl Rule {
    fn check(&self, number: usize) -> Result<(), Message> {
        let named = [&self.modality, &self.manufacturer, &self.model];
        let optional = [&self.sop_class, &self.software, &self.image_type];
        let mut all = named.into_iter().chain(optional.into_iter().flatten());
        if all.any(|value| value.trim().is_empty()) {
            return Err(say!(
                "{number} 番目の rule に空の値があります",
                "rule {number} has an empty value"
            ));
        }
        let inside = |part: &Rectangle| part.is_inside(self.rows, self.columns);
        let fits = (1..=RECTANGLES).contains(&self.blank.len());
        if !fits || !self.blank.iter().all(inside) {
            return Err(say!(
                "{number} 番目の rule の blank には、画像の内側の [左, 上, 幅, 高さ] を 1～{RECTANGLES} 個書いてください",
                "the blank of rule {number} is 1 to {RECTANGLES} of [left, top, width, height] inside the picture"
            ));
        }
        Ok(())
    }

    /// Whether everything that the rule names is so.
    fn is_of(&self, header: &DataSet) -> bool {
        let is = |wanted: &str, tag| header.text(tag).trim().eq_ignore_ascii_case(wanted.trim());
        let may =
            |wanted: &Option<String>, tag| wanted.as_ref().is_none_or(|wanted| is(wanted, tag));
        let kinds = header.code(tags::IMAGE_TYPE).to_ascii_uppercase();
        let is_kind = |wanted: &String| {
            let wanted = wanted.trim().to_ascii_uppercase();
            kinds.split('\\').any(|kind| kind.trim() == wanted)
        };
        header.short(tags::ROWS) == Some(self.rows)
            && header.short(tags::COLUMNS) == Some(self.columns)
            && is(&self.modality, tags::MODALITY)
            && is(&self.manufacturer, tags::MANUFACTURER)
            && is(&self.model, tags::MANUFACTURER_MODEL_NAME)
            && may(&self.sop_class, tags::SOP_CLASS_UID)
            && may(&self.software, tags::SOFTWARE_VERSIONS)
            && self.image_type.as_ref().is_none_or(is_kind)
    }
}

fn too_long() -> Message {
    say!(
        "長すぎます（rule は {RULES} 個まで）",
        "it is too long: at most {RULES} rules"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_both;
    use dicom_core::VR;

    const RULES: &str = r#"
version = 1

[[rule]]
modality = "US"
manufacturer = "ACME"
model = "Echo 7"
rows = 480
columns = 640
blank = [[0, 0, 640, 40], [600, 40, 40, 20]]

[[rule]]
modality = "US"
manufacturer = "ACME"
model = "Echo 7"
rows = 480
columns = 640
software = "2.1"
image_type = "SCREEN"
blank = [[0, 440, 640, 40]]
"#;

    fn picture(model: &str, rows: u16) -> DataSet {
        let mut header = DataSet::default();
        header.put_text(tags::MODALITY, VR::CS, "US");
        header.put_text(tags::MANUFACTURER, VR::LO, "Acme ");
        header.put_text(tags::MANUFACTURER_MODEL_NAME, VR::LO, model);
        header.put_short(tags::ROWS, rows);
        header.put_short(tags::COLUMNS, 640);
        header
    }

    #[test]
    fn a_picture_is_of_a_rule_when_everything_agrees() {
        let regions = Regions::parse(RULES).unwrap();
        let mut whole = picture("ECHO 7", 480);
        assert_eq!(regions.of(&whole).len(), 2);
        assert!(regions.of(&picture("Echo 70", 480)).is_empty());
        assert!(regions.of(&picture("Echo 7", 600)).is_empty());
        assert!(regions.of(&DataSet::default()).is_empty());
        whole.put_text(tags::SOFTWARE_VERSIONS, VR::LO, "2.1");
        whole.put_text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY\\screen");
        assert_eq!(regions.of(&whole).len(), 3);
        assert!(Regions::default().of(&whole).is_empty());
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told_in_both_languages() {
        for (from, to) in [
            ("version = 1", "version = 2"),
            ("model = \"Echo 7\"", "model = \" \""),
            ("model = \"Echo 7\"", "modell = \"Echo 7\""),
            ("[0, 0, 640, 40]", "[1, 0, 640, 40]"),
            ("[0, 0, 640, 40]", "[0, 0, 0, 40]"),
            ("[0, 0, 640, 40]", "[0, 0, 640]"),
            ("[[0, 440, 640, 40]]", "[]"),
        ] {
            let text = RULES.replacen(from, to, 1);
            let wrong = Regions::parse(&text).err();
            assert_both(&wrong.unwrap_or_else(|| panic!("{to}")));
        }
        let nowhere = Regions::read(Path::new("nowhere.toml")).unwrap_err();
        assert_both(&nowhere.message);
    }
}
