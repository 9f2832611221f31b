//! Signed documents: COSE_Sign1 (RFC 9052 §4.2) with Ed25519 over deterministic CBOR.
//!
//! ```text
//! document  = [ protected: bstr, {}, payload: bstr, signature: bstr .size 64 ]      (untagged)
//! protected = { 1: -8, 3: "application/vnd.dokuei.<kind>+cbor;v=<version>", 4: <public key, 32 bytes> }
//! signed    = [ "Signature1", protected, label of the kind, payload ]               (Sig_structure)
//! ```
//!
//! [`Signed<T>`] keeps the exact bytes and can only be made by signing or by verifying, so holding one means that the
//! signature was checked. ([`recorded`] gives a content without one, for a site's own records.) What it does not mean: that the key may say this. That is [`crate::delegation`]'s question.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::cbor::{self, Cursor, Major};
use crate::error::{Refused, Why};
use crate::id::DocumentId;
use crate::labels::Label;
use crate::signing::{PublicKey, SIGNATURE, SigningKey};

/// Longest protected header: two heads, an algorithm, a content type with [`MAX_KIND`] and a key, with room to spare.
const MAX_PROTECTED: usize = 160;
/// Longest name of a kind, in bytes. The longest in use has 17.
pub const MAX_KIND: usize = 48;
/// EdDSA in COSE (RFC 9053 §2.2) is algorithm −8, which CBOR writes as 7 under the negative major type.
const ED_DSA: u64 = 7;
const CONTENT_TYPE_START: &str = "application/vnd.dokuei.";
const CONTENT_TYPE_VERSION: &str = "+cbor;v=";

/// A kind of signed document.
pub trait Document: Encode<()> + for<'b> Decode<'b, ()> {
    /// Its name in the content type: lower-case letters, digits and hyphens, at most [`MAX_KIND`] bytes.
    const KIND: &'static str;
    /// Its version. A changed field or meaning needs a new one.
    const VERSION: u16;
    /// The label its signature is bound to.
    const LABEL: Label;
    /// The most bytes a whole signed document of this kind may have. Checked before anything else.
    const MAX_BYTES: usize;

    /// Rules about the fields that CBOR cannot express. Called when signing and when verifying.
    ///
    /// # Errors
    /// Whatever the kind finds wrong; by default nothing.
    fn check(&self) -> Result<(), Refused> {
        Ok(())
    }
}

/// A document whose signature was made or verified here, with the exact bytes that were signed.
#[derive(Clone)]
pub struct Signed<T> {
    bytes: Box<[u8]>,
    signer: PublicKey,
    content: T,
}

impl<T: Document> Signed<T> {
    /// Signs `content`.
    ///
    /// # Errors
    /// What [`Document::check`] finds, or [`Why::TooLong`]: a document that every receiver would refuse is not made.
    pub fn sign(content: T, key: &SigningKey) -> Result<Self, Refused> {
        content.check()?;
        let signer = key.public();
        let payload = cbor::encode(&content);
        let protected = protected_header(T::KIND, T::VERSION, &signer);
        let signature = key.sign(&to_be_signed(&protected, T::LABEL, &payload));
        let mut bytes = Vec::with_capacity(payload.len() + protected.len() + SIGNATURE + 16);
        cbor::push_head(&mut bytes, Major::Array, 4);
        cbor::push_bytes(&mut bytes, &protected);
        cbor::push_head(&mut bytes, Major::Map, 0);
        cbor::push_bytes(&mut bytes, &payload);
        cbor::push_bytes(&mut bytes, &signature);
        if bytes.len() > T::MAX_BYTES {
            return Err(Why::TooLong { max: T::MAX_BYTES }.into());
        }
        Ok(Self {
            bytes: bytes.into_boxed_slice(),
            signer,
            content,
        })
    }

    /// Verifies that `bytes` are a document of kind `T` signed by `key`.
    ///
    /// In this order, cheapest first: length, framing, kind, version and key, CBOR profile, signature, fields,
    /// [`Document::check`].
    ///
    /// # Errors
    /// One [`Refused`] for all of them; the reason is in [`Refused::why`].
    pub fn verify(bytes: &[u8], key: &PublicKey) -> Result<Self, Refused> {
        let (frame, signer) = Frame::of_kind::<T>(bytes)?;
        if signer != *key {
            return Err(Why::OtherKey.into());
        }
        cbor::check_profile(frame.payload)?;
        let message = to_be_signed(frame.protected, T::LABEL, frame.payload);
        key.verify(&message, frame.signature)?;
        Ok(Self {
            bytes: bytes.into(),
            signer,
            content: frame.content()?,
        })
    }
}

impl<T> Signed<T> {
    /// The exact bytes that were signed or verified.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The document's identifier: the SHA-256 of [`Self::bytes`].
    #[must_use]
    pub fn id(&self) -> DocumentId {
        DocumentId::of(&self.bytes)
    }

    /// The key that signed.
    #[must_use]
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// What was signed.
    #[must_use]
    pub fn content(&self) -> &T {
        &self.content
    }

    /// What was signed, without the bytes.
    #[must_use]
    pub fn into_content(self) -> T {
        self.content
    }
}

/// Two documents are the same when their bytes are.
impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for Signed<T> {}

/// Shows kind and identifier only: a content may hold what a log must not.
impl<T: Document> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed<{}>({:?})", T::KIND, self.id())
    }
}

/// What a document says about itself before anything is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind, at most [`MAX_KIND`] bytes of lower-case letters, digits and hyphens.
    pub kind: String,
    /// The version of that kind.
    pub version: u16,
    /// The key that is said to have signed.
    pub key: PublicKey,
}

/// Reads the header of a signed document, to choose the `T` and the key to verify with. **Nothing is verified**:
/// anyone can write any header. The cost does not depend on the length of `bytes`.
///
/// # Errors
/// [`Why::Framing`], [`Why::Profile`], [`Why::CutOff`], [`Why::TrailingBytes`] or [`Why::WeakKey`].
pub fn peek(bytes: &[u8]) -> Result<Header, Refused> {
    Frame::read(bytes)?.header()
}

/// Reads the content of a document from this site's own records, where it was written only after it was signed or
/// verified here. **The signature is not verified again**: never use it on bytes that came from outside.
///
/// # Errors
/// As [`Signed::verify`], the key and the signature apart.
pub fn recorded<T: Document>(bytes: &[u8]) -> Result<T, Refused> {
    let (frame, _) = Frame::of_kind::<T>(bytes)?;
    frame.content()
}

/// The four parts of a COSE_Sign1.
struct Frame<'a> {
    protected: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8; SIGNATURE],
}

impl<'a> Frame<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let mut cursor = Cursor::new(bytes);
        if cursor.expect(Major::Array)? != 4 {
            return Err(Why::Framing("not an array of four").into());
        }
        let protected = cursor.byte_string()?;
        if cursor.expect(Major::Map)? != 0 {
            return Err(Why::Framing("an unprotected header").into());
        }
        let payload = cursor.byte_string()?;
        let signature = cursor.byte_string()?;
        cursor.end()?;
        if protected.len() > MAX_PROTECTED {
            return Err(Why::Framing("a protected header too long").into());
        }
        let signature = signature
            .try_into()
            .map_err(|_| Why::Framing("a signature of another length"))?;
        Ok(Self {
            protected,
            payload,
            signature,
        })
    }

    /// The frame of a document of kind `T`, and the key that is said to have signed it.
    fn of_kind<T: Document>(bytes: &'a [u8]) -> Result<(Self, PublicKey), Refused> {
        if bytes.len() > T::MAX_BYTES {
            return Err(Why::TooLong { max: T::MAX_BYTES }.into());
        }
        let frame = Self::read(bytes)?;
        let header = frame.header()?;
        if header.kind != T::KIND {
            return Err(Why::OtherKind.into());
        }
        if header.version != T::VERSION {
            return Err(Why::OtherVersion.into());
        }
        Ok((frame, header.key))
    }

    fn content<T: Document>(&self) -> Result<T, Refused> {
        let content: T = cbor::decode_strict(self.payload, T::MAX_BYTES)?;
        content.check()?;
        Ok(content)
    }

    fn header(&self) -> Result<Header, Refused> {
        let mut cursor = Cursor::new(self.protected);
        let fields = cursor.expect(Major::Map)?;
        if fields != 3
            || cursor.expect(Major::Unsigned)? != 1
            || cursor.expect(Major::Negative)? != ED_DSA
            || cursor.expect(Major::Unsigned)? != 3
        {
            return Err(Why::Framing("another protected header").into());
        }
        let length = cursor.expect(Major::Text)?;
        let (kind, version) = read_content_type(cursor.text(length)?)?;
        if cursor.expect(Major::Unsigned)? != 4 {
            return Err(Why::Framing("another protected header").into());
        }
        let key = cursor
            .byte_string()?
            .try_into()
            .map_err(|_| Why::Framing("a key of another length"))?;
        cursor.end()?;
        Ok(Header {
            kind: kind.to_owned(),
            version,
            key: PublicKey::from_bytes(key).map_err(|_| Why::WeakKey)?,
        })
    }
}

fn read_content_type(text: &str) -> Result<(&str, u16), Refused> {
    let refused = || Why::Framing("another content type");
    let (kind, digits) = text
        .strip_prefix(CONTENT_TYPE_START)
        .and_then(|rest| rest.split_once(CONTENT_TYPE_VERSION))
        .ok_or_else(refused)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if kind.is_empty() || kind.len() > MAX_KIND || !kind.bytes().all(plain) {
        return Err(refused().into());
    }
    let version: u16 = digits.parse().map_err(|_| refused())?;
    if version.to_string() != digits {
        return Err(refused().into());
    }
    Ok((kind, version))
}

fn protected_header(kind: &str, version: u16, key: &PublicKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_PROTECTED);
    cbor::push_head(&mut out, Major::Map, 3);
    cbor::push_head(&mut out, Major::Unsigned, 1);
    cbor::push_head(&mut out, Major::Negative, ED_DSA);
    cbor::push_head(&mut out, Major::Unsigned, 3);
    let content_type = format!("{CONTENT_TYPE_START}{kind}{CONTENT_TYPE_VERSION}{version}");
    cbor::push_text(&mut out, &content_type);
    cbor::push_head(&mut out, Major::Unsigned, 4);
    cbor::push_bytes(&mut out, key.as_bytes());
    out
}

/// The Sig_structure of RFC 9052 §4.4, with the label as external additional data.
fn to_be_signed(protected: &[u8], label: Label, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + protected.len() + 64);
    cbor::push_head(&mut out, Major::Array, 4);
    cbor::push_text(&mut out, "Signature1");
    cbor::push_bytes(&mut out, protected);
    cbor::push_bytes(&mut out, label.as_bytes());
    cbor::push_bytes(&mut out, payload);
    out
}
