//! Whether two objects under one UID are one image that was coded in two ways: a modality or an archive that sends again
//! what it has brought into another transfer syntax. What they say is compared without the coding of their pixels, the
//! pixels by what decoders make of them. In one transfer syntax nothing is decoded, and so the coding is compared, too.
//!
//! Bounded in memory by the transcoder's turns and allowance, and in time by [`LONGEST`].

#[cfg(test)]
mod tests;
mod told;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::SealContext;
use dokuei_keys::secret::ContentKey;

use crate::dicom::dataset::{Bounds, ReadError, read, write};
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::uid::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, IMPLICIT_VR_LITTLE_ENDIAN, JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS, JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, RLE_LOSSLESS, Uid,
};
use crate::parcels::{ObjectHead, OpenError, OpenedObject};
use crate::pixels::{Codec, DecodeError};
use crate::transcoding::Transcoder;
use crate::transcoding::frames::{FrameError, Frames};
use crate::transcoding::ranges::{self, Plain, Range};
use crate::transcoding::recoded::HEADER_IN_MEMORY;
use told::{Without, told};

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

/// Nothing can be said of two objects now: the disk or the decoders failed, or had too much to do.
#[derive(Debug)]
pub struct NotNow;

/// Why two objects cannot be compared.
enum Incomparable {
    /// It may be possible another time.
    ForNow,
    /// It is in the objects.
    ForGood,
}

impl From<OpenError> for Incomparable {
    fn from(error: OpenError) -> Incomparable {
        match error {
            OpenError::Disk(error) => error.into(),
            OpenError::Damaged => Incomparable::ForGood,
        }
    }
}

impl From<io::Error> for Incomparable {
    fn from(error: io::Error) -> Incomparable {
        match error.kind() {
            // Not what was sealed, shorter than it says, or deflated wrongly.
            io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput => Incomparable::ForGood,
            _ => Incomparable::ForNow,
        }
    }
}

impl From<DecodeError> for Incomparable {
    fn from(error: DecodeError) -> Incomparable {
        match error {
            DecodeError::Busy | DecodeError::Late | DecodeError::Unavailable => {
                Incomparable::ForNow
            }
            DecodeError::Unsupported
            | DecodeError::Description
            | DecodeError::Damaged
            | DecodeError::TooLarge
            | DecodeError::NoFrame
            | DecodeError::Ended => Incomparable::ForGood,
        }
    }
}

impl From<FrameError> for Incomparable {
    fn from(error: FrameError) -> Incomparable {
        match error {
            FrameError::NoImage => Incomparable::ForGood,
            FrameError::Undecodable(error) => error.into(),
            FrameError::Unreadable(error) => error.into(),
        }
    }
}

impl From<ReadError> for Incomparable {
    fn from(error: ReadError) -> Incomparable {
        match error {
            ReadError::Io(error) => error.into(),
            ReadError::Malformed(_) | ReadError::TooLarge => Incomparable::ForGood,
        }
    }
}

/// Compares two objects. Blocks, and so must be called outside of the runtime's tasks.
///
/// # Errors
/// [`NotNow`].
pub fn likeness(transcoder: &Transcoder, [one, other]: [&Sealed; 2]) -> Result<Likeness, NotNow> {
    let until = Instant::now() + LONGEST;
    compared(transcoder, [one, other], until).or_else(|error| match error {
        Incomparable::ForGood => Ok(Likeness::Unknown),
        Incomparable::ForNow => Err(NotNow),
    })
}

fn compared(
    transcoder: &Transcoder,
    [one, other]: [&Sealed; 2],
    until: Instant,
) -> Result<Likeness, Incomparable> {
    let syntaxes = [one.open(until)?.0, other.open(until)?.0];
    let is_one = syntaxes[0].uid() == syntaxes[1].uid();
    let is_lossless = syntaxes.iter().all(|syntax| loses_nothing(syntax.uid()));
    let without = match (is_one, is_lossless) {
        (true, _) => Without::Places,
        (false, true) => Without::Coding,
        (false, false) => Without::Losses,
    };
    let said = |object: &Sealed| object.said(transcoder, without, until);
    if said(one)? != said(other)? {
        return Ok(Likeness::Different);
    }
    let is_same = if is_one {
        let coded = |object: &Sealed| object.coded(transcoder, until);
        coded(one)? == coded(other)?
    } else if is_lossless {
        let shown = |object: &Sealed| object.shown(transcoder, until);
        shown(one)? == shown(other)?
    } else if syntaxes
        .iter()
        .all(|syntax| Codec::of(syntax.uid()).is_some())
    {
        return Ok(Likeness::Lossy);
    } else {
        return Err(Incomparable::ForGood);
    };
    Ok(match is_same {
        true => Likeness::Same,
        false => Likeness::Different,
    })
}

fn in_time(until: Instant) -> Result<(), Incomparable> {
    match Instant::now() <= until {
        true => Ok(()),
        false => Err(Incomparable::ForNow),
    }
}

fn loses_nothing(syntax: &Uid) -> bool {
    LOSSLESS.contains(syntax) || syntax.as_str() == DEFLATED_FRAMES
}

impl Sealed {
    /// How it is written, and its data set, which is read in time or not at all.
    fn open(&self, until: Instant) -> Result<(TransferSyntax, Plain<'static>), Incomparable> {
        let sealed_for = SealContext {
            parcel: self.parcel,
            site: self.site,
            slot: self.slot,
        };
        let mut opened = OpenedObject::open_file(&self.file, &self.key, sealed_for)?;
        let head = ObjectHead::read(&mut opened)?.ok_or(Incomparable::ForGood)?;
        let syntax = Uid::parse_lenient(head.transfer_syntax.as_bytes());
        let syntax = TransferSyntax::from(syntax.map_err(|_| Incomparable::ForGood)?);
        let encoding = syntax.encoding();
        Ok((syntax, Plain::of(opened, encoding).by(until)))
    }

    /// What stands before its pixels, as a digest of its one form.
    fn said(
        &self,
        transcoder: &Transcoder,
        without: Without,
        until: Instant,
    ) -> Result<blake3::Hash, Incomparable> {
        let _turn = transcoder.turn(&|| in_time(until).is_ok())?;
        let (syntax, mut plain) = self.open(until)?;
        let header = plain.header(syntax.encoding(), &Bounds::WHOLE_HEADER)?;
        told(&header, without)
    }

    /// Its pixels and what stands behind them, as they are kept.
    fn coded(&self, transcoder: &Transcoder, until: Instant) -> Result<blake3::Hash, Incomparable> {
        let (syntax, mut plain) = self.open(until)?;
        let turn = transcoder.turn(&|| in_time(until).is_ok())?;
        // Only to stand behind it.
        plain.header(syntax.encoding(), &Bounds::HEADER)?;
        drop(turn);
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut plain, &mut hasher)?;
        Ok(hasher.finalize())
    }

    /// Its frames as decoders make them, and what stands behind them.
    fn shown(&self, transcoder: &Transcoder, until: Instant) -> Result<blake3::Hash, Incomparable> {
        let is_wanted = || in_time(until).is_ok();
        let (syntax, mut behind) = self.open(until)?;
        let encoding = syntax.encoding();
        let turn = transcoder.turn(&is_wanted)?;
        let header = behind.header(encoding, &Bounds::WHOLE_HEADER)?;
        let mut hasher = blake3::Hasher::new();
        let Some(place) = ranges::pixels(&header) else {
            return Ok(hasher.finalize());
        };
        let size = HEADER_IN_MEMORY * write(&header, Encoding::ImplicitLittle).len() as u64;
        // Of the pixels behind it there may be gigabytes, for which nobody waits who has a header to read.
        drop(turn);
        let numbers = ranges::all_frames(&header)?;
        let frames = Frames::find((&syntax, header), &mut behind, &numbers)?;
        let held = size + frames.longest() + frames.image(0)?.frame_bytes();
        // Who has a turn waits for no allowance, and so this may be held while a turn is waited for.
        let _held = transcoder.allowance(held, &is_wanted)?;
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
        let turn = transcoder.turn(&is_wanted)?;
        let tail = read(&mut behind, inside, &Bounds::WHOLE_HEADER)?;
        hasher.update(told(&tail, Without::Coding)?.as_bytes());
        drop((tail, turn));
        let (_, mut plain) = self.open(until)?;
        for at in 0..frames.count() {
            in_time(until)?;
            let source = frames.source(at, &mut plain)?;
            let image = frames.image(at)?;
            let decode = || transcoder.decode(&image, &source, &is_wanted);
            // A decoder may have been ended for want of memory by others; what ends it twice is the frame.
            let decoded = match decode() {
                Err(DecodeError::Ended) => decode(),
                once => once,
            };
            hasher.update(&decoded?);
        }
        Ok(hasher.finalize())
    }
}
