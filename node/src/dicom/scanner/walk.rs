//! The walk over the elements of a data set: a state machine that is handed bytes as they come.
//!
//! It holds one element head, an explicit stack of open sequences and items, and the wanted values.
//! Nothing it allocates depends on a length that the bytes declare, other than up to the limits.

use super::encoding::Form;
use super::frames::{FrameKind, Frames, Opening};
use super::head::{
    Content, ElementHead, HeadReading, ITEM, ITEM_DELIMITATION, LONG_HEAD, SEQUENCE_DELIMITATION,
    SHORT_HEAD, Vr, read_head,
};
use super::kept::{Closed, Keeping, Kept, is_identifying};
use super::limits::Limits;
use super::malformed::{FindingKind, Findings, Malformed, MalformedKind};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

enum State {
    /// Gathering the head of the next element.
    Head,
    /// This many bytes of a value follow.
    Value(u32),
    /// Zeros after the last element.
    TrailingZeros,
}

/// The pixel data of the top level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) offset: u64,
    /// Bytes of the value, or of all fragments together, the offset table included.
    pub(crate) bytes: u64,
    pub(crate) encapsulated: bool,
}

/// What is left when a walk has ended well.
pub(crate) struct Walked {
    pub(crate) kept: Kept,
    pub(crate) findings: Findings,
    pub(crate) pixels: Option<Pixels>,
    pub(crate) bytes: u64,
}

pub(crate) struct Walk {
    limits: Limits,
    form: Form,
    state: State,
    /// Bytes of the data set consumed so far.
    position: u64,
    head: [u8; LONG_HEAD],
    head_filled: usize,
    head_offset: u64,
    frames: Frames,
    elements: u32,
    last_tag: Option<Tag>,
    kept: Kept,
    findings: Findings,
    pixels: Option<Pixels>,
}

impl Walk {
    pub(crate) fn new(form: Form, limits: Limits) -> Self {
        Self {
            limits,
            form,
            state: State::Head,
            position: 0,
            head: [0; LONG_HEAD],
            head_filled: 0,
            head_offset: 0,
            frames: Frames::default(),
            elements: 0,
            last_tag: None,
            kept: Kept::default(),
            findings: Findings::default(),
            pixels: None,
        }
    }

    /// The value of a wanted attribute that is complete.
    pub(crate) fn seen(&self, tag: Tag) -> Option<&[u8]> {
        self.kept.value(tag)
    }

    /// Takes the next bytes of the data set. After an error the walk must not be continued.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Head => self.take_head(bytes)?,
                State::Value(left) => self.take_value(bytes, left)?,
                State::TrailingZeros => self.take_zeros(bytes)?,
            };
        }
        Ok(())
    }

    /// Ends the walk: the data set has no more bytes.
    pub(crate) fn finish(mut self) -> Result<Walked, Malformed> {
        match self.state {
            State::Value(_) => return Err(self.refuse(MalformedKind::Truncated, self.head_tag())),
            State::TrailingZeros => {}
            State::Head if self.head_filled > 0 => {
                let padding = self.frames.is_empty()
                    && self.elements > 0
                    && self
                        .head
                        .iter()
                        .take(self.head_filled)
                        .all(|byte| *byte == 0);
                if !padding {
                    return Err(self.refuse(MalformedKind::Truncated, self.head_tag()));
                }
                self.findings
                    .record(FindingKind::TrailingZeros, Tag(0, 0), self.head_offset);
            }
            State::Head => {}
        }
        if let Some(open) = self.frames.innermost() {
            return Err(Malformed {
                kind: MalformedKind::Truncated,
                tag: open.tag,
                offset: open.offset,
            });
        }
        self.head_offset = self.position;
        if self.elements == 0 {
            return Err(self.refuse(MalformedKind::Empty, Tag(0, 0)));
        }
        Ok(Walked {
            kept: self.kept,
            findings: self.findings,
            pixels: self.pixels,
            bytes: self.position,
        })
    }

    fn take_value<'a>(&mut self, bytes: &'a [u8], left: u32) -> Result<&'a [u8], Malformed> {
        let taken = bytes.len().min(left as usize);
        let (value, rest) = bytes.split_at(taken);
        if self.kept.is_open() {
            self.kept.extend(value);
        }
        self.position += taken as u64;
        // `taken` is at most `left`, which is 32 bits.
        let left = left - taken as u32;
        if left == 0 {
            self.end_value()?;
        } else {
            self.state = State::Value(left);
        }
        Ok(rest)
    }

    fn take_zeros<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(self.refuse(MalformedKind::ReservedGroup, Tag(0, 0)));
        }
        self.position += bytes.len() as u64;
        Ok(&[])
    }

    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        if self.head_filled == 0 {
            self.head_offset = self.position;
            self.require_room(SHORT_HEAD as u64)?;
        }
        let reading = read_head(self.form, &self.head, self.head_filled);
        let needed = match reading {
            HeadReading::Needs(needed) => needed,
            HeadReading::Complete(_) | HeadReading::InvalidVr(_) => self.head_filled,
        };
        let taken = bytes.len().min(needed - self.head_filled);
        let (more, rest) = bytes.split_at(taken);
        for (slot, byte) in self.head.iter_mut().skip(self.head_filled).zip(more) {
            *slot = *byte;
        }
        self.head_filled += taken;
        self.position += taken as u64;
        match read_head(self.form, &self.head, self.head_filled) {
            HeadReading::Needs(_) => Ok(rest),
            _ if self.is_trailing_zero() => {
                self.state = State::TrailingZeros;
                self.findings
                    .record(FindingKind::TrailingZeros, Tag(0, 0), self.head_offset);
                Ok(rest)
            }
            HeadReading::InvalidVr(tag) => Err(self.refuse(MalformedKind::InvalidVr, tag)),
            HeadReading::Complete(head) => {
                self.head_filled = 0;
                self.take_element(head)?;
                Ok(rest)
            }
        }
    }

    /// Whether eight zeros stand where the next top-level element would. No data set holds such an
    /// element: group 0000 is the one of commands (PS3.7 §6.3.1).
    fn is_trailing_zero(&self) -> bool {
        self.frames.is_empty()
            && self.elements > 0
            && self.head_filled == SHORT_HEAD
            && self.head.iter().take(SHORT_HEAD).all(|byte| *byte == 0)
    }

    fn take_element(&mut self, head: ElementHead) -> Result<(), Malformed> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(self.refuse(MalformedKind::TooManyElements, head.tag));
        }
        let around = self.frames.innermost().map(|frame| frame.kind);
        match (head.tag, around) {
            (ITEM, _) => self.open_item(head, around),
            (ITEM_DELIMITATION | SEQUENCE_DELIMITATION, _) => self.delimit(head),
            (Tag(0xFFFE, _), _) => Err(self.refuse(MalformedKind::UnexpectedDelimiter, head.tag)),
            (_, Some(FrameKind::Sequence | FrameKind::Fragments)) => {
                Err(self.refuse(MalformedKind::ItemExpected, head.tag))
            }
            (_, Some(FrameKind::Item)) => self.open_element(head),
            (_, None) => {
                self.check_top_level(head.tag)?;
                self.open_element(head)
            }
        }
    }

    fn check_top_level(&mut self, tag: Tag) -> Result<(), Malformed> {
        if matches!(tag.0, 0x0000 | 0x0002) {
            return Err(self.refuse(MalformedKind::ReservedGroup, tag));
        }
        if self.last_tag.is_some_and(|last| tag <= last) {
            self.findings
                .record(FindingKind::OutOfOrder, tag, self.head_offset);
        }
        self.last_tag = Some(tag);
        Ok(())
    }

    fn open_element(&mut self, head: ElementHead) -> Result<(), Malformed> {
        match head.vr {
            Vr::Future => self.note(FindingKind::UnknownVr, head.tag),
            Vr::Unprintable => self.note(FindingKind::UnprintableVr, head.tag),
            Vr::Implicit | Vr::Sequence | Vr::Unknown | Vr::Other | Vr::LongText | Vr::Short => {}
        }
        if let Some(length) = head.length {
            self.require(u64::from(length), head.tag)?;
            if length % 2 == 1 {
                self.note(FindingKind::OddLength, head.tag);
            }
        }
        match head.content(self.form) {
            None => Err(self.refuse(MalformedKind::UndefinedLength, head.tag)),
            Some(Content::Value(length)) => self.open_value(head.tag, length),
            Some(Content::Items(inside)) => self.open_sequence(head, FrameKind::Sequence, inside),
            Some(Content::Fragments) => self.open_sequence(head, FrameKind::Fragments, self.form),
        }
    }

    fn open_sequence(
        &mut self,
        head: ElementHead,
        kind: FrameKind,
        inside: Form,
    ) -> Result<(), Malformed> {
        if head.length.is_none() && head.tag == tags::PIXEL_DATA && self.frames.is_empty() {
            self.see_pixels(0, true);
        }
        let end = head.length.map(|length| self.position + u64::from(length));
        self.open_frame(kind, head.tag, end, inside)?;
        self.close_ended();
        Ok(())
    }

    fn open_value(&mut self, tag: Tag, length: u32) -> Result<(), Malformed> {
        if self.frames.is_empty() {
            self.keep(tag, length)?;
            if tag == tags::PIXEL_DATA {
                self.see_pixels(u64::from(length), false);
            }
        }
        self.start_value(length)
    }

    fn see_pixels(&mut self, bytes: u64, encapsulated: bool) {
        if self.pixels.is_some() {
            self.note(FindingKind::Duplicate, tags::PIXEL_DATA);
        }
        self.pixels = Some(Pixels {
            offset: self.head_offset,
            bytes,
            encapsulated,
        });
    }

    fn keep(&mut self, tag: Tag, length: u32) -> Result<(), Malformed> {
        match self.kept.open(tag, self.head_offset, length) {
            Keeping::NotWanted | Keeping::Open => Ok(()),
            Keeping::TooLong if is_identifying(tag) => {
                Err(self.refuse(MalformedKind::IdentityTooLong, tag))
            }
            Keeping::TooLong => {
                self.note(FindingKind::ValueTooLong, tag);
                Ok(())
            }
        }
    }

    fn start_value(&mut self, length: u32) -> Result<(), Malformed> {
        if length == 0 {
            self.end_value()
        } else {
            self.state = State::Value(length);
            Ok(())
        }
    }

    fn end_value(&mut self) -> Result<(), Malformed> {
        self.state = State::Head;
        match self.kept.close() {
            Closed::Kept => {}
            Closed::Conflicting(tag, offset) if is_identifying(tag) => {
                return Err(Malformed {
                    kind: MalformedKind::Ambiguous,
                    tag,
                    offset,
                });
            }
            Closed::Conflicting(tag, offset) | Closed::Repeated(tag, offset) => {
                self.findings.record(FindingKind::Duplicate, tag, offset);
            }
        }
        self.close_ended();
        Ok(())
    }

    fn open_item(&mut self, head: ElementHead, around: Option<FrameKind>) -> Result<(), Malformed> {
        match (around, head.length) {
            (Some(FrameKind::Sequence), None) => {
                self.open_frame(FrameKind::Item, head.tag, None, self.form)
            }
            (Some(FrameKind::Sequence), Some(length)) => {
                self.require(u64::from(length), head.tag)?;
                let end = self.position + u64::from(length);
                self.open_frame(FrameKind::Item, head.tag, Some(end), self.form)?;
                self.close_ended();
                Ok(())
            }
            (Some(FrameKind::Fragments), None) => {
                Err(self.refuse(MalformedKind::FragmentLength, head.tag))
            }
            (Some(FrameKind::Fragments), Some(length)) => {
                self.require(u64::from(length), head.tag)?;
                if length % 2 == 1 {
                    self.note(FindingKind::OddLength, head.tag);
                }
                if let (1, Some(pixels)) = (self.frames.len(), &mut self.pixels) {
                    pixels.bytes = pixels.bytes.saturating_add(u64::from(length));
                }
                self.start_value(length)
            }
            (Some(FrameKind::Item) | None, _) => {
                Err(self.refuse(MalformedKind::UnexpectedDelimiter, head.tag))
            }
        }
    }

    fn delimit(&mut self, head: ElementHead) -> Result<(), Malformed> {
        if head.length != Some(0) {
            return Err(self.refuse(MalformedKind::DelimiterLength, head.tag));
        }
        let Some(outside) = self.frames.delimit(head.tag) else {
            return Err(self.refuse(MalformedKind::UnexpectedDelimiter, head.tag));
        };
        self.form = outside;
        self.close_ended();
        Ok(())
    }

    fn open_frame(
        &mut self,
        kind: FrameKind,
        tag: Tag,
        end: Option<u64>,
        inside: Form,
    ) -> Result<(), Malformed> {
        // Readers that go by the dictionary would take it for the value it should be.
        if self.frames.is_empty() && is_identifying(tag) {
            return Err(self.refuse(MalformedKind::IdentityInvalid, tag));
        }
        let opening = Opening {
            kind,
            tag,
            offset: self.head_offset,
            end,
            outside: self.form,
        };
        if !self.frames.open(opening, self.limits.depth) {
            return Err(self.refuse(MalformedKind::TooDeep, tag));
        }
        self.form = inside;
        Ok(())
    }

    /// Closes whatever declared to end here.
    fn close_ended(&mut self) {
        if let Some(outside) = self.frames.close_ended(self.position) {
            self.form = outside;
        }
    }

    /// Refuses a value of `length` bytes that is longer than what is around it.
    fn require(&self, length: u64, tag: Tag) -> Result<(), Malformed> {
        let (bound, kind) = match self.frames.bound() {
            Some(bound) => (Some(bound), MalformedKind::LengthBeyondParent),
            None => (self.limits.total, MalformedKind::LengthBeyondEnd),
        };
        match bound {
            Some(bound) if length > bound.saturating_sub(self.position) => {
                Err(self.refuse(kind, tag))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses a head that cannot fit into the item or sequence around it. At the top level the end
    /// of the bytes says the same, and says whether they were padding.
    fn require_room(&self, length: u64) -> Result<(), Malformed> {
        match self.frames.innermost() {
            Some(frame) => self.require(length, frame.tag),
            None => Ok(()),
        }
    }

    fn head_tag(&self) -> Tag {
        let [g0, g1, e0, e1, ..] = self.head;
        Tag(self.form.u16([g0, g1]), self.form.u16([e0, e1]))
    }

    fn note(&mut self, kind: FindingKind, tag: Tag) {
        self.findings.record(kind, tag, self.head_offset);
    }

    fn refuse(&self, kind: MalformedKind, tag: Tag) -> Malformed {
        Malformed {
            kind,
            tag,
            offset: self.head_offset,
        }
    }
}
