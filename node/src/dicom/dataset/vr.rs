//! Value representations: of what the bytes do not say, and how values are padded and swapped.

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

/// The value representation that the standard's dictionary gives a tag. `signed` says whether pixels
/// are (Pixel Representation (0028,0103)), on which some depend. Private and unknown tags are UN.
pub fn by_dictionary(tag: Tag, signed: bool) -> VR {
    // Group lengths and private creators are in no table (PS3.5 sections 7.2 and 7.8.1).
    if tag.element() == 0 {
        return VR::UL;
    }
    if tag.group() % 2 == 1 {
        return if (0x10..=0xFF).contains(&tag.element()) {
            VR::LO
        } else {
            VR::UN
        };
    }
    match StandardDataDictionary.by_tag(tag).map(|entry| entry.vr()) {
        Some(VirtualVr::Exact(vr)) => vr,
        Some(VirtualVr::Xs) if signed => VR::SS,
        Some(VirtualVr::Xs) => VR::US,
        // In implicit VR all of these are OW (PS3.5 annex A.1).
        Some(VirtualVr::Ox | VirtualVr::Px | VirtualVr::Lt) => VR::OW,
        Some(_) | None => VR::UN,
    }
}

/// What a value of odd length is padded with (PS3.5 section 6.2).
pub(super) fn padding(vr: VR) -> u8 {
    match vr {
        VR::UI | VR::OB | VR::UN => 0,
        _ => b' ',
    }
}

/// Bytes of one number of this VR; 1 where byte order changes nothing.
pub fn width(vr: VR) -> usize {
    match vr {
        VR::US | VR::SS | VR::OW | VR::AT => 2,
        VR::UL | VR::SL | VR::FL | VR::OF | VR::OL => 4,
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
        _ => 1,
    }
}

/// Turns the bytes of each number of a value around.
pub(super) fn swap(vr: VR, value: &mut [u8]) {
    let width = width(vr);
    if width > 1 {
        value
            .chunks_exact_mut(width)
            .for_each(|number| number.reverse());
    }
}

/// Whether a value of this VR may be named by its place instead of being kept.
pub(super) fn may_be_bulk(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN
    )
}

/// Whether the length of this VR takes 32 bits in explicit VR (PS3.5 section 7.1.2).
pub(super) fn has_long_length(vr: VR) -> bool {
    may_be_bulk(vr) || matches!(vr, VR::SQ | VR::UC | VR::UR | VR::UT | VR::SV | VR::UV)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::tags;

    #[test]
    fn the_dictionary_decides_what_the_bytes_do_not_say() {
        for (tag, signed, vr) in [
            (tags::PATIENT_NAME, false, VR::PN),
            (tags::SMALLEST_IMAGE_PIXEL_VALUE, false, VR::US),
            (tags::SMALLEST_IMAGE_PIXEL_VALUE, true, VR::SS),
            (tags::PIXEL_DATA, false, VR::OW),
            (tags::REFERENCED_STUDY_SEQUENCE, false, VR::SQ),
            (Tag(0x0009, 0x0010), false, VR::LO),
            (Tag(0x0009, 0x1001), false, VR::UN),
            (Tag(0x0008, 0x0000), false, VR::UL),
            (Tag(0x0008, 0x9999), false, VR::UN),
        ] {
            assert_eq!(by_dictionary(tag, signed), vr, "{tag}");
        }
    }

    #[test]
    fn numbers_are_turned_around_one_by_one() {
        let mut value = [1, 2, 3, 4];
        swap(VR::US, &mut value);
        assert_eq!(value, [2, 1, 4, 3]);
        swap(VR::UL, &mut value);
        assert_eq!(value, [3, 4, 1, 2]);
        swap(VR::LO, &mut value);
        assert_eq!(value, [3, 4, 1, 2]);
    }
}
