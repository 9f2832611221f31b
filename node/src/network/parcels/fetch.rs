//! The fetching side: a few streams that share one list of ranges.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt, FutureExt};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::unpack::{Open, Progress, Unpacker};
use super::wire::{
    ASK_AHEAD, BLOCKS_IN, BUSY, Block, CREDIT, CREDIT_STEP, LINGER, READY, REQUESTS_MAX, Record,
    SIGN_OF_LIFE, STREAMS_MAX,
};
use super::{Fetched, ParcelSink, RangeRequest, Ranges};
use crate::network::error::FetchError;
use crate::network::frames::FrameWriter;
use crate::network::limits::STREAM_TIMEOUT;
use crate::network::lock;
use crate::network::partners::Partner;
use crate::network::streams::{BoxStream, Link, Protocol};

/// How one stream ended.
struct Ended {
    brought: Fetched,
    /// Ranges it had asked for and got no whole answer to.
    lost: bool,
    outcome: Result<(), FetchError>,
}

/// Where bulk streams come from: a libp2p connection, or whatever else reaches the same node.
pub(in crate::network) trait OpenBulk: Clone + Send + Sync + 'static {
    /// Opens one stream that speaks `/dokuei/parcels/2`.
    fn open_bulk(&self) -> impl Future<Output = io::Result<BoxStream>> + Send;
}

impl OpenBulk for Link {
    async fn open_bulk(&self) -> io::Result<BoxStream> {
        self.open(Protocol::Parcels).await
    }
}

/// What the streams of one fetch share.
#[derive(Clone)]
struct Order {
    partner: Arc<Partner>,
    ranges: Arc<Ranges>,
    sink: Arc<dyn ParcelSink>,
    stall: Duration,
    /// Our own disk is in trouble: the other streams would only find the same.
    stop: CancellationToken,
}

/// Fetches `ranges` over `streams` streams (1 to 8) from `opener`.
pub(in crate::network) async fn fetch(
    opener: impl OpenBulk,
    partner: Arc<Partner>,
    ranges: Ranges,
    streams: usize,
    sink: Arc<dyn ParcelSink>,
    stall: Duration,
) -> Result<Fetched, FetchError> {
    let order = Order {
        partner,
        ranges: Arc::new(ranges),
        sink,
        stall,
        stop: CancellationToken::new(),
    };
    let mut tasks = JoinSet::new();
    for _ in 0..streams.clamp(1, STREAMS_MAX) {
        tasks.spawn(run(opener.clone(), order.clone()));
    }
    let mut total = Fetched::default();
    let (mut whole, mut lost, mut useless) = (false, None, None);
    while let Some(ended) = tasks.join_next().await {
        let Ok(ended) = ended else {
            lost = lost.or(Some(FetchError::Interrupted));
            continue;
        };
        total.ranges += ended.brought.ranges;
        total.bytes += ended.brought.bytes;
        match ended.outcome {
            Ok(()) => whole = true,
            Err(error @ FetchError::Sink(_)) => {
                order.stop.cancel();
                lost = Some(error);
            }
            Err(error) if ended.lost => lost = lost.or(Some(error)),
            Err(error) => useless = Some(error),
        }
    }
    match (lost, whole) {
        (Some(error), _) => Err(error),
        // Streams that failed without a range of their own are no loss when another one reached the end of the list.
        (None, true) => Ok(total),
        (None, false) => Err(useless.unwrap_or(FetchError::Interrupted)),
    }
}

async fn run(opener: impl OpenBulk, order: Order) -> Ended {
    let (stop, sink) = (order.stop.clone(), Arc::clone(&order.sink));
    let mut stream = match Stream::open(opener, order).await {
        Ok(stream) => stream,
        Err(error) => {
            return Ended {
                brought: Fetched::default(),
                lost: false,
                outcome: Err(error),
            };
        }
    };
    let outcome = stop.run_until_cancelled(stream.run()).await;
    let (asked, open, requests) = (stream.asked, stream.open.clone(), stream.requests);
    let progress = stream.finish().await;
    let unanswered = requests.saturating_sub(progress.ranges);
    if unanswered > 0 {
        sink.lost(unanswered);
    }
    Ended {
        brought: Fetched {
            ranges: progress.ranges,
            bytes: progress.written,
        },
        lost: asked > progress.settled || !lock(&open).is_empty(),
        outcome: outcome.unwrap_or(Err(FetchError::Interrupted)),
    }
}

/// One bulk stream and its place in the list.
struct Stream {
    reader: ReadHalf<BoxStream>,
    writer: FrameWriter<WriteHalf<BoxStream>>,
    order: Order,
    /// There are no more ranges.
    exhausted: bool,
    /// We said so.
    done: bool,
    /// The other side closed its half.
    ended: bool,
    /// The other side closed ours.
    unheard: bool,
    open: Open,
    /// Bytes asked for.
    asked: u64,
    /// In so many ranges.
    requests: u64,
    /// Credit given back so far.
    renewed: u64,
    /// The block being filled.
    block: Option<Block>,
    blocks: mpsc::Sender<Block>,
    empties: mpsc::Receiver<Block>,
    /// Blocks nobody has; with the one being filled and those away there are at most five.
    spare: Vec<Block>,
    /// Blocks the unpacker has.
    away: usize,
    progress: watch::Receiver<Progress>,
    unpacker: JoinHandle<()>,
    /// When the block being filled got its first bytes.
    begun: Instant,
    /// Since when bytes could have come.
    heard: Instant,
    said: Instant,
}

enum Turn {
    Read(usize),
    Empty(Option<Block>),
    Progress(bool),
    Written(bool),
    Range(Option<RangeRequest>),
    Tick,
}

impl Stream {
    async fn open(opener: impl OpenBulk, order: Order) -> Result<Self, FetchError> {
        let interrupted = |_| FetchError::Interrupted;
        let stream = opener.open_bulk().await.map_err(interrupted)?;
        let (mut reader, write) = stream.split();
        let mut writer = FrameWriter::new(write);
        push(&mut writer, Record::Open { credit: CREDIT });
        let mut word = [0];
        let greeting = async {
            writer.drive().await?;
            reader.read_exact(&mut word).await
        };
        timeout(STREAM_TIMEOUT, greeting)
            .await
            .map_err(|_| FetchError::Stalled)?
            .map_err(interrupted)?;
        match word {
            [READY] => {}
            [BUSY] => return Err(FetchError::Busy),
            [_] => return Err(FetchError::Malformed),
        }
        let open = Open::default();
        let (blocks, unpacked) = mpsc::channel(BLOCKS_IN);
        let (emptied, empties) = mpsc::channel(BLOCKS_IN);
        let (told, progress) = watch::channel(Progress::default());
        let unpacker = Unpacker::new(open.clone(), order.sink.clone());
        let unpacker = tokio::task::spawn_blocking(move || unpacker.run(unpacked, &emptied, &told));
        let now = Instant::now();
        Ok(Self {
            reader,
            writer,
            order,
            exhausted: false,
            done: false,
            ended: false,
            unheard: false,
            open,
            asked: 0,
            requests: 0,
            renewed: 0,
            block: Some(Block::new()),
            blocks,
            empties,
            spare: Vec::new(),
            away: 0,
            progress,
            unpacker,
            begun: now,
            heard: now,
            said: now,
        })
    }

    async fn run(&mut self) -> Result<(), FetchError> {
        loop {
            match self.turn().await.map_err(|_| FetchError::Interrupted)? {
                Turn::Read(0) => self.ended = true,
                Turn::Read(read) => self.read(read).await,
                Turn::Empty(Some(block)) => self.returned(block),
                Turn::Range(Some(range)) => self.ask(range),
                Turn::Range(None) => self.exhausted = true,
                Turn::Written(true) => self.said = Instant::now(),
                // The other side reads no more, but what it wrote may still be on its way.
                Turn::Written(false) => self.unheard = true,
                Turn::Progress(true) => {}
                Turn::Empty(None) | Turn::Progress(false) => return Err(self.failure()),
                Turn::Tick => self.tick()?,
            }
            if self.step()? {
                return Ok(());
            }
            self.hand_over();
            if self.ended && self.away == 0 {
                return Err(FetchError::Interrupted);
            }
        }
    }

    /// Waits until the sink has everything that came, so that nothing is written to it after a fetch.
    async fn finish(mut self) -> Progress {
        if let Some(block) = self.block.take_if(|block| block.filled > 0) {
            drop(self.blocks.send(block).await);
        }
        drop(self.blocks);
        drop(self.unpacker.await);
        self.progress.borrow().clone()
    }

    async fn turn(&mut self) -> io::Result<Turn> {
        let asking = !self.exhausted && !self.unheard && self.may_ask();
        let wake = self.wake();
        let ended = self.ended;
        let read = async {
            match &mut self.block {
                Some(block) if !block.is_full() && !ended => self.reader.read(block.room()).await,
                Some(_) | None => pending().await,
            }
        };
        let writing = !self.writer.is_idle() && !self.unheard;
        tokio::select! {
            read = read => Ok(Turn::Read(read?)),
            block = self.empties.recv(), if self.away > 0 => Ok(Turn::Empty(block)),
            changed = self.progress.changed() => Ok(Turn::Progress(changed.is_ok())),
            written = self.writer.drive(), if writing => Ok(Turn::Written(written.is_ok())),
            range = self.order.ranges.next(), if asking => Ok(Turn::Range(range)),
            () = sleep_until(wake) => Ok(Turn::Tick),
        }
    }

    /// Counts bytes read, and takes what else is there already.
    async fn read(&mut self, read: usize) {
        let mut total = read;
        if let Some(block) = &mut self.block {
            if block.filled == 0 {
                self.begun = Instant::now();
            }
            block.filled += read;
            while !block.is_full()
                && let Some(Ok(more @ 1..)) = self.reader.read(block.room()).now_or_never()
            {
                block.filled += more;
                total += more;
            }
        }
        self.heard = Instant::now();
        self.order
            .partner
            .bulk_received
            .add(total as u64, self.heard);
    }

    fn returned(&mut self, block: Block) {
        self.away -= 1;
        // The sink had the bytes until now, and the credit with them.
        self.heard = Instant::now();
        match self.block {
            None => self.block = Some(block),
            Some(_) => self.spare.push(block),
        }
    }

    /// When a block that is not full is given away all the same: not while the unpacker is busy, and not before more
    /// bytes had a moment to come. Waking a thread for each packet costs more than the packet.
    fn part_due(&self) -> Option<Instant> {
        let part = self.block.as_ref().is_some_and(|block| block.filled > 0);
        (part && self.away == 0).then_some(self.begun + LINGER)
    }

    fn hand_over(&mut self) {
        let full = self.block.as_ref().is_some_and(Block::is_full);
        let due = |at: Instant| self.ended || Instant::now() >= at;
        if !full && !self.part_due().is_some_and(due) {
            return;
        }
        if let Some(block) = self.block.take() {
            // Room for all blocks there are, so this fails only when the unpacker ended, which its progress tells.
            drop(self.blocks.try_send(block));
            self.away += 1;
        }
        if self.away < BLOCKS_IN {
            self.block = Some(self.spare.pop().unwrap_or_else(Block::new));
        }
    }

    fn may_ask(&self) -> bool {
        let settled = self.progress.borrow().settled;
        self.asked.saturating_sub(settled) < ASK_AHEAD && lock(&self.open).len() < REQUESTS_MAX
    }

    fn ask(&mut self, range: RangeRequest) {
        self.asked = self.asked.saturating_add(range.length);
        self.requests += 1;
        lock(&self.open).push_back(range);
        push(&mut self.writer, Record::Request(range));
    }

    /// What follows from the unpacker's progress; true when all is done.
    fn step(&mut self) -> Result<bool, FetchError> {
        let progress = self.progress.borrow_and_update().clone();
        if let Some(error) = progress.failed {
            return Err(error);
        }
        if progress.bye {
            return if self.done {
                Ok(true)
            } else {
                Err(FetchError::Malformed)
            };
        }
        let owed = progress.consumed.saturating_sub(self.renewed);
        if owed >= CREDIT_STEP {
            self.renewed = progress.consumed;
            push(
                &mut self.writer,
                Record::Credit(u32::try_from(owed).unwrap_or(u32::MAX)),
            );
        }
        if self.exhausted
            && !self.done
            && progress.settled == self.asked
            && lock(&self.open).is_empty()
        {
            self.done = true;
            self.heard = Instant::now();
            let received = progress.written;
            push(&mut self.writer, Record::Done { received });
        }
        Ok(false)
    }

    /// Whether the other side owes us bytes and we could take them.
    fn is_waiting(&self) -> bool {
        let owes = self.done
            || !lock(&self.open).is_empty()
            || self.asked > self.progress.borrow().settled;
        owes && self.block.is_some() && self.away == 0
    }

    fn wake(&self) -> Instant {
        let sign = self.said + SIGN_OF_LIFE;
        let stalled = self.is_waiting().then(|| self.heard + self.order.stall);
        let needs = [self.part_due(), stalled];
        needs.into_iter().flatten().fold(sign, Instant::min)
    }

    fn tick(&mut self) -> Result<(), FetchError> {
        let now = Instant::now();
        if self.is_waiting() && now >= self.heard + self.order.stall {
            return Err(FetchError::Stalled);
        }
        if now >= self.said + SIGN_OF_LIFE {
            self.said = now;
            if !self.done {
                push(&mut self.writer, Record::Credit(0));
            }
        }
        Ok(())
    }

    fn failure(&self) -> FetchError {
        self.progress
            .borrow()
            .failed
            .clone()
            .unwrap_or(FetchError::Interrupted)
    }
}

fn push(writer: &mut FrameWriter<WriteHalf<BoxStream>>, record: Record) {
    let mut bytes = Vec::new();
    record.push_to(&mut bytes);
    writer.push(&bytes);
}
