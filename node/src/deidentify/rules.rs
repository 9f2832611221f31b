//! The rules, applied to a tree: what the table names as it says, what it does not name only as far as nobody can have
//! written a name or a date into it.

use std::collections::BTreeSet;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::options::{Dates, Options};
use super::secret::Secret;
use super::table::{self, Action, Basic};
use super::values;
use crate::dicom::charset::CharacterSets;
use crate::dicom::dataset::{DataSet, Element, Value, by_dictionary};
use crate::dicom::uid::trim_padding;
use crate::studies::person::Person;

/// UIDs of code systems: everybody's, and no instance's.
const SHARED_UIDS: [Tag; 2] = [tags::CODING_SCHEME_UID, tags::MAPPING_RESOURCE_UID];
/// Who gave an ID, by codes and names of institutions and departments, or to whom else it is given: the table names the IDs
/// themselves only. None of them has to have a value.
const GIVERS: [Tag; 11] = [
    tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE,
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::SOURCE_PATIENT_GROUP_IDENTIFICATION_SEQUENCE,
    tags::GROUP_OF_PATIENTS_IDENTIFICATION_SEQUENCE,
    tags::ISSUER_OF_ADMISSION_ID_SEQUENCE,
    tags::ISSUER_OF_SERVICE_EPISODE_ID_SEQUENCE,
    tags::ORDER_PLACER_IDENTIFIER_SEQUENCE,
    tags::ORDER_FILLER_IDENTIFIER_SEQUENCE,
    tags::ASSIGNING_FACILITY_SEQUENCE,
    tags::ISSUER_OF_THE_CONTAINER_IDENTIFIER_SEQUENCE,
    tags::ISSUER_OF_THE_SPECIMEN_IDENTIFIER_SEQUENCE,
];
/// Describes private elements by what their makers call them: says nothing once these are gone.
const PRIVATE_DESCRIPTIONS: Tag = tags::PRIVATE_DATA_ELEMENT_CHARACTERISTICS_SEQUENCE;

/// The one sequence of X/Z that modules of images want, be it empty (type 2; PS3.3 section C.7.6.14).
const ACQUISITION_CONTEXT: Tag = tags::ACQUISITION_CONTEXT_SEQUENCE;

/// How objects are treated.
pub(super) struct Rules<'a> {
    /// The chosen options.
    pub options: &'a Options,
    /// What everything is derived from.
    pub secret: &'a Secret,
    /// Whether an attribute may be wanted by its module with a value (type 1): then a dummy is put instead of nothing.
    pub strict: bool,
    /// Whom the object is of.
    pub person: &'a Person,
}

/// What becomes of a value.
enum Fate {
    Keep,
    Clean(Basic),
    Remove,
    Empty,
    Dummy,
    Uid,
}

impl Rules<'_> {
    /// A data set without what identifies, its sequences included.
    pub(super) fn apply(&self, data_set: &DataSet) -> DataSet {
        self.level(data_set, CharacterSets::default())
    }

    /// One level. Depth is bounded by that of reading.
    fn level(&self, data_set: &DataSet, around: CharacterSets) -> DataSet {
        let sets = data_set.character_sets().unwrap_or(around);
        let safe = self.safe_private(data_set);
        let all = data_set.elements().iter();
        all.filter_map(|element| match element.tag.group() % 2 {
            1 => safe.contains(&element.tag).then(|| element.clone()),
            _ => self.element(element, sets),
        })
        .collect()
    }

    fn element(&self, element: &Element, sets: CharacterSets) -> Option<Element> {
        let (tag, vr) = (element.tag, element.vr);
        let known = by_dictionary(tag, false);
        // Groups below 0008 are of messages, files and directories; curves and overlays can be drawings of a name.
        let is_foreign = tag.group() < 0x0008 || matches!(tag.group() & 0xFF00, 0x5000 | 0x6000);
        let is_closed = vr == VR::UN || known == VR::UN || (vr == VR::SQ) != (known == VR::SQ);
        if is_foreign || is_closed || tag.element() == 0 || tag == PRIVATE_DESCRIPTIONS {
            return None;
        }
        let is_sequence = vr == VR::SQ;
        let fate = match table::action(tag, self.options) {
            Some(Action::Keep) => Fate::Keep,
            Some(Action::Clean(basic)) => Fate::Clean(basic),
            Some(Action::Basic(basic)) => {
                self.fate(basic, is_sequence && tag != ACQUISITION_CONTEXT)
            }
            None => self.unnamed(tag, vr, known),
        };
        let value = match &element.value {
            Value::Items(items) => self.sequence(fate, items, sets)?,
            Value::Bytes(bytes) => Value::Bytes(self.value(fate, vr, bytes, sets)?),
            // What was not read cannot be cleaned: whoever writes the object refuses it.
            Value::Bulk(place) => match fate {
                Fate::Keep => Value::Bulk(*place),
                _ => return None,
            },
        };
        Some(Element { tag, vr, value })
    }

    /// Compound actions by what every object with these modules can bear.
    fn fate(&self, basic: Basic, is_sequence: bool) -> Fate {
        match basic {
            Basic::Uid => Fate::Uid,
            Basic::RemoveEmptyOrUids => Fate::Keep,
            Basic::Remove => Fate::Remove,
            Basic::Dummy => Fate::Dummy,
            Basic::RemoveOrDummy | Basic::RemoveEmptyOrDummy | Basic::RemoveOrEmpty
                if is_sequence =>
            {
                Fate::Remove
            }
            Basic::EmptyOrDummy | Basic::RemoveOrDummy | Basic::RemoveEmptyOrDummy
                if self.strict =>
            {
                Fate::Dummy
            }
            Basic::RemoveOrDummy => Fate::Remove,
            Basic::Empty
            | Basic::EmptyOrDummy
            | Basic::RemoveOrEmpty
            | Basic::RemoveEmptyOrDummy => Fate::Empty,
        }
    }

    /// What the table does not name stays, but for what may hold a name, a date or an address whatever it is meant for.
    fn unnamed(&self, tag: Tag, vr: VR, known: VR) -> Fate {
        if GIVERS.contains(&tag) && !self.options.keep_institution {
            return Fate::Empty;
        }
        let is = |of: &[VR]| of.contains(&vr) || of.contains(&known);
        if is(&[VR::UI]) {
            return match SHARED_UIDS.contains(&tag) || self.options.keep_uids {
                true => Fate::Keep,
                false => Fate::Uid,
            };
        }
        if is(&[VR::DA, VR::DT, VR::TM]) {
            return match self.options.dates {
                Dates::Keep => Fate::Keep,
                Dates::Shift => Fate::Clean(Basic::Empty),
                Dates::Remove => Fate::Empty,
            };
        }
        match is(&[VR::PN, VR::LT, VR::ST, VR::UT, VR::UC, VR::UR, VR::AE]) {
            true => Fate::Empty,
            false => Fate::Keep,
        }
    }

    fn sequence(&self, fate: Fate, items: &[DataSet], sets: CharacterSets) -> Option<Value> {
        let items = match fate {
            Fate::Keep | Fate::Clean(_) | Fate::Uid => {
                items.iter().map(|item| self.level(item, sets)).collect()
            }
            Fate::Remove => return None,
            Fate::Empty => Vec::new(),
            // An item has to be there, and says nothing.
            Fate::Dummy => vec![DataSet::default()],
        };
        Some(Value::Items(items))
    }

    fn value(&self, fate: Fate, vr: VR, bytes: &[u8], sets: CharacterSets) -> Option<Vec<u8>> {
        let is_empty = trim_padding(bytes).is_empty();
        let value = match fate {
            // A date that is none may be anything.
            Fate::Keep
                if matches!(vr, VR::DA | VR::DT | VR::TM)
                    && values::cleaned(vr, bytes, sets, 0).is_none() =>
            {
                Vec::new()
            }
            Fate::Keep => return Some(bytes.to_vec()),
            Fate::Remove => return None,
            Fate::Empty => Vec::new(),
            Fate::Dummy => values::dummy(vr)?,
            Fate::Clean(_) | Fate::Uid if is_empty => Vec::new(),
            Fate::Uid => {
                let uids = bytes.split(|byte| *byte == b'\\');
                uids.map(|uid| self.secret.uid(uid))
                    .collect::<Vec<_>>()
                    .join(&b'\\')
            }
            Fate::Clean(basic) => {
                match values::cleaned(vr, bytes, sets, self.secret.days(self.person)) {
                    Some(cleaned) => cleaned,
                    None => return self.value(self.fate(basic, false), vr, bytes, sets),
                }
            }
        };
        Some(padded(vr, value))
    }

    /// The private elements of a level that stay, with the creators of their blocks.
    fn safe_private(&self, data_set: &DataSet) -> BTreeSet<Tag> {
        let mut safe = BTreeSet::new();
        if !self.options.keep_safe_private {
            return safe;
        }
        for element in data_set.elements() {
            let Tag(group, number) = element.tag;
            let creator = Tag(group, number >> 8);
            let is_private = group % 2 == 1 && number >= 0x1000;
            let Value::Bytes(_) = element.value else {
                continue;
            };
            if is_private && table::is_safe_private(data_set.code(creator), group, number as u8) {
                safe.extend([creator, element.tag]);
            }
        }
        safe
    }
}

/// A value of even length, as its VR pads it (PS3.5 section 6.2).
fn padded(vr: VR, mut value: Vec<u8>) -> Vec<u8> {
    if value.len() % 2 == 1 {
        value.push(if vr == VR::UI { 0 } else { b' ' });
    }
    value
}
