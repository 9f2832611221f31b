//! Bulk data by QUIC: an endpoint of our own, whose windows, buffers and congestion controller are ours.
//!
//! Those who call reach the endpoints of the bulk port. This node calls from others, which listen nowhere: one that
//! listens on a certain address could not reach every other.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use dokuei_keys::id::NodeId;
use libp2p::swarm::ConnectionId;
use quinn::{
    AckFrequencyConfig, ClientConfig, Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Bulk;
use super::controller::Controllers;
use super::door::Knock;
use super::gathering::Gathering;
use super::identity::{Identity, NAME, node_behind};
use super::lines::Standing;
use super::ports::udp;
use super::seat::Joined;
use crate::network::error::StartError;
use crate::network::limits::{
    BULK_CONNECTION_WINDOW, BULK_HANDSHAKES, BULK_LOOK, Limits, QUIC_STREAM_WINDOW,
};
use crate::network::partners::Partner;
use crate::network::peers::peer_of;
use crate::network::status::BulkWay;
use crate::network::streams::Protocol;

/// What those who knock may send before they are heard: the packets of one handshake.
const INCOMING_BUFFER: u64 = 64 * 1024;
/// Packets that are acknowledged together. With QUIC's two a node sends twice as many acknowledgements; with eight the controller
/// learns too late of others on a line (`congestion/tests/line/receiver.rs` does the same).
const ACKNOWLEDGED: u32 = 4;

pub(super) fn transport(limits: &Limits) -> TransportConfig {
    let mut config = TransportConfig::default();
    let streams = u32::try_from(Protocol::Parcels.inbound_max()).unwrap_or(u32::MAX);
    let idle = u32::try_from(limits.idle.as_millis()).unwrap_or(u32::MAX);
    let mut acknowledgements = AckFrequencyConfig::default();
    // It is the number that may come without an acknowledgement.
    acknowledgements.ack_eliciting_threshold((ACKNOWLEDGED - 1).into());
    config
        .stream_receive_window(QUIC_STREAM_WINDOW.into())
        .receive_window(BULK_CONNECTION_WINDOW.into())
        .send_window(BULK_CONNECTION_WINDOW.into())
        .max_concurrent_bidi_streams(streams.into())
        .max_concurrent_uni_streams(0u32.into())
        .datagram_receive_buffer_size(None)
        .ack_frequency_config(Some(acknowledgements))
        .congestion_controller_factory(Arc::new(Controllers))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .keep_alive_interval(Some(limits.heartbeat));
    config
}

/// What an endpoint says to those who call.
pub(super) fn server(
    identity: &Identity,
    transport: Arc<TransportConfig>,
) -> Result<ServerConfig, StartError> {
    let mut config = ServerConfig::with_crypto(Arc::new(identity.quic_server()?));
    config
        .transport_config(transport)
        .max_incoming(BULK_HANDSHAKES)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFER * BULK_HANDSHAKES as u64);
    Ok(config)
}

pub(super) fn endpoint(
    socket: std::net::UdpSocket,
    server: Option<ServerConfig>,
) -> io::Result<Endpoint> {
    Endpoint::new_with_abstract_socket(
        EndpointConfig::default(),
        server,
        Gathering::new(socket)?,
        Arc::new(TokioRuntime),
    )
}

/// An endpoint to call `address` from.
pub(super) fn caller(address: SocketAddr) -> io::Result<Endpoint> {
    let any = if address.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    };
    endpoint(udp(any)?, None)
}

impl Bulk {
    /// Lets in those who call, until the endpoint is closed.
    pub(super) async fn accept_quic(self, endpoint: Endpoint) {
        while let Some(incoming) = endpoint.accept().await {
            let from = incoming.remote_address().ip();
            if self.door.is_crowded() && incoming.may_retry() {
                // A forged sender does not come back; a true one does, with the token.
                drop(incoming.retry());
                continue;
            }
            match self.door.knock(from) {
                Ok(knock) => self.spawn(self.clone().welcome_quic(incoming, knock)),
                Err(closed) => {
                    self.door.turn_away(from, closed);
                    incoming.refuse();
                }
            }
        }
    }

    async fn welcome_quic(self, incoming: Incoming, knock: Knock) {
        let from = incoming.remote_address().ip();
        let Ok(connecting) = incoming.accept() else {
            return;
        };
        let Ok(Ok(connection)) = timeout(self.limits.handshake, connecting).await else {
            return;
        };
        drop(knock);
        match self.door.admit(node_of(&connection)) {
            Ok((partner, ended)) => {
                let link = partner.connection();
                let standing = partner.lines.stands(connection, false, link);
                self.keeps(&partner, standing, ended);
            }
            Err(closed) => {
                self.door.turn_away(from, closed);
                connection.close(0u32.into(), b"");
            }
        }
    }

    /// Calls `partner` at `address`. Takes as long as its caller lets it.
    pub(super) async fn dial_quic(
        &self,
        partner: &Arc<Partner>,
        address: SocketAddr,
        link: ConnectionId,
    ) -> io::Result<Arc<Standing>> {
        let admitted = self.door.admit(Some(partner.node));
        let (partner, ended) = admitted.map_err(io::Error::other)?;
        let peer = peer_of(&partner.node).ok_or(io::ErrorKind::InvalidInput)?;
        let crypto = self.identity.quic_client(peer).map_err(io::Error::other)?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::clone(&self.transport));
        let endpoint = self.caller(address)?;
        let connecting = endpoint.connect_with(config, address, NAME);
        let connection = connecting.map_err(io::Error::other)?.await?;
        let standing = partner.lines.stands(connection, true, Some(link));
        self.keeps(&partner, Arc::clone(&standing), ended);
        Ok(standing)
    }

    fn keeps(&self, partner: &Arc<Partner>, standing: Arc<Standing>, ended: CancellationToken) {
        let remote = standing.connection.remote_address();
        tracing::info!(node = ?partner.node, %remote, "bulk connection stands");
        // Not spawned as the others: it must see the end, and let go of the connection.
        tokio::spawn(self.clone().keep(Arc::clone(partner), standing, ended));
    }

    /// Serves what the other side opens, until the connection ends, nobody needs it, or the node may not have it.
    async fn keep(self, partner: Arc<Partner>, standing: Arc<Standing>, ended: CancellationToken) {
        let connection = &standing.connection;
        loop {
            tokio::select! {
                opened = connection.accept_bi() => match opened {
                    Ok(stream) => {
                        partner.lines.goes(BulkWay::Quic);
                        let stream = Joined::new(stream, &standing.uses);
                        let service = self.service.clone();
                        self.spawn(service.serve(Box::new(stream), Arc::clone(&partner)));
                    }
                    Err(_) => break,
                },
                () = ended.cancelled() => break,
                () = sleep(BULK_LOOK) => {
                    if partner.lines.is_idle(&standing, Instant::now()) {
                        break;
                    }
                }
            }
        }
        connection.close(0u32.into(), b"");
        partner.lines.forget(&standing);
    }
}

/// Whose certificate TLS has verified.
fn node_of(connection: &Connection) -> Option<NodeId> {
    let chain = connection.peer_identity()?;
    let chain = chain.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    node_behind(&chain)
}
