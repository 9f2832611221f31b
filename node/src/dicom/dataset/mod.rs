//! Small data sets as trees of raw elements: identifiers of queries, commands' data sets, headers
//! that are shown or rewritten.
//!
//! Values are kept as bytes, in little endian whatever the transfer syntax, text in the character
//! sets it came in. What is long is not kept but named by its place ([`Value::Bulk`]). Reading is
//! iterative and bounded ([`Bounds`]); nesting is bounded by
//! [`DEPTH_MAX`](super::scanner::DEPTH_MAX), so that walking a tree cannot overflow a stack.

#[cfg(test)]
mod agreement;
pub mod json;
mod read;
#[cfg(test)]
mod tests;
mod vr;
mod write;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::charset::{CharacterSets, PersonName};
use super::uid::trim_padding;

pub use read::{Bounds, ReadError, read};
pub use vr::{by_dictionary, width};
pub use write::{element_head, write};

/// Elements in ascending order of their tags. Holds patient data: no `Debug`.
#[derive(Clone, Default, PartialEq)]
pub struct DataSet {
    elements: Vec<Element>,
}

/// One element. Holds patient data: no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Element {
    /// Its tag.
    pub tag: Tag,
    /// Its value representation, by the dictionary where the bytes do not say it.
    pub vr: VR,
    /// Its value.
    pub value: Value,
}

/// The value of an element.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// The bytes with their padding, numbers in little endian.
    Bytes(Vec<u8>),
    /// The items of a sequence.
    Items(Vec<DataSet>),
    /// A value that was not kept.
    Bulk(Bulk),
}

/// Where a value lies that was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk {
    /// Byte offset of the value in the data set, after inflation if it is deflated; of encapsulated
    /// pixel data that of its first item.
    pub offset: u64,
    /// Bytes of the value; none when it is a run of fragments, up to the sequence delimiter.
    pub length: Option<u64>,
}

impl DataSet {
    /// The elements, in ascending order of their tags.
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// The element of this tag at this level.
    pub fn element(&self, tag: Tag) -> Option<&Element> {
        let at = self.elements.binary_search_by_key(&tag, |e| e.tag).ok()?;
        self.elements.get(at)
    }

    /// Puts an element in its place, in the stead of one with its tag.
    pub fn put(&mut self, element: Element) {
        match self.elements.binary_search_by_key(&element.tag, |e| e.tag) {
            Ok(at) => self.elements[at] = element,
            Err(at) => self.elements.insert(at, element),
        }
    }

    /// Puts a value of bytes, padded to an even length as its VR wants.
    pub fn put_bytes(&mut self, tag: Tag, vr: VR, value: impl Into<Vec<u8>>) {
        let mut value = value.into();
        if value.len() % 2 == 1 {
            value.push(vr::padding(vr));
        }
        self.put(Element {
            tag,
            vr,
            value: Value::Bytes(value),
        });
    }

    /// Puts a text, in UTF-8; the caller declares the character set where it is needed.
    pub fn put_text(&mut self, tag: Tag, vr: VR, value: &str) {
        self.put_bytes(tag, vr, value.as_bytes());
    }

    /// Puts a number of 16 bits.
    pub fn put_short(&mut self, tag: Tag, value: u16) {
        self.put_bytes(tag, VR::US, value.to_le_bytes());
    }

    /// Puts a sequence.
    pub fn put_items(&mut self, tag: Tag, items: Vec<DataSet>) {
        self.put(Element {
            tag,
            vr: VR::SQ,
            value: Value::Items(items),
        });
    }

    /// Takes the element of this tag out.
    pub fn take(&mut self, tag: Tag) -> Option<Element> {
        let at = self.elements.binary_search_by_key(&tag, |e| e.tag).ok()?;
        Some(self.elements.remove(at))
    }

    /// The bytes of a value, with their padding; none for a sequence or a value that was not kept.
    pub fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match &self.element(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Items(_) | Value::Bulk(_) => None,
        }
    }

    /// The items of a sequence; none when there is no such sequence.
    pub fn items(&self, tag: Tag) -> &[DataSet] {
        match self.element(tag).map(|element| &element.value) {
            Some(Value::Items(items)) => items,
            Some(Value::Bytes(_) | Value::Bulk(_)) | None => &[],
        }
    }

    /// A value of the default repertoire (UI, CS, DA, TM, IS, …) without padding; empty when it is
    /// absent, empty, or no ASCII.
    pub fn code(&self, tag: Tag) -> &str {
        let bytes = self.bytes(tag).map(trim_padding).unwrap_or_default();
        std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.is_ascii())
            .unwrap_or_default()
            .trim_matches(' ')
    }

    /// The first US value.
    pub fn short(&self, tag: Tag) -> Option<u16> {
        let first = self.bytes(tag)?.first_chunk::<2>()?;
        Some(u16::from_le_bytes(*first))
    }

    /// The character sets that this data set declares (0008,0005).
    pub fn character_sets(&self) -> Option<CharacterSets> {
        self.bytes(tags::SPECIFIC_CHARACTER_SET)
            .map(CharacterSets::read)
    }

    /// The values of a text at the top level, decoded; empty when it is absent.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        let sets = self.character_sets().unwrap_or_default();
        let Some(bytes) = self.bytes(tag) else {
            return Vec::new();
        };
        sets.decode_values(bytes)
            .into_iter()
            .map(|value| value.text)
            .collect()
    }

    /// The first of the values of a text, decoded; empty when it is absent.
    pub fn text(&self, tag: Tag) -> String {
        self.texts(tag).into_iter().next().unwrap_or_default()
    }

    /// The names of a PN value at the top level, decoded.
    pub fn names(&self, tag: Tag) -> Vec<PersonName> {
        let sets = self.character_sets().unwrap_or_default();
        self.bytes(tag)
            .map(|bytes| sets.decode_person_names(bytes))
            .unwrap_or_default()
    }
}

impl FromIterator<Element> for DataSet {
    /// The elements, sorted; of several with one tag the last.
    fn from_iter<I: IntoIterator<Item = Element>>(elements: I) -> DataSet {
        let mut all = DataSet::default();
        for element in elements {
            match all.elements.last() {
                Some(last) if last.tag >= element.tag => all.put(element),
                Some(_) | None => all.elements.push(element),
            }
        }
        all
    }
}
