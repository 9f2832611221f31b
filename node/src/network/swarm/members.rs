//! Members come, are greeted, are lost and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use dokuei_keys::id::NodeId;
use libp2p::Multiaddr;
use libp2p::swarm::{ConnectionId, ListenError};
use tokio::time::Instant;

use super::trouble::{is_stranger, listen_trouble};
use super::{Engine, chance};
use crate::language::{Explain as _, Message};
use crate::network::documents::{Courier, DocumentStream};
use crate::network::events::NetworkEvent;
use crate::network::gate::{Closed, Standing};
use crate::network::limits::{ADDRESSES_MAX, MEMBERS_MAX};
use crate::network::partners::Partner;
use crate::network::peers::{peer_of, socket_of};
use crate::network::status::Path;
use crate::network::{Member, lock};
use crate::say;

impl Engine {
    /// Applies the allow-list at once: whoever is not on it is cut off, whoever is new is dialed.
    pub(super) fn set_members(&mut self, members: Vec<Member>, now: Instant) {
        let mut listed = BTreeMap::new();
        for member in members.into_iter().take(MEMBERS_MAX) {
            if peer_of(&member.node).is_none() {
                tracing::warn!(node = %member.node, "a member's id is no Ed25519 key, it is left out");
                continue;
            }
            let mut addresses = if member.outbound {
                member.addresses
            } else {
                Vec::new()
            };
            addresses.truncate(ADDRESSES_MAX);
            listed.insert(member.node, addresses);
        }
        lock(&self.gate).set_members(listed.keys().copied().collect());
        for partner in self
            .partners
            .remove_unless(|node| listed.contains_key(node))
        {
            partner.removed.cancel();
            let revoked = lock(&self.gate).is_barred(&partner.node);
            let why = if revoked {
                Closed::Revoked.message()
            } else {
                say!("登録が解除されました", "no longer a member")
            };
            for connection in self.connections.of_member(&partner.node) {
                self.close(connection, &why);
            }
        }
        for node in listed.keys() {
            if self.partners.find(node).is_none() {
                self.add_partner(*node);
            }
        }
        let connected = &self.connected;
        let nodes: Vec<_> = listed.keys().copied().collect();
        self.dialing
            .set(listed, |node| connected.contains(node), now);
        nodes.into_iter().for_each(|node| self.note_next_dial(node));
    }

    /// Cuts off, at once and whatever else they may be, the nodes that must never get in.
    pub(super) fn bar(&mut self, nodes: Vec<NodeId>) {
        let barred: std::collections::BTreeSet<NodeId> = nodes.into_iter().collect();
        lock(&self.gate).set_barred(barred.clone());
        for partner in barred.iter().filter_map(|node| self.partners.find(node)) {
            partner.lines.cut();
        }
        for connection in self.connections.all() {
            let node = self.connections.node_of(connection);
            if node.is_some_and(|node| barred.contains(&node)) {
                self.close(connection, &Closed::Revoked.message());
            }
        }
    }

    fn add_partner(&mut self, node: NodeId) {
        let removed = self.stopping.child_token();
        let (partner, ends) = Partner::new(self.local, node, &self.limits, removed);
        let partner = Arc::new(partner);
        self.partners.insert(partner.clone());
        let courier = Courier::new(partner, ends, self.reporter.clone(), self.limits.clone());
        tokio::spawn(courier.run());
    }

    /// A member greeted us back on this stream's connection, which is used from now on.
    pub(super) fn greeted(&mut self, stream: DocumentStream, now: Instant) {
        let connection = stream.connection;
        let Some(surplus) = self.connections.greeted(connection, now) else {
            return;
        };
        let Some(node) = self.use_newest_of(connection, now) else {
            return;
        };
        let why = say!(
            "新しい接続に置き換えました",
            "replaced by a newer connection"
        );
        for other in surplus {
            self.close(other, &why);
        }
        let full = match self.partners.find(&node) {
            Some(partner) => partner.streams.try_send(stream).is_err(),
            None => true,
        };
        if full {
            let why = say!(
                "接続と切断が短時間に繰り返されています",
                "connections come and go too fast"
            );
            self.close(connection, &why);
        }
    }

    /// Makes the newest greeted connection of the node behind `connection` the one in use.
    fn use_newest_of(&mut self, connection: ConnectionId, now: Instant) -> Option<NodeId> {
        let node = self.connections.node_of(connection)?;
        let newest = self.connections.current(&node)?;
        let (link, path) = (newest.link.clone(), newest.path);
        self.use_link(link, path, now);
        Some(node)
    }

    fn use_link(&mut self, link: crate::network::streams::Link, path: Path, now: Instant) {
        let node = link.node;
        let Some(partner) = self.partners.find(&node) else {
            return;
        };
        partner.set_link(link, path, now);
        self.dialing.connected(&node);
        self.note_next_dial(node);
        self.connected.insert(node);
        self.untold
            .insert(node, NetworkEvent::Connected { node, path });
    }

    /// The connection in use is silent: its node is dialed anew, and what that leads to takes its place.
    pub(super) fn suspect(&mut self, connection: ConnectionId, now: Instant) {
        let Some(node) = self.connections.node_of(connection) else {
            return;
        };
        let partner = self.partners.find(&node);
        if partner.is_some_and(|partner| partner.connection() == Some(connection)) {
            self.dialing.suspect(&node, now);
            self.note_next_dial(node);
        }
    }

    /// A connection ended.
    pub(super) fn closed(&mut self, connection: ConnectionId, why: &Message, now: Instant) {
        let Some(closed) = self.connections.closed(connection) else {
            return;
        };
        let node = closed.link.node;
        if closed.link.standing != Standing::Member {
            return;
        }
        self.note_connections(node);
        let partner = self.partners.find(&node);
        let in_use = partner.as_ref().and_then(|partner| partner.connection());
        let newest = self
            .connections
            .current(&node)
            .map(|open| (open.link.clone(), open.path));
        match newest {
            Some((link, path)) if in_use == Some(connection) => {
                self.use_link(link.clone(), path, now);
                self.greet(link);
            }
            Some(_) => {}
            None => {
                if let Some(partner) = &partner {
                    partner.clear_link();
                    partner.set_trouble(why.clone());
                }
                // While another connection is being greeted, as when both sides dialed, the path only changes.
                let alone = self.connections.of_member(&node).is_empty();
                if alone && self.connected.remove(&node) {
                    let why = why.en.clone();
                    self.untold
                        .insert(node, NetworkEvent::Disconnected { node, why });
                    self.dialing.lost(node, now, chance());
                } else {
                    self.dialing.unwelcome(node, connection, now, chance());
                    if !closed.link.dialed {
                        self.dialing.called(&node, now);
                    }
                }
                self.note_next_dial(node);
            }
        }
    }

    /// Keeps the partner's status in step with the connections.
    pub(super) fn note_connections(&self, node: NodeId) {
        if let Some(partner) = self.partners.find(&node) {
            partner.set_connections(self.connections.of_member(&node).len());
        }
    }

    /// Keeps the partner's status in step with the dialing.
    pub(super) fn note_next_dial(&self, node: NodeId) {
        if let Some(partner) = self.partners.find(&node) {
            partner.set_next_dial(self.dialing.waits_until(&node));
        }
    }

    /// An incoming connection was not let in. Strangers are told while there is room beside what moves cases: half of the
    /// queue is not theirs. The log has all of them.
    pub(super) fn turned_away(&self, from: &Multiaddr, error: &ListenError) {
        let why = listen_trouble(error).en;
        tracing::info!(%from, %why, "connection refused");
        let Some((_, address)) = socket_of(from).filter(|_| is_stranger(error)) else {
            return;
        };
        if self.events.capacity() > self.events.max_capacity() / 2 {
            let from = address.ip().to_canonical();
            let _ = self.events.try_send(NetworkEvent::TurnedAway { from, why });
        }
    }
}
