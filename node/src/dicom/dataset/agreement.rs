//! What the scanner lets in, this reader reads: both see the same elements, values and sequences in the same bytes.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Bounds, DataSet, ReadError, Value, read};
use crate::dicom::scanner::head::{ITEM, ITEM_DELIMITATION, SEQUENCE_DELIMITATION};
use crate::dicom::scanner::{Encoding, Limits, Scanner, TransferSyntax};
use crate::dicom::uid::{
    EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, Uid,
};

const UNDEFINED: u32 = 0xFFFF_FFFF;

/// Elements that one reader or another has reasons to treat in its own way: sequences, pixel data, what may be encapsulated,
/// private ones beside and inside of repeating groups, group lengths, and one that nobody knows.
const TAGS: [Tag; 15] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::REFERENCED_STUDY_SEQUENCE,
    tags::ICON_IMAGE_SEQUENCE,
    tags::ENCAPSULATED_DOCUMENT,
    tags::PIXEL_REPRESENTATION,
    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::PIXEL_DATA,
    tags::FLOAT_PIXEL_DATA,
    Tag(0x0008, 0x0000),
    Tag(0x0009, 0x0010),
    Tag(0x0009, 0x1001),
    Tag(0x5000, 0x2600),
    Tag(0x5001, 0x2600),
    Tag(0x6000, 0x3000),
    Tag(0x0018, 0xEEEE),
];

/// Those of the standard, one that is to come, and what old devices write.
const VRS: [&[u8; 2]; 13] = [
    b"SQ", b"SQ", b"UN", b"UN", b"OB", b"OW", b"OF", b"UT", b"CS", b"US", b"ZZ", b"  ", b"??",
];

/// A piece of a data set, right or wrong.
#[derive(Clone, Debug)]
enum Piece {
    Value(Tag, &'static [u8; 2], Vec<u8>),
    /// A head and what is said to be in it: so much more or less than there is, or no length at all.
    Around(Tag, &'static [u8; 2], Length, Vec<Piece>),
    Item(Length, Vec<Piece>),
    Fragment(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Length {
    Exact,
    Undefined,
    /// Undefined, and nothing says where it ends.
    Open,
    Off(i8),
}

fn length() -> impl Strategy<Value = Length> {
    prop_oneof![
        6 => Just(Length::Exact),
        6 => Just(Length::Undefined),
        1 => Just(Length::Open),
        1 => (-8_i8..8).prop_map(Length::Off),
    ]
}

fn piece() -> impl Strategy<Value = Piece> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..6);
    let leaf = prop_oneof![
        4 => (select(&TAGS[..]), select(&VRS[..]), bytes())
            .prop_map(|(tag, vr, value)| Piece::Value(tag, vr, value)),
        1 => bytes().prop_map(Piece::Fragment),
    ];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let some = proptest::collection::vec(inner, 0..4);
        prop_oneof![
            (select(&TAGS[..]), select(&VRS[..]), length(), some.clone())
                .prop_map(|(tag, vr, length, inside)| Piece::Around(tag, vr, length, inside)),
            (
                select(&TAGS[..]),
                select(&VRS[..]),
                length(),
                length(),
                some.clone()
            )
                .prop_map(|(tag, vr, outer, inner, inside)| {
                    Piece::Around(tag, vr, outer, vec![Piece::Item(inner, inside)])
                }),
            (length(), some).prop_map(|(length, inside)| Piece::Item(length, inside)),
        ]
    })
}

/// How elements are written.
#[derive(Clone, Copy)]
struct Hand {
    encoding: Encoding,
}

impl Hand {
    fn u16(self, number: u16, out: &mut Vec<u8>) {
        out.extend(match self.encoding {
            Encoding::ExplicitBig => number.to_be_bytes(),
            _ => number.to_le_bytes(),
        });
    }

    fn u32(self, number: u32, out: &mut Vec<u8>) {
        out.extend(match self.encoding {
            Encoding::ExplicitBig => number.to_be_bytes(),
            _ => number.to_le_bytes(),
        });
    }

    fn head(self, tag: Tag, vr: &[u8; 2], length: u32, out: &mut Vec<u8>) {
        self.u16(tag.group(), out);
        self.u16(tag.element(), out);
        if self.encoding == Encoding::ImplicitLittle || tag.group() == ITEM.group() {
            return self.u32(length, out);
        }
        out.extend_from_slice(vr);
        match vr {
            b"CS" | b"US" | b"  " | b"??" => self.u16(length as u16, out),
            _ => {
                out.extend_from_slice(&[0, 0]);
                self.u32(length, out);
            }
        }
    }

    fn around(
        self,
        (tag, vr, length): (Tag, &[u8; 2], Length),
        end: Tag,
        body: &[u8],
        out: &mut Vec<u8>,
    ) {
        let said = match length {
            Length::Exact => body.len() as u32,
            Length::Undefined | Length::Open => UNDEFINED,
            Length::Off(by) => (body.len() as u32).saturating_add_signed(by.into()),
        };
        self.head(tag, vr, said, out);
        out.extend_from_slice(body);
        if matches!(length, Length::Undefined) {
            self.head(end, b"  ", 0, out);
        }
    }

    fn write(self, pieces: &[Piece], out: &mut Vec<u8>) {
        for piece in pieces {
            match piece {
                Piece::Value(tag, vr, value) => {
                    self.head(*tag, vr, value.len() as u32, out);
                    out.extend_from_slice(value);
                }
                Piece::Fragment(value) => {
                    self.head(ITEM, b"  ", value.len() as u32, out);
                    out.extend_from_slice(value);
                }
                Piece::Around(tag, vr, length, inside) => {
                    // In UN without a length everything is implicit (PS3.5 section 6.2.2).
                    let is_unknown =
                        *vr == b"UN" && !matches!(length, Length::Exact | Length::Off(_));
                    let hand = match is_unknown && *tag != tags::PIXEL_DATA {
                        true => Hand {
                            encoding: Encoding::ImplicitLittle,
                        },
                        false => self,
                    };
                    let mut body = Vec::new();
                    hand.write(inside, &mut body);
                    let end = SEQUENCE_DELIMITATION;
                    match matches!(length, Length::Undefined) {
                        // The delimiter is written as what it ends.
                        true => {
                            self.around((*tag, vr, Length::Open), end, &body, out);
                            hand.head(end, b"  ", 0, out);
                        }
                        false => self.around((*tag, vr, *length), end, &body, out),
                    }
                }
                Piece::Item(length, inside) => {
                    let mut body = Vec::new();
                    self.write(inside, &mut body);
                    self.around((ITEM, b"  ", *length), ITEM_DELIMITATION, &body, out);
                }
            }
        }
    }
}

fn is_let_in(bytes: &[u8], uid: Uid) -> bool {
    let limits = Limits::for_total(bytes.len() as u64);
    let mut scanner = Scanner::new(TransferSyntax::from(uid), limits);
    scanner.push(bytes).is_ok() && scanner.finish_structure().is_ok()
}

/// Elements and items at every level.
fn count(set: &DataSet) -> u32 {
    let of = |value: &Value| match value {
        Value::Items(items) => items.iter().map(|item| 1 + count(item)).sum(),
        Value::Bytes(_) | Value::Bulk(_) => 0,
    };
    let elements = set.elements().iter();
    elements.map(|element| 1 + of(&element.value)).sum()
}

const ALL: [(Uid, Encoding); 3] = [
    (IMPLICIT_VR_LITTLE_ENDIAN, Encoding::ImplicitLittle),
    (EXPLICIT_VR_LITTLE_ENDIAN, Encoding::ExplicitLittle),
    (EXPLICIT_VR_BIG_ENDIAN, Encoding::ExplicitBig),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_the_scanner_lets_in_is_read(pieces in proptest::collection::vec(piece(), 1..6)) {
        for (uid, encoding) in ALL {
            let mut bytes = Vec::new();
            Hand { encoding }.write(&pieces, &mut bytes);
            if !is_let_in(&bytes, uid) {
                continue;
            }
            // A tree that would be too large is the one thing that is let in and not read: these bounds are far away.
            for bounds in [Bounds::HEADER, Bounds::WHOLE_HEADER, Bounds::IDENTIFIER] {
                let tree = read(&mut bytes.as_slice(), encoding, &bounds);
                prop_assert!(tree.is_ok(), "{encoding:?} {bounds:?} {:?}", tree.err());
            }
        }
    }
}

/// The cases in which readers have disagreed.
#[test]
fn what_is_a_sequence_is_one_to_both() {
    let item = |inside: Vec<Piece>| Piece::Item(Length::Exact, inside);
    let value = |tag, vr| Piece::Value(tag, vr, vec![1, 2]);
    for (pieces, elements) in [
        // A sequence under a VR that nobody knows, and under none: a value.
        (vec![value(tags::REFERENCED_STUDY_SEQUENCE, b"ZZ")], 1),
        (vec![value(tags::REFERENCED_STUDY_SEQUENCE, b"  ")], 1),
        // The pixels of an icon, of which a device knew the VR no more: fragments.
        (
            vec![Piece::Around(
                tags::ICON_IMAGE_SEQUENCE,
                b"SQ",
                Length::Exact,
                vec![item(vec![Piece::Around(
                    tags::PIXEL_DATA,
                    b"UN",
                    Length::Undefined,
                    vec![Piece::Fragment(vec![]), Piece::Fragment(vec![7; 4])],
                )])],
            )],
            3,
        ),
    ] {
        let mut bytes = Vec::new();
        let encoding = Encoding::ExplicitLittle;
        Hand { encoding }.write(&pieces, &mut bytes);
        assert!(is_let_in(&bytes, EXPLICIT_VR_LITTLE_ENDIAN), "{pieces:?}");
        let tree = read(&mut bytes.as_slice(), encoding, &Bounds::HEADER);
        let tree = tree.unwrap_or_else(|why| panic!("{pieces:?}: {why}"));
        assert_eq!(count(&tree), elements, "{pieces:?}");
    }
    // What lies beside a repeating group is private, and no sequence.
    let mut bytes = Vec::new();
    let encoding = Encoding::ImplicitLittle;
    Hand { encoding }.write(&[value(Tag(0x5001, 0x2600), b"  ")], &mut bytes);
    assert!(is_let_in(&bytes, IMPLICIT_VR_LITTLE_ENDIAN));
    let tree = read(&mut bytes.as_slice(), encoding, &Bounds::HEADER);
    assert_eq!(tree.ok().map(|tree| count(&tree)), Some(1));
}

#[test]
fn a_tree_that_would_be_too_large_is_refused_by_name() {
    let text = vec![b'x'; 4096];
    let mut bytes = Vec::new();
    let hand = Hand {
        encoding: Encoding::ExplicitLittle,
    };
    hand.write(&[Piece::Value(tags::TEXT_VALUE, b"UT", text)], &mut bytes);
    assert!(is_let_in(&bytes, EXPLICIT_VR_LITTLE_ENDIAN));
    let bounds = Bounds {
        kept_bytes: 4095,
        ..Bounds::HEADER
    };
    let told = read(&mut bytes.as_slice(), Encoding::ExplicitLittle, &bounds);
    assert!(matches!(told, Err(ReadError::TooLarge)));
}
