//! What is held in memory of closed studies: a few words of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dokuei_keys::id::ParcelId;

use crate::studies::study::Study;

/// The closed studies.
#[derive(Default)]
pub(super) struct Closed {
    known: BTreeMap<ParcelId, (Arc<str>, u64)>,
    /// By UID, and of one study oldest first.
    order: BTreeSet<(Arc<str>, u64, ParcelId)>,
}

impl Closed {
    pub(super) fn put(&mut self, study: &Study) {
        let uid: Arc<str> = study.uid.as_str().into();
        self.order
            .insert((Arc::clone(&uid), study.first_at, study.parcel));
        self.known.insert(study.parcel, (uid, study.first_at));
    }

    /// Its UID, if it was there.
    pub(super) fn remove(&mut self, parcel: &ParcelId) -> Option<Arc<str>> {
        let (uid, first_at) = self.known.remove(parcel)?;
        self.order.remove(&(Arc::clone(&uid), first_at, *parcel));
        Some(uid)
    }

    pub(super) fn holds(&self, parcel: &ParcelId) -> bool {
        self.known.contains_key(parcel)
    }

    /// The parcels of a study and since when they are here, oldest first.
    pub(super) fn parcels_of(&self, uid: &str) -> impl Iterator<Item = (u64, ParcelId)> {
        let first = (Arc::from(uid), 0, ParcelId::from_bytes([0; 32]));
        let from = self.order.range(first..);
        let of_it = from.take_while(move |(known, ..)| **known == *uid);
        of_it.map(|(_, first_at, parcel)| (*first_at, *parcel))
    }

    /// Each with its UID and since when it is here, in no order.
    pub(super) fn each(&self) -> impl Iterator<Item = (ParcelId, &str, u64)> {
        let known = self.known.iter();
        known.map(|(parcel, (uid, first_at))| (*parcel, &**uid, *first_at))
    }
}
