//! The bulk port: one number for UDP and TCP on every address where the node listens, and what a socket is told.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::network::error::StartError;
use crate::network::status::Transport;

/// Where bulk connections are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BulkPort {
    /// The number behind the first address of `listen`; a free one where that is 0, too.
    #[default]
    Next,
    /// This number; 0 takes a free one.
    Number(u16),
    /// No bulk connections at all: bulk data goes through the connections of libp2p.
    Off,
}

/// A free UDP port may be taken as TCP; one in thirty is, on a busy machine.
const FREE_PORT_TRIES: usize = 32;

/// What a UDP socket may hold: 40 ms at 100 MB/s. The system gives what it allows (`net.core.rmem_max`).
const UDP_BUFFER: usize = 4 * 1024 * 1024;

/// Connections that wait to be accepted: handshakes of a few partners at once.
const BACKLOG: i32 = 64;

/// The sockets of a node's bulk port.
#[derive(Default)]
pub(super) struct Ports {
    /// `None` for a node that listens nowhere.
    pub(super) number: Option<u16>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
}

impl Ports {
    /// Takes `wanted` on every address of `listen`, for each of `transports`.
    pub(super) fn take(
        listen: &[SocketAddr],
        wanted: BulkPort,
        transports: &[Transport],
    ) -> Result<Self, StartError> {
        let (Some(first), false) = (listen.first(), wanted == BulkPort::Off) else {
            return Ok(Self::default());
        };
        let number = match (wanted, first.port()) {
            (BulkPort::Number(number), _) => number,
            (_, 0) => 0,
            (_, port) => port.checked_add(1).unwrap_or(0),
        };
        let mut ips: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).collect();
        ips.sort_unstable();
        ips.dedup();
        if number != 0 {
            return Self::bind(&ips, number, transports);
        }
        let mut outcome = Self::bind(&ips, 0, transports);
        for _ in 1..FREE_PORT_TRIES {
            // A free port may be one that `listen` is about to take.
            let collides = |port| listen.iter().any(|address| Some(address.port()) == port);
            match &outcome {
                Ok(ports) if !collides(ports.number) => break,
                Ok(_) | Err(StartError::BulkPortUsed { .. }) => {
                    outcome = Self::bind(&ips, 0, transports);
                }
                Err(_) => break,
            }
        }
        outcome
    }

    fn bind(ips: &[IpAddr], number: u16, transports: &[Transport]) -> Result<Self, StartError> {
        let mut ports = Self {
            number: Some(number),
            ..Self::default()
        };
        for ip in ips {
            for transport in transports {
                let address = SocketAddr::new(*ip, ports.number.unwrap_or(number));
                let taken = match transport {
                    Transport::Quic => udp(address).map(|socket| {
                        let local = socket.local_addr();
                        ports.udp.push(socket);
                        local
                    }),
                    Transport::Tcp => tcp(address).map(|listener| {
                        let local = listener.local_addr();
                        ports.tcp.push(listener);
                        local
                    }),
                };
                let local = taken.and_then(|local| local);
                let local = local.map_err(|error| refused(address, *transport, error))?;
                ports.number = Some(local.port());
            }
            ports
                .addresses
                .push(SocketAddr::new(*ip, ports.number.unwrap_or(number)));
        }
        Ok(ports)
    }
}

fn refused(address: SocketAddr, transport: Transport, source: io::Error) -> StartError {
    if source.kind() == io::ErrorKind::AddrInUse {
        StartError::BulkPortUsed { address, transport }
    } else {
        StartError::Listen {
            address,
            transport,
            source,
        }
    }
}

/// A UDP socket for bulk data.
pub(super) fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Smaller buffers cost speed, not function.
    drop(socket.set_recv_buffer_size(UDP_BUFFER));
    drop(socket.set_send_buffer_size(UDP_BUFFER));
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections closed a minute ago do not count as use (TIME_WAIT); a listener does.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Tells a TCP connection to send at once, and to bear loss where the system knows how (BBR); both are improvements
/// that a connection can do without.
pub(super) fn hasten(stream: &tokio::net::TcpStream) {
    drop(stream.set_nodelay(true));
    #[cfg(target_os = "linux")]
    drop(SockRef::from(stream).set_tcp_congestion(b"bbr"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Transport; 2] = [Transport::Quic, Transport::Tcp];

    #[test]
    fn one_number_serves_both_transports_on_every_address() {
        let listen = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
        let ports = Ports::take(&listen, BulkPort::Next, &BOTH).unwrap();
        let number = ports.number.unwrap();
        assert_ne!(number, 0);
        let udp = ports.udp.iter().map(|socket| socket.local_addr());
        let tcp = ports.tcp.iter().map(|listener| listener.local_addr());
        let taken: Vec<_> = udp.chain(tcp).map(|local| local.unwrap()).collect();
        assert_eq!(taken.len(), 4);
        assert!(taken.iter().all(|local| local.port() == number));
    }

    #[test]
    fn the_number_behind_the_first_is_taken_and_named_when_it_is_used() {
        // Two free numbers in a row, as good as any.
        let (first, next) = (0..100)
            .find_map(|_| {
                let first = UdpSocket::bind("127.0.0.1:0").unwrap();
                let port = first.local_addr().unwrap().port().checked_add(1)?;
                let next = UdpSocket::bind(("127.0.0.1", port)).ok()?;
                Some((first.local_addr().unwrap(), next))
            })
            .unwrap();
        let Err(error) = Ports::take(&[first], BulkPort::Next, &BOTH) else {
            panic!("a used port was taken");
        };
        let address = next.local_addr().unwrap();
        assert!(
            matches!(&error, StartError::BulkPortUsed { address: used, .. } if *used == address),
            "{error}"
        );
        assert!(error.to_string().contains("network.bulk_port"), "{error}");
        let other = Ports::take(&[first], BulkPort::Number(0), &BOTH).unwrap();
        assert_ne!(other.number, Some(address.port()));
    }

    #[test]
    fn who_listens_nowhere_has_no_port() {
        for (listen, wanted) in [
            (&[][..], BulkPort::Next),
            (&["127.0.0.1:0".parse().unwrap()][..], BulkPort::Off),
        ] {
            let ports = Ports::take(listen, wanted, &BOTH).unwrap();
            assert_eq!(ports.number, None);
            assert!(ports.udp.is_empty() && ports.tcp.is_empty());
        }
    }
}
