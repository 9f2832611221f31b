//! The query of QIDO-RS: keys, fields and paging (PS3.18 section 8.3.4). No I/O.

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::query::Query;
use crate::dicom::dataset::{DataSet, by_dictionary};
use crate::dicom::uid::trim_padding;

/// Sequences inside each other in the name of one parameter; none of the standard's search keys has more than two.
const NESTED: usize = 4;

/// What is searched for, and what is wanted of what is found. Holds patient data: no `Debug`.
#[derive(Clone, Default)]
pub struct Search {
    /// The keys, as the identifier of a C-FIND has them, in UTF-8.
    pub keys: DataSet,
    /// What is wanted besides the usual; none: everything.
    pub fields: Option<Vec<Tag>>,
    /// How many are left out before the first.
    pub offset: usize,
    /// How many are wanted at most.
    pub limit: Option<usize>,
}

/// What is wrong with a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchError {
    /// A parameter is no attribute and nothing else that is known.
    Unknown(String),
    /// The value of a parameter cannot be one of its kind.
    Value(String),
}

impl Search {
    /// Reads the parameters of a search.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn read(query: &Query) -> Result<Search, SearchError> {
        let mut search = Search {
            fields: Some(Vec::new()),
            ..Search::default()
        };
        search
            .keys
            .put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        let is_fuzzy = query.value("fuzzymatching") == Some("true");
        for (name, value) in query.parameters() {
            match name.as_str() {
                "limit" => search.limit = Some(number(name, value)?),
                "offset" => search.offset = number(name, value)?,
                "includefield" => search.include(value),
                "fuzzymatching"
                | "emptyvaluematching"
                | "multiplevaluematching"
                | "accept"
                | "charset" => {}
                _ => search.add(name, value, is_fuzzy)?,
            }
        }
        Ok(search)
    }

    fn include(&mut self, value: &str) {
        for name in value.split([',', '\\']).map(str::trim) {
            match (&mut self.fields, name) {
                (_, "all") => self.fields = None,
                // A field inside a sequence comes with the sequence; one that nobody knows is nowhere.
                (Some(fields), name) => fields.extend(name.split('.').next().and_then(tag)),
                (None, _) => {}
            }
        }
    }

    fn add(&mut self, name: &str, value: &str, is_fuzzy: bool) -> Result<(), SearchError> {
        let unknown = || SearchError::Unknown(name.to_owned());
        let path: Option<Vec<Tag>> = name.split('.').map(tag).collect();
        let path = path
            .filter(|path| path.len() <= NESTED)
            .ok_or_else(unknown)?;
        let (last, around) = path.split_last().ok_or_else(unknown)?;
        let vr = by_dictionary(*last, false);
        let bytes = key_value(*last, vr, value, is_fuzzy)
            .ok_or_else(|| SearchError::Value(name.to_owned()))?;
        put(&mut self.keys, around, *last, vr, bytes);
        Ok(())
    }
}

/// Puts a key in its place. One that is there already becomes a list of both.
fn put(keys: &mut DataSet, around: &[Tag], tag: Tag, vr: VR, mut bytes: Vec<u8>) {
    let Some((outer, inner)) = around.split_first() else {
        if let Some(before) = keys.bytes(tag) {
            let trimmed = trim_padding(before);
            bytes = [trimmed, b"\\".as_slice(), &bytes].concat();
        }
        return keys.put_bytes(tag, vr, bytes);
    };
    let mut item = keys.items(*outer).first().cloned().unwrap_or_default();
    put(&mut item, inner, tag, vr, bytes);
    keys.put_items(*outer, vec![item]);
}

/// The bytes of a key. Lists come with commas where a value holds none, and with backslashes.
fn key_value(tag: Tag, vr: VR, value: &str, is_fuzzy: bool) -> Option<Vec<u8>> {
    let each = |width: fn(&str) -> Option<Vec<u8>>| {
        let numbers = value.split([',', '\\']).map(|number| width(number.trim()));
        numbers
            .collect::<Option<Vec<_>>>()
            .map(|numbers| numbers.concat())
    };
    if value.is_empty() {
        return Some(Vec::new());
    }
    match vr {
        VR::UI | VR::CS => Some(value.replace(',', "\\").into_bytes()),
        VR::PN if is_fuzzy && !value.contains(['*', '?']) => {
            Some(format!("*{value}*").into_bytes())
        }
        VR::US => each(|number| Some(number.parse::<u16>().ok()?.to_le_bytes().to_vec())),
        VR::SS => each(|number| Some(number.parse::<i16>().ok()?.to_le_bytes().to_vec())),
        VR::UL => each(|number| Some(number.parse::<u32>().ok()?.to_le_bytes().to_vec())),
        VR::SL => each(|number| Some(number.parse::<i32>().ok()?.to_le_bytes().to_vec())),
        VR::SQ | VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN => None,
        VR::FL | VR::FD | VR::AT | VR::SV | VR::UV => None,
        _ if tag == tags::SPECIFIC_CHARACTER_SET => None,
        _ => Some(value.as_bytes().to_vec()),
    }
}

/// An attribute by its keyword or its eight hexadecimal digits.
fn tag(name: &str) -> Option<Tag> {
    if name.len() == 8
        && name.bytes().all(|digit| digit.is_ascii_hexdigit())
        && let Ok(number) = u32::from_str_radix(name, 16)
    {
        return Some(Tag((number >> 16) as u16, number as u16));
    }
    StandardDataDictionary
        .by_name(name)
        .map(|entry| entry.tag())
}

fn number(name: &str, value: &str) -> Result<usize, SearchError> {
    value
        .trim()
        .parse()
        .map_err(|_| SearchError::Value(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(query: &str) -> Result<Search, SearchError> {
        Search::read(&Query::parse(query).ok().unwrap())
    }

    #[test]
    fn what_viewers_send_is_understood() {
        let found = search(
            "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090,PatientName\
             &PatientName=*Yama*&00100020=*X*&ModalitiesInStudy=CT,MR&StudyDate=20250101-20251231\
             &studyinstanceuid=x",
        );
        assert_eq!(
            found.err(),
            Some(SearchError::Unknown("studyinstanceuid".to_owned()))
        );
        let found = search(
            "limit=101&offset=3&includefield=00081030%2C0008103e,PatientName,Nonsense&PatientName=*Yama*&00100020=*X*\
             &ModalitiesInStudy=CT,MR&0020000d=1.2%5C1.3&StudyInstanceUID=1.4&StudyDate=20250101-20251231&Rows=512",
        );
        let found = found.ok().unwrap();
        assert_eq!((found.limit, found.offset), (Some(101), 3));
        let fields = found.fields.unwrap();
        assert_eq!(
            fields,
            [
                tags::STUDY_DESCRIPTION,
                tags::SERIES_DESCRIPTION,
                tags::PATIENT_NAME
            ]
        );
        let keys = &found.keys;
        assert_eq!(keys.text(tags::PATIENT_NAME), "*Yama*");
        assert_eq!(keys.text(tags::PATIENT_ID), "*X*");
        assert_eq!(keys.code(tags::MODALITIES_IN_STUDY), "CT\\MR");
        assert_eq!(keys.code(tags::STUDY_INSTANCE_UID), "1.2\\1.3\\1.4");
        assert_eq!(keys.code(tags::STUDY_DATE), "20250101-20251231");
        assert_eq!(keys.short(tags::ROWS), Some(512));
    }

    #[test]
    fn names_are_sought_loosely_when_that_is_asked_for() {
        let name = |query: &str| search(query).ok().unwrap().keys.text(tags::PATIENT_NAME);
        assert_eq!(name("PatientName=山田&fuzzymatching=true"), "*山田*");
        assert_eq!(name("PatientName=山田&fuzzymatching=false"), "山田");
        assert_eq!(name("PatientName=山?&fuzzymatching=true"), "山?");
    }

    #[test]
    fn keys_stand_inside_of_sequences() {
        let name = "RequestAttributesSequence.ScheduledProcedureStepID";
        let found = search(&format!("{name}=7&includefield=all")).ok().unwrap();
        assert!(found.fields.is_none());
        let item = &found.keys.items(tags::REQUEST_ATTRIBUTES_SEQUENCE)[0];
        assert_eq!(item.text(tags::SCHEDULED_PROCEDURE_STEP_ID), "7");
        for wrong in [
            "Rows=many",
            "limit=-1",
            "PixelData=x",
            "offset=",
            "RequestAttributesSequence=1",
        ] {
            assert!(
                matches!(search(wrong), Err(SearchError::Value(_))),
                "{wrong}"
            );
        }
        let deep = ["RequestAttributesSequence"; 9].join(".") + "=1";
        assert!(matches!(search(&deep), Err(SearchError::Unknown(_))));
    }
}
