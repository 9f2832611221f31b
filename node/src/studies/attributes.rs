//! Patient and study attributes as they came, and as people read them. Holds patient data: no
//! `Debug`.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::dicom::charset::{CharacterSets, Decoded, PersonName};
use crate::dicom::header::Header;

/// The attributes that are kept: those that a report in the same study must repeat unchanged, and
/// those that listings show.
const KEPT: [(Tag, VR); 17] = [
    (tags::SPECIFIC_CHARACTER_SET, VR::CS),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::MODALITY, VR::CS),
    (tags::INSTITUTION_NAME, VR::LO),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH),
    (tags::STUDY_DESCRIPTION, VR::LO),
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::BODY_PART_EXAMINED, VR::CS),
    (tags::STUDY_INSTANCE_UID, VR::UI),
    (tags::STUDY_ID, VR::SH),
];

/// One attribute as it came.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct RawAttribute {
    /// Group.
    #[n(0)]
    pub group: u16,
    /// Element.
    #[n(1)]
    pub element: u16,
    /// Its value with its padding.
    #[n(2)]
    pub value: ByteVec,
}

impl RawAttribute {
    /// Its tag.
    pub fn tag(&self) -> Tag {
        Tag(self.group, self.element)
    }

    /// Its value representation.
    pub fn vr(&self) -> VR {
        KEPT.iter()
            .find(|(tag, _)| *tag == self.tag())
            .map_or(VR::UN, |(_, vr)| *vr)
    }
}

/// The kept attributes of a study.
#[derive(Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Attributes(#[n(0)] Vec<RawAttribute>);

impl Attributes {
    /// The kept attributes of an object.
    pub fn of(header: &Header) -> Attributes {
        let kept = KEPT.iter().filter_map(|(tag, _)| {
            header.raw(*tag).map(|value| RawAttribute {
                group: tag.group(),
                element: tag.element(),
                value: value.to_vec().into(),
            })
        });
        Attributes(kept.collect())
    }

    /// The attributes as they came.
    pub fn raw(&self) -> &[RawAttribute] {
        &self.0
    }

    /// The value of one attribute as it came.
    pub fn value(&self, tag: Tag) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|attribute| attribute.tag() == tag)
            .map(|attribute| attribute.value.as_slice())
    }

    /// The value of one attribute as people read it, without its padding; empty when it is absent.
    pub fn text(&self, tag: Tag) -> String {
        self.decoded(tag).text
    }

    /// As [`Attributes::text`], and whether every byte of it could be decoded.
    pub fn decoded(&self, tag: Tag) -> Decoded {
        self.decode(self.value(tag).unwrap_or_default())
    }

    /// A person's name as people read it; the first of several.
    pub fn name(&self, tag: Tag) -> PersonName {
        let names = self
            .value(tag)
            .map(|value| self.character_sets().decode_person_names(value))
            .unwrap_or_default();
        names.into_iter().next().unwrap_or_else(|| PersonName {
            exact: true,
            ..PersonName::default()
        })
    }

    /// Decodes a value of the same object, without its padding.
    pub fn decode(&self, value: &[u8]) -> Decoded {
        let Decoded { text, exact } = self.character_sets().decode_text(value);
        let text = text.trim().to_owned();
        Decoded { text, exact }
    }

    /// The character sets of their text.
    pub fn character_sets(&self) -> CharacterSets {
        CharacterSets::read(self.value(tags::SPECIFIC_CHARACTER_SET).unwrap_or_default())
    }
}
