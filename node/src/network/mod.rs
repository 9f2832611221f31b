//! The only room that speaks to other nodes. It carries bytes between members and decides nothing about cases.
//!
//! Connections are QUIC, or TCP with TLS 1.3 where UDP is blocked, both with mutual authentication under the node's
//! Ed25519 key. Who is not on the allow-list is turned away when TLS has proved its key, before any protocol of ours
//! is spoken. Five protocols exist: [`documents`], [`sync`] with `ready`, [`parcels`] and, while an operator pairs, [`pairing`].
//! Deliberately absent: discovery, relaying, gossip, and any protocol by which a node describes itself.
//!
//! One task runs the swarm ([`swarm`]) and awaits nothing else; each stream has a task of its own; all queues are
//! bounded, and a full one makes its sender wait or hands the item back.

mod address;
mod arrivals;
mod behaviour;
mod bucket;
mod bulk;
mod connections;
mod dialing;
mod documents;
mod error;
mod events;
mod frames;
mod gate;
#[cfg(test)]
mod hostile;
pub mod limits;
mod listen;
mod memory;
mod meter;
mod pace;
mod pairing;
mod parcels;
mod partners;
mod peers;
mod status;
mod streams;
mod swarm;
mod sync;

use std::ffi::OsStr;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::identity::Keypair;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

pub use self::address::{Address, NotAnAddress};
pub use self::bulk::BulkPort;
pub use self::error::{FetchError, PairError, SendError, StartError, SyncError};
pub use self::events::{Answer, NetworkEvent};
pub use self::limits::Limits;
pub use self::memory::resident_bytes;
pub(crate) use self::meter::Meter;
pub use self::pace::Cap;
pub use self::pairing::PairingConversation;
pub use self::parcels::{
    Fetched, ParcelSink, ParcelSource, Part, RangeBody, RangeOutcome, RangeRequest, Ranges, Refusal,
};
pub use self::status::{BulkStatus, BulkWay, PartnerStatus, Path, Transport};
pub use dokuei_keys::id::NodeId;

use self::arrivals::Arrivals;
use self::bulk::{Bulk, BulkParts};
use self::documents::Outgoing;
use self::gate::Gate;
use self::memory::Memory;
use self::pace::Pace;
use self::pairing::HangUp;
use self::parcels::Service;
use self::partners::Partners;
use self::streams::{Protocol, Streams};
use self::swarm::{Command, Engine, Parts};

/// What a network is started with.
pub struct NetworkConfig {
    /// The node's Ed25519 seed.
    pub seed: Zeroizing<[u8; 32]>,
    /// Where to listen, UDP and TCP under the same numbers; port 0 takes a free one. May be empty: a node that only
    /// dials needs no open port.
    pub listen: Vec<SocketAddr>,
    /// Where bulk connections are taken, UDP and TCP under one number, on the addresses of `listen`.
    pub bulk_port: BulkPort,
    /// How much of the line bulk data may take to leave, at which hours.
    pub caps: Vec<Cap>,
    /// Whether to listen and dial by QUIC.
    pub quic: bool,
    /// Whether to listen and dial by TCP.
    pub tcp: bool,
    /// What members may fetch; `None` serves nothing.
    pub parcels: Option<Arc<dyn ParcelSource>>,
    /// Times and sizes.
    pub limits: Limits,
}

impl NetworkConfig {
    /// Both transports, nothing to serve, the usual limits.
    #[must_use]
    pub fn new(seed: Zeroizing<[u8; 32]>, listen: Vec<SocketAddr>) -> Self {
        Self {
            seed,
            listen,
            bulk_port: BulkPort::default(),
            caps: Vec::new(),
            quic: true,
            tcp: true,
            parcels: None,
            limits: Limits::default(),
        }
    }
}

/// One entry of the allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who may connect.
    pub node: NodeId,
    /// Where it may be reached, at most 8 addresses.
    pub addresses: Vec<Address>,
    /// Whether this node dials it; otherwise it waits to be called.
    pub outbound: bool,
}

/// A running network. Clones are handles of the same; when the last is dropped, it stops.
#[derive(Clone)]
pub struct Network {
    local: NodeId,
    commands: mpsc::Sender<Command>,
    partners: Arc<Partners>,
    bulk: Option<Bulk>,
    pace: Arc<Pace>,
    limits: Limits,
}

/// What [`Network::start`] gives.
pub struct Started {
    /// The handle.
    pub network: Network,
    /// What happens. Must be read: a full channel makes partners wait.
    pub events: mpsc::Receiver<NetworkEvent>,
    /// Where it listens: the addresses asked for, with the ports that were found for 0.
    pub listening: Vec<SocketAddr>,
    /// Where it takes bulk connections.
    pub bulk: Vec<SocketAddr>,
}

impl Network {
    /// Starts listening and, once members are set, dialing. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    pub fn start(config: NetworkConfig) -> Result<Started, StartError> {
        refuse_key_log(std::env::var_os("SSLKEYLOGFILE").as_deref())?;
        let transports = offered(&config)?;
        let (keypair, local) = identity(&config.seed)?;
        let limits = config.limits;
        let partners = Arc::<Partners>::default();
        let gate = Arc::<Mutex<Gate>>::default();
        let (events_in, events) = mpsc::channel(limits::EVENTS);
        let (commands, commands_out) = mpsc::channel(limits::COMMANDS);
        let stopping = CancellationToken::new();
        let unless_started = stopping.clone().drop_guard();
        let service = service(config.parcels, config.caps, &limits);
        let pace = Arc::clone(&service.pace);
        let parts = BulkParts {
            keypair: &keypair,
            listen: &config.listen,
            port: config.bulk_port,
            transports: transports.clone(),
            gate: gate.clone(),
            partners: partners.clone(),
            events: events_in.clone(),
            service: service.clone(),
            stopping: stopping.clone(),
        };
        let bulk = Bulk::start(parts)?;
        let listening = listen::free_addresses(&config.listen, &transports)?;
        let arrivals = Arrivals {
            partners: partners.clone(),
            gate: gate.clone(),
            events: events_in.clone(),
            service,
            bulk: bulk.clone(),
            limits: limits.clone(),
            stopping: stopping.clone(),
        };
        let memory = Memory::new(limits.memory_max);
        let streams = Streams::new(gate.clone(), memory, arrivals.into_acceptor());
        let swarm = listen::swarm(&keypair, &limits, streams, &listening, &transports)?;
        let engine = Engine::new(Parts {
            swarm,
            local,
            bulk: bulk.clone(),
            gate,
            partners: partners.clone(),
            limits: limits.clone(),
            transports,
            listening: listening.clone(),
            commands: commands_out,
            events: events_in,
            stopping,
        });
        tokio::spawn(engine.run());
        unless_started.disarm();
        Ok(Started {
            bulk: bulk.iter().flat_map(Bulk::addresses).copied().collect(),
            network: Self {
                local,
                commands,
                partners,
                bulk,
                pace,
                limits,
            },
            events,
            listening,
        })
    }

    /// This node's own id.
    #[must_use]
    pub fn local(&self) -> NodeId {
        self.local
    }

    /// Replaces the allow-list. When this returns, connections of nodes no longer on it are being closed and none of
    /// them gets in any more. At most [`limits::MEMBERS_MAX`] count.
    pub async fn set_members(&self, members: Vec<Member>) {
        self.apply(|done| Command::SetMembers(members, done)).await;
    }

    /// Replaces the list of nodes that never get in: not as members, and not to pair. When this returns, their
    /// connections are being closed and none of them gets in any more.
    pub async fn bar(&self, nodes: Vec<NodeId>) {
        self.apply(|done| Command::SetBarred(nodes, done)).await;
    }

    /// Dials `node` now instead of waiting for its next turn: its address changed, or an operator asks.
    pub async fn nudge(&self, node: NodeId) {
        drop(self.commands.send(Command::Nudge(node)).await);
    }

    /// Hands a document over for delivery and returns its answer to be awaited. Documents to one node go out in the
    /// order of these calls, also across reconnections. Delivery is at least once: an error after sending means that
    /// it may have arrived. A dropped future gives the document up if it is not on its way.
    ///
    /// # Errors
    /// The future's: `NotConnected`, `Busy`, `NotAMember` and `TooLarge` before anything was sent; `Unanswered` after
    /// [`Limits::document_patience`].
    pub fn send_document(
        &self,
        node: NodeId,
        id: [u8; 32],
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<Answer, SendError>> + Send + use<> {
        let posted = self.post(node, id, bytes);
        async move { posted?.await.map_err(|_| SendError::Stopped)? }
    }

    fn post(
        &self,
        node: NodeId,
        id: [u8; 32],
        bytes: Vec<u8>,
    ) -> Result<oneshot::Receiver<Result<Answer, SendError>>, SendError> {
        if bytes.len() > limits::MESSAGE_MAX {
            return Err(SendError::TooLarge);
        }
        let partner = self.partners.find(&node).ok_or(SendError::NotAMember)?;
        if partner.connection().is_none() {
            return Err(SendError::NotConnected);
        }
        let (reply, answer) = oneshot::channel();
        let document = Outgoing {
            id,
            bytes,
            reply: Some(reply),
            give_up: Instant::now() + self.limits.document_patience,
        };
        partner
            .documents
            .try_send(document)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SendError::Busy,
                mpsc::error::TrySendError::Closed(_) => SendError::Stopped,
            })?;
        Ok(answer)
    }

    /// Asks `node` something; both question and answer have at most 64 KiB.
    ///
    /// # Errors
    /// See [`SyncError`].
    pub async fn sync(&self, node: NodeId, request: &[u8]) -> Result<Vec<u8>, SyncError> {
        let partner = self.partners.find(&node).ok_or(SyncError::NotAMember)?;
        sync::ask(&partner, Protocol::Sync, request, &self.limits).await
    }

    /// Says to `node` what it can fetch by now ahead of a grant, at most 64 KiB.
    ///
    /// # Errors
    /// See [`SyncError`]; it is refused by who does not want it.
    pub async fn tell_ready(&self, node: NodeId, ready: &[u8]) -> Result<(), SyncError> {
        let partner = self.partners.find(&node).ok_or(SyncError::NotAMember)?;
        let told = sync::ask(&partner, Protocol::Ready, ready, &self.limits);
        told.await.map(drop)
    }

    /// Fetches ranges from `node` over `streams` (1 to 8; 4 suit most lines) and writes them to `sink`, in any order
    /// between ranges. Uses about 3 MiB and one thread a stream. Nothing is written once this has returned; dropped,
    /// it stops soon.
    ///
    /// # Errors
    /// See [`FetchError`]. What the sink was given by then stays; ask for the rest.
    pub async fn fetch(
        &self,
        node: NodeId,
        ranges: impl Into<Ranges>,
        streams: usize,
        sink: Arc<dyn ParcelSink>,
    ) -> Result<Fetched, FetchError> {
        let partner = self.partners.find(&node).ok_or(FetchError::NotAMember)?;
        let link = partner.link().ok_or(FetchError::NotConnected)?;
        let (ranges, stall) = (ranges.into(), self.limits.stall);
        match &self.bulk {
            Some(bulk) => {
                let opener = bulk.opener(&partner, link).await;
                let using = opener.clone();
                let fetched = parcels::fetch(using, partner, ranges, streams, sink, stall).await;
                opener.ended(&fetched);
                fetched
            }
            None => {
                partner.lines.goes(BulkWay::Shared);
                parcels::fetch(link, partner, ranges, streams, sink, stall).await
            }
        }
    }

    /// Bytes a second that bulk data may take to leave at this hour, if there is a limit.
    #[must_use]
    pub fn cap(&self) -> Option<u64> {
        self.pace.cap()
    }

    /// Whether `node` is at the other end of a local line, where bytes cost less than the work of making them fewer.
    #[must_use]
    pub fn is_near(&self, node: &NodeId) -> bool {
        let partner = self.partners.find(node);
        let round_trip = partner.and_then(|partner| partner.round_trip());
        round_trip.is_some_and(|round_trip| round_trip < self.limits.near)
    }

    /// Lets strangers in for pairing, one at a time and ten in all, until then. A window open already is replaced.
    pub async fn open_pairing(&self, until: Instant) {
        self.apply(|done| Command::SetPairing(Some(until), done))
            .await;
    }

    /// Ends the window and the conversation in it: when this returns, nothing more is heard of it.
    pub async fn close_pairing(&self) {
        self.apply(|done| Command::SetPairing(None, done)).await;
    }

    /// Has the loop do something and waits until it is done. A network that stopped lets nobody in either.
    async fn apply(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, applied) = oneshot::channel();
        if self.commands.send(command(done)).await.is_ok() {
            drop(applied.await);
        }
    }

    /// Reaches a node whose key is not known yet, at the first of these addresses that answers. TLS proves its key:
    /// see [`PairingConversation::node`]. Whether it is the right one, the frames must show.
    ///
    /// # Errors
    /// See [`PairError`].
    pub async fn pair(&self, addresses: &[Address]) -> Result<PairingConversation, PairError> {
        let found = address::resolve_all(addresses).await;
        let (reply, reached) = oneshot::channel();
        let command = Command::Pair(found, reply);
        self.commands
            .send(command)
            .await
            .map_err(|_| PairError::Busy)?;
        let (link, path) = reached.await.map_err(|_| PairError::Busy)??;
        let hang_up = HangUp {
            link,
            commands: self.commands.clone(),
        };
        PairingConversation::start(hang_up, path).await
    }

    /// Every member with its path, by id.
    #[must_use]
    pub fn status(&self) -> Vec<PartnerStatus> {
        self.partners.status()
    }

    /// Says goodbye on every connection and returns when the ports are free again, at most 3 s later. All handles are
    /// of no use afterwards.
    pub async fn stop(&self) {
        self.apply(Command::Stop).await;
    }
}

/// TLS libraries write the keys of every connection to the file that SSLKEYLOGFILE names, and libp2p's configurations
/// honour it without a way to switch that off.
fn refuse_key_log(file: Option<&OsStr>) -> Result<(), StartError> {
    match file {
        Some(_) => Err(StartError::KeyLog),
        None => Ok(()),
    }
}

/// What serves bulk streams, all partners and all ways together.
fn service(source: Option<Arc<dyn ParcelSource>>, caps: Vec<Cap>, limits: &Limits) -> Service {
    Service {
        source,
        seats: Arc::new(Semaphore::new(limits.bulk_streams)),
        pace: Arc::new(Pace::new(caps)),
        limits: limits.clone(),
    }
}

/// The transports that are switched on.
fn offered(config: &NetworkConfig) -> Result<Vec<Transport>, StartError> {
    let offered = [(config.quic, Transport::Quic), (config.tcp, Transport::Tcp)];
    let on = offered.into_iter().filter(|(on, _)| *on);
    let transports: Vec<_> = on.map(|(_, transport)| transport).collect();
    if transports.is_empty() {
        return Err(StartError::NoTransport);
    }
    Ok(transports)
}

/// The key that TLS shows, and the node that it makes this one.
fn identity(seed: &Zeroizing<[u8; 32]>) -> Result<(Keypair, NodeId), StartError> {
    let keypair = peers::keypair(seed).map_err(|error| StartError::Identity(error.to_string()))?;
    let local = peers::node_of(&keypair.public().to_peer_id());
    let local = local.ok_or_else(|| StartError::Identity("not Ed25519".to_owned()))?;
    Ok((keypair, local))
}

/// Locks, also when another task panicked while it held the lock: every change under these locks is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_log_is_refused_in_words() {
        assert!(refuse_key_log(None).is_ok());
        let error = refuse_key_log(Some(OsStr::new("keys.txt")))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("SSLKEYLOGFILE") && error.contains("unset"),
            "{error}"
        );
    }
}
