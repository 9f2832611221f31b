//! How far the parcels of this site are that partners fetch, for whoever looks: by the packs that were made for them. The
//! partner's receipt alone says that a study has arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use dokuei_keys::id::{NodeId, ParcelId};
use dokuei_protocol::study::plan::TransferPlan;
use tokio::time::Instant;

use crate::network::Meter;
use crate::transfer::progress::seconds_left;

/// Parcels that are remembered: more than are ever under way at once.
const PARCELS: usize = 64;

/// How far one parcel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GivenSoFar {
    /// Bytes of the packs that were given, before they were compressed.
    pub bytes: u64,
    /// Bytes of the whole, likewise.
    pub bytes_total: u64,
    /// Of these bytes, how many went in a second lately.
    pub bytes_per_second: u64,
    /// Seconds that the rest takes if it goes on like this; none while nothing goes, and when all has gone.
    pub seconds_left: Option<u64>,
    /// Objects that were given whole.
    pub objects: usize,
    /// Objects of the whole.
    pub objects_total: usize,
}

struct Parcel {
    plan: Arc<TransferPlan>,
    packs: BTreeSet<u32>,
    bytes: u64,
    meter: Meter,
    last: Instant,
    /// Whom it was given to last.
    to: NodeId,
}

/// What was given of each parcel. Clones share it.
#[derive(Clone, Default)]
pub struct Given(Arc<Mutex<BTreeMap<ParcelId, Parcel>>>);

impl Given {
    /// Notes that a pack was given.
    pub(crate) fn note(
        &self,
        (parcel, to): (ParcelId, NodeId),
        plan: &Arc<TransferPlan>,
        pack: u32,
    ) {
        let now = Instant::now();
        let mut parcels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parcels.len() >= PARCELS && !parcels.contains_key(&parcel) {
            let oldest = parcels.iter().min_by_key(|(_, parcel)| parcel.last);
            let oldest = oldest.map(|(parcel, _)| *parcel);
            oldest.and_then(|oldest| parcels.remove(&oldest));
        }
        let given = parcels.entry(parcel).or_insert_with(|| Parcel {
            plan: Arc::clone(plan),
            packs: BTreeSet::new(),
            bytes: 0,
            meter: Meter::default(),
            last: now,
            to,
        });
        let bytes = plan.bytes(pack).unwrap_or(0);
        // While objects come, there is more in each.
        given.plan = Arc::clone(plan);
        // A pack that is asked for again goes over the line again, but brings nobody further.
        if given.packs.insert(pack) {
            given.bytes += bytes;
            given.meter.add(bytes, now);
        }
        (given.last, given.to) = (now, to);
    }

    /// How far a parcel is, if something of it was given since the start.
    pub fn so_far(&self, parcel: &ParcelId) -> Option<GivenSoFar> {
        self.look(parcel).map(|(so_far, _)| so_far)
    }

    /// The same, and whom it was given to last.
    pub(crate) fn look(&self, parcel: &ParcelId) -> Option<(GivenSoFar, NodeId)> {
        let parcels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = parcels.get(parcel)?;
        let (bytes, bytes_total) = (given.bytes, given.plan.total_bytes());
        let bytes_per_second = given.meter.rate(Instant::now());
        let whole = |position: &usize| {
            let mut packs = given.plan.packs_of(*position);
            packs.all(|pack| given.packs.contains(&pack))
        };
        let so_far = GivenSoFar {
            bytes,
            bytes_total,
            bytes_per_second,
            seconds_left: seconds_left(bytes_total.saturating_sub(bytes), bytes_per_second),
            objects: (0..given.plan.objects()).filter(whole).count(),
            objects_total: given.plan.objects(),
        };
        Some((so_far, given.to))
    }
}

#[cfg(test)]
mod tests {
    use dokuei_keys::id::{Digest, ObjectDigest, SiteId};
    use dokuei_protocol::study::manifest::{Manifest, ManifestEntry, ObjectClass};
    use dokuei_protocol::study::plan::PACK;

    use super::*;

    const NODE: NodeId = NodeId::from_bytes([7; 32]);

    #[test]
    fn what_was_given_counts_once() {
        let entry = |(slot, length)| ManifestEntry {
            slot,
            length,
            digest: ObjectDigest::from_bytes([1; 32]),
            series: 0,
            class: ObjectClass::Image,
        };
        let plan = Arc::new(TransferPlan::new(&Manifest {
            parcel: ParcelId::from_bytes([1; 32]),
            site: SiteId::from_bytes([2; 32]),
            commitment: Digest::from_bytes([3; 32]),
            objects: [(1, 10), (2, 20), (3, PACK + 7)].map(entry).to_vec(),
        }));
        let (given, parcel) = (Given::default(), ParcelId::from_bytes([1; 32]));
        assert_eq!(given.so_far(&parcel), None);
        let so_far = || {
            let so_far = given.so_far(&parcel).unwrap();
            assert_eq!((so_far.bytes_total, so_far.objects_total), (PACK + 37, 3));
            (so_far.bytes, so_far.objects)
        };
        given.note((parcel, NODE), &plan, 0);
        given.note((parcel, NODE), &plan, 0);
        assert_eq!(so_far(), (30, 2));
        given.note((parcel, NODE), &plan, 2);
        assert_eq!(so_far(), (37, 2));
        given.note((parcel, NODE), &plan, 1);
        assert_eq!(so_far(), (PACK + 37, 3));
        for other in 0..PARCELS as u8 {
            given.note((ParcelId::from_bytes([9 + other; 32]), NODE), &plan, 0);
        }
        assert_eq!(given.so_far(&parcel), None);
    }
}
