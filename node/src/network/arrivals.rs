//! Leads each stream that arrives to the room its protocol belongs to, on a task of its own.

use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::bulk::Bulk;
use super::events::NetworkEvent;
use super::gate::Gate;
use super::limits::Limits;
use super::parcels::Service;
use super::partners::Partners;
use super::status::BulkWay;
use super::streams::{Acceptor, Arrival, Protocol};
use super::{documents, pairing, sync};

/// Everything an arriving stream may need.
pub(super) struct Arrivals {
    pub(super) partners: Arc<Partners>,
    pub(super) gate: Arc<Mutex<Gate>>,
    pub(super) events: mpsc::Sender<NetworkEvent>,
    pub(super) service: Service,
    /// `None` when bulk data has no connections of its own.
    pub(super) bulk: Option<Bulk>,
    pub(super) limits: Limits,
    pub(super) stopping: CancellationToken,
}

impl Arrivals {
    pub(super) fn into_acceptor(self) -> Acceptor {
        Arc::new(move |arrival| self.accept(arrival))
    }

    fn accept(&self, arrival: Arrival) {
        let events = self.events.clone();
        let limits = self.limits.clone();
        let work: BoxFuture<'static, ()> =
            match (arrival.protocol, self.partners.find(&arrival.node)) {
                (Protocol::Pairing, _) => {
                    Box::pin(pairing::receive(arrival, self.gate.clone(), events))
                }
                (Protocol::Documents, Some(partner)) => {
                    Box::pin(documents::receive(arrival, partner, events))
                }
                (Protocol::Sync | Protocol::Ready, Some(partner)) => {
                    Box::pin(sync::receive(arrival, partner, events, limits))
                }
                (Protocol::Parcels, Some(partner)) => {
                    partner.lines.goes(BulkWay::Shared);
                    let service = self.service.clone();
                    Box::pin(async move {
                        let _permit = arrival.permit;
                        service.serve(arrival.stream, partner).await;
                    })
                }
                (Protocol::Bulk, Some(partner)) => match &self.bulk {
                    Some(bulk) => Box::pin(bulk.clone().hear(arrival, partner)),
                    None => return,
                },
                // Removed a moment ago: the connection is being closed.
                (
                    Protocol::Documents
                    | Protocol::Sync
                    | Protocol::Ready
                    | Protocol::Parcels
                    | Protocol::Bulk,
                    None,
                ) => return,
            };
        // Streams end with their connection; the token ends those that wait for the node's loop.
        tokio::spawn(self.stopping.clone().run_until_cancelled_owned(work));
    }
}
