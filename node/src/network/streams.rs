//! Streams on connections: which protocols a connection may speak, opening one, and handing over those that arrive.
//!
//! Ours instead of libp2p-stream, because that one offers every protocol to every connection and drops an inbound
//! stream when its acceptor is not waiting. Here an inbound stream is handed over by a plain call, or reset because
//! a stated number of its kind is open already.

mod ending;
mod handler;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use dokuei_keys::id::NodeId;
use futures::channel::{mpsc, oneshot};
use futures::{AsyncRead, AsyncWrite, SinkExt};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionId, DialFailure, FromSwarm, ListenFailure,
    NetworkBehaviour, StreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub(super) use self::ending::Ending;
use self::handler::{Handler, Request};
use super::gate::{Closed, Gate, Standing};
use super::limits::{BULK_STREAMS_PER_NODE, CONNECTIONS_PER_NODE, STREAM_TIMEOUT};
use super::lock;
use super::memory::Memory;
use super::peers::{node_of, socket_of};

/// A stream between two nodes, whatever carries it.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A stream between two nodes, whatever carries it.
pub(super) type BoxStream = Box<dyn ByteStream>;

/// What nodes speak. Nothing else is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Documents,
    Sync,
    Ready,
    Parcels,
    Bulk,
    Pairing,
}

impl Protocol {
    pub(super) const ALL: [Self; 6] = [
        Self::Documents,
        Self::Sync,
        Self::Ready,
        Self::Parcels,
        Self::Bulk,
        Self::Pairing,
    ];

    pub(super) fn name(self) -> StreamProtocol {
        StreamProtocol::new(match self {
            Self::Documents => "/dokuei/documents/1",
            Self::Sync => "/dokuei/sync/1",
            Self::Ready => "/dokuei/ready/1",
            Self::Parcels => "/dokuei/parcels/2",
            Self::Bulk => "/dokuei/bulk/1",
            Self::Pairing => "/dokuei/pairing/1",
        })
    }

    /// Streams of this kind the other side may have open on one connection.
    pub(super) fn inbound_max(self) -> usize {
        match self {
            // One in use and one that replaces it.
            Self::Documents => 2,
            // Twice what an honest node asks at once: an answer given is not a stream closed yet.
            Self::Sync | Self::Ready => 8,
            // Twice what is served to one node: those too many hear that we are busy.
            Self::Parcels => 2 * BULK_STREAMS_PER_NODE,
            // A question lasts as long as the stream that it brings: all that are served, and as many more.
            Self::Bulk => 2 * BULK_STREAMS_PER_NODE,
            Self::Pairing => 1,
        }
    }

    /// What a connection may speak to us.
    fn offered(standing: Standing) -> &'static [Self] {
        match standing {
            Standing::Member => &Self::ALL,
            Standing::Guest => &[Self::Pairing],
            Standing::Host => &[],
        }
    }
}

/// A stream someone opened to us, its protocol agreed.
pub(super) struct Arrival {
    pub(super) node: NodeId,
    pub(super) connection: ConnectionId,
    pub(super) protocol: Protocol,
    pub(super) stream: BoxStream,
    /// Counts against [`Protocol::inbound_max`] until dropped.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Takes every arriving stream; must not block.
pub(super) type Acceptor = Arc<dyn Fn(Arrival) + Send + Sync>;

/// An open connection, as those who want streams on it see it.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) node: NodeId,
    pub(super) connection: ConnectionId,
    pub(super) standing: Standing,
    /// Whether we made the connection.
    pub(super) dialed: bool,
    requests: mpsc::Sender<Request>,
    /// Told when the connection counts as closed.
    ended: CancellationToken,
}

impl Link {
    /// Opens a stream. It is agreed with the other side when this returns.
    ///
    /// # Errors
    /// `Unsupported` when the other side does not speak `protocol` with us, `TimedOut` after 10 s, `NotConnected`
    /// when the connection closed.
    pub(super) async fn open(&self, protocol: Protocol) -> io::Result<BoxStream> {
        let (reply, opened) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let mut requests = self.requests.clone();
        let exchange = async {
            requests
                .send(Request { protocol, reply })
                .await
                .map_err(|_| gone())?;
            opened.await.map_err(|_| gone())?
        };
        let stream = tokio::select! {
            stream = timeout(STREAM_TIMEOUT, exchange) => stream??,
            () = self.ended.cancelled() => return Err(gone()),
        };
        Ok(Box::new(Ending::new(stream, &self.ended)))
    }
}

/// The behaviour: asks the gate about each connection and gives it a handler.
pub(super) struct Streams {
    gate: Arc<Mutex<Gate>>,
    memory: Memory,
    acceptor: Acceptor,
    links: BTreeMap<ConnectionId, Link>,
}

impl Streams {
    pub(super) fn new(gate: Arc<Mutex<Gate>>, memory: Memory, acceptor: Acceptor) -> Self {
        Self {
            gate,
            memory,
            acceptor,
            links: BTreeMap::new(),
        }
    }

    /// The link of an established connection.
    pub(super) fn link(&self, connection: ConnectionId) -> Option<&Link> {
        self.links.get(&connection)
    }

    fn admit(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        dialed: bool,
        decide: impl FnOnce(&mut Gate, NodeId) -> Result<Standing, Closed>,
    ) -> Result<Handler, ConnectionDenied> {
        let node = node_of(&peer).ok_or_else(|| ConnectionDenied::new(Closed::ForeignKey))?;
        let standing = decide(&mut lock(&self.gate), node).map_err(ConnectionDenied::new)?;
        let open = self.links.values().filter(|link| link.node == node);
        if open.count() >= CONNECTIONS_PER_NODE {
            return Err(ConnectionDenied::new(Closed::TooManyConnections));
        }
        let (requests, receiver) = mpsc::channel(0);
        let link = Link {
            node,
            connection,
            standing,
            dialed,
            requests,
            ended: CancellationToken::new(),
        };
        self.links.insert(connection, link.clone());
        Ok(Handler::new(&link, receiver, self.acceptor.clone()))
    }

    /// Forgets a connection that closed, or is told to: a dead one may take its transport minutes to give up, and
    /// must not keep the next one out meanwhile.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.remove(&connection) {
            link.ended.cancel();
        }
        lock(&self.gate).departed(connection);
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if self.memory.is_full(Instant::now()) {
            return Err(ConnectionDenied::new(Closed::Memory));
        }
        let (_, from) = socket_of(remote).ok_or_else(|| ConnectionDenied::new(Closed::Crowd))?;
        lock(&self.gate)
            .knock(connection, from.ip())
            .map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let now = Instant::now();
        self.admit(connection, peer, false, |gate, node| {
            gate.admit_inbound(connection, node, now)
        })
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(connection, peer, true, |gate, node| {
            gate.admit_outbound(connection, node)
        })
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
        | FromSwarm::DialFailure(DialFailure { connection_id, .. })
        | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event
        {
            self.forget(connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
impl Link {
    /// A link that leads nowhere.
    pub(super) fn detached(node: NodeId, connection: ConnectionId, standing: Standing) -> Self {
        Self {
            node,
            connection,
            standing,
            dialed: false,
            requests: mpsc::channel(0).0,
            ended: CancellationToken::new(),
        }
    }
}
