//! The query of a search (PS3.18 sections 8.3.4 and 11.9): keys by keyword or tag, into sequences by dots.

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::refused::Refused;
use crate::dicom::charset::WRITTEN_CHARACTER_SET;
use crate::dicom::dataset::{DataSet, by_dictionary};
use crate::dicom::matching::Keys;
use crate::say;

/// Sequences inside of each other in one key.
const DEPTH: usize = 8;
/// Workitems of one answer, when no other number is asked for, and at most: some 4 KiB each.
pub(super) const LIMIT: usize = 1_000;

/// What is searched for.
pub struct Search {
    /// What has to match.
    pub keys: Keys,
    /// How many are wanted.
    pub limit: usize,
    /// How many are left out before them.
    pub offset: usize,
    /// Whether matching that this node does not do was asked for.
    pub is_fuzzy: bool,
}

impl Search {
    /// Reads a query's parameters, decoded.
    ///
    /// # Errors
    /// When a name is no attribute, or a number none.
    pub fn read(parameters: &[(String, String)]) -> Result<Search, Refused> {
        let mut identifier = DataSet::default();
        identifier.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, WRITTEN_CHARACTER_SET);
        let (mut limit, mut offset, mut is_fuzzy) = (LIMIT, 0, false);
        for (name, value) in parameters {
            match name.as_str() {
                "limit" => limit = number(value)?.min(LIMIT),
                "offset" => offset = number(value)?,
                "fuzzymatching" => is_fuzzy = value == "true",
                // Every attribute is answered in any case.
                "includefield" => {
                    let fields = value.split(',').filter(|field| *field != "all");
                    fields
                        .map(path)
                        .collect::<Option<Vec<_>>>()
                        .ok_or_else(unknown)?;
                }
                "accept" | "charset" => {}
                name => {
                    let path = path(name).ok_or_else(unknown)?;
                    put(&mut identifier, &path, value);
                }
            }
        }
        let keys = Keys::read(&identifier).ok_or_else(unknown)?;
        Ok(Search {
            keys,
            limit,
            offset,
            is_fuzzy,
        })
    }
}

fn number(text: &str) -> Result<usize, Refused> {
    text.parse().map_err(|_| {
        Refused::Malformed(say!(
            "limit と offset は 0 以上の整数です。",
            "limit and offset are whole numbers from 0 on."
        ))
    })
}

fn unknown() -> Refused {
    Refused::Malformed(say!(
        "検索条件に DICOM の属性でない名前があります。",
        "A name in the query is no attribute of DICOM."
    ))
}

/// The tags of a name such as `00404018.00080100` or `PatientName`.
fn path(name: &str) -> Option<Vec<Tag>> {
    let mut path = Vec::new();
    for part in name.split('.') {
        if path.len() == DEPTH {
            return None;
        }
        let is_tag = part.len() == 8 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        path.push(if is_tag {
            let number = u32::from_str_radix(part, 16).ok()?;
            Tag((number >> 16) as u16, number as u16)
        } else {
            StandardDataDictionary.by_name(part)?.tag()
        });
    }
    Some(path)
}

/// Puts a key where it belongs. Values of one key that are parted by commas are alternatives where the attribute's form
/// has no comma of its own.
fn put(set: &mut DataSet, path: &[Tag], value: &str) {
    let [tag, rest @ ..] = path else {
        return;
    };
    if rest.is_empty() {
        let vr = by_dictionary(*tag, false);
        let value = match vr {
            VR::UI | VR::CS => value.replace(',', "\\"),
            _ => value.to_owned(),
        };
        return set.put_text(*tag, vr, &value);
    }
    let mut item = set.items(*tag).first().cloned().unwrap_or_default();
    put(&mut item, rest, value);
    set.put_items(*tag, vec![item]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(query: &[(&str, &str)]) -> Result<Search, Refused> {
        let owned = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Search::read(&owned.collect::<Vec<_>>())
    }

    #[test]
    fn keys_match_by_keyword_tag_and_inside_of_sequences() {
        let mut code = DataSet::default();
        code.put_text(tags::CODE_VALUE, VR::SH, "110005");
        let mut workitem = DataSet::default();
        workitem.put_text(tags::PROCEDURE_STEP_STATE, VR::CS, "SCHEDULED");
        workitem.put_text(
            tags::SCHEDULED_PROCEDURE_STEP_START_DATE_TIME,
            VR::DT,
            "20270115080000+0900",
        );
        workitem.put_items(tags::SCHEDULED_WORKITEM_CODE_SEQUENCE, vec![code]);
        for (query, fits) in [
            (vec![("ProcedureStepState", "SCHEDULED")], true),
            (vec![("00741000", "IN PROGRESS")], false),
            (vec![("00741000", "COMPLETED,SCHEDULED")], true),
            (vec![("00404018.00080100", "110005")], true),
            (
                vec![("ScheduledWorkitemCodeSequence.CodeValue", "128001")],
                false,
            ),
            (
                vec![("ScheduledProcedureStepStartDateTime", "20270101-20270201")],
                true,
            ),
            (
                vec![("ScheduledProcedureStepStartDateTime", "20270201-")],
                false,
            ),
            (vec![("includefield", "all"), ("limit", "5")], true),
        ] {
            let search = search(&query).ok().unwrap();
            assert_eq!(search.keys.match_with(&workitem), fits, "{query:?}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for (name, value) in [
            ("limit", "-1"),
            ("offset", "x"),
            ("Nothing", "1"),
            ("includefield", "Nothing"),
            ("0074100", "x"),
        ] {
            assert!(
                matches!(search(&[(name, value)]), Err(Refused::Malformed(_))),
                "{name}"
            );
        }
        let deep = ["00404018"; DEPTH + 1].join(".");
        assert!(search(&[(&deep, "1")]).is_err());
        assert_eq!(search(&[("limit", "999999")]).ok().unwrap().limit, LIMIT);
    }
}
