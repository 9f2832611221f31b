//! Wraps a parcel's content key for one recipient: HPKE (RFC 9180) in base mode, with X-Wing (KEM 0x647a,
//! draft-ietf-hpke-pq), HKDF-SHA-256 and ChaCha20-Poly1305.
//!
//! ```text
//! info = label ‖ { 0: suite, 1: case, 2: parcel, 3: sender, 4: recipient, 5: role, 6: commitment, 7: prekey }
//! ```
//!
//! X-Wing has no authenticated mode, so a wrap says nothing about who made it: the signature of the grant it travels
//! in does. What `info` does is to make the wrap useless anywhere else – in another case, for another parcel, from
//! another sender, to another recipient or in another role – and [`unwrap`] compares the key that comes out with the
//! commitment, so a grant cannot name one key and carry another.

use std::fmt;

use hpke::aead::{AeadTag, ChaCha20Poly1305};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, XWing};
use hpke::{
    Deserializable, OpModeR, OpModeS, Serializable, single_shot_open_inout_detached,
    single_shot_seal_inout_detached_with_rng,
};
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use crate::cbor;
use crate::error::{Refused, Why};
use crate::id::{Digest, ParcelId, PrekeyId, SiteId};
use crate::labels::Label;
use crate::prekey::{Prekey, PrekeySecret};
use crate::sealed::commitment;
use crate::secret::{ContentKey, Secret32};

/// Bytes of an X-Wing ciphertext (HPKE's `enc`): 1088 of ML-KEM-768 and 32 of X25519.
pub const ENC: usize = 1120;
/// Bytes of a wrapped content key: the key and a tag.
pub const WRAPPED: usize = 48;

/// The algorithms of a wrap. One value: there is nothing to negotiate, so nothing to downgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Suite {
    /// X-Wing, HKDF-SHA-256, ChaCha20-Poly1305.
    #[n(1)]
    XWingHkdfSha256ChaCha20Poly1305,
}

/// What the recipient of a grant is to the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RecipientRole {
    /// Reads the study.
    #[n(0)]
    Reader,
    /// Asked for the reading, and receives the report.
    #[n(1)]
    Requester,
}

/// What a wrap is for. It opens for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantContext {
    /// The case's identifier.
    pub case: [u8; 32],
    /// The parcel whose key is wrapped.
    pub parcel: ParcelId,
    /// The site that grants.
    pub sender: SiteId,
    /// The site that may open.
    pub recipient: SiteId,
    /// What the recipient is to the case.
    pub role: RecipientRole,
    /// [`commitment`] to the content key, as grant and manifest state it.
    pub commitment: Digest,
}

/// The context as it is encoded into `info`.
#[derive(Encode)]
#[cbor(map)]
struct Info {
    #[n(0)]
    suite: Suite,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    case: [u8; 32],
    #[n(2)]
    parcel: ParcelId,
    #[n(3)]
    sender: SiteId,
    #[n(4)]
    recipient: SiteId,
    #[n(5)]
    role: RecipientRole,
    #[n(6)]
    commitment: Digest,
    #[n(7)]
    prekey: PrekeyId,
}

impl GrantContext {
    fn info(&self, suite: Suite, prekey: PrekeyId) -> Vec<u8> {
        let fields = Info {
            suite,
            case: self.case,
            parcel: self.parcel,
            sender: self.sender,
            recipient: self.recipient,
            role: self.role,
            commitment: self.commitment,
            prekey,
        };
        let mut info = Label::Envelope.as_bytes().to_vec();
        info.extend(cbor::encode(&fields));
        info
    }

    fn commits_to(&self, key: &ContentKey) -> bool {
        let actual = commitment(key, &self.parcel);
        actual.as_bytes().ct_eq(self.commitment.as_bytes()).into()
    }
}

/// A content key wrapped for one prekey. In CBOR a map, to be a field of a grant.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WrappedKey {
    /// The algorithms.
    #[n(0)]
    pub suite: Suite,
    /// The prekey it was wrapped for.
    #[n(1)]
    pub prekey: PrekeyId,
    /// HPKE's encapsulated key.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub enc: [u8; ENC],
    /// HPKE's ciphertext of the content key.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub ciphertext: [u8; WRAPPED],
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("suite", &self.suite)
            .field("prekey", &self.prekey)
            .finish_non_exhaustive()
    }
}

/// Wraps `key` for `prekey`. The prekey must come from a verified document: here only its form is checked.
///
/// # Errors
/// [`Why::OtherKeyCommitted`] when the context commits to another key, [`Why::OtherSite`] when the prekey is not the
/// recipient's, [`Why::OtherIdentifier`] or [`Why::WeakKey`] for a malformed prekey.
pub fn wrap<R: CryptoRng + ?Sized>(
    key: &ContentKey,
    prekey: &Prekey,
    context: &GrantContext,
    mut rng: &mut R,
) -> Result<WrappedKey, Refused> {
    if !context.commits_to(key) {
        return Err(Why::OtherKeyCommitted.into());
    }
    if prekey.site != context.recipient {
        return Err(Why::OtherSite.into());
    }
    if prekey.id != PrekeyId::of(&prekey.public) {
        return Err(Why::OtherIdentifier.into());
    }
    let suite = Suite::XWingHkdfSha256ChaCha20Poly1305;
    let mut ciphertext = [0; WRAPPED];
    let (body, tag_place) = ciphertext.split_at_mut(32);
    let buffer = InOutBuf::new(key.secret().expose().as_slice(), body).map_err(|_| Why::Wrap)?;
    let (enc, tag) =
        single_shot_seal_inout_detached_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &prekey.key()?,
            &context.info(suite, prekey.id),
            buffer,
            &[],
            &mut rng,
        )
        .map_err(|_| Why::Wrap)?;
    tag_place.copy_from_slice(&tag.to_bytes());
    let mut wrapped = WrappedKey {
        suite,
        prekey: prekey.id,
        enc: [0; ENC],
        ciphertext,
    };
    enc.write_exact(&mut wrapped.enc);
    Ok(wrapped)
}

/// Opens a wrap, and checks the key against the commitment.
///
/// # Errors
/// [`Why::OtherPrekey`] when wrapped for another prekey, [`Why::Wrap`] when it does not open in this context,
/// [`Why::OtherKeyCommitted`] when the key is not the one committed to.
pub fn unwrap(
    wrapped: &WrappedKey,
    secret: &PrekeySecret,
    context: &GrantContext,
) -> Result<ContentKey, Refused> {
    if wrapped.prekey != secret.id() {
        return Err(Why::OtherPrekey.into());
    }
    let refused = |_| Why::Wrap;
    let (body, tag) = wrapped.ciphertext.split_at(32);
    let mut key = Secret32::zeroed();
    let buffer = InOutBuf::new(body, key.expose_mut().as_mut_slice()).map_err(|_| Why::Wrap)?;
    single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &secret.key(),
        &<XWing as Kem>::EncappedKey::from_bytes(&wrapped.enc).map_err(refused)?,
        &context.info(wrapped.suite, wrapped.prekey),
        buffer,
        &[],
        &AeadTag::from_bytes(tag).map_err(refused)?,
    )
    .map_err(refused)?;
    let key = ContentKey::from_secret(key);
    if !context.commits_to(&key) {
        return Err(Why::OtherKeyCommitted.into());
    }
    Ok(key)
}
