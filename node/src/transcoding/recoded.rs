//! One object on its way into another transfer syntax: its header written anew, its pixels copied or decoded frame by
//! frame, and what stands behind them.

use std::collections::VecDeque;
use std::io::{self, Read};

use dicom_dictionary_std::tags;
use tokio::sync::OwnedSemaphorePermit;

use super::Transcoder;
use super::frames::{FrameError, Frames};
use super::header::{describe_decoded, keeps_all, pixel_vr, without_group_lengths};
use super::ranges::{self, Plain, Range};
use crate::dicom::dataset::{Bounds, DataSet, Value, element_head, read, write};
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::scu::{IsWanted, Outgoing};
use crate::pixels::{Codec, DecodeError};

/// Bytes of pixels that are copied at a time: whole numbers of any width.
const PIECE: u64 = 128 * 1024;

/// How many times its bytes a header takes in memory once it is read, as an estimate.
pub(crate) const HEADER_IN_MEMORY: u64 = 3;

/// What an object becomes, as its header says.
pub(crate) struct Plan {
    /// Its data set up to the first byte of its pixels.
    head: Vec<u8>,
    pixels: Pixels,
    from: Encoding,
    into: Encoding,
}

/// What becomes of its pixels.
enum Pixels {
    /// It has none: all of it is header.
    None,
    /// They are copied, numbers of so many bytes turned around.
    Copied { place: Range, swap: usize },
    /// They are decoded; and what stands behind them.
    Decoded { frames: Frames, tail: Vec<u8> },
}

impl Plan {
    /// Reads an object as far as its pixels; encapsulated ones to their end.
    ///
    /// # Errors
    /// [`FrameError`] when it cannot be read, or not be brought into that form.
    pub(super) fn read(
        object: &mut dyn Outgoing,
        syntax: &TransferSyntax,
        into: Encoding,
    ) -> Result<Plan, FrameError> {
        let from = syntax.encoding();
        let codec = Codec::of(syntax.uid()).ok_or(DecodeError::Unsupported)?;
        let source = object.open();
        let source = source.map_err(|error| FrameError::Unreadable(error.into()))?;
        let mut plain = Plain::new(source, from);
        let header = plain.header(from, &Bounds::WHOLE_HEADER);
        let header = header.map_err(FrameError::Unreadable)?;
        let place = ranges::pixels(&header);
        let (head, pixels) = match place.map(|place| (place.offset, place.length)) {
            None => (written(&header, into)?, Pixels::None),
            Some((offset, Some(length))) if !codec.is_encapsulated() => {
                let place = Range { offset, length };
                let head = copied(&header, length, into)?;
                let swap = ranges::swap_width(&header, from);
                (head, Pixels::Copied { place, swap })
            }
            Some((_, None)) if codec.is_encapsulated() => {
                decoded(header, syntax, &mut plain, into)?
            }
            // Whatever that is, it is not what its transfer syntax says.
            Some(_) => return Err(DecodeError::Damaged.into()),
        };
        Ok(Plan {
            head,
            pixels,
            from,
            into,
        })
    }

    /// How the object is kept.
    pub(super) fn from(&self) -> Encoding {
        self.from
    }

    /// Whether its pixels go through a decoder.
    pub(crate) fn decodes(&self) -> bool {
        matches!(self.pixels, Pixels::Decoded { .. })
    }

    /// Most bytes that it takes in memory at a time.
    ///
    /// # Errors
    /// [`DecodeError`] when its image is none.
    pub(crate) fn memory(&self) -> Result<u64, DecodeError> {
        let pixels = match &self.pixels {
            Pixels::None => 0,
            Pixels::Copied { .. } => PIECE,
            Pixels::Decoded { frames, tail } => {
                // What was read of the header is kept for what it says of each frame.
                let read = HEADER_IN_MEMORY * self.head.len() as u64;
                read + frames.longest() + frames.image(0)?.frame_bytes() + tail.len() as u64
            }
        };
        Ok(self.head.len() as u64 + pixels)
    }
}

/// A header in an encoding; the element of its pixels is left out.
fn written(header: &DataSet, into: Encoding) -> Result<Vec<u8>, FrameError> {
    let pixels = [
        tags::PIXEL_DATA,
        tags::FLOAT_PIXEL_DATA,
        tags::DOUBLE_FLOAT_PIXEL_DATA,
    ];
    let elements = header.elements().iter();
    let others = elements.filter(|element| !pixels.contains(&element.tag));
    let others: DataSet = others.cloned().collect();
    // Fragments elsewhere than in pixel data: nobody knows what they are, and they would be lost.
    if !keeps_all(std::slice::from_ref(&others)) {
        return Err(DecodeError::Unsupported.into());
    }
    Ok(write(&without_group_lengths(&others), into))
}

/// A header up to pixels of so many bytes that are copied.
fn copied(header: &DataSet, bytes: u64, into: Encoding) -> Result<Vec<u8>, FrameError> {
    let mut head = written(header, into)?;
    let mut elements = header.elements().iter();
    let pixels = elements.find(|element| matches!(element.value, Value::Bulk(_)));
    let pixels = pixels.ok_or(DecodeError::Damaged)?;
    let length = even(bytes)?;
    head.extend(element_head(pixels.tag, pixels.vr, length, into));
    Ok(head)
}

/// A header up to pixels that are decoded, and how; `plain` stands at their first byte.
fn decoded(
    mut header: DataSet,
    syntax: &TransferSyntax,
    plain: &mut Plain<'_>,
    into: Encoding,
) -> Result<(Vec<u8>, Pixels), FrameError> {
    let numbers = ranges::all_frames(&header)?;
    let frames = Frames::find((syntax, header.clone()), plain, &numbers)?;
    let image = frames.image(0)?;
    image.check().map_err(DecodeError::from)?;
    let bits = image.pixels() * u64::from(image.bits_allocated);
    // Frames that would begin inside of bytes.
    if bits % 8 != 0 && numbers.len() > 1 {
        return Err(DecodeError::Unsupported.into());
    }
    let tail = read(plain, Encoding::ExplicitLittle, &Bounds::WHOLE_HEADER);
    let tail = written(&tail.map_err(FrameError::Unreadable)?, into)?;
    describe_decoded(&mut header, &image, syntax.uid());
    let mut head = written(&header, into)?;
    let bytes = image.frame_bytes().checked_mul(numbers.len() as u64);
    let length = even(bytes.ok_or(DecodeError::TooLarge)?)?;
    let vr = pixel_vr(&image);
    head.extend(element_head(tags::PIXEL_DATA, vr, length, into));
    Ok((head, Pixels::Decoded { frames, tail }))
}

/// A length as an element can have it (PS3.5 §7.1.1).
fn even(bytes: u64) -> Result<u32, DecodeError> {
    let length = u32::try_from(bytes.next_multiple_of(2)).ok();
    let length = length.filter(|length| *length < u32::MAX);
    length.ok_or(DecodeError::TooLarge)
}

/// The data set in its new form, as it is read.
pub(crate) struct Recoded<'o> {
    transcoder: &'o Transcoder,
    is_wanted: &'o IsWanted<'o>,
    plain: Plain<'o>,
    /// What is ready: at most the header and one frame.
    ready: VecDeque<Vec<u8>>,
    /// Bytes of the first of them that were taken.
    taken: usize,
    next: Next,
    from: Encoding,
    into: Encoding,
    _held: Option<OwnedSemaphorePermit>,
}

/// What comes behind that.
enum Next {
    /// The rest of pixels that are copied; whether a byte of padding is still to come.
    Copied {
        left: Range,
        swap: usize,
        is_odd: bool,
    },
    /// Frames from this one on; bytes so far.
    Decoded {
        frames: Frames,
        at: usize,
        bytes: u64,
        tail: Vec<u8>,
    },
    /// What stands behind the pixels.
    Tail,
    Nothing,
}

impl<'o> Recoded<'o> {
    /// An object by its plan; `plain` stands at its first byte. The first frame is decoded by then, so that what fails
    /// with it costs nothing but this object.
    ///
    /// # Errors
    /// [`FrameError`].
    pub(super) fn begin(
        (transcoder, is_wanted): (&'o Transcoder, &'o IsWanted<'o>),
        plan: Plan,
        plain: Plain<'o>,
        held: Option<OwnedSemaphorePermit>,
    ) -> Result<Recoded<'o>, FrameError> {
        let next = match plan.pixels {
            Pixels::None => Next::Nothing,
            Pixels::Copied { place, swap } => Next::Copied {
                left: place,
                swap,
                is_odd: place.length % 2 == 1,
            },
            Pixels::Decoded { frames, tail } => Next::Decoded {
                frames,
                at: 0,
                bytes: 0,
                tail,
            },
        };
        let mut recoded = Recoded {
            transcoder,
            is_wanted,
            plain,
            ready: VecDeque::from([plan.head]),
            taken: 0,
            next,
            from: plan.from,
            into: plan.into,
            _held: held,
        };
        if matches!(recoded.next, Next::Decoded { .. }) {
            let first = recoded.more()?;
            recoded.ready.extend(first);
        }
        Ok(recoded)
    }

    /// The next bytes, none when there are no more.
    fn more(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        match &mut self.next {
            Next::Copied { left, swap, is_odd } => {
                let mut piece = Vec::new();
                let now = Range {
                    offset: left.offset,
                    length: left.length.min(PIECE),
                };
                let copied = self.plain.copy(now, *swap, &mut piece);
                copied.map_err(|error| FrameError::Unreadable(error.into()))?;
                left.offset += now.length;
                left.length -= now.length;
                if left.length == 0 {
                    piece.extend(is_odd.then_some(0));
                    self.next = Next::Tail;
                }
                Ok(Some(piece))
            }
            Next::Decoded {
                frames,
                at,
                bytes,
                tail,
            } => {
                let image = frames.image(*at)?;
                let source = frames.source(*at, &mut self.plain)?;
                let mut made = self.transcoder.decode(&image, &source, self.is_wanted)?;
                *at += 1;
                *bytes += made.len() as u64;
                if *at == frames.count() {
                    made.extend((*bytes % 2 == 1).then_some(0));
                    made.append(tail);
                    self.next = Next::Nothing;
                }
                Ok(Some(made))
            }
            Next::Tail => {
                self.next = Next::Nothing;
                let inside = match self.from {
                    Encoding::DeflatedExplicitLittle => Encoding::ExplicitLittle,
                    plain => plain,
                };
                let tail = read(&mut self.plain, inside, &Bounds::WHOLE_HEADER);
                written(&tail.map_err(FrameError::Unreadable)?, self.into).map(Some)
            }
            Next::Nothing => Ok(None),
        }
    }
}

impl Read for Recoded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(first) = self.ready.front() else {
                match self.more().map_err(super::failure)? {
                    Some(bytes) => self.ready.push_back(bytes),
                    None => return Ok(0),
                }
                continue;
            };
            let left = first.get(self.taken..).unwrap_or_default();
            if left.is_empty() {
                self.ready.pop_front();
                self.taken = 0;
                continue;
            }
            let count = left.len().min(out.len());
            out[..count].copy_from_slice(&left[..count]);
            self.taken += count;
            return Ok(count);
        }
    }
}
