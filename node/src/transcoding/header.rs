//! What the header of an object says once its pixels are written otherwise.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::dicom::dataset::{DataSet, Element, Value};
use crate::dicom::uid::{JPEG_BASELINE, JPEG_EXTENDED, Uid};
use crate::pixels::Image;

/// Says of an image, which was kept in the transfer syntax `from`, what a decoder makes of it. What is said of losses stays
/// as it stands, but for the standard's older two processes, which lose in any case: once their pixels are decoded
/// nothing else tells that (PS3.3 §C.7.6.1.1.5).
pub(crate) fn describe_decoded(header: &mut DataSet, image: &Image, from: &Uid) {
    let photometric = image.photometric.decoded().name();
    header.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
    if image.samples > 1 {
        header.put_short(tags::PLANAR_CONFIGURATION, 0);
    }
    header.take(tags::EXTENDED_OFFSET_TABLE);
    header.take(tags::EXTENDED_OFFSET_TABLE_LENGTHS);
    // A compressed icon has no place among pixels that are not, and nobody needs it.
    if !keeps_all(header.items(tags::ICON_IMAGE_SEQUENCE)) {
        header.take(tags::ICON_IMAGE_SEQUENCE);
    }
    let is_lossy = [JPEG_BASELINE, JPEG_EXTENDED].contains(from);
    if is_lossy && header.code(tags::LOSSY_IMAGE_COMPRESSION) != "01" {
        header.put_text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
    }
}

/// How the pixels of a decoded image are written.
pub(crate) fn pixel_vr(image: &Image) -> VR {
    match image.bits_allocated > 8 {
        true => VR::OW,
        false => VR::OB,
    }
}

/// Whether every value of these items, and of what is in them, was kept when they were read: what is not would not be
/// written either.
pub(crate) fn keeps_all(items: &[DataSet]) -> bool {
    let elements = items.iter().flat_map(DataSet::elements);
    elements.into_iter().all(|element| match &element.value {
        Value::Bytes(_) => true,
        // As deep as the reader lets sequences nest.
        Value::Items(items) => keeps_all(items),
        Value::Bulk(_) => false,
    })
}

/// The same without the lengths of groups, which would not be right any more.
pub(crate) fn without_group_lengths(data_set: &DataSet) -> DataSet {
    let elements = data_set.elements().iter();
    let kept = elements.filter(|element| element.tag.element() != 0);
    let kept = kept.map(|element| match &element.value {
        Value::Items(items) => Element {
            tag: element.tag,
            vr: element.vr,
            value: Value::Items(items.iter().map(without_group_lengths).collect()),
        },
        Value::Bytes(_) | Value::Bulk(_) => element.clone(),
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dataset::Bulk;
    use crate::dicom::uid::JPEG_2000;
    use crate::pixels::Codec;
    use dicom_core::Tag;

    fn header() -> DataSet {
        let mut header = DataSet::default();
        header.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL_422");
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, 3),
            (tags::ROWS, 4),
            (tags::COLUMNS, 4),
            (tags::BITS_ALLOCATED, 8),
        ] {
            header.put_short(tag, value);
        }
        header
    }

    fn described(mut header: DataSet, from: &Uid) -> DataSet {
        let image = Image::read(&header, Codec::Jpeg, 0);
        let image = image.unwrap_or_else(|error| panic!("{error}"));
        describe_decoded(&mut header, &image, from);
        header
    }

    #[test]
    fn what_was_lost_is_never_said_to_be_whole() {
        let told = |said: Option<&str>, from: &Uid| {
            let mut header = header();
            if let Some(said) = said {
                header.put_text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, said);
            }
            header.put_text(tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, "12.5");
            let header = described(header, from);
            assert_eq!(header.code(tags::LOSSY_IMAGE_COMPRESSION_RATIO), "12.5");
            header.code(tags::LOSSY_IMAGE_COMPRESSION).to_owned()
        };
        for said in [None, Some("00"), Some("01")] {
            assert_eq!(told(said, &JPEG_BASELINE), "01");
        }
        // This one may be either.
        assert_eq!(told(Some("01"), &JPEG_2000), "01");
        assert_eq!(told(None, &JPEG_2000), "");
    }

    #[test]
    fn decoded_colours_are_named_and_a_compressed_icon_is_left_out() {
        let mut icon = DataSet::default();
        icon.put(Element {
            tag: tags::PIXEL_DATA,
            vr: VR::OB,
            value: Value::Bulk(Bulk {
                offset: 7,
                length: None,
            }),
        });
        let mut header = header();
        header.put_items(tags::ICON_IMAGE_SEQUENCE, vec![icon]);
        assert!(!keeps_all(std::slice::from_ref(&header)));
        let header = described(header, &JPEG_BASELINE);
        assert_eq!(header.code(tags::PHOTOMETRIC_INTERPRETATION), "YBR_FULL");
        assert_eq!(header.short(tags::PLANAR_CONFIGURATION), Some(0));
        assert!(header.element(tags::ICON_IMAGE_SEQUENCE).is_none());
        assert!(keeps_all(std::slice::from_ref(&header)));
    }

    #[test]
    fn lengths_of_groups_go_at_every_level() {
        let mut item = header();
        item.put_bytes(Tag(0x0028, 0), VR::UL, [1, 2, 3, 4]);
        let mut outer = item.clone();
        outer.put_items(tags::REFERENCED_STUDY_SEQUENCE, vec![item]);
        let outer = without_group_lengths(&outer);
        assert!(outer.element(Tag(0x0028, 0)).is_none());
        let inner = &outer.items(tags::REFERENCED_STUDY_SEQUENCE)[0];
        assert!(inner.element(Tag(0x0028, 0)).is_none() && inner.short(tags::ROWS) == Some(4));
    }
}
