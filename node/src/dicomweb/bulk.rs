//! Long values, which metadata answers name by their place (PS3.18 section 10.4.1.1.6).

use dicom_core::{Tag, VR};

use crate::dicom::dataset::{Bulk, DataSet, Value};

/// A long value of an object.
pub(super) struct LongValue {
    pub tag: Tag,
    pub vr: VR,
    pub place: Bulk,
}

/// The value at exactly this place, wherever in the tree: any other bytes are nobody's value. The header is read within
/// the bounds of metadata, which name the same places.
pub(super) fn find(header: &DataSet, place: &str) -> Option<LongValue> {
    let (offset, length) = named(place)?;
    let wanted = Bulk { offset, length };
    let mut sets = vec![header];
    while let Some(set) = sets.pop() {
        for element in set.elements() {
            match &element.value {
                Value::Bulk(place) if *place == wanted => {
                    return Some(LongValue {
                        tag: element.tag,
                        vr: element.vr,
                        place: wanted,
                    });
                }
                Value::Items(items) => sets.extend(items),
                Value::Bulk(_) | Value::Bytes(_) => {}
            }
        }
    }
    None
}

/// The range that a metadata answer named: `offset-length`, or the offset alone of a run of fragments.
fn named(text: &str) -> Option<(u64, Option<u64>)> {
    let (offset, length) = match text.split_once('-') {
        Some((offset, length)) => (offset, Some(length.parse().ok()?)),
        None => (text, None),
    };
    Some((offset.parse().ok()?, length))
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::tags;

    use super::*;
    use crate::dicom::dataset::Element;

    #[test]
    fn only_values_are_found() {
        let mut item = DataSet::default();
        item.put(Element {
            tag: tags::LUT_DATA,
            vr: VR::OW,
            value: Value::Bulk(Bulk {
                offset: 100,
                length: Some(2_000),
            }),
        });
        let mut header = DataSet::default();
        header.put_items(tags::REFERENCED_IMAGE_SEQUENCE, vec![item]);
        header.put(Element {
            tag: tags::PIXEL_DATA,
            vr: VR::OB,
            value: Value::Bulk(Bulk {
                offset: 5_000,
                length: None,
            }),
        });
        let tag = |place: &str| find(&header, place).map(|value| value.tag);
        assert_eq!(tag("100-2000"), Some(tags::LUT_DATA));
        assert_eq!(tag("5000"), Some(tags::PIXEL_DATA));
        for other in ["100", "101-1999", "0", "0-100", "5000-8", "x"] {
            assert_eq!(tag(other), None, "{other}");
        }
    }

    #[test]
    fn a_place_is_read_as_it_was_named() {
        assert_eq!(named("12-34"), Some((12, Some(34))));
        assert_eq!(named("12"), Some((12, None)));
        for wrong in ["", "a", "1-", "-1", "1-2-3"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
