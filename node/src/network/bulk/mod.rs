//! Bulk data on connections of its own, beside those of libp2p: QUIC on an endpoint of ours, or TCP with TLS 1.3.
//! libp2p lets nobody choose a congestion controller, and with the one it has a clinic's line with a little loss carries
//! a tenth of what it could.
//!
//! The other end proves its node key as everywhere ([`identity`]), and only members get in ([`door`]). The fetching side
//! looks for a way ([`search`]) with the help of the other ([`asked`]); over what it finds both speak
//! `/dokuei/parcels/2`. Where nothing comes about, bulk data goes through the connection of libp2p as before.

mod asked;
mod controller;
mod door;
mod gathering;
mod identity;
mod lines;
mod ports;
mod question;
mod quic;
mod search;
mod seat;
mod tcp;
mod way;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use libp2p::identity::Keypair;
use quinn::{Endpoint, TransportConfig};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(super) use self::lines::Lines;
pub use self::ports::BulkPort;

use self::door::Door;
use self::identity::Identity;
use self::ports::Ports;
use super::error::StartError;
use super::events::NetworkEvent;
use super::gate::Gate;
use super::limits::Limits;
use super::lock;
use super::memory::Memory;
use super::parcels::Service;
use super::partners::Partners;
use super::status::Transport;

/// The bulk connections of this node. Clones are handles of the same.
#[derive(Clone)]
pub(super) struct Bulk(Arc<Inner>);

/// What a node's bulk connections need.
pub(super) struct Inner {
    identity: Identity,
    /// For those who call by TCP.
    tls: Arc<rustls::ServerConfig>,
    transport: Arc<TransportConfig>,
    door: Arc<Door>,
    service: Service,
    limits: Limits,
    transports: Vec<Transport>,
    /// Where this node can be called, if anywhere.
    port: Option<u16>,
    addresses: Vec<SocketAddr>,
    endpoints: Mutex<Endpoints>,
    stopping: CancellationToken,
}

/// Kept until the node stops.
#[derive(Default)]
struct Endpoints {
    called: Vec<Endpoint>,
    calling_v4: Option<Endpoint>,
    calling_v6: Option<Endpoint>,
}

/// What bulk connections are made of.
pub(super) struct BulkParts<'a> {
    pub(super) keypair: &'a Keypair,
    pub(super) listen: &'a [SocketAddr],
    pub(super) port: BulkPort,
    pub(super) transports: Vec<Transport>,
    pub(super) gate: Arc<Mutex<Gate>>,
    pub(super) partners: Arc<Partners>,
    pub(super) events: mpsc::Sender<NetworkEvent>,
    pub(super) service: Service,
    pub(super) stopping: CancellationToken,
}

impl std::ops::Deref for Bulk {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Bulk {
    /// Takes the port and lets members in; `None` when it is off.
    pub(super) fn start(parts: BulkParts<'_>) -> Result<Option<Self>, StartError> {
        if parts.port == BulkPort::Off {
            return Ok(None);
        }
        let ports = Ports::take(parts.listen, parts.port, &parts.transports)?;
        let limits = parts.service.limits.clone();
        let identity = Identity::new(parts.keypair);
        let transport = Arc::new(quic::transport(&limits));
        let door = Door::new(
            parts.gate,
            parts.partners,
            parts.events,
            Memory::new(limits.memory_max),
        );
        let bulk = Self(Arc::new(Inner {
            tls: Arc::new(identity.server()?),
            identity,
            transport,
            door: Arc::new(door),
            service: parts.service,
            limits,
            transports: parts.transports,
            port: ports.number,
            addresses: ports.addresses.clone(),
            endpoints: Mutex::default(),
            stopping: parts.stopping,
        }));
        bulk.listen(ports)?;
        Ok(Some(bulk))
    }

    fn listen(&self, ports: Ports) -> Result<(), StartError> {
        for socket in ports.udp {
            let server = quic::server(&self.identity, Arc::clone(&self.transport))?;
            let endpoint = quic::endpoint(socket, Some(server)).map_err(refused)?;
            lock(&self.endpoints).called.push(endpoint.clone());
            self.spawn(self.clone().accept_quic(endpoint));
        }
        for listener in ports.tcp {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(refused)?;
            self.spawn(self.clone().accept_tcp(listener));
        }
        Ok(())
    }

    /// Where this node can be called for bulk data.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// An endpoint to call `address` from, made when it is needed first.
    fn caller(&self, address: SocketAddr) -> io::Result<Endpoint> {
        let mut endpoints = lock(&self.endpoints);
        let place = if address.is_ipv4() {
            &mut endpoints.calling_v4
        } else {
            &mut endpoints.calling_v6
        };
        if let Some(endpoint) = place {
            return Ok(endpoint.clone());
        }
        if self.stopping.is_cancelled() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let endpoint = quic::caller(address)?;
        Ok(place.insert(endpoint).clone())
    }

    /// Says goodbye on every connection; the ports are free a moment later.
    pub(super) fn stop(&self) {
        let endpoints = std::mem::take(&mut *lock(&self.endpoints));
        let calling = [endpoints.calling_v4, endpoints.calling_v6];
        for endpoint in endpoints.called.iter().chain(calling.iter().flatten()) {
            endpoint.close(0u32.into(), b"");
        }
    }

    /// Runs `work` until the node stops.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            let work = std::pin::pin!(work);
            stopping.run_until_cancelled(work).await;
        });
    }
}

/// The system does not let a socket be used that it gave.
fn refused(source: io::Error) -> StartError {
    StartError::Sockets(source)
}
