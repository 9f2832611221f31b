//! One line of the log and the hash chain through it.

use dokuei_keys::id::Digest;
use dokuei_keys::labels::Label;
use minicbor::{Decode, Encode};

use crate::record::Record;
use crate::time::Timestamp;

/// Form of stored entries. A change needs a new number and a migration.
pub const ENTRY_VERSION: u8 = 1;

/// A record in its place.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// [`ENTRY_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Position in the log, from zero without gaps.
    #[n(1)]
    pub sequence: u64,
    /// Hash of the entry before; zeros in the first.
    #[n(2)]
    pub previous: Digest,
    /// When, by this site's clock.
    #[n(3)]
    pub at: Timestamp,
    /// What happened.
    #[n(4)]
    pub record: Record,
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub length: u64,
    /// Hash of the last entry; zeros when there is none.
    pub hash: Digest,
}

/// The stored log does not hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenLog {
    /// An entry is missing, doubled or in the wrong place.
    #[error("log entry {0} is not where it belongs")]
    Order(u64),
    /// An entry does not continue the one before it.
    #[error("log entry {0} does not follow from the one before it")]
    Chain(u64),
    /// An entry cannot be decoded.
    #[error("log entry {0} cannot be read")]
    Unreadable(u64),
    /// An entry contradicts the state built from those before it.
    #[error("log entry {0} contradicts the entries before it")]
    Contradiction(u64),
}

impl Default for Head {
    fn default() -> Head {
        Head {
            length: 0,
            hash: Digest::from_bytes([0; 32]),
        }
    }
}

impl Head {
    /// Puts a record at the end. Returns the entry and its bytes as they are stored.
    pub fn append(&mut self, at: Timestamp, record: Record) -> (Entry, Vec<u8>) {
        let entry = Entry {
            version: ENTRY_VERSION,
            sequence: self.length,
            previous: self.hash,
            at,
            record,
        };
        let bytes = dokuei_keys::cbor::encode(&entry);
        self.length += 1;
        self.hash = hash(&bytes);
        (entry, bytes)
    }

    /// Takes the next stored entry.
    ///
    /// # Errors
    /// [`BrokenLog`] when it is damaged or out of place.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Entry, BrokenLog> {
        let entry: Entry =
            minicbor::decode(bytes).map_err(|_| BrokenLog::Unreadable(self.length))?;
        if entry.version != ENTRY_VERSION {
            return Err(BrokenLog::Unreadable(self.length));
        }
        if entry.sequence != self.length {
            return Err(BrokenLog::Order(self.length));
        }
        if entry.previous != self.hash {
            return Err(BrokenLog::Chain(self.length));
        }
        self.length += 1;
        self.hash = hash(bytes);
        Ok(entry)
    }
}

fn hash(bytes: &[u8]) -> Digest {
    Digest::of_labelled(Label::LogEntry, bytes)
}
