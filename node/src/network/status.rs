//! What the operator sees of the network: the path to each partner, and why there is none.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use dokuei_keys::id::NodeId;
use tokio::time::Instant;

use crate::language::Message;

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// QUIC version 1 over UDP, TLS 1.3.
    Quic,
    /// TCP, TLS 1.3, yamux.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quic => "QUIC",
            Self::Tcp => "TCP",
        })
    }
}

/// How two nodes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// What carries the connection.
    pub transport: Transport,
    /// The other end.
    pub remote: SocketAddr,
    /// False when a third node relays.
    pub direct: bool,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.direct { "direct" } else { "relayed" };
        write!(f, "{} {way} {}", self.transport, self.remote)
    }
}

/// Which way bulk data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BulkWay {
    /// QUIC on an endpoint of its own.
    Quic,
    /// TCP connections of its own, TLS 1.3.
    Tcp,
    /// Through the connection that documents take, too.
    Shared,
}

impl BulkWay {
    /// As programs are told.
    pub fn code(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
            Self::Shared => "shared",
        }
    }
}

/// How bulk data goes to and from one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkStatus {
    /// The way it went last.
    pub way: BulkWay,
    /// The round trip on that way.
    pub round_trip: Option<Duration>,
    /// Bytes received a second, over the last four seconds.
    pub receiving: u64,
    /// Bytes sent a second, over the last four seconds.
    pub sending: u64,
}

/// One member, as the network sees it now.
#[derive(Clone, Debug)]
pub struct PartnerStatus {
    /// Who.
    pub node: NodeId,
    /// The path in use, and since when; `None` while not connected.
    pub connected: Option<(Path, Instant)>,
    /// Open connections; more than one only while both sides' dials settle.
    pub connections: usize,
    /// The last measured round trip on the documents stream.
    pub round_trip: Option<Duration>,
    /// Why the last attempt failed or the last connection ended, in words.
    pub trouble: Option<Message>,
    /// When the next dial is due; `None` while connected, dialing, or when there is nothing to dial.
    pub next_dial: Option<Instant>,
    /// Documents handed over here and not yet answered.
    pub documents_waiting: usize,
    /// Bulk bytes received from this node since the start.
    pub bulk_received: u64,
    /// Bulk bytes sent to this node since the start.
    pub bulk_sent: u64,
    /// How bulk data goes; `None` while not connected, or when there was none yet.
    pub bulk: Option<BulkStatus>,
}
