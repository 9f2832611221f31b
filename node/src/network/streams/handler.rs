//! One connection's side of [`super::Streams`]: negotiates protocols, counts what is open.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use dokuei_keys::id::NodeId;
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, ConnectionId, Stream, StreamProtocol,
    StreamUpgradeError, SubstreamProtocol,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Acceptor, Arrival, Ending, Link, Protocol};
use crate::network::gate::Standing;
use crate::network::limits::STREAM_TIMEOUT;

/// Somebody wants a stream.
pub(super) struct Request {
    pub(super) protocol: Protocol,
    pub(super) reply: oneshot::Sender<io::Result<Stream>>,
}

/// The protocols on offer for one stream.
pub(in crate::network) struct Offer(Vec<Protocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0
            .iter()
            .map(|protocol| protocol.name())
            .collect::<Vec<_>>()
            .into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, agreed: StreamProtocol) -> Self::Future {
        ready(Ok((stream, agreed)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

/// The handler of one connection.
pub(in crate::network) struct Handler {
    node: NodeId,
    connection: ConnectionId,
    standing: Standing,
    requests: mpsc::Receiver<Request>,
    acceptor: Acceptor,
    ended: CancellationToken,
    /// How many more streams of each protocol the other side may open, in the order of [`Protocol::ALL`].
    room: [Arc<Semaphore>; Protocol::ALL.len()],
}

impl Handler {
    pub(super) fn new(link: &Link, requests: mpsc::Receiver<Request>, acceptor: Acceptor) -> Self {
        Self {
            node: link.node,
            connection: link.connection,
            standing: link.standing,
            requests,
            acceptor,
            ended: link.ended.clone(),
            room: Protocol::ALL.map(|protocol| Arc::new(Semaphore::new(protocol.inbound_max()))),
        }
    }

    fn arrived(&self, stream: Stream, agreed: &StreamProtocol) {
        let known = Protocol::ALL
            .into_iter()
            .zip(&self.room)
            .find(|(protocol, _)| protocol.name() == *agreed);
        let Some((protocol, room)) = known else {
            return;
        };
        match Arc::clone(room).try_acquire_owned() {
            Ok(permit) => (self.acceptor)(Arrival {
                node: self.node,
                connection: self.connection,
                protocol,
                stream: Box::new(Ending::new(stream, &self.ended)),
                permit,
            }),
            Err(_) => {
                tracing::debug!(node = ?self.node, ?protocol, "too many streams, one is reset")
            }
        }
    }
}

fn failure(error: StreamUpgradeError<Infallible>) -> io::Error {
    match error {
        StreamUpgradeError::Timeout => io::ErrorKind::TimedOut.into(),
        StreamUpgradeError::NegotiationFailed => io::ErrorKind::Unsupported.into(),
        StreamUpgradeError::Io(error) => error,
        StreamUpgradeError::Apply(never) => match never {},
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<io::Result<Stream>>;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        let offer = Offer(Protocol::offered(self.standing).to_vec());
        SubstreamProtocol::new(offer, ()).with_timeout(STREAM_TIMEOUT)
    }

    /// Members stay connected for as long as they are members; a pairing connection lives by its conversation.
    fn connection_keep_alive(&self) -> bool {
        self.standing == Standing::Member
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Offer, Self::OutboundOpenInfo, Infallible>> {
        match self.requests.poll_next_unpin(cx) {
            Poll::Ready(Some(request)) => {
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol: SubstreamProtocol::new(Offer(vec![request.protocol]), request.reply)
                        .with_timeout(STREAM_TIMEOUT),
                })
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Offer, Offer, (), oneshot::Sender<io::Result<Stream>>>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, agreed),
                info: (),
            }) => self.arrived(stream, &agreed),
            // Whoever asked may have given up: then the stream is dropped, which resets it.
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) => {
                drop(info.send(Ok(protocol)));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                drop(info.send(Err(failure(error))));
            }
            // Nothing of ours depends on address changes (QUIC migration is off) or on what the other side lists.
            _other => tracing::trace!(node = ?self.node, "connection event without consequence"),
        }
    }
}
