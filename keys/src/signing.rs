//! Ed25519 (RFC 8032) with one way to verify: strictly.
//!
//! Two honest verifiers must never disagree about a signature, today or in twenty years. So a public key of low
//! order or with a second encoding is refused when it is read, and `verify_strict` refuses low-order `R`, a scalar
//! that is not reduced, and everything only the cofactored equation would accept. Never batch.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer as _;
use minicbor::decode::{self, Decode, Decoder};
use minicbor::encode::{self, Encode, Encoder, Write};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::error::{Refused, Why};
use crate::id::{from_hex, write_hex};
use crate::secret::Secret32;

/// Bytes of an Ed25519 signature (RFC 8032 §5.1.6).
pub const SIGNATURE: usize = 64;

/// An Ed25519 private key. Cleared when dropped; cannot be printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key whose 32-byte seed (RFC 8032 §5.1.5) is `seed`.
    #[must_use]
    pub fn from_seed(seed: Secret32) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed.expose()))
    }

    /// A fresh key from `rng`.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self::from_seed(Secret32::from_rng(rng))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The seed, for the sealed key file or the transport's own copy of a node key.
    #[must_use]
    pub fn seed(&self) -> Secret32 {
        let bytes = Zeroizing::new(self.0.to_bytes());
        Secret32::from_bytes(*bytes)
    }

    /// Signs exactly these bytes. Only for formats that say themselves what they are – a COSE `Sig_structure`
    /// ([`crate::signed`]) or a C2SP signed note: nothing is added here that would keep two uses apart.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        self.0.sign(message).to_bytes()
    }
}

/// An Ed25519 public key that was checked when it was read: canonical, on the curve, not of low order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// The bytes or the text are no acceptable Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an acceptable Ed25519 public key (64 lower-case hexadecimal digits, canonical, not of low order)"
)]
pub struct NotAKey;

impl PublicKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`NotAKey`] for an encoding that is not canonical, not on the curve, or of low order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, NotAKey> {
        if !is_canonical(bytes) {
            return Err(NotAKey);
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| NotAKey)?;
        if key.is_weak() {
            return Err(NotAKey);
        }
        Ok(Self(*bytes))
    }

    /// The 32 bytes (RFC 8032 §5.1.5).
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies that this key signed exactly `message`.
    ///
    /// # Errors
    /// [`Why::Signature`].
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE]) -> Result<(), Refused> {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        ed25519_dalek::VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &signature))
            .map_err(|_| Why::Signature.into())
    }
}

/// Is the y coordinate below the field's prime 2²⁵⁵ − 19? (The other second encoding, x = 0 with its sign set,
/// exists only for points of low order.)
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let top = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|byte| *byte == 0xff);
    !(top && bytes[0] >= 0xed)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        write_hex(f, &self.0[..4])?;
        f.write_str(")")
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        Self::from_bytes(&from_hex(text).map_err(|_| NotAKey)?)
    }
}

impl<C> Encode<C> for PublicKey {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes: &[u8; 32] = d
            .bytes()?
            .try_into()
            .map_err(|_| decode::Error::message("not 32 bytes"))?;
        Self::from_bytes(bytes).map_err(|_| decode::Error::message("not an acceptable key"))
    }
}
