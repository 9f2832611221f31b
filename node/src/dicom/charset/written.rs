//! Decoded values in the forms that answers have: values in UTF-8, and names in the DICOM JSON Model.

use dicom_core::VR;
use serde_json::{Map, Value};

use super::decoder::decode;
use super::pieces::{Delimiters, Piece};
use super::{CharacterSets, Decoded, PersonName, unpadded};

/// What stands for the backslash of a byte shown raw (`\xHH`), where a backslash would separate values: FULLWIDTH
/// REVERSE SOLIDUS.
const SHOWN_BACKSLASH: &str = "＼";

impl CharacterSets {
    /// A value as text for a data set in [`WRITTEN_CHARACTER_SET`](super::WRITTEN_CHARACTER_SET), without its padding;
    /// [`encode`](super::encode) pads it.
    ///
    /// Delimiters stay delimiters, and nothing else becomes one: a yen sign of JIS X 0201 in ST, LT and UT is `¥`, and
    /// bytes that could not be decoded appear as `＼xHH`. Where the text is not exact, repeating the raw value with the
    /// object's own Specific Character Set loses nothing. Types that Specific Character Set does not concern (PS3.5
    /// §6.1.2.2) are read in the default repertoire.
    #[must_use]
    pub fn to_utf8_value(&self, vr: VR, value: &[u8]) -> Decoded {
        match vr {
            VR::PN => {
                let names = self.decode_person_names(value);
                joined(names.iter().map(|name| (name.to_value(), name.exact)))
            }
            VR::LO | VR::SH | VR::UC => joined(parts(self.decode_values(value))),
            VR::ST | VR::LT | VR::UT => {
                let Decoded { text, exact } = self.decode_text(value);
                Decoded { text, exact }
            }
            _ => {
                let pieces = decode(
                    Self::default().repertoire,
                    unpadded(value),
                    Delimiters::Values,
                );
                joined(
                    pieces
                        .into_iter()
                        .map(|Piece { text, inexact, .. }| (text, !inexact)),
                )
            }
        }
    }
}

fn parts(values: Vec<Decoded>) -> impl Iterator<Item = (String, bool)> {
    values
        .into_iter()
        .map(|Decoded { text, exact }| (text, exact))
}

/// Values with a backslash between. A backslash within one is none of the value's: no set has it there.
fn joined(values: impl Iterator<Item = (String, bool)>) -> Decoded {
    let mut whole = Decoded {
        text: String::new(),
        exact: true,
    };
    for (at, (text, exact)) in values.enumerate() {
        if at > 0 {
            whole.text.push('\\');
        }
        whole.text.push_str(&text.replace('\\', SHOWN_BACKSLASH));
        whole.exact &= exact;
    }
    whole.text.truncate(whole.text.trim_end_matches(' ').len());
    whole
}

impl PersonName {
    /// The name as the DICOM JSON Model has it (PS3.18 §F.2.2): an object with the groups that have text, components
    /// between `^`; null when there is no name.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let groups = [
            ("Alphabetic", &self.alphabetic),
            ("Ideographic", &self.ideographic),
            ("Phonetic", &self.phonetic),
        ];
        let named: Map<String, Value> = groups
            .into_iter()
            .filter(|(_, group)| !group.is_empty())
            .map(|(key, group)| (key.to_owned(), Value::String(group.to_value())))
            .collect();
        match named.is_empty() {
            true => Value::Null,
            false => Value::Object(named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::charset::encode;
    use serde_json::json;

    const JAPANESE: &[u8] = b"ISO 2022 IR 13\\ISO 2022 IR 87";

    fn written(terms: &[u8], vr: VR, value: &[u8]) -> (String, bool) {
        let Decoded { text, exact } = CharacterSets::read(terms).to_utf8_value(vr, value);
        (text, exact)
    }

    #[test]
    fn names_and_values_keep_their_delimiters() {
        let name = b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1B$B;3ED\x1B(J^\x1B$BB@O:\x1B(J \\Doe^John ";
        let (text, exact) = written(JAPANESE, VR::PN, name);
        assert_eq!(
            (text.as_str(), exact),
            ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎\\Doe^John", true)
        );
        assert_eq!(encode(&text).len() % 2, 0);
        let values = written(JAPANESE, VR::LO, b"\xB1 \\\x1B$BK\\\x1B(J");
        assert_eq!(values, ("ｱ\\本".to_owned(), true));
        let text = written(b"ISO_IR 13", VR::LT, b" \\100 ");
        assert_eq!(text, (" ¥100".to_owned(), true));
    }

    #[test]
    fn what_is_not_decoded_makes_no_further_value() {
        let (text, exact) = written(b"", VR::LO, b"caf\xE9\\B");
        assert_eq!((text.as_str(), exact), ("caf＼xE9\\B", false));
        let (text, exact) = written(b"ISO_IR 13", VR::CS, b"A\\B");
        assert_eq!((text.as_str(), exact), ("A\\B", true));
        assert_eq!(
            written(b"ISO_IR 192", VR::SH, "値".as_bytes()),
            ("値".to_owned(), true)
        );
    }

    #[test]
    fn a_name_in_json_has_the_groups_it_has() {
        let name = |value: &str| {
            let sets = CharacterSets::read(b"ISO_IR 192");
            sets.decode_person_names(value.as_bytes())[0].to_json()
        };
        assert_eq!(
            name("Yamada^Tarou=山田^太郎=やまだ^たろう"),
            json!({ "Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう" })
        );
        assert_eq!(name("==やまだ"), json!({ "Phonetic": "やまだ" }));
        assert_eq!(name("^^"), Value::Null);
    }
}
