//! How much of anything clients can make this room do, and why that much.

use std::time::Duration;

/// Connections at once. An idle one costs some 20 KiB and a descriptor, of which a process has 1,024 by default.
pub(super) const CONNECTIONS: usize = 640;
/// Connections of one address: a reverse proxy opens some hundred; whoever opens more leaves room for others.
pub(super) const CONNECTIONS_OF_ONE: usize = 480;
/// From the connection, or the answer before, to the end of a request's head.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(15);
/// From the connection to the end of the TLS handshake.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Without a byte in either direction while one is owed.
pub(super) const STALL_TIME: Duration = Duration::from_secs(30);
/// Bytes of a request's head: long UID lists in a query, a cookie, a token.
pub(super) const HEAD_BYTES: usize = 24 * 1024;
/// Header fields of a request; browsers send some twenty.
pub(super) const HEADERS: usize = 96;
/// Bytes that a connection gathers to read and to write.
pub(super) const CONNECTION_BUFFER: usize = 64 * 1024;
/// From the stop of the node to the end of the last answer under way.
pub(super) const GOODBYE_TIME: Duration = Duration::from_secs(2);

/// Answers that are read from sealed objects at once. Each holds less than 2 MiB: an opened object's two pieces and
/// what waits in its pipe.
pub(super) const READERS: usize = 24;
/// What is written anew for one of them, in the same 3 MiB; what takes more takes it out of [`DECODED_MIB`].
pub(super) const READ_BYTES: u64 = 2 * 1024 * 1024;
/// Of [`READERS`] to one visitor: a third, so that a slow one leaves some to others; a browser asks six at a time.
pub(super) const READERS_OF_ONE: usize = READERS / 3;
/// Files of the viewer that are given out at once, each with less than a MiB that waits in its pipe: some browsers that open
/// it at the same time.
pub(super) const FILES: usize = 36;
/// Of those to one visitor: a third.
pub(super) const FILES_OF_ONE: usize = FILES / 3;
/// Requests that have frames decoded or wait for that. Each holds a header, of some KiB or, with many frames, some MiB. A
/// browser asks six at a time.
pub(super) const DECODERS_WAITED_FOR: usize = 32;
/// Of those of one visitor: OHIF asks twenty at a time behind a proxy that speaks HTTP/2.
pub(super) const DECODERS_OF_ONE: usize = 20;
/// MiB of compressed and decoded frames that are held at once: a large radiograph, or a hundred slices. A frame
/// that needs more is decoded when no other is.
pub(super) const DECODED_MIB: u32 = 128;
/// How often the frames of one request go back in an object that is deflated, which is inflated anew each time: up to 256 MiB,
/// some half a second. In others going back costs a seek.
pub(super) const GOING_BACK: usize = 16;
/// JSON of a search below studies that is held back until its head goes: a thousand instances. What is found to be lacking
/// behind these is in the log alone. Each reader may hold so much.
pub(super) const HELD: usize = 1024 * 1024;
/// How long a request waits for its turn to read, to store or to decode.
pub(super) const TURN_TIME: Duration = Duration::from_secs(30);
/// Bytes of one piece of a streamed answer.
pub(super) const PIECE: usize = 256 * 1024;
/// Pieces that wait for a client.
pub(super) const PIECES: usize = 2;
/// After [`SLOW_AFTER`], a transfer that was slower than this on average, in bytes a second, is ended: half of what
/// the slowest line in use, ISDN, carries.
pub(super) const SLOWEST: u64 = 4 * 1024;
/// How long a transfer may be slow.
pub(super) const SLOW_AFTER: Duration = Duration::from_secs(60);

/// Requests that store objects at once. Each holds as much as an association of C-STORE: up to 3 MiB.
pub(super) const STORERS: usize = 8;
/// Of those to one visitor: half; gateways send up to four at a time.
pub(super) const STORERS_OF_ONE: usize = STORERS / 2;
/// Parts of one STOW request. A study has at most as many objects as a parcel, and clients send one at a time or all.
pub(super) const PARTS: usize = 100_000;
/// Instances that are named one by one in the answer to a STOW request.
pub(super) const NAMED: usize = 10_000;
/// Bytes of the form of a log-in.
pub(super) const FORM_BYTES: usize = 4 * 1024;

/// Tokens, certificates and accounts together.
pub(super) const CREDENTIALS: usize = 1_000;
/// Sessions at once; the one that was idle longest makes room.
pub(super) const SESSIONS: usize = 1_000;
/// A session ends when it was not used for so long.
pub(super) const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends in any case: a working day.
pub(super) const SESSION_LONGEST: Duration = Duration::from_secs(12 * 3600);
/// How long a set-up code may be used.
pub(super) const INVITATION: Duration = Duration::from_secs(24 * 3600);
/// Wrong passwords for one account from one address, after which its next try waits.
pub(super) const TRIES: u32 = 5;
/// Wrong passwords for one account from anywhere.
pub(super) const TRIES_FROM_ANYWHERE: u32 = 20;
/// Wrong passwords from one address, for whatever accounts: a ward behind one address mistypes less often. As many are hashed
/// at once for it at most, which takes two seconds.
pub(super) const TRIES_OF_ADDRESS: u32 = 20;
/// How long the next try waits first; then twice as long each time, up to [`WAIT_LONGEST`].
pub(super) const WAIT: Duration = Duration::from_secs(30);
/// The longest wait: a doctor who is locked out by a stranger can work again within a quarter of an hour.
pub(super) const WAIT_LONGEST: Duration = Duration::from_secs(15 * 60);
/// Accounts and addresses whose failures are remembered; the oldest makes room.
pub(super) const REMEMBERED: usize = 4_096;
/// Bytes of a refused body that are read and thrown away, so that its sender hears why: some images.
pub(super) const DISCARDED: usize = 16 * 1024 * 1024;
/// How long that may take.
pub(super) const DISCARD_TIME: Duration = Duration::from_secs(5);
