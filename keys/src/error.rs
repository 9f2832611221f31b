//! One class of refusal towards a peer, and the reason behind it for the operator.
//!
//! A peer that learns *why* its bytes were refused can use us as an oracle: which prefix still parses, which key we
//! hold, which chunk is genuine. So every refusal looks the same from outside – [`Refused`] displays one word – and
//! the reason is behind [`Refused::why`], for local logs and tests only.

use thiserror::Error;

/// The bytes, key or signature were not accepted. Displays the same word whatever the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("refused")]
pub struct Refused {
    why: Why,
}

impl Refused {
    /// The reason, for the local operator. Never send it to the peer that caused it.
    #[must_use]
    pub const fn why(&self) -> Why {
        self.why
    }
}

impl From<Why> for Refused {
    fn from(why: Why) -> Self {
        Self { why }
    }
}

/// Why something was refused. For the operator of this node; a peer never sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Why {
    /// More bytes than the kind allows.
    #[error("longer than the {max} bytes allowed for it: ask the sender to check what it sent")]
    TooLong {
        /// The most bytes allowed.
        max: usize,
    },
    /// The bytes end before the value does.
    #[error("cut off in the middle: ask for it again")]
    CutOff,
    /// Bytes follow the end of the value.
    #[error("bytes follow the end: ask for it again")]
    TrailingBytes,
    /// Outside the deterministic CBOR profile.
    #[error("not deterministic CBOR ({0}): the sender's software does not follow the protocol")]
    Profile(&'static str),
    /// Well-formed CBOR that is not the expected type.
    #[error("not the fields this kind of document has: the sender may run another version")]
    Fields,
    /// Not a COSE_Sign1 as this protocol writes it.
    #[error("not a signed document ({0})")]
    Framing(&'static str),
    /// A document of another kind.
    #[error("a signed document of another kind than expected")]
    OtherKind,
    /// A document of a version this software does not know.
    #[error("a version of this kind that this software does not know: update it")]
    OtherVersion,
    /// Signed by another key than expected.
    #[error("signed by another key than expected")]
    OtherKey,
    /// The signature does not verify.
    #[error("the signature is not valid: the document was changed or forged")]
    Signature,
    /// A public key of low order, not canonically encoded, or not on the curve.
    #[error("not an acceptable public key: its owner must make a new one")]
    WeakKey,
    /// A text field that is empty, too long, or holds control characters.
    #[error("the field '{0}' is empty, too long or holds control characters")]
    Text(&'static str),
    /// A validity that ends before it starts.
    #[error("valid for no time at all: its end is not after its start")]
    EmptyValidity,
    /// A validity longer than the kind of key may live.
    #[error("valid for longer than the {seconds} seconds allowed for it")]
    LifeTooLong {
        /// The longest life allowed, in seconds.
        seconds: u64,
    },
    /// Not valid yet.
    #[error("not valid yet: compare both clocks, or wait")]
    NotYetValid,
    /// Not valid any more.
    #[error("expired: its owner must issue a new one")]
    Expired,
    /// Speaks for another site than expected.
    #[error("belongs to another site than expected")]
    OtherSite,
    /// Delegates to another kind of subject than expected.
    #[error("delegates to another kind of subject than expected")]
    OtherSubject,
    /// The person's licence has run out.
    #[error("the person's licence has run out: its renewal must be certified")]
    LicenceExpired,
    /// This key may not revoke that one.
    #[error("only the site's root may revoke the root")]
    NotRevocable,
    /// A name that is not the digest of what it names.
    #[error("the identifier does not match what it names")]
    OtherIdentifier,
    /// Wrapped for another prekey than the one at hand.
    #[error("wrapped for another prekey: fetch the recipient's current one")]
    OtherPrekey,
    /// The wrap does not open under this prekey and context.
    #[error("the wrapped key does not open: it was changed, or made for another grant")]
    Wrap,
    /// The key is not the one the grant commits to.
    #[error("the key is not the one the grant commits to")]
    OtherKeyCommitted,
    /// The sealed object is under another key, parcel, site or slot.
    #[error("sealed under another key, or for another parcel, site or slot")]
    OtherSeal,
    /// A sealed chunk was changed, moved or forged.
    #[error("a sealed chunk is not genuine: fetch the object again")]
    Chunk,
    /// A length that no sealed object has.
    #[error("no sealed object has this length: it was cut off or extended")]
    SealedLength,
    /// More chunks than one object may have.
    #[error("more chunks than one object may have")]
    TooManyChunks,
    /// The buffer given for the result is too short.
    #[error("the buffer given for the result is too short")]
    NoRoom,
    /// An opener was used after it had refused a chunk.
    #[error("opening was already refused: start again from the object's beginning")]
    AlreadyRefused,
    /// A stored row was changed or moved.
    #[error("a stored row is damaged or was moved: restore it from a backup")]
    Row,
    /// A pairing tag made with another code, role or conversation.
    #[error("the pairing codes differ: compare them and start again")]
    Pairing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_sees_one_word_whatever_the_reason() {
        for why in [Why::Signature, Why::CutOff, Why::TooLong { max: 7 }] {
            let refused = Refused::from(why);
            assert_eq!(refused.to_string(), "refused");
            assert!(std::error::Error::source(&refused).is_none());
            assert_eq!(refused.why(), why);
        }
    }
}
