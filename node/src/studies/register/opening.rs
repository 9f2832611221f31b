//! What a start finds of studies.

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};

use super::RegisterError;
use super::held::Held;
use super::recovery::recover;
use crate::parcels::Parcels;
use crate::store::{Rows, Store};
use crate::studies::study::Study;

/// A study that was arriving when the node stopped, with what lies on disk of it.
///
/// # Errors
/// [`RegisterError`].
pub(super) fn arriving(
    (store, storage): (&Store, &StorageKey),
    parcels: &Parcels,
    mut study: Study,
    site: SiteId,
) -> Result<Held, RegisterError> {
    let key = key(store, storage, &study.parcel)?.ok_or(RegisterError::Damaged)?;
    recover(parcels, &mut study, &key, site)?;
    let slots = parcels.slots(&study.parcel)?;
    let next_slot = slots.last().map_or(1, |last| last + 1);
    Ok(Held {
        study,
        key: Some(key),
        next_slot,
        prepared: next_slot,
        writing: 0,
        closing: false,
    })
}

/// The content key of a parcel; none once it is destroyed.
///
/// # Errors
/// [`RegisterError`].
pub(super) fn key(
    store: &Store,
    storage: &StorageKey,
    parcel: &ParcelId,
) -> Result<Option<ContentKey>, RegisterError> {
    let wrapped = store.row(Rows::ContentKeys, parcel.as_bytes())?;
    wrapped
        .map(|wrapped| storage.unwrap_content_key(parcel, &wrapped))
        .transpose()
        .map_err(|_| RegisterError::Damaged)
}
