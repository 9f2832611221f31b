//! Prekeys: short-lived X-Wing keys (X25519 and ML-KEM-768 together) that content keys are wrapped for.
//!
//! A site publishes one a day, each usable for a week; the private half is destroyed after two. What was granted
//! before that cannot be opened by anyone who takes the node later – which is why backups leave prekeys out.

use std::fmt;

use hpke::kem::{Kem, XWing};
use hpke::{Deserializable, Serializable};
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

use crate::error::{Refused, Why};
use crate::id::{PrekeyId, SiteId};
use crate::labels::Label;
use crate::secret::Secret32;
use crate::signed::Document;
use crate::time::Validity;

/// Bytes of an X-Wing public key (draft-connolly-cfrg-xwing-kem §5): 1184 of ML-KEM-768 and 32 of X25519.
pub const PREKEY_PUBLIC: usize = 1216;
/// Longest time a prekey may be used, in seconds: a week, so that a partner offline for a long weekend still has one.
pub const PREKEY_LIFE: u64 = 7 * 24 * 60 * 60;

pub(crate) type XWingPublic = <XWing as Kem>::PublicKey;
pub(crate) type XWingPrivate = <XWing as Kem>::PrivateKey;

/// A site's public prekey. Signed by the site key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Prekey {
    /// The site whose prekey it is.
    #[n(0)]
    pub site: SiteId,
    /// The SHA-256 of `public`.
    #[n(1)]
    pub id: PrekeyId,
    /// The X-Wing public key.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub public: [u8; PREKEY_PUBLIC],
    /// When it may be wrapped for; at most [`PREKEY_LIFE`].
    #[n(3)]
    pub validity: Validity,
}

impl Prekey {
    pub(crate) fn key(&self) -> Result<XWingPublic, Refused> {
        XWingPublic::from_bytes(&self.public).map_err(|_| Why::WeakKey.into())
    }
}

impl fmt::Debug for Prekey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prekey")
            .field("site", &self.site)
            .field("id", &self.id)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl Document for Prekey {
    const KIND: &'static str = "prekey";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Prekey;
    /// The public key, and 300 bytes of fields and frame.
    const MAX_BYTES: usize = PREKEY_PUBLIC + 384;

    fn check(&self) -> Result<(), Refused> {
        if self.id != PrekeyId::of(&self.public) {
            return Err(Why::OtherIdentifier.into());
        }
        self.key()?;
        self.validity.check_length(PREKEY_LIFE)
    }
}

/// The private half of a prekey: a 32-byte seed. Cleared when dropped; cannot be printed.
pub struct PrekeySecret {
    seed: Secret32,
    id: PrekeyId,
    public: Box<[u8; PREKEY_PUBLIC]>,
}

impl PrekeySecret {
    /// A fresh prekey from `rng`.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self::from_seed(Secret32::from_rng(rng))
    }

    /// The prekey with this seed.
    ///
    /// # Panics
    /// Never: an X-Wing private key is any 32 bytes, and its public key always has [`PREKEY_PUBLIC`].
    #[must_use]
    pub fn from_seed(seed: Secret32) -> Self {
        let mut public = Box::new([0; PREKEY_PUBLIC]);
        XWing::sk_to_pk(&private_key(&seed)).write_exact(public.as_mut_slice());
        Self {
            seed,
            id: PrekeyId::of(public.as_slice()),
            public,
        }
    }

    /// The seed, to be sealed into the store. Never into a backup.
    #[must_use]
    pub fn seed(&self) -> &Secret32 {
        &self.seed
    }

    /// The identifier of the public half.
    #[must_use]
    pub fn id(&self) -> PrekeyId {
        self.id
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &[u8; PREKEY_PUBLIC] {
        &self.public
    }

    /// The document to sign and publish.
    #[must_use]
    pub fn prekey(&self, site: SiteId, validity: Validity) -> Prekey {
        Prekey {
            site,
            id: self.id,
            public: *self.public,
            validity,
        }
    }

    pub(crate) fn key(&self) -> XWingPrivate {
        private_key(&self.seed)
    }
}

fn private_key(seed: &Secret32) -> XWingPrivate {
    match XWingPrivate::from_bytes(seed.expose()) {
        Ok(key) => key,
        Err(error) => unreachable!("32 bytes are an X-Wing private key: {error}"),
    }
}
