//! Which objects are treated at all: kinds that are known, whose pixels cannot be expected to name anybody.

use dicom_dictionary_std::tags;

use super::options::Options;
use super::refusal::Refusal;
use crate::dicom::dataset::DataSet;
use crate::dicom::uid::trim_padding;

/// Root of the storage SOP classes (PS3.6 annex A).
const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";

/// What is known of a kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Images of a classic kind: dates and the like are of type 2 and 3 in their modules.
    Classic,
    /// Images whose modules want some dates and devices with a value.
    Strict,
    /// Images that often have text in their pixels.
    Written,
    /// Text or drawings.
    Text,
    /// Anything else.
    Unknown,
}

/// The kind of a SOP class, by its UID below [`STORAGE`].
fn kind(sop_class: &str) -> Kind {
    match sop_class.strip_prefix(STORAGE).unwrap_or_default() {
        // CR, DX, MG, IO, CT, MR.
        "1" | "1.1" | "1.1.1" | "1.2" | "1.2.1" | "1.3" | "1.3.1" | "2" | "4" => Kind::Classic,
        // Enhanced and legacy converted CT and MR, NM, PET, breast tomosynthesis, RT dose.
        "2.1" | "2.2" | "4.1" | "4.4" | "20" | "128" | "128.1" | "130" | "13.1.3" | "13.1.4"
        | "13.1.5" | "481.2" => Kind::Strict,
        // US, secondary captures, XA, XRF and their enhanced forms, visible light, ophthalmology, RT image.
        "3.1" | "6.1" | "6.2" | "7" | "7.1" | "7.2" | "7.3" | "7.4" | "12.1" | "12.2" => {
            Kind::Written
        }
        "12.1.1" | "12.2.1" | "13.1.1" | "13.1.2" | "481.1" => Kind::Written,
        "77.1.1" | "77.1.2" | "77.1.4" | "77.1.5.1" | "77.1.5.2" | "77.1.5.4" => Kind::Written,
        below
            if ["88.", "104.", "11.", "9."]
                .iter()
                .any(|text| below.starts_with(text)) =>
        {
            Kind::Text
        }
        _ => Kind::Unknown,
    }
}

/// What an object's header lets through.
pub(super) struct Passed {
    /// See [`super::rules::Rules::strict`].
    pub strict: bool,
    /// A person answers for its pixels.
    pub seen: bool,
}

/// Lets an object through that can be made safe.
///
/// # Errors
/// Why it is not written.
pub(super) fn pass(header: &DataSet, options: &Options) -> Result<Passed, Refusal> {
    let class = header.code(tags::SOP_CLASS_UID);
    let kind = kind(class);
    match kind {
        Kind::Unknown => return Err(Refusal::UnknownKind(class.chars().take(64).collect())),
        Kind::Text => return Err(Refusal::Text),
        Kind::Classic | Kind::Strict | Kind::Written => {}
    }
    let declared = header.code(tags::BURNED_IN_ANNOTATION);
    // As devices write it: one has lower case, another a value too many.
    let first = declared.split('\\').next().unwrap_or_default();
    if first.trim().eq_ignore_ascii_case("YES") {
        return Err(Refusal::BurnedIn);
    }
    if header.element(tags::ENCAPSULATED_DOCUMENT).is_some() {
        return Err(Refusal::Text);
    }
    if has_overlay_in_pixels(header) {
        return Err(Refusal::OverlayInPixels);
    }
    let is_written = kind == Kind::Written || looks_captured(header);
    if is_written && !options.pixels_seen {
        return Err(Refusal::PixelsUnseen);
    }
    Ok(Passed {
        strict: kind != Kind::Classic,
        seen: is_written,
    })
}

/// Whether an image says that it is a picture of a screen or a page, whatever its class is.
fn looks_captured(header: &DataSet) -> bool {
    let image_type = header.code(tags::IMAGE_TYPE).to_ascii_uppercase();
    let signs = [
        "SCREEN",
        "CAPTURE",
        "REPORT",
        "DOSE_INFO",
        "PROTOCOL",
        "RESULT TABLE",
    ];
    signs.iter().any(|sign| image_type.contains(sign))
        || !header.code(tags::CONVERSION_TYPE).is_empty()
        || !header
            .code(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER)
            .is_empty()
}

/// Overlays without data of their own lie in unused bits of the pixels (retired; PS3.3 2004 section C.9.2).
fn has_overlay_in_pixels(header: &DataSet) -> bool {
    let overlays = header
        .elements()
        .iter()
        .filter(|element| element.tag.group() & 0xFF01 == 0x6000);
    let mut groups: Vec<u16> = overlays.map(|element| element.tag.group()).collect();
    groups.dedup();
    let has = |group: u16, number: u16| {
        let value = header.bytes(dicom_core::Tag(group, number));
        value.is_some_and(|value| !trim_padding(value).is_empty())
    };
    groups
        .into_iter()
        .any(|group| !has(group, 0x3000) && has(group, 0x0100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{Tag, VR};

    fn object(class: &str) -> DataSet {
        let mut set = DataSet::default();
        set.put_text(tags::SOP_CLASS_UID, VR::UI, &format!("{STORAGE}{class}"));
        set
    }

    fn why(header: &DataSet) -> Option<String> {
        pass(header, &Options::default())
            .err()
            .map(|why| why.to_string())
    }

    #[test]
    fn only_kinds_that_are_known_pass() {
        for class in ["2", "4", "1.1", "2.1", "128"] {
            assert!(pass(&object(class), &Options::default()).is_ok(), "{class}");
        }
        for class in ["88.11", "88.59", "104.1", "11.1", "9.1.1"] {
            assert!(matches!(
                pass(&object(class), &Options::default()),
                Err(Refusal::Text)
            ));
        }
        // Retired ultrasound, RT structure sets, and what nobody has heard of.
        for class in ["6", "3", "481.3", "99999"] {
            assert!(matches!(
                pass(&object(class), &Options::default()),
                Err(Refusal::UnknownKind(_))
            ));
        }
        assert!(matches!(
            pass(&DataSet::default(), &Options::default()),
            Err(Refusal::UnknownKind(_))
        ));
    }

    #[test]
    fn text_in_pixels_is_refused_until_somebody_has_looked() {
        let seen = Options {
            pixels_seen: true,
            ..Options::default()
        };
        for class in ["6.1", "7", "12.1", "77.1.4"] {
            let object = object(class);
            assert!(matches!(
                pass(&object, &Options::default()),
                Err(Refusal::PixelsUnseen)
            ));
            assert!(pass(&object, &seen).is_ok_and(|passed| passed.seen));
        }
        let mut screen = object("2");
        screen.put_text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY\\SCREEN SAVE");
        assert!(matches!(
            pass(&screen, &Options::default()),
            Err(Refusal::PixelsUnseen)
        ));
        let mut burned = object("2");
        burned.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
        assert!(matches!(pass(&burned, &seen), Err(Refusal::BurnedIn)));
        assert!(why(&burned).is_some_and(|why| why.contains("Burned In")));
        for written in ["yes", " Yes ", "YES\\NO"] {
            burned.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, written);
            assert!(
                matches!(pass(&burned, &seen), Err(Refusal::BurnedIn)),
                "{written}"
            );
        }
    }

    #[test]
    fn overlays_in_the_pixels_are_noticed() {
        let mut object = object("2");
        object.put_bytes(Tag(0x6000, 0x0100), VR::US, 16u16.to_le_bytes());
        assert!(matches!(
            pass(&object, &Options::default()),
            Err(Refusal::OverlayInPixels)
        ));
        object.put_bytes(Tag(0x6000, 0x3000), VR::OW, vec![1; 8]);
        assert!(pass(&object, &Options::default()).is_ok());
    }
}
