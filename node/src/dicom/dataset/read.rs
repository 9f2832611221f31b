//! Reading a data set into a tree, within bounds.

use std::io::{self, Read};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use flate2::read::DeflateDecoder;

use super::vr::{by_dictionary, may_be_bulk, swap};
use super::{Bulk, DataSet, Element, Value};
use crate::dicom::scanner::head::{
    Content, ElementHead, HeadReading, ITEM, ITEM_DELIMITATION, LONG_HEAD, SEQUENCE_DELIMITATION,
    SHORT_HEAD, Vr, read_head,
};
use crate::dicom::scanner::{
    DEPTH_MAX, Encoding, Form, INFLATED_BYTES_MAX, Malformed, MalformedKind,
};
use crate::language::{Explain, Message, displayed_in_english};

/// Bytes skipped or read of a value at a time.
const PIECE: usize = 64 * 1024;

/// What one data set may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all kept values together.
    pub kept_bytes: usize,
    /// Elements and items.
    pub elements: u32,
    /// Values of OB, OW, UN and their like that are longer are not kept but named by their place.
    pub bulk_from: u64,
    /// Whether to stop in front of the pixel data, which is then named by its place.
    pub header_only: bool,
}

impl Bounds {
    /// Of an identifier or a command's data set: a query has some twenty keys, the longest list of
    /// UIDs that is asked for a few thousand.
    pub const IDENTIFIER: Bounds = Bounds {
        kept_bytes: 1024 * 1024,
        elements: 100_000,
        bulk_from: u64::MAX,
        header_only: false,
    };

    /// Of the header of an object that has passed the scanner: enhanced multi-frame objects have
    /// some megabytes of functional groups.
    pub const HEADER: Bounds = Bounds {
        kept_bytes: 32 * 1024 * 1024,
        elements: 1_000_000,
        bulk_from: 1024,
        header_only: true,
    };

    /// Of the header of an object that is to be written anew: like [`Bounds::HEADER`], with every value.
    pub const WHOLE_HEADER: Bounds = Bounds {
        bulk_from: u64::MAX,
        ..Bounds::HEADER
    };

    /// Of the header of an image that is to be decoded: like [`Bounds::HEADER`], with the tables of its
    /// values and colours, the longest of which has 65,536 entries of 16 bits.
    pub const IMAGE: Bounds = Bounds {
        bulk_from: 128 * 1024,
        ..Bounds::HEADER
    };
}

/// A data set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its bytes cannot.
    Io(#[from] io::Error),
    /// It breaks the rules.
    Malformed(#[from] Malformed),
    /// It is larger than it may be.
    TooLarge,
}

impl Explain for ReadError {
    fn message(&self) -> Message {
        match self {
            ReadError::Io(error) => error.message(),
            ReadError::Malformed(malformed) => malformed.message(),
            ReadError::TooLarge => crate::say!(
                "データセットが大きすぎます",
                "the data set is larger than is taken"
            ),
        }
    }
}

displayed_in_english!(ReadError);

/// Reads a data set from its first byte to its end, or to its pixel data.
///
/// # Errors
/// [`ReadError`].
pub fn read(
    source: &mut dyn Read,
    encoding: Encoding,
    bounds: &Bounds,
) -> Result<DataSet, ReadError> {
    match encoding {
        Encoding::DeflatedExplicitLittle => {
            let mut inflated = DeflateDecoder::new(source).take(INFLATED_BYTES_MAX);
            Reader::new(&mut inflated, encoding, bounds).read()
        }
        Encoding::ImplicitLittle | Encoding::ExplicitLittle | Encoding::ExplicitBig => {
            Reader::new(source, encoding, bounds).read()
        }
    }
}

/// A sequence that is being read: its own element, its items so far, and the item being read.
struct Open {
    tag: Tag,
    end: Option<u64>,
    /// How heads are written behind it.
    outside: Form,
    items: Vec<DataSet>,
    /// The item being read and where it ends.
    item: Option<(Vec<Element>, Option<u64>)>,
}

/// The head of an element, with its exact VR.
struct Head {
    tag: Tag,
    vr: VR,
    class: Vr,
    length: Option<u32>,
    /// What follows it; none when that cannot be told.
    content: Option<Content>,
}

struct Reader<'a> {
    source: &'a mut dyn Read,
    bounds: &'a Bounds,
    form: Form,
    position: u64,
    kept: usize,
    count: u32,
    signed: bool,
    top: Vec<Element>,
    open: Vec<Open>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a mut dyn Read, encoding: Encoding, bounds: &'a Bounds) -> Self {
        Reader {
            source,
            bounds,
            form: Form::from(encoding),
            position: 0,
            kept: 0,
            count: 0,
            signed: false,
            top: Vec::new(),
            open: Vec::new(),
        }
    }

    fn read(mut self) -> Result<DataSet, ReadError> {
        while let Some(head) = self.head()? {
            self.count += 1;
            if self.count > self.bounds.elements {
                return Err(ReadError::TooLarge);
            }
            if self.bounds.header_only && self.is_pixel_data(&head) {
                let place = Bulk {
                    offset: self.position,
                    length: head.length.map(u64::from),
                };
                self.add(head.tag, head.vr, Value::Bulk(place));
                break;
            }
            self.take(&head)?;
            self.close_ended();
        }
        match self.open.last() {
            Some(open) => Err(self.refuse(MalformedKind::Truncated, open.tag)),
            None => Ok(self.top.into_iter().collect()),
        }
    }

    fn is_pixel_data(&self, head: &Head) -> bool {
        self.open.is_empty()
            && matches!(
                head.tag,
                tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA
            )
    }

    /// The next head; none at the end, or where zeros pad it.
    fn head(&mut self) -> Result<Option<Head>, ReadError> {
        let mut bytes = [0; LONG_HEAD];
        let mut have = self.fill(&mut bytes[..SHORT_HEAD])?;
        let is_padding = bytes.iter().take(have).all(|byte| *byte == 0);
        if self.open.is_empty() && is_padding {
            return Ok(None);
        }
        let mut reading = read_head(self.form, &bytes, have);
        if let HeadReading::Needs(LONG_HEAD) = reading {
            have += self.fill(&mut bytes[SHORT_HEAD..])?;
            reading = read_head(self.form, &bytes, have);
        }
        match reading {
            HeadReading::Complete(head) => Ok(Some(self.named(head, [bytes[4], bytes[5]]))),
            HeadReading::Needs(_) => Err(self.refuse(MalformedKind::Truncated, Tag(0, 0))),
            HeadReading::InvalidVr(tag) => Err(self.refuse(MalformedKind::InvalidVr, tag)),
        }
    }

    /// A head with its exact VR: as written, or by the dictionary where nothing or UN is written.
    fn named(&self, head: ElementHead, written: [u8; 2]) -> Head {
        let content = head.content(self.form);
        let ElementHead {
            tag,
            vr: class,
            length,
        } = head;
        let written = match class {
            Vr::Implicit | Vr::Unprintable => None,
            _ => VR::from_binary(written),
        };
        let vr = match written {
            Some(VR::UN) | None => by_dictionary(tag, self.signed),
            Some(vr) => vr,
        };
        Head {
            tag,
            vr: match (content, vr) {
                // A sequence that is written as a value may be written in any way: it stays closed.
                (Some(Content::Value(_)), VR::SQ) => VR::UN,
                (_, vr) => vr,
            },
            class,
            length,
            content,
        }
    }

    fn take(&mut self, head: &Head) -> Result<(), ReadError> {
        let in_sequence = self.open.last().is_some_and(|open| open.item.is_none());
        match head.tag {
            ITEM if in_sequence => self.open_item(head.length),
            ITEM_DELIMITATION => self.end_item(head.tag),
            SEQUENCE_DELIMITATION if in_sequence => {
                self.end_sequence();
                Ok(())
            }
            Tag(0xFFFE, _) => Err(self.refuse(MalformedKind::UnexpectedDelimiter, head.tag)),
            _ if in_sequence => Err(self.refuse(MalformedKind::ItemExpected, head.tag)),
            _ => self.take_element(head),
        }
    }

    fn take_element(&mut self, head: &Head) -> Result<(), ReadError> {
        if let Some(length) = head.length {
            self.require(u64::from(length), head.tag)?;
        }
        match head.content {
            None => Err(self.refuse(MalformedKind::UndefinedLength, head.tag)),
            Some(Content::Value(length)) => self.take_value(head, u64::from(length)),
            Some(Content::Items(inside)) => {
                let end = head.length.map(|length| self.position + u64::from(length));
                self.open_sequence(head.tag, end, inside)
            }
            Some(Content::Fragments) => {
                let offset = self.position;
                self.skip_fragments(head.tag)?;
                let place = Bulk {
                    offset,
                    length: None,
                };
                self.add(head.tag, head.vr, Value::Bulk(place));
                Ok(())
            }
        }
    }

    fn take_value(&mut self, head: &Head, length: u64) -> Result<(), ReadError> {
        if may_be_bulk(head.vr) && length > self.bounds.bulk_from {
            let offset = self.position;
            self.skip(length, head.tag)?;
            let place = Bulk {
                offset,
                length: Some(length),
            };
            self.add(head.tag, head.vr, Value::Bulk(place));
            return Ok(());
        }
        let mut value = self.value(length, head.tag)?;
        // UN is little endian whatever is around it (PS3.5 section 6.2.2).
        if self.form.big_endian && head.class != Vr::Unknown {
            swap(head.vr, &mut value);
        }
        if head.tag == tags::PIXEL_REPRESENTATION && self.open.is_empty() {
            self.signed = value.first() == Some(&1);
        }
        self.add(head.tag, head.vr, Value::Bytes(value));
        Ok(())
    }

    fn open_sequence(&mut self, tag: Tag, end: Option<u64>, inside: Form) -> Result<(), ReadError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.refuse(MalformedKind::TooDeep, tag));
        }
        self.open.push(Open {
            tag,
            end,
            outside: self.form,
            items: Vec::new(),
            item: None,
        });
        self.form = inside;
        Ok(())
    }

    fn open_item(&mut self, length: Option<u32>) -> Result<(), ReadError> {
        let end = match length {
            Some(length) => {
                self.require(u64::from(length), ITEM)?;
                Some(self.position + u64::from(length))
            }
            None => None,
        };
        if let Some(open) = self.open.last_mut() {
            open.item = Some((Vec::new(), end));
        }
        Ok(())
    }

    fn end_item(&mut self, tag: Tag) -> Result<(), ReadError> {
        let open = self.open.last_mut();
        let item = open.and_then(|open| {
            let is_undefined = matches!(open.item, Some((_, None)));
            let (elements, _) = open.item.take_if(|_| is_undefined)?;
            open.items.push(elements.into_iter().collect());
            Some(())
        });
        item.ok_or_else(|| self.refuse(MalformedKind::UnexpectedDelimiter, tag))
    }

    fn end_sequence(&mut self) {
        if let Some(open) = self.open.pop() {
            self.form = open.outside;
            self.add(open.tag, VR::SQ, Value::Items(open.items));
        }
    }

    /// Closes whatever declared to end here.
    fn close_ended(&mut self) {
        let position = self.position;
        while let Some(open) = self.open.last_mut() {
            if matches!(open.item, Some((_, Some(end))) if end == position) {
                if let Some((elements, _)) = open.item.take() {
                    open.items.push(elements.into_iter().collect());
                }
            } else if open.item.is_none() && open.end == Some(position) {
                self.end_sequence();
            } else {
                return;
            }
        }
    }

    fn add(&mut self, tag: Tag, vr: VR, value: Value) {
        let element = Element { tag, vr, value };
        let item = self.open.last_mut().and_then(|open| open.item.as_mut());
        match item {
            Some((elements, _)) => elements.push(element),
            None => self.top.push(element),
        }
    }

    /// Refuses what is longer than what is around it.
    fn require(&self, length: u64, tag: Tag) -> Result<(), ReadError> {
        let ends = self.open.iter().rev();
        let bound = ends
            .flat_map(|open| [open.item.as_ref().and_then(|item| item.1), open.end])
            .flatten()
            .next();
        match bound {
            Some(bound) if length > bound.saturating_sub(self.position) => {
                Err(self.refuse(MalformedKind::LengthBeyondParent, tag))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reads a value that is kept. Memory is taken as bytes come, not as they are announced.
    fn value(&mut self, length: u64, tag: Tag) -> Result<Vec<u8>, ReadError> {
        let room = self.bounds.kept_bytes.saturating_sub(self.kept) as u64;
        if length > room {
            return Err(ReadError::TooLarge);
        }
        let mut value = Vec::with_capacity(length.min(PIECE as u64) as usize);
        (&mut *self.source).take(length).read_to_end(&mut value)?;
        self.position += value.len() as u64;
        self.kept += value.len();
        if (value.len() as u64) < length {
            return Err(self.refuse(MalformedKind::Truncated, tag));
        }
        Ok(value)
    }

    fn skip(&mut self, length: u64, tag: Tag) -> Result<(), ReadError> {
        let skipped = io::copy(&mut (&mut *self.source).take(length), &mut io::sink())?;
        self.position += skipped;
        if skipped < length {
            return Err(self.refuse(MalformedKind::Truncated, tag));
        }
        Ok(())
    }

    /// Skips the items of encapsulated data up to their delimiter (PS3.5 annex A.4).
    fn skip_fragments(&mut self, tag: Tag) -> Result<(), ReadError> {
        loop {
            let item = self
                .head()?
                .ok_or_else(|| self.refuse(MalformedKind::Truncated, tag))?;
            self.count += 1;
            match (item.tag, item.length) {
                (ITEM, Some(length)) if self.count <= self.bounds.elements => {
                    self.require(u64::from(length), tag)?;
                    self.skip(u64::from(length), tag)?;
                }
                (SEQUENCE_DELIMITATION, _) => return Ok(()),
                (ITEM, Some(_)) => return Err(ReadError::TooLarge),
                (ITEM, None) => return Err(self.refuse(MalformedKind::FragmentLength, tag)),
                _ => return Err(self.refuse(MalformedKind::ItemExpected, item.tag)),
            }
        }
    }

    /// Fills `bytes` as far as there are any.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, ReadError> {
        let mut have = 0;
        while have < bytes.len() {
            match self.source.read(&mut bytes[have..])? {
                0 => break,
                count => have += count,
            }
        }
        self.position += have as u64;
        Ok(have)
    }

    fn refuse(&self, kind: MalformedKind, tag: Tag) -> ReadError {
        ReadError::Malformed(Malformed {
            kind,
            tag,
            offset: self.position,
        })
    }
}
