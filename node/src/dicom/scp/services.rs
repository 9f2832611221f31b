//! What the receiving side offers beside taking objects in.

use std::sync::Arc;

use super::{Answers, Caller, Commitments, Destinations, Holdings};
use crate::dicom::scu::Transcoding;

/// The services; what is not there is not offered.
#[derive(Clone, Default)]
pub struct Services {
    /// Answers C-FIND and C-GET, and C-MOVE where there are destinations.
    pub holdings: Option<Arc<dyn Holdings>>,
    /// Where a C-MOVE may go.
    pub destinations: Option<Arc<dyn Destinations>>,
    /// Keeps what storage commitment owes; it needs the holdings.
    pub commitments: Option<Arc<dyn Commitments>>,
    /// Hears an archive's answers to this node's own requests for commitment.
    pub answers: Option<Arc<dyn Answers>>,
    /// Brings objects of a C-GET into a transfer syntax that the requestor takes.
    pub transcoding: Option<Arc<dyn Transcoding>>,
}

/// What one caller is offered beside C-ECHO and C-STORE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// C-FIND and C-GET.
    pub(super) query: bool,
    /// C-MOVE.
    pub(super) forwarding: bool,
    /// Objects can be brought into uncompressed transfer syntaxes.
    pub(super) transcoding: bool,
    /// Storage commitment, with the node as its SCP.
    pub(super) commitment: bool,
    /// Storage commitment, with the node as its SCU: the requestor answers a request of ours.
    pub(super) hearing: bool,
}

impl Services {
    /// What this caller is offered.
    pub(super) fn offers(&self, caller: &Caller) -> Offers {
        let holdings = self.holdings.as_ref();
        let query = holdings.is_some_and(|holdings| holdings.serves(caller));
        Offers {
            query,
            forwarding: query && self.destinations.is_some(),
            transcoding: self.transcoding.is_some(),
            commitment: holdings.is_some()
                && self
                    .commitments
                    .as_ref()
                    .is_some_and(|kept| kept.serves(caller)),
            hearing: self.answers.is_some(),
        }
    }
}
