//! Application entity titles (PS3.5 section 6.2, VR AE; PS3.8 section 9.3.2).

use std::fmt;
use std::str::FromStr;

use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// A checked AE title: 1–16 printable ASCII characters, no backslash, no surrounding spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AeTitle(String);

/// The text is not an AE title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct AeTitleError;

impl Explain for AeTitleError {
    fn message(&self) -> Message {
        say!(
            "AE タイトルは半角英数字と記号 1～16 文字です。設定を直してください",
            "an AE title is 1 to 16 ASCII letters, digits and signs without backslash; correct it in the configuration"
        )
    }
}

displayed_in_english!(AeTitleError);

impl AeTitle {
    /// The title as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Read the 16-byte field of an association PDU. Trailing NULs, which some devices pad with,
    /// count as spaces.
    pub(crate) fn from_field(field: &[u8; 16]) -> Option<Self> {
        let text = std::str::from_utf8(field).ok()?;
        text.trim_end_matches('\0').parse().ok()
    }

    /// The 16-byte field of an association PDU, padded with spaces.
    pub(crate) fn to_field(&self) -> [u8; 16] {
        let mut field = [b' '; 16];
        for (place, byte) in field.iter_mut().zip(self.0.bytes()) {
            *place = byte;
        }
        field
    }
}

impl FromStr for AeTitle {
    type Err = AeTitleError;

    fn from_str(text: &str) -> Result<Self, AeTitleError> {
        let title = text.trim_matches(' ');
        let fits = (1..=16).contains(&title.len());
        let printable = title
            .bytes()
            .all(|b| (0x20..0x7f).contains(&b) && b != b'\\');
        if fits && printable {
            Ok(AeTitle(title.to_owned()))
        } else {
            Err(AeTitleError)
        }
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_trimmed_and_padded() {
        let title: AeTitle = " CT 1 ".parse().unwrap();
        assert_eq!(title.as_str(), "CT 1");
        assert_eq!(&title.to_field(), b"CT 1            ");
        assert_eq!(
            AeTitle::from_field(b"CT 1            "),
            Some(title.clone())
        );
        assert_eq!(
            AeTitle::from_field(b"CT 1\0\0\0\0\0\0\0\0\0\0\0\0"),
            Some(title)
        );
    }

    #[test]
    fn what_cannot_be_a_title_is_refused() {
        for text in ["", "    ", "A\\B", "A\nB", "漢字", "SEVENTEEN_LETTERS"] {
            assert!(text.parse::<AeTitle>().is_err(), "{text:?}");
        }
        assert_eq!(AeTitle::from_field(&[0xff; 16]), None);
        assert_eq!(AeTitle::from_field(&[0x1b; 16]), None);
    }
}
