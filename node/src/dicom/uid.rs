//! Unique identifiers (PS3.5 §9): the grammar, the well-known ones used here, and derived ones.

use std::borrow::Cow;
use std::fmt;

/// Longest UID in characters (PS3.5 §9.1).
pub const UID_LENGTH_MAX: usize = 64;

/// A unique identifier: numeric components separated by dots, at most 64 characters.
///
/// Its characters are digits and dots only, so it is safe to show and to compare. It is never made
/// into a file name all the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Cow<'static, str>);

/// Why bytes were not a UID. The bytes themselves are not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UidError {
    /// Nothing but padding.
    #[error("the UID is empty")]
    Empty,
    /// More than 64 characters.
    #[error("the UID is longer than 64 characters")]
    TooLong,
    /// A character that is neither a digit nor a dot, at this index.
    #[error("character {0} of the UID is neither a digit nor a dot")]
    Character(usize),
    /// Two dots in a row, or a dot at either end.
    #[error("the UID has an empty component")]
    EmptyComponent,
    /// A component of several digits that starts with zero.
    #[error("a component of the UID starts with zero")]
    LeadingZero,
}

impl Uid {
    /// A UID known at compile time. Not checked here; a test checks every constant of this file.
    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Reads a UI value strictly by PS3.5 §9.1. Trailing NUL and space padding is dropped.
    ///
    /// # Errors
    /// [`UidError`] names the rule that was broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, UidError> {
        let uid = Self::parse_lenient(bytes)?;
        if uid.has_leading_zero() {
            return Err(UidError::LeadingZero);
        }
        Ok(uid)
    }

    /// Reads a UI value as [`Uid::parse`] does, but lets components start with zero.
    ///
    /// Devices in the field write dates and times as components (`….20040119.072730`), and refusing
    /// their images would help nobody; use this where an object from outside is identified.
    ///
    /// # Errors
    /// [`UidError`], never [`UidError::LeadingZero`].
    pub fn parse_lenient(bytes: &[u8]) -> Result<Self, UidError> {
        let text = trim_padding(bytes);
        if text.is_empty() {
            return Err(UidError::Empty);
        }
        if text.len() > UID_LENGTH_MAX {
            return Err(UidError::TooLong);
        }
        let mut digits_in_component = 0_usize;
        let mut kept = String::with_capacity(text.len());
        for (index, byte) in text.iter().enumerate() {
            match byte {
                b'0'..=b'9' => digits_in_component += 1,
                b'.' if digits_in_component == 0 => return Err(UidError::EmptyComponent),
                b'.' => digits_in_component = 0,
                _ => return Err(UidError::Character(index)),
            }
            kept.push(char::from(*byte));
        }
        if digits_in_component == 0 {
            return Err(UidError::EmptyComponent);
        }
        Ok(Self(Cow::Owned(kept)))
    }

    /// A UID under `2.25.` (PS3.5 §B.2) made from the first 16 bytes of a digest, read as a
    /// big-endian integer. The same bytes give the same UID.
    ///
    /// The UUID version bits are left alone: the number is a digest, and says so nowhere else either.
    #[must_use]
    pub fn derived(digest: [u8; 16]) -> Self {
        Self(Cow::Owned(format!("2.25.{}", u128::from_be_bytes(digest))))
    }

    /// The UID as text, without padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The UID as a UI value: padded with one NUL to an even length (PS3.5 §9.1).
    #[must_use]
    pub fn to_value(&self) -> Vec<u8> {
        let mut value = self.0.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(0);
        }
        value
    }

    /// Whether a component of several digits starts with zero, which PS3.5 §9.1 forbids.
    #[must_use]
    pub fn has_leading_zero(&self) -> bool {
        self.0
            .split('.')
            .any(|component| component.len() > 1 && component.starts_with('0'))
    }
}

/// Drops trailing NUL and space padding.
pub(crate) fn trim_padding(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, 0 | b' '))
        .map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Uid {
    type Err = UidError;

    fn from_str(text: &str) -> Result<Self, UidError> {
        Self::parse(text.as_bytes())
    }
}

impl AsRef<str> for Uid {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Implicit VR Little Endian, the default transfer syntax (PS3.5 §A.1).
pub const IMPLICIT_VR_LITTLE_ENDIAN: Uid = Uid::known("1.2.840.10008.1.2");
/// Explicit VR Little Endian (PS3.5 §A.2).
pub const EXPLICIT_VR_LITTLE_ENDIAN: Uid = Uid::known("1.2.840.10008.1.2.1");
/// Explicit VR Big Endian, retired (PS3.5 2016b §A.3).
pub const EXPLICIT_VR_BIG_ENDIAN: Uid = Uid::known("1.2.840.10008.1.2.2");
/// Deflated Explicit VR Little Endian (PS3.5 §A.5).
pub const DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Uid = Uid::known("1.2.840.10008.1.2.1.99");
/// JPIP Referenced Deflate (PS3.5 §A.7): the data set is deflated.
pub const JPIP_REFERENCED_DEFLATE: Uid = Uid::known("1.2.840.10008.1.2.4.95");
/// JPIP HTJ2K Referenced Deflate (PS3.5 §A.4.13): the data set is deflated.
pub const JPIP_HTJ2K_REFERENCED_DEFLATE: Uid = Uid::known("1.2.840.10008.1.2.4.205");
/// Private syntax of GE PACS: implicit little endian with big-endian pixels.
pub const GE_PRIVATE_IMPLICIT_BIG_ENDIAN_PIXELS: Uid = Uid::known("1.2.840.113619.5.2");
/// RLE Lossless (PS3.5 §A.4.2).
pub const RLE_LOSSLESS: Uid = Uid::known("1.2.840.10008.1.2.5");
/// JPEG Baseline (Process 1) (PS3.5 §A.4.1).
pub const JPEG_BASELINE: Uid = Uid::known("1.2.840.10008.1.2.4.50");
/// JPEG Extended (Process 2 and 4) (PS3.5 §A.4.1).
pub const JPEG_EXTENDED: Uid = Uid::known("1.2.840.10008.1.2.4.51");
/// JPEG Lossless, Process 14 (PS3.5 §A.4.1).
pub const JPEG_LOSSLESS: Uid = Uid::known("1.2.840.10008.1.2.4.57");
/// JPEG Lossless, Process 14, Selection Value 1 (PS3.5 §A.4.1).
pub const JPEG_LOSSLESS_SV1: Uid = Uid::known("1.2.840.10008.1.2.4.70");
/// JPEG-LS Lossless (PS3.5 §A.4.3).
pub const JPEG_LS_LOSSLESS: Uid = Uid::known("1.2.840.10008.1.2.4.80");
/// JPEG-LS Near-Lossless (PS3.5 §A.4.3).
pub const JPEG_LS_NEAR_LOSSLESS: Uid = Uid::known("1.2.840.10008.1.2.4.81");
/// JPEG 2000 Lossless Only (PS3.5 §A.4.4).
pub const JPEG_2000_LOSSLESS: Uid = Uid::known("1.2.840.10008.1.2.4.90");
/// JPEG 2000 (PS3.5 §A.4.4).
pub const JPEG_2000: Uid = Uid::known("1.2.840.10008.1.2.4.91");
/// High-Throughput JPEG 2000 Lossless Only (PS3.5 §A.4.12).
pub const HTJ2K_LOSSLESS: Uid = Uid::known("1.2.840.10008.1.2.4.201");
/// High-Throughput JPEG 2000 with RPCL Options, Lossless Only (PS3.5 §A.4.12).
pub const HTJ2K_LOSSLESS_RPCL: Uid = Uid::known("1.2.840.10008.1.2.4.202");

/// Verification SOP Class (PS3.4 §A.4).
pub const VERIFICATION: Uid = Uid::known("1.2.840.10008.1.1");
/// Media Storage Directory Storage (PS3.4 §I.4): a DICOMDIR.
pub const MEDIA_STORAGE_DIRECTORY: Uid = Uid::known("1.2.840.10008.1.3.10");
/// CT Image Storage.
pub const CT_IMAGE_STORAGE: Uid = Uid::known("1.2.840.10008.5.1.4.1.1.2");
/// MR Image Storage.
pub const MR_IMAGE_STORAGE: Uid = Uid::known("1.2.840.10008.5.1.4.1.1.4");
/// Secondary Capture Image Storage.
pub const SECONDARY_CAPTURE_IMAGE_STORAGE: Uid = Uid::known("1.2.840.10008.5.1.4.1.1.7");
/// Basic Text SR Storage.
pub const BASIC_TEXT_SR_STORAGE: Uid = Uid::known("1.2.840.10008.5.1.4.1.1.88.11");
/// Key Object Selection Document Storage.
pub const KEY_OBJECT_SELECTION_STORAGE: Uid = Uid::known("1.2.840.10008.5.1.4.1.1.88.59");
/// Encapsulated PDF Storage.
pub const ENCAPSULATED_PDF_STORAGE: Uid = Uid::known("1.2.840.10008.5.1.4.1.1.104.1");

/// Our Implementation Class UID (PS3.7 §D.3.3.2): `2.25.` and the first 128 bits of
/// SHA-256("dokuei implementation class"), so that nobody had to register it.
pub const IMPLEMENTATION_CLASS: Uid = Uid::known("2.25.101107936078856540224886296561737065911");

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn every_constant_follows_the_grammar() {
        let known = [
            IMPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_BIG_ENDIAN,
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
            JPIP_REFERENCED_DEFLATE,
            JPIP_HTJ2K_REFERENCED_DEFLATE,
            GE_PRIVATE_IMPLICIT_BIG_ENDIAN_PIXELS,
            RLE_LOSSLESS,
            JPEG_BASELINE,
            JPEG_EXTENDED,
            JPEG_LOSSLESS,
            JPEG_LOSSLESS_SV1,
            JPEG_LS_LOSSLESS,
            JPEG_LS_NEAR_LOSSLESS,
            JPEG_2000_LOSSLESS,
            JPEG_2000,
            HTJ2K_LOSSLESS,
            HTJ2K_LOSSLESS_RPCL,
            VERIFICATION,
            MEDIA_STORAGE_DIRECTORY,
            CT_IMAGE_STORAGE,
            MR_IMAGE_STORAGE,
            SECONDARY_CAPTURE_IMAGE_STORAGE,
            BASIC_TEXT_SR_STORAGE,
            KEY_OBJECT_SELECTION_STORAGE,
            ENCAPSULATED_PDF_STORAGE,
            IMPLEMENTATION_CLASS,
        ];
        for uid in known {
            assert_eq!(Uid::parse(uid.as_str().as_bytes()), Ok(uid));
        }
    }

    #[test]
    fn the_implementation_class_is_the_stated_digest() {
        let digest = Sha256::digest(b"dokuei implementation class");
        let first: [u8; 16] = digest.as_slice()[..16].try_into().unwrap();
        assert_eq!(Uid::derived(first), IMPLEMENTATION_CLASS);
    }

    #[test]
    fn padding_is_dropped_and_added() {
        let odd = Uid::parse(b"1.2.3\0").unwrap();
        assert_eq!(odd.as_str(), "1.2.3");
        assert_eq!(odd.to_value(), b"1.2.3\0");
        assert_eq!(Uid::parse(b"1.2.34  \0").unwrap().to_value(), b"1.2.34");
    }

    #[test]
    fn the_grammar_is_enforced() {
        use UidError::{Character, Empty, EmptyComponent, LeadingZero, TooLong};
        let cases: [(&[u8], UidError); 12] = [
            (b"", Empty),
            (b"\0\0", Empty),
            (b".1.2", EmptyComponent),
            (b"1..2", EmptyComponent),
            (b"1.2.", EmptyComponent),
            (b"1.02", LeadingZero),
            (b"00.1", LeadingZero),
            (b"../../x", EmptyComponent),
            (b"/etc/passwd", Character(0)),
            (b"1.2\0.3", Character(3)),
            (b"1.2\\1.3", Character(3)),
            (&[b'1'; 65], TooLong),
        ];
        for (bytes, error) in cases {
            assert_eq!(Uid::parse(bytes), Err(error));
        }
        assert!(Uid::parse(&[b'1'; 64]).is_ok());
        assert!(Uid::parse(b"1.0.2").is_ok());
    }

    #[test]
    fn leniency_is_about_leading_zeros_only() {
        assert!(Uid::parse_lenient(b"1.2.0123").unwrap().has_leading_zero());
        assert!(!Uid::parse_lenient(b"1.0.123").unwrap().has_leading_zero());
        assert_eq!(Uid::parse_lenient(b"1..2"), Err(UidError::EmptyComponent));
    }

    #[test]
    fn derived_uids_follow_the_grammar_at_both_ends() {
        assert_eq!(Uid::derived([0; 16]).as_str(), "2.25.0");
        let largest = Uid::derived([0xFF; 16]);
        assert_eq!(
            largest.as_str(),
            "2.25.340282366920938463463374607431768211455"
        );
        assert!(Uid::parse(largest.as_str().as_bytes()).is_ok());
    }
}
