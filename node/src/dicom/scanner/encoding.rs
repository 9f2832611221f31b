//! Transfer syntaxes, as far as the structure of a data set depends on them (PS3.5 §10 and §A).

use crate::dicom::uid::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN,
    GE_PRIVATE_IMPLICIT_BIG_ENDIAN_PIXELS, IMPLICIT_VR_LITTLE_ENDIAN,
    JPIP_HTJ2K_REFERENCED_DEFLATE, JPIP_REFERENCED_DEFLATE, Uid,
};

/// How the elements of a data set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Implicit VR, little endian (PS3.5 §7.1.3).
    ImplicitLittle,
    /// Explicit VR, little endian (PS3.5 §7.1.2). Also of all encapsulated syntaxes.
    ExplicitLittle,
    /// Explicit VR, big endian (retired).
    ExplicitBig,
    /// Explicit VR, little endian, deflated as a whole (PS3.5 §A.5).
    DeflatedExplicitLittle,
}

/// A transfer syntax: its UID, and what the UID says about the encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferSyntax {
    uid: Uid,
    encoding: Encoding,
    native_pixels: bool,
    standard: bool,
}

/// Root of the transfer syntaxes of PS3.6 §A.
const STANDARD_ROOT: &str = "1.2.840.10008.1.2";

impl From<Uid> for TransferSyntax {
    /// Classifies a transfer syntax. What is not known is taken as Explicit VR Little Endian with
    /// encapsulated pixel data, as all syntaxes added since 1993 are (PS3.5 §A.4).
    fn from(uid: Uid) -> Self {
        let (encoding, native_pixels) =
            if uid == IMPLICIT_VR_LITTLE_ENDIAN || uid == GE_PRIVATE_IMPLICIT_BIG_ENDIAN_PIXELS {
                (Encoding::ImplicitLittle, true)
            } else if uid == EXPLICIT_VR_LITTLE_ENDIAN {
                (Encoding::ExplicitLittle, true)
            } else if uid == EXPLICIT_VR_BIG_ENDIAN {
                (Encoding::ExplicitBig, true)
            } else if uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
                (Encoding::DeflatedExplicitLittle, true)
            } else if uid == JPIP_REFERENCED_DEFLATE || uid == JPIP_HTJ2K_REFERENCED_DEFLATE {
                (Encoding::DeflatedExplicitLittle, false)
            } else {
                (Encoding::ExplicitLittle, false)
            };
        let below_root = uid.as_str().strip_prefix(STANDARD_ROOT);
        let standard = below_root.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            || uid == GE_PRIVATE_IMPLICIT_BIG_ENDIAN_PIXELS;
        Self {
            uid,
            encoding,
            native_pixels,
            standard,
        }
    }
}

impl TransferSyntax {
    /// The UID it was made from.
    #[must_use]
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// How its elements are written.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether pixel data is native; otherwise it is encapsulated in fragments, or referenced.
    #[must_use]
    pub fn has_native_pixels(&self) -> bool {
        self.native_pixels
    }

    /// Whether its UID is under the root of the standard's transfer syntaxes.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        self.standard
    }
}

/// Element headers and numbers at one place of a data set: implicit or explicit, and byte order.
/// Differs from the transfer syntax within UN sequences (PS3.5 §6.2.2, note 2 on UN).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) explicit: bool,
    pub(crate) big_endian: bool,
}

impl Form {
    /// What a UN sequence of undefined length holds, whatever is around it.
    pub(crate) const IMPLICIT_LITTLE: Self = Self {
        explicit: false,
        big_endian: false,
    };

    /// Two bytes as a number. Callers hand slices of checked length.
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    /// Four bytes as a number.
    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

impl From<Encoding> for Form {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::ImplicitLittle => Self::IMPLICIT_LITTLE,
            Encoding::ExplicitLittle | Encoding::DeflatedExplicitLittle => Self {
                explicit: true,
                big_endian: false,
            },
            Encoding::ExplicitBig => Self {
                explicit: true,
                big_endian: true,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uid: &str) -> (Encoding, bool, bool) {
        let syntax = TransferSyntax::from(uid.parse::<Uid>().unwrap());
        (
            syntax.encoding(),
            syntax.has_native_pixels(),
            syntax.is_standard(),
        )
    }

    #[test]
    fn syntaxes_are_classified() {
        use Encoding::{DeflatedExplicitLittle, ExplicitBig, ExplicitLittle, ImplicitLittle};
        assert_eq!(of("1.2.840.10008.1.2"), (ImplicitLittle, true, true));
        assert_eq!(of("1.2.840.10008.1.2.1"), (ExplicitLittle, true, true));
        assert_eq!(
            of("1.2.840.10008.1.2.1.99"),
            (DeflatedExplicitLittle, true, true)
        );
        assert_eq!(of("1.2.840.10008.1.2.2"), (ExplicitBig, true, true));
        assert_eq!(of("1.2.840.10008.1.2.4.90"), (ExplicitLittle, false, true));
        assert_eq!(
            of("1.2.840.10008.1.2.4.95"),
            (DeflatedExplicitLittle, false, true)
        );
        assert_eq!(of("1.2.840.10008.1.2.8.1"), (ExplicitLittle, false, true));
        assert_eq!(of("1.2.840.113619.5.2"), (ImplicitLittle, true, true));
        assert_eq!(of("1.2.840.10008.1.20"), (ExplicitLittle, false, false));
        assert_eq!(of("1.2.3"), (ExplicitLittle, false, false));
    }
}
