//! What the receiving side offers beside taking objects in.

use std::sync::Arc;

use super::{Caller, Destinations, Holdings};

/// The services; what is not there is not offered.
#[derive(Clone, Default)]
pub struct Services {
    /// Answers C-FIND and C-GET, and C-MOVE where there are destinations.
    pub holdings: Option<Arc<dyn Holdings>>,
    /// Where a C-MOVE may go.
    pub destinations: Option<Arc<dyn Destinations>>,
}

/// What one caller is offered beside C-ECHO and C-STORE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// C-FIND and C-GET.
    pub(super) query: bool,
    /// C-MOVE.
    pub(super) forwarding: bool,
}

impl Services {
    /// What this caller is offered.
    pub(super) fn offers(&self, caller: &Caller) -> Offers {
        let holdings = self.holdings.as_ref();
        let query = holdings.is_some_and(|holdings| holdings.serves(caller));
        Offers {
            query,
            forwarding: query && self.destinations.is_some(),
        }
    }
}
