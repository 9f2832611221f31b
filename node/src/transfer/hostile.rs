//! Partners that do not keep to what they agreed, over real connections: everything is as it is but the shelf they serve.
//! Whatever they hand out, the transfer ends at a stated limit with a reason, keeps what was genuine, and is completed by a
//! partner that keeps to it.

mod lies;

use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use dokuei_keys::id::{NodeId, SiteId};
use dokuei_protocol::case::terms::Priority;
use dokuei_protocol::study::plan::TransferPlan;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::Zeroizing;

use self::lies::{damaging, sealed};
use super::Content;
use super::precedence::Precedence;
use super::progress::Progress;
use super::receive::{Damage, ReceiveError, Received, Receiving};
use super::tests::{PARCEL, Pair, SITE, image, noise, objects, pair};
use crate::network::{
    BulkPort, FetchError, Limits, Member, Network, NetworkConfig, NetworkEvent, ParcelSource, Part,
    RangeBody, RangeRequest, Refusal, Started,
};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a false shelf gives in place of an answer, of which it knows the true one.
type Lie = Arc<dyn Fn(&Pair, &RangeRequest) -> Result<RangeBody, Refusal> + Send + Sync>;

/// The shelf of a partner.
struct Shelf {
    pair: Pair,
    /// None while it is honest.
    lie: Mutex<Option<Lie>>,
    asked: AtomicUsize,
}

fn body(bytes: Vec<u8>, request: &RangeRequest) -> Result<RangeBody, Refusal> {
    let rest = bytes.get(request.offset as usize..).unwrap_or_default();
    let rest = &rest[..rest.len().min(request.length as usize)];
    Ok(RangeBody {
        length: rest.len() as u64,
        bytes: Box::new(Cursor::new(rest.to_vec())),
    })
}

fn honest(pair: &Pair, request: &RangeRequest) -> Result<RangeBody, Refusal> {
    let bytes = match request.part {
        Part::Pack(..) => pair.pack(request),
        Part::Object(slot) => std::fs::read(pair.maker.parcels().file_of(&PARCEL, slot)).unwrap(),
    };
    body(bytes, request)
}

impl ParcelSource for Shelf {
    fn open(&self, _: NodeId, request: &RangeRequest) -> Result<RangeBody, Refusal> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let lie = self.lie.lock().unwrap().clone();
        match (lie, request.part) {
            (Some(lie), Part::Pack(..)) => lie(&self.pair, request),
            _ => honest(&self.pair, request),
        }
    }
}

fn config(seed: u8) -> NetworkConfig {
    let seed = Zeroizing::new([seed; 32]);
    let mut config = NetworkConfig::new(seed, vec!["127.0.0.1:0".parse().unwrap()]);
    config.bulk_port = BulkPort::Number(0);
    config.limits = Limits {
        stall: Duration::from_secs(2),
        memory_max: u64::MAX,
        ..Limits::default()
    };
    config
}

/// A site that receives, and one whose shelf is false.
struct Sites {
    shelf: Arc<Shelf>,
    hospital: Network,
    clinic: Network,
    precedence: Precedence,
}

/// Connects the first to the second, and takes from then on what it is told.
async fn connect(one: Started, other: Started) -> (Network, Network) {
    let member = |started: &Started, outbound| Member {
        node: started.network.local(),
        addresses: started.listening.iter().map(|at| (*at).into()).collect(),
        outbound,
    };
    let (first, second) = (member(&one, false), member(&other, true));
    other.network.set_members(vec![first]).await;
    one.network.set_members(vec![second]).await;
    for mut events in [one.events, other.events] {
        let connected =
            async { while !matches!(events.recv().await, Some(NetworkEvent::Connected { .. })) {} };
        timeout(DEADLINE, connected).await.unwrap();
        tokio::spawn(drain(events));
    }
    (one.network, other.network)
}

async fn drain(mut events: mpsc::Receiver<NetworkEvent>) {
    while events.recv().await.is_some() {}
}

async fn sites(seed: u8, pair: Pair) -> Sites {
    let shelf = Arc::new(Shelf {
        pair,
        lie: Mutex::default(),
        asked: AtomicUsize::new(0),
    });
    let serving = NetworkConfig {
        parcels: Some(Arc::clone(&shelf) as _),
        ..config(seed + 1)
    };
    let hospital = Network::start(config(seed)).unwrap();
    let clinic = Network::start(serving).unwrap();
    let (hospital, clinic) = connect(hospital, clinic).await;
    Sites {
        shelf,
        hospital,
        clinic,
        precedence: Precedence::default(),
    }
}

impl Sites {
    fn lies(&self, lie: Option<Lie>) {
        *self.shelf.lie.lock().unwrap() = lie;
        self.shelf.asked.store(0, Ordering::Relaxed);
    }

    async fn receive(&self) -> (Result<Received, ReceiveError>, Arc<Progress>) {
        let pair = &self.shelf.pair;
        let progress = Arc::new(Progress::default());
        let underway = self.precedence.enter(SITE, Priority::Routine);
        let receiving = Receiving {
            network: self.hospital.clone(),
            parcels: pair.here(),
            from: SITE,
            node: self.clinic.local(),
            manifest: pair.reference.clone(),
            content: pair.content,
            key: pair.key.duplicate(),
            progress: Arc::clone(&progress),
            onward: None,
            listed: None,
            underway: Some(underway),
            room: None,
            ahead: None,
            known: None,
        };
        let received = timeout(DEADLINE, receiving.run()).await;
        (received.expect("the transfer ends"), progress)
    }

    /// What is here after a lie, and that the rest comes as soon as there is none.
    async fn mends(&self, all: &[Vec<u8>]) {
        self.lies(None);
        let (received, _) = self.receive().await;
        assert!(received.is_ok(), "{:?}", received.err());
        self.shelf.pair.assert_same(all);
    }
}

/// A study of one image a pack: every lie is about an object of its own.
fn study() -> Vec<Vec<u8>> {
    (1..=3)
        .map(|number| image(&format!("1.2.3.4.{number}"), "1.2.3"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_partner_hands_out_in_place_of_packs_is_told_and_asked_for_a_stated_number_of_times()
{
    for (content, all) in [(Content::Study, study()), (Content::Opaque, objects())] {
        let sites = sites(160, pair(content, &all)).await;
        for (what, lie) in damaging() {
            sites.lies(Some(lie));
            let (received, progress) = sites.receive().await;
            let refused = received.err().unwrap_or_else(|| panic!("{what} was taken"));
            assert!(
                matches!(refused, ReceiveError::Damaged(Damage::Object)),
                "{what}: {refused}"
            );
            let asked = sites.shelf.asked.load(Ordering::Relaxed);
            // The manifest, and each pack three times.
            let packs = TransferPlan::new(&sites.shelf.pair.manifest).packs() as usize;
            assert!(asked <= 1 + 3 * packs, "{what}: {asked} times");
            // What is small may be in none of the bytes that are changed.
            let here = progress.objects.load(Ordering::Relaxed);
            assert!(
                here == 0 || here < all.len() && content == Content::Opaque,
                "{what}: {here}"
            );
            // Pieces of a long object wait for the others, as long as they are sealed as they should be.
            let left = packs_left(&sites.shelf.pair);
            assert!(
                left == 0 || left < packs && content == Content::Opaque,
                "{what}: {left}"
            );
        }
        sites.mends(&all).await;
    }
}

fn packs_left(pair: &Pair) -> usize {
    let files = std::fs::read_dir(pair.here().folder_of(&PARCEL)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("pack")).count()
}

/// The second pack is a lie whatever is asked for; all else is genuine and stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_genuine_stays_beside_what_is_not() {
    let all = objects();
    let sites = sites(162, pair(Content::Opaque, &all)).await;
    sites.lies(Some(Arc::new(|pair, request| match request.part {
        Part::Pack(1, _) => body(noise(5_000, 3), request),
        _ => honest(pair, request),
    })));
    let (received, first) = sites.receive().await;
    assert!(matches!(
        received.err(),
        Some(ReceiveError::Damaged(Damage::Object))
    ));
    let here = first.objects.load(Ordering::Relaxed);
    assert!(here > 0 && here < all.len());
    sites.lies(None);
    let (received, second) = sites.receive().await;
    assert!(received.is_ok());
    // Nothing that was here came again.
    let in_vain = first.again.load(Ordering::Relaxed);
    assert_eq!(in_vain, 3 * 5_000);
    assert_eq!(second.again.load(Ordering::Relaxed), in_vain);
    sites.shelf.pair.assert_same(&all);
}

/// Neither here nor there for ever: no blame, no end, but a stated number of times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_comes_is_awaited_another_time() {
    let all = study();
    let sites = sites(164, pair(Content::Study, &all)).await;
    let absent = |pair: &Pair, request: &RangeRequest| {
        let content = |content: Vec<u8>| {
            let table: Vec<u8> = [254, 0, 0, 0, 0, 0, 0, 0, 0].repeat(3);
            [&content[..1], &table, &[0; 4]].concat()
        };
        body(sealed(pair, request, content), request)
    };
    let lies: [(&str, Lie); 3] = [
        ("absent", Arc::new(absent)),
        ("later", Arc::new(|_, _| Err(Refusal::Later))),
        ("missing", Arc::new(|_, _| Err(Refusal::Missing))),
    ];
    for (what, lie) in lies {
        sites.lies(Some(lie));
        let (received, _) = sites.receive().await;
        assert!(
            matches!(received.err(), Some(ReceiveError::Incomplete)),
            "{what}"
        );
        assert!(sites.shelf.asked.load(Ordering::Relaxed) <= 4, "{what}");
    }
    sites.lies(Some(Arc::new(|_, _| Err(Refusal::Refused))));
    let (received, _) = sites.receive().await;
    assert!(matches!(received.err(), Some(ReceiveError::NotPermitted)));
    sites.mends(&all).await;
}

/// Bytes, and then none until it is let go.
struct Stops {
    bytes: Cursor<Vec<u8>>,
    held: Arc<(Mutex<bool>, Condvar)>,
}

impl Read for Stops {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        if read == 0 {
            let (held, changed) = &*self.held;
            let held = held.lock().unwrap();
            let (held, _) = changed
                .wait_timeout_while(held, DEADLINE, |held| *held)
                .unwrap();
            drop(held);
        }
        Ok(read)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_stops_is_left_and_others_are_served_meanwhile() {
    let all = objects();
    let sites = sites(166, pair(Content::Opaque, &all)).await;
    let held = Arc::new((Mutex::new(true), Condvar::new()));
    let holds = Arc::clone(&held);
    sites.lies(Some(Arc::new(move |pair, request| {
        let bytes = pair.pack(request);
        let length = (bytes.len() as u64).min(request.length);
        let bytes = Cursor::new(bytes[..bytes.len() / 2].to_vec());
        let stops = Stops {
            bytes,
            held: Arc::clone(&holds),
        };
        Ok(RangeBody {
            length,
            bytes: Box::new(stops),
        })
    })));
    let others = self::sites(168, pair(Content::Opaque, &all)).await;
    let ((received, _), (fine, _)) = tokio::join!(sites.receive(), others.receive());
    assert!(fine.is_ok());
    let refused = received.err().unwrap();
    assert!(
        matches!(refused, ReceiveError::Network(FetchError::Stalled)),
        "{refused}"
    );
    *held.0.lock().unwrap() = false;
    held.1.notify_all();
    sites.mends(&all).await;
}

/// Bodies that break off, and such as are longer than was asked for: the stream ends there, and what came stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_keep_their_length_end_the_stream() {
    let all = objects();
    let sites = sites(170, pair(Content::Opaque, &all)).await;
    let short = |pair: &Pair, request: &RangeRequest| {
        let bytes = pair.pack(request);
        let rest = bytes[request.offset as usize..].to_vec();
        let half = rest[..rest.len().div_ceil(2)].to_vec();
        let length = rest.len() as u64;
        Ok(RangeBody {
            length,
            bytes: Box::new(Cursor::new(half)),
        })
    };
    let longer = |_: &Pair, request: &RangeRequest| {
        let bytes = Box::new(io::repeat(7));
        Ok(RangeBody {
            length: request.length + 1,
            bytes,
        })
    };
    let lies: [Lie; 2] = [Arc::new(longer), Arc::new(short)];
    for lie in lies {
        sites.lies(Some(lie));
        let (received, _) = sites.receive().await;
        let refused = received.err().unwrap();
        assert!(
            matches!(
                refused,
                ReceiveError::Network(FetchError::Interrupted | FetchError::Malformed)
            ),
            "{refused}"
        );
    }
    assert!(packs_left(&sites.shelf.pair) > 0);
    sites.lies(None);
    let (received, progress) = sites.receive().await;
    assert!(received.is_ok());
    assert_eq!(progress.again.load(Ordering::Relaxed), 0);
    sites.shelf.pair.assert_same(&all);
}

/// Shorter than what counts as silence, too short for a pack.
const NOW_AND_THEN: Duration = Duration::from_millis(100);

/// Some bytes now and then.
struct Trickles(Cursor<Vec<u8>>);

impl Read for Trickles {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std::thread::sleep(NOW_AND_THEN);
        self.0.read(buffer)
    }
}

/// Never silent for as long as would be noticed, and never done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_trickles_gives_its_place_to_another_one() {
    let all = objects();
    let mut sites = sites(172, pair(Content::Opaque, &all)).await;
    sites.precedence = Precedence::looking(NOW_AND_THEN);
    sites.lies(Some(Arc::new(|pair, request| {
        let bytes = pair.pack(request);
        let rest = bytes[request.offset as usize..].to_vec();
        Ok(RangeBody {
            length: rest.len() as u64,
            bytes: Box::new(Trickles(Cursor::new(rest))),
        })
    })));
    let waiting = sites.precedence.wait(SiteId::from_bytes([7; 32]));
    let (received, _) = sites.receive().await;
    let refused = received.err().unwrap();
    assert!(matches!(refused, ReceiveError::Slow), "{refused}");
    drop(waiting);
    // While nobody waits it may take its time.
    let (received, progress) = sites.receive().await;
    assert!(received.is_ok(), "{:?}", received.err());
    assert_eq!(progress.again.load(Ordering::Relaxed), 0);
    sites.shelf.pair.assert_same(&all);
}
