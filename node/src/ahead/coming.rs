//! Fetching packs ahead of their grant: as they get ready, whenever nothing that was granted is on its way from the same
//! partner.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dokuei_compression::Effort;
use dokuei_keys::id::{NodeId, ParcelId, SiteId};
use dokuei_protocol::study::ahead::ReadyPacks;
use dokuei_protocol::study::plan::{PACK, PACK_OBJECTS};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ahead::kept::{self, Kept};
use crate::disk::Room;
use crate::network::{FetchError, Network, ParcelSink, Part, RangeOutcome, RangeRequest, Refusal};
use crate::packs;
use crate::parcels::Parcels;
use crate::transfer::asking::Asking;
use crate::transfer::precedence::{Precedence, Underway};

/// Streams of one parcel's fetch.
const STREAMS: usize = 8;
/// Parcels that come ahead from one partner at once: the modalities of a house.
const OF_ONE: usize = 4;
/// Parcels that come ahead, or wait to.
const IN_ALL: usize = 16;
/// Of these, as many are fetched at once: each takes up to 24 MiB.
const AT_ONCE: usize = 2;
/// Bytes that lie here without a grant at the most.
const BYTES: u64 = 16 << 30;
/// Streams are kept open for so long while nothing is ready.
const IDLE: Duration = Duration::from_secs(2);
/// A parcel of which nothing more gets ready in this time counts as all that comes.
const QUIET: Duration = Duration::from_secs(15 * 60);
/// What was asked for is awaited for so long when its grant comes.
const DRAIN: Duration = Duration::from_secs(5);
/// Time before a fetch that failed is tried again.
const AGAIN: Duration = Duration::from_secs(3);
/// Time between two looks for what has lain here too long.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Failures after which the rest is left to the transfer.
const FAILURES: usize = 5;

/// What comes ahead. Clones share it.
#[derive(Clone)]
pub struct Coming(Arc<Shared>);

struct Shared {
    network: Network,
    parcels: Parcels,
    room: Room,
    precedence: Precedence,
    parcels_coming: Mutex<BTreeMap<ParcelId, OnItsWay>>,
    /// Bytes that lie here without a grant.
    bytes: AtomicU64,
    turns: Semaphore,
}

/// A parcel that comes ahead, as others see it.
struct OnItsWay {
    from: SiteId,
    /// How many packs are ready.
    ready: watch::Sender<u32>,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Coming {
    /// Nothing comes yet. What an earlier run left goes on when it is heard of, and goes when it is too old.
    pub fn new(
        network: Network,
        (parcels, room): (Parcels, Room),
        precedence: Precedence,
    ) -> Coming {
        Coming(Arc::new(Shared {
            network,
            parcels,
            room,
            precedence,
            parcels_coming: Mutex::default(),
            bytes: AtomicU64::new(0),
            turns: Semaphore::new(AT_ONCE),
        }))
    }

    /// Hears from a partner what is ready; false when it is left where it is. Needs a tokio runtime.
    pub fn hear(&self, from: SiteId, node: NodeId, ready: ReadyPacks) -> bool {
        let shared = &self.0;
        let mut coming = shared.lock();
        if let Some(known) = coming.get(&ready.parcel) {
            known.ready.send_if_modified(|packs| {
                let is_news = ready.packs > *packs;
                *packs = ready.packs.max(*packs);
                is_news
            });
            return known.from == from;
        }
        let of_one = coming.values().filter(|known| known.from == from).count();
        let is_known = shared.parcels.folder_of(&ready.parcel).exists();
        let has_room = shared.bytes.load(Ordering::Relaxed) < BYTES && shared.room.is_ample();
        if is_known || of_one >= OF_ONE || coming.len() >= IN_ALL || !has_room {
            return false;
        }
        let (packs, watched) = watch::channel(ready.packs);
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let fetching = Fetching {
            shared: Arc::clone(shared),
            parcel: ready.parcel,
            node,
            underway: shared.precedence.enter(from, None),
            ready: watched,
            stop: stop.clone(),
        };
        let known = OnItsWay {
            from,
            ready: packs,
            stop,
            ended: ended.clone(),
        };
        coming.insert(ready.parcel, known);
        drop(coming);
        tokio::spawn(fetching.run(ended));
        true
    }

    /// Removes what has lain here for too long, every hour. Ends with the node.
    pub async fn sweep(self) {
        let mut hour = interval(HOUR);
        loop {
            hour.tick().await;
            let shared = Arc::clone(&self.0);
            match spawn_blocking(move || shared.sweep()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(target: "dokuei::transfer", "what came ahead of its grant cannot be removed: {error}");
                }
                Err(_) => return,
            }
        }
    }

    /// Removes all that has come ahead and is not on its way now: there is no room for what is granted. Blocks.
    ///
    /// # Errors
    /// As the file system says.
    pub fn make_room(&self) -> io::Result<()> {
        let coming = self.0.lock();
        kept::remove_all(&self.0.parcels, |parcel| coming.contains_key(parcel))
    }

    /// Ends what comes ahead of a parcel that is granted now. What was asked for is here when this returns, or has not come
    /// within [`DRAIN`].
    pub async fn finish(&self, parcel: &ParcelId) {
        let ended = self.0.lock().get(parcel).map(|known| {
            known.stop.cancel();
            known.ended.clone()
        });
        if let Some(ended) = ended {
            ended.cancelled().await;
        }
    }
}

impl Shared {
    fn sweep(&self) -> io::Result<()> {
        self.bytes
            .store(kept::sweep(&self.parcels)?, Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ParcelId, OnItsWay>> {
        self.parcels_coming
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One parcel on its way.
struct Fetching {
    shared: Arc<Shared>,
    parcel: ParcelId,
    node: NodeId,
    underway: Underway,
    ready: watch::Receiver<u32>,
    stop: CancellationToken,
}

impl Fetching {
    async fn run(mut self, ended: CancellationToken) {
        if let Err(error) = self.fetch_all().await {
            let parcel = self.parcel;
            tracing::debug!(target: "dokuei::transfer", %parcel, "what comes ahead of a grant comes with it instead: {error}");
        }
        self.shared.lock().remove(&self.parcel);
        ended.cancel();
    }

    async fn fetch_all(&mut self) -> io::Result<()> {
        let effort = match self.shared.network.is_near(&self.node) {
            true => Effort::Fast,
            false => Effort::Dense,
        };
        let (shared, parcel) = (Arc::clone(&self.shared), self.parcel);
        let opened = spawn_blocking(move || {
            shared.sweep()?;
            Kept::open(&shared.parcels, parcel, effort)
        });
        let sink = Arc::new(AheadSink {
            kept: opened.await.map_err(io::Error::other)??,
            shared: Arc::clone(&self.shared),
            parcel,
            settled: watch::Sender::new(0),
            refused: AtomicBool::new(false),
        });
        let mut failures = 0;
        while !self.stop.is_cancelled() && !sink.refused.load(Ordering::Relaxed) {
            let (missing, _) = sink.kept.next(0);
            if missing >= *self.ready.borrow_and_update() {
                let more = tokio::select! {
                    more = timeout(QUIET, self.ready.changed()) => more,
                    () = self.stop.cancelled() => return Ok(()),
                };
                // Nobody says more, or nothing more is said: what is here waits for its grant.
                match more {
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) | Err(_) => return Ok(()),
                }
            }
            let before = sink.kept.count();
            let fetched = self.fetch(&sink).await;
            let came = sink.kept.count() > before;
            if let Err(error) = fetched.and_then(|()| came.then_some(()).ok_or(FetchError::Stalled))
            {
                failures += 1;
                if failures >= FAILURES {
                    return Err(io::Error::other(error));
                }
                tokio::select! {
                    () = sleep(AGAIN) => {}
                    () = self.stop.cancelled() => {}
                }
            }
        }
        Ok(())
    }

    /// Fetches what is ready, and what gets ready meanwhile.
    async fn fetch(&mut self, sink: &Arc<AheadSink>) -> Result<(), FetchError> {
        let shared = Arc::clone(&self.shared);
        let turn = self.stop.run_until_cancelled(shared.turns.acquire()).await;
        if turn.is_none() {
            return Ok(());
        }
        let (streams, asked) = mpsc::channel(1);
        let network = shared.network.clone();
        let fetch = network.fetch(self.node, asked, STREAMS, Arc::clone(sink) as _);
        tokio::pin!(fetch);
        let stop = self.stop.clone();
        let asking = self.ask(sink, streams);
        let fetched = tokio::select! {
            fetched = &mut fetch => fetched,
            _ = stop.run_until_cancelled(asking) => {
                timeout(DRAIN, fetch).await.unwrap_or(Err(FetchError::Interrupted))
            }
        };
        fetched.map(drop)
    }

    /// Asks for the packs in their order, until nothing has got ready for a while.
    async fn ask(&mut self, sink: &Arc<AheadSink>, streams: mpsc::Sender<RangeRequest>) {
        let mut asking = Asking::new(streams, sink.settled.subscribe());
        let mut from = 0;
        loop {
            let (pack, offset) = sink.kept.next(from);
            if pack >= *self.ready.borrow_and_update() {
                match timeout(IDLE, self.ready.changed()).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            from = pack + 1;
            let request = RangeRequest {
                parcel: self.parcel.to_bytes(),
                part: Part::Pack(pack, sink.kept.effort()),
                offset,
                length: packs::longest(PACK, PACK_OBJECTS).saturating_sub(offset),
            };
            if !asking.ask(request, Some(&self.underway)).await {
                return;
            }
        }
    }
}

/// Where packs go that come ahead.
struct AheadSink {
    kept: Kept,
    shared: Arc<Shared>,
    parcel: ParcelId,
    /// How many requests were answered.
    settled: watch::Sender<usize>,
    /// The partner does not hand them out (any more).
    refused: AtomicBool,
}

impl ParcelSink for AheadSink {
    fn write(&self, range: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()> {
        let Part::Pack(pack, _) = range.part else {
            return Ok(());
        };
        let length = bytes.len() as u64;
        let before = self.shared.bytes.fetch_add(length, Ordering::Relaxed);
        if before + length > BYTES || !self.shared.room.is_ample() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.kept.write(pack, at, bytes)
    }

    fn finished(&self, range: &RangeRequest, outcome: RangeOutcome) -> io::Result<()> {
        let Part::Pack(pack, _) = range.part else {
            return Ok(());
        };
        self.settled.send_modify(|settled| *settled += 1);
        match outcome {
            RangeOutcome::Complete { .. } => self.kept.complete(pack),
            RangeOutcome::Refused(Refusal::Missing) => self.kept.discard(pack),
            RangeOutcome::Refused(Refusal::Later) => Ok(()),
            RangeOutcome::Refused(Refusal::Refused) => {
                let parcel = self.parcel;
                if !self.refused.swap(true, Ordering::Relaxed) {
                    tracing::debug!(target: "dokuei::transfer", %parcel, "nothing more comes ahead of a grant");
                }
                Ok(())
            }
        }
    }
}
