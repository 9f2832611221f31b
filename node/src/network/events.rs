//! What the network tells the node's loop.

use std::fmt;
use std::net::IpAddr;

use dokuei_keys::id::NodeId;
use tokio::sync::oneshot;

use super::status::Path;

/// Something happened that the node's loop must know of. Bytes inside are opaque here.
pub enum NetworkEvent {
    /// There is a path to a member. It may be told again when the path changes.
    Connected {
        /// Who.
        node: NodeId,
        /// How.
        path: Path,
    },
    /// There is no path to a member any more.
    Disconnected {
        /// Who.
        node: NodeId,
        /// Why, in words for the operator.
        why: String,
    },
    /// A document arrived, in the order it was sent. It may come more than once.
    Document {
        /// The member that sent it.
        from: NodeId,
        /// Its id as the sender gave it, not checked.
        id: [u8; 32],
        /// Its bytes, at most 64 KiB.
        bytes: Vec<u8>,
        /// Where the answer goes; dropped, the sender hears `Later`.
        answer: oneshot::Sender<Answer>,
    },
    /// A member asks.
    Sync {
        /// The member that asks.
        from: NodeId,
        /// At most 64 KiB.
        request: Vec<u8>,
        /// At most 64 KiB; dropped or longer, the member hears that there is none.
        answer: oneshot::Sender<Vec<u8>>,
    },
    /// A member says what can be fetched from it ahead of a grant.
    Ready {
        /// The member.
        from: NodeId,
        /// At most 64 KiB.
        said: Vec<u8>,
        /// Answered with nothing when it is taken; dropped, the member hears that it is not.
        answer: oneshot::Sender<Vec<u8>>,
    },
    /// A stranger, or a node whose key is revoked, was turned away.
    TurnedAway {
        /// From where it called.
        from: IpAddr,
        /// Why, in words for the operator.
        why: String,
    },
    /// Someone let in by the pairing window says something.
    Pairing {
        /// The key TLS proved.
        from: NodeId,
        /// Which frame of the conversation, from 0.
        turn: usize,
        /// At most 16 KiB.
        frame: Vec<u8>,
        /// At most 16 KiB; dropped or longer, the conversation ends.
        reply: oneshot::Sender<Vec<u8>>,
    },
}

impl fmt::Debug for NetworkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { node, path } => write!(f, "Connected({node:?}, {path})"),
            Self::Disconnected { node, why } => write!(f, "Disconnected({node:?}, {why})"),
            Self::TurnedAway { from, why } => write!(f, "TurnedAway({from}, {why})"),
            Self::Document { from, bytes, .. } => {
                write!(f, "Document({from:?}, {} bytes)", bytes.len())
            }
            Self::Sync { from, request, .. } => {
                write!(f, "Sync({from:?}, {} bytes)", request.len())
            }
            Self::Ready { from, said, .. } => {
                write!(f, "Ready({from:?}, {} bytes)", said.len())
            }
            Self::Pairing {
                from, turn, frame, ..
            } => {
                write!(f, "Pairing({from:?}, frame {turn}, {} bytes)", frame.len())
            }
        }
    }
}

/// The receiver's word on a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Stored, or known already: the sender need not keep sending it.
    Accepted,
    /// Send it again after so many seconds.
    Later {
        /// Seconds to wait.
        seconds: u32,
    },
    /// It will never be accepted. No reason is given to a peer.
    Refused,
}
