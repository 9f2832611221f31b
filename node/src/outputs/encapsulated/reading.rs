//! Taking an encapsulated report apart again, for the verifier.
//!
//! An iterative walk over the top level of a data set or Part 10 file, as a PACS gives it back:
//! Explicit or Implicit VR Little Endian, sequences with or without stated lengths. Every length is
//! checked against what is there; nothing is copied.

use super::titles::ascii;
use super::{
    BUNDLE, BUNDLE_LENGTH, ENCAPSULATED_DOCUMENT, ENCAPSULATED_DOCUMENT_LENGTH, PRIVATE_CREATOR,
    PRIVATE_GROUP, Tag,
};

/// Most top level elements; ours has fewer than 50, a PACS may add its own.
const MAX_ELEMENTS: usize = 4_096;
/// Deepest nesting of sequences without stated lengths.
const MAX_DEPTH: usize = 32;
const UNDEFINED: u32 = u32::MAX;
const PREAMBLE: usize = 128;
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";

/// One top level element, as a view of the input.
pub struct Element<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Its value with padding; the whole extent for a sequence.
    pub value: &'a [u8],
}

/// What an encapsulated report holds.
pub struct EncapsulatedContent<'a> {
    /// The PDF exactly as encapsulated, without padding.
    pub pdf: &'a [u8],
    /// The signed report without the PDF, exactly as given.
    pub bundle: &'a [u8],
    /// All top level elements in order.
    pub elements: Vec<Element<'a>>,
}

/// Why a file is not a readable encapsulated report.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// An element reaches past the end.
    #[error("the file is cut off or damaged: an element at byte {at} is longer than the file")]
    Truncated {
        /// Position of the element in the file.
        at: usize,
    },
    /// Tags are not ascending: not DICOM, or damaged.
    #[error("the file is not DICOM or is damaged: the elements are out of order at byte {at}")]
    Order {
        /// Position of the element in the file.
        at: usize,
    },
    /// A sequence is malformed or nested too deeply.
    #[error("the file is damaged: a sequence at byte {at} cannot be read")]
    Sequence {
        /// Position in the file.
        at: usize,
    },
    /// More elements than any report has.
    #[error("the file has more than {limit} elements: it is not a report")]
    TooManyElements {
        /// The limit.
        limit: usize,
    },
    /// Big endian or deflated; re-export it uncompressed.
    #[error("the transfer syntax is not supported: export the file as Explicit VR Little Endian")]
    TransferSyntax,
    /// No encapsulated document inside.
    #[error("the file is DICOM but holds no encapsulated document")]
    NoDocument,
    /// No private block of ours: not a report of this program, or a PACS removed it.
    #[error(
        "the file holds a PDF but no signed report: it was not made by dokuei, or private \
             elements were removed from it"
    )]
    NoBundle,
    /// Stated and real lengths do not agree.
    #[error("the length of {tag} does not agree with what the file states about it")]
    Length {
        /// The element.
        tag: Tag,
    },
}

/// Read a data set, or a Part 10 file with its preamble and meta information.
///
/// # Errors
/// [`ReadError`]; nothing is read in part.
pub fn read_encapsulated(bytes: &[u8]) -> Result<EncapsulatedContent<'_>, ReadError> {
    let elements = elements(bytes)?;
    let value = |tag: Tag| elements.iter().find(|e| e.tag == tag).map(|e| e.value);
    let document = value(ENCAPSULATED_DOCUMENT).ok_or(ReadError::NoDocument)?;
    let pdf = match value(ENCAPSULATED_DOCUMENT_LENGTH) {
        Some(stated) => unpadded(document, stated, ENCAPSULATED_DOCUMENT)?,
        None => document.strip_suffix(&[0]).unwrap_or(document),
    };
    // A creator may be moved to another block of its group (PS3.5 section 7.8.1).
    let block = elements
        .iter()
        .filter(|e| e.tag.0 == PRIVATE_GROUP && (0x0010..=0x00FF).contains(&e.tag.1))
        .find(|e| ascii(e.value) == Some(PRIVATE_CREATOR))
        .map(|e| e.tag.1 << 8)
        .ok_or(ReadError::NoBundle)?;
    let padded = value(Tag(PRIVATE_GROUP, block | BUNDLE)).ok_or(ReadError::NoBundle)?;
    let stated = value(Tag(PRIVATE_GROUP, block | BUNDLE_LENGTH)).ok_or(ReadError::NoBundle)?;
    let bundle = unpadded(padded, stated, Tag(PRIVATE_GROUP, block | BUNDLE))?;
    Ok(EncapsulatedContent {
        pdf,
        bundle,
        elements,
    })
}

/// Remove at most one byte of padding, down to the stated length.
fn unpadded<'a>(padded: &'a [u8], stated: &[u8], tag: Tag) -> Result<&'a [u8], ReadError> {
    let length = <[u8; 4]>::try_from(stated)
        .ok()
        .and_then(|bytes| usize::try_from(u32::from_le_bytes(bytes)).ok())
        .filter(|length| padded.len() - padded.len().min(*length) <= 1)
        .ok_or(ReadError::Length { tag })?;
    padded.get(..length).ok_or(ReadError::Length { tag })
}

#[derive(Clone, Copy)]
struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
    explicit: bool,
}

struct Header {
    tag: Tag,
    length: u32,
    /// Elements inside are in Implicit VR (PS3.5 section 6.2.2 note on UN).
    unknown: bool,
}

fn elements(bytes: &[u8]) -> Result<Vec<Element<'_>>, ReadError> {
    let mut cursor = Cursor {
        data: bytes,
        at: 0,
        explicit: true,
    };
    if bytes.get(PREAMBLE..PREAMBLE + 4) == Some(b"DICM") {
        cursor.at = PREAMBLE + 4;
        cursor.explicit = cursor.meta_information()?;
    } else {
        cursor.explicit = bytes
            .get(4..6)
            .is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
    }
    let mut found: Vec<Element<'_>> = Vec::new();
    while cursor.at < bytes.len() {
        let start = cursor.at;
        let header = cursor.header()?;
        if found.last().is_some_and(|last| last.tag >= header.tag) {
            return Err(ReadError::Order { at: start });
        }
        if found.len() == MAX_ELEMENTS {
            return Err(ReadError::TooManyElements {
                limit: MAX_ELEMENTS,
            });
        }
        let from = cursor.at;
        cursor.skip_value(&header)?;
        let value = bytes.get(from..cursor.at).unwrap_or_default();
        found.push(Element {
            tag: header.tag,
            value,
        });
    }
    Ok(found)
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let truncated = ReadError::Truncated { at: self.at };
        let end = self.at.checked_add(count);
        match end.and_then(|end| self.data.get(self.at..end)) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => Err(truncated),
        }
    }

    fn short(&mut self) -> Result<u16, ReadError> {
        let bytes = self.take(2)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u16::from(*byte)))
    }

    fn long(&mut self) -> Result<u32, ReadError> {
        let bytes = self.take(4)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    fn tag(&mut self) -> Result<Tag, ReadError> {
        Ok(Tag(self.short()?, self.short()?))
    }

    /// Tag, VR and length (PS3.5 section 7.1).
    fn header(&mut self) -> Result<Header, ReadError> {
        let tag = self.tag()?;
        if !self.explicit {
            let length = self.long()?;
            let unknown = true;
            return Ok(Header {
                tag,
                length,
                unknown,
            });
        }
        let vr = self.take(2)?;
        let length = match vr {
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN"
            | b"UR" | b"UT" | b"UV" => {
                self.take(2)?;
                self.long()?
            }
            _ => u32::from(self.short()?),
        };
        Ok(Header {
            tag,
            length,
            unknown: vr == b"UN",
        })
    }

    fn skip_value(&mut self, header: &Header) -> Result<(), ReadError> {
        if header.length == UNDEFINED {
            return self.skip_sequence(header.unknown);
        }
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        self.take(length).map(|_| ())
    }

    /// Skip a sequence without a stated length, and what is nested in it, without recursion.
    fn skip_sequence(&mut self, implicit: bool) -> Result<(), ReadError> {
        enum Level {
            Sequence,
            Item,
        }
        let outer = self.explicit;
        let mut inner = Cursor { ..*self };
        inner.explicit = outer && !implicit;
        let mut levels = vec![Level::Sequence];
        while let Some(level) = levels.last() {
            let at = inner.at;
            let broken = || ReadError::Sequence { at };
            if levels.len() > MAX_DEPTH {
                return Err(broken());
            }
            let mut ahead = inner;
            let tag = ahead.tag()?;
            match (level, tag) {
                (Level::Sequence, Tag(0xFFFE, 0xE0DD)) | (Level::Item, Tag(0xFFFE, 0xE00D)) => {
                    ahead.long()?;
                    inner = ahead;
                    levels.pop();
                }
                (Level::Sequence, Tag(0xFFFE, 0xE000)) => {
                    let length = ahead.long()?;
                    inner = ahead;
                    if length == UNDEFINED {
                        levels.push(Level::Item);
                    } else {
                        inner.take(usize::try_from(length).unwrap_or(usize::MAX))?;
                    }
                }
                (Level::Sequence, _) | (Level::Item, Tag(0xFFFE, _)) => return Err(broken()),
                (Level::Item, _) => {
                    let header = inner.header()?;
                    if header.length == UNDEFINED {
                        levels.push(Level::Sequence);
                    } else {
                        inner.skip_value(&header)?;
                    }
                }
            }
        }
        self.at = inner.at;
        Ok(())
    }

    /// Skip group 2; returns whether the data set is in Explicit VR.
    fn meta_information(&mut self) -> Result<bool, ReadError> {
        let mut syntax = None;
        loop {
            let mut ahead = *self;
            if ahead.tag().is_ok_and(|tag| tag.0 == 0x0002) {
                let header = self.header()?;
                let from = self.at;
                self.skip_value(&header)?;
                if header.tag == Tag(0x0002, 0x0010) {
                    syntax = self.data.get(from..self.at).and_then(ascii);
                }
            } else {
                break;
            }
        }
        match syntax {
            Some(EXPLICIT_LITTLE) => Ok(true),
            Some(IMPLICIT_LITTLE) => Ok(false),
            Some(_) | None => Err(ReadError::TransferSyntax),
        }
    }
}
