//! Who is let in: members always, one stranger at a time while a pairing window is open, nobody else. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use dokuei_keys::id::NodeId;
use libp2p::swarm::ConnectionId;
use tokio::time::Instant;

use super::limits::{HANDSHAKES_PER_ADDRESS, PAIRING_ATTEMPTS};
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// What a connection may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Everything members speak; pairing too, while a window is open.
    Member,
    /// A stranger we let in: only pairing, answering.
    Guest,
    /// A stranger we dialed to pair with: only pairing, asking. It may open nothing here.
    Host,
}

/// Why a connection or a conversation was turned away. For our own log; the other side is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Closed {
    ForeignKey,
    NotAMember,
    Revoked,
    Occupied,
    TooManyAttempts,
    Memory,
    Crowd,
    TooManyConnections,
}

impl Explain for Closed {
    fn message(&self) -> Message {
        match self {
            Closed::ForeignKey => say!("鍵の種類が違います", "its key is no Ed25519 key"),
            Closed::NotAMember => say!("登録された相手施設ではありません", "it is not a member"),
            Closed::Revoked => say!("鍵が失効しています", "its key was revoked"),
            Closed::Occupied => say!(
                "別の登録手続きが進行中です",
                "another pairing conversation is going on"
            ),
            Closed::TooManyAttempts => say!(
                "この招待コードの試行回数が上限に達しました",
                "too many pairing attempts in this window"
            ),
            Closed::Memory => say!(
                "このノードのメモリ使用量が上限に達しています",
                "this process uses too much memory"
            ),
            Closed::Crowd => say!(
                "このアドレスからの接続手続きが多すぎます",
                "too many handshakes from this address are going on"
            ),
            Closed::TooManyConnections => say!(
                "この相手施設との接続が多すぎます",
                "too many connections with this node are open"
            ),
        }
    }
}

displayed_in_english!(Closed);

/// The allow-list and the pairing window.
#[derive(Default)]
pub(super) struct Gate {
    members: BTreeSet<NodeId>,
    /// Nodes that never get in, not even to pair.
    barred: BTreeSet<NodeId>,
    window: Option<Window>,
    /// Connections we dialed in order to pair, until they close.
    hosts: BTreeSet<ConnectionId>,
    /// Handshakes going on, and from where.
    knocking: BTreeMap<ConnectionId, IpAddr>,
    /// Connections let in for pairing, until they close.
    guests: BTreeMap<ConnectionId, NodeId>,
}

struct Window {
    until: Instant,
    attempts: u32,
    /// The connection that has the seat, and whether it said something: that is an attempt.
    seat: Option<(ConnectionId, bool)>,
}

impl Window {
    /// Gives the only seat to `connection`, which may hold it already.
    fn take_seat(&mut self, connection: ConnectionId) -> Result<(), Closed> {
        match self.seat {
            Some((holder, _)) if holder == connection => Ok(()),
            Some(_) => Err(Closed::Occupied),
            None if self.attempts >= PAIRING_ATTEMPTS => Err(Closed::TooManyAttempts),
            None => {
                self.seat = Some((connection, false));
                Ok(())
            }
        }
    }
}

impl Gate {
    /// Replaces the allow-list.
    pub(super) fn set_members(&mut self, members: BTreeSet<NodeId>) {
        self.members = members;
    }

    /// Replaces the list of those that never get in.
    pub(super) fn set_barred(&mut self, barred: BTreeSet<NodeId>) {
        self.barred = barred;
    }

    /// Whether this node never gets in.
    pub(super) fn is_barred(&self, node: &NodeId) -> bool {
        self.barred.contains(node)
    }

    pub(super) fn open_window(&mut self, until: Instant) {
        self.window = Some(Window {
            until,
            attempts: 0,
            seat: None,
        });
    }

    /// Closes the window; returns the guests whose connections are to be closed. Not whoever is speaking: the reply
    /// that closes the window is still to be said, and probation ends that connection.
    pub(super) fn close_window(&mut self) -> Vec<ConnectionId> {
        let seat = self.window.take().and_then(|window| window.seat);
        let speaking = |guest: &ConnectionId| seat == Some((*guest, true));
        let guests = self.guests.keys().copied();
        guests.filter(|guest| !speaking(guest)).collect()
    }

    /// When the window closes by itself.
    pub(super) fn window_until(&self) -> Option<Instant> {
        self.window.as_ref().map(|window| window.until)
    }

    /// Notes that `connection` is being dialed to pair.
    pub(super) fn expect_host(&mut self, connection: ConnectionId) {
        self.hosts.insert(connection);
    }

    /// Decides whether a handshake may begin. Silent connections from one place must not take everybody's room.
    pub(super) fn knock(&mut self, connection: ConnectionId, from: IpAddr) -> Result<(), Closed> {
        let from = network_of(from);
        let same = self.knocking.values().filter(|other| **other == from);
        if same.count() >= HANDSHAKES_PER_ADDRESS {
            return Err(Closed::Crowd);
        }
        self.knocking.insert(connection, from);
        Ok(())
    }

    /// Decides about a connection someone made to us.
    pub(super) fn admit_inbound(
        &mut self,
        connection: ConnectionId,
        node: NodeId,
        now: Instant,
    ) -> Result<Standing, Closed> {
        self.knocking.remove(&connection);
        if self.barred.contains(&node) {
            return Err(Closed::Revoked);
        }
        if self.members.contains(&node) {
            return Ok(Standing::Member);
        }
        self.open_at(now)?.take_seat(connection)?;
        self.guests.insert(connection, node);
        Ok(Standing::Guest)
    }

    /// Whether `node` is a member that may have a bulk connection.
    pub(super) fn admits(&self, node: &NodeId) -> Result<(), Closed> {
        if self.barred.contains(node) {
            Err(Closed::Revoked)
        } else if self.members.contains(node) {
            Ok(())
        } else {
            Err(Closed::NotAMember)
        }
    }

    /// Decides about a connection we made. A member may have been removed while it was being dialed.
    pub(super) fn admit_outbound(
        &mut self,
        connection: ConnectionId,
        node: NodeId,
    ) -> Result<Standing, Closed> {
        if self.barred.contains(&node) {
            Err(Closed::Revoked)
        } else if self.hosts.contains(&connection) {
            Ok(Standing::Host)
        } else if self.members.contains(&node) {
            Ok(Standing::Member)
        } else {
            Err(Closed::NotAMember)
        }
    }

    fn open_at(&mut self, now: Instant) -> Result<&mut Window, Closed> {
        let window = self.window.as_mut();
        window
            .filter(|window| now < window.until)
            .ok_or(Closed::NotAMember)
    }

    /// Lets `connection` speak, if it has the seat or the seat is free. Each conversation is an attempt.
    pub(super) fn begin_conversation(
        &mut self,
        connection: ConnectionId,
        now: Instant,
    ) -> Result<(), Closed> {
        let window = self.open_at(now)?;
        window.take_seat(connection)?;
        if let Some((_, spoken @ false)) = &mut window.seat {
            *spoken = true;
            window.attempts += 1;
        }
        Ok(())
    }

    /// Whether `connection` holds the seat and the window is open.
    pub(super) fn is_speaking(&self, connection: ConnectionId, now: Instant) -> bool {
        let open = |window: &&Window| now < window.until;
        let window = self.window.as_ref().filter(open);
        window.is_some_and(|window| window.seat == Some((connection, true)))
    }

    /// Frees the seat `connection` may hold.
    pub(super) fn end_conversation(&mut self, connection: ConnectionId) {
        if let Some(window) = &mut self.window
            && window.seat.is_some_and(|(holder, _)| holder == connection)
        {
            window.seat = None;
        }
    }

    /// Forgets a connection that failed or closed.
    pub(super) fn departed(&mut self, connection: ConnectionId) {
        self.knocking.remove(&connection);
        self.hosts.remove(&connection);
        self.guests.remove(&connection);
        self.end_conversation(connection);
    }
}

/// What one customer of a provider has: an IPv4 address, or the first half of an IPv6 address (RFC 6177).
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn only_members_enter_while_no_window_is_open() {
        let now = Instant::now();
        let mut gate = Gate::default();
        gate.set_members([node(1)].into());
        assert_eq!(
            gate.admit_inbound(id(1), node(1), now),
            Ok(Standing::Member)
        );
        assert_eq!(
            gate.admit_inbound(id(2), node(2), now),
            Err(Closed::NotAMember)
        );
        assert_eq!(gate.admit_outbound(id(3), node(2)), Err(Closed::NotAMember));
        gate.set_members(BTreeSet::new());
        assert_eq!(
            gate.admit_inbound(id(4), node(1), now),
            Err(Closed::NotAMember)
        );
    }

    #[test]
    fn a_barred_node_enters_neither_as_a_member_nor_to_pair() {
        let now = Instant::now();
        let mut gate = Gate::default();
        gate.set_members([node(1)].into());
        gate.set_barred([node(1), node(2)].into());
        gate.open_window(now + Duration::from_secs(60));
        gate.expect_host(id(3));
        for (connection, barred) in [(id(1), node(1)), (id(2), node(2))] {
            let admitted = gate.admit_inbound(connection, barred, now);
            assert_eq!(admitted, Err(Closed::Revoked));
        }
        assert_eq!(gate.admit_outbound(id(3), node(2)), Err(Closed::Revoked));
        assert_eq!(gate.admit_inbound(id(4), node(3), now), Ok(Standing::Guest));
    }

    #[test]
    fn a_window_seats_one_stranger_at_a_time_and_ten_in_all() {
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        let mut gate = Gate::default();
        gate.open_window(later);
        for attempt in 0..PAIRING_ATTEMPTS as usize {
            assert_eq!(
                gate.admit_inbound(id(attempt), node(2), now),
                Ok(Standing::Guest)
            );
            assert_eq!(
                gate.admit_inbound(id(99), node(3), now),
                Err(Closed::Occupied)
            );
            assert!(!gate.is_speaking(id(attempt), now));
            gate.departed(id(attempt));
            assert_eq!(
                gate.admit_inbound(id(attempt), node(2), now),
                Ok(Standing::Guest),
                "who says nothing makes no attempt"
            );
            assert_eq!(gate.begin_conversation(id(attempt), now), Ok(()));
            assert!(gate.is_speaking(id(attempt), now));
            gate.departed(id(attempt));
            assert!(!gate.is_speaking(id(attempt), now));
        }
        assert_eq!(
            gate.admit_inbound(id(98), node(2), now),
            Err(Closed::TooManyAttempts)
        );
        gate.open_window(later);
        assert_eq!(
            gate.admit_inbound(id(98), node(2), now),
            Ok(Standing::Guest)
        );
        assert_eq!(gate.close_window(), [id(98)], "it said nothing");
        gate.departed(id(98));
        assert_eq!(
            gate.admit_inbound(id(97), node(2), now),
            Err(Closed::NotAMember)
        );
    }

    #[test]
    fn a_closing_window_lets_the_last_word_be_said() {
        let now = Instant::now();
        let mut gate = Gate::default();
        gate.open_window(now + Duration::from_secs(60));
        assert_eq!(gate.admit_inbound(id(1), node(2), now), Ok(Standing::Guest));
        assert_eq!(gate.begin_conversation(id(1), now), Ok(()));
        assert_eq!(gate.close_window(), []);
        assert!(!gate.is_speaking(id(1), now), "nothing more is heard");
    }

    #[test]
    fn a_window_ends_by_itself() {
        let now = Instant::now();
        let mut gate = Gate::default();
        gate.open_window(now + Duration::from_secs(1));
        let late = now + Duration::from_secs(1);
        assert_eq!(
            gate.admit_inbound(id(1), node(2), late),
            Err(Closed::NotAMember)
        );
    }

    #[test]
    fn handshakes_are_counted_where_they_come_from() {
        let mut gate = Gate::default();
        let here = |host: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host).into();
        for n in 0..HANDSHAKES_PER_ADDRESS {
            assert_eq!(gate.knock(id(n), here(n as u16)), Ok(()));
        }
        assert_eq!(gate.knock(id(90), here(90)), Err(Closed::Crowd));
        assert_eq!(gate.knock(id(91), Ipv4Addr::LOCALHOST.into()), Ok(()));
        gate.departed(id(0));
        assert_eq!(gate.knock(id(92), here(92)), Ok(()));
        assert!(gate.admit_inbound(id(1), node(1), Instant::now()).is_err());
        assert_eq!(gate.knock(id(93), here(93)), Ok(()));
    }

    #[test]
    fn a_stranger_is_dialed_only_to_pair() {
        let mut gate = Gate::default();
        gate.expect_host(id(5));
        assert_eq!(gate.admit_outbound(id(5), node(9)), Ok(Standing::Host));
        gate.departed(id(5));
        assert_eq!(gate.admit_outbound(id(5), node(9)), Err(Closed::NotAMember));
    }

    #[test]
    fn every_reason_is_told_in_both_languages() {
        let all = [
            Closed::ForeignKey,
            Closed::NotAMember,
            Closed::Occupied,
            Closed::TooManyAttempts,
            Closed::Memory,
            Closed::Crowd,
            Closed::TooManyConnections,
        ];
        crate::language::assert_explained(all.iter().map(|why| why as &dyn Explain));
    }
}
