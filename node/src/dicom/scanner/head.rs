//! The head of one element: tag, VR and length (PS3.5 §7.1.2 and §7.1.3).

use super::encoding::Form;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

/// Group of items and delimiters (PS3.5 §7.5).
const DELIMITER_GROUP: u16 = 0xFFFE;
/// Start of an item.
pub(crate) const ITEM: Tag = Tag(DELIMITER_GROUP, 0xE000);
/// End of an item of undefined length.
pub(crate) const ITEM_DELIMITATION: Tag = Tag(DELIMITER_GROUP, 0xE00D);
/// End of a sequence of undefined length.
pub(crate) const SEQUENCE_DELIMITATION: Tag = Tag(DELIMITER_GROUP, 0xE0DD);

/// The length that says "until the delimiter" (PS3.5 §7.1.1).
const UNDEFINED_LENGTH: u32 = 0xFFFF_FFFF;

/// Bytes of a head with a 16-bit length, of every implicit head, and of every delimiter.
pub(crate) const SHORT_HEAD: usize = 8;
/// Bytes of an explicit head with a 32-bit length.
pub(crate) const LONG_HEAD: usize = 12;

/// What a VR field says, as far as boundaries depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vr {
    /// Not written (implicit VR, items, delimiters).
    Implicit,
    /// SQ.
    Sequence,
    /// UN.
    Unknown,
    /// OB, OW and the other OX of 32-bit length, which may be encapsulated.
    Other,
    /// UC, UR, UT, SV, UV: 32-bit length, never undefined.
    LongText,
    /// A VR with 16-bit length.
    Short,
    /// Two upper-case letters that PS3.5 §6.2 does not list: by PS3.5 §7.1.2 all VRs to come have
    /// a 32-bit length.
    Future,
    /// Two printable characters that are not both upper-case letters. Some devices write spaces;
    /// the length is then in 16 bits.
    Unprintable,
}

impl Vr {
    /// Classifies a VR field; `None` if it holds control characters.
    fn from_field(field: [u8; 2]) -> Option<Self> {
        Some(match &field {
            b"SQ" => Self::Sequence,
            b"UN" => Self::Unknown,
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" => Self::Other,
            b"UC" | b"UR" | b"UT" | b"SV" | b"UV" => Self::LongText,
            b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FL" | b"FD" | b"IS"
            | b"LO" | b"LT" | b"PN" | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL"
            | b"US" => Self::Short,
            [first, second] if first.is_ascii_uppercase() && second.is_ascii_uppercase() => {
                Self::Future
            }
            [first, second] if is_printable(*first) && is_printable(*second) => Self::Unprintable,
            _ => return None,
        })
    }

    fn has_long_length(self) -> bool {
        match self {
            Self::Sequence | Self::Unknown | Self::Other | Self::LongText | Self::Future => true,
            Self::Implicit | Self::Short | Self::Unprintable => false,
        }
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E)
}

/// One element head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ElementHead {
    pub(crate) tag: Tag,
    pub(crate) vr: Vr,
    /// `None` if undefined.
    pub(crate) length: Option<u32>,
}

/// What follows the head of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A value of so many bytes.
    Value(u32),
    /// The items of a sequence, and how heads are written in them.
    Items(Form),
    /// The fragments of encapsulated pixel data, up to their delimiter (PS3.5 §A.4).
    Fragments,
}

impl ElementHead {
    /// What follows this head where heads are written in `form`; `None` when it has no length and must have one. Whoever
    /// reads data sets asks here, so that none takes for a value what another takes for a sequence.
    pub(crate) fn content(&self, form: Form) -> Option<Content> {
        let is_pixel_data = self.tag == tags::PIXEL_DATA;
        match (self.vr, self.length) {
            (Vr::Sequence, _) => Some(Content::Items(form)),
            (Vr::Implicit, Some(_)) if is_sequence_by_dictionary(self.tag) => {
                Some(Content::Items(form))
            }
            (_, Some(length)) => Some(Content::Value(length)),
            (Vr::Implicit | Vr::Unknown, None) if is_pixel_data => Some(Content::Fragments),
            (Vr::Other, None) => Some(Content::Fragments),
            (Vr::Implicit, None) => Some(Content::Items(form)),
            (Vr::Unknown, None) => Some(Content::Items(Form::IMPLICIT_LITTLE)),
            (Vr::LongText | Vr::Short | Vr::Future | Vr::Unprintable, None) => None,
        }
    }

    /// Bytes the head itself takes.
    pub(crate) fn bytes(&self) -> usize {
        if self.vr.has_long_length() {
            LONG_HEAD
        } else {
            SHORT_HEAD
        }
    }

    /// Whether the VR is implicit or one of PS3.5 §6.2.
    pub(crate) fn is_standard_vr(&self) -> bool {
        !matches!(self.vr, Vr::Future | Vr::Unprintable)
    }
}

/// Whether the standard's dictionary lists `tag` as a sequence: in implicit VR nothing else says so. A group of odd
/// number is private, whatever the repeating group beside it holds.
fn is_sequence_by_dictionary(tag: Tag) -> bool {
    let listed = || StandardDataDictionary.by_tag(tag);
    tag.group().is_multiple_of(2)
        && listed().is_some_and(|entry| entry.vr() == VirtualVr::Exact(VR::SQ))
}

/// What the bytes gathered so far make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadReading {
    /// More bytes are needed: this many in all.
    Needs(usize),
    /// A head.
    Complete(ElementHead),
    /// The VR field of this tag is no VR.
    InvalidVr(Tag),
}

/// Reads a head from `bytes`, the first `have` of which are valid.
pub(crate) fn read_head(form: Form, bytes: &[u8; LONG_HEAD], have: usize) -> HeadReading {
    if have < SHORT_HEAD {
        return HeadReading::Needs(SHORT_HEAD);
    }
    let [g0, g1, e0, e1, a, b, c, d, w, x, y, z] = *bytes;
    let tag = Tag(form.u16([g0, g1]), form.u16([e0, e1]));
    let complete = |vr, length| {
        HeadReading::Complete(ElementHead {
            tag,
            vr,
            length: (length != UNDEFINED_LENGTH).then_some(length),
        })
    };
    if !form.explicit || tag.0 == DELIMITER_GROUP {
        return complete(Vr::Implicit, form.u32([a, b, c, d]));
    }
    match Vr::from_field([a, b]) {
        None => HeadReading::InvalidVr(tag),
        Some(vr) if !vr.has_long_length() => complete(vr, u32::from(form.u16([c, d]))),
        Some(_) if have < LONG_HEAD => HeadReading::Needs(LONG_HEAD),
        Some(vr) => complete(vr, form.u32([w, x, y, z])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLICIT: Form = Form {
        explicit: true,
        big_endian: false,
    };

    fn head(bytes: &[u8]) -> HeadReading {
        let mut padded = [0; LONG_HEAD];
        padded[..bytes.len()].copy_from_slice(bytes);
        read_head(EXPLICIT, &padded, bytes.len())
    }

    #[test]
    fn short_and_long_heads() {
        let tag = Tag(0x0010, 0x0010);
        let complete = |vr, length| HeadReading::Complete(ElementHead { tag, vr, length });
        assert_eq!(head(b"\x10\0\x10\0PN\x04\0"), complete(Vr::Short, Some(4)));
        assert_eq!(head(b"\x10\0\x10\0OB\0\0"), HeadReading::Needs(12));
        assert_eq!(
            head(b"\x10\0\x10\0OB\0\0\xFF\xFF\xFF\xFF"),
            complete(Vr::Other, None)
        );
        assert_eq!(
            head(b"\x10\0\x10\0ZZ\0\0\x02\0\0\0"),
            complete(Vr::Future, Some(2))
        );
        assert_eq!(
            head(b"\x10\0\x10\0  \x02\0"),
            complete(Vr::Unprintable, Some(2))
        );
        assert_eq!(head(b"\x10\0\x10\0\0\0\x02\0"), HeadReading::InvalidVr(tag));
        assert_eq!(head(b"\x10\0\x10"), HeadReading::Needs(8));
    }
}
