//! Accepts connections and gives each its thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::admission::{Admission, Admissions};
use super::association::{Door, serve};
use super::shared::{Ports, Shared};
use super::{Intake, Notice, ScpConfig, ScpError, Services};

/// Stack of an association's thread. The intake runs on it; only pages touched cost memory.
const STACK: usize = 2 * 1024 * 1024;

/// Pause after the system refused a connection for lack of descriptors or threads, so that the
/// listener does not spin until one is free again.
const BREATH: Duration = Duration::from_millis(100);

/// A running receiving side. Dropping it stops it.
pub struct Scp {
    local_addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    stopping: Arc<AtomicBool>,
    listeners: Vec<(SocketAddr, JoinHandle<()>)>,
}

impl Scp {
    /// Listen and serve associations until stopped; objects go to `intake`.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(config: ScpConfig, intake: Arc<dyn Intake>) -> Result<Self, ScpError> {
        Scp::serve(config, intake, Services::default())
    }

    /// The same, offering these services too.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn serve(
        config: ScpConfig,
        intake: Arc<dyn Intake>,
        services: Services,
    ) -> Result<Self, ScpError> {
        let (listener, local_addr) = bind(config.address)?;
        let tls = config.tls.as_ref().map(|door| bind(door.address));
        let tls = tls.transpose()?;
        let tls_addr = tls.as_ref().map(|(_, address)| *address);
        let stopping = Arc::new(AtomicBool::new(false));
        let ports = Ports {
            plain: local_addr.port(),
            tls: tls_addr.map(|address| address.port()),
        };
        let admissions = Admissions::new(config.limits);
        let shared = Shared::new(config, intake, services, Arc::clone(&stopping), ports);
        let shared = Arc::new(shared);
        // Dropped after a failure, it stops what has begun.
        let mut scp = Scp {
            local_addr,
            tls_addr,
            stopping,
            listeners: Vec::new(),
        };
        let doors = [Some((listener, local_addr)), tls];
        for ((listener, address), is_tls) in doors.into_iter().flatten().zip([false, true]) {
            let (shared, admissions) = (Arc::clone(&shared), Arc::clone(&admissions));
            let listener = thread::Builder::new()
                .name("dicom-listener".to_owned())
                .spawn(move || listen(&listener, is_tls, &admissions, &shared))
                .map_err(|source| ScpError::listening(address, source))?;
            scp.listeners.push((address, listener));
        }
        Ok(scp)
    }

    /// The address listened on, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address listened on for TLS, likewise.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_addr
    }

    /// Take no more associations, let objects under way finish within the limit, abort what is
    /// left and wait for every thread.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        for (address, listener) in &self.listeners {
            // A connection of our own wakes the listener out of `accept`.
            let wake = SocketAddr::new(reachable(address.ip()), address.port());
            while !listener.is_finished() && TcpStream::connect_timeout(&wake, BREATH).is_err() {
                thread::sleep(BREATH);
            }
        }
        for (_, listener) in self.listeners.drain(..) {
            // A panic in there has been reported by its own thread.
            let _panicked = listener.join();
        }
    }
}

impl Drop for Scp {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Listen on an address; answers it with the port that was taken.
fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ScpError> {
    let failed = |source| ScpError::listening(address, source);
    let listener = TcpListener::bind(address).map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}

/// An address that reaches a listener on `ip`.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        specific => specific,
    }
}

fn listen(
    listener: &TcpListener,
    is_tls: bool,
    admissions: &Arc<Admissions>,
    shared: &Arc<Shared>,
) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::Relaxed) {
            break;
        }
        let served =
            accepted.and_then(|(socket, peer)| take(socket, peer, is_tls, admissions, shared));
        // Finished threads need not be joined; dropping the handle frees what is left of them.
        threads.retain(|thread| !thread.is_finished());
        match served {
            Ok(Some(thread)) => threads.push(thread),
            Ok(None) => {}
            Err(why) if why.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(why) => {
                shared.announce(&Notice::Exhausted { why: &why });
                thread::sleep(BREATH);
            }
        }
    }
    admissions.empty(shared.config.limits.stopping);
    for thread in threads {
        // A panic in there has been reported by its own thread.
        let _panicked = thread.join();
    }
}

/// Find a place for a new connection and start its thread.
fn take(
    socket: TcpStream,
    peer: SocketAddr,
    is_tls: bool,
    admissions: &Arc<Admissions>,
    shared: &Arc<Shared>,
) -> std::io::Result<Option<JoinHandle<()>>> {
    let address = peer.ip().to_canonical();
    let (place, crowded) = match admissions.admit(&socket, address)? {
        Admission::Served(place) => (place, None),
        Admission::TurnedAway(place, per_address) => (place, Some(per_address)),
        Admission::Closed(per_address) => {
            shared.announce(&Notice::Crowded {
                address,
                per_address,
            });
            return Ok(None);
        }
    };
    if let Some(per_address) = crowded {
        shared.announce(&Notice::Crowded {
            address,
            per_address,
        });
    }
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("dicom-association".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            let door = match shared.config.tls.as_ref().filter(|_| is_tls) {
                Some(door) => Door::Tls(&door.config),
                None => Door::Plain,
            };
            serve(socket, peer, &place, crowded.is_some(), &shared, door);
        })
        .map(Some)
}
