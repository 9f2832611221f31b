//! What is shared about each member between the swarm's loop, the streams' tasks and the callers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use dokuei_keys::id::NodeId;
use libp2p::swarm::ConnectionId;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::bucket::Bucket;
use super::bulk::Lines;
use super::documents::{DocumentStream, Outgoing};
use super::limits::{BULK_STREAMS_PER_NODE, DOCUMENTS_WAITING, Limits, SYNC_IN_FLIGHT};
use super::meter::Meter;
use super::status::{BulkStatus, BulkWay, PartnerStatus, Path};
use super::streams::Link;
use crate::language::Message;

/// Greeted streams on their way to the courier; more than one only while connections settle.
const GREETED: usize = 4;

/// All members.
#[derive(Default)]
pub(super) struct Partners {
    all: RwLock<BTreeMap<NodeId, Arc<Partner>>>,
}

/// One member.
pub(super) struct Partner {
    pub(super) node: NodeId,
    /// To the courier: documents to deliver.
    pub(super) documents: mpsc::Sender<Outgoing>,
    /// To the courier: a greeted stream to deliver them on.
    pub(super) streams: mpsc::Sender<DocumentStream>,
    /// Documents the courier holds.
    pub(super) waiting: AtomicUsize,
    /// Our questions that may still be asked.
    pub(super) asking: Semaphore,
    /// Bulk streams the partner may still open.
    pub(super) serving: Arc<Semaphore>,
    /// What the partner may still bring.
    allowance: Mutex<Bucket>,
    state: Mutex<State>,
    /// Another connection is in use.
    linked: Notify,
    /// Its bulk connections.
    pub(super) lines: Lines,
    pub(super) bulk_received: Meter,
    pub(super) bulk_sent: Meter,
    /// Ends the courier.
    pub(super) removed: CancellationToken,
}

#[derive(Default)]
struct State {
    link: Option<(Link, Path, Instant)>,
    round_trip: Option<Duration>,
    connections: usize,
    trouble: Option<Message>,
    next_dial: Option<Instant>,
}

/// The courier's ends of a partner's channels.
pub(super) struct CourierEnds {
    pub(super) inbox: mpsc::Receiver<Outgoing>,
    pub(super) streams: mpsc::Receiver<DocumentStream>,
}

impl Partners {
    pub(super) fn find(&self, node: &NodeId) -> Option<Arc<Partner>> {
        self.all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(node)
            .cloned()
    }

    pub(super) fn insert(&self, partner: Arc<Partner>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(partner.node, partner);
    }

    /// Removes and returns those that `keep` does not want.
    pub(super) fn remove_unless(&self, keep: impl Fn(&NodeId) -> bool) -> Vec<Arc<Partner>> {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> = all
            .values()
            .filter(|partner| !keep(&partner.node))
            .cloned()
            .collect();
        all.retain(|node, _| keep(node));
        gone
    }

    /// Everyone, by id.
    pub(super) fn status(&self) -> Vec<PartnerStatus> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|partner| partner.status()).collect()
    }
}

impl Partner {
    pub(super) fn new(
        local: NodeId,
        node: NodeId,
        limits: &Limits,
        removed: CancellationToken,
    ) -> (Self, CourierEnds) {
        let (documents, inbox) = mpsc::channel(DOCUMENTS_WAITING);
        let (streams, receiver) = mpsc::channel(GREETED);
        let now = Instant::now();
        let bucket = Bucket::new(limits.messages_per_second, limits.messages_burst, now);
        let partner = Self {
            node,
            documents,
            streams,
            waiting: AtomicUsize::new(0),
            asking: Semaphore::new(SYNC_IN_FLIGHT),
            serving: Arc::new(Semaphore::new(BULK_STREAMS_PER_NODE)),
            allowance: Mutex::new(bucket),
            state: Mutex::default(),
            linked: Notify::new(),
            lines: Lines::new(local < node, &removed),
            bulk_received: Meter::new(now),
            bulk_sent: Meter::new(now),
            removed,
        };
        let ends = CourierEnds {
            inbox,
            streams: receiver,
        };
        (partner, ends)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to use, if there is one.
    pub(super) fn link(&self) -> Option<Link> {
        self.state().link.as_ref().map(|(link, _, _)| link.clone())
    }

    /// The path of the connection to use.
    pub(super) fn path(&self) -> Option<Path> {
        self.state().link.as_ref().map(|(_, path, _)| *path)
    }

    /// The round trip measured last.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.state().round_trip
    }

    /// The id of the connection in use.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.state()
            .link
            .as_ref()
            .map(|(link, _, _)| link.connection)
    }

    /// The connection to use; when another one is just being greeted, that one, waited for at most this long.
    pub(super) async fn link_soon(&self, patience: Duration) -> Option<Link> {
        match self.link() {
            None if self.state().connections > 0 => {
                timeout(patience, self.another_link(None)).await.ok()
            }
            link => link,
        }
    }

    /// Waits for a connection to use other than `old`.
    pub(super) async fn another_link(&self, old: Option<ConnectionId>) -> Link {
        loop {
            let linked = self.linked.notified();
            let link = self.link();
            if let Some(link) = link.filter(|link| Some(link.connection) != old) {
                return link;
            }
            linked.await;
        }
    }

    pub(super) fn set_link(&self, link: Link, path: Path, now: Instant) {
        let mut state = self.state();
        state.link = Some((link, path, now));
        state.trouble = None;
        drop(state);
        self.linked.notify_waiters();
    }

    pub(super) fn clear_link(&self) {
        let mut state = self.state();
        state.link = None;
        state.round_trip = None;
    }

    pub(super) fn set_trouble(&self, trouble: Message) {
        self.state().trouble = Some(trouble);
    }

    pub(super) fn set_connections(&self, connections: usize) {
        self.state().connections = connections;
    }

    pub(super) fn set_next_dial(&self, at: Option<Instant>) {
        self.state().next_dial = at;
    }

    pub(super) fn set_round_trip(&self, round_trip: Duration) {
        self.state().round_trip = Some(round_trip);
    }

    /// Takes from the partner's allowance; returns how long to leave it waiting.
    pub(super) fn charge(&self) -> Duration {
        let mut bucket = self
            .allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        bucket.take(Instant::now())
    }

    fn status(&self) -> PartnerStatus {
        let now = Instant::now();
        let state = self.state();
        let way = self.lines.way().filter(|_| state.link.is_some());
        let round_trip = way.and_then(|way| match way {
            BulkWay::Quic => self.lines.round_trip(),
            BulkWay::Tcp | BulkWay::Shared => state.round_trip,
        });
        PartnerStatus {
            node: self.node,
            connected: state.link.as_ref().map(|(_, path, since)| (*path, *since)),
            connections: state.connections,
            round_trip: state.round_trip,
            trouble: state.trouble.clone(),
            next_dial: state.next_dial,
            documents_waiting: self.waiting.load(Ordering::Relaxed),
            bulk_received: self.bulk_received.total(),
            bulk_sent: self.bulk_sent.total(),
            bulk: way.map(|way| BulkStatus {
                way,
                round_trip,
                receiving: self.bulk_received.rate(now),
                sending: self.bulk_sent.rate(now),
            }),
        }
    }
}
