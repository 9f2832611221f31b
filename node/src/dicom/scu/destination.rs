//! Where to send, as whom, and how long to wait.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ScuFault, Transcoding};
use crate::dicom::pdu::link::TcpLink;
use crate::dicom::pdu::watch::Watch;
use crate::dicom::pdu::{AeTitle, LinkFault, MinimumRate};
use crate::entities::Breaker;
use crate::tls::Client;

/// Addresses of one host name that are tried: an archive has one or two.
const ADDRESSES_TRIED: usize = 4;

/// An archive.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Its AE title.
    pub called_ae: AeTitle,
    /// Ours.
    pub calling_ae: AeTitle,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How it is called over TLS; without, it is called without.
    pub tls: Option<Client>,
    /// What is known of it: a dead one is not tried.
    pub breaker: Option<Arc<Breaker>>,
    /// Who brings objects into a transfer syntax that it takes; without, they go as they are kept or not at all.
    pub transcoding: Option<Arc<dyn Transcoding>>,
}

/// How long to wait for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TCP connection. Looking a host name up takes as long as the system's resolver lets
    /// it; an address needs none.
    pub connection: Duration,
    /// For the answer to the association request. Archives start a process for it.
    pub negotiation: Duration,
    /// While an object is being taken.
    pub rate: MinimumRate,
    /// For the response once an object is sent. Archives write to tape robots' caches.
    pub response: Duration,
    /// For the reply to a release, which nothing depends on.
    pub release: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connection: Duration::from_secs(10),
            negotiation: Duration::from_secs(30),
            rate: MinimumRate::default(),
            response: Duration::from_secs(120),
            release: Duration::from_secs(5),
        }
    }
}

impl Destination {
    /// The host's addresses, as many as are tried. It is not looked up while it is dead.
    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>, ScuFault> {
        if let Some(breaker) = &self.breaker {
            breaker.admit()?;
        }
        let found = self.look_up();
        if found.is_err() {
            self.missed();
        }
        found
    }

    fn look_up(&self) -> Result<Vec<SocketAddr>, ScuFault> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found = found.map_err(|source| ScuFault::NoSuchHost {
            host: self.host.clone(),
            source: Arc::new(source),
        })?;
        Ok(found.take(ADDRESSES_TRIED).collect())
    }

    /// Connect to the first of these addresses that answers.
    pub(super) fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpLink, ScuFault> {
        let unreachable = |source: io::Error| ScuFault::Unreachable {
            host: self.host.clone(),
            port: self.port,
            source: Arc::new(source),
        };
        let begun = Instant::now();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in addresses {
            let left = self.timeouts.connection.saturating_sub(begun.elapsed());
            if left.is_zero() {
                last = io::ErrorKind::TimedOut.into();
                break;
            }
            match TcpStream::connect_timeout(address, left) {
                Ok(socket) => {
                    if let Some(breaker) = &self.breaker {
                        breaker.reached();
                    }
                    return Ok(TcpLink::new(socket).map_err(LinkFault::Io)?);
                }
                Err(why) => last = why,
            }
        }
        self.missed();
        Err(unreachable(last))
    }

    fn missed(&self) {
        if let Some(breaker) = &self.breaker {
            breaker.missed(Instant::now());
        }
    }

    /// Agree on TLS where it is spoken, within `watch`.
    pub(super) fn protect(&self, link: &mut TcpLink, watch: &mut Watch) -> Result<(), LinkFault> {
        match &self.tls {
            Some(client) => link.begin_tls(client, watch),
            None => Ok(()),
        }
    }
}
