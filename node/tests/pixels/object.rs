//! DICOM files as this test reads them: by an outside library, whole.

use std::borrow::Cow;
use std::path::Path;

use dicom_core::Tag;
use dicom_core::value::Value;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject, OpenFileOptions};
use dokuei_node::dicom::uid::Uid;
use dokuei_node::pixels::frames::{self, NativeFrame, Offsets};
use dokuei_node::pixels::{Attributes, Codec, DecodeError, Image, Place};

/// An object and its pixel data.
pub(crate) struct Object {
    pub(crate) file: DefaultDicomObject,
    pub(crate) codec: Codec,
}

struct Set<'a>(&'a InMemDicomObject);

impl Attributes for Set<'_> {
    fn value(&self, place: Place<'_>, tag: Tag) -> Option<Cow<'_, [u8]>> {
        let mut set = self.0;
        for (sequence, item) in place {
            set = set.element(*sequence).ok()?.items()?.get(*item)?;
        }
        let value = set.element(tag).ok()?;
        // The library reads numbers as numbers: back to bytes.
        Some(match value.value() {
            Value::Primitive(value) => {
                use dicom_core::value::PrimitiveValue as P;
                Cow::Owned(match value {
                    P::U8(bytes) => bytes.to_vec(),
                    P::U16(words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
                    P::I16(words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
                    P::U32(words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
                    other => other.to_str().into_owned().replace('\n', "\\").into_bytes(),
                })
            }
            _ => return None,
        })
    }
}

impl Object {
    pub(crate) fn open(path: &Path) -> Object {
        let file = OpenFileOptions::new().open_file(path).unwrap();
        let uid = file
            .meta()
            .transfer_syntax()
            .trim_end_matches('\0')
            .to_owned();
        let mut codec = Codec::of(&Uid::parse(uid.as_bytes()).unwrap()).unwrap();
        let words = file
            .element(tags::PIXEL_DATA)
            .is_ok_and(|element| element.vr() == dicom_core::VR::OW);
        if codec == Codec::NativeBig && words {
            codec = Codec::NativeBigWords;
        }
        Object { file, codec }
    }

    pub(crate) fn frames(&self) -> u32 {
        let frames = self.file.element(tags::NUMBER_OF_FRAMES).ok();
        frames.and_then(|frames| frames.to_int().ok()).unwrap_or(1)
    }

    pub(crate) fn image(&self, number: u32) -> Result<Image, DecodeError> {
        Image::read(&Set(&self.file), self.codec, number)
    }

    /// The bytes of a frame, as a decoder wants them.
    pub(crate) fn source(&self, image: &Image, number: u32) -> Result<Vec<u8>, DecodeError> {
        let pixels = self.file.element(tags::PIXEL_DATA).unwrap();
        let Some(fragments) = pixels.fragments() else {
            // What the library read as words goes back into them.
            let set = Set(&self.file);
            let mut value = set.value(&[], tags::PIXEL_DATA).unwrap().into_owned();
            if matches!(self.codec, Codec::NativeBig | Codec::NativeBigWords) {
                value.chunks_exact_mut(2).for_each(<[u8]>::reverse);
            }
            let bytes = u64::try_from(value.len()).unwrap();
            let found = NativeFrame::find(image, number, self.frames(), bytes)?;
            let range = found.bytes.start as usize..found.bytes.end as usize;
            return Ok(found.aligned(&value[range]));
        };
        let table = match pixels.value() {
            Value::PixelSequence(sequence) => sequence.offset_table().to_vec(),
            _ => Vec::new(),
        };
        let offsets = match table.as_slice() {
            [] => Offsets::None,
            table => Offsets::Basic(table.to_vec()),
        };
        let lengths: Vec<u32> = fragments.iter().map(|one| one.len() as u32).collect();
        let begins = |at: usize| frames::begins_a_frame(&fragments[at]);
        let all = frames::fragments(&lengths, &offsets, self.frames(), begins)?;
        let range = all.get(number as usize).ok_or(DecodeError::NoFrame)?;
        Ok(fragments[range.clone()].concat())
    }
}
