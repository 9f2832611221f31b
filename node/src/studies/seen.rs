//! What the check before sending needs to know of one object, kept beside it: where the image lies, what its
//! header says is still to come, side and region, and whether text may be burned in.

use dicom_dictionary_std::tags;
use minicbor::{Decode, Encode};

use crate::dicom::header::Header;
use crate::dicom::uid;

/// Micrometres of a millimetre, and millionths of a cosine's one: rows hold whole numbers only.
const MILLION: f64 = 1_000_000.0;
/// See [`MILLION`].
const MICROMETRES: f64 = 1_000.0;
/// Nothing of a patient lies further from the equipment's origin: 10 m in micrometres. Beyond that a position is a
/// number, not a place.
const FARTHEST: f64 = 10_000_000.0;

/// What is kept of one object.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Seen {
    /// Where a single-frame image lies.
    #[n(0)]
    pub place: Option<Place>,
    /// Acquisition Number (0020,0012).
    #[n(1)]
    pub acquisition: Option<i32>,
    /// Images in Acquisition (0020,1002).
    #[n(2)]
    pub in_acquisition: Option<u32>,
    /// Number of Series Related Instances (0020,1209).
    #[n(3)]
    pub in_series: Option<u32>,
    /// Number of Study Related Instances (0020,1208).
    #[n(4)]
    pub in_study: Option<u32>,
    /// Number of Study Related Series (0020,1206).
    #[n(5)]
    pub series_in_study: Option<u32>,
    /// The side it shows.
    #[n(6)]
    pub side: Option<Side>,
    /// Body Part Examined (0018,0015), a code.
    #[n(7)]
    pub body_part: Option<String>,
    /// Why text may be burned in.
    #[n(8)]
    pub text: Option<Text>,
}

/// Where an image lies in the patient's coordinates.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Place {
    /// Image Position (Patient) (0020,0032), micrometres.
    #[n(0)]
    pub position: [i32; 3],
    /// Image Orientation (Patient) (0020,0037), millionths.
    #[n(1)]
    pub orientation: [i32; 6],
}

/// The side of a paired part of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Side {
    /// Right.
    #[n(0)]
    Right,
    /// Left.
    #[n(1)]
    Left,
    /// Both.
    #[n(2)]
    Both,
}

impl Side {
    /// Every side.
    pub const ALL: &'static [Side] = &[Side::Right, Side::Left, Side::Both];

    /// The word for it, as people write it on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Side::Right => "right",
            Side::Left => "left",
            Side::Both => "both",
        }
    }

    /// The side of a code of Laterality (0020,0060); `U` (unpaired) is none.
    pub fn from_code(code: &str) -> Option<Side> {
        match code.to_ascii_uppercase().as_str() {
            "R" | "RIGHT" => Some(Side::Right),
            "L" | "LEFT" => Some(Side::Left),
            "B" | "BOTH" => Some(Side::Both),
            _ => None,
        }
    }
}

/// Why text may be burned into the pixels of an image, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Text {
    /// Burned In Annotation (0028,0301) says so.
    #[n(0)]
    Declared,
    /// A captured screen.
    #[n(1)]
    Screen,
    /// A scanned film, or paper.
    #[n(2)]
    Film,
    /// Pages of a document.
    #[n(3)]
    Document,
    /// A kind of image in which equipment usually writes names.
    #[n(4)]
    Likely,
}

impl Seen {
    /// What is kept of an object.
    pub fn of(header: &Header) -> Seen {
        let count = |tag| {
            header
                .integer(tag)
                .and_then(|count| u32::try_from(count).ok())
        };
        Seen {
            place: Place::of(header),
            acquisition: header.integer(tags::ACQUISITION_NUMBER),
            in_acquisition: count(tags::IMAGES_IN_ACQUISITION),
            in_series: count(tags::NUMBER_OF_SERIES_RELATED_INSTANCES),
            in_study: count(tags::NUMBER_OF_STUDY_RELATED_INSTANCES),
            series_in_study: count(tags::NUMBER_OF_STUDY_RELATED_SERIES),
            side: header.laterality().and_then(Side::from_code),
            // A code has 16 characters (PS3.5 §6.2); what is longer says nothing.
            body_part: header
                .body_part()
                .filter(|part| part.len() <= 16)
                .map(str::to_owned),
            text: Text::of(header),
        }
    }
}

impl Place {
    fn of(header: &Header) -> Option<Place> {
        let image = header.image();
        let whole = |number: f64, unit: f64| {
            let scaled = (number * unit).round();
            (scaled.abs() <= FARTHEST).then_some(scaled as i32)
        };
        let mut place = Place {
            position: [0; 3],
            orientation: [0; 6],
        };
        for (to, from) in place.position.iter_mut().zip(image.position?) {
            *to = whole(from, MICROMETRES)?;
        }
        for (to, from) in place.orientation.iter_mut().zip(image.orientation?) {
            *to = whole(from, MILLION)?;
        }
        Some(place)
    }
}

impl Text {
    fn of(header: &Header) -> Option<Text> {
        let has = |tag, word: &str| {
            let values = header.code(tag).unwrap_or_default().split('\\');
            values
                .into_iter()
                .any(|value| value.trim().eq_ignore_ascii_case(word))
        };
        let class = header.sop_class();
        let conversion = |word| has(tags::CONVERSION_TYPE, word);
        let declared = header.first_code(tags::BURNED_IN_ANNOTATION);
        if declared.is_some_and(|declared| declared.eq_ignore_ascii_case("YES")) {
            return Some(Text::Declared);
        }
        if *class == uid::ENCAPSULATED_PDF_STORAGE {
            return Some(Text::Document);
        }
        if has(tags::IMAGE_TYPE, "SCREEN SAVE") || conversion("WSD") {
            return Some(Text::Screen);
        }
        if conversion("DF") || conversion("SD") || conversion("SI") {
            return Some(Text::Film);
        }
        if declared.is_some_and(|declared| declared.eq_ignore_ascii_case("NO")) {
            return None;
        }
        let is_secondary = class.as_str().starts_with(SECONDARY_CAPTURE) || conversion("DV");
        let is_ultrasound = matches!(header.modality(), Some("US" | "IVUS" | "ES" | "XC"));
        let is_derived_fluoroscopy =
            matches!(header.modality(), Some("XA" | "RF")) && has(tags::IMAGE_TYPE, "SECONDARY");
        (is_secondary || is_ultrasound || is_derived_fluoroscopy).then_some(Text::Likely)
    }
}

/// Secondary Capture Image Storage and its multi-frame kin (PS3.4 §B.5).
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
