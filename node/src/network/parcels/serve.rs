//! The serving side of one bulk stream: reads records, writes blocks as far as the credit goes.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::ParcelSource;
use super::RangeRequest;
use super::shelf::Shelf;
use super::wire::{
    BLOCKS_OUT, BUSY, BYE, Block, DESERTED, READY, REQUESTS_MAX, Record, RecordReader,
};
use crate::network::limits::{Limits, STREAM_TIMEOUT};
use crate::network::pace::Pace;
use crate::network::partners::Partner;
use crate::network::streams::BoxStream;

/// What serving a stream takes.
#[derive(Clone)]
pub(in crate::network) struct Service {
    pub(in crate::network) source: Option<Arc<dyn ParcelSource>>,
    pub(in crate::network) seats: Arc<Semaphore>,
    pub(in crate::network) pace: Arc<Pace>,
    pub(in crate::network) limits: Limits,
}

impl Service {
    /// Serves one stream to its end.
    pub(in crate::network) async fn serve(self, stream: BoxStream, partner: Arc<Partner>) {
        let node = partner.node;
        if let Err(error) = self.run(stream, partner).await {
            tracing::debug!(?node, kind = %error.kind(), "bulk stream ended");
        }
    }

    async fn run(self, stream: BoxStream, partner: Arc<Partner>) -> io::Result<()> {
        let (read, mut writer) = stream.split();
        let mut records = RecordReader::new(read);
        let Some(Record::Open { credit }) = timeout(STREAM_TIMEOUT, records.next()).await?? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        // One partner's streams leave room for the others'.
        let own = partner.serving.clone().try_acquire_owned();
        let seat = self.seats.try_acquire_owned();
        let (Ok(_own), Ok(_seat), Some(source)) = (own, seat, self.source) else {
            writer.write_all(&[BUSY]).await?;
            return writer.close().await;
        };
        writer.write_all(&[READY]).await?;
        writer.flush().await?;
        let (requests, orders) = mpsc::channel(REQUESTS_MAX);
        let (filled, blocks) = mpsc::channel(BLOCKS_OUT);
        let (empties, emptied) = mpsc::channel(BLOCKS_OUT + 2);
        let shelf = Shelf {
            source,
            from: partner.node,
            requests: orders,
            blocks: filled,
            empties: emptied,
            block: Block::new(),
        };
        tokio::task::spawn_blocking(move || shelf.run());
        let mut counter = Counter {
            records,
            writer,
            requests: Some(requests),
            blocks,
            empties,
            current: None,
            credit: u64::from(credit),
            unflushed: false,
            drained: false,
            pace: self.pace,
            taken: 0,
            partner,
            deserted: DESERTED.max(self.limits.stall),
        };
        if counter.run().await? {
            counter.writer.write_all(&[BYE]).await?;
        }
        // Without the goodbye the other side knows that the last range broke off, and still has all before it.
        counter.writer.close().await
    }
}

/// Stands between the stream and the shelf.
struct Counter {
    records: RecordReader<ReadHalf<BoxStream>>,
    writer: WriteHalf<BoxStream>,
    /// `None` once the other side is done.
    requests: Option<mpsc::Sender<RangeRequest>>,
    blocks: mpsc::Receiver<Block>,
    empties: mpsc::Sender<Block>,
    /// The block being written, and how much of it is.
    current: Option<(Block, usize)>,
    credit: u64,
    /// What was written may still lie in the stream's own buffer, as TLS has one: it must leave before anybody waits.
    unflushed: bool,
    /// The shelf has ended.
    drained: bool,
    pace: Arc<Pace>,
    /// Bytes that may be written without asking the pace.
    taken: usize,
    partner: Arc<Partner>,
    deserted: std::time::Duration,
}

enum Turn {
    Record(Option<Record>),
    Block(Option<Block>),
    Written(usize),
    Flushed,
    Waited,
}

impl Counter {
    /// Runs until the other side is done and everything is written; false when a body broke off.
    async fn run(&mut self) -> io::Result<bool> {
        let mut deserted = pin!(sleep_until(Instant::now() + self.deserted));
        loop {
            let turn = tokio::select! {
                turn = self.turn() => turn?,
                () = &mut deserted => return Err(io::ErrorKind::TimedOut.into()),
            };
            deserted.as_mut().reset(Instant::now() + self.deserted);
            match turn {
                Turn::Record(record) => self.record(record)?,
                Turn::Block(Some(block)) => self.current = Some((block, 0)),
                Turn::Block(None) => self.drained = true,
                Turn::Written(written) => self.written(written),
                Turn::Flushed => self.unflushed = false,
                Turn::Waited => {}
            }
            if self.drained && self.current.is_none() {
                // A shelf that ended while requests may still come ended because of a body.
                return Ok(self.requests.is_none());
            }
        }
    }

    async fn turn(&mut self) -> io::Result<Turn> {
        let writer = &mut self.writer;
        let ready = self
            .current
            .as_ref()
            .map(|(block, written)| &block.content()[*written..]);
        let allowed = ready.map(|bytes| {
            &bytes[..bytes
                .len()
                .min(usize::try_from(self.credit).unwrap_or(usize::MAX))]
        });
        let unflushed = self.unflushed;
        let wait = match allowed {
            Some(bytes) if !bytes.is_empty() && self.taken == 0 => {
                match self.pace.take(bytes.len()) {
                    Ok(taken) => {
                        self.taken = taken;
                        None
                    }
                    Err(wait) => Some(wait),
                }
            }
            Some(_) | None => None,
        };
        let taken = self.taken;
        tokio::select! {
            record = self.records.next(), if self.requests.is_some() => Ok(Turn::Record(record?)),
            block = self.blocks.recv(), if self.current.is_none() && !self.drained => Ok(Turn::Block(block)),
            moved = async {
                match allowed {
                    Some(bytes) if !bytes.is_empty() && wait.is_none() => {
                        let bytes = &bytes[..bytes.len().min(taken)];
                        writer.write(bytes).await.map(Turn::Written)
                    }
                    Some(_) | None if unflushed => writer.flush().await.map(|()| Turn::Flushed),
                    Some(_) | None => match wait {
                        Some(wait) => {
                            sleep(wait).await;
                            Ok(Turn::Waited)
                        }
                        None => std::future::pending().await,
                    },
                }
            } => match moved? {
                Turn::Written(0) => Err(io::ErrorKind::WriteZero.into()),
                moved => Ok(moved),
            },
        }
    }

    fn record(&mut self, record: Option<Record>) -> io::Result<()> {
        match (record, &self.requests) {
            // More requests than allowed, or the shelf broke off: either way this stream is over.
            (Some(Record::Request(range)), Some(requests)) => requests
                .try_send(range)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData)),
            (Some(Record::Credit(bytes)), Some(_)) => {
                self.credit = self.credit.saturating_add(u64::from(bytes));
                Ok(())
            }
            (Some(Record::Done { .. }), Some(_)) => {
                self.requests = None;
                Ok(())
            }
            (Some(_), _) => Err(io::ErrorKind::InvalidData.into()),
            (None, _) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn written(&mut self, written: usize) {
        self.credit -= written as u64;
        self.taken -= written.min(self.taken);
        self.unflushed = true;
        self.partner.bulk_sent.add(written as u64, Instant::now());
        if let Some((mut block, before)) = self.current.take() {
            if before + written < block.filled {
                self.current = Some((block, before + written));
            } else {
                block.filled = 0;
                drop(self.empties.try_send(block));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dokuei_keys::id::NodeId;
    use futures::io::BufWriter;
    use tokio_util::compat::TokioAsyncReadCompatExt as _;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::network::parcels::{Part, RangeBody, Refusal};

    const OBJECT: u64 = 70_000;

    struct Source;

    impl ParcelSource for Source {
        fn open(&self, _: NodeId, _: &RangeRequest) -> Result<RangeBody, Refusal> {
            Ok(RangeBody {
                length: OBJECT,
                bytes: Box::new(io::repeat(3)),
            })
        }
    }

    /// TLS keeps what the socket did not take at once until somebody flushes.
    #[tokio::test]
    async fn what_a_stream_buffers_leaves_it_before_anybody_waits() {
        let (local, node) = (NodeId::from_bytes([4; 32]), NodeId::from_bytes([5; 32]));
        let limits = Limits::default();
        let (partner, _) = Partner::new(local, node, &limits, CancellationToken::new());
        let service = Service {
            source: Some(Arc::new(Source)),
            seats: Arc::new(Semaphore::new(1)),
            pace: Arc::default(),
            limits,
        };
        let (ours, mut theirs) = {
            let (ours, theirs) = tokio::io::duplex(16 * 1024);
            (ours.compat(), theirs.compat())
        };
        let buffered = BufWriter::with_capacity(1 << 20, ours);
        tokio::spawn(service.serve(Box::new(buffered), Arc::new(partner)));
        let mut said = Vec::new();
        let range = RangeRequest {
            parcel: [1; 32],
            part: Part::Object(1),
            offset: 0,
            length: OBJECT,
        };
        Record::Open { credit: 1 << 20 }.push_to(&mut said);
        Record::Request(range).push_to(&mut said);
        theirs.write_all(&said).await.unwrap();
        let mut heard = vec![0; 1 + 9 + OBJECT as usize];
        let hearing = theirs.read_exact(&mut heard);
        timeout(Duration::from_secs(60), hearing)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(heard.last(), Some(&3));
    }
}
