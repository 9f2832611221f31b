//! Patient and study attributes as they came, and as people read them. Holds patient data: no
//! `Debug`.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use minicbor::bytes::ByteVec;
use minicbor::encode::{Error, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::dicom::charset::{CharacterSets, Decoded, PersonName};
use crate::dicom::header::Header;

/// The attributes that are kept: those that a report in the same study must repeat unchanged, and
/// those that listings show.
const KEPT: [Tag; 17] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::MODALITY,
    tags::INSTITUTION_NAME,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::STUDY_DESCRIPTION,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::BODY_PART_EXAMINED,
    tags::STUDY_INSTANCE_UID,
    tags::STUDY_ID,
];

/// One attribute as it came, in the form in which rows hold it.
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

/// The kept attributes of a study: one piece of memory, since those of every study that lies here are held. For each
/// the group and element (u16), the length, the value with its padding; numbers in little endian. The length is a byte,
/// or 255 and four bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Attributes(Box<[u8]>);

/// Stands for a length that has more than a byte.
const LONG: u8 = u8::MAX;

impl<C> Encode<C> for Attributes {
    fn encode<W: Write>(
        &self,
        to: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), Error<W::Error>> {
        to.array(self.raw().count() as u64)?;
        for (tag, value) in self.raw() {
            let raw = RawAttribute {
                group: tag.group(),
                element: tag.element(),
                value: value.to_vec().into(),
            };
            raw.encode(to, context)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Attributes {
    fn decode(
        from: &mut Decoder<'b>,
        context: &mut C,
    ) -> Result<Attributes, minicbor::decode::Error> {
        let all = Vec::<RawAttribute>::decode(from, context)?;
        let each = all.iter();
        Ok(Attributes::packed(each.map(|raw| {
            (Tag(raw.group, raw.element), raw.value.as_slice())
        })))
    }
}

impl Attributes {
    /// The kept attributes of an object.
    pub fn of(header: &Header) -> Attributes {
        let kept = KEPT.iter();
        Attributes::packed(kept.filter_map(|tag| Some((*tag, header.raw(*tag)?))))
    }

    fn packed<'a>(all: impl Iterator<Item = (Tag, &'a [u8])>) -> Attributes {
        let mut bytes = Vec::new();
        for (tag, value) in all {
            bytes.extend_from_slice(&tag.group().to_le_bytes());
            bytes.extend_from_slice(&tag.element().to_le_bytes());
            match u8::try_from(value.len()) {
                Ok(length) if length != LONG => bytes.push(length),
                _ => {
                    // The scanner keeps no value that is longer.
                    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                    bytes.push(LONG);
                    bytes.extend_from_slice(&length.to_le_bytes());
                }
            }
            bytes.extend_from_slice(value);
        }
        Attributes(bytes.into())
    }

    /// The attributes as they came, with their padding.
    pub fn raw(&self) -> impl Iterator<Item = (Tag, &[u8])> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let ([g0, g1, e0, e1, length], mut after) = rest.split_first_chunk()?;
            let tag = Tag(
                u16::from_le_bytes([*g0, *g1]),
                u16::from_le_bytes([*e0, *e1]),
            );
            let mut length = usize::from(*length);
            if length == usize::from(LONG) {
                let (long, further) = after.split_first_chunk()?;
                length = u32::from_le_bytes(*long) as usize;
                after = further;
            }
            let (value, after) = after.split_at_checked(length)?;
            rest = after;
            Some((tag, value))
        })
    }

    /// The value of one attribute as it came.
    pub fn value(&self, tag: Tag) -> Option<&[u8]> {
        self.raw()
            .find(|(known, _)| *known == tag)
            .map(|(_, value)| value)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_length_come_out_as_they_went_in() {
        let lengths = [0, 1, 254, 255, 256, 70_000];
        let values: Vec<Vec<u8>> = lengths.iter().map(|length| vec![7; *length]).collect();
        let pairs = KEPT.iter().copied().zip(values.iter().map(Vec::as_slice));
        let packed = Attributes::packed(pairs.clone());
        assert!(packed.raw().eq(pairs));
        let row = dokuei_keys::cbor::encode(&packed);
        assert!(minicbor::decode::<Attributes>(&row).unwrap() == packed);
        assert_eq!(packed.value(KEPT[5]).map(<[u8]>::len), Some(70_000));
        assert!(packed.value(KEPT[9]).is_none());
    }
}
