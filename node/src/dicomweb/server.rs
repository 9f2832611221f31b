//! The listener: bounded connections, TLS when there is some, one request after the other on each.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Web;
use super::client::counted_as;
use super::limits::{
    CONNECTION_BUFFER, CONNECTIONS, CONNECTIONS_OF_ONE, GOODBYE_TIME, HANDSHAKE_TIME, HEAD_BYTES,
    HEAD_TIME, HEADERS,
};
use super::origin::Hosts;
use super::stream::Guarded;
use crate::config::web::{Web as WebConfig, WebTls};
use crate::language::{Explain as _, Failure};
use crate::say;
use crate::tls::{self, Identity, Pinned};

/// Pause after the system refused a connection for lack of descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// A running web server.
pub struct WebServer {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The SHA-256 of its certificate.
    pub fingerprint: Option<[u8; 32]>,
}

impl WebServer {
    /// Listens as configured; `folder` is where relative file names of the configuration begin, `pinned` says whose
    /// certificates are known.
    ///
    /// # Errors
    /// One sentence.
    pub fn start(
        config: &WebConfig,
        listen: SocketAddr,
        folder: &Path,
        pinned: Pinned,
        web: impl FnOnce(Hosts) -> Web,
    ) -> Result<WebServer, Failure> {
        let tls = config.tls.as_ref();
        let tls = tls.map(|tls| acceptor(tls, folder, pinned)).transpose()?;
        let cannot = |error: std::io::Error| {
            Failure::new(
                "web-listen",
                say!(
                    "[web] の listen（{listen}）で待ち受けできません（{why}）。別のポートにするか、\"off\" にしてください。",
                    "The node cannot listen at {listen} for the web ({why}). Name another port under [web], or \"off\".";
                    why = error.message()
                ),
            )
        };
        let listener = StdListener::bind(listen).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let listener = TcpListener::from_std(listener).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let stop = CancellationToken::new();
        let accepting = Accepting {
            listener,
            tls,
            web: Arc::new(web(Hosts::new(config, address))),
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            of_one: OfOne::default(),
            stop: stop.clone(),
        };
        let ended = tokio::spawn(accepting.run());
        Ok(WebServer {
            address,
            stop,
            ended,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: no new connection, and answers under way end or are cut off.
    pub async fn stop(self) {
        self.stop.cancel();
        // A server that failed has nothing left to stop.
        let _ = self.ended.await;
    }
}

fn acceptor(tls: &WebTls, folder: &Path, pinned: Pinned) -> Result<TlsAcceptor, Failure> {
    let identity = Identity::read(&folder.join(&tls.certificate), &folder.join(&tls.key))?;
    let authority = tls.client_ca.as_ref().map(|file| folder.join(file));
    tls::server(&identity, authority.as_deref(), pinned).map(TlsAcceptor::from)
}

struct Accepting {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    web: Arc<Web>,
    places: Arc<Semaphore>,
    of_one: OfOne,
    stop: CancellationToken,
}

impl Accepting {
    async fn run(self) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.accept() => accepted,
            };
            let Some((stream, peer, place)) = accepted else {
                continue;
            };
            let Some(count) = self.of_one.count(counted_as(peer.ip())) else {
                tracing::warn!(target: "dokuei::web", from = %peer.ip(), "too many connections from one address");
                continue;
            };
            // Answers are small or streamed in large pieces: nothing gains from waiting.
            let _ = stream.set_nodelay(true);
            let (web, tls, stop) = (Arc::clone(&self.web), self.tls.clone(), self.stop.clone());
            connections.spawn(async move {
                connection(web, tls, stream, peer, stop).await;
                drop((count, place));
            });
        }
        drop(self.listener);
        let ending = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GOODBYE_TIME, ending).await.is_err() {
            connections.shutdown().await;
        }
    }

    async fn accept(&self) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, peer)) => Some((stream, peer, place)),
            Err(_) => {
                tokio::time::sleep(BREATH).await;
                None
            }
        }
    }
}

async fn connection(
    web: Arc<Web>,
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: CancellationToken,
) {
    let address = peer.ip().to_canonical();
    let Some(tls) = tls else {
        let peer = Peer {
            address,
            fingerprint: None,
        };
        return requests(web, stream, peer, stop).await;
    };
    let handshake = tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await;
    match handshake {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let first = certificates.and_then(<[_]>::first);
            let peer = Peer {
                address,
                fingerprint: first.map(tls::fingerprint),
            };
            requests(web, stream, peer, stop).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(target: "dokuei::web", from = %address, "no TLS: {error}");
        }
        Err(_) => {}
    }
}

async fn requests<S>(web: Arc<Web>, stream: S, peer: Peer, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let web = Arc::clone(&web);
        async move { Ok::<_, Infallible>(web.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .max_buf_size(CONNECTION_BUFFER)
        .serve_connection(TokioIo::new(Guarded::new(stream)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "dokuei::web", from = %peer.address, "a connection ended: {error}");
    }
}

/// Connections by address.
#[derive(Clone, Default)]
struct OfOne(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One connection of an address, until it is dropped.
struct Counted(OfOne, IpAddr);

impl OfOne {
    fn count(&self, address: IpAddr) -> Option<Counted> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= CONNECTIONS_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Counted(self.clone(), address))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}
