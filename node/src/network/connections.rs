//! Which connections there are and which of several with one node stays. No I/O, no clock.
//!
//! Both nodes may dial at once, and one may come back while the other still holds a dead connection. So the newest
//! greeted connection is used; the node with the lower id closes the others at once, the other node only after
//! [`SETTLE`]. Thus two living connections are never closed crosswise.

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
    /// The how-manieth greeting it had; `None` before.
    greeted: Option<u64>,
    /// When it is to be closed.
    close_at: Option<Instant>,
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
        open.greeted = Some(self.greetings);
        open.close_at = None;
        let node = open.link.node;
        let mut close = Vec::new();
        for (id, other) in &mut self.open {
            if other.link.node != node
                || *id == connection
                || other.link.standing != Standing::Member
            {
                continue;
            }
            if self.local < node && other.greeted.is_some() {
                close.push(*id);
            } else if other.greeted.is_some() {
                other.close_at.get_or_insert(now + SETTLE);
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
            .max_by_key(|open| open.greeted)?;
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

    fn connections(local: u8, now: Instant) -> Connections {
        let mut connections = Connections::new(node(local));
        for n in [1, 2] {
            let path = Path {
                transport: Transport::Quic,
                remote: "192.0.2.1:1".parse().unwrap(),
                direct: true,
            };
            connections.opened(Link::detached(node(5), id(n), Standing::Member), path, now);
        }
        connections
    }

    #[test]
    fn the_lower_id_closes_the_older_connection_at_once() {
        let now = Instant::now();
        let mut connections = connections(1, now);
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
        let mut connections = connections(9, now);
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
    fn when_the_newest_closes_the_older_one_serves_on() {
        let now = Instant::now();
        let mut connections = connections(9, now);
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
        let mut connections = connections(1, now);
        assert!(connections.current(&node(5)).is_none());
        assert_eq!(connections.due(now), []);
        assert_eq!(connections.due(now + PROBATION), [id(1), id(2)]);
        assert_eq!(connections.greeted(id(3), now), None);
    }
}
