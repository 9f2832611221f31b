//! One request to read one study, from the offer to the acknowledged report.
//!
//! The requester's node owns the case. What happened is a chain of [`event::Link`]s that the
//! requester signs, one chain for each reader it asked; a reader proposes by [`event::Proposal`],
//! and its proposal takes effect when a link admits it. Both sides fold the same chain with
//! [`thread::Thread`] and so come to the same [`phase::Phase`].

pub mod cancel;
pub mod check;
pub mod event;
pub mod phase;
pub mod priors;
pub mod reading;
pub mod report;
pub mod request;
pub mod terms;
pub mod thread;

use dokuei_keys::id::{Digest, NotHex};
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

/// Names one case: 32 random bytes, chosen by the requester.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct CaseId(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl CaseId {
    /// A new name.
    pub fn random(rng: &mut impl CryptoRng) -> CaseId {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        CaseId(bytes)
    }

    /// The name with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> CaseId {
        CaseId(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Reads it as every other name of 32 bytes is read.
impl std::str::FromStr for CaseId {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<CaseId, NotHex> {
        let digits: Digest = text.parse()?;
        Ok(CaseId(*digits.as_bytes()))
    }
}

impl std::fmt::Display for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "case ")?;
        self.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
