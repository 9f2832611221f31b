//! Structured reports (option 113104, PS3.15 section E.3.4): their trees of content keep numbers, codes, references and
//! geometry; of what people have written stays what is made of known words wholly, as a text of which words are missing
//! may say the opposite.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::words;
use crate::dicom::charset::CharacterSets;
use crate::dicom::dataset::{DataSet, Element, Value};

/// Structured reports whose content is a tree of these items, by their UIDs below `…88.`: basic text, enhanced,
/// comprehensive, comprehensive 3D, extensible; mammography, chest and colon CAD; key objects; radiation dose of X-ray, of
/// radiopharmaceuticals and of patients; acquisition context, simplified echocardiography.
const KNOWN: [&str; 16] = [
    "11", "22", "33", "34", "35", "50", "59", "65", "67", "68", "69", "71", "72", "73", "75", "76",
];
/// Every type of an item (PS3.3 section C.17.3.2.1).
const TYPES: [&str; 15] = [
    "CONTAINER",
    "TEXT",
    "NUM",
    "CODE",
    "DATE",
    "TIME",
    "DATETIME",
    "UIDREF",
    "PNAME",
    "SCOORD",
    "SCOORD3D",
    "TCOORD",
    "COMPOSITE",
    "IMAGE",
    "WAVEFORM",
];
/// Coding schemes that everybody has (PS3.16 section 8): what their codes mean is written by nobody of a house.
const SCHEMES: [&str; 16] = [
    "DCM", "SCT", "SRT", "SNM3", "99SDM", "LN", "UCUM", "RADLEX", "NCIt", "FMA", "UMLS", "I10",
    "I10P", "ISO639_1", "ISO639_2", "RFC5646",
];
/// What modules of these reports want, be it empty (type 2; PS3.3 sections C.17.1 and C.17.2).
const EMPTY: [Tag; 2] = [
    tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE,
    tags::PERFORMED_PROCEDURE_CODE_SEQUENCE,
];
/// Stands where a text must stand.
const REMOVED: &str = "REMOVED";

/// Whether a class is of a structured report that can be cleaned, by its UID below `1.2.840.10008.5.1.4.1.1.`.
pub(super) fn is_structured(class: &str) -> bool {
    let below = class.strip_prefix("88.");
    below.is_some_and(|below| KNOWN.contains(&below))
}

/// Whether every item of a tree is of a known type. As deep as the reader lets sequences nest.
pub(super) fn is_known(item: &DataSet) -> bool {
    let children = item.items(tags::CONTENT_SEQUENCE);
    children.iter().all(|child| {
        // One that stands for another of the tree by its place.
        let stands_for = child
            .element(tags::REFERENCED_CONTENT_ITEM_IDENTIFIER)
            .is_some();
        let known = TYPES.contains(&child.code(tags::VALUE_TYPE));
        (known || stands_for) && is_known(child)
    })
}

/// Cleans what is left of a report after the rules have gone through it: `original` says what stood there. Nobody has
/// verified what it says now.
pub(super) fn clean(report: &mut DataSet, original: &DataSet) {
    let sets = original.character_sets().unwrap_or_default();
    *report = level(report, original, sets);
    if report.element(tags::VERIFICATION_FLAG).is_some() {
        report.put_text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED");
    }
    report.take(tags::VERIFYING_OBSERVER_SEQUENCE);
    for tag in EMPTY {
        if report.element(tag).is_none() {
            report.put_items(tag, Vec::new());
        }
    }
}

/// The elements of a level, their texts cleaned. The rules leave items where they were.
fn level(kept: &DataSet, original: &DataSet, sets: CharacterSets) -> DataSet {
    let scheme = kept.code(tags::CODING_SCHEME_DESIGNATOR);
    let is_of_house = !SCHEMES.contains(&scheme);
    let nothing = DataSet::default();
    let elements = kept.elements().iter().map(|element| {
        let before = original.items(element.tag);
        let is_text = element.tag == tags::TEXT_VALUE;
        let value = match &element.value {
            Value::Items(items) => {
                let items = items.iter().enumerate();
                let items =
                    items.map(|(at, item)| level(item, before.get(at).unwrap_or(&nothing), sets));
                Value::Items(items.collect())
            }
            Value::Bytes(_) if is_text || is_of_house && element.tag == tags::CODE_MEANING => {
                written(original.bytes(element.tag), sets)
            }
            value => value.clone(),
        };
        Element {
            tag: element.tag,
            vr: element.vr,
            value,
        }
    });
    elements.collect()
}

/// A text of known words, or that there was one.
fn written(text: Option<&[u8]>, sets: CharacterSets) -> Value {
    let text = text.map(|text| sets.decode_text(text).text);
    let kept = text.and_then(|text| words::all_known(&text));
    let mut kept = kept.unwrap_or_else(|| REMOVED.to_owned()).into_bytes();
    if kept.len() % 2 == 1 {
        kept.push(b' ');
    }
    Value::Bytes(kept)
}
