//! Every stream's reader against nonsense: valid pieces, mutated pieces, noise, cut anywhere. Each must come to its end,
//! without a panic and without keeping more than its bounds allow. The same seed gives the same bytes.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dokuei_keys::id::NodeId;
use libp2p::identity::Keypair;
use libp2p::swarm::ConnectionId;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::compat::TokioAsyncReadCompatExt;
use tokio_util::sync::CancellationToken;

use super::bulk::{Bulk, BulkParts, BulkPort};
use super::events::{Answer, NetworkEvent};
use super::gate::Gate;
use super::limits::Limits;
use super::parcels::{
    OpenBulk, ParcelSink, ParcelSource, Part, RangeBody, RangeOutcome, RangeRequest, Refusal,
    Service, fetch,
};
use super::partners::Partner;
use super::status::Transport;
use super::streams::{Arrival, BoxStream, Protocol};
use super::{documents, lock, pairing, sync};

/// Conversations with each reader.
const SEEDS: u64 = 300;

/// No conversation takes longer, on any machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Bytes between the two ends of a stream.
const PIPE: usize = 16 * 1024;

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

/// What the streams' readers understand, more or less.
fn pieces() -> Vec<Vec<u8>> {
    let document = [&[2][..], &[7; 32], &[1; 300]].concat();
    let answer = [&[3][..], &[7; 32], &[1, 0, 0, 0, 9]].concat();
    let request = [
        &[2][..],
        &[1; 32],
        &[0; 4],
        &[0; 8],
        &[0, 0, 0, 0, 0, 1, 0, 0],
    ]
    .concat();
    vec![
        frame(&[1, 0, 1]),
        frame(&document),
        frame(&[4, 0, 0, 0, 0, 0, 0, 0, 1]),
        frame(&[5, 0, 0, 0, 0, 0, 0, 0, 1]),
        frame(&answer),
        frame(&[]),
        frame(&[0; 20_000]),
        vec![0xff; 4],
        vec![1, 1, 0, 32, 0, 0],
        request,
        vec![3, 0, 1, 0, 0],
        vec![3, 0xff, 0xff, 0xff, 0xff],
        vec![4, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5],
        vec![0, 0, 0, 0, 0, 0, 1, 0, 0],
        vec![1, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![127],
    ]
}

/// A conversation that begins as it should, so that it gets further than the first byte.
fn nonsense(seed: u64, beginning: &[u8]) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |bound: usize| rng.next_u32() as usize % bound;
    let pieces = pieces();
    let mut bytes = if below(8) > 0 {
        beginning.to_vec()
    } else {
        Vec::new()
    };
    for _ in 0..below(60) {
        let mut piece = pieces[below(pieces.len())].clone();
        for _ in 0..below(3) {
            let at = below(piece.len());
            piece[at] ^= 1 << below(8);
        }
        if below(10) == 0 {
            piece.truncate(below(piece.len()));
        }
        bytes.extend(piece);
    }
    bytes
}

struct Stage {
    partner: Arc<Partner>,
    gate: Arc<Mutex<Gate>>,
    events: mpsc::Sender<NetworkEvent>,
}

impl Stage {
    /// A partner, an open pairing window, and a loop that answers every other time.
    fn new() -> Self {
        let node = NodeId::from_bytes([5; 32]);
        let limits = Limits {
            messages_burst: u32::MAX,
            ..Limits::default()
        };
        let (partner, _) = Partner::new(
            NodeId::from_bytes([4; 32]),
            node,
            &limits,
            CancellationToken::new(),
        );
        let gate = Arc::new(Mutex::new(Gate::default()));
        lock(&gate).open_window(Instant::now() + DEADLINE * 10);
        let (events, mut told) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut answered = false;
            while let Some(event) = told.recv().await {
                answered = !answered;
                match event {
                    NetworkEvent::Document { answer, .. } if answered => {
                        answer.send(Answer::Accepted).ok();
                    }
                    NetworkEvent::Sync { answer, .. } if answered => {
                        answer.send(vec![1; 100]).ok();
                    }
                    NetworkEvent::Pairing { reply, .. } if answered => {
                        reply.send(vec![1; 100]).ok();
                    }
                    other => drop(other),
                }
            }
        });
        Self {
            partner: Arc::new(partner),
            gate,
            events,
        }
    }

    fn arrival(&self, protocol: Protocol, seed: u64) -> (Arrival, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let arrival = Arrival {
            node: self.partner.node,
            connection: ConnectionId::new_unchecked(seed as usize),
            protocol,
            stream: Box::new(ours.compat()),
            permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
        };
        (arrival, theirs)
    }
}

/// Says `bytes` while listening to whatever comes back, and then no more; waits until the reader has ended.
async fn converse(
    seed: u64,
    bytes: Vec<u8>,
    theirs: DuplexStream,
    reader: impl Future<Output = ()>,
) {
    let (mut hearing, mut saying) = tokio::io::split(theirs);
    let say = async move {
        // The reader may have ended by now.
        saying.write_all(&bytes).await.ok();
        saying.shutdown().await.ok();
    };
    let hear = async move { hearing.read_to_end(&mut Vec::new()).await };
    let both = async { tokio::join!(reader, say, hear) };
    assert!(
        timeout(DEADLINE, both).await.is_ok(),
        "seed {seed} does not end"
    );
}

#[tokio::test]
async fn documents() {
    let stage = Stage::new();
    for seed in 0..SEEDS {
        let (arrival, theirs) = stage.arrival(Protocol::Documents, seed);
        let reader = documents::receive(arrival, stage.partner.clone(), stage.events.clone());
        converse(seed, nonsense(seed, &frame(&[1, 0, 1])), theirs, reader).await;
    }
}

#[tokio::test]
async fn questions() {
    let stage = Stage::new();
    for seed in 0..SEEDS {
        let (arrival, theirs) = stage.arrival(Protocol::Sync, seed);
        let reader = sync::receive(
            arrival,
            stage.partner.clone(),
            stage.events.clone(),
            Limits::default(),
        );
        converse(seed, nonsense(seed, &[]), theirs, reader).await;
    }
}

#[tokio::test]
async fn strangers() {
    let stage = Stage::new();
    for seed in 0..SEEDS {
        // The window's ten attempts must not end the test.
        lock(&stage.gate).open_window(Instant::now() + DEADLINE * 10);
        let (arrival, theirs) = stage.arrival(Protocol::Pairing, seed);
        let reader = pairing::receive(arrival, stage.gate.clone(), stage.events.clone());
        converse(seed, nonsense(seed, &frame(b"hello")), theirs, reader).await;
    }
}

#[tokio::test]
async fn those_who_ask_for_bulk_connections() {
    let stage = Stage::new();
    let keypair = Keypair::generate_ed25519();
    let bulk = Bulk::start(BulkParts {
        keypair: &keypair,
        listen: &[],
        port: BulkPort::Next,
        transports: vec![Transport::Quic, Transport::Tcp],
        gate: stage.gate.clone(),
        partners: Arc::default(),
        events: stage.events.clone(),
        service: Service {
            source: None,
            seats: Arc::new(Semaphore::new(1)),
            pace: Arc::default(),
            limits: Limits::default(),
        },
        stopping: CancellationToken::new(),
    })
    .unwrap()
    .unwrap();
    for seed in 0..SEEDS {
        let (arrival, theirs) = stage.arrival(Protocol::Bulk, seed);
        let reader = bulk.clone().hear(arrival, stage.partner.clone());
        let question = frame(&[1, 0x11, 0x31, 0, 0, 0, 0, 0, 0, 0, 0]);
        converse(seed, nonsense(seed, &question), theirs, reader).await;
    }
}

/// Objects of 70,000 bytes.
struct Shelf;

impl ParcelSource for Shelf {
    fn open(&self, _: NodeId, request: &RangeRequest) -> Result<RangeBody, Refusal> {
        let left = 70_000u64
            .checked_sub(request.offset)
            .ok_or(Refusal::Missing)?;
        Ok(RangeBody {
            length: left.min(request.length),
            bytes: Box::new(io::repeat(3)),
        })
    }
}

#[tokio::test]
async fn those_who_fetch() {
    let stage = Stage::new();
    let seats = Arc::new(Semaphore::new(1));
    for seed in 0..SEEDS {
        let (arrival, theirs) = stage.arrival(Protocol::Parcels, seed);
        let service = Service {
            source: Some(Arc::new(Shelf)),
            seats: seats.clone(),
            pace: Arc::default(),
            limits: Limits::default(),
        };
        let reader = service.serve(arrival.stream, stage.partner.clone());
        converse(seed, nonsense(seed, &[1, 1, 0, 32, 0, 0]), theirs, reader).await;
    }
    assert_eq!(seats.available_permits(), 1);
}

/// Streams that are given to whoever opens one.
#[derive(Clone)]
struct Given(Arc<Mutex<Option<BoxStream>>>);

impl OpenBulk for Given {
    async fn open_bulk(&self) -> io::Result<BoxStream> {
        lock(&self.0)
            .take()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Takes no more than was asked for.
struct Bounded(Mutex<u64>);

impl ParcelSink for Bounded {
    fn write(&self, range: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(at >= range.offset && at + bytes.len() as u64 <= range.offset + range.length);
        *lock(&self.0) += bytes.len() as u64;
        Ok(())
    }

    fn finished(&self, range: &RangeRequest, outcome: RangeOutcome) -> io::Result<()> {
        match outcome {
            RangeOutcome::Complete { length } => assert!(length <= range.length),
            RangeOutcome::Refused(_) => {}
        }
        Ok(())
    }
}

#[tokio::test]
async fn those_who_serve() {
    let stage = Stage::new();
    for seed in 0..SEEDS {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let given = Given(Arc::new(Mutex::new(Some(Box::new(ours.compat())))));
        let ranges: Vec<_> = (0..40)
            .map(|slot| RangeRequest {
                parcel: [1; 32],
                part: Part::Object(slot),
                offset: 9,
                length: 300,
            })
            .collect();
        let sink = Arc::new(Bounded(Mutex::new(0)));
        let fetching = fetch(
            given,
            stage.partner.clone(),
            ranges.into(),
            2,
            sink.clone(),
            DEADLINE,
        );
        let reader = async {
            // Nonsense may by chance be an answer to everything; then as many bytes came as are counted.
            if let Ok(fetched) = fetching.await {
                assert_eq!(fetched.bytes, *lock(&sink.0));
            }
        };
        converse(seed, nonsense(seed, &[1]), theirs, reader).await;
        assert!(*lock(&sink.0) <= 40 * 300);
    }
}
