//! The key that prekeys lie under in the database. It is a file of its own so that backups can leave it out: a copy of
//! the data folder without it opens nothing that partners granted, and destroyed prekeys stay destroyed.

use dokuei_keys::secret::{Secret32, StorageKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::language::Failure;
use crate::say;
use crate::site::{SiteFolder, unusable, write_private};

/// The key, and whether it had to be made: then no prekey that lies in the database opens any more.
pub struct PrekeyKey {
    /// The key.
    pub key: StorageKey,
    /// Whether it is new.
    pub is_new: bool,
}

/// Reads the key of a data folder, or makes one.
///
/// # Errors
/// When the file cannot be read or written, or is damaged.
pub fn open(folder: &SiteFolder, rng: &mut impl CryptoRng) -> Result<PrekeyKey, Failure> {
    let path = folder.prekeys();
    if !path.exists() {
        let secret = Secret32::from_rng(rng);
        write_private(&path, secret.expose()).map_err(|error| unusable(&path, &error))?;
        let key = StorageKey::from_secret(secret);
        return Ok(PrekeyKey { key, is_new: true });
    }
    let bytes = Zeroizing::new(std::fs::read(&path).map_err(|error| unusable(&path, &error))?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| {
        let file = path.display();
        Failure::new(
            "prekeys-damaged",
            say!(
                "{file} が壊れています。削除してノードを動かしてください（受信待ちの検査は依頼し直しになります）。",
                "{file} is damaged. Remove it and start the node; studies on their way must be asked for again."
            ),
        )
    })?;
    let key = StorageKey::from_secret(Secret32::from_bytes(bytes));
    Ok(PrekeyKey { key, is_new: false })
}
