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
fn is_near(address: &SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_comes_first_where_it_is_near() {
        let now = Instant::now();
        for (addresses, first) in [
            (vec!["127.0.0.1:1"], Transport::Tcp),
            (vec!["10.1.2.3:1", "[fd00::1]:1"], Transport::Tcp),
            (vec!["[::ffff:192.168.1.1]:1"], Transport::Tcp),
            (vec!["10.1.2.3:1", "192.0.2.1:1"], Transport::Quic),
            (vec!["[2001:db8::1]:1"], Transport::Quic),
        ] {
            let mut dialing = dialing(now);
            dialing.due(now);
            let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
            let attempt = dialing.resolved(node(1), addresses).unwrap();
            assert_eq!((attempt.transport, attempt.left.len()), (first, 1));
        }
    }

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn dialing(now: Instant) -> Dialing {
        let mut dialing = Dialing::new(vec![Transport::Quic, Transport::Tcp], &Limits::default());
        dialing.set(wanted(), |_| false, now);
        dialing
    }

    fn wanted() -> BTreeMap<NodeId, Vec<Address>> {
        [(node(1), vec![socket().into()]), (node(2), Vec::new())].into()
    }

    fn socket() -> SocketAddr {
        "192.0.2.1:7400".parse().unwrap()
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn quic_then_tcp_then_wait_ever_longer() {
        let mut now = Instant::now();
        let mut dialing = dialing(now);
        let mut waits = Vec::new();
        for _ in 0..9 {
            assert_eq!(dialing.due(now), [(node(1), vec![socket().into()])]);
            assert_eq!(dialing.next_due(), None);
            let first = dialing.resolved(node(1), vec![socket()]).unwrap();
            assert_eq!(first.transport, Transport::Quic);
            dialing.began(first, id(1));
            let second = dialing.dial_failed(node(1), id(1), now, u32::MAX).unwrap();
            assert_eq!(
                (second.transport, &second.addresses),
                (Transport::Tcp, &vec![socket()])
            );
            dialing.began(second, id(2));
            assert_eq!(dialing.dial_failed(node(1), id(1), now, u32::MAX), None);
            assert_eq!(dialing.dial_failed(node(1), id(2), now, u32::MAX), None);
            let next = dialing.next_due().unwrap();
            waits.push((next - now).as_secs_f64());
            now = next;
        }
        assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }

    /// Lets every dial fail until `end`; the waits, in seconds.
    fn waits(dialing: &mut Dialing, mut now: Instant, end: Instant) -> Vec<f64> {
        let mut waits = Vec::new();
        while now < end {
            let next = dialing.next_due().unwrap();
            waits.push((next - now).as_secs_f64());
            now = next;
            dialing.due(now);
            dialing.unreachable(node(1), now, u32::MAX);
        }
        waits
    }

    #[test]
    fn a_partner_lost_a_moment_ago_is_dialed_often_and_one_that_stays_away_is_not() {
        let now = Instant::now();
        let mut dialing = dialing(now);
        dialing.due(now);
        dialing.connected(&node(1));
        dialing.lost(node(1), now, u32::MAX);
        let recent = waits(&mut dialing, now, now + RECENT);
        assert!(recent.iter().all(|wait| *wait <= 2.0), "{recent:?}");
        assert!(recent.len() <= 33, "{} dials", recent.len());
        let later = waits(&mut dialing, now + RECENT, now + 20 * RECENT);
        assert!(later[1..].iter().all(|wait| *wait == 60.0), "{later:?}");
    }

    #[test]
    fn a_silent_partner_is_dialed_beside_its_connection_once_in_a_while() {
        let now = Instant::now();
        let mut dialing = dialing(now);
        dialing.suspect(&node(1), now);
        assert_eq!(dialing.due(now).len(), 1, "it was due anyway");
        dialing.connected(&node(1));
        dialing.suspect(&node(1), now);
        assert_eq!(dialing.due(now).len(), 1);
        dialing.lost(node(1), now, u32::MAX);
        assert_eq!(dialing.next_due(), None, "the dial is under way");
        dialing.unreachable(node(1), now, u32::MAX);
        assert!(dialing.next_due() <= Some(now + BACKOFF_RECENT));
        dialing.connected(&node(1));
        dialing.suspect(&node(1), now + SUSPECT_EVERY / 2);
        assert_eq!(dialing.next_due(), None);
        dialing.suspect(&node(1), now + SUSPECT_EVERY);
        assert_eq!(dialing.next_due(), Some(now + SUSPECT_EVERY));
    }

    #[test]
    fn a_call_brings_the_dial_forward_once() {
        let now = Instant::now();
        let mut dialing = dialing(now);
        for _ in 0..9 {
            dialing.due(dialing.next_due().unwrap());
            dialing.unreachable(node(1), now, u32::MAX);
        }
        let late = now + Duration::from_secs(60);
        assert_eq!(dialing.waits_until(&node(1)), Some(late));
        dialing.called(&node(1), now);
        let soon = now + Duration::from_millis(500);
        assert_eq!(dialing.waits_until(&node(1)), Some(soon));
        dialing.due(soon);
        dialing.unreachable(node(1), soon, u32::MAX);
        dialing.called(&node(1), soon);
        let again = Duration::from_secs(60);
        assert_eq!(dialing.waits_until(&node(1)), Some(soon + again));
        dialing.due(soon + again);
        dialing.unreachable(node(1), soon + again, u32::MAX);
        dialing.called(&node(1), soon + again);
        let third = soon + again + Duration::from_millis(500);
        assert_eq!(dialing.waits_until(&node(1)), Some(third));
    }

    #[test]
    fn chance_takes_up_to_half_of_the_wait() {
        let now = Instant::now();
        let mut dialing = dialing(now);
        dialing.due(now);
        dialing.unreachable(node(1), now, 0);
        assert_eq!(
            dialing.waits_until(&node(1)),
            Some(now + Duration::from_millis(250))
        );
    }

    #[test]
    fn a_nudge_ends_the_wait_and_forgets_the_failures() {
        let now = Instant::now();
        let mut dialing = dialing(now);
        for _ in 0..4 {
            dialing.nudge(&node(1), now);
            dialing.due(now);
            dialing.unreachable(node(1), now, u32::MAX);
        }
        assert_eq!(
            dialing.waits_until(&node(1)),
            Some(now + Duration::from_millis(500))
        );
        dialing.nudge(&node(1), now);
        assert_eq!(dialing.due(now).len(), 1);
    }

    #[test]
    fn a_connection_that_is_never_greeted_counts_as_a_failure() {
        let now = Instant::now();
        let mut dialing = dialing(now);
        dialing.due(now);
        let attempt = dialing.resolved(node(1), vec![socket()]).unwrap();
        dialing.began(attempt, id(1));
        dialing.established(&node(1), id(1));
        dialing.unwelcome(node(1), id(9), now, u32::MAX);
        assert_eq!(dialing.next_due(), None);
        dialing.unwelcome(node(1), id(1), now, u32::MAX);
        assert!(dialing.next_due().is_some());
    }

    #[test]
    fn a_connection_made_by_the_other_side_ends_the_dialing() {
        let now = Instant::now();
        let mut dialing = dialing(now);
        dialing.due(now);
        dialing.connected(&node(1));
        assert_eq!(dialing.resolved(node(1), vec![socket()]), None);
        dialing.lost(node(1), now, 0);
        assert!(dialing.next_due().is_some());
        dialing.set(BTreeMap::new(), |_| false, now);
        assert_eq!(dialing.next_due(), None);
    }
}
