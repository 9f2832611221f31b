//! WADO-RS: one instance in Explicit VR Little Endian that is kept otherwise. Its header is written anew, its pixels are
//! copied, or go through a decoder frame by frame.

use std::io::{self, Write as _};

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::answer::{Answer, Refusal};
use super::body::Pipe;
use super::decoding::{Decoding, Made, undecodable};
use super::headed::Headed;
use super::image::{Frames, NoFrame};
use super::piped::piped;
use super::retrieve::{boundary, made_tag, open};
use super::turns::Turn;
use crate::dicom::dataset::{Bounds, DataSet, Value, element_head, write};
use crate::dicom::part10::file_head;
use crate::dicom::scanner::Encoding;
use crate::dicom::uid::{EXPLICIT_VR_LITTLE_ENDIAN, Uid};
use crate::index::holdings::{Holdings, Instance};
use crate::pixels::{Codec, DecodeError};
use crate::transcoding::header::{describe_decoded, pixel_vr, without_group_lengths};
use crate::transcoding::ranges::{self, Plain, Range};

/// The media type of what is given here.
pub(super) const KIND: &str = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1";

/// An instance on its way into another transfer syntax.
pub(super) enum Transcoded {
    /// With frames that are decoded.
    Decoding(Box<Decoding>),
    /// With pixels that are copied.
    Copying(Box<Copying>),
}

/// An instance whose pixels, if it has any, are not compressed.
pub(super) struct Copying {
    holdings: Holdings,
    instance: Instance,
    encoding: Encoding,
    /// The file up to the first byte of its pixels.
    head: Vec<u8>,
    pixels: Option<Range>,
    swap: usize,
    multipart: bool,
    at: String,
    tag: String,
}

impl Transcoded {
    /// What changes when the answer would.
    pub(super) fn tag(&self) -> &str {
        match self {
            Transcoded::Decoding(decoding) => &decoding.tag,
            Transcoded::Copying(copying) => &copying.tag,
        }
    }
}

/// Reads an instance as far as its pixels.
///
/// # Errors
/// When it cannot be read, or is not decoded here.
pub(super) fn transcoded(
    (holdings, instance): (&Holdings, &Instance),
    at: String,
    multipart: bool,
) -> Result<Transcoded, Refusal> {
    let headed = Headed::read(holdings, instance, &Bounds::WHOLE_HEADER)?;
    let codec = Codec::of(headed.syntax.uid());
    let codec = codec.ok_or_else(|| undecodable(DecodeError::Unsupported.into()))?;
    let tag = made_tag(instance, if multipart { "tm" } else { "ts" });
    let encoding = headed.encoding();
    match ranges::pixels(&headed.header) {
        Some(place) if codec.is_encapsulated() && place.length.is_none() => {
            let (frames, head) = decoded(instance, headed, holdings).map_err(undecodable)?;
            Ok(Transcoded::Decoding(Box::new(Decoding {
                frames,
                made: Made::Samples,
                object: Some(head),
                multipart,
                at,
                tag,
                warning: None,
            })))
        }
        pixels => {
            let swap = ranges::swap_width(&headed.header, encoding);
            let (head, pixels) = copied(instance, headed.header, pixels)?;
            Ok(Transcoded::Copying(Box::new(Copying {
                holdings: holdings.clone(),
                instance: instance.clone(),
                encoding,
                head,
                pixels,
                swap,
                multipart,
                at,
                tag,
            })))
        }
    }
}

/// The frames of an instance, and its file up to the first of them.
fn decoded(
    instance: &Instance,
    headed: Headed,
    holdings: &Holdings,
) -> Result<(Frames, Vec<u8>), NoFrame> {
    let count = ranges::frame_count(&headed.header);
    let (mut header, syntax) = (headed.header.clone(), headed.syntax.clone());
    let numbers = ranges::all_frames(&headed.header)?;
    let frames = Frames::find((holdings, instance), headed, &numbers)?;
    let image = frames.image(0)?;
    let bits = image.pixels() * u64::from(image.bits_allocated);
    if bits % 8 != 0 && count > 1 {
        return Err(DecodeError::Unsupported.into());
    }
    describe_decoded(&mut header, &image, syntax.uid());
    let bytes = image.frame_bytes() * u64::from(count);
    let pixels = (tags::PIXEL_DATA, pixel_vr(&image), bytes);
    let head = file(instance, &header, Some(pixels));
    Ok((frames, head.ok_or(DecodeError::TooLarge)?))
}

fn copied(
    instance: &Instance,
    header: DataSet,
    pixels: Option<crate::dicom::dataset::Bulk>,
) -> Result<(Vec<u8>, Option<Range>), Refusal> {
    let damaged = || undecodable(DecodeError::Damaged.into());
    let range = match pixels {
        Some(place) => Some(Range {
            offset: place.offset,
            length: place.length.ok_or_else(damaged)?,
        }),
        None => None,
    };
    let element = header
        .elements()
        .iter()
        .find(|element| matches!(element.value, Value::Bulk(_)));
    let element = element.map(|element| (element.tag, element.vr));
    let element = element
        .zip(range)
        .map(|((tag, vr), range)| (tag, vr, range.length));
    let head = file(instance, &header, element);
    let head = head.ok_or_else(|| undecodable(DecodeError::TooLarge.into()))?;
    Ok((head, range))
}

/// A file up to the first byte of its pixels: their tag, VR and bytes. None when these are more than an element holds.
fn file(
    instance: &Instance,
    header: &DataSet,
    pixels: Option<(dicom_core::Tag, VR, u64)>,
) -> Option<Vec<u8>> {
    let uid = |text: &str| Uid::parse_lenient(text.as_bytes()).ok();
    let (class, own) = (uid(&instance.sop_class)?, uid(&instance.sop_instance)?);
    let mut out = file_head(&class, &own, &EXPLICIT_VR_LITTLE_ENDIAN);
    let header = without_group_lengths(header);
    out.extend(write(&header, Encoding::ExplicitLittle));
    if let Some((tag, vr, bytes)) = pixels {
        let length = u32::try_from(bytes.next_multiple_of(2)).ok();
        let length = length.filter(|length| *length < u32::MAX)?;
        out.extend(element_head(tag, vr, length, Encoding::ExplicitLittle));
    }
    Some(out)
}

impl Copying {
    /// Answers with it.
    pub(super) fn streamed(self: Box<Self>, turn: Turn) -> Answer {
        let boundary = self.multipart.then(boundary);
        let kind = match &boundary {
            Some(boundary) => {
                format!("multipart/related; type=\"application/dicom\"; boundary={boundary}")
            }
            None => KIND.to_owned(),
        };
        let tag = self.tag.clone();
        piped(&kind, Some(&tag), turn, move |out| {
            self.stream(boundary.as_deref(), out)
        })
    }

    fn stream(&self, boundary: Option<&str>, pipe: &mut Pipe) -> io::Result<()> {
        if let Some(boundary) = boundary {
            let place = &self.at;
            write!(
                pipe,
                "\r\n--{boundary}\r\nContent-Type: {KIND}\r\nContent-Location: {place}\r\n\r\n"
            )?;
        }
        pipe.write_all(&self.head)?;
        if let Some(pixels) = self.pixels {
            let opened = open(&self.holdings, &self.instance).map_err(io::Error::other)?;
            let opened = opened.ok_or(io::ErrorKind::NotFound)?;
            let mut plain = Plain::of(opened.data_set, self.encoding);
            plain.copy(pixels, self.swap, pipe)?;
            if pixels.length % 2 == 1 {
                pipe.write_all(&[0])?;
            }
        }
        if let Some(boundary) = boundary {
            write!(pipe, "\r\n--{boundary}--\r\n")?;
        }
        Ok(())
    }
}
