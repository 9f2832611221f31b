//! What partners may fetch without a grant: packs that are as they will be, of parcels that still take objects or took some
//! lately.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dokuei_keys::id::{NodeId, ParcelId};
use dokuei_protocol::study::plan::TransferPlan;

/// Parcels that are remembered: those that arrive at once at a busy site, and some that wait for their cases.
const PARCELS: usize = 64;

struct Packs {
    node: NodeId,
    plan: Arc<TransferPlan>,
    /// The packs with lower numbers are as they will be.
    ready: u32,
    /// Counts the changes.
    at: u64,
}

/// Which packs are ready, and for whom. Clones share it.
#[derive(Clone, Default)]
pub struct Ready(Arc<Mutex<BTreeMap<ParcelId, Packs>>>);

impl Ready {
    /// From now on `node` may fetch the first packs of this plan.
    pub(super) fn put(&self, node: NodeId, parcel: ParcelId, plan: TransferPlan, ready: u32) {
        let mut parcels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = 1 + parcels.values().map(|packs| packs.at).max().unwrap_or(0);
        if parcels.len() >= PARCELS && !parcels.contains_key(&parcel) {
            let oldest = parcels.iter().min_by_key(|(_, packs)| packs.at);
            let oldest = oldest.map(|(parcel, _)| *parcel);
            oldest.and_then(|oldest| parcels.remove(&oldest));
        }
        let packs = Packs {
            node,
            plan: Arc::new(plan),
            ready,
            at,
        };
        parcels.insert(parcel, packs);
    }

    /// The plan by which a pack is made that this node may fetch now; none when it may not.
    pub fn plan(&self, node: NodeId, parcel: ParcelId, pack: u32) -> Option<Arc<TransferPlan>> {
        let parcels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let packs = parcels.get(&parcel);
        let packs = packs.filter(|packs| packs.node == node && pack < packs.ready);
        packs.map(|packs| Arc::clone(&packs.plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_are_for_one_node_and_only_those_that_stay_as_they_are() {
        let ready = Ready::default();
        let [one, other] = [1, 2].map(|name| NodeId::from_bytes([name; 32]));
        let parcel = |name: u8| ParcelId::from_bytes([name; 32]);
        let plan = || TransferPlan::of(vec![(1, 700_000), (2, 700_000), (3, 700_000)]);
        ready.put(one, parcel(1), plan(), 2);
        assert!(ready.plan(one, parcel(1), 1).is_some());
        for (node, name, pack) in [(one, 1, 2), (other, 1, 0), (one, 2, 0)] {
            assert!(ready.plan(node, parcel(name), pack).is_none());
        }
        ready.put(one, parcel(1), plan(), 3);
        assert!(ready.plan(one, parcel(1), 2).is_some());
        for name in 0..PARCELS as u8 {
            ready.put(other, parcel(100 + name), plan(), 1);
        }
        assert!(ready.plan(one, parcel(1), 0).is_none());
    }
}
