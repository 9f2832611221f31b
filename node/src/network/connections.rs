//! Which connections there are and which of several with one node stays. No I/O, no clock.
//!
//! Both nodes may dial at once, and one may come back while the other still holds a dead connection. So the newest
//! greeted connection is used, and the node with the lower id closes the others at once. The other node does so only
//! when both nodes must see the same one as the older: when one side dialed both, because nobody dials while
//! connected, or when it was greeted longer than [`SETTLE`] ago. Thus two living connections are not closed crosswise,
//! and a dead one does not hold up its streams when the partner is back.

use std::collections::BTreeMap;

use dokuei_keys::id::NodeId;
use libp2p::swarm::ConnectionId;
use tokio::time::Instant;

use super::gate::Standing;
use super::limits::{PROBATION, SETTLE};
use super::status::Path;
use super::streams::Link;

/// One open connection.
pub(super) struct Open {
    pub(super) link: Link,
    pub(super) path: Path,
    /// `None` before it was greeted.
    greeted: Option<Greeting>,
    /// When it is to be closed.
    close_at: Option<Instant>,
}

/// When a connection was greeted.
#[derive(Clone, Copy)]
struct Greeting {
    /// The how-manieth of all.
    number: u64,
    at: Instant,
}

/// All open connections.
pub(super) struct Connections {
    local: NodeId,
    greetings: u64,
    open: BTreeMap<ConnectionId, Open>,
}

impl Connections {
    pub(super) fn new(local: NodeId) -> Self {
        Self {
            local,
            greetings: 0,
            open: BTreeMap::new(),
        }
    }

    /// A connection was made; it is on probation.
    pub(super) fn opened(&mut self, link: Link, path: Path, now: Instant) {
        let open = Open {
            path,
            greeted: None,
            close_at: Some(now + PROBATION),
            link,
        };
        self.open.insert(open.link.connection, open);
    }

    /// A member's connection was greeted. Returns those to be closed now; `None` when it has closed meanwhile.
    pub(super) fn greeted(
        &mut self,
        connection: ConnectionId,
        now: Instant,
    ) -> Option<Vec<ConnectionId>> {
        let open = self.open.get_mut(&connection)?;
        self.greetings += 1;
        open.greeted = Some(Greeting {
            number: self.greetings,
            at: now,
        });
        open.close_at = None;
        let (node, dialed) = (open.link.node, open.link.dialed);
        let mut close = Vec::new();
        for (id, other) in &mut self.open {
            let of_member = other.link.node == node && other.link.standing == Standing::Member;
            let Some(greeting) = other.greeted.filter(|_| of_member && *id != connection) else {
                continue;
            };
            let given_up = *id < connection && other.link.dialed == dialed;
            let settled = greeting.at + SETTLE;
            if self.local < node || given_up || settled <= now {
                close.push(*id);
            } else {
                other.close_at.get_or_insert(settled);
            }
        }
        Some(close)
    }

    /// Forgets a closed connection.
    pub(super) fn closed(&mut self, connection: ConnectionId) -> Option<Open> {
        self.open.remove(&connection)
    }

    /// The connection to use with `node`: the one greeted last. It is not stale any more.
    pub(super) fn current(&mut self, node: &NodeId) -> Option<&Open> {
        let of_node = |open: &&mut Open| open.link.node == *node && open.greeted.is_some();
        let newest = self
            .open
            .values_mut()
            .filter(of_node)
            .max_by_key(|open| open.greeted.map(|greeting| greeting.number))?;
        newest.close_at = None;
        Some(newest)
    }

    /// Who is at the other end of `connection`.
    pub(super) fn node_of(&self, connection: ConnectionId) -> Option<NodeId> {
        self.open.get(&connection).map(|open| open.link.node)
    }

    /// All connections with `node` that a member has.
    pub(super) fn of_member(&self, node: &NodeId) -> Vec<ConnectionId> {
        self.open
            .iter()
            .filter(|(_, open)| open.link.node == *node && open.link.standing == Standing::Member)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Every open connection.
    pub(super) fn all(&self) -> Vec<ConnectionId> {
        self.open.keys().copied().collect()
    }

    /// Those whose time is over; each is named once.
    pub(super) fn due(&mut self, now: Instant) -> Vec<ConnectionId> {
        let mut due = Vec::new();
        for (id, open) in &mut self.open {
            if open.close_at.is_some_and(|at| at <= now) {
                open.close_at = None;
                due.push(*id);
            }
        }
        due
    }

    /// When the next one's time is over.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.open.values().filter_map(|open| open.close_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::status::Transport;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    /// Two connections with node 5, and whether we dialed each.
    fn two(local: u8, by_us: [bool; 2], now: Instant) -> Connections {
        let mut connections = Connections::new(node(local));
        for (n, dialed) in [1, 2].into_iter().zip(by_us) {
            let path = Path {
                transport: Transport::Quic,
                remote: "192.0.2.1:1".parse().unwrap(),
                direct: true,
            };
            let mut link = Link::detached(node(5), id(n), Standing::Member);
            link.dialed = dialed;
            connections.opened(link, path, now);
        }
        connections
    }

    /// Both sides dialed.
    fn crossing(local: u8, now: Instant) -> Connections {
        two(local, [false, true], now)
    }

    #[test]
    fn the_lower_id_closes_the_older_connection_at_once() {
        let now = Instant::now();
        let mut connections = crossing(1, now);
        assert_eq!(connections.greeted(id(2), now), Some(vec![]));
        assert_eq!(connections.greeted(id(1), now), Some(vec![id(2)]));
        assert_eq!(
            connections.current(&node(5)).unwrap().link.connection,
            id(1)
        );
    }

    #[test]
    fn the_higher_id_leaves_it_for_a_while() {
        let now = Instant::now();
        let mut connections = crossing(9, now);
        assert_eq!(connections.greeted(id(1), now), Some(vec![]));
        assert_eq!(connections.greeted(id(2), now), Some(vec![]));
        assert_eq!(
            connections.current(&node(5)).unwrap().link.connection,
            id(2)
        );
        assert_eq!(connections.next_due(), Some(now + SETTLE));
        assert_eq!(connections.due(now + SETTLE), [id(1)]);
        assert_eq!(connections.due(now + SETTLE), []);
    }

    #[test]
    fn the_higher_id_counts_from_the_greeting_of_the_older() {
        let now = Instant::now();
        let mut connections = crossing(9, now);
        connections.greeted(id(1), now);
        let soon = now + SETTLE / 4;
        assert_eq!(connections.greeted(id(2), soon), Some(vec![]));
        assert_eq!(connections.next_due(), Some(now + SETTLE));
    }

    #[test]
    fn a_partner_that_comes_back_later_ends_the_dead_connection_at_once() {
        let now = Instant::now();
        for local in [1, 9] {
            let mut connections = crossing(local, now);
            connections.greeted(id(1), now);
            let later = now + SETTLE;
            assert_eq!(connections.greeted(id(2), later), Some(vec![id(1)]));
        }
    }

    #[test]
    fn who_dials_again_has_given_up_its_older_connection() {
        let now = Instant::now();
        for (local, by_us) in [(1, true), (1, false), (9, true), (9, false)] {
            let mut connections = two(local, [by_us; 2], now);
            connections.greeted(id(1), now);
            assert_eq!(connections.greeted(id(2), now), Some(vec![id(1)]));
        }
        let mut connections = two(9, [false; 2], now);
        connections.greeted(id(2), now);
        let close = connections.greeted(id(1), now);
        assert_eq!(close, Some(vec![]), "the order of greetings is not theirs");
    }

    #[test]
    fn what_was_not_greeted_may_be_about_to_pair_and_is_left() {
        let now = Instant::now();
        let mut connections = two(9, [false; 2], now);
        assert_eq!(connections.greeted(id(2), now), Some(vec![]));
        assert_eq!(connections.due(now + SETTLE), []);
    }

    #[test]
    fn when_the_newest_closes_the_older_one_serves_on() {
        let now = Instant::now();
        let mut connections = crossing(9, now);
        connections.greeted(id(1), now);
        connections.greeted(id(2), now);
        connections.closed(id(2));
        assert_eq!(
            connections.current(&node(5)).unwrap().link.connection,
            id(1)
        );
        assert_eq!(connections.due(now + SETTLE), []);
        assert_eq!(connections.of_member(&node(5)), [id(1)]);
    }

    #[test]
    fn what_is_never_greeted_is_closed() {
        let now = Instant::now();
        let mut connections = crossing(1, now);
        assert!(connections.current(&node(5)).is_none());
        assert_eq!(connections.due(now), []);
        assert_eq!(connections.due(now + PROBATION), [id(1), id(2)]);
        assert_eq!(connections.greeted(id(3), now), None);
    }
}
