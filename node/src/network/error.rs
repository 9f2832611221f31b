//! What can go wrong in the network room, grouped by who must do something about it.

use std::net::SocketAddr;

use super::status::Transport;

/// The network did not start. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS libraries write session keys to the file this variable names.
    #[error(
        "the environment variable SSLKEYLOGFILE is set, so the keys of every connection would be written to a file; unset it and start again"
    )]
    KeyLog,
    /// Someone else listens there.
    #[error(
        "{transport} port {} on {} is already used by another program; stop that program or choose another port in the configuration",
        address.port(), address.ip()
    )]
    PortUsed {
        /// What was asked for.
        address: SocketAddr,
        /// Which of the two.
        transport: Transport,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {transport} {address}: {source}; check the address in the configuration"
    )]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Which of the two.
        transport: Transport,
        /// What the system said.
        source: std::io::Error,
    },
    /// Both transports are switched off.
    #[error("both QUIC and TCP are switched off; allow at least one of them in the configuration")]
    NoTransport,
    /// The node's key made no certificate.
    #[error("the node's key could not be made into a TLS identity: {0}")]
    Identity(String),
}

/// A document did not get an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection now; send again on `NetworkEvent::Connected`.
    #[error("not connected")]
    NotConnected,
    /// The queue for this node is full; send again after the next answer.
    #[error("too many documents are waiting for this node")]
    Busy,
    /// Not in the list given to `set_members`.
    #[error("not a member")]
    NotAMember,
    /// Longer than [`super::limits::MESSAGE_MAX`].
    #[error("longer than 64 KiB")]
    TooLarge,
    /// It may or may not have arrived; send again.
    #[error("sent, but not answered")]
    Unanswered,
    /// The network is stopping.
    #[error("the network has stopped")]
    Stopped,
}

/// A sync question got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// No connection now.
    #[error("not connected")]
    NotConnected,
    /// As many questions as allowed are open at this node.
    #[error("too many questions are open at this node")]
    Busy,
    /// Not in the list given to `set_members`.
    #[error("not a member")]
    NotAMember,
    /// Longer than [`super::limits::MESSAGE_MAX`].
    #[error("longer than 64 KiB")]
    TooLarge,
    /// The partner did not want to answer.
    #[error("the partner gave no answer")]
    Refused,
    /// The connection was lost, or the answer was late or malformed.
    #[error("the answer did not come")]
    Unanswered,
}

/// A pairing conversation did not come about, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// Nobody answers at these addresses.
    #[error(
        "no node answers at the given addresses; check them, and that the other node is running"
    )]
    Unreachable,
    /// The other side ended it: no window, another conversation, too many attempts, or a wrong code.
    #[error("the other node ended the conversation; ask its operator for a new code")]
    Refused,
    /// No answer within [`super::limits::PAIRING_DEADLINE`].
    #[error("the other node did not answer in time")]
    Late,
    /// A frame is longer than [`super::limits::PAIRING_FRAME_MAX`], or more than
    /// [`super::limits::PAIRING_FRAMES`] were sent.
    #[error("the pairing message is too long or one too many")]
    TooLarge,
    /// Too many pairings or dials are going on here, or the network is stopping.
    #[error("too many connections are being made; try again")]
    Busy,
}

/// A fetch ended before all ranges were answered. What the sink was given stays valid: ask for the rest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection now.
    #[error("not connected")]
    NotConnected,
    /// Not in the list given to `set_members`.
    #[error("not a member")]
    NotAMember,
    /// The partner serves as many streams as it can.
    #[error("the partner is busy; try again later")]
    Busy,
    /// The connection was lost or a stream was reset.
    #[error("the connection was lost")]
    Interrupted,
    /// No byte for the time allowed.
    #[error("no byte arrived for too long")]
    Stalled,
    /// The partner broke the protocol.
    #[error("the partner sent something that makes no sense here")]
    Malformed,
    /// The sink could not take the bytes: our own disk, usually.
    #[error("what arrived could not be stored: {0}")]
    Sink(String),
}
