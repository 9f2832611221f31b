//! `/dokuei/parcels/2`: packs of parcels, and ranges of sealed objects, many at once, over a few parallel streams.
//!
//! The fetching side opens the streams and asks ahead, so small objects do not cost a round trip each. It lends the
//! serving side a credit of bytes and renews it as the sink takes them: whatever the transport buffers, a slow disk
//! slows the sender and memory stays constant. Nothing here needs libp2p but the opening of streams, so that another
//! transport may carry them.
//!
//! Numbers are big-endian. From the fetching side, records that begin with their kind:
//!
//! | kind | body |
//! |---|---|
//! | 1 open | version, u8 (2); credit, u32 |
//! | 2 request of an object | parcel, 32 bytes; slot, u32; offset, u64; length, u64 |
//! | 3 credit | bytes, u32; 0 only says that somebody is there |
//! | 4 done | bytes received in ranges, u64: the acknowledgement of everything |
//! | 5 request of a pack | parcel, 32 bytes; number, u32; offset, u64; length, u64; effort, u8 (0 fast, 1 dense) |
//!
//! From the serving side: one byte, 1 ready or 2 busy. Then for each request in order one byte of status (0 found,
//! 1 missing, 2 refused, 3 later), the length that follows, u64, and so many bytes. After done one byte 127, and the end.

mod fetch;
mod serve;
mod shelf;
mod unpack;
mod wire;

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Mutex;

use dokuei_compression::Effort;
use dokuei_keys::id::NodeId;
use tokio::sync::mpsc;

pub(super) use self::fetch::OpenBulk;
pub(super) use self::fetch::fetch;
pub(super) use self::serve::Service;
use super::lock;

/// What of a parcel a run of bytes is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The sealed object in this slot, as it lies on the serving side's disk.
    Object(u32),
    /// The pack of this number, made with that effort: the same bytes whenever it is asked for.
    Pack(u32, Effort),
}

/// A run of bytes of one part of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RangeRequest {
    /// The parcel.
    pub parcel: [u8; 32],
    /// The part of it.
    pub part: Part,
    /// The first byte.
    pub offset: u64,
    /// How many bytes at most: the answer ends with the part.
    pub length: u64,
}

impl RangeRequest {
    /// The same bytes in pieces of at most `piece` bytes (at least 1), so that one large object travels on several
    /// streams and an interruption costs little.
    pub fn pieces(self, piece: u64) -> impl Iterator<Item = Self> {
        let piece = piece.max(1);
        let end = self.offset.saturating_add(self.length);
        (0..self.length.div_ceil(piece)).map(move |index| {
            let offset = self.offset.saturating_add(index.saturating_mul(piece));
            Self {
                offset,
                length: piece.min(end.saturating_sub(offset)),
                ..self
            }
        })
    }
}

/// Why a range was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such parcel or part, or the offset lies behind its end.
    Missing,
    /// This node may not have it.
    Refused,
    /// Not now.
    Later,
}

/// Bytes to serve.
pub struct RangeBody {
    /// How many there are: at most what was asked for.
    pub length: u64,
    /// Gives at least that many. An error, or an early end, resets the stream; the other side will ask again.
    pub bytes: Box<dyn Read + Send>,
}

/// What this node serves. Called on blocking threads, one per stream.
pub trait ParcelSource: Send + Sync {
    /// Opens a range for a member.
    ///
    /// # Errors
    /// Why it does not get it.
    fn open(&self, from: NodeId, request: &RangeRequest) -> Result<RangeBody, Refusal>;
}

/// How a range ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeOutcome {
    /// So many bytes came; fewer than asked for when the part ends there.
    Complete {
        /// Bytes given to [`ParcelSink::write`].
        length: u64,
    },
    /// None came.
    Refused(Refusal),
}

/// Where fetched bytes go. Called on blocking threads, one per stream; may block: that slows the sender.
pub trait ParcelSink: Send + Sync {
    /// Takes bytes of `range`, of which the first is the part's byte `at`. Within a range they come in order.
    /// They are not verified: what they claim to be is for the sink to check.
    ///
    /// # Errors
    /// Ends the fetch.
    fn write(&self, range: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// All of `range` was written, or refused.
    ///
    /// # Errors
    /// Ends the fetch.
    fn finished(&self, range: &RangeRequest, outcome: RangeOutcome) -> io::Result<()>;

    /// A stream ended, and with it `ranges` that were asked for on it: they are not finished in this fetch. The other streams
    /// go on.
    fn lost(&self, _ranges: u64) {}
}

/// The ranges of one fetch: a list, or a channel that more arrive on while it runs.
pub struct Ranges(Source);

enum Source {
    List(Mutex<VecDeque<RangeRequest>>),
    Channel(tokio::sync::Mutex<mpsc::Receiver<RangeRequest>>),
}

impl From<Vec<RangeRequest>> for Ranges {
    fn from(list: Vec<RangeRequest>) -> Self {
        Self(Source::List(Mutex::new(list.into())))
    }
}

impl From<mpsc::Receiver<RangeRequest>> for Ranges {
    fn from(channel: mpsc::Receiver<RangeRequest>) -> Self {
        Self(Source::Channel(tokio::sync::Mutex::new(channel)))
    }
}

impl Ranges {
    /// The next range for whichever stream asks first; `None` when there are no more. Cancel-safe.
    async fn next(&self) -> Option<RangeRequest> {
        match &self.0 {
            Source::List(list) => lock(list).pop_front(),
            Source::Channel(channel) => channel.lock().await.recv().await,
        }
    }
}

/// What a whole fetch brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Ranges answered, refusals included.
    pub ranges: u64,
    /// Bytes written to the sink.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_range_without_gap_or_overlap() {
        let whole = RangeRequest {
            parcel: [1; 32],
            part: Part::Object(2),
            offset: 10,
            length: 25,
        };
        let pieces: Vec<_> = whole
            .pieces(10)
            .map(|piece| (piece.offset, piece.length))
            .collect();
        assert_eq!(pieces, [(10, 10), (20, 10), (30, 5)]);
        assert_eq!(whole.pieces(0).count(), 25);
        assert_eq!(RangeRequest { length: 0, ..whole }.pieces(10).count(), 0);
        let end = RangeRequest {
            offset: u64::MAX - 5,
            length: 5,
            ..whole
        };
        assert_eq!(end.pieces(3).map(|piece| piece.length).sum::<u64>(), 5);
    }
}
