//! What a header says, in one form: two ways to write it are no difference.

use std::io::Read as _;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::Incomparable;
use crate::dicom::dataset::{Bounds, DataSet, Element, Value, by_dictionary, read, write};
use crate::dicom::scanner::{DEPTH_MAX, Encoding};
use crate::pixels::Photometric;

/// What headers are compared without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    /// Where fragments lie. The pixels are compared as they are kept, and with what says how to read them.
    Places,
    /// And what coders write anew. The pixels are compared decoded.
    Coding,
    /// And what coders with loss write anew. The pixels are not compared.
    Losses,
}

/// Where fragments lie.
const OF_PLACES: [Tag; 3] = [
    tags::EXTENDED_OFFSET_TABLE,
    tags::EXTENDED_OFFSET_TABLE_LENGTHS,
    Tag(0x7FE0, 0x0003),
];
/// What coders write anew: how pixels are laid out, and what was done. The interpretation of the pixels is compared as it
/// is once they are decoded.
const OF_CODING: [Tag; 5] = [
    tags::PLANAR_CONFIGURATION,
    tags::DERIVATION_DESCRIPTION,
    tags::PIXEL_DATA,
    tags::FLOAT_PIXEL_DATA,
    tags::DOUBLE_FLOAT_PIXEL_DATA,
];
/// What says that something was lost, how, and from what: coders with loss often change the colours, too.
const OF_LOSSES: [Tag; 7] = [
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::LOSSY_IMAGE_COMPRESSION_RATIO,
    tags::LOSSY_IMAGE_COMPRESSION_METHOD,
    tags::IMAGE_TYPE,
    tags::SOURCE_IMAGE_SEQUENCE,
    tags::DERIVATION_CODE_SEQUENCE,
    tags::PHOTOMETRIC_INTERPRETATION,
];

/// Bytes of closed sequences that are taken apart in one object: as much as a header may have. Of those inside each other
/// each is counted, and in memory, once more.
const OPENED_BYTES: usize = Bounds::HEADER.kept_bytes;

/// What an item of a sequence begins with, in little endian (PS3.5 §7.5.1).
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];

impl Without {
    /// Whether nothing is asked of an element of the data set itself.
    fn leaves_out(self, tag: Tag) -> bool {
        OF_PLACES.contains(&tag)
            || self != Without::Places && OF_CODING.contains(&tag)
            || self == Without::Losses && OF_LOSSES.contains(&tag)
    }
}

/// A digest of what a data set says, whatever it is written in, without some of it.
pub(super) fn told(data_set: &DataSet, without: Without) -> Result<blake3::Hash, Incomparable> {
    let mut kept: DataSet = {
        let asked = data_set.elements().iter();
        let asked = asked.filter(|element| !without.leaves_out(element.tag));
        plainly(asked, 0, &mut { OPENED_BYTES })?
    };
    if without != Without::Places {
        decoded(&mut kept);
    }
    Ok(blake3::hash(&write(&kept, Encoding::ImplicitLittle)))
}

/// Brings what is said of pixels into what is so once they are decoded.
fn decoded(said: &mut DataSet) {
    let interpretation = said.code(tags::PHOTOMETRIC_INTERPRETATION);
    if let Some(interpretation) = Photometric::named(interpretation) {
        let decoded = interpretation.decoded().name();
        said.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, decoded);
    }
    // That nothing was lost may be said or not.
    if said.code(tags::LOSSY_IMAGE_COMPRESSION) == "00" {
        said.take(tags::LOSSY_IMAGE_COMPRESSION);
    }
}

/// Elements in one form: no lengths of groups, no padding, and every sequence taken apart. They lie inside so many
/// sequences; those that are taken apart here count like others, so that walking them cannot overflow a stack.
fn plainly<'e>(
    elements: impl Iterator<Item = &'e Element>,
    level: usize,
    room: &mut usize,
) -> Result<DataSet, Incomparable> {
    if level > DEPTH_MAX {
        return Err(Incomparable::ForGood);
    }
    let mut plain = Vec::new();
    for Element { tag, value, .. } in elements {
        if tag.element() == 0 || *tag == tags::DATA_SET_TRAILING_PADDING {
            continue;
        }
        let named = by_dictionary(*tag, false);
        let opened = match value {
            Value::Bytes(bytes) if named == VR::UN && bytes.starts_with(&ITEM) => {
                *room = room.checked_sub(bytes.len()).ok_or(Incomparable::ForGood)?;
                items_in(bytes)
            }
            _ => None,
        };
        let (vr, value) = match (value, &opened) {
            (Value::Items(items), _) | (_, Some(items)) => {
                (VR::SQ, Value::Items(all_plainly(items, level + 1, room)?))
            }
            (Value::Bytes(bytes), None) => (named, Value::Bytes(unpadded(named, bytes).to_vec())),
            // The pixels themselves, which are compared after this: that they are here, and how long.
            (Value::Bulk(place), None) if level == 0 => {
                let length = place.length.map(u64::to_le_bytes);
                (named, Value::Bytes(length.into_iter().flatten().collect()))
            }
            // Fragments of an icon, which nobody decodes for this.
            (Value::Bulk(_), None) => return Err(Incomparable::ForGood),
        };
        let tag = *tag;
        plain.push(Element { tag, vr, value });
    }
    Ok(plain.into_iter().collect())
}

fn all_plainly(
    items: &[DataSet],
    level: usize,
    room: &mut usize,
) -> Result<Vec<DataSet>, Incomparable> {
    let items = items.iter();
    let items = items.map(|item| plainly(item.elements().iter(), level, room));
    items.collect()
}

/// The items of a sequence that is written as a value of unknown kind, as private ones are in Implicit VR.
fn items_in(bytes: &[u8]) -> Option<Vec<DataSet>> {
    // As a sequence that the dictionary knows.
    let Tag(group, element) = tags::REFERENCED_STUDY_SEQUENCE;
    let length = u32::try_from(bytes.len()).ok()?;
    let head = [
        &group.to_le_bytes()[..],
        &element.to_le_bytes(),
        &length.to_le_bytes(),
    ];
    let head = head.concat();
    let mut whole = head.chain(bytes);
    let found = read(&mut whole, Encoding::ImplicitLittle, &Bounds::WHOLE_HEADER);
    match found.ok()?.take(tags::REFERENCED_STUDY_SEQUENCE)?.value {
        Value::Items(items) => Some(items),
        Value::Bytes(_) | Value::Bulk(_) => None,
    }
}

/// A value without what pads it to an even length.
fn unpadded(vr: VR, bytes: &[u8]) -> &[u8] {
    let is_text = matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::IS
            | VR::LO
            | VR::LT
            | VR::PN
            | VR::SH
            | VR::ST
            | VR::TM
            | VR::UC
            | VR::UI
            | VR::UR
            | VR::UT
    );
    let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' '));
    match is_text {
        true => &bytes[..end.map_or(0, |end| end + 1)],
        false => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dataset::Bulk;

    const PRIVATE: Tag = Tag(0x0009, 0x1001);

    fn same_without(without: Without, one: &DataSet, other: &DataSet) -> bool {
        let told = |set| told(set, without).ok().unwrap();
        told(one) == told(other)
    }

    fn same(one: &DataSet, other: &DataSet) -> bool {
        same_without(Without::Coding, one, other)
    }

    /// A data set with its private sequence taken apart, or closed as Implicit VR leaves it.
    fn sample(comments: &str, is_closed: bool) -> DataSet {
        let mut item = DataSet::default();
        item.put_text(tags::PATIENT_COMMENTS, VR::LT, comments);
        let mut set = DataSet::default();
        set.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        match is_closed {
            true => {
                let inside = write(&item, Encoding::ImplicitLittle);
                let mut value = ITEM.to_vec();
                value.extend((inside.len() as u32).to_le_bytes());
                set.put_bytes(PRIVATE, VR::UN, [value, inside].concat());
            }
            false => set.put_items(PRIVATE, vec![item]),
        }
        set
    }

    #[test]
    fn how_it_is_written_is_no_difference_and_what_is_said_is() {
        let plain = sample("x", false);
        assert!(same(&plain, &sample("x", true)));
        assert!(!same(&plain, &sample("y", true)) && !same(&plain, &sample("y", false)));
        let mut coded = plain.clone();
        coded.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_RCT");
        coded.put_text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
        coded.put_text(tags::DERIVATION_DESCRIPTION, VR::ST, "by a coder");
        coded.put_bytes(Tag(0x0008, 0), VR::UL, [1, 0, 0, 0]);
        assert!(same(&plain, &coded));
        coded.put_text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
        assert!(!same(&plain, &coded));
        coded.take(tags::LOSSY_IMAGE_COMPRESSION);
        coded.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL");
        assert!(!same(&plain, &coded));
    }

    #[test]
    fn where_pixels_are_not_decoded_what_says_how_to_read_them_is_said_too() {
        let plain = sample("x", false);
        let is_same = |change: &dyn Fn(&mut DataSet)| {
            let mut changed = plain.clone();
            change(&mut changed);
            same_without(Without::Places, &plain, &changed)
        };
        let bulk = |tag, length| Element {
            tag,
            vr: VR::OW,
            value: Value::Bulk(Bulk { offset: 0, length }),
        };
        assert!(is_same(&|set| {
            set.put_bytes(Tag(0x0008, 0), VR::UL, [1, 0, 0, 0]);
            set.put_bytes(tags::EXTENDED_OFFSET_TABLE, VR::OV, [0; 8]);
            set.put_bytes(tags::DATA_SET_TRAILING_PADDING, VR::OB, [0; 8]);
        }));
        for (tag, vr, text) in [
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_RCT"),
            (tags::DERIVATION_DESCRIPTION, VR::ST, "mended"),
            (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
        ] {
            assert!(!is_same(&|set| set.put_text(tag, vr, text)), "{tag}");
        }
        assert!(!is_same(&|set| {
            set.put_bytes(tags::PLANAR_CONFIGURATION, VR::US, [1, 0]);
        }));
        let with = |element: Element| {
            let mut set = plain.clone();
            set.put(element);
            told(&set, Without::Places).ok().unwrap()
        };
        let pixels = with(bulk(tags::PIXEL_DATA, Some(4)));
        assert!(pixels == with(bulk(tags::PIXEL_DATA, Some(4))));
        assert!(pixels != with(bulk(tags::PIXEL_DATA, None)));
        assert!(pixels != with(bulk(tags::FLOAT_PIXEL_DATA, Some(4))));
    }

    /// Sequences inside each other, as deep as the reader lets them nest, and closed ones as many times as there are.
    fn nested(closed: usize) -> DataSet {
        let mut set = DataSet::default();
        set.put_text(tags::PATIENT_COMMENTS, VR::LT, "x");
        for number in 0..closed {
            for _ in 0..DEPTH_MAX - 2 {
                let mut outer = DataSet::default();
                outer.put_items(tags::REFERENCED_STUDY_SEQUENCE, vec![set]);
                set = outer;
            }
            if number + 1 < closed {
                let inside = write(&set, Encoding::ImplicitLittle);
                let mut value = ITEM.to_vec();
                value.extend((inside.len() as u32).to_le_bytes());
                value.extend(inside);
                set = DataSet::default();
                set.put_bytes(PRIVATE, VR::UN, value);
            }
        }
        set
    }

    #[test]
    fn sequences_closed_inside_each_other_are_taken_apart_within_bounds() {
        for (closed, is_compared) in [(1, true), (2, false), (100, false)] {
            // Less than an association's thread has, which has more to do.
            let thread = std::thread::Builder::new().stack_size(1024 * 1024);
            let compared = thread.spawn(move || told(&nested(closed), Without::Coding).is_ok());
            assert_eq!(compared.unwrap().join().unwrap(), is_compared);
        }
        let large = sample(&"x".repeat(1024 * 1024), true);
        assert!(plainly(large.elements().iter(), 0, &mut (2 << 20)).is_ok());
        assert!(plainly(large.elements().iter(), 0, &mut (1 << 20)).is_err());
    }
}
