//! The swarm's behaviour: limits first, then our own gate and streams. Only the derive struct.

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::swarm::NetworkBehaviour;

use super::limits::{Limits, PENDING_INCOMING, PENDING_OUTGOING};
use super::streams::Streams;

/// `streams` stands last: what it admits has passed all else, so a pairing seat is never lost to a limit.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(super) streams: Streams,
}

impl Behaviour {
    pub(super) fn new(limits: &Limits, streams: Streams) -> Self {
        let connections = ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_INCOMING))
            .with_max_pending_outgoing(Some(PENDING_OUTGOING))
            .with_max_established(Some(limits.connections));
        Self {
            limits: connection_limits::Behaviour::new(connections),
            streams,
        }
    }
}
