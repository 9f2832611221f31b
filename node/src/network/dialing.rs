//! When to dial whom, and how: QUIC first, TCP if that fails, then wait longer each time; the other way round where
//! the network is a local one. No I/O, no clock.
//!
//! A partner that was connected a moment ago, or calls, is most likely starting again: the waits for it stay short for
//! a stated time. One that stays away costs one dial a minute.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dokuei_keys::id::NodeId;
use libp2p::swarm::ConnectionId;
use tokio::time::Instant;

use super::address::Address;
use super::limits::{BACKOFF_RECENT, Limits, RECENT, SUSPECT_EVERY};
use super::status::Transport;

/// Doublings after which the longest wait is reached whatever the first one was.
const DOUBLINGS_MAX: u32 = 16;

/// Keeps one connection to every member that has addresses.
pub(super) struct Dialing {
    transports: Vec<Transport>,
    backoff_first: Duration,
    backoff_last: Duration,
    targets: BTreeMap<NodeId, Target>,
}

struct Target {
    addresses: Vec<Address>,
    failures: u32,
    phase: Phase,
    /// Until when the waits stay short.
    recent_until: Option<Instant>,
    /// Before this, another call of the partner brings no dial forward.
    unheeded_until: Option<Instant>,
    /// Before this, silence leads to no dial.
    trusted_until: Option<Instant>,
}

enum Phase {
    /// Dial at this time.
    Waiting(Instant),
    /// Names are being resolved.
    Resolving,
    /// This dial is under way; then these transports are left to try.
    Dialing {
        connection: ConnectionId,
        addresses: Vec<SocketAddr>,
        left: Vec<Transport>,
    },
    /// Connected; the greeting decides whether the partner wants us.
    Greeting(ConnectionId),
    Connected,
}

/// One dial to make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) node: NodeId,
    pub(super) transport: Transport,
    pub(super) addresses: Vec<SocketAddr>,
    left: Vec<Transport>,
}

impl Dialing {
    pub(super) fn new(transports: Vec<Transport>, limits: &Limits) -> Self {
        Self {
            transports,
            backoff_first: limits.backoff_first,
            backoff_last: limits.backoff_last,
            targets: BTreeMap::new(),
        }
    }

    /// Replaces the list of who is to be dialed. Known targets keep their phase; changed addresses are tried soon.
    pub(super) fn set(
        &mut self,
        mut wanted: BTreeMap<NodeId, Vec<Address>>,
        connected: impl Fn(&NodeId) -> bool,
        now: Instant,
    ) {
        self.targets.retain(|node, _| wanted.contains_key(node));
        for (node, target) in &mut self.targets {
            let addresses = wanted.remove(node).unwrap_or_default();
            if addresses != target.addresses {
                target.addresses = addresses;
                if let Phase::Waiting(_) = target.phase {
                    (target.phase, target.failures) = (Phase::Waiting(now), 0);
                }
            }
        }
        for (node, addresses) in wanted {
            let phase = if connected(&node) {
                Phase::Connected
            } else {
                Phase::Waiting(now)
            };
            let target = Target {
                addresses,
                failures: 0,
                phase,
                recent_until: None,
                unheeded_until: None,
                trusted_until: None,
            };
            self.targets.insert(node, target);
        }
    }

    /// Dials `node` at once, unless that is being done.
    pub(super) fn nudge(&mut self, node: &NodeId, now: Instant) {
        if let Some(target) = self.targets.get_mut(node)
            && let Phase::Waiting(_) = target.phase
        {
            (target.phase, target.failures) = (Phase::Waiting(now), 0);
        }
    }

    /// Whose time has come; each is to be resolved and reported to [`Dialing::resolved`].
    pub(super) fn due(&mut self, now: Instant) -> Vec<(NodeId, Vec<Address>)> {
        let mut due = Vec::new();
        for (node, target) in &mut self.targets {
            if let Phase::Waiting(at) = target.phase
                && at <= now
                && !target.addresses.is_empty()
            {
                target.phase = Phase::Resolving;
                due.push((*node, target.addresses.clone()));
            }
        }
        due
    }

    /// When the next dial is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.targets
            .keys()
            .filter_map(|node| self.waits_until(node))
            .min()
    }

    /// When `node` will be dialed.
    pub(super) fn waits_until(&self, node: &NodeId) -> Option<Instant> {
        let target = self.targets.get(node)?;
        match target.phase {
            Phase::Waiting(at) if !target.addresses.is_empty() => Some(at),
            Phase::Waiting(_)
            | Phase::Resolving
            | Phase::Dialing { .. }
            | Phase::Greeting(_)
            | Phase::Connected => None,
        }
    }

    /// The names of `node` led to these addresses. `None` when it is connected by now or there are none.
    pub(super) fn resolved(&mut self, node: NodeId, addresses: Vec<SocketAddr>) -> Option<Attempt> {
        let target = self.targets.get(&node)?;
        if !matches!(target.phase, Phase::Resolving) || addresses.is_empty() {
            return None;
        }
        let mut transports = self.transports.clone();
        if addresses.iter().all(is_near) {
            transports.sort_by_key(|transport| *transport != Transport::Tcp);
        }
        let (transport, left) = transports.split_first()?;
        Some(Attempt {
            node,
            transport: *transport,
            addresses,
            left: left.to_vec(),
        })
    }

    /// `attempt` was begun as `connection`.
    pub(super) fn began(&mut self, attempt: Attempt, connection: ConnectionId) {
        if let Some(target) = self.targets.get_mut(&attempt.node) {
            target.phase = Phase::Dialing {
                connection,
                addresses: attempt.addresses,
                left: attempt.left,
            };
        }
    }

    /// The dial `connection` failed. Returns the next transport to try; when there is none, the wait begins.
    pub(super) fn dial_failed(
        &mut self,
        node: NodeId,
        connection: ConnectionId,
        now: Instant,
        chance: u32,
    ) -> Option<Attempt> {
        let target = self.targets.get_mut(&node)?;
        let Phase::Dialing {
            connection: dialing,
            addresses,
            left,
        } = &mut target.phase
        else {
            return None;
        };
        if *dialing != connection {
            return None;
        }
        if left.is_empty() {
            self.wait(node, now, chance);
            return None;
        }
        Some(Attempt {
            node,
            transport: left.remove(0),
            addresses: std::mem::take(addresses),
            left: std::mem::take(left),
        })
    }

    /// The dial `connection` led to a connection, not greeted yet.
    pub(super) fn established(&mut self, node: &NodeId, connection: ConnectionId) {
        if let Some(target) = self.targets.get_mut(node)
            && let Phase::Dialing {
                connection: dialing,
                ..
            } = target.phase
            && dialing == connection
        {
            target.phase = Phase::Greeting(connection);
        }
    }

    /// There is a greeted connection with `node`, whoever made it.
    pub(super) fn connected(&mut self, node: &NodeId) {
        if let Some(target) = self.targets.get_mut(node) {
            (target.phase, target.failures) = (Phase::Connected, 0);
        }
    }

    /// The last greeted connection with `node` ended: it is dialed again soon, and for a while often. A dial that its
    /// silence led to goes on: a second one beside it would replace what it leads to.
    pub(super) fn lost(&mut self, node: NodeId, now: Instant, chance: u32) {
        let Some(target) = self.targets.get_mut(&node) else {
            return;
        };
        target.failures = 0;
        target.recent_until = Some(now + RECENT);
        match target.phase {
            Phase::Connected | Phase::Waiting(_) => self.wait(node, now, chance),
            Phase::Resolving | Phase::Dialing { .. } | Phase::Greeting(_) => {}
        }
    }

    /// The connection with `node` is silent. It may be gone and back, and unable to call: it is dialed beside that
    /// connection, once in [`SUSPECT_EVERY`].
    pub(super) fn suspect(&mut self, node: &NodeId, now: Instant) {
        let Some(target) = self.targets.get_mut(node) else {
            return;
        };
        let suspicious = target.trusted_until.is_none_or(|until| until <= now);
        if matches!(target.phase, Phase::Connected) && suspicious {
            target.phase = Phase::Waiting(now);
            target.recent_until = Some(now + RECENT);
            target.trusted_until = Some(now + SUSPECT_EVERY);
        }
    }

    /// A connection that `node` made ended without a greeting. It is there, so it is dialed soon; once in [`RECENT`],
    /// for two nodes that cannot greet each other would else call back and forth without end.
    pub(super) fn called(&mut self, node: &NodeId, now: Instant) {
        let Some(target) = self.targets.get_mut(node) else {
            return;
        };
        let soon = now + self.backoff_first;
        let heeded = target.unheeded_until.is_none_or(|until| until <= now);
        if let Phase::Waiting(at) = target.phase
            && at > soon
            && heeded
        {
            target.phase = Phase::Waiting(soon);
            target.unheeded_until = Some(now + RECENT);
        }
    }

    /// `connection` ended without a greeting.
    pub(super) fn unwelcome(
        &mut self,
        node: NodeId,
        connection: ConnectionId,
        now: Instant,
        chance: u32,
    ) {
        if let Some(target) = self.targets.get(&node)
            && matches!(target.phase, Phase::Greeting(greeting) if greeting == connection)
        {
            self.wait(node, now, chance);
        }
    }

    /// No address was found to dial.
    pub(super) fn unreachable(&mut self, node: NodeId, now: Instant, chance: u32) {
        let resolving = |target: &Target| matches!(target.phase, Phase::Resolving);
        if self.targets.get(&node).is_some_and(resolving) {
            self.wait(node, now, chance);
        }
    }

    /// The wait after the n-th failure: first × 2ⁿ, at most last ([`BACKOFF_RECENT`] for a while), of which a random
    /// half to whole, so that nodes cut off together do not come back together.
    fn wait(&mut self, node: NodeId, now: Instant, chance: u32) {
        let Some(target) = self.targets.get_mut(&node) else {
            return;
        };
        let doublings = target.failures.min(DOUBLINGS_MAX);
        let most = match target.recent_until {
            Some(until) if now < until => self.backoff_last.min(BACKOFF_RECENT),
            Some(_) | None => self.backoff_last,
        };
        let whole = self.backoff_first.saturating_mul(1 << doublings).min(most);
        let share = 0.5 + 0.5 * f64::from(chance) / f64::from(u32::MAX);
        target.failures = target.failures.saturating_add(1);
        target.phase = Phase::Waiting(now + whole.mul_f64(share));
    }
}

/// Whether an address is this machine's, or of a network that is not the Internet (RFC 1918, RFC 4193, link-local):
/// lines there are fast and lose little, and TCP costs half of what QUIC costs in processor time.
pub(super) fn is_near(address: &SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
