//! Made-up sites and contexts, the same in every run.

use dokuei_keys::sealed::{SALT, commitment};
use dokuei_keys::{
    ContentKey, GrantContext, ParcelId, PrekeySecret, PublicKey, RecipientRole, SealContext,
    Secret32, Signed, SigningKey, SiteCertificate, SiteId, SiteIdentity, UnixSeconds, Validity,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The time at which everything below is in force.
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
pub(crate) const DAY: u64 = 86_400;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Secret32::from_bytes([seed; 32]))
}

/// From a day ago, for `days`.
pub(crate) fn validity(days: u64) -> Validity {
    Validity::starting(UnixSeconds(NOW.0 - DAY), days * DAY)
}

/// A site with its root and site key.
pub(crate) struct Site {
    pub(crate) root: SigningKey,
    pub(crate) key: SigningKey,
    pub(crate) certificate: Signed<SiteCertificate>,
}

impl Site {
    pub(crate) fn clinic() -> Self {
        Self::new("海辺クリニック", 1)
    }

    pub(crate) fn hospital() -> Self {
        Self::new("丘の上大学病院", 11)
    }

    fn new(name: &str, seed: u8) -> Self {
        let (root, key) = (signing_key(seed), signing_key(seed + 1));
        let content = certificate_content(name, &root.public(), &key.public());
        let certificate = Signed::sign(content, &root).unwrap();
        Self {
            root,
            key,
            certificate,
        }
    }

    pub(crate) fn id(&self) -> SiteId {
        SiteId::of(&self.root.public())
    }

    pub(crate) fn identity(&self) -> SiteIdentity {
        SiteIdentity::check(self.certificate.bytes(), NOW).unwrap()
    }
}

pub(crate) fn certificate_content(
    name: &str,
    root: &PublicKey,
    key: &PublicKey,
) -> SiteCertificate {
    SiteCertificate {
        site: SiteId::of(root),
        root: *root,
        name: name.to_owned(),
        key: *key,
        validity: validity(300),
        serial: 1,
    }
}

pub(crate) fn content_key(seed: u8) -> ContentKey {
    ContentKey::from_secret(Secret32::from_bytes([seed; 32]))
}

pub(crate) fn prekey_secret(seed: u8) -> PrekeySecret {
    PrekeySecret::from_seed(Secret32::from_bytes([seed; 32]))
}

pub(crate) fn seal_context() -> SealContext {
    SealContext {
        parcel: ParcelId::from_bytes([0x40; 32]),
        site: Site::clinic().id(),
        slot: 7,
    }
}

pub(crate) fn grant_context(key: &ContentKey) -> GrantContext {
    let parcel = ParcelId::from_bytes([0x40; 32]);
    GrantContext {
        case: [0x50; 32],
        parcel,
        sender: Site::clinic().id(),
        recipient: Site::hospital().id(),
        role: RecipientRole::Reader,
        commitment: commitment(key, &parcel),
    }
}

pub(crate) const SAMPLE_SALT: [u8; SALT] = [0x5a; SALT];

/// Bytes without a pattern, as compressed images are.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng(seed).fill_bytes(&mut bytes);
    bytes
}
