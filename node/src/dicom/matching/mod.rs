//! Matching of queries (PS3.4 section C.2.2.2): the keys of an identifier against what is known of a
//! patient, study, series or instance. Used alike for C-FIND and QIDO-RS.

mod key;
mod moment;

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::charset::CharacterSets;
use super::dataset::{DataSet, Value, by_dictionary};

use key::Matcher;

/// Keys that one query may have, those inside of sequences counted.
pub const KEYS_MAX: usize = 512;

/// What a query asks of one entity: attributes to match, and attributes to return. Holds patient
/// data: no `Debug`.
#[derive(Clone, Default)]
pub struct Keys {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    tag: Tag,
    vr: VR,
    matcher: Matcher,
    has_wildcard: bool,
}

/// What is known of an entity, for matching.
pub trait Subject {
    /// The bytes of a value, with padding; none when it is not known.
    fn bytes(&self, tag: Tag) -> Option<&[u8]>;
    /// The character sets of its text.
    fn character_sets(&self) -> CharacterSets;
    /// The items of a sequence.
    fn items(&self, tag: Tag) -> &[DataSet];
    /// The groups of a name in the form in which names are compared, where it is at hand.
    fn folded_name(&self, tag: Tag) -> Option<[&str; 3]>;
}

impl Subject for DataSet {
    fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        DataSet::bytes(self, tag)
    }

    fn character_sets(&self) -> CharacterSets {
        DataSet::character_sets(self).unwrap_or_default()
    }

    fn items(&self, tag: Tag) -> &[DataSet] {
        DataSet::items(self, tag)
    }

    fn folded_name(&self, _: Tag) -> Option<[&str; 3]> {
        None
    }
}

impl Keys {
    /// The keys of an identifier. Nothing where there are more than [`KEYS_MAX`].
    pub fn read(identifier: &DataSet) -> Option<Keys> {
        let mut room = KEYS_MAX;
        read_keys(identifier, CharacterSets::default(), &mut room)
    }

    /// Those keys that `wanted` wants, and those that it does not.
    pub fn partition(self, wanted: impl Fn(Tag) -> bool) -> (Keys, Keys) {
        let (yes, no) = self.keys.into_iter().partition(|key| wanted(key.tag));
        (Keys { keys: yes }, Keys { keys: no })
    }

    /// Whether every key matches.
    pub fn match_with(&self, subject: &dyn Subject) -> bool {
        self.keys
            .iter()
            .all(|key| key.matcher.matches(key.tag, key.vr, subject))
    }

    /// Whether one of the keys constrains anything.
    pub fn constrain(&self) -> bool {
        self.keys
            .iter()
            .any(|key| !matches!(key.matcher, Matcher::Universal))
    }

    /// Whether this key is there and constrains.
    pub fn constrain_by(&self, tag: Tag) -> bool {
        self.keys
            .iter()
            .any(|key| key.tag == tag && !matches!(key.matcher, Matcher::Universal))
    }

    /// Whether this key constrains to single values.
    pub fn is_exact(&self, tag: Tag) -> bool {
        self.constrain_by(tag)
            && self
                .keys
                .iter()
                .any(|key| key.tag == tag && !key.has_wildcard)
    }

    /// For each of these attributes, a text that it holds in everything that matches; longest first. A key that says to be
    /// of another representation than its attribute is matched as that, and nothing is certain then.
    pub fn certain_texts(&self, of: &[Tag]) -> Vec<String> {
        let keys = self.keys.iter().filter(|key| of.contains(&key.tag));
        let as_known = keys.filter(|key| key.vr == by_dictionary(key.tag, false));
        let texts = as_known.map(|key| key.matcher.certain());
        let mut texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
        texts.sort_by_key(|text| Reverse(text.len()));
        texts
    }

    /// The days, as numbers (YYYYMMDD), between which a date lies in everything that matches; none when it may be any.
    pub fn days(&self, tag: Tag) -> Option<RangeInclusive<u64>> {
        let mut keys = self.keys.iter();
        keys.find(|key| key.tag == tag && key.vr == VR::DA)?
            .matcher
            .days()
    }

    /// The UIDs that a key lists; none when it does not constrain.
    pub fn uids(&self, tag: Tag) -> Option<&[String]> {
        let key = self.keys.iter().find(|key| key.tag == tag)?;
        match &key.matcher {
            Matcher::Uids(uids) => Some(uids),
            _ => None,
        }
    }
}

/// The texts of an attribute, as keys are compared with them.
pub fn texts(subject: &dyn Subject, tag: Tag) -> Vec<String> {
    let mut all = Vec::new();
    key::any_text(tag, by_dictionary(tag, false), subject, &mut |text| {
        all.push(text.to_owned());
        false
    });
    all
}

/// Attributes of an identifier that are no keys (PS3.4 section C.4.1.1.3).
fn is_no_key(tag: Tag) -> bool {
    matches!(
        tag,
        tags::SPECIFIC_CHARACTER_SET
            | tags::QUERY_RETRIEVE_LEVEL
            | tags::TIMEZONE_OFFSET_FROM_UTC
            | tags::RETRIEVE_AE_TITLE
    ) || tag.element() == 0
}

fn read_keys(identifier: &DataSet, around: CharacterSets, room: &mut usize) -> Option<Keys> {
    let sets = identifier.character_sets().unwrap_or(around);
    let mut keys = Vec::new();
    for element in identifier.elements() {
        if is_no_key(element.tag) {
            continue;
        }
        *room = room.checked_sub(1)?;
        let matcher = match &element.value {
            Value::Bytes(bytes) => Matcher::of(element.vr, bytes, sets),
            Value::Bulk(_) => Matcher::Universal,
            Value::Items(items) => {
                let inner = items
                    .first()
                    .map(|item| read_keys(item, sets, room))
                    .unwrap_or_else(|| Some(Keys::default()))?;
                if inner.constrain() {
                    Matcher::Items(inner)
                } else {
                    Matcher::Universal
                }
            }
        };
        let bytes = identifier.bytes(element.tag).unwrap_or_default();
        keys.push(Key {
            tag: element.tag,
            vr: element.vr,
            matcher,
            has_wildcard: bytes.iter().any(|byte| matches!(byte, b'*' | b'?')),
        });
    }
    Some(Keys { keys })
}

#[cfg(test)]
mod tests;
