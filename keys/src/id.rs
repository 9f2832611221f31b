//! The 32-byte names of things. Each is its own type, so a parcel can never be looked up as a site.
//!
//! In text: 64 lower-case hexadecimal digits. In CBOR: a byte string of exactly 32 bytes. In `Debug` output: the
//! first 8 digits, enough to tell two apart in a log.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::{self, Decode, Decoder};
use minicbor::encode::{self, Encode, Encoder, Write};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};

use crate::error::{Refused, Why};
use crate::labels::Label;
use crate::signing::PublicKey;

/// The text was not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lower-case hexadecimal digits")]
pub struct NotHex;

/// Reads 64 lower-case hexadecimal digits; upper case is refused, so that each name has one spelling.
pub(crate) fn from_hex(text: &str) -> Result<[u8; 32], NotHex> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return Err(NotHex);
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Ok(bytes)
}

fn hex_digit(digit: u8) -> Result<u8, NotHex> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NotHex),
    }
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 32 bytes, by value.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                write_hex(f, &self.0[..4])?;
                f.write_str(")")
            }
        }

        impl FromStr for $name {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, NotHex> {
                from_hex(text).map(Self)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| decode::Error::message("not 32 bytes"))
            }
        }
    )+};
}

ids! {
    /// The SHA-256 of something.
    Digest;
    /// A site: the SHA-256 of its root public key.
    SiteId;
    /// A node: its Ed25519 public key.
    NodeId;
    /// A person at a site: their Ed25519 public key.
    PersonId;
    /// A parcel (one sealed study or report): 32 random bytes.
    ParcelId;
    /// A prekey: the SHA-256 of its 1216 public bytes.
    PrekeyId;
    /// A signed document: the SHA-256 of its bytes.
    DocumentId;
    /// An object inside a parcel: the BLAKE3 of its plaintext, keyed for that parcel.
    ObjectDigest;
}

impl Digest {
    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }

    /// The SHA-256 of a label's bytes followed by `bytes`: a digest for one purpose only.
    #[must_use]
    pub fn of_labelled(label: Label, bytes: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update(label.as_bytes())
                .chain_update(bytes)
                .finalize()
                .into(),
        )
    }
}

impl SiteId {
    /// The site whose root key is `root`.
    #[must_use]
    pub fn of(root: &PublicKey) -> Self {
        Self(sha256(root.as_bytes()))
    }
}

impl DocumentId {
    /// The identifier of the signed document with exactly these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }
}

impl PrekeyId {
    /// The identifier of the prekey with these public bytes.
    #[must_use]
    pub fn of(public: &[u8]) -> Self {
        Self(sha256(public))
    }
}

impl ParcelId {
    /// Names a new parcel.
    pub fn from_rng<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

macro_rules! key_ids {
    ($($name:ident),+) => {$(
        impl From<PublicKey> for $name {
            fn from(key: PublicKey) -> Self {
                Self(*key.as_bytes())
            }
        }

        impl $name {
            /// The public key that this name is.
            ///
            /// # Errors
            /// [`Why::WeakKey`] when the bytes are no acceptable key.
            pub fn key(&self) -> Result<PublicKey, Refused> {
                PublicKey::from_bytes(&self.0).map_err(|_| Why::WeakKey.into())
            }
        }
    )+};
}

key_ids!(NodeId, PersonId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor;

    #[test]
    fn text_is_64_lower_case_digits_and_nothing_else() {
        let id = ParcelId::from_bytes(std::array::from_fn(|i| i as u8 * 8));
        let text = id.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(text.parse::<ParcelId>().unwrap(), id);
        assert_eq!(format!("{id:?}"), "ParcelId(00081018)");
        for bad in [
            &text[1..],
            &text.to_uppercase(),
            &format!("{text}0"),
            &text.replace('0', "g"),
            "",
        ] {
            assert_eq!(bad.parse::<ParcelId>(), Err(NotHex), "{bad}");
        }
    }

    #[test]
    fn a_labelled_digest_is_that_of_label_and_bytes() {
        let labelled = Digest::of_labelled(Label::LogEntry, b"entry");
        assert_eq!(labelled, Digest::of(b"dokuei/v1/log/entryentry"));
        assert_ne!(labelled, Digest::of_labelled(Label::Pairing, b"entry"));
    }

    #[test]
    fn cbor_is_a_byte_string_of_exactly_32() {
        let id = SiteId::from_bytes([7; 32]);
        let bytes = cbor::encode(&id);
        assert_eq!(bytes[..2], [0x58, 32]);
        assert_eq!(cbor::decode_strict::<SiteId>(&bytes, 64).unwrap(), id);
        for length in [0_usize, 31, 33] {
            let other = cbor::encode(&minicbor::bytes::ByteVec::from(vec![7; length]));
            let refused = cbor::decode_strict::<SiteId>(&other, 64).unwrap_err();
            assert_eq!(refused.why(), Why::Fields, "{length}");
        }
        let text = cbor::encode("7777777777777777777777777777777");
        assert!(cbor::decode_strict::<SiteId>(&text, 64).is_err());
    }
}
