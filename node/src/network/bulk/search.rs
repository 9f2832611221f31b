//! Looks for the way over which to fetch from a partner.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::pending;
use tokio::time::{Instant, sleep, timeout};

use super::Bulk;
use super::lines::Standing;
use super::question::{Question, Wish, ask};
use super::seat::Joined;
use super::way::order;
use crate::network::error::FetchError;
use crate::network::limits::{
    BULK_HEAD_START, BULK_PATIENCE_MAX, BULK_ROUND_TRIPS, STREAM_TIMEOUT,
};
use crate::network::lock;
use crate::network::parcels::{Fetched, OpenBulk};
use crate::network::partners::Partner;
use crate::network::status::BulkWay;
use crate::network::streams::{BoxStream, Link, Protocol};

/// Opens the streams of one fetch.
#[derive(Clone)]
pub(in crate::network) enum Opener {
    /// On the connection of libp2p.
    Shared(Link),
    Quic(Arc<Standing>),
    Tcp(TcpStreams),
}

/// Streams that are TCP connections of their own.
#[derive(Clone)]
pub(in crate::network) struct TcpStreams {
    bulk: Bulk,
    partner: Arc<Partner>,
    link: Link,
    /// Where to call; `None`: the partner is asked to bring each.
    address: Option<SocketAddr>,
    /// The one that showed that this way exists.
    first: Arc<Mutex<Option<BoxStream>>>,
}

impl Opener {
    /// A fetch over it ended so: what brought nothing any more may be dead without anybody knowing, and the next fetch
    /// looks again.
    pub(in crate::network) fn ended(&self, outcome: &Result<Fetched, FetchError>) {
        if let (Self::Quic(standing), Err(FetchError::Stalled)) = (self, outcome) {
            standing.doubt();
        }
    }
}

impl OpenBulk for Opener {
    async fn open_bulk(&self) -> io::Result<BoxStream> {
        match self {
            Self::Shared(link) => link.open(Protocol::Parcels).await,
            Self::Quic(standing) => {
                let opened = timeout(STREAM_TIMEOUT, standing.connection.open_bi()).await??;
                Ok(Box::new(Joined::new(opened, &standing.uses)))
            }
            Self::Tcp(streams) => {
                let first = lock(&streams.first).take();
                match first {
                    Some(stream) => Ok(stream),
                    None => timeout(STREAM_TIMEOUT, streams.open()).await?,
                }
            }
        }
    }
}

impl TcpStreams {
    async fn open(&self) -> io::Result<BoxStream> {
        match self.address {
            Some(address) => self.bulk.dial_tcp(&self.partner, address).await,
            None => {
                let mut awaited = self.partner.lines.expect();
                let wish = Wish::Stream(awaited.number);
                self.bulk.ask(&self.link, wish).await?;
                let stream = (&mut awaited.stream).await;
                stream.map_err(|_| io::ErrorKind::NotConnected.into())
            }
        }
    }
}

impl Bulk {
    /// The best way that comes about in time. What failed over this connection of libp2p is left alone for a while.
    pub(in crate::network) async fn opener(&self, partner: &Arc<Partner>, link: Link) -> Opener {
        let lines = &partner.lines;
        let _search = lines.search.lock().await;
        let failed = |way| lines.failed(way, link.connection, Instant::now());
        let hopeless = [BulkWay::Quic, BulkWay::Tcp].into_iter().all(failed);
        if let Some(path) = partner.path().filter(|_| !hopeless) {
            let round_trip = match partner.round_trip() {
                Some(time) => Some(time),
                None => self.measured(&link).await,
            };
            let ways = order(path, round_trip, self.limits.near, &self.transports);
            for way in ways {
                if failed(way) {
                    continue;
                }
                let ip = path.remote.ip().to_canonical();
                let finding = Box::pin(self.find(way, partner, &link, ip));
                if let Ok(Ok(opener)) = timeout(self.patience(partner), finding).await {
                    lines.goes(way);
                    return opener;
                }
                tracing::info!(node = ?partner.node, ?way, "no bulk connection this way");
                lines.fails(way, link.connection, Instant::now());
            }
        }
        lines.goes(BulkWay::Shared);
        Opener::Shared(link)
    }

    async fn find(
        &self,
        way: BulkWay,
        partner: &Arc<Partner>,
        link: &Link,
        ip: IpAddr,
    ) -> io::Result<Opener> {
        match way {
            BulkWay::Shared => Ok(Opener::Shared(link.clone())),
            BulkWay::Quic => match partner.lines.standing(link.connection) {
                Some(standing) => Ok(Opener::Quic(standing)),
                None => self.connect(partner, link, ip).await.map(Opener::Quic),
            },
            BulkWay::Tcp => self.streams(partner, link, ip).await.map(Opener::Tcp),
        }
    }

    /// Both sides dial; the first connection that stands is taken.
    async fn connect(
        &self,
        partner: &Arc<Partner>,
        link: &Link,
        ip: IpAddr,
    ) -> io::Result<Arc<Standing>> {
        let made = partner.lines.made();
        let port = self.ask(link, Wish::Connection).await?;
        let address = port.map(|port| SocketAddr::new(ip, port));
        let dial = self
            .clone()
            .dial_unless(Arc::clone(partner), made, link.clone(), address);
        // A task of its own: given up when the other side's stands first, it could take along a connection that the
        // other side uses already.
        let dial = tokio::spawn(dial);
        let dialing = async {
            match dial.await {
                Ok(Ok(standing)) => Ok(standing),
                // The other side's dial may still come.
                Ok(Err(_)) | Err(_) if self.port.is_some() => pending().await,
                Ok(Err(error)) => Err(error),
                Err(_) => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        tokio::select! {
            biased;
            standing = partner.lines.made_after(made) => Ok(standing),
            dialed = dialing => dialed,
        }
    }

    /// Dials `address` when it is this side's turn, unless another connection than the `made` ones stands by then.
    async fn dial_unless(
        self,
        partner: Arc<Partner>,
        made: u64,
        link: Link,
        address: Option<SocketAddr>,
    ) -> io::Result<Arc<Standing>> {
        let address = address.ok_or(io::ErrorKind::NotConnected)?;
        head_start(link.dialed).await;
        if partner.lines.made() != made {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let dialing = self.dial_quic(&partner, address, link.connection);
        timeout(self.patience(&partner), dialing).await?
    }

    /// One side dials, as it worked last, else whichever made the connection of libp2p; the other if that fails.
    async fn streams(
        &self,
        partner: &Arc<Partner>,
        link: &Link,
        ip: IpAddr,
    ) -> io::Result<TcpStreams> {
        let port = self.ask(link, Wish::Where).await?;
        let brought = partner.lines.brought().unwrap_or(!link.dialed);
        for brought in [brought, !brought] {
            let address = match port {
                _ if brought && self.port.is_none() => continue,
                _ if brought => None,
                Some(port) => Some(SocketAddr::new(ip, port)),
                None => continue,
            };
            let streams = TcpStreams {
                bulk: self.clone(),
                partner: Arc::clone(partner),
                link: link.clone(),
                address,
                first: Arc::default(),
            };
            if let Ok(Ok(first)) = timeout(self.patience(partner) / 2, streams.open()).await {
                *lock(&streams.first) = Some(first);
                partner.lines.set_brought(brought);
                return Ok(streams);
            }
        }
        Err(io::ErrorKind::NotConnected.into())
    }

    /// How long a connection may take: a stated time, and longer over a long way.
    pub(super) fn patience(&self, partner: &Partner) -> Duration {
        let round_trip = partner.round_trip().unwrap_or_default();
        let long = round_trip.saturating_mul(BULK_ROUND_TRIPS);
        self.limits.bulk_patience.max(long.min(BULK_PATIENCE_MAX))
    }

    /// How long a question and its answer take: a round trip, and no less.
    async fn measured(&self, link: &Link) -> Option<Duration> {
        let stream = link.open(Protocol::Bulk);
        let stream = timeout(self.limits.bulk_patience, stream)
            .await
            .ok()?
            .ok()?;
        let asked = Instant::now();
        let question = Question {
            wish: Wish::Where,
            port: self.port,
        };
        let answered = timeout(self.limits.bulk_patience, ask(stream, question)).await;
        answered.ok()?.ok()?;
        Some(asked.elapsed())
    }

    async fn ask(&self, link: &Link, wish: Wish) -> io::Result<Option<u16>> {
        let question = Question {
            wish,
            port: self.port,
        };
        ask(link.open(Protocol::Bulk).await?, question).await
    }
}

/// Whoever made the connection of libp2p dials at once; the other most likely cannot, and waits a moment.
pub(super) async fn head_start(dialed: bool) {
    if !dialed {
        sleep(BULK_HEAD_START).await;
    }
}
