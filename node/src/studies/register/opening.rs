//! The content keys of studies.

use dokuei_keys::id::ParcelId;
use dokuei_keys::secret::{ContentKey, StorageKey};

use super::RegisterError;
use crate::store::{Rows, Store};

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
