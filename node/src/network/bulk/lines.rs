//! The bulk connections with one node: which stand, which ways failed lately, which streams it is to bring.
//!
//! Both nodes may dial at once, and one may have lost a connection that the other still holds; so several may stand. New
//! streams go over the newest that the node with the lower id dialed, else the newest; the others are closed once
//! nothing is open on them, by that node alone. Thus nobody has to agree on anything, and no stream is lost to tidiness.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libp2p::swarm::ConnectionId;
use quinn::Connection;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::seat::Uses;
use crate::network::limits::{BULK_BACKOFF, BULK_CONNECTIONS, BULK_IDLE, BULK_SURPLUS};
use crate::network::lock;
use crate::network::status::BulkWay;
use crate::network::streams::{BoxStream, Protocol};

/// One QUIC connection.
pub(in crate::network) struct Standing {
    pub(super) connection: Connection,
    /// The how-manieth with this node.
    number: u64,
    by_lower: bool,
    /// The connection of libp2p in use when it was made: over a newer one, its end may be news not heard yet.
    link: Option<ConnectionId>,
    /// A fetch over it waited in vain: no new one uses it.
    doubted: AtomicBool,
    /// Streams open on it.
    pub(super) uses: Arc<Uses>,
}

impl Standing {
    /// A fetch over it waited in vain.
    pub(super) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    fn is_alive(&self) -> bool {
        self.connection.close_reason().is_none() && !self.doubted.load(Ordering::Relaxed)
    }
}

/// All bulk connections with one node.
pub(in crate::network) struct Lines {
    /// Whether our id is the lower one.
    lower: bool,
    /// Ends with the membership.
    removed: CancellationToken,
    /// Ends what stands now.
    ended: Mutex<CancellationToken>,
    state: Mutex<State>,
    /// A connection stands.
    stood: Notify,
    /// One fetch looks for a way at a time; the others then find what it found.
    pub(super) search: tokio::sync::Mutex<()>,
    /// TCP streams the node may open.
    pub(super) room: Arc<Semaphore>,
    numbers: AtomicU64,
}

#[derive(Default)]
struct State {
    /// In the order they were made, at most [`BULK_CONNECTIONS`].
    standing: Vec<Arc<Standing>>,
    /// How many were made.
    made: u64,
    failed: BTreeMap<BulkWay, Failure>,
    /// Streams that the node was asked to bring.
    awaited: BTreeMap<u64, oneshot::Sender<BoxStream>>,
    /// Whether TCP streams are brought by the node rather than dialed, as it worked last.
    brought: Option<bool>,
    way: Option<BulkWay>,
}

/// A way that did not come about.
struct Failure {
    /// The connection of libp2p then in use: over another one things may be different.
    connection: ConnectionId,
    until: Instant,
}

/// A stream that the node was asked to bring; asked no more when dropped.
pub(super) struct Awaited<'a> {
    lines: &'a Lines,
    pub(super) number: u64,
    pub(super) stream: oneshot::Receiver<BoxStream>,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        lock(&self.lines.state).awaited.remove(&self.number);
    }
}

impl Lines {
    pub(in crate::network) fn new(lower: bool, removed: &CancellationToken) -> Self {
        Self {
            lower,
            removed: removed.clone(),
            ended: Mutex::new(removed.child_token()),
            state: Mutex::default(),
            stood: Notify::new(),
            search: tokio::sync::Mutex::new(()),
            room: Arc::new(Semaphore::new(Protocol::Parcels.inbound_max())),
            numbers: AtomicU64::new(0),
        }
    }

    /// What ends the connections that are made now.
    pub(super) fn ended(&self) -> CancellationToken {
        lock(&self.ended).clone()
    }

    /// Ends all connections.
    pub(in crate::network) fn cut(&self) {
        let mut ended = lock(&self.ended);
        ended.cancel();
        *ended = self.removed.child_token();
    }

    /// The way that bulk data went last.
    pub(in crate::network) fn way(&self) -> Option<BulkWay> {
        lock(&self.state).way
    }

    pub(in crate::network) fn goes(&self, way: BulkWay) {
        lock(&self.state).way = Some(way);
    }

    /// The round trip of the QUIC connection in use.
    pub(in crate::network) fn round_trip(&self) -> Option<Duration> {
        let state = lock(&self.state);
        let best = best(&state, |_| true);
        best.map(|standing| standing.connection.rtt())
    }

    /// The connection to open streams on, made while `link` was in use.
    pub(super) fn standing(&self, link: ConnectionId) -> Option<Arc<Standing>> {
        best(&lock(&self.state), |standing| standing.link == Some(link))
    }

    /// How many were made so far.
    pub(super) fn made(&self) -> u64 {
        lock(&self.state).made
    }

    /// Waits for a connection that is made after these.
    pub(super) async fn made_after(&self, made: u64) -> Arc<Standing> {
        loop {
            let stood = self.stood.notified();
            if let Some(standing) = best(&lock(&self.state), |new| new.number >= made) {
                return standing;
            }
            stood.await;
        }
    }

    /// A connection stands. Of too many the oldest is closed.
    pub(super) fn stands(
        &self,
        connection: Connection,
        dialed: bool,
        link: Option<ConnectionId>,
    ) -> Arc<Standing> {
        let mut state = lock(&self.state);
        let standing = Arc::new(Standing {
            connection,
            number: state.made,
            by_lower: dialed == self.lower,
            link,
            doubted: AtomicBool::new(false),
            uses: Arc::new(Uses::new(Instant::now())),
        });
        state.made += 1;
        if state.standing.len() >= BULK_CONNECTIONS {
            state.standing.remove(0).connection.close(0u32.into(), b"");
        }
        state.standing.push(Arc::clone(&standing));
        drop(state);
        self.stood.notify_waiters();
        standing
    }

    /// Whether nobody needs `standing` any more.
    pub(super) fn is_idle(&self, standing: &Arc<Standing>, now: Instant) -> bool {
        let in_use = best(&lock(&self.state), |_| true);
        let surplus = in_use.is_none_or(|other| !Arc::ptr_eq(&other, standing));
        let patience = if surplus && (self.lower || !standing.is_alive()) {
            BULK_SURPLUS
        } else {
            BULK_IDLE
        };
        let idle = standing.uses.idle_since();
        idle.is_some_and(|at| at + patience <= now)
    }

    /// Forgets a connection that closed.
    pub(super) fn forget(&self, standing: &Arc<Standing>) {
        let mut state = lock(&self.state);
        state.standing.retain(|other| !Arc::ptr_eq(other, standing));
    }

    /// Whether `way` failed a short time ago, while the same connection of libp2p was in use.
    pub(super) fn failed(&self, way: BulkWay, connection: ConnectionId, now: Instant) -> bool {
        let mut state = lock(&self.state);
        let fresh = |failure: &mut Failure| failure.connection == connection && now < failure.until;
        let failure = state.failed.get_mut(&way);
        failure.is_some_and(fresh)
    }

    /// `way` did not come about.
    pub(super) fn fails(&self, way: BulkWay, connection: ConnectionId, now: Instant) {
        let until = now + BULK_BACKOFF;
        let failure = Failure { connection, until };
        lock(&self.state).failed.insert(way, failure);
    }

    pub(super) fn brought(&self) -> Option<bool> {
        lock(&self.state).brought
    }

    pub(super) fn set_brought(&self, brought: bool) {
        lock(&self.state).brought = Some(brought);
    }

    /// Expects a stream that the node is about to be asked for. As many as it waits for: streams of fetches.
    pub(super) fn expect(&self) -> Awaited<'_> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (sender, stream) = oneshot::channel();
        lock(&self.state).awaited.insert(number, sender);
        Awaited {
            lines: self,
            number,
            stream,
        }
    }

    /// The node brought a stream; one that nobody waits for is dropped.
    pub(super) fn brings(&self, number: u64, stream: BoxStream) {
        let waiting = lock(&self.state).awaited.remove(&number);
        if let Some(waiting) = waiting {
            drop(waiting.send(stream));
        }
    }
}

/// Of those alive that are `wanted`, the newest that the node with the lower id dialed, else the newest.
fn best(state: &State, wanted: impl Fn(&Standing) -> bool) -> Option<Arc<Standing>> {
    let fit = state.standing.iter();
    let fit = fit.filter(|standing| standing.is_alive() && wanted(standing));
    let best = fit.max_by_key(|standing| (standing.by_lower, standing.number));
    best.cloned()
}

#[cfg(test)]
mod tests {
    use tokio_util::compat::TokioAsyncReadCompatExt as _;

    use super::*;

    fn lines() -> Lines {
        Lines::new(true, &CancellationToken::new())
    }

    #[test]
    fn a_way_that_failed_is_left_alone_for_a_while_and_on_one_connection() {
        let (lines, now) = (lines(), Instant::now());
        let (one, other) = (
            ConnectionId::new_unchecked(1),
            ConnectionId::new_unchecked(2),
        );
        assert!(!lines.failed(BulkWay::Quic, one, now));
        lines.fails(BulkWay::Quic, one, now);
        assert!(lines.failed(BulkWay::Quic, one, now));
        assert!(!lines.failed(BulkWay::Quic, other, now));
        assert!(!lines.failed(BulkWay::Tcp, one, now));
        assert!(!lines.failed(BulkWay::Quic, one, now + BULK_BACKOFF));
    }

    #[tokio::test]
    async fn a_stream_is_brought_to_whoever_asked_for_it() {
        let lines = lines();
        let stream = || Box::new(tokio::io::duplex(8).0.compat());
        let mut first = lines.expect();
        let second = lines.expect();
        assert_ne!(first.number, second.number);
        lines.brings(99, stream());
        lines.brings(first.number, stream());
        assert!((&mut first.stream).await.is_ok());
        let number = second.number;
        drop(second);
        lines.brings(number, stream());
        assert!(lock(&lines.state).awaited.is_empty());
    }
}
