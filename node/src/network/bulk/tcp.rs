//! Bulk data by TCP with TLS 1.3, where UDP is blocked and on lines so fast and clean that QUIC costs too much: one
//! connection for each stream.
//!
//! Whoever calls says first what the stream is for, one byte: 1, the caller fetches; 2, it brings a stream that it was
//! asked for, and the question's number (u64, big-endian) follows.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::CommonState;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tokio_util::sync::CancellationToken;

use super::Bulk;
use super::door::Knock;
use super::identity::{ALPN, NAME, node_behind};
use super::ports::hasten;
use crate::network::limits::ACCEPT_PAUSE;
use crate::network::partners::Partner;
use crate::network::peers::peer_of;
use crate::network::status::BulkWay;
use crate::network::streams::{BoxStream, Ending};

/// The caller fetches.
const FETCHES: u8 = 1;
/// The caller brings a stream, and serves.
const BRINGS: u8 = 2;

impl Bulk {
    /// Lets in those who call.
    pub(super) async fn accept_tcp(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => match self.door.knock(from.ip()) {
                    Ok(knock) => self.spawn(self.clone().welcome_tcp(stream, from, knock)),
                    Err(closed) => self.door.turn_away(from.ip(), closed),
                },
                // No descriptors are left, most likely: others close some.
                Err(error) => {
                    tracing::warn!(kind = %error.kind(), "a bulk connection was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn welcome_tcp(self, stream: TcpStream, from: SocketAddr, knock: Knock) {
        hasten(&stream);
        let greeting = async {
            let acceptor = TlsAcceptor::from(Arc::clone(&self.tls));
            let mut tls = acceptor.accept(stream).await?;
            speaks_ours(tls.get_ref().1)?;
            let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
            let (partner, ended) = match self.door.admit(node_behind(chain)) {
                Ok(admitted) => admitted,
                Err(closed) => {
                    self.door.turn_away(from.ip(), closed);
                    return Err(io::Error::other(closed));
                }
            };
            let purpose = match tls.read_u8().await? {
                FETCHES => None,
                BRINGS => Some(tls.read_u64().await?),
                _ => return Err(io::ErrorKind::InvalidData.into()),
            };
            Ok((partner, ended, purpose, TlsStream::from(tls)))
        };
        let greeted = timeout(self.limits.handshake, greeting).await;
        drop(knock);
        let Ok(Ok((partner, ended, purpose, tls))) = greeted else {
            return;
        };
        let stream = boxed(tls, &ended);
        match purpose {
            Some(number) => partner.lines.brings(number, stream),
            None => {
                if let Ok(_room) = Arc::clone(&partner.lines.room).try_acquire_owned() {
                    partner.lines.goes(BulkWay::Tcp);
                    self.service.clone().serve(stream, partner).await;
                }
            }
        }
    }

    /// Calls `partner` for a stream to fetch over. Takes as long as its caller lets it.
    pub(super) async fn dial_tcp(
        &self,
        partner: &Partner,
        address: SocketAddr,
    ) -> io::Result<BoxStream> {
        self.call(partner, address, &[FETCHES]).await
    }

    /// Brings `partner` a stream that it asked for, and serves on it.
    pub(super) async fn bring(
        &self,
        partner: Arc<Partner>,
        address: SocketAddr,
        number: u64,
    ) -> io::Result<()> {
        let mut said = [BRINGS; 9];
        said[1..].copy_from_slice(&number.to_be_bytes());
        let calling = self.call(&partner, address, &said);
        let stream = timeout(self.patience(&partner), calling).await??;
        partner.lines.goes(BulkWay::Tcp);
        self.service.clone().serve(stream, partner).await;
        Ok(())
    }

    async fn call(
        &self,
        partner: &Partner,
        address: SocketAddr,
        said: &[u8],
    ) -> io::Result<BoxStream> {
        let admitted = self.door.admit(Some(partner.node));
        let (_, ended) = admitted.map_err(io::Error::other)?;
        let peer = peer_of(&partner.node).ok_or(io::ErrorKind::InvalidInput)?;
        let config = self.identity.client(peer).map_err(io::Error::other)?;
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let stream = TcpStream::connect(address).await?;
        hasten(&stream);
        let connector = TlsConnector::from(Arc::new(config));
        let mut tls = connector.connect(name, stream).await?;
        speaks_ours(tls.get_ref().1)?;
        tls.write_all(said).await?;
        tls.flush().await?;
        Ok(boxed(TlsStream::from(tls), &ended))
    }
}

fn boxed(tls: TlsStream<TcpStream>, ended: &CancellationToken) -> BoxStream {
    Box::new(Ending::new(tls.compat(), ended))
}

/// Over TCP a caller that names no protocol is let in by TLS.
fn speaks_ours(tls: &CommonState) -> io::Result<()> {
    if tls.alpn_protocol() == Some(ALPN) {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
