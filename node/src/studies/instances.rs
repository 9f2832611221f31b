//! Where each object of this site's closed studies lies, by its SOP Instance UID: for questions that name no study, as
//! those of storage commitment.
//!
//! A row's key is the object's name, which is its UID under a key and says nothing without that, and its parcel: one
//! UID may lie in several. Its value is the slot (u32, little endian). What is found is compared with the study.

use dokuei_keys::id::ParcelId;
use dokuei_keys::secret::StorageKey;

use crate::store::{Change, Rows, Store, StoreError};
use crate::studies::study::Study;

/// Parcels that one UID is looked for in. An object that lies here in more studies than these was sent under one UID
/// with many others by a device that is broken.
const PLACES: usize = 16;
/// Bytes of an object's name.
const NAME: usize = 16;

fn name(storage: &StorageKey, sop_instance: &str) -> [u8; NAME] {
    storage.row_name(Rows::Instances.name(), sop_instance.as_bytes())
}

/// The rows of a study: keys and values.
pub fn rows(storage: &StorageKey, study: &Study) -> impl Iterator<Item = (Vec<u8>, [u8; 4])> {
    study.objects.iter().map(|object| {
        let name = name(storage, &object.sop_instance);
        let key = [name.as_slice(), study.parcel.as_bytes()].concat();
        (key, object.slot.to_le_bytes())
    })
}

/// Adds the objects of a study to what is committed.
pub(super) fn put(change: &mut Change, storage: &StorageKey, study: &Study) {
    let rows = rows(storage, study);
    change
        .puts
        .extend(rows.map(|(key, slot)| (Rows::Instances, key, slot.to_vec())));
}

/// Removes the objects of a study with what is committed.
pub(super) fn remove(change: &mut Change, storage: &StorageKey, study: &Study) {
    let rows = rows(storage, study);
    change
        .removals
        .extend(rows.map(|(key, _)| (Rows::Instances, key)));
}

/// Where an object may lie: parcels and slots.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn find(
    store: &Store,
    storage: &StorageKey,
    sop_instance: &str,
) -> Result<Vec<(ParcelId, u32)>, StoreError> {
    let name = name(storage, sop_instance);
    let rows = store.beginning_with(Rows::Instances, &name, PLACES)?;
    let places = rows.into_iter().filter_map(|(key, slot)| {
        let parcel: [u8; 32] = key.get(NAME..)?.try_into().ok()?;
        let slot = u32::from_le_bytes(slot.try_into().ok()?);
        Some((ParcelId::from_bytes(parcel), slot))
    });
    Ok(places.collect())
}
