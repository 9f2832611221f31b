//! What this site and a partner have both had of each other's studies: only that need not come from the partner again.
//!
//! Which packs are asked for is seen by who sends them. So nothing else that lies here may make a difference, or a partner
//! could list what it suspects here, and see by what is not asked for that it is.

use dokuei_keys::id::SiteId;

use crate::case::CaseId;
use crate::case::request::Keeping;
use crate::effect::Shared;
use crate::service::Service;

impl Service {
    /// What lies here that `from`, which granted this case, has had too: other parcels that it granted and this site
    /// confirmed, and studies of this site of which it may hold the key. What was destroyed or withdrawn is in neither.
    pub(crate) fn shared(&self, case: CaseId, from: SiteId) -> Shared {
        let state = &self.state;
        let read = state.readings.values().filter_map(|reading| {
            let is_whole = reading.arrived && reading.keeping == Keeping::Kept;
            let is_theirs = reading.thread.requester() == from;
            reading.parcel.filter(|_| is_whole && is_theirs)
        });
        let asked = state.requests.values().filter_map(|request| {
            let thread = request.threads.get(&from)?;
            let is_granted = thread.phase().grant().is_some();
            let is_here = request.keeping == Keeping::Kept;
            (is_granted && is_here).then_some(request.manifest.parcel)
        });
        let mut shared = Shared {
            parcels: read.chain(asked).collect(),
            earlier: None,
        };
        let Some(thread) = state.readings.get(&case).map(|reading| &reading.thread) else {
            return shared;
        };
        if let Some(grant) = thread.phase().grant() {
            shared.parcels.remove(&grant.manifest.parcel);
        }
        let named = thread.phase().offer();
        let named = named.and_then(|offer| offer.terms.addition_to);
        shared.earlier = named.filter(|earlier| {
            let reading = state.readings.get(earlier);
            reading.is_some_and(|reading| reading.thread.requester() == from)
        });
        shared
    }
}
