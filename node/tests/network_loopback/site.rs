//! A node's network with a loop that writes down what happens and answers as a test wants.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dokuei_node::network::{
    Answer, BulkPort, Limits, Member, Network, NetworkConfig, NetworkEvent, NodeId, PartnerStatus,
    Path, Started,
};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Threads of one site.
const WORKERS: usize = 2;

/// What happened at a site, in order.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connected: Vec<(NodeId, Path)>,
    pub(crate) disconnected: Vec<(NodeId, String)>,
    pub(crate) documents: Vec<(NodeId, Vec<u8>)>,
    pub(crate) questions: Vec<Vec<u8>>,
    pub(crate) pairings: Vec<(NodeId, usize, Vec<u8>)>,
    pub(crate) held: Vec<oneshot::Sender<Answer>>,
}

/// What becomes of a document's answer.
pub(crate) enum Word {
    Say(Answer),
    Drop,
    /// Kept until [`Site::release`].
    Hold,
}

/// How a site answers.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    pub(crate) documents: fn(&[u8]) -> Word,
    pub(crate) questions: fn(&[u8]) -> Option<Vec<u8>>,
    pub(crate) pairing: fn(usize, &[u8]) -> Option<Vec<u8>>,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            documents: |_| Word::Say(Answer::Accepted),
            questions: |question| Some(question.iter().rev().copied().collect()),
            pairing: |_, frame| Some([b"re: ", frame].concat()),
        }
    }
}

pub(crate) struct Site {
    pub(crate) network: Network,
    /// Where it listens; port 0 when nowhere.
    pub(crate) address: SocketAddr,
    /// Where it takes bulk connections.
    pub(crate) bulk: Option<SocketAddr>,
    seen: Arc<watch::Sender<Seen>>,
    /// Everything of the site runs on its own threads, so that it can be killed.
    runtime: Option<Runtime>,
}

pub(crate) fn config(seed: u8) -> NetworkConfig {
    let mut config = NetworkConfig::new(
        Zeroizing::new([seed; 32]),
        vec!["127.0.0.1:0".parse().unwrap()],
    );
    config.bulk_port = BulkPort::Number(0);
    config.limits = Limits {
        idle: Duration::from_secs(4),
        heartbeat: Duration::from_millis(500),
        handshake: Duration::from_secs(3),
        backoff_first: Duration::from_millis(100),
        backoff_last: Duration::from_millis(500),
        bulk_patience: Duration::from_secs(1),
        stall: Duration::from_secs(3),
        memory_max: u64::MAX,
        ..Limits::default()
    };
    config
}

impl Site {
    pub(crate) async fn start(config: NetworkConfig) -> Self {
        Self::with_manners(config, Manners::default()).await
    }

    pub(crate) async fn with_manners(config: NetworkConfig, manners: Manners) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .unwrap();
        let started = runtime
            .spawn(async { Network::start(config) })
            .await
            .unwrap()
            .unwrap();
        let Started {
            network,
            mut events,
            listening,
            bulk,
        } = started;
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let told = seen.clone();
        runtime.spawn(async move {
            while let Some(event) = events.recv().await {
                told.send_modify(|seen| note(seen, event, manners));
            }
        });
        Self {
            network,
            address: listening.first().copied().unwrap_or(NOWHERE),
            bulk: bulk.first().copied(),
            seen,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn node(&self) -> NodeId {
        self.network.local()
    }

    /// This site as a member to be dialed.
    pub(crate) fn member(&self) -> Member {
        Member {
            node: self.node(),
            addresses: vec![self.address.into()],
            outbound: true,
        }
    }

    /// This site as a member that calls.
    pub(crate) fn caller(&self) -> Member {
        Member {
            addresses: Vec::new(),
            outbound: false,
            ..self.member()
        }
    }

    /// Waits until what happened satisfies `condition`.
    pub(crate) async fn until(&self, what: &str, condition: impl FnMut(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        let reached = timeout(DEADLINE, seen.wait_for(condition)).await;
        assert!(
            reached.is_ok_and(|seen| seen.is_ok()),
            "did not happen: {what}; {:?}",
            self.network.status()
        );
    }

    /// Gives every held document this answer.
    pub(crate) fn release(&self, word: Answer) {
        self.seen.send_modify(|seen| {
            for answer in seen.held.drain(..) {
                answer.send(word).ok();
            }
        });
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.borrow())
    }

    pub(crate) async fn until_connected(&self, other: &Self) {
        let node = other.node();
        self.until("connected", |seen| {
            seen.connected.iter().any(|(who, _)| *who == node)
        })
        .await;
    }

    pub(crate) async fn until_connected_again(&self, other: &Self, times: usize) {
        let node = other.node();
        let count = |seen: &Seen| {
            seen.connected
                .iter()
                .filter(|(who, _)| *who == node)
                .count()
        };
        self.until("connected again", |seen| count(seen) >= times)
            .await;
    }

    /// Waits until the status of `other` satisfies `condition`.
    pub(crate) async fn until_status(
        &self,
        other: NodeId,
        what: &str,
        condition: impl Fn(&PartnerStatus) -> bool,
    ) {
        let holds = || {
            self.status_of(other)
                .is_some_and(|status| condition(&status))
        };
        let reached = timeout(DEADLINE, async {
            while !holds() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(
            reached.await.is_ok(),
            "did not happen: {what}; {:?}",
            self.network.status()
        );
    }

    pub(crate) fn status_of(&self, other: NodeId) -> Option<PartnerStatus> {
        self.network
            .status()
            .into_iter()
            .find(|status| status.node == other)
    }

    /// Ends everything at once, without a goodbye. What it saw until its last moment can still be read.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Keeps a site from doing anything.
pub(crate) struct Frozen {
    _threads: Vec<std::sync::mpsc::SyncSender<()>>,
}

impl Site {
    /// Stops the site without closing anything, as a machine that hangs does. It goes on when the result is dropped.
    pub(crate) async fn freeze(&self) -> Frozen {
        let runtime = self.runtime.as_ref().unwrap();
        let asleep = Arc::new(AtomicUsize::new(0));
        let hold = |_| {
            let (thaw, thawed) = std::sync::mpsc::sync_channel::<()>(0);
            let asleep = asleep.clone();
            runtime.spawn(async move {
                asleep.fetch_add(1, Ordering::SeqCst);
                thawed.recv().ok();
            });
            thaw
        };
        let frozen = Frozen {
            _threads: (0..WORKERS).map(hold).collect(),
        };
        until("all threads sleep", || {
            asleep.load(Ordering::SeqCst) == WORKERS
        })
        .await;
        frozen
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
    }
}

fn note(seen: &mut Seen, event: NetworkEvent, manners: Manners) {
    match event {
        NetworkEvent::Connected { node, path } => seen.connected.push((node, path)),
        NetworkEvent::Disconnected { node, why } => seen.disconnected.push((node, why)),
        NetworkEvent::TurnedAway { .. } => {}
        NetworkEvent::Document {
            from,
            bytes,
            answer,
            ..
        } => {
            match (manners.documents)(&bytes) {
                Word::Say(word) => drop(answer.send(word).ok()),
                Word::Drop => drop(answer),
                Word::Hold => seen.held.push(answer),
            }
            seen.documents.push((from, bytes));
        }
        NetworkEvent::Sync {
            request, answer, ..
        }
        | NetworkEvent::Ready {
            said: request,
            answer,
            ..
        } => {
            if let Some(word) = (manners.questions)(&request) {
                answer.send(word).ok();
            }
            seen.questions.push(request);
        }
        NetworkEvent::Pairing {
            from,
            turn,
            frame,
            reply,
        } => {
            if let Some(word) = (manners.pairing)(turn, &frame) {
                reply.send(word).ok();
            }
            seen.pairings.push((from, turn, frame));
        }
    }
}

/// Two sites that list each other; the first dials.
pub(crate) async fn pair_of_sites(first: NetworkConfig, second: NetworkConfig) -> (Site, Site) {
    let (first, second) = (Site::start(first).await, Site::start(second).await);
    second.network.set_members(vec![first.caller()]).await;
    first.network.set_members(vec![second.member()]).await;
    first.until_connected(&second).await;
    second.until_connected(&first).await;
    (first, second)
}

/// Starts a killed site again on its port; a killed runtime's sockets close a moment after it.
pub(crate) async fn restart(config: NetworkConfig) -> Site {
    let address = config.listen[0];
    let freed = timeout(DEADLINE, async {
        while TcpListener::bind(address).is_err() || UdpSocket::bind(address).is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(freed.await.is_ok(), "{address} is not free");
    Site::start(config).await
}

/// Waits until `condition` holds, for what nobody is told of.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let reached = timeout(DEADLINE, async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(reached.await.is_ok(), "did not happen: {what}");
}
