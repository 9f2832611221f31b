//! The short code two people exchange before their sites know each other.
//!
//! One site shows a code of 100 random bits as 20 characters; the other's operator types it in. Both then prove that
//! they know it with a tag over everything they told each other – certificates and addresses – so a stranger on the
//! line can neither pose as one of them nor change what was said. 100 bits cannot be guessed offline either.
//! Characters are Crockford's base 32: no I, L, O or U, and what people mistype is understood.

use std::fmt;
use std::str::FromStr;

use hkdf::HmacImpl;
use hkdf::hmac::Hmac;
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{Refused, Why};
use crate::labels::Label;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code, 5 bits each.
const CHARACTERS: usize = 20;
const GROUP: usize = 5;
/// Longest text that is read as a code: separators between all characters, and room for a careless paste.
const MAX_TEXT: usize = 64;

/// A pairing code. Shown to a person on purpose (`Display`), otherwise a secret: no `Debug`, cleared when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PairingSecret(u128);

/// What was typed is no pairing code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACode {
    /// Too few or too many characters.
    #[error(
        "a pairing code has 20 letters and digits, this has {0}: compare it with the one shown"
    )]
    Length(usize),
    /// A character no code has.
    #[error("a pairing code has no '{0}': compare it with the one shown")]
    Character(char),
}

impl PairingSecret {
    /// A fresh code from `rng`.
    pub fn from_rng<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        let secret = Self(u128::from_be_bytes(bytes) >> (128 - CHARACTERS * 5));
        bytes.zeroize();
        secret
    }
}

impl fmt::Display for PairingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for i in 0..CHARACTERS {
            if i > 0 && i % GROUP == 0 {
                f.write_str("-")?;
            }
            let value = self.0 >> ((CHARACTERS - 1 - i) * 5) & 31;
            fmt::Write::write_char(f, char::from(ALPHABET[value as usize]))?;
        }
        Ok(())
    }
}

impl FromStr for PairingSecret {
    type Err = NotACode;

    /// Reads a code in upper or lower case, with spaces and hyphens anywhere; O is 0, I and L are 1.
    fn from_str(text: &str) -> Result<Self, NotACode> {
        if text.len() > MAX_TEXT {
            return Err(NotACode::Length(text.chars().count()));
        }
        let mut secret = Self(0);
        let mut count = 0;
        for character in text.chars() {
            let upper = match character.to_ascii_uppercase() {
                ' ' | '-' => continue,
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value = ALPHABET
                .iter()
                .position(|symbol| char::from(*symbol) == upper)
                .ok_or(NotACode::Character(character))?;
            count += 1;
            // A code too long loses its first characters here, and is refused below.
            secret.0 = secret.0 << 5 | value as u128;
        }
        if count != CHARACTERS {
            return Err(NotACode::Length(count));
        }
        Ok(secret)
    }
}

/// Whose proof a tag is. Two roles, so that a tag cannot be sent back to its maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingRole {
    /// Showed the code.
    Inviter,
    /// Typed it in.
    Accepter,
}

impl PairingRole {
    const fn byte(self) -> u8 {
        match self {
            Self::Inviter => 1,
            Self::Accepter => 2,
        }
    }
}

/// The proof that `role` knows the code and saw exactly `transcript`:
/// HMAC-SHA-256(code, label ‖ role ‖ transcript), the code being 16 bytes, big-endian, and the role one byte: 1 for the
/// inviter, 2 for the accepter. The transcript must have one reading, such as deterministic CBOR.
#[must_use]
pub fn pairing_tag(secret: &PairingSecret, role: PairingRole, transcript: &[u8]) -> [u8; 32] {
    let mut key = secret.0.to_be_bytes();
    let mut mac = <Hmac<Sha256> as HmacImpl>::new_from_slice(&key);
    key.zeroize();
    HmacImpl::update(&mut mac, Label::Pairing.as_bytes());
    HmacImpl::update(&mut mac, &[role.byte()]);
    HmacImpl::update(&mut mac, transcript);
    HmacImpl::finalize(mac).into()
}

/// Checks the other side's proof, in constant time.
///
/// # Errors
/// [`Why::Pairing`].
pub fn check_pairing_tag(
    secret: &PairingSecret,
    role: PairingRole,
    transcript: &[u8],
    tag: &[u8; 32],
) -> Result<(), Refused> {
    let expected = pairing_tag(secret, role, transcript);
    if expected.ct_eq(tag).into() {
        Ok(())
    } else {
        Err(Why::Pairing.into())
    }
}
