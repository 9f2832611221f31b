//! The swarm's loop: translates swarm events, commands and reports into calls of [`Dialing`] and [`Connections`], and
//! their answers back into swarm calls. It awaits nothing but its `select!`.

mod members;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dokuei_keys::id::NodeId;
use futures::StreamExt;
use libp2p::Swarm;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::trouble::{closing_trouble, dial_trouble};
use super::address::resolve_all;
use super::behaviour::{Behaviour, BehaviourEvent};
use super::bulk::Bulk;
use super::connections::Connections;
use super::dialing::{Attempt, Dialing};
use super::documents::{DocumentStream, greet};
use super::error::PairError;
use super::events::NetworkEvent;
use super::gate::{Gate, Standing};
use super::limits::{Limits, PAIRING_CONVERSATIONS, STOP_DEADLINE};
use super::listen::can_listen;
use super::partners::Partners;
use super::peers::{multiaddr, path_of, peer_of};
use super::status::{Path, Transport};
use super::streams::Link;
use super::{Member, lock};
use crate::language::Message;
use crate::say;

/// The loop sleeps at most so long; every earlier need is a timer of its own.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How often a stop looks whether the ports are free.
const STOP_LOOK: Duration = Duration::from_millis(10);

/// What callers want of the loop.
pub(super) enum Command {
    SetMembers(Vec<Member>, oneshot::Sender<()>),
    SetBarred(Vec<NodeId>, oneshot::Sender<()>),
    Nudge(NodeId),
    /// Opens the pairing window until then, or closes it.
    SetPairing(Option<Instant>, oneshot::Sender<()>),
    Pair(
        Vec<SocketAddr>,
        oneshot::Sender<Result<(Link, Path), PairError>>,
    ),
    Close(ConnectionId),
    Stop(oneshot::Sender<()>),
}

/// What tasks tell the loop.
pub(super) enum Report {
    /// The names of a member were resolved.
    Resolved(NodeId, Vec<SocketAddr>),
    /// A member greeted us back.
    Greeted(DocumentStream),
    /// A connection was not greeted. One that somebody else made to pair anew does not speak our protocols: it is
    /// left alone.
    Ungreeted {
        connection: ConnectionId,
        may_pair: bool,
    },
    /// A ping on a connection is not answered.
    Silent(ConnectionId),
    /// The documents stream of a connection failed.
    Broken {
        connection: ConnectionId,
        why: Message,
    },
}

/// A search for a node to pair with, one address after the other.
struct PairDial {
    candidates: Vec<(SocketAddr, Transport)>,
    reply: oneshot::Sender<Result<(Link, Path), PairError>>,
}

/// The loop's state.
pub(super) struct Engine {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) local: NodeId,
    pub(super) bulk: Option<Bulk>,
    pub(super) gate: Arc<Mutex<Gate>>,
    pub(super) partners: Arc<Partners>,
    pub(super) limits: Limits,
    pub(super) transports: Vec<Transport>,
    pub(super) listening: Vec<SocketAddr>,
    pub(super) dialing: Dialing,
    pub(super) connections: Connections,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) reporter: mpsc::Sender<Report>,
    pub(super) events: mpsc::Sender<NetworkEvent>,
    pub(super) stopping: CancellationToken,
    /// Told to the node's loop when it has room: the latest of each node.
    pub(super) untold: BTreeMap<NodeId, NetworkEvent>,
    /// Those last told, or about to be told, to be connected.
    pub(super) connected: BTreeSet<NodeId>,
    pairs: BTreeMap<ConnectionId, PairDial>,
}

/// What an engine is made of.
pub(super) struct Parts {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) local: NodeId,
    pub(super) bulk: Option<Bulk>,
    pub(super) gate: Arc<Mutex<Gate>>,
    pub(super) partners: Arc<Partners>,
    pub(super) limits: Limits,
    pub(super) transports: Vec<Transport>,
    pub(super) listening: Vec<SocketAddr>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<NetworkEvent>,
    pub(super) stopping: CancellationToken,
}

impl Engine {
    pub(super) fn new(parts: Parts) -> Self {
        let (reporter, reports) = mpsc::channel(super::limits::COMMANDS);
        Self {
            swarm: parts.swarm,
            local: parts.local,
            bulk: parts.bulk,
            gate: parts.gate,
            partners: parts.partners,
            dialing: Dialing::new(parts.transports.clone(), &parts.limits),
            limits: parts.limits,
            transports: parts.transports,
            listening: parts.listening,
            connections: Connections::new(parts.local),
            commands: parts.commands,
            reports,
            reporter,
            events: parts.events,
            stopping: parts.stopping,
            untold: BTreeMap::new(),
            connected: BTreeSet::new(),
            pairs: BTreeMap::new(),
        }
    }

    /// Runs until stopped or until no handle is left.
    pub(super) async fn run(mut self) {
        let events = self.events.clone();
        let told = loop {
            let wake = self.on_time(Instant::now());
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = self.commands.recv() => match command {
                    Some(Command::Stop(reply)) => break Some(reply),
                    Some(command) => self.on_command(command),
                    None => break None,
                },
                Some(report) = self.reports.recv() => self.on_report(report),
                permit = events.reserve(), if !self.untold.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some((_, event)) = self.untold.pop_first() {
                            permit.send(event);
                        }
                    }
                    // The node's loop is gone: nobody is left to work for.
                    Err(_) => break None,
                },
                () = sleep_until(wake) => {}
            }
        };
        self.stop().await;
        if let Some(told) = told {
            let _ = told.send(());
        }
    }

    /// Does what is due and returns when to look again.
    fn on_time(&mut self, now: Instant) -> Instant {
        for (node, addresses) in self.dialing.due(now) {
            let reporter = self.reporter.clone();
            tokio::spawn(async move {
                let found = resolve_all(&addresses).await;
                drop(reporter.send(Report::Resolved(node, found)).await);
            });
        }
        for connection in self.connections.due(now) {
            self.close(
                connection,
                &say!("接続の手続きが時間切れになりました", "its time was over"),
            );
        }
        let window = lock(&self.gate).window_until();
        if window.is_some_and(|until| until <= now) {
            self.close_window();
        }
        let needs = [
            self.dialing.next_due(),
            self.connections.next_due(),
            window.filter(|until| *until > now),
        ];
        needs
            .into_iter()
            .flatten()
            .fold(now + LONGEST_SLEEP, Instant::min)
    }

    fn on_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::SetMembers(members, done) => {
                self.set_members(members, now);
                let _ = done.send(());
            }
            Command::SetBarred(nodes, done) => {
                self.bar(nodes);
                let _ = done.send(());
            }
            Command::Nudge(node) => {
                self.dialing.nudge(&node, now);
                self.note_next_dial(node);
            }
            Command::SetPairing(until, done) => {
                self.close_window();
                if let Some(until) = until {
                    lock(&self.gate).open_window(until);
                }
                let _ = done.send(());
            }
            Command::Pair(_, reply) if self.pairs.len() >= PAIRING_CONVERSATIONS => {
                drop(reply.send(Err(PairError::Busy)));
            }
            Command::Pair(addresses, reply) => {
                let tries = self.transports.iter().rev();
                let candidates = tries
                    .flat_map(|transport| {
                        addresses.iter().rev().map(|address| (*address, *transport))
                    })
                    .collect();
                self.dial_to_pair(PairDial { candidates, reply });
            }
            Command::Close(connection) => self.close(
                connection,
                &say!("登録の手続きが終わりました", "the pairing is over"),
            ),
            Command::Stop(reply) => {
                let _ = reply.send(());
            }
        }
    }

    fn on_report(&mut self, report: Report) {
        let now = Instant::now();
        match report {
            Report::Resolved(node, addresses) => match self.dialing.resolved(node, addresses) {
                Some(attempt) => self.dial(attempt),
                None => {
                    self.dialing.unreachable(node, now, chance());
                    self.note_next_dial(node);
                }
            },
            Report::Greeted(stream) => self.greeted(stream, now),
            Report::Ungreeted { may_pair: true, .. } => {}
            Report::Ungreeted { connection, .. } => {
                let why = say!(
                    "相手のノードが応対しません。相手施設でこの施設の登録が有効か確認してください",
                    "the partner did not greet; it may not list this node"
                );
                self.close(connection, &why);
            }
            Report::Silent(connection) => self.suspect(connection, now),
            Report::Broken { connection, why } => self.close(connection, &why),
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::ConnectionEstablished {
                connection_id,
                endpoint,
                ..
            } => match path_of(&endpoint) {
                Some(path) => self.established(connection_id, path, now),
                None => {
                    self.swarm.close_connection(connection_id);
                }
            },
            SwarmEvent::ConnectionClosed {
                connection_id,
                cause,
                ..
            } => {
                self.closed(connection_id, &closing_trouble(cause.as_ref()), now);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => self.dial_failed(
                connection_id,
                peer_id.as_ref().and_then(super::peers::node_of),
                &error,
            ),
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                ..
            } => self.turned_away(&send_back_addr, &error),
            SwarmEvent::ListenerClosed { reason, .. } => {
                tracing::error!(?reason, "a listener closed")
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener failed once")
            }
            // Neither decides anything here; listed so that a new kind shows up at the next libp2p.
            SwarmEvent::Behaviour(_)
            | SwarmEvent::IncomingConnection { .. }
            | SwarmEvent::NewListenAddr { .. }
            | SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::Dialing { .. }
            | SwarmEvent::NewExternalAddrCandidate { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. }
            | SwarmEvent::NewExternalAddrOfPeer { .. } => {}
            other => tracing::warn!(?other, "swarm event of an unknown kind"),
        }
    }

    fn established(&mut self, connection: ConnectionId, path: Path, now: Instant) {
        let Some(link) = self.swarm.behaviour().streams.link(connection).cloned() else {
            return;
        };
        self.connections.opened(link.clone(), path, now);
        match link.standing {
            Standing::Member => {
                self.note_connections(link.node);
                self.dialing.established(&link.node, connection);
                self.greet(link);
            }
            Standing::Host => {
                if let Some(pair) = self.pairs.remove(&connection) {
                    drop(pair.reply.send(Ok((link, path))));
                }
            }
            Standing::Guest => {}
        }
    }

    fn greet(&self, link: Link) {
        let reporter = self.reporter.clone();
        tokio::spawn(async move {
            let report = match greet(&link).await {
                Ok(stream) => Report::Greeted(stream),
                Err(error) => Report::Ungreeted {
                    connection: link.connection,
                    may_pair: !link.dialed && error.kind() == std::io::ErrorKind::Unsupported,
                },
            };
            drop(reporter.send(report).await);
        });
    }

    fn dial(&mut self, attempt: Attempt) {
        let Some(peer) = peer_of(&attempt.node) else {
            return;
        };
        let addresses = attempt
            .addresses
            .iter()
            .map(|address| multiaddr(*address, attempt.transport))
            .collect();
        // TCP must not dial from its listening port: both sides dialing at once would meet in one half-made connection.
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(addresses);
        let options = match attempt.transport {
            Transport::Quic => options.build(),
            Transport::Tcp => options.allocate_new_port().build(),
        };
        let (node, connection) = (attempt.node, options.connection_id());
        self.dialing.began(attempt, connection);
        self.note_next_dial(node);
        if let Err(error) = self.swarm.dial(options) {
            self.dial_failed(connection, Some(node), &error);
        }
    }

    fn dial_failed(&mut self, connection: ConnectionId, node: Option<NodeId>, error: &DialError) {
        if let Some(pair) = self.pairs.remove(&connection) {
            self.dial_to_pair(pair);
        } else if let Some(node) = node {
            let next = self
                .dialing
                .dial_failed(node, connection, Instant::now(), chance());
            if let Some(partner) = self.partners.find(&node) {
                partner.set_trouble(dial_trouble(error));
            }
            self.note_next_dial(node);
            if let Some(attempt) = next {
                self.dial(attempt);
            }
        }
    }

    /// Dials the next candidate, or says that nobody answers.
    fn dial_to_pair(&mut self, mut pair: PairDial) {
        while let Some((address, transport)) = pair.candidates.pop() {
            if pair.reply.is_closed() {
                return;
            }
            let options = DialOpts::unknown_peer_id().address(multiaddr(address, transport));
            let options = match transport {
                Transport::Quic => options.build(),
                Transport::Tcp => options.allocate_new_port().build(),
            };
            let connection = options.connection_id();
            lock(&self.gate).expect_host(connection);
            if self.swarm.dial(options).is_ok() {
                self.pairs.insert(connection, pair);
                return;
            }
            lock(&self.gate).departed(connection);
        }
        drop(pair.reply.send(Err(PairError::Unreachable)));
    }

    fn close_window(&mut self) {
        let guests = lock(&self.gate).close_window();
        let why = say!("登録の受付時間が終わりました", "the pairing window closed");
        for connection in guests {
            self.close(connection, &why);
        }
    }

    /// Closes a connection. It counts as closed from now on: TCP may need minutes to give up a dead one.
    fn close(&mut self, connection: ConnectionId, why: &Message) {
        if self.swarm.close_connection(connection) {
            self.swarm.behaviour_mut().streams.forget(connection);
            self.closed(connection, why, Instant::now());
        }
    }

    /// Says goodbye to everybody, then waits until the ports are free: a node started again finds them so.
    async fn stop(mut self) {
        let deadline = Instant::now() + STOP_DEADLINE;
        self.stopping.cancel();
        let mut listening = self.listening;
        if let Some(bulk) = &self.bulk {
            bulk.stop();
            listening.extend(bulk.addresses());
        }
        for connection in self.connections.all() {
            self.swarm.close_connection(connection);
        }
        while self.swarm.connected_peers().next().is_some() {
            tokio::select! {
                event = self.swarm.select_next_some() => drop(event),
                () = sleep_until(deadline) => break,
            }
        }
        let transports = self.transports;
        drop(self.swarm);
        let free = || {
            listening
                .iter()
                .all(|address| can_listen(*address, &transports))
        };
        while !free() && Instant::now() < deadline {
            tokio::time::sleep(STOP_LOOK).await;
        }
    }
}

/// Chance for the waits between dials. Without a random source all wait the whole time.
fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}
