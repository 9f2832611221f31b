//! Whether two objects under one UID are one image that was coded in two ways: a modality or an archive that sends again
//! what it has brought into another transfer syntax. What they say is compared without the coding of their pixels, the
//! pixels by what decoders make of them.
//!
//! Bounded in memory by the transcoder's turns and allowance, and in time by [`LONGEST`].

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::SealContext;
use dokuei_keys::secret::ContentKey;

use crate::dicom::dataset::{Bounds, DataSet, Element, Value, by_dictionary, read, write};
use crate::dicom::scanner::{DEPTH_MAX, Encoding, TransferSyntax};
use crate::dicom::uid::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, IMPLICIT_VR_LITTLE_ENDIAN, JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS, JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, RLE_LOSSLESS, Uid,
};
use crate::parcels::{ObjectHead, OpenError, OpenedObject};
use crate::pixels::{Codec, DecodeError, Photometric};
use crate::transcoding::Transcoder;
use crate::transcoding::frames::{FrameError, Frames};
use crate::transcoding::ranges::{self, Plain, Range};
use crate::transcoding::recoded::HEADER_IN_MEMORY;

/// How long two objects are compared, while the sender of one waits for its answer: senders give up
/// after some thirty seconds. A CT slice takes a hundredth of a second.
const LONGEST: Duration = Duration::from_secs(20);

/// Transfer syntaxes whose pixels lose nothing (PS3.5 §10, annex A).
const LOSSLESS: [Uid; 11] = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    RLE_LOSSLESS,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    JPEG_2000_LOSSLESS,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
];
/// Each frame deflated (PS3.5 §A.4.13).
const DEFLATED_FRAMES: &str = "1.2.840.10008.1.2.8.1";

/// What coders write anew: how pixels are laid out, what was done, and where fragments lie. The interpretation of the
/// pixels is compared as it is once they are decoded.
const OF_CODING: [Tag; 8] = [
    tags::PLANAR_CONFIGURATION,
    tags::DERIVATION_DESCRIPTION,
    tags::EXTENDED_OFFSET_TABLE,
    tags::EXTENDED_OFFSET_TABLE_LENGTHS,
    Tag(0x7FE0, 0x0003),
    tags::PIXEL_DATA,
    tags::FLOAT_PIXEL_DATA,
    tags::DOUBLE_FLOAT_PIXEL_DATA,
];
/// What says that something was lost, how, and from what: coders with loss often change the colours, too.
const OF_LOSSES: [Tag; 7] = [
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::LOSSY_IMAGE_COMPRESSION_RATIO,
    tags::LOSSY_IMAGE_COMPRESSION_METHOD,
    tags::IMAGE_TYPE,
    tags::SOURCE_IMAGE_SEQUENCE,
    tags::DERIVATION_CODE_SEQUENCE,
    tags::PHOTOMETRIC_INTERPRETATION,
];

/// Bytes of closed sequences that are taken apart in one object: as much as a header may have. Of those inside each other
/// each is counted, and in memory, once more.
const OPENED_BYTES: usize = Bounds::HEADER.kept_bytes;

/// What an item of a sequence begins with, in little endian (PS3.5 §7.5.1).
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];

/// A sealed object that lies here.
pub struct Sealed {
    /// Its file.
    pub file: PathBuf,
    /// The key of the parcel that it was sealed for.
    pub key: ContentKey,
    /// That parcel.
    pub parcel: ParcelId,
    /// The site that sealed it.
    pub site: SiteId,
    /// Its slot.
    pub slot: u32,
}

/// What two objects are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// One image, coded in two ways that lose nothing, or in one.
    Same,
    /// They say different things, or show different ones.
    Different,
    /// They say the same, and one or both are coded with loss.
    Lossy,
    /// They say the same, and their pixels cannot be compared.
    Unknown,
}

/// Why two objects cannot be compared.
struct Incomparable;

impl From<OpenError> for Incomparable {
    fn from(_: OpenError) -> Incomparable {
        Incomparable
    }
}

impl From<io::Error> for Incomparable {
    fn from(_: io::Error) -> Incomparable {
        Incomparable
    }
}

impl From<DecodeError> for Incomparable {
    fn from(_: DecodeError) -> Incomparable {
        Incomparable
    }
}

impl From<FrameError> for Incomparable {
    fn from(_: FrameError) -> Incomparable {
        Incomparable
    }
}

impl From<crate::dicom::dataset::ReadError> for Incomparable {
    fn from(_: crate::dicom::dataset::ReadError) -> Incomparable {
        Incomparable
    }
}

/// Compares two objects. Blocks, and so must be called outside of the runtime's tasks.
pub fn likeness(transcoder: &Transcoder, [one, other]: [&Sealed; 2]) -> Likeness {
    let until = Instant::now() + LONGEST;
    compared(transcoder, [one, other], until).unwrap_or(Likeness::Unknown)
}

fn compared(
    transcoder: &Transcoder,
    [one, other]: [&Sealed; 2],
    until: Instant,
) -> Result<Likeness, Incomparable> {
    let syntaxes = [one.open()?.0, other.open()?.0];
    let is_one = syntaxes[0].uid() == syntaxes[1].uid();
    let is_lossless = syntaxes.iter().all(|syntax| loses_nothing(syntax.uid()));
    let left_out: &[Tag] = match is_one || is_lossless {
        true => &[],
        false => &OF_LOSSES,
    };
    let said = |object: &Sealed| object.said(transcoder, left_out, until);
    if said(one)? != said(other)? {
        return Ok(Likeness::Different);
    }
    let is_same = if is_one {
        one.coded()? == other.coded()?
    } else if is_lossless {
        let shown = |object: &Sealed| object.shown(transcoder, until);
        shown(one)? == shown(other)?
    } else if syntaxes
        .iter()
        .all(|syntax| Codec::of(syntax.uid()).is_some())
    {
        return Ok(Likeness::Lossy);
    } else {
        return Err(Incomparable);
    };
    Ok(match is_same {
        true => Likeness::Same,
        false => Likeness::Different,
    })
}

fn in_time(until: Instant) -> Result<(), Incomparable> {
    match Instant::now() <= until {
        true => Ok(()),
        false => Err(Incomparable),
    }
}

fn loses_nothing(syntax: &Uid) -> bool {
    LOSSLESS.contains(syntax) || syntax.as_str() == DEFLATED_FRAMES
}

impl Sealed {
    /// How it is written, and its data set.
    fn open(&self) -> Result<(TransferSyntax, Plain<'static>), Incomparable> {
        let sealed_for = SealContext {
            parcel: self.parcel,
            site: self.site,
            slot: self.slot,
        };
        let mut opened = OpenedObject::open_file(&self.file, &self.key, sealed_for)?;
        let head = ObjectHead::read(&mut opened)?.ok_or(Incomparable)?;
        let syntax = Uid::parse_lenient(head.transfer_syntax.as_bytes());
        let syntax = TransferSyntax::from(syntax.map_err(|_| Incomparable)?);
        let encoding = syntax.encoding();
        Ok((syntax, Plain::of(opened, encoding)))
    }

    /// What stands before its pixels, as a digest of its one form.
    fn said(
        &self,
        transcoder: &Transcoder,
        left_out: &[Tag],
        until: Instant,
    ) -> Result<blake3::Hash, Incomparable> {
        let _turn = transcoder.turn(&|| in_time(until).is_ok())?;
        let (syntax, mut plain) = self.open()?;
        let header = plain.header(syntax.encoding(), &Bounds::WHOLE_HEADER)?;
        told(&header, left_out)
    }

    /// Its pixels and what stands behind them, as they are kept.
    fn coded(&self) -> Result<blake3::Hash, Incomparable> {
        let (syntax, mut plain) = self.open()?;
        // Only to stand behind it.
        plain.header(syntax.encoding(), &Bounds::HEADER)?;
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut plain, &mut hasher)?;
        Ok(hasher.finalize())
    }

    /// Its frames as decoders make them, and what stands behind them.
    fn shown(&self, transcoder: &Transcoder, until: Instant) -> Result<blake3::Hash, Incomparable> {
        let is_wanted = || in_time(until).is_ok();
        let (syntax, mut behind) = self.open()?;
        let encoding = syntax.encoding();
        let turn = transcoder.turn(&is_wanted)?;
        let header = behind.header(encoding, &Bounds::WHOLE_HEADER)?;
        let mut hasher = blake3::Hasher::new();
        let Some(place) = ranges::pixels(&header) else {
            return Ok(hasher.finalize());
        };
        let size = HEADER_IN_MEMORY * write(&header, Encoding::ImplicitLittle).len() as u64;
        let numbers = ranges::all_frames(&header)?;
        let frames = Frames::find((&syntax, header), &mut behind, &numbers)?;
        if let Some(length) = place.length {
            let pixels = Range {
                offset: place.offset,
                length,
            };
            behind.copy(pixels, 1, &mut io::sink())?;
        }
        let inside = match encoding {
            Encoding::DeflatedExplicitLittle | Encoding::ExplicitLittle => Encoding::ExplicitLittle,
            native if place.length.is_some() => native,
            _ => Encoding::ExplicitLittle,
        };
        let tail = read(&mut behind, inside, &Bounds::WHOLE_HEADER)?;
        hasher.update(told(&tail, &[])?.as_bytes());
        drop((tail, turn));
        let held = size + frames.longest() + frames.image(0)?.frame_bytes();
        let _held = transcoder.allowance(held, &is_wanted)?;
        let (_, mut plain) = self.open()?;
        for at in 0..frames.count() {
            in_time(until)?;
            let source = frames.source(at, &mut plain)?;
            hasher.update(&transcoder.decode(&frames.image(at)?, &source, &is_wanted)?);
        }
        Ok(hasher.finalize())
    }
}

/// A digest of what a data set says, whatever it is written in: without the coding of its pixels and what is left out.
fn told(data_set: &DataSet, left_out: &[Tag]) -> Result<blake3::Hash, Incomparable> {
    let mut kept = plainly(data_set, 0, &mut { OPENED_BYTES })?;
    for tag in left_out {
        kept.take(*tag);
    }
    let interpretation = kept.code(tags::PHOTOMETRIC_INTERPRETATION);
    if let Some(interpretation) = Photometric::named(interpretation) {
        let decoded = interpretation.decoded().name();
        kept.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, decoded);
    }
    // That nothing was lost may be said or not.
    if kept.code(tags::LOSSY_IMAGE_COMPRESSION) == "00" {
        kept.take(tags::LOSSY_IMAGE_COMPRESSION);
    }
    Ok(blake3::hash(&write(&kept, Encoding::ImplicitLittle)))
}

/// A data set in one form: nothing of the coding, no lengths of groups, no padding of texts, and every sequence taken apart. It lies inside so many
/// sequences; those that are taken apart here count like others, so that walking it cannot overflow a stack.
fn plainly(data_set: &DataSet, level: usize, room: &mut usize) -> Result<DataSet, Incomparable> {
    if level > DEPTH_MAX {
        return Err(Incomparable);
    }
    let mut plain = Vec::new();
    for Element { tag, value, .. } in data_set.elements() {
        let is_of_coding = level == 0 && OF_CODING.contains(tag);
        if tag.element() == 0 || *tag == tags::DATA_SET_TRAILING_PADDING || is_of_coding {
            continue;
        }
        let named = by_dictionary(*tag, false);
        let opened = match value {
            Value::Bytes(bytes) if named == VR::UN && bytes.starts_with(&ITEM) => {
                *room = room.checked_sub(bytes.len()).ok_or(Incomparable)?;
                items_in(bytes)
            }
            _ => None,
        };
        let (vr, value) = match (value, &opened) {
            (Value::Items(items), _) | (_, Some(items)) => {
                (VR::SQ, Value::Items(all_plainly(items, level + 1, room)?))
            }
            (Value::Bytes(bytes), None) => (named, Value::Bytes(unpadded(named, bytes).to_vec())),
            // Fragments of an icon, which nobody decodes for this.
            (Value::Bulk(_), None) => return Err(Incomparable),
        };
        let tag = *tag;
        plain.push(Element { tag, vr, value });
    }
    Ok(plain.into_iter().collect())
}

fn all_plainly(
    items: &[DataSet],
    level: usize,
    room: &mut usize,
) -> Result<Vec<DataSet>, Incomparable> {
    let items = items.iter().map(|item| plainly(item, level, room));
    items.collect()
}

/// The items of a sequence that is written as a value of unknown kind, as private ones are in Implicit VR.
fn items_in(bytes: &[u8]) -> Option<Vec<DataSet>> {
    // As a sequence that the dictionary knows.
    let Tag(group, element) = tags::REFERENCED_STUDY_SEQUENCE;
    let length = u32::try_from(bytes.len()).ok()?;
    let head = [
        &group.to_le_bytes()[..],
        &element.to_le_bytes(),
        &length.to_le_bytes(),
    ];
    let head = head.concat();
    let mut whole = head.chain(bytes);
    let found = read(&mut whole, Encoding::ImplicitLittle, &Bounds::WHOLE_HEADER);
    match found.ok()?.take(tags::REFERENCED_STUDY_SEQUENCE)?.value {
        Value::Items(items) => Some(items),
        Value::Bytes(_) | Value::Bulk(_) => None,
    }
}

/// A value without what pads it to an even length.
fn unpadded(vr: VR, bytes: &[u8]) -> &[u8] {
    let is_text = matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::IS
            | VR::LO
            | VR::LT
            | VR::PN
            | VR::SH
            | VR::ST
            | VR::TM
            | VR::UC
            | VR::UI
            | VR::UR
            | VR::UT
    );
    let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' '));
    match is_text {
        true => &bytes[..end.map_or(0, |end| end + 1)],
        false => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: Tag = Tag(0x0009, 0x1001);

    fn same(one: &DataSet, other: &DataSet) -> bool {
        let told = |set| told(set, &[]).ok().unwrap();
        told(one) == told(other)
    }

    /// A data set with its private sequence taken apart, or closed as Implicit VR leaves it.
    fn sample(comments: &str, is_closed: bool) -> DataSet {
        let mut item = DataSet::default();
        item.put_text(tags::PATIENT_COMMENTS, VR::LT, comments);
        let mut set = DataSet::default();
        set.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        match is_closed {
            true => {
                let inside = write(&item, Encoding::ImplicitLittle);
                let mut value = ITEM.to_vec();
                value.extend((inside.len() as u32).to_le_bytes());
                set.put_bytes(PRIVATE, VR::UN, [value, inside].concat());
            }
            false => set.put_items(PRIVATE, vec![item]),
        }
        set
    }

    #[test]
    fn how_it_is_written_is_no_difference_and_what_is_said_is() {
        let plain = sample("x", false);
        assert!(same(&plain, &sample("x", true)));
        assert!(!same(&plain, &sample("y", true)) && !same(&plain, &sample("y", false)));
        let mut coded = plain.clone();
        coded.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_RCT");
        coded.put_text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
        coded.put_text(tags::DERIVATION_DESCRIPTION, VR::ST, "by a coder");
        coded.put_bytes(Tag(0x0008, 0), VR::UL, [1, 0, 0, 0]);
        assert!(same(&plain, &coded));
        coded.put_text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
        assert!(!same(&plain, &coded));
        coded.take(tags::LOSSY_IMAGE_COMPRESSION);
        coded.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL");
        assert!(!same(&plain, &coded));
    }

    /// Sequences inside each other, as deep as the reader lets them nest, and closed ones as many times as there are.
    fn nested(closed: usize) -> DataSet {
        let mut set = DataSet::default();
        set.put_text(tags::PATIENT_COMMENTS, VR::LT, "x");
        for number in 0..closed {
            for _ in 0..DEPTH_MAX - 2 {
                let mut outer = DataSet::default();
                outer.put_items(tags::REFERENCED_STUDY_SEQUENCE, vec![set]);
                set = outer;
            }
            if number + 1 < closed {
                let inside = write(&set, Encoding::ImplicitLittle);
                let mut value = ITEM.to_vec();
                value.extend((inside.len() as u32).to_le_bytes());
                value.extend(inside);
                set = DataSet::default();
                set.put_bytes(PRIVATE, VR::UN, value);
            }
        }
        set
    }

    #[test]
    fn sequences_closed_inside_each_other_are_taken_apart_within_bounds() {
        for (closed, is_compared) in [(1, true), (2, false), (100, false)] {
            // Less than an association's thread has, which has more to do.
            let thread = std::thread::Builder::new().stack_size(1024 * 1024);
            let compared = thread.spawn(move || told(&nested(closed), &[]).is_ok());
            assert_eq!(compared.unwrap().join().unwrap(), is_compared);
        }
        let large = sample(&"x".repeat(1024 * 1024), true);
        assert!(plainly(&large, 0, &mut (2 << 20)).is_ok());
        assert!(plainly(&large, 0, &mut (1 << 20)).is_err());
    }
}
