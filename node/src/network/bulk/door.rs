//! Who may have a bulk connection: members, and so many handshakes at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use dokuei_keys::id::NodeId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::language::Explain as _;
use crate::network::events::NetworkEvent;
use crate::network::gate::{Closed, Gate, network_of};
use crate::network::limits::{BULK_HANDSHAKES, HANDSHAKES_PER_ADDRESS};
use crate::network::lock;
use crate::network::memory::Memory;
use crate::network::partners::{Partner, Partners};

/// Asks the gate, and counts those whose handshake is going on.
pub(super) struct Door {
    gate: Arc<Mutex<Gate>>,
    partners: Arc<Partners>,
    events: mpsc::Sender<NetworkEvent>,
    memory: Mutex<Memory>,
    knocking: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A handshake that is going on; over when dropped.
pub(super) struct Knock {
    door: Arc<Door>,
    from: IpAddr,
}

impl Drop for Knock {
    fn drop(&mut self) {
        let mut knocking = lock(&self.door.knocking);
        match knocking.get_mut(&self.from) {
            Some(count @ 2..) => *count -= 1,
            Some(_) | None => drop(knocking.remove(&self.from)),
        }
    }
}

impl Door {
    pub(super) fn new(
        gate: Arc<Mutex<Gate>>,
        partners: Arc<Partners>,
        events: mpsc::Sender<NetworkEvent>,
        memory: Memory,
    ) -> Self {
        Self {
            gate,
            partners,
            events,
            memory: Mutex::new(memory),
            knocking: Mutex::default(),
        }
    }

    /// Whether a handshake from `from` may begin.
    pub(super) fn knock(self: &Arc<Self>, from: IpAddr) -> Result<Knock, Closed> {
        if lock(&self.memory).is_full(Instant::now()) {
            return Err(Closed::Memory);
        }
        let from = network_of(from);
        let mut knocking = lock(&self.knocking);
        let all: usize = knocking.values().sum();
        let same = knocking.entry(from).or_default();
        if *same >= HANDSHAKES_PER_ADDRESS || all >= BULK_HANDSHAKES {
            if *same == 0 {
                knocking.remove(&from);
            }
            return Err(Closed::Crowd);
        }
        *same += 1;
        Ok(Knock {
            door: Arc::clone(self),
            from,
        })
    }

    /// Whether so many knock that some may not be who they seem.
    pub(super) fn is_crowded(&self) -> bool {
        let knocking: usize = lock(&self.knocking).values().sum();
        knocking >= BULK_HANDSHAKES / 4
    }

    /// The member behind a proven key, and what ends its bulk connections. The token is taken before the gate is asked:
    /// who is barred in this moment is either seen by the gate or cut off by the token.
    pub(super) fn admit(
        &self,
        node: Option<NodeId>,
    ) -> Result<(Arc<Partner>, CancellationToken), Closed> {
        let node = node.ok_or(Closed::ForeignKey)?;
        let found = self.partners.find(&node).map(|partner| {
            let ended = partner.lines.ended();
            (partner, ended)
        });
        lock(&self.gate).admits(&node)?;
        found.ok_or(Closed::NotAMember)
    }

    /// Notes who was not let in, and tells the node's loop of strangers as libp2p's side does.
    pub(super) fn turn_away(&self, from: IpAddr, closed: Closed) {
        let why = closed.message().en;
        tracing::info!(%from, %why, "bulk connection refused");
        let stranger = matches!(
            closed,
            Closed::ForeignKey | Closed::NotAMember | Closed::Revoked
        );
        if stranger && self.events.capacity() > self.events.max_capacity() / 2 {
            let from = from.to_canonical();
            drop(self.events.try_send(NetworkEvent::TurnedAway { from, why }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::network::Limits;

    fn door(members: &[NodeId]) -> Arc<Door> {
        let gate = Arc::new(Mutex::new(Gate::default()));
        let partners = Arc::new(Partners::default());
        for node in members {
            let token = CancellationToken::new();
            let (partner, _) = Partner::new(
                NodeId::from_bytes([0; 32]),
                *node,
                &Limits::default(),
                token,
            );
            partners.insert(Arc::new(partner));
        }
        lock(&gate).set_members(members.iter().copied().collect());
        let (events, _) = mpsc::channel(4);
        Arc::new(Door::new(gate, partners, events, Memory::new(u64::MAX)))
    }

    #[test]
    fn handshakes_are_counted_by_address_and_altogether() {
        let door = door(&[]);
        let address = |last: u8| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let mut held = Vec::new();
        for _ in 0..HANDSHAKES_PER_ADDRESS {
            held.push(door.knock(address(1)).ok().unwrap());
        }
        assert_eq!(door.knock(address(1)).err(), Some(Closed::Crowd));
        let others = (2..).map(address);
        for from in others.take(BULK_HANDSHAKES - HANDSHAKES_PER_ADDRESS) {
            held.push(door.knock(from).ok().unwrap());
        }
        assert_eq!(door.knock(address(254)).err(), Some(Closed::Crowd));
        drop(held);
        assert!(door.knock(address(1)).is_ok());
        assert!(lock(&door.knocking).is_empty());
    }

    #[test]
    fn only_members_get_in_and_those_barred_are_cut_off() {
        let (member, stranger) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let door = door(&[member]);
        assert_eq!(door.admit(Some(stranger)).err(), Some(Closed::NotAMember));
        assert_eq!(door.admit(None).err(), Some(Closed::ForeignKey));
        let (partner, ended) = door.admit(Some(member)).ok().unwrap();
        lock(&door.gate).set_barred([member].into());
        partner.lines.cut();
        assert!(ended.is_cancelled());
        assert_eq!(door.admit(Some(member)).err(), Some(Closed::Revoked));
        lock(&door.gate).set_barred([].into());
        let (_, ended) = door.admit(Some(member)).ok().unwrap();
        assert!(!ended.is_cancelled());
        partner.removed.cancel();
        assert!(ended.is_cancelled());
    }
}
