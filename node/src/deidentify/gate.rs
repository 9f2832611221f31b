//! Which objects are treated at all: kinds that are known, whose pixels cannot be expected to name anybody.

use dicom_dictionary_std::tags;

use super::content;
use super::options::Options;
use super::refusal::Refusal;
use super::regions::{Rectangle, Regions};
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
    /// Whole slides.
    Slide,
    /// Trees of content.
    Structured,
    /// Text or drawings.
    Text,
    /// Anything else.
    Unknown,
}

/// The kind of a SOP class, by its UID below [`STORAGE`].
fn kind(sop_class: &str) -> Kind {
    match sop_class.strip_prefix(STORAGE).unwrap_or_default() {
        "77.1.6" => Kind::Slide,
        below if content::is_structured(below) => Kind::Structured,
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
    /// Somebody, or a rule, answers for what is written in its pixels.
    pub seen: bool,
    /// What is made black in them.
    pub blank: Vec<Rectangle>,
    /// It is a tree of content.
    pub structured: bool,
}

/// Lets an object through that can be made safe.
///
/// # Errors
/// Why it is not written.
pub(super) fn pass(
    header: &DataSet,
    options: &Options,
    regions: &Regions,
) -> Result<Passed, Refusal> {
    let class = header.code(tags::SOP_CLASS_UID);
    let kind = kind(class);
    match kind {
        Kind::Unknown => return Err(Refusal::UnknownKind(class.chars().take(64).collect())),
        Kind::Text => return Err(Refusal::Text),
        Kind::Structured if !options.clean_structured || !content::is_known(header) => {
            return Err(Refusal::Text);
        }
        Kind::Slide if may_show_label(header) => return Err(Refusal::SlideLabel),
        Kind::Structured | Kind::Slide | Kind::Classic | Kind::Strict | Kind::Written => {}
    }
    let blank = match options.clean_pixels {
        true => regions.of(header),
        false => Vec::new(),
    };
    let is_blanked = !blank.is_empty();
    let declared = header.code(tags::BURNED_IN_ANNOTATION);
    // As devices write it: one has lower case, another a value too many.
    let first = declared.split('\\').next().unwrap_or_default();
    if first.trim().eq_ignore_ascii_case("YES") && !is_blanked {
        return Err(Refusal::BurnedIn);
    }
    if header.element(tags::ENCAPSULATED_DOCUMENT).is_some() {
        return Err(Refusal::Text);
    }
    if has_overlay_in_pixels(header) {
        return Err(Refusal::OverlayInPixels);
    }
    let is_written = kind == Kind::Written || looks_captured(header);
    if is_written && !options.pixels_seen && !is_blanked {
        return Err(match options.clean_pixels {
            true => no_regions(header),
            false => Refusal::PixelsUnseen,
        });
    }
    Ok(Passed {
        strict: kind != Kind::Classic,
        seen: is_written || is_blanked,
        blank,
        structured: kind == Kind::Structured,
    })
}

/// Of what kind of picture a rule is wanted.
fn no_regions(header: &DataSet) -> Refusal {
    let modality = header.code(tags::MODALITY).chars();
    let modality = modality.filter(char::is_ascii_alphanumeric).take(16);
    let side = |tag| header.short(tag).unwrap_or_default();
    Refusal::NoRegions(modality.collect(), side(tags::ROWS), side(tags::COLUMNS))
}

/// Whether the label of a slide may be in the picture: only tiles of the specimen show none (PS3.3 section C.8.12.4.1.1).
fn may_show_label(header: &DataSet) -> bool {
    let flavour = header.code(tags::IMAGE_TYPE).split('\\').nth(2);
    let is_volume = flavour.is_some_and(|flavour| flavour.trim().eq_ignore_ascii_case("VOLUME"));
    !is_volume || header.code(tags::SPECIMEN_LABEL_IN_IMAGE) != "NO"
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
        pass(header, &Options::default(), &Regions::default())
            .err()
            .map(|why| why.to_string())
    }

    #[test]
    fn only_kinds_that_are_known_pass() {
        for class in ["2", "4", "1.1", "2.1", "128"] {
            assert!(
                pass(&object(class), &Options::default(), &Regions::default()).is_ok(),
                "{class}"
            );
        }
        for class in ["88.11", "88.40", "104.1", "11.1", "9.1.1"] {
            assert!(matches!(
                pass(&object(class), &Options::default(), &Regions::default()),
                Err(Refusal::Text)
            ));
        }
        // Retired ultrasound, RT structure sets, and what nobody has heard of.
        for class in ["6", "3", "481.3", "99999"] {
            assert!(matches!(
                pass(&object(class), &Options::default(), &Regions::default()),
                Err(Refusal::UnknownKind(_))
            ));
        }
        assert!(matches!(
            pass(
                &DataSet::default(),
                &Options::default(),
                &Regions::default()
            ),
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
                pass(&object, &Options::default(), &Regions::default()),
                Err(Refusal::PixelsUnseen)
            ));
            assert!(pass(&object, &seen, &Regions::default()).is_ok_and(|passed| passed.seen));
        }
        let mut screen = object("2");
        screen.put_text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY\\SCREEN SAVE");
        assert!(matches!(
            pass(&screen, &Options::default(), &Regions::default()),
            Err(Refusal::PixelsUnseen)
        ));
        let mut burned = object("2");
        burned.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
        assert!(matches!(
            pass(&burned, &seen, &Regions::default()),
            Err(Refusal::BurnedIn)
        ));
        assert!(why(&burned).is_some_and(|why| why.contains("Burned In")));
        for written in ["yes", " Yes ", "YES\\NO"] {
            burned.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, written);
            assert!(
                matches!(
                    pass(&burned, &seen, &Regions::default()),
                    Err(Refusal::BurnedIn)
                ),
                "{written}"
            );
        }
    }

    #[test]
    fn of_slides_only_tiles_of_the_specimen_pass() {
        let slide = |flavour: &str, label: &str| {
            let mut slide = object("77.1.6");
            let image_type = format!("ORIGINAL\\PRIMARY\\{flavour}\\NONE");
            slide.put_text(tags::IMAGE_TYPE, VR::CS, &image_type);
            slide.put_text(tags::SPECIMEN_LABEL_IN_IMAGE, VR::CS, label);
            pass(&slide, &Options::default(), &Regions::default()).is_ok()
        };
        assert!(slide("VOLUME", "NO"));
        for (flavour, label) in [
            ("LABEL", "YES"),
            ("OVERVIEW", "NO"),
            ("", "NO"),
            ("VOLUME", ""),
        ] {
            assert!(!slide(flavour, label), "{flavour} {label}");
        }
    }

    #[test]
    fn reports_pass_when_they_are_to_be_cleaned_and_every_item_is_known() {
        let options = Options {
            clean_structured: true,
            ..Options::default()
        };
        let passes = |class: &str, kind: &str| {
            let mut item = DataSet::default();
            item.put_text(tags::VALUE_TYPE, VR::CS, kind);
            let mut container = DataSet::default();
            container.put_text(tags::VALUE_TYPE, VR::CS, "CONTAINER");
            container.put_items(tags::CONTENT_SEQUENCE, vec![item]);
            let mut report = object(class);
            report.put_items(tags::CONTENT_SEQUENCE, vec![container]);
            let passed = pass(&report, &options, &Regions::default());
            passed.is_ok_and(|passed| passed.structured)
        };
        assert!(passes("88.67", "NUM") && passes("88.11", "TEXT"));
        // A type of a later edition, and procedure logs.
        assert!(!passes("88.67", "TABLE") && !passes("88.40", "TEXT"));
        assert!(!passes("104.1", "TEXT"));
    }

    #[test]
    fn overlays_in_the_pixels_are_noticed() {
        let mut object = object("2");
        object.put_bytes(Tag(0x6000, 0x0100), VR::US, 16u16.to_le_bytes());
        assert!(matches!(
            pass(&object, &Options::default(), &Regions::default()),
            Err(Refusal::OverlayInPixels)
        ));
        object.put_bytes(Tag(0x6000, 0x3000), VR::OW, vec![1; 8]);
        assert!(pass(&object, &Options::default(), &Regions::default()).is_ok());
    }
}
