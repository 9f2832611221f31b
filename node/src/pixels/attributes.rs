//! From attributes to what a decoder must know (PS3.3 §C.7.6.3, §C.11.1, §C.11.2, §C.7.6.16).

use std::borrow::Cow;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::pixels::error::DecodeError;
use crate::pixels::image::{
    Codec, Function, Image, LUT_ENTRIES_MAX, Lut, Modality, Photometric, Voi, Window,
};
use crate::pixels::segments;

/// Where an attribute lies: the sequences around it from the outside in, each with the item's number from 0.
pub type Place<'a> = &'a [(Tag, usize)];

/// The attributes of one object, from wherever its owner keeps them.
pub trait Attributes {
    /// An element's value as it was sent, numbers in little endian; none if it is not there.
    fn value(&self, place: Place<'_>, tag: Tag) -> Option<Cow<'_, [u8]>>;
}

/// An Encapsulated PDF and the like: it is shown as it is, and nothing has to be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its media type (0042,0012).
    pub media_type: String,
    /// Bytes of Encapsulated Document (0042,0011) that are the document: what follows is padding.
    pub bytes: u64,
}

impl Document {
    /// The document in an object whose Encapsulated Document has a value of `value_bytes`. None if it names no media
    /// type that can be sent on.
    #[must_use]
    pub fn of(attributes: &impl Attributes, value_bytes: u64) -> Option<Document> {
        let media_type = text(attributes, &[], tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT)?;
        let media_type = media_type.to_ascii_lowercase();
        let plain = |part: &str| {
            let allowed =
                |letter: char| letter.is_ascii_alphanumeric() || "!#$&-^_.+".contains(letter);
            !part.is_empty() && part.chars().all(allowed)
        };
        let (kind, form) = media_type.split_once('/')?;
        if !plain(kind) || !plain(form) {
            return None;
        }
        let length = attributes.value(&[], tags::ENCAPSULATED_DOCUMENT_LENGTH);
        let length = length.and_then(|value| value.first_chunk().copied().map(u32::from_le_bytes));
        let bytes = length.map_or(value_bytes, |length| u64::from(length).min(value_bytes));
        Some(Document { media_type, bytes })
    }
}

impl Image {
    /// Reads what the attributes say about frame `number`, counted from 0. `codec` is that of the transfer syntax
    /// ([`Codec::of`]); pixel data of 8 bits that is big endian and stored in words (OW) is
    /// [`Codec::NativeBigWords`].
    ///
    /// # Errors
    /// [`DecodeError::Description`] if an attribute that is needed is missing or unreadable;
    /// [`DecodeError::Unsupported`] for colours that are not known here.
    pub fn read(
        attributes: &impl Attributes,
        codec: Codec,
        number: u32,
    ) -> Result<Image, DecodeError> {
        let short = |tag| short(attributes, &[], tag);
        let needed = |tag| short(tag).ok_or(DecodeError::Description);
        let byte = |tag| u8::try_from(needed(tag)?).map_err(|_| DecodeError::Description);
        let photometric = text(attributes, &[], tags::PHOTOMETRIC_INTERPRETATION);
        let photometric = photometric.ok_or(DecodeError::Description)?;
        let photometric = Photometric::named(&photometric).ok_or(DecodeError::Unsupported)?;
        let bits_allocated = byte(tags::BITS_ALLOCATED)?;
        let bits_stored = byte(tags::BITS_STORED).unwrap_or(bits_allocated);
        let high_bit = byte(tags::HIGH_BIT).unwrap_or(bits_stored.saturating_sub(1));
        let signed = short(tags::PIXEL_REPRESENTATION) == Some(1);
        let frame = usize::try_from(number).map_err(|_| DecodeError::NoFrame)?;
        let reader = Reader {
            attributes,
            signed,
            frame,
        };
        let shape = text(attributes, &[], tags::PRESENTATION_LUT_SHAPE);
        let image = Image {
            codec,
            rows: needed(tags::ROWS)?,
            columns: needed(tags::COLUMNS)?,
            samples: byte(tags::SAMPLES_PER_PIXEL).unwrap_or(1),
            bits_allocated,
            bits_stored,
            high_bit,
            signed,
            planar: short(tags::PLANAR_CONFIGURATION) == Some(1),
            photometric,
            modality: reader.modality(),
            voi: reader.voi(),
            // MONOCHROME1 with INVERSE is how the standard writes an inverted image once, not twice.
            inverse: shape.as_deref() == Some("INVERSE") && photometric == Photometric::Monochrome2,
            palette: match photometric {
                Photometric::Palette => reader.palette(),
                _ => None,
            },
            padding: reader.padding(),
        };
        image.check()?;
        Ok(image)
    }
}

/// Reads what belongs to one frame: in the object itself, or in its functional groups.
struct Reader<'a, A> {
    attributes: &'a A,
    signed: bool,
    frame: usize,
}

/// Rescale Intercept and Slope in functional groups.
const TRANSFORMATION: Tag = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
/// Window Center and Width in functional groups.
const FRAME_VOI: Tag = tags::FRAME_VOILUT_SEQUENCE;

impl<A: Attributes> Reader<'_, A> {
    /// The value of a number in the object, or in this sequence of the frame's or of the shared groups.
    fn decimal(&self, group: Tag, tag: Tag) -> Option<f64> {
        let here = self.somewhere(group, |place| text(self.attributes, place, tag))?;
        let number: f64 = here.split('\\').next()?.trim().parse().ok()?;
        number.is_finite().then_some(number)
    }

    fn somewhere<T>(&self, group: Tag, find: impl Fn(Place<'_>) -> Option<T>) -> Option<T> {
        let frame = (tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, self.frame);
        let shared = (tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0);
        find(&[frame, (group, 0)])
            .or_else(|| find(&[shared, (group, 0)]))
            .or_else(|| find(&[]))
    }

    fn modality(&self) -> Modality {
        let table = self.table(
            &[(tags::MODALITY_LUT_SEQUENCE, 0)],
            tags::LUT_DESCRIPTOR,
            tags::LUT_DATA,
        );
        let slope = self.decimal(TRANSFORMATION, tags::RESCALE_SLOPE);
        let intercept = self.decimal(TRANSFORMATION, tags::RESCALE_INTERCEPT);
        match table {
            Some(table) => Modality::Table(table),
            None => Modality::Rescale(
                slope.filter(|slope| *slope != 0.0).unwrap_or(1.0),
                intercept.unwrap_or(0.0),
            ),
        }
    }

    fn voi(&self) -> Voi {
        let function = self.somewhere(FRAME_VOI, |place| {
            text(self.attributes, place, tags::VOILUT_FUNCTION)
        });
        let function = function
            .and_then(|word| Function::named(&word))
            .unwrap_or_default();
        let center = self.decimal(FRAME_VOI, tags::WINDOW_CENTER);
        let width = self.decimal(FRAME_VOI, tags::WINDOW_WIDTH);
        let window = center.zip(width);
        let window = window.and_then(|(center, width)| Window::new(center, width, function));
        let table = || {
            self.table(
                &[(tags::VOILUT_SEQUENCE, 0)],
                tags::LUT_DESCRIPTOR,
                tags::LUT_DATA,
            )
        };
        match window {
            Some(window) => Voi::Window(window),
            None => table().map_or(Voi::Whole, Voi::Table),
        }
    }

    fn palette(&self) -> Option<[Lut; 3]> {
        let table = |descriptor, data| self.table(&[], descriptor, data);
        Some([
            table(
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
            table(
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
            table(
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
        ])
    }

    /// A table by its descriptor (number of entries, first value, bits) and its data.
    fn table(&self, place: Place<'_>, descriptor: Tag, data: Tag) -> Option<Lut> {
        let descriptor = self.attributes.value(place, descriptor)?;
        let [count, first, bits] = *descriptor.as_chunks::<2>().0 else {
            return None;
        };
        let count = match u16::from_le_bytes(count) {
            0 => LUT_ENTRIES_MAX,
            count => usize::from(count),
        };
        let first = match self.signed {
            true => i32::from(i16::from_le_bytes(first)),
            false => i32::from(u16::from_le_bytes(first)),
        };
        let bits = u8::try_from(u16::from_le_bytes(bits)).ok()?;
        let Some(data) = self.attributes.value(place, data) else {
            let segments = self.attributes.value(place, segmented(data)?)?;
            let words = segments.as_chunks::<2>().0.iter();
            let words: Vec<u16> = words.map(|word| u16::from_le_bytes(*word)).collect();
            let entries = segments::expanded(&words, count)?;
            return (1..=16).contains(&bits).then_some(Lut {
                first,
                bits,
                entries,
            });
        };
        // Tables of 8 bits are written with a byte for each entry, two of them in a word.
        let entries: Vec<u16> = match data.len() >= 2 * count {
            true => {
                let words = data.as_chunks::<2>().0.iter();
                words
                    .take(count)
                    .map(|word| u16::from_le_bytes(*word))
                    .collect()
            }
            false => data
                .iter()
                .take(count)
                .map(|byte| u16::from(*byte))
                .collect(),
        };
        if !(1..=16).contains(&bits) || entries.is_empty() {
            return None;
        }
        // Tables that say 16 bits and hold no entry above 255 are of 8 bits: old colour ultrasound does so.
        let small = entries.iter().all(|entry| *entry <= 255);
        let bits = if small { bits.min(8) } else { bits };
        Some(Lut {
            first,
            bits,
            entries,
        })
    }

    fn padding(&self) -> Option<(i32, i32)> {
        let one = |tag| {
            let value = short(self.attributes, &[], tag)?;
            Some(match self.signed {
                true => i32::from(value.cast_signed()),
                false => i32::from(value),
            })
        };
        let first = one(tags::PIXEL_PADDING_VALUE)?;
        Some((first, one(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(first)))
    }
}

/// The segmented form of a palette's table.
fn segmented(data: Tag) -> Option<Tag> {
    match data {
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA => {
            Some(tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA)
        }
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA => {
            Some(tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA)
        }
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA => {
            Some(tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA)
        }
        _ => None,
    }
}

fn short(attributes: &impl Attributes, place: Place<'_>, tag: Tag) -> Option<u16> {
    let value = attributes.value(place, tag)?;
    value.first_chunk().copied().map(u16::from_le_bytes)
}

fn text(attributes: &impl Attributes, place: Place<'_>, tag: Tag) -> Option<String> {
    let value = attributes.value(place, tag)?;
    let text = std::str::from_utf8(&value).ok()?;
    let text = text.trim_matches([' ', '\0']);
    (!text.is_empty()).then(|| text.to_owned())
}
