//! The values the scanner keeps while everything else streams past.

use super::limits::{KEPT_BYTES_MAX, VALUE_BYTES_MAX};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Other Patient IDs: retired from the standard, not from the field.
const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);

/// The attributes kept, in ascending order.
pub(crate) const WANTED: &[Tag] = &[
    tags::SPECIFIC_CHARACTER_SET,
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::STUDY_DATE,
    tags::SERIES_DATE,
    tags::STUDY_TIME,
    tags::SERIES_TIME,
    tags::ACCESSION_NUMBER,
    tags::MODALITY,
    tags::CONVERSION_TYPE,
    tags::INSTITUTION_NAME,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::STUDY_DESCRIPTION,
    tags::SERIES_DESCRIPTION,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    OTHER_PATIENT_IDS,
    tags::BODY_PART_EXAMINED,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::STUDY_ID,
    tags::SERIES_NUMBER,
    tags::ACQUISITION_NUMBER,
    tags::INSTANCE_NUMBER,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::LATERALITY,
    tags::IMAGE_LATERALITY,
    tags::IMAGES_IN_ACQUISITION,
    tags::SLICE_LOCATION,
    tags::NUMBER_OF_STUDY_RELATED_SERIES,
    tags::NUMBER_OF_STUDY_RELATED_INSTANCES,
    tags::NUMBER_OF_SERIES_RELATED_INSTANCES,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::BURNED_IN_ANNOTATION,
];

/// The attributes that say which object and which patient this is. Two parsers that disagree about
/// one of them would file the object under different patients, so they must be beyond doubt.
const IDENTIFYING: &[Tag] = &[
    tags::SPECIFIC_CHARACTER_SET,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
];

/// Whether `tag` identifies the object or the patient.
pub(crate) fn is_identifying(tag: Tag) -> bool {
    IDENTIFYING.contains(&tag)
}

/// One kept element.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeptElement {
    pub(crate) tag: Tag,
    pub(crate) offset: u64,
    pub(crate) value: Vec<u8>,
}

/// The kept elements of one object, in the order they came. Holds patient data: no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    elements: Vec<KeptElement>,
    bytes: usize,
    /// The element whose value is being read, moved into `elements` when it is complete.
    open: Option<KeptElement>,
}

/// What became of an attempt to keep an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// It is none of the wanted ones.
    NotWanted,
    /// It is kept; its value follows.
    Open,
    /// It is wanted, but longer than is kept.
    TooLong,
}

/// What became of a value that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Nothing was open, or the element is kept now.
    Kept,
    /// The element was there before, with the same value.
    Repeated(Tag, u64),
    /// The element was there before, with another value; the first one stays.
    Conflicting(Tag, u64),
}

impl Kept {
    /// Starts to keep a top-level element if it is wanted.
    pub(crate) fn open(&mut self, tag: Tag, offset: u64, length: u32) -> Keeping {
        if WANTED.binary_search(&tag).is_err() {
            return Keeping::NotWanted;
        }
        let fits = length <= VALUE_BYTES_MAX
            && self.bytes.saturating_add(length as usize) <= KEPT_BYTES_MAX;
        if !fits {
            return Keeping::TooLong;
        }
        self.bytes += length as usize;
        self.open = Some(KeptElement {
            tag,
            offset,
            value: Vec::with_capacity(length as usize),
        });
        Keeping::Open
    }

    /// Whether a value is being read.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Adds bytes to the value being read. The scanner never hands more than the announced length.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.value.extend_from_slice(bytes);
        }
    }

    /// Ends the value being read.
    pub(crate) fn close(&mut self) -> Closed {
        let Some(done) = self.open.take() else {
            return Closed::Kept;
        };
        match self.elements.iter().find(|element| element.tag == done.tag) {
            None => {
                self.elements.push(done);
                Closed::Kept
            }
            Some(first) if first.value == done.value => Closed::Repeated(done.tag, done.offset),
            Some(_) => Closed::Conflicting(done.tag, done.offset),
        }
    }

    /// The kept element of this tag.
    pub(crate) fn element(&self, tag: Tag) -> Option<&KeptElement> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    /// The kept value of this tag, with its padding.
    pub(crate) fn value(&self, tag: Tag) -> Option<&[u8]> {
        self.element(tag).map(|element| element.value.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_is_sorted_and_holds_all_that_identifies() {
        assert!(WANTED.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            IDENTIFYING
                .iter()
                .all(|tag| WANTED.binary_search(tag).is_ok())
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::default();
        assert_eq!(
            kept.open(tags::PATIENT_ID, 0, VALUE_BYTES_MAX + 1),
            Keeping::TooLong
        );
        let full = KEPT_BYTES_MAX / VALUE_BYTES_MAX as usize;
        for _ in 0..full {
            assert_eq!(
                kept.open(tags::PATIENT_ID, 0, VALUE_BYTES_MAX),
                Keeping::Open
            );
            kept.close();
        }
        assert_eq!(kept.open(tags::PATIENT_ID, 0, 1), Keeping::TooLong);
        assert_eq!(kept.open(tags::PIXEL_DATA, 0, 1), Keeping::NotWanted);
    }
}
