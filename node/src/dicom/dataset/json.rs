//! The DICOM JSON Model (PS3.18 annex F): text in UTF-8 whatever the object's character sets, names
//! by their groups, long values by a URI.

mod number;
mod read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::{Bulk, DataSet, Element, Value};
use crate::dicom::charset::{CharacterSets, PersonName, WRITTEN_CHARACTER_SET};
use crate::dicom::uid::trim_padding;

pub use read::{BYTES_MAX, JsonError, read};

/// Stands in the text where the base of an object's URIs belongs, which is only known when a request
/// is answered. No JSON text holds it otherwise: control characters are escaped.
pub const BASE: u8 = 0x01;

/// Writes a data set as one JSON object. The URI of a value that was not kept is [`BASE`], then
/// `/bulkdata/` and its place, `offset-length` or `offset` alone for a run of fragments.
pub fn write(data_set: &DataSet, out: &mut Vec<u8>) {
    Writer {
        out,
        sets: CharacterSets::default(),
    }
    .object(data_set);
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    sets: CharacterSets,
}

impl Writer<'_> {
    fn object(&mut self, data_set: &DataSet) {
        let around = self.sets;
        self.sets = data_set.character_sets().unwrap_or(around);
        self.out.push(b'{');
        let shown = data_set
            .elements()
            .iter()
            // Group lengths say nothing of a form without lengths (PS3.18 section F.2.2).
            .filter(|element| element.tag.element() != 0);
        for (index, element) in shown.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.element(element);
        }
        self.out.push(b'}');
        self.sets = around;
    }

    fn element(&mut self, element: &Element) {
        let Tag(group, number) = element.tag;
        self.raw(&format!(
            "\"{group:04X}{number:04X}\":{{\"vr\":\"{}\"",
            element.vr
        ));
        match &element.value {
            Value::Items(items) if items.is_empty() => {}
            Value::Items(items) => {
                self.raw(",\"Value\":[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.object(item);
                }
                self.out.push(b']');
            }
            Value::Bulk(place) => self.bulk(*place),
            Value::Bytes(bytes) if element.tag == tags::SPECIFIC_CHARACTER_SET => {
                if !trim_padding(bytes).is_empty() {
                    self.raw(&format!(",\"Value\":[\"{WRITTEN_CHARACTER_SET}\"]"));
                }
            }
            Value::Bytes(bytes) => self.value(element.vr, bytes),
        }
        self.out.push(b'}');
    }

    fn bulk(&mut self, place: Bulk) {
        self.raw(",\"BulkDataURI\":\"");
        self.out.push(BASE);
        self.raw(&match place.length {
            Some(length) => format!("/bulkdata/{}-{length}\"", place.offset),
            None => format!("/bulkdata/{}\"", place.offset),
        });
    }

    fn value(&mut self, vr: VR, bytes: &[u8]) {
        match vr {
            VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN => {
                if !bytes.is_empty() {
                    self.raw(&format!(",\"InlineBinary\":\"{}\"", STANDARD.encode(bytes)));
                }
            }
            VR::US | VR::SS | VR::UL | VR::SL | VR::FL | VR::FD | VR::SV | VR::UV | VR::AT => {
                self.list(&number::binary(vr, bytes));
            }
            VR::IS | VR::DS => {
                let numbers = codes(bytes).map(|text| number::decimal(vr, text));
                self.list(&numbers.collect::<Vec<_>>());
            }
            VR::PN => {
                let names = self.sets.decode_person_names(bytes);
                self.list(&names.iter().map(name).collect::<Vec<_>>());
            }
            VR::LT | VR::ST | VR::UT => {
                let text = self.sets.decode_text(bytes).text;
                self.list(&[quoted(&text)]);
            }
            VR::LO | VR::SH | VR::UC => {
                let values = self.sets.decode_values(bytes);
                let values = values.iter().map(|value| quoted(&value.text));
                self.list(&values.collect::<Vec<_>>());
            }
            // A URI may hold a backslash nowhere, and has no second value (PS3.5 section 6.2).
            VR::UR => {
                let text = String::from_utf8_lossy(trim_padding(bytes)).into_owned();
                self.list(&[quoted(&text)]);
            }
            _ => self.list(&codes(bytes).map(quoted).collect::<Vec<_>>()),
        }
    }

    /// The values, none where all are empty; `""` stands for an empty one among others, which is
    /// null there (PS3.18 section F.2.5).
    fn list(&mut self, values: &[String]) {
        const EMPTY: &str = "\"\"";
        if values.iter().all(|value| value == EMPTY) {
            return;
        }
        self.raw(",\"Value\":[");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.raw(if value == EMPTY { "null" } else { value });
        }
        self.out.push(b']');
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// The values of the default repertoire, without padding. Bytes that are none are shown as U+FFFD.
fn codes(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(trim_padding(bytes)).unwrap_or("\u{FFFD}");
    text.split('\\')
        .map(|value| value.trim_matches([' ', '\0']))
}

/// A JSON string.
fn quoted(text: &str) -> String {
    // A string can always be written.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// A person's name as an object of its groups (PS3.18 section F.2.3).
fn name(name: &PersonName) -> String {
    match name.to_json() {
        serde_json::Value::Null => "\"\"".to_owned(),
        groups => groups.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(data_set: &DataSet) -> serde_json::Value {
        let mut out = Vec::new();
        write(data_set, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn text_is_decoded_by_the_sets_around_it_and_names_by_group() {
        let mut item = DataSet::default();
        item.put_bytes(tags::CODE_MEANING, VR::LO, b"\x1b$B;3ED\x1b(B".to_vec());
        let mut set = DataSet::default();
        set.put_bytes(
            tags::SPECIFIC_CHARACTER_SET,
            VR::CS,
            b"\\ISO 2022 IR 87".to_vec(),
        );
        set.put_bytes(
            tags::PATIENT_NAME,
            VR::PN,
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
                .to_vec(),
        );
        set.put_items(tags::PROCEDURE_CODE_SEQUENCE, vec![item]);
        let json = json(&set);
        assert_eq!(json["00080005"]["Value"][0], "ISO_IR 192");
        let name = &json["00100010"]["Value"][0];
        assert_eq!(name["Alphabetic"], "Yamada^Tarou");
        assert_eq!(name["Ideographic"], "山田^太郎");
        assert_eq!(name["Phonetic"], "やまだ^たろう");
        let item = &json["00081032"]["Value"][0];
        assert_eq!(item["00080104"]["Value"][0], "山田");
    }

    #[test]
    fn numbers_are_numbers_and_empty_values_are_none_or_null() {
        let mut set = DataSet::default();
        set.put_text(tags::SERIES_NUMBER, VR::IS, " 7");
        set.put_text(tags::IMAGE_POSITION_PATIENT, VR::DS, "-1.50\\2e1\\abc");
        set.put_short(tags::ROWS, 512);
        set.put_text(tags::PATIENT_ID, VR::LO, "");
        set.put_text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\\\AXIAL");
        set.put_bytes(
            tags::FRAME_INCREMENT_POINTER,
            VR::AT,
            vec![0x18, 0, 0x63, 0x10],
        );
        let json = json(&set);
        assert_eq!(json["00200011"]["Value"][0], 7);
        let position = &json["00200032"]["Value"];
        assert_eq!((&position[0], &position[1]), (&(-1.5).into(), &20.into()));
        assert_eq!(position[2], "abc");
        assert_eq!(json["00280010"]["Value"][0], 512);
        assert!(json["00100020"].get("Value").is_none());
        assert!(json["00080008"]["Value"][1].is_null());
        assert_eq!(json["00280009"]["Value"][0], "00181063");
    }

    #[test]
    fn long_values_are_named_by_their_place() {
        let mut set = DataSet::default();
        for (tag, length) in [
            (tags::PIXEL_DATA, Some(10)),
            (tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA, None),
        ] {
            let value = Value::Bulk(Bulk {
                offset: 1234,
                length,
            });
            set.put(Element {
                tag,
                vr: VR::OW,
                value,
            });
        }
        let mut out = Vec::new();
        write(&set, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("\"BulkDataURI\":\"\u{1}/bulkdata/1234-10\""),
            "{text}"
        );
        assert!(
            text.contains("\"BulkDataURI\":\"\u{1}/bulkdata/1234\""),
            "{text}"
        );
    }
}
