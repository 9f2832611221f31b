//! Text of DICOM values: from the character sets in the field to Unicode (PS3.5 §6.1).
//!
//! A byte that cannot be decoded is shown as `\xHH` and the text is said to be inexact; nothing is
//! replaced or dropped, and the raw bytes stay where they came from. What is carried to others is
//! always the raw bytes: decoding is for people to read.
//!
//! Under JIS X 0201 (ISO_IR 13) the byte 5C is shown as `¥` and 7E as `‾`, which is what they are in
//! that set. Between values 5C is the delimiter all the same (PS3.5 §6.4).

mod decoder;
pub mod matching;
mod person_name;
mod pieces;
mod sets;
mod terms;
mod written;

pub use person_name::{NameGroup, PersonName};

use pieces::{Delimiters, Piece};
use std::fmt;
use terms::{DEFAULT, Repertoire, read_repertoire};

/// The Specific Character Set of what we write, which is UTF-8.
pub const WRITTEN_CHARACTER_SET: &str = "ISO_IR 192";

/// The character sets of one data set, or of one item that declares its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharacterSets {
    repertoire: Repertoire,
    known: bool,
}

/// Decoded text. May hold patient data: `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text; bytes that could not be decoded are in it as `\xHH`.
    pub text: String,
    /// Whether every byte was decoded by a set that the standard defines.
    pub exact: bool,
}

impl Default for CharacterSets {
    /// The default repertoire, for data sets without Specific Character Set.
    fn default() -> Self {
        Self {
            repertoire: DEFAULT,
            known: true,
        }
    }
}

impl CharacterSets {
    /// Reads a Specific Character Set value (0008,0005), which may have several values.
    #[must_use]
    pub fn read(value: &[u8]) -> Self {
        let (repertoire, known) = read_repertoire(value);
        Self { repertoire, known }
    }

    /// Whether every term was one that the standard defines.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.known
    }

    /// Decodes a value in which a backslash separates nothing: ST, LT, UT.
    #[must_use]
    pub fn decode_text(&self, value: &[u8]) -> Decoded {
        let pieces = decoder::decode(self.repertoire, unpadded(value), Delimiters::None);
        let mut whole = Decoded {
            text: String::new(),
            exact: true,
        };
        for piece in pieces {
            whole.exact &= !piece.inexact;
            whole.text.push_str(&piece.text);
        }
        whole.text.truncate(whole.text.trim_end_matches(' ').len());
        whole
    }

    /// Decodes the values of LO, SH or UC, without leading and trailing spaces.
    #[must_use]
    pub fn decode_values(&self, value: &[u8]) -> Vec<Decoded> {
        decoder::decode(self.repertoire, unpadded(value), Delimiters::Values)
            .into_iter()
            .map(Decoded::from)
            .collect()
    }

    /// Decodes the names of a PN value.
    #[must_use]
    pub fn decode_person_names(&self, value: &[u8]) -> Vec<PersonName> {
        person_name::assemble(decoder::decode(
            self.repertoire,
            unpadded(value),
            Delimiters::PersonName,
        ))
    }
}

impl From<Piece> for Decoded {
    fn from(piece: Piece) -> Self {
        Self {
            text: piece.text.trim_matches(' ').to_owned(),
            exact: !piece.inexact,
        }
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("exact", &self.exact)
            .finish_non_exhaustive()
    }
}

/// Drops trailing NULs, which devices write where spaces are due. Spaces may be the second byte of
/// nothing, but are trimmed after decoding.
fn unpadded(value: &[u8]) -> &[u8] {
    let end = value
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    value.get(..end).unwrap_or_default()
}

/// Writes text as a value under [`WRITTEN_CHARACTER_SET`], padded with a space to an even length.
/// Delimiters in the text are the caller's.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(b' ');
    }
    value
}
