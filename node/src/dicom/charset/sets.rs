//! The coded character sets of PS3.3 §C.12.1.1.2, one character at a time.
//!
//! The tables are those of `encoding_rs` (the WHATWG Encoding Standard). They follow the code pages of
//! Windows, so where the registered sets say otherwise the character is put right here:
//!
//! - JIS X 0208 and 0212: six punctuation marks have the code points of the Unicode Consortium's JIS
//!   tables (WAVE DASH and not FULLWIDTH TILDE, and so on), because fonts for print show those.
//! - JIS X 0208 rows 13 and 89 to 92 are additions of NEC and IBM (①, ㈱, 髙, 﨑). They are outside
//!   the registered set; devices write them all the same. They are decoded, and said to be inexact.
//! - ISO-IR 100 is ISO/IEC 8859-1 itself, not Windows-1252.
//! - KS X 1001 and GB 2312 are the corresponding areas of their Windows supersets.

use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
    ISO_8859_7, ISO_8859_8, ISO_8859_15, WINDOWS_874, WINDOWS_1254,
};

/// A set in the left half of the code table, bytes 21 to 7E.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum G0 {
    /// ISO-IR 6.
    Ascii,
    /// ISO-IR 14: JIS X 0201 romaji.
    Romaji,
    /// ISO-IR 87: JIS X 0208.
    Jis0208,
    /// ISO-IR 159: JIS X 0212.
    Jis0212,
}

/// A set in the right half of the code table, bytes A0 to FF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum G1 {
    /// The right half of a set of 8 bits.
    Latin(Latin),
    /// ISO-IR 13: JIS X 0201 katakana, of half width.
    Katakana,
    /// ISO-IR 149: KS X 1001.
    Ksx1001,
    /// ISO-IR 58: GB 2312.
    Gb2312,
}

/// The parts of ISO/IEC 8859, and TIS 620.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Latin {
    One,
    Two,
    Three,
    Four,
    Five,
    Nine,
    Cyrillic,
    Arabic,
    Greek,
    Hebrew,
    Thai,
}

/// One decoded character, and whether the registered set defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Character {
    pub(super) char: char,
    pub(super) exact: bool,
}

impl Character {
    fn exact(char: char) -> Self {
        Self { char, exact: true }
    }
}

impl G0 {
    /// A character of one byte, or `None` if characters of this set have two.
    pub(super) fn single(self, byte: u8) -> Option<char> {
        match (self, byte) {
            (Self::Jis0208 | Self::Jis0212, _) => None,
            // JIS X 0201 has the yen sign and the overline where ASCII has backslash and tilde.
            (Self::Romaji, 0x5C) => Some('\u{A5}'),
            (Self::Romaji, 0x7E) => Some('\u{203E}'),
            (Self::Ascii | Self::Romaji, byte) => Some(char::from(byte)),
        }
    }

    /// A character of two bytes, both 21 to 7E.
    pub(super) fn double(self, lead: u8, trail: u8) -> Option<Character> {
        match self {
            Self::Ascii | Self::Romaji => None,
            Self::Jis0208 => jis_0208(lead, trail),
            Self::Jis0212 => jis_0212(lead, trail).map(Character::exact),
        }
    }
}

impl G1 {
    /// Whether a character has two bytes.
    pub(super) fn is_double(self) -> bool {
        matches!(self, Self::Ksx1001 | Self::Gb2312)
    }

    /// A character of one byte, A0 to FF.
    pub(super) fn single(self, byte: u8) -> Option<char> {
        match self {
            Self::Latin(latin) => latin.character(byte),
            Self::Katakana => match byte {
                0xA1..=0xDF => char::from_u32(0xFF61 + u32::from(byte - 0xA1)),
                _ => None,
            },
            Self::Ksx1001 | Self::Gb2312 => None,
        }
    }

    /// A character of two bytes, both A1 to FE.
    pub(super) fn double(self, lead: u8, trail: u8) -> Option<Character> {
        match self {
            Self::Latin(_) | Self::Katakana => None,
            Self::Ksx1001 => decode_one(EUC_KR, &[lead, trail]).map(Character::exact),
            Self::Gb2312 => decode_one(GBK, &[lead, trail]).map(Character::exact),
        }
    }
}

impl Latin {
    fn character(self, byte: u8) -> Option<char> {
        let encoding = match self {
            Self::One => return Some(char::from(byte)),
            Self::Two => ISO_8859_2,
            Self::Three => ISO_8859_3,
            Self::Four => ISO_8859_4,
            Self::Five => WINDOWS_1254,
            Self::Nine => ISO_8859_15,
            Self::Cyrillic => ISO_8859_5,
            Self::Arabic => ISO_8859_6,
            Self::Greek => ISO_8859_7,
            Self::Hebrew => ISO_8859_8,
            Self::Thai => WINDOWS_874,
        };
        decode_one(encoding, &[byte])
    }
}

fn jis_0208(lead: u8, trail: u8) -> Option<Character> {
    let char = match (lead, trail) {
        (0x21, 0x41) => '\u{301C}', // WAVE DASH
        (0x21, 0x42) => '\u{2016}', // DOUBLE VERTICAL LINE
        (0x21, 0x5D) => '\u{2212}', // MINUS SIGN
        (0x21, 0x71) => '\u{A2}',   // CENT SIGN
        (0x21, 0x72) => '\u{A3}',   // POUND SIGN
        (0x22, 0x4C) => '\u{AC}',   // NOT SIGN
        _ => decode_one(EUC_JP, &[lead | 0x80, trail | 0x80])?,
    };
    // Row 13 is an addition of NEC, rows 89 to 92 are NEC's selection of IBM's.
    let exact = !matches!(lead, 0x2D | 0x79..=0x7C);
    Some(Character { char, exact })
}

fn jis_0212(lead: u8, trail: u8) -> Option<char> {
    match (lead, trail) {
        (0x22, 0x37) => Some('~'),
        _ => decode_one(EUC_JP, &[0x8F, lead | 0x80, trail | 0x80]),
    }
}

/// Decodes bytes that make exactly one character.
fn decode_one(encoding: &'static Encoding, bytes: &[u8]) -> Option<char> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    let mut chars = text.chars();
    let char = chars.next()?;
    // The Windows code pages put controls and private characters where nothing is assigned.
    let assigned = !char.is_control() && !matches!(char, '\u{E000}'..='\u{F8FF}');
    (chars.next().is_none() && assigned).then_some(char)
}
