//! Every bound of the network room, each with its reason.

use std::time::Duration;

/// A document's or a sync message's bytes: the protocol's ceiling for everything that is not a parcel.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// Documents sent to one node and not yet answered. At 64 KiB each this is 2 MiB, one stream window.
pub const DOCUMENTS_IN_FLIGHT: usize = 32;

/// Documents waiting behind those in flight; beyond it the item is handed back (`SendError::Busy`).
pub const DOCUMENTS_WAITING: usize = 32;

/// Questions a node may have open at one partner; sync is a background conversation.
pub const SYNC_IN_FLIGHT: usize = 4;

/// Bulk streams served to one node at once: four transfers of eight, of which two may be emergencies.
pub const BULK_STREAMS_PER_NODE: usize = 32;

/// One pairing frame: two certificates, an agreement and a tag fit several times.
pub const PAIRING_FRAME_MAX: usize = 16 * 1024;

/// Frames each way in one pairing conversation.
pub const PAIRING_FRAMES: usize = 3;

/// A pairing conversation, from connection to end; people have compared the code before it starts.
pub const PAIRING_DEADLINE: Duration = Duration::from_secs(30);

/// Pairings this node dials at once; a person starts each.
pub(super) const PAIRING_CONVERSATIONS: usize = 4;

/// A pairing connection on which nobody speaks is closed after this.
pub(super) const PAIRING_IDLE: Duration = Duration::from_secs(5);

/// Conversations one window lets in: enough for mistyped codes, useless for guessing 100 bits.
pub const PAIRING_ATTEMPTS: u32 = 10;

/// Events waiting for the node's loop. Senders wait when it is full, so this bounds memory
/// (64 KiB each: 16 MiB), not speed.
pub(super) const EVENTS: usize = 256;

/// Commands waiting for the swarm's loop.
pub(super) const COMMANDS: usize = 64;

/// Members at once: a prefecture's hospitals several times over.
pub const MEMBERS_MAX: usize = 1024;

/// Addresses kept of one member.
pub const ADDRESSES_MAX: usize = 8;

/// Connections with one node: both sides' simultaneous dials, a stale one and a pairing.
pub(super) const CONNECTIONS_PER_NODE: usize = 4;

/// Handshakes others may have going with us; each costs some 50 KiB and a signature.
pub(super) const PENDING_INCOMING: u32 = 256;

/// Handshakes going on from one address: a node needs one or two, a site behind one address a few.
pub(super) const HANDSHAKES_PER_ADDRESS: usize = 8;

/// Our own dials at once.
pub(super) const PENDING_OUTGOING: u32 = 64;

/// Streams whose protocol is not agreed yet, on one connection.
pub(super) const NEGOTIATING_STREAMS: usize = 16;

/// Streams a muxer keeps on one connection: twice what all protocols allow (both ways), with room for those
/// being negotiated and closed. yamux ends the connection beyond it, QUIC lets the opener wait.
pub(super) const STREAMS_PER_CONNECTION: u32 = 320;

/// A stream's receive window. quinn closes the whole connection when one stream has more than 1024 gaps;
/// with full packets 2 MB cannot hold so many.
pub(super) const QUIC_STREAM_WINDOW: u32 = 2_000_000;

/// A connection's receive window: eight bulk streams at full window. It is also what a partner can make us
/// hold unread.
pub(super) const QUIC_CONNECTION_WINDOW: u32 = 16_000_000;

/// What a bulk connection may hold unread, and what is kept of it to be sent again: 16 streams at full window. Eight of
/// them fill 100 Mbit/s at one second.
pub(super) const BULK_CONNECTION_WINDOW: u32 = 32_000_000;

/// Bulk handshakes others may have going with us; a partner makes one, or one for each of eight streams.
pub(super) const BULK_HANDSHAKES: usize = 64;

/// Bulk connections by QUIC with one node: both sides' simultaneous dials, and those that one of them has given up.
pub(super) const BULK_CONNECTIONS: usize = 4;

/// A way for bulk data that did not come about is left alone for so long, unless the connection of libp2p is another one
/// by then: a firewall does not change by the minute, and each try costs [`Limits::bulk_patience`].
pub(super) const BULK_BACKOFF: Duration = Duration::from_secs(300);

/// A bulk connection on which nothing is open is kept for so long: the next study of an afternoon finds it.
pub(super) const BULK_IDLE: Duration = Duration::from_secs(180);

/// A second bulk connection is kept for so long after its last stream: by then the other side knows of both.
pub(super) const BULK_SURPLUS: Duration = Duration::from_secs(10);

/// The longest that a bulk connection is waited for, however long the way is: beyond 1.25 s of round trip nobody gains.
pub(super) const BULK_PATIENCE_MAX: Duration = Duration::from_secs(10);

/// Round trips in which a bulk connection comes about: a stream agreed, a question, a handshake, and one of each lost.
pub(super) const BULK_ROUND_TRIPS: u32 = 8;

/// How often it is looked whether a bulk connection is still needed.
pub(super) const BULK_LOOK: Duration = Duration::from_secs(5);

/// The side that did not make the connection of libp2p dials so much later: it most likely cannot, and one bulk
/// connection is enough.
pub(super) const BULK_HEAD_START: Duration = Duration::from_millis(500);

/// How long nobody is accepted when the system could not.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A stream not agreed on within this is given up; a slow line's round trip is below one second.
pub(super) const STREAM_TIMEOUT: Duration = Duration::from_secs(10);

/// What is greeted has spoken the documents protocol; what has not by then is closed. Longer than a
/// pairing conversation, which lives on such a connection.
pub(super) const PROBATION: Duration = Duration::from_secs(35);

/// Two greetings that lie further apart come in the same order on both sides: each takes two round trips, and a lost
/// packet is sent again after a second. So long the node with the higher id leaves the older of two connections to the
/// one with the lower, which chooses alone. While a dead connection waits for it, so do its streams.
pub(super) const SETTLE: Duration = Duration::from_secs(2);

/// A ping that is not answered within this makes its connection suspect: the partner is dialed anew while the connection
/// is kept. A partner that was killed and is back cannot always call, and silence alone would take [`Limits::idle`] to
/// tell. Longer than a round trip over a slow line that is filled.
pub(super) const PONG_PATIENCE: Duration = Duration::from_secs(3);

/// Between two dials for silence: on a line so slow that every ping comes late, connections would else replace each other
/// without end, and each takes the bulk streams of the one before with it.
pub(super) const SUSPECT_EVERY: Duration = Duration::from_secs(15);

/// A partner that was connected within this time is restarting rather than gone for good.
pub(super) const RECENT: Duration = Duration::from_secs(60);

/// The longest wait between dials of a partner that was connected recently: some thirty dials, then it counts as absent.
pub(super) const BACKOFF_RECENT: Duration = Duration::from_secs(2);

/// How long a stop waits for connections to say goodbye and for the ports to be free again.
pub(super) const STOP_DEADLINE: Duration = Duration::from_secs(3);

/// Times and sizes an operator, or a test, may change.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A connection silent for so long is dead. Mobile lines drop out for several seconds.
    pub idle: Duration,
    /// How often a quiet connection is tried; at least four times within `idle`.
    pub heartbeat: Duration,
    /// A handshake, and so how long QUIC is waited for before TCP is tried.
    pub handshake: Duration,
    /// The first wait after a failed dial; doubled with each failure.
    pub backoff_first: Duration,
    /// The longest wait between dials.
    pub backoff_last: Duration,
    /// How long a bulk connection may take to come about before the next way is tried; longer over long ways.
    pub bulk_patience: Duration,
    /// A round trip below this is that of a local line: TCP comes first there.
    pub near: Duration,
    /// A bulk stream without a byte for so long is reset and resumed by the caller.
    pub stall: Duration,
    /// A document that was sent, but not answered, across all reconnections.
    pub document_patience: Duration,
    /// A sync question and its answer.
    pub sync_patience: Duration,
    /// Established connections altogether.
    pub connections: u32,
    /// No further connection is let in while the process holds more memory than this, in bytes: three quarters of the
    /// 256 MiB that a node may hold, so that those who are connected have the rest.
    pub memory_max: u64,
    /// Documents and questions one node may bring in a second, in the long run.
    pub messages_per_second: u32,
    /// Documents and questions one node may bring at once.
    pub messages_burst: u32,
    /// Bulk streams served at once, all partners together. Each holds one thread and about 3 MiB.
    pub bulk_streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            backoff_first: Duration::from_millis(500),
            backoff_last: Duration::from_secs(60),
            bulk_patience: Duration::from_secs(3),
            near: Duration::from_millis(2),
            stall: Duration::from_secs(15),
            document_patience: Duration::from_secs(60),
            sync_patience: Duration::from_secs(30),
            connections: 512,
            memory_max: 192 * 1024 * 1024,
            messages_per_second: 50,
            messages_burst: 200,
            bulk_streams: 48,
        }
    }
}
