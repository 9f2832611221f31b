//! The keys of a site: made once by `init`, sealed on disk, opened at start.

use dokuei_keys::cbor;
use dokuei_keys::delegation::{Delegation, SiteCertificate, Subject};
use dokuei_keys::id::{NodeId, SiteId};
use dokuei_keys::keyfile::{self, Cost, KeyFileError};
use dokuei_keys::secret::{Secret32, StorageKey};
use dokuei_keys::signed::{Signed, recorded};
use dokuei_keys::signing::SigningKey;
use dokuei_keys::time::{UnixSeconds, Validity};
use dokuei_protocol::partner::notice::Renewal;
use dokuei_protocol::service::Identity;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::language::{Explain as _, Failure};
use crate::say;
use crate::site::{SiteFolder, recovery, unusable, write_private};

/// Certificates start this many seconds before they are made, so that a partner whose clock is
/// behind accepts them.
const BACKDATED: u64 = 2 * 86_400;
/// Seconds for which site and node keys are certified: a year, with the backdating inside it.
const LIFE: u64 = 365 * 86_400;

/// The opened keys of a site.
pub struct SiteKeys {
    certificate: Vec<u8>,
    node: Vec<u8>,
    site_seed: Secret32,
    node_seed: Secret32,
    storage: StorageKey,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    version: u8,
    #[n(1)]
    certificate: ByteVec,
    #[n(2)]
    node: ByteVec,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    site_seed: [u8; 32],
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    node_seed: [u8; 32],
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    storage: [u8; 32],
}

impl Drop for Stored {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.site_seed);
        zeroize::Zeroize::zeroize(&mut self.node_seed);
        zeroize::Zeroize::zeroize(&mut self.storage);
    }
}

const STORED_VERSION: u8 = 1;

impl SiteKeys {
    /// Makes the keys of a new site. Returns them with the root seed, which is not kept on the node.
    ///
    /// # Errors
    /// When the name does not fit a certificate.
    pub fn create(
        name: &str,
        now: UnixSeconds,
        rng: &mut impl CryptoRng,
    ) -> Result<(SiteKeys, Secret32), Failure> {
        let root_seed = Secret32::from_rng(rng);
        let root = SigningKey::from_seed(root_seed.duplicate());
        let site_seed = Secret32::from_rng(rng);
        let site = SigningKey::from_seed(site_seed.duplicate());
        let node_seed = Secret32::from_rng(rng);
        let node = SigningKey::from_seed(node_seed.duplicate());
        let validity = Validity::starting(UnixSeconds(now.0.saturating_sub(BACKDATED)), LIFE);
        let id = SiteId::of(&root.public());
        let certificate = SiteCertificate {
            site: id,
            root: root.public(),
            name: name.to_owned(),
            key: site.public(),
            validity,
            serial: 1,
        };
        let delegation = Delegation {
            site: id,
            subject: Subject::Node(NodeId::from(node.public())),
            validity,
            serial: 1,
        };
        let unfit = |_| {
            Failure::new(
                "name-unfit",
                say!(
                    "施設名（--name）「{name}」は使えません。1～128 バイトの文字で指定してください。",
                    "The name '{name}' (--name) cannot be used: give 1 to 128 bytes of text."
                ),
            )
        };
        let certificate = Signed::sign(certificate, &root)
            .map_err(unfit)?
            .bytes()
            .to_vec();
        let node = Signed::sign(delegation, &site)
            .map_err(unfit)?
            .bytes()
            .to_vec();
        let keys = SiteKeys {
            certificate,
            node,
            site_seed,
            node_seed,
            storage: StorageKey::from_rng(rng),
        };
        Ok((keys, root_seed))
    }

    /// The same site with a certificate for another year, signed by its root: with the keys there are, or with new
    /// site and node keys. What lies on the disk stays readable.
    ///
    /// # Errors
    /// When the root is another site's, or the certificate cannot be made.
    pub fn renewed(
        &self,
        root: &SigningKey,
        now: UnixSeconds,
        new_keys: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<SiteKeys, Failure> {
        let old = self.site_certificate()?;
        if old.root != root.public() {
            return Err(recovery::other_site());
        }
        let seed = |kept: &Secret32, rng: &mut _| match new_keys {
            true => Secret32::from_rng(rng),
            false => kept.duplicate(),
        };
        let (site_seed, node_seed) = (seed(&self.site_seed, rng), seed(&self.node_seed, rng));
        let site = SigningKey::from_seed(site_seed.duplicate());
        let node = SigningKey::from_seed(node_seed.duplicate()).public();
        let validity = Validity::starting(UnixSeconds(now.0.saturating_sub(BACKDATED)), LIFE);
        // By the clock, so that no two certificates of one site have the same number, whichever copy of the data
        // folder they are made from.
        let serial = now.0.max(old.serial + 1);
        let certificate = SiteCertificate {
            key: site.public(),
            validity,
            serial,
            ..old
        };
        let delegation = Delegation {
            site: certificate.site,
            subject: Subject::Node(NodeId::from(node)),
            validity,
            serial,
        };
        let unfit = |_| damaged_certificate();
        Ok(SiteKeys {
            certificate: Signed::sign(certificate, root)
                .map_err(unfit)?
                .bytes()
                .to_vec(),
            node: Signed::sign(delegation, &site)
                .map_err(unfit)?
                .bytes()
                .to_vec(),
            site_seed,
            node_seed,
            storage: self.storage.duplicate(),
        })
    }

    /// Until when partners accept this node: the end of its certificate or delegation, whichever comes first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn valid_until(&self) -> Result<UnixSeconds, Failure> {
        let certificate = self.site_certificate()?;
        let node: Delegation = recorded(&self.node).map_err(|_| damaged_certificate())?;
        Ok(certificate.validity.until.min(node.validity.until))
    }

    /// What partners are told of these keys.
    pub fn renewal(&self) -> Renewal {
        Renewal {
            certificate: self.certificate.clone().into(),
            node: self.node.clone().into(),
        }
    }

    /// Seals the keys into the folder's key file in place of those there. The file is exchanged in one step.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(
        &self,
        folder: &SiteFolder,
        passphrase: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), Failure> {
        let (path, new) = (folder.keys(), folder.keys().with_extension("new"));
        // What an interrupted attempt left behind.
        let _ = std::fs::remove_file(&new);
        self.seal(&new, passphrase, rng)?;
        std::fs::rename(&new, &path)
            .and_then(|()| std::fs::File::open(folder.keys_folder())?.sync_all())
            .map_err(|error| unusable(&path, &error))
    }

    /// Seals the keys into the folder's key file.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn save(
        &self,
        folder: &SiteFolder,
        passphrase: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), Failure> {
        self.seal(&folder.keys(), passphrase, rng)
    }

    fn seal(
        &self,
        path: &std::path::Path,
        passphrase: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), Failure> {
        let stored = Stored {
            version: STORED_VERSION,
            certificate: self.certificate.clone().into(),
            node: self.node.clone().into(),
            site_seed: *self.site_seed.expose(),
            node_seed: *self.node_seed.expose(),
            storage: *self.storage.secret().expose(),
        };
        let plain = Zeroizing::new(cbor::encode(&stored));
        let sealed = keyfile::seal_secrets(&plain, passphrase, Cost::default(), rng)
            .map_err(|error| key_file(path, &error))?;
        write_private(path, &sealed).map_err(|error| unusable(path, &error))
    }

    /// Opens the folder's key file.
    ///
    /// # Errors
    /// One sentence: the passphrase is wrong, or the file is missing or damaged.
    pub fn open(folder: &SiteFolder, passphrase: &[u8]) -> Result<SiteKeys, Failure> {
        let path = folder.keys();
        let sealed = std::fs::read(&path).map_err(|error| unusable(&path, &error))?;
        let plain =
            keyfile::open_secrets(&sealed, passphrase).map_err(|error| key_file(&path, &error))?;
        let damaged = || key_file(&path, &KeyFileError::Damaged);
        let stored: Stored = minicbor::decode(&plain).map_err(|_| damaged())?;
        if stored.version != STORED_VERSION {
            return Err(damaged());
        }
        Ok(SiteKeys {
            certificate: stored.certificate.to_vec(),
            node: stored.node.to_vec(),
            site_seed: Secret32::from_bytes(stored.site_seed),
            node_seed: Secret32::from_bytes(stored.node_seed),
            storage: StorageKey::from_secret(Secret32::from_bytes(stored.storage)),
        })
    }

    /// What the protocol proves this site with.
    ///
    /// # Errors
    /// When the certificate in the key file cannot be read.
    pub fn identity(&self) -> Result<Identity, Failure> {
        let certificate = self.site_certificate()?;
        Ok(Identity {
            site: certificate.site,
            certificate: self.certificate.clone(),
            node: self.node.clone(),
            node_id: self.node_id(),
            key: self.site_key(),
        })
    }

    /// The site certificate's content.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn site_certificate(&self) -> Result<SiteCertificate, Failure> {
        recorded(&self.certificate).map_err(|_| damaged_certificate())
    }

    /// The site certificate as signed.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The site key.
    pub fn site_key(&self) -> SigningKey {
        SigningKey::from_seed(self.site_seed.duplicate())
    }

    /// The node.
    pub fn node_id(&self) -> NodeId {
        NodeId::from(SigningKey::from_seed(self.node_seed.duplicate()).public())
    }

    /// The node key's seed, for the transport.
    pub fn node_seed(&self) -> &Secret32 {
        &self.node_seed
    }

    /// The key that rows and content keys at rest are sealed under.
    pub fn storage(&self) -> &StorageKey {
        &self.storage
    }
}

fn damaged_certificate() -> Failure {
    Failure::new(
        "certificate-damaged",
        say!(
            "鍵ファイルの施設証明書を読めません。バックアップから復元してください。",
            "The site certificate in the key file cannot be read. Restore the key file from a backup."
        ),
    )
}

/// What is wrong with a key file, in words.
pub fn key_file(path: &std::path::Path, error: &KeyFileError) -> Failure {
    let file = path.display();
    match error {
        KeyFileError::WrongPassphrase => Failure::new(
            "wrong-passphrase",
            say!(
                "鍵ファイル {file} の合言葉が違います。正しい合言葉を入力するか、--passphrase-file でそのファイルを指定してください。",
                "The passphrase for the key file {file} is wrong. Type the right one, or give its file as --passphrase-file."
            ),
        ),
        other => Failure::new(
            "key-file-damaged",
            say!(
                "鍵ファイル {file} を使用できません: {why}。",
                "The key file {file} cannot be used: {why}.";
                why = other.message()
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use dokuei_keys::delegation::SiteIdentity;

    use super::*;
    use crate::chance::chance;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    #[test]
    fn a_renewal_is_by_the_same_root_and_keeps_or_changes_the_keys() {
        let (keys, root) = SiteKeys::create("架空診療所", NOW, &mut chance()).unwrap();
        let root = SigningKey::from_seed(root);
        let later = UnixSeconds(NOW.0 + 300 * 86_400);
        for new_keys in [false, true] {
            let renewed = keys.renewed(&root, later, new_keys, &mut chance()).unwrap();
            let site = SiteIdentity::check(renewed.certificate(), later).unwrap();
            let node = site.node(&renewed.renewal().node, later).unwrap();
            assert_eq!(node.id, renewed.node_id());
            assert_eq!(node.id == keys.node_id(), !new_keys);
            let old = keys.site_certificate().unwrap();
            assert_eq!(site.site(), old.site);
            assert_eq!(*site.key() == old.key, !new_keys);
            assert!(renewed.site_certificate().unwrap().serial > old.serial);
            assert!(renewed.valid_until().unwrap() > keys.valid_until().unwrap());
            assert!(renewed.storage().secret() == keys.storage().secret());
        }
        let other = SigningKey::from_seed(Secret32::from_bytes([1; 32]));
        let refused = keys.renewed(&other, later, false, &mut chance());
        assert_eq!(refused.err().unwrap().code, "other-sheet");
    }
}
