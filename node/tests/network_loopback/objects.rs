//! Large objects that need no memory: their bytes are a function of parcel, slot and offset.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use dokuei_node::network::{
    NodeId, ParcelSink, ParcelSource, Part, RangeBody, RangeOutcome, RangeRequest, Refusal,
};

use crate::site::DEADLINE;

pub(crate) const PARCEL: [u8; 32] = [7; 32];

/// A slot whose objects break off in the middle.
pub(crate) const BROKEN: u32 = 1_000_000;

/// A slot that is refused.
pub(crate) const FORBIDDEN: u32 = 1_000_001;

/// The slot of the object that is asked for.
fn slot(request: &RangeRequest) -> u32 {
    match request.part {
        Part::Object(slot) | Part::Pack(slot, _) => slot,
    }
}

fn content(request: &RangeRequest) -> blake3::OutputReader {
    let mut hasher = blake3::Hasher::new_keyed(&request.parcel);
    hasher.update(&slot(request).to_be_bytes());
    let mut reader = hasher.finalize_xof();
    reader.set_position(request.offset);
    reader
}

/// Serves objects of one size.
pub(crate) struct Objects {
    pub(crate) size: u64,
    /// Bytes read by those who serve.
    pub(crate) served: std::sync::Arc<AtomicU64>,
}

struct Counted {
    bytes: blake3::OutputReader,
    left: u64,
    served: std::sync::Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.bytes.fill(&mut buffer[..length]);
        self.left -= length as u64;
        self.served.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

impl ParcelSource for Objects {
    fn open(&self, _: NodeId, request: &RangeRequest) -> Result<RangeBody, Refusal> {
        if slot(request) == FORBIDDEN {
            return Err(Refusal::Refused);
        }
        if request.parcel != PARCEL || request.offset > self.size {
            return Err(Refusal::Missing);
        }
        let length = request.length.min(self.size - request.offset);
        let promised = if slot(request) == BROKEN {
            length / 2
        } else {
            length
        };
        let bytes = Counted {
            bytes: content(request),
            left: promised,
            served: self.served.clone(),
        };
        Ok(RangeBody {
            length,
            bytes: Box::new(bytes),
        })
    }
}

/// Checks what comes against what should, and can be held up.
#[derive(Default)]
pub(crate) struct Checked {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The next byte expected of each range begun, and the digest of what came.
    begun: BTreeMap<RangeRequest, (u64, blake3::Hasher)>,
    finished: BTreeMap<RangeRequest, RangeOutcome>,
    bytes: u64,
    held: bool,
}

impl Checked {
    pub(crate) fn hold(&self, held: bool) {
        self.state.lock().unwrap().held = held;
        self.changed.notify_all();
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.state.lock().unwrap().bytes
    }

    pub(crate) fn outcomes(&self) -> BTreeMap<RangeRequest, RangeOutcome> {
        self.state.lock().unwrap().finished.clone()
    }

    /// What is missing of `wanted`, to the byte. Forgets what was begun.
    pub(crate) fn missing(&self, wanted: &[RangeRequest]) -> Vec<RangeRequest> {
        let mut state = self.state.lock().unwrap();
        let begun = std::mem::take(&mut state.begun);
        let rest = |range: &RangeRequest| {
            let come = begun.get(range).map_or(0, |(next, _)| next - range.offset);
            RangeRequest {
                offset: range.offset + come,
                length: range.length - come,
                ..*range
            }
        };
        let unfinished = wanted
            .iter()
            .filter(|range| !state.finished.contains_key(range));
        unfinished.map(rest).collect()
    }
}

impl ParcelSink for Checked {
    fn write(&self, range: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()> {
        let state = self.state.lock().unwrap();
        let (mut state, waited) = self
            .changed
            .wait_timeout_while(state, DEADLINE, |state| state.held)
            .unwrap();
        assert!(!waited.timed_out(), "held for too long");
        let (next, digest) = state
            .begun
            .entry(*range)
            .or_insert_with(|| (range.offset, blake3::Hasher::new()));
        assert_eq!(*next, at, "bytes out of order");
        *next += bytes.len() as u64;
        digest.update(bytes);
        state.bytes += bytes.len() as u64;
        Ok(())
    }

    fn finished(&self, range: &RangeRequest, outcome: RangeOutcome) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if let (
            RangeOutcome::Complete {
                length: length @ 1..,
            },
            Some((_, digest)),
        ) = (outcome, state.begun.remove(range))
        {
            let mut expected = blake3::Hasher::new();
            let mut should = Counted {
                bytes: content(range),
                left: length,
                served: std::sync::Arc::default(),
            };
            io::copy(&mut should, &mut expected)?;
            assert_eq!(digest.finalize(), expected.finalize(), "{range:?}");
        }
        assert!(
            state.finished.insert(*range, outcome).is_none(),
            "finished twice"
        );
        Ok(())
    }
}

/// Waits until `value` stays the same for half a second.
pub(crate) async fn until_still(value: impl Fn() -> u64) -> u64 {
    let mut last = value();
    let mut same = 0;
    while same < 25 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = value();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}
