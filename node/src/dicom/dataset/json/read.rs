//! Reads the DICOM JSON Model (PS3.18 annex F) into a data set: text becomes UTF-8, and the data set says so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use serde_json::{Map, Value as Json};

use super::super::{DataSet, Element, Value, by_dictionary, vr};
use crate::dicom::charset::WRITTEN_CHARACTER_SET;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// Longest text that is read. A request with a hundred names is a tenth of it; read, it takes some thirty times as much.
pub const BYTES_MAX: usize = 256 * 1024;
/// Sequences inside of each other. The standard's deepest in a workitem is six.
const DEPTH: usize = 16;

/// Why a text is no data set. Says nothing of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More than [`BYTES_MAX`].
    TooLong,
    /// No JSON, or nested beyond what JSON of a data set can be.
    NotJson,
    /// Not one object, nor a list of one.
    NotOne,
    /// Sequences too deep inside of each other.
    TooDeep,
    /// A member's name that is no tag.
    NoTag,
    /// A VR that there is not, or not the one that the dictionary gives the attribute.
    WrongVr(Tag),
    /// A value that its VR does not have.
    WrongValue(Tag),
    /// A value that lies elsewhere.
    Elsewhere(Tag),
}

impl Explain for JsonError {
    fn message(&self) -> Message {
        match self {
            JsonError::TooLong => say!(
                "{BYTES_MAX} バイトより長いため読めません",
                "it is longer than {BYTES_MAX} bytes"
            ),
            JsonError::NotJson => say!("JSON として読めません", "it is no JSON"),
            JsonError::NotOne => say!(
                "DICOM JSON のデータセットがちょうど 1 つ必要です",
                "exactly one data set in DICOM JSON is wanted"
            ),
            JsonError::TooDeep => say!(
                "シーケンスの入れ子が {DEPTH} 段を超えています",
                "sequences lie more than {DEPTH} deep inside of each other"
            ),
            JsonError::NoTag => say!(
                "16 進 8 桁のタグでない属性名があります",
                "a member's name is no tag of eight hexadecimal digits"
            ),
            JsonError::WrongVr(tag) => {
                say!("{tag} の VR が正しくありません", "the VR of {tag} is wrong")
            }
            JsonError::WrongValue(tag) => say!(
                "{tag} の値が VR に合いません",
                "the value of {tag} does not fit its VR"
            ),
            JsonError::Elsewhere(tag) => say!(
                "{tag} の値が BulkDataURI ですが、ここでは読めません",
                "the value of {tag} lies at a BulkDataURI, which is not read here"
            ),
        }
    }
}

displayed_in_english!(JsonError);

/// Reads one data set: an object, or a list of one.
///
/// # Errors
/// [`JsonError`].
pub fn read(bytes: &[u8]) -> Result<DataSet, JsonError> {
    if bytes.len() > BYTES_MAX {
        return Err(JsonError::TooLong);
    }
    // The parser stops at 128 brackets inside of each other.
    let json: Json = serde_json::from_slice(bytes).map_err(|_| JsonError::NotJson)?;
    let object = match &json {
        Json::Object(object) => object,
        Json::Array(list) => match list.as_slice() {
            [Json::Object(object)] => object,
            _ => return Err(JsonError::NotOne),
        },
        _ => return Err(JsonError::NotOne),
    };
    let mut set = data_set(object, 0)?;
    set.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, WRITTEN_CHARACTER_SET);
    Ok(set)
}

fn data_set(object: &Map<String, Json>, depth: usize) -> Result<DataSet, JsonError> {
    if depth > DEPTH {
        return Err(JsonError::TooDeep);
    }
    let mut set = DataSet::default();
    for (name, member) in object {
        let tag = tag(name).ok_or(JsonError::NoTag)?;
        let member = member.as_object().ok_or(JsonError::WrongValue(tag))?;
        set.put(element(tag, member, depth)?);
    }
    Ok(set)
}

fn tag(name: &str) -> Option<Tag> {
    let is_tag = name.len() == 8 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = is_tag.then(|| u32::from_str_radix(name, 16).ok())??;
    Some(Tag((number >> 16) as u16, number as u16))
}

fn element(tag: Tag, member: &Map<String, Json>, depth: usize) -> Result<Element, JsonError> {
    let wrong = JsonError::WrongValue(tag);
    let vr = vr_of(tag, member.get("vr"))?;
    let value = match (member.get("Value"), member.get("InlineBinary")) {
        _ if member.contains_key("BulkDataURI") => return Err(JsonError::Elsewhere(tag)),
        (Some(_), Some(_)) => return Err(wrong),
        (None, Some(inline)) if vr::may_be_bulk(vr) => {
            let text = inline.as_str().ok_or(wrong)?;
            Value::Bytes(STANDARD.decode(text).map_err(|_| wrong)?)
        }
        (None, Some(_)) => return Err(wrong),
        (Some(Json::Array(values)), None) if vr == VR::SQ => {
            let mut items = Vec::with_capacity(values.len());
            for value in values {
                items.push(match value {
                    Json::Null => DataSet::default(),
                    Json::Object(item) => data_set(item, depth + 1)?,
                    _ => return Err(wrong),
                });
            }
            Value::Items(items)
        }
        (None, None) if vr == VR::SQ => Value::Items(Vec::new()),
        (Some(Json::Array(values)), None) => Value::Bytes(bytes(vr, values).ok_or(wrong)?),
        (None, None) => Value::Bytes(Vec::new()),
        (Some(_), None) => return Err(wrong),
    };
    let value = match value {
        Value::Bytes(_) if tag == tags::SPECIFIC_CHARACTER_SET => {
            Value::Bytes(WRITTEN_CHARACTER_SET.into())
        }
        Value::Bytes(mut bytes) => {
            if bytes.len() % 2 == 1 {
                bytes.push(vr::padding(vr));
            }
            Value::Bytes(bytes)
        }
        other => other,
    };
    Ok(Element { tag, vr, value })
}

/// The VR that is said, if it is one that the attribute has; else the dictionary's.
fn vr_of(tag: Tag, said: Option<&Json>) -> Result<VR, JsonError> {
    let Some(said) = said else {
        return Ok(by_dictionary(tag, false));
    };
    let vr: Option<VR> = said.as_str().and_then(|said| said.parse().ok());
    let vr = vr.ok_or(JsonError::WrongVr(tag))?;
    let known = StandardDataDictionary.by_tag(tag).map(|entry| entry.vr());
    match known {
        Some(VirtualVr::Exact(exact)) if exact != vr && exact != VR::UN => {
            Err(JsonError::WrongVr(tag))
        }
        _ => Ok(vr),
    }
}

fn bytes(vr: VR, values: &[Json]) -> Option<Vec<u8>> {
    match vr {
        VR::US => each(values, |v| {
            u16::try_from(v.as_u64()?).ok().map(u16::to_le_bytes)
        }),
        VR::SS => each(values, |v| {
            i16::try_from(v.as_i64()?).ok().map(i16::to_le_bytes)
        }),
        VR::UL => each(values, |v| {
            u32::try_from(v.as_u64()?).ok().map(u32::to_le_bytes)
        }),
        VR::SL => each(values, |v| {
            i32::try_from(v.as_i64()?).ok().map(i32::to_le_bytes)
        }),
        VR::UV => each(values, |v| {
            let text = || v.as_str()?.parse().ok();
            v.as_u64().or_else(text).map(u64::to_le_bytes)
        }),
        VR::SV => each(values, |v| {
            let text = || v.as_str()?.parse().ok();
            v.as_i64().or_else(text).map(i64::to_le_bytes)
        }),
        VR::FL => each(values, |v| {
            real(v).map(|number| (number as f32).to_le_bytes())
        }),
        VR::FD => each(values, |v| real(v).map(f64::to_le_bytes)),
        VR::AT => each(values, |v| {
            let Tag(group, element) = tag(v.as_str()?)?;
            let ([g0, g1], [e0, e1]) = (group.to_le_bytes(), element.to_le_bytes());
            Some([g0, g1, e0, e1])
        }),
        VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN | VR::SQ => None,
        VR::LT | VR::ST | VR::UT | VR::UR => match values {
            [] => Some(Vec::new()),
            [Json::Null] => Some(Vec::new()),
            [one] => text(vr, one.as_str()?).map(Vec::from),
            _ => None,
        },
        _ => {
            let texts: Option<Vec<String>> = values.iter().map(|value| part(vr, value)).collect();
            Some(texts?.join("\\").into_bytes())
        }
    }
}

fn each<const N: usize>(
    values: &[Json],
    number: impl Fn(&Json) -> Option<[u8; N]>,
) -> Option<Vec<u8>> {
    let numbers: Option<Vec<[u8; N]>> = values.iter().map(number).collect();
    Some(numbers?.concat())
}

/// A number, or one of those that JSON has not (PS3.18 section F.2.4).
fn real(value: &Json) -> Option<f64> {
    value.as_f64().or_else(|| match value.as_str()? {
        "NaN" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    })
}

/// One of several values of text.
fn part(vr: VR, value: &Json) -> Option<String> {
    let said = match (vr, value) {
        (_, Json::Null) => String::new(),
        (VR::PN, Json::Object(groups)) => name(groups)?,
        (VR::IS | VR::DS, Json::Number(number)) => number.to_string(),
        (_, Json::String(said)) => said.clone(),
        _ => return None,
    };
    (!said.contains('\\')).then(|| text(vr, &said).map(str::to_owned))?
}

/// The groups of a name (PS3.18 section F.2.2).
fn name(groups: &Map<String, Json>) -> Option<String> {
    const GROUPS: [&str; 3] = ["Alphabetic", "Ideographic", "Phonetic"];
    if groups.keys().any(|key| !GROUPS.contains(&key.as_str())) {
        return None;
    }
    let mut parts = Vec::with_capacity(GROUPS.len());
    for group in GROUPS {
        let part = match groups.get(group) {
            Some(part) => part.as_str()?,
            None => "",
        };
        if part.contains('=') {
            return None;
        }
        parts.push(part);
    }
    Some(parts.join("=").trim_end_matches('=').to_owned())
}

/// A text, if its VR may hold it (PS3.5 section 6.2).
fn text(vr: VR, said: &str) -> Option<&str> {
    let is_free = matches!(vr, VR::LT | VR::ST | VR::UT);
    let is_line = |letter: char| is_free && matches!(letter, '\r' | '\n' | '\t' | '\u{c}');
    let is_ascii_only = !matches!(
        vr,
        VR::LO | VR::SH | VR::PN | VR::UC | VR::LT | VR::ST | VR::UT
    );
    let fits = said.chars().count() <= longest(vr)
        && said
            .chars()
            .all(|letter| !letter.is_control() || is_line(letter))
        && (!is_ascii_only || said.is_ascii())
        && (vr != VR::UI
            || said
                .bytes()
                .all(|byte| byte == b'.' || byte.is_ascii_digit()));
    fits.then_some(said)
}

/// Characters of one value.
fn longest(vr: VR) -> usize {
    match vr {
        VR::AS => 4,
        VR::DA => 8,
        VR::IS => 12,
        VR::TM => 14,
        VR::AE | VR::CS | VR::SH | VR::DS => 16,
        VR::DT => 26,
        VR::LO | VR::UI => 64,
        // Three groups of 64, and what parts them.
        VR::PN => 194,
        VR::ST => 1_024,
        VR::LT => 10_240,
        _ => BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::write;
    use super::*;
    use crate::language::assert_explained;

    fn again(set: &DataSet) -> DataSet {
        let mut out = Vec::new();
        write(set, &mut out);
        read(&out).ok().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            names in prop::collection::vec("[A-Za-z]{1,8}\\^[A-Z]{1,5}=[山田花]{1,3}", 1..3),
            label in "[a-z東京]{1,20}",
            comment in "[a-z\\\\\\n東]{0,40}[a-z]",
            rows in any::<u16>(),
            real in prop::num::f64::NORMAL,
            frames in 0_i32..99_999,
            pointer in any::<u32>(),
            blob in prop::collection::vec(any::<u8>(), 1..20),
            uid in "1(\\.[1-9]{1,6}){1,8}",
        ) {
            let mut item = DataSet::default();
            item.put_text(tags::CODE_MEANING, VR::LO, &label);
            item.put_bytes(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, uid.clone());
            let mut set = DataSet::default();
            set.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, WRITTEN_CHARACTER_SET);
            set.put_text(tags::PATIENT_NAME, VR::PN, &names.join("\\"));
            set.put_text(tags::COMMENTS_ON_THE_SCHEDULED_PROCEDURE_STEP, VR::LT, &comment);
            set.put_short(tags::ROWS, rows);
            set.put_bytes(tags::RECONSTRUCTION_PIXEL_SPACING, VR::FD, real.to_le_bytes());
            set.put_text(tags::NUMBER_OF_FRAMES, VR::IS, &frames.to_string());
            set.put_bytes(tags::FRAME_INCREMENT_POINTER, VR::AT, pointer.to_le_bytes());
            set.put_bytes(tags::ENCAPSULATED_DOCUMENT, VR::OB, blob);
            set.put_items(tags::PROCEDURE_CODE_SEQUENCE, vec![item, DataSet::default()]);
            prop_assert!(again(&set) == set);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(text in "[\\[\\]{}:,\"0-9a-zA-Z]{0,60}") {
            // Read once, it stays what it is.
            if let Ok(set) = read(text.as_bytes()) {
                prop_assert!(again(&set) == set);
            }
        }
    }

    #[test]
    fn what_is_no_data_set_is_refused() {
        let state = Tag(0x0074, 0x1000);
        for (text, why) in [
            ("", JsonError::NotJson),
            ("7", JsonError::NotOne),
            ("[]", JsonError::NotOne),
            ("[{},{}]", JsonError::NotOne),
            (r#"{"PatientName":{}}"#, JsonError::NoTag),
            (r#"{"00741000":"x"}"#, JsonError::WrongValue(state)),
            (r#"{"00741000":{"vr":"XX"}}"#, JsonError::WrongVr(state)),
            (
                r#"{"00741000":{"vr":"SQ","Value":[]}}"#,
                JsonError::WrongVr(state),
            ),
            (
                r#"{"00741000":{"vr":"CS","Value":"IN"}}"#,
                JsonError::WrongValue(state),
            ),
            (
                r#"{"00741000":{"vr":"CS","Value":[1]}}"#,
                JsonError::WrongValue(state),
            ),
            (
                r#"{"00741000":{"vr":"CS","Value":["a\\b"]}}"#,
                JsonError::WrongValue(state),
            ),
            (
                r#"{"00741000":{"vr":"CS","Value":["\u001b"]}}"#,
                JsonError::WrongValue(state),
            ),
            (
                r#"{"00741000":{"vr":"CS","InlineBinary":"AA=="}}"#,
                JsonError::WrongValue(state),
            ),
            (
                r#"{"00741000":{"vr":"CS","BulkDataURI":"/"}}"#,
                JsonError::Elsewhere(state),
            ),
            (
                r#"{"00280010":{"vr":"US","Value":[70000]}}"#,
                JsonError::WrongValue(tags::ROWS),
            ),
        ] {
            assert_eq!(read(text.as_bytes()).err(), Some(why), "{text}");
        }
    }

    #[test]
    fn what_is_deep_or_long_is_refused() {
        let nested = |depth: usize| {
            let open = r#"{"00081032":{"vr":"SQ","Value":["#.repeat(depth);
            format!("{open}{}", "]}}".repeat(depth))
        };
        assert!(read(nested(DEPTH).as_bytes()).is_ok());
        assert_eq!(
            read(nested(DEPTH + 2).as_bytes()).err(),
            Some(JsonError::TooDeep)
        );
        assert_eq!(
            read(nested(5_000).as_bytes()).err(),
            Some(JsonError::NotJson)
        );
        assert_eq!(read(&[b' '; BYTES_MAX + 1]).err(), Some(JsonError::TooLong));
        let all = [
            JsonError::TooLong,
            JsonError::NotJson,
            JsonError::NotOne,
            JsonError::TooDeep,
            JsonError::NoTag,
        ];
        assert_explained(all.iter().map(|error| error as &dyn Explain));
    }
}
