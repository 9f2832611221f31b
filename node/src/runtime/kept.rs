//! Secrets that the store keeps for the service, and giving them back at start.

use dokuei_keys::id::{ParcelId, PrekeyId};
use dokuei_keys::secret::{Secret32, StorageKey};
use dokuei_protocol::effect::KeptPrekey;
use dokuei_protocol::service::Service;
use dokuei_protocol::time::Timestamp;
use minicbor::{Decode, Encode};

use crate::language::{Explain as _, Failure};
use crate::say;
use crate::site::prekeys::PrekeyKey;
use crate::store::{Change, Rows, Store, StoreError, sealed};

/// The private half of a prekey as it is stored, sealed.
#[derive(Encode, Decode)]
#[cbor(map)]
pub struct KeptSecret {
    #[n(0)]
    published: Timestamp,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    seed: [u8; 32],
}

impl Drop for KeptSecret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.seed);
    }
}

impl KeptSecret {
    /// The stored form of a prekey secret.
    pub fn of(kept: &KeptPrekey) -> KeptSecret {
        KeptSecret {
            published: kept.published,
            seed: *kept.secret.expose(),
        }
    }
}

/// Brings a service to where it was: replays the log, gives the secrets back.
///
/// # Errors
/// When the log or a secret is damaged; the node must not go on with it.
pub fn restore(
    service: &mut Service,
    store: &Store,
    storage: &StorageKey,
    prekeys: &PrekeyKey,
) -> Result<(), Failure> {
    store.entries::<Failure>(0, |_, bytes| {
        service.replay(bytes).map_err(|broken| {
            Failure::new(
                "log-damaged",
                say!(
                    "記録が壊れています（{why}）。データフォルダをバックアップから復元してください。",
                    "The records are damaged ({why}). Restore the data folder from a backup.";
                    why = broken.message()
                ),
            )
        })
    })?;
    let mut lost = Change::default();
    for (key, row) in store.rows(Rows::Prekeys)? {
        if prekeys.is_new {
            lost.removals.push((Rows::Prekeys, key));
            continue;
        }
        let kept = sealed::open(&prekeys.key, Rows::Prekeys, &key, &row);
        let kept: KeptSecret = kept.map_err(|_| damaged())?;
        let id = PrekeyId::from_bytes(key.try_into().map_err(|_| damaged())?);
        service.restore_prekey(KeptPrekey {
            id,
            published: kept.published,
            secret: Secret32::from_bytes(kept.seed),
        });
    }
    if !lost.removals.is_empty() {
        let count = lost.removals.len();
        tracing::warn!(target: "dokuei::store", count, "the key of the prekeys is new: earlier prekeys are given up");
        store.commit(lost)?;
    }
    for (key, row) in store.rows(Rows::ContentKeys)? {
        let parcel = ParcelId::from_bytes(key.try_into().map_err(|_| damaged())?);
        let content = storage
            .unwrap_content_key(&parcel, &row)
            .map_err(|_| damaged())?;
        service.restore_content_key(parcel, content);
    }
    Ok(())
}

fn damaged() -> Failure {
    Failure::new(
        "store-damaged",
        say!(
            "データベースの鍵の行が壊れています。データフォルダをバックアップから復元してください。",
            "A row of keys in the database is damaged. Restore the data folder from a backup."
        ),
    )
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::new("store-failed", error.message().sentence())
    }
}
