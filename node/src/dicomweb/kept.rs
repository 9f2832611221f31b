//! What is given of one object as it is kept: frames, and long values (PS3.18 sections 10.4.1.1.5 and 10.4.1.1.6).

use std::sync::Arc;

use dicom_dictionary_std::tags;

use super::answer::Refusal;
use super::bulk::{self, LongValue};
use super::headed::Headed;
use super::layout::{Layout, Layouts};
use super::media::shown_as;
use crate::dicom::dataset::width;
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::uid::EXPLICIT_VR_LITTLE_ENDIAN;
use crate::index::holdings::Instance;
use crate::pixels::Document;
use crate::say;
use crate::transcoding::ranges::{self, RangeError, Ranges};

pub(super) const OCTETS: &str = "application/octet-stream";

/// Media types of compressed frames, by transfer syntax (PS3.18 tables 8.7.3-2 and following).
const COMPRESSED: [(&str, &str); 22] = [
    ("1.2.840.10008.1.2.4.50", "image/jpeg"),
    ("1.2.840.10008.1.2.4.51", "image/jpeg"),
    ("1.2.840.10008.1.2.4.57", "image/jpeg"),
    ("1.2.840.10008.1.2.4.70", "image/jpeg"),
    ("1.2.840.10008.1.2.4.80", "image/jls"),
    ("1.2.840.10008.1.2.4.81", "image/jls"),
    ("1.2.840.10008.1.2.4.90", "image/jp2"),
    ("1.2.840.10008.1.2.4.91", "image/jp2"),
    ("1.2.840.10008.1.2.4.92", "image/jpx"),
    ("1.2.840.10008.1.2.4.93", "image/jpx"),
    ("1.2.840.10008.1.2.4.201", "image/jphc"),
    ("1.2.840.10008.1.2.4.202", "image/jphc"),
    ("1.2.840.10008.1.2.4.203", "image/jphc"),
    ("1.2.840.10008.1.2.5", "image/dicom-rle"),
    ("1.2.840.10008.1.2.4.100", "video/mpeg2"),
    ("1.2.840.10008.1.2.4.101", "video/mpeg2"),
    ("1.2.840.10008.1.2.4.102", "video/mp4"),
    ("1.2.840.10008.1.2.4.103", "video/mp4"),
    ("1.2.840.10008.1.2.4.104", "video/mp4"),
    ("1.2.840.10008.1.2.4.105", "video/mp4"),
    ("1.2.840.10008.1.2.4.107", "video/H265"),
    ("1.2.840.10008.1.2.4.108", "video/H265"),
];

/// What is asked of an object: bytes of each part with where it can be had, the media type and transfer syntax in which
/// they are kept, and how its numbers are turned around.
pub(super) struct Kept {
    pub parts: Vec<(Ranges, String)>,
    pub kind: String,
    pub syntax: Option<String>,
    pub swap: usize,
}

impl Kept {
    /// Frames of an object whose layout is known, below its address.
    ///
    /// # Errors
    /// When it has not so many frames, or they are not where they should be.
    pub(super) fn frames(layout: &Layout, numbers: &[u32], at: &str) -> Result<Kept, Refusal> {
        Headed::must_be_in_order(layout.syntax.encoding(), numbers)?;
        let part = |number: &u32| {
            let ranges = layout.ranges(*number)?;
            Ok((ranges, format!("{at}/frames/{number}")))
        };
        let parts: Result<Vec<_>, RangeError> = numbers.iter().map(part).collect();
        Ok(Kept {
            parts: parts.map_err(|error| unfit(&error))?,
            kind: kind_of(&layout.syntax).to_owned(),
            syntax: Some(kept_syntax(&layout.syntax)),
            swap: layout.swap,
        })
    }
}

/// Where frames of an object lie as they are kept, read now and remembered; none when they begin inside of bytes, as decoded
/// ones do not.
pub(super) fn layout_of(
    headed: &mut Headed,
    (instance, numbers): (&Instance, &[u32]),
    layouts: &Layouts,
) -> Result<Option<Arc<Layout>>, Refusal> {
    match Layout::read(headed, numbers) {
        Err(RangeError::InsideByte) => Ok(None),
        Err(error) => Err(unfit(&error)),
        Ok(layout) => {
            let layout = Arc::new(layout);
            layouts.remember(instance, &layout);
            Ok(Some(layout))
        }
    }
}

/// A long value, by its place.
pub(super) fn kept_value(headed: &mut Headed, place: &str, at: &str) -> Result<Kept, Refusal> {
    let here = format!("{at}/bulkdata/{place}");
    let value = bulk::find(&headed.header, place).ok_or_else(Refusal::not_found)?;
    let LongValue { tag, vr, place } = value;
    let is_pixels = ranges::pixels(&headed.header) == Some(place);
    let Some(length) = place.length else {
        if !is_pixels {
            return Err(Refusal::not_found());
        }
        let found = ranges::frames(&mut headed.plain, &headed.header, None);
        let found = found.map_err(|error| unfit(&error))?.into_iter();
        return Ok(Kept {
            parts: found.map(|ranges| (ranges, here.clone())).collect(),
            kind: kind_of(&headed.syntax).to_owned(),
            syntax: Some(kept_syntax(&headed.syntax)),
            swap: 1,
        });
    };
    let document = || Document::of(&headed.header, length);
    let kind = match tag == tags::ENCAPSULATED_DOCUMENT {
        true => document().map_or(OCTETS, |document| shown_as(&document.media_type)),
        false => OCTETS,
    };
    let range = ranges::Range {
        offset: place.offset,
        length,
    };
    Ok(Kept {
        parts: vec![(vec![range], here)],
        kind: kind.to_owned(),
        syntax: None,
        // Values are given in little endian (PS3.18 section 8.7.3.3.2).
        swap: match (headed.encoding(), is_pixels) {
            (encoding, true) => ranges::swap_width(&headed.header, encoding),
            (Encoding::ExplicitBig, false) => width(vr),
            (_, false) => 1,
        },
    })
}

/// The transfer syntax in which frames are given as they are kept: native pixels in little endian, whatever they are
/// kept as.
pub(super) fn kept_syntax(syntax: &TransferSyntax) -> String {
    match syntax.has_native_pixels() {
        true => EXPLICIT_VR_LITTLE_ENDIAN.as_str().to_owned(),
        false => syntax.uid().as_str().to_owned(),
    }
}

pub(super) fn kind_of(syntax: &TransferSyntax) -> &'static str {
    let mut known = COMPRESSED.iter();
    known
        .find(|(uid, _)| *uid == syntax.uid().as_str())
        .map_or(OCTETS, |(_, kind)| *kind)
}

fn unfit(error: &RangeError) -> Refusal {
    match error {
        RangeError::None => Refusal::not_found(),
        RangeError::Contradiction => Refusal::new(http::StatusCode::CONFLICT, contradiction()),
        RangeError::InsideByte => Refusal::not_acceptable(inside_byte()),
        RangeError::Unreadable(error) => {
            tracing::error!(target: "dokuei::web", "an object cannot be read: {error}");
            Refusal::failed()
        }
    }
}

fn contradiction() -> crate::language::Message {
    say!(
        "この画像の画素データは、画像の記述と合っていません。",
        "The pixel data of this object does not go with its description."
    )
}

fn inside_byte() -> crate::language::Message {
    say!(
        "この画像のフレームはバイトの途中で始まるため、そのままでは返せません。",
        "The frames of this object begin inside of bytes and cannot be given as they are."
    )
}
