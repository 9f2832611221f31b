//! Builds the transports and takes the ports: QUIC on UDP and TLS on TCP, under the same numbers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::futures::future::Either;
use libp2p::identity::Keypair;
use libp2p::swarm::Config as SwarmConfig;
use libp2p::{PeerId, Swarm, Transport as _, quic, tcp, tls, yamux};
use socket2::{Domain, Protocol, Socket, Type};

use super::behaviour::Behaviour;
use super::error::StartError;
use super::limits::{
    Limits, NEGOTIATING_STREAMS, PAIRING_IDLE, QUIC_CONNECTION_WINDOW, QUIC_STREAM_WINDOW,
    STREAMS_PER_CONNECTION,
};
use super::peers;
use super::status::Transport;
use super::streams::Streams;

/// A free TCP port may be taken as UDP; one in thirty is, on a busy machine.
const FREE_PORT_TRIES: usize = 32;

/// QUIC, or TCP with TLS 1.3 and yamux, under one identity.
///
/// TLS 1.3 with mutual authentication is what the national guideline for the safety of medical information systems
/// names, hence not Noise.
pub(super) fn transport(
    keypair: &Keypair,
    limits: &Limits,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, StartError> {
    let mut quic = quic::Config::new(keypair);
    quic.handshake_timeout = limits.handshake;
    quic.max_idle_timeout = millis(limits.idle);
    quic.keep_alive_interval = limits.heartbeat;
    quic.max_concurrent_stream_limit = STREAMS_PER_CONNECTION;
    quic.max_stream_data = QUIC_STREAM_WINDOW;
    quic.max_connection_data = QUIC_CONNECTION_WINDOW;
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(STREAMS_PER_CONNECTION as usize);
    let security =
        tls::Config::new(keypair).map_err(|error| StartError::Identity(error.to_string()))?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(security)
        .multiplex(muxer)
        .timeout(limits.handshake);
    Ok(OrTransport::new(quic::tokio::Transport::new(quic), tcp)
        .map(|either, _| match either {
            Either::Left((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
            Either::Right((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
        })
        .boxed())
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// The addresses to listen on, with a free port for each port 0, checked to be free for each transport.
///
/// libp2p-tcp shares its listening ports (`SO_REUSEPORT`), so two nodes of one user would both seem to start. Hence
/// this look beforehand, with sockets that do not share.
pub(super) fn free_addresses(
    wanted: &[SocketAddr],
    transports: &[Transport],
) -> Result<Vec<SocketAddr>, StartError> {
    wanted
        .iter()
        .map(|address| match address.port() {
            0 => choose_port(address.ip(), transports),
            _ => is_free(*address, transports).map(|()| *address),
        })
        .collect()
}

fn choose_port(ip: IpAddr, transports: &[Transport]) -> Result<SocketAddr, StartError> {
    let mut outcome = Err(StartError::NoTransport);
    for _ in 0..FREE_PORT_TRIES {
        let any = SocketAddr::new(ip, 0);
        let Some(first) = transports.last() else {
            return outcome;
        };
        let chosen = probe(any, *first).map_err(|error| refused(any, *first, error))?;
        outcome = is_free(chosen, transports).map(|()| chosen);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn is_free(address: SocketAddr, transports: &[Transport]) -> Result<(), StartError> {
    for transport in transports {
        probe(address, *transport).map_err(|error| refused(address, *transport, error))?;
    }
    Ok(())
}

/// Whether every transport could listen on `address` again.
pub(super) fn can_listen(address: SocketAddr, transports: &[Transport]) -> bool {
    is_free(address, transports).is_ok()
}

/// Takes and releases the port; returns what it was.
fn probe(address: SocketAddr, transport: Transport) -> io::Result<SocketAddr> {
    let (kind, protocol) = match transport {
        Transport::Quic => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if transport == Transport::Tcp {
        // Connections closed a minute ago do not count as use (TIME_WAIT); a listener does.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    if transport == Transport::Tcp {
        socket.listen(1)?;
    }
    let local = socket.local_addr()?;
    Ok(local.as_socket().unwrap_or(address))
}

pub(super) fn refused(address: SocketAddr, transport: Transport, error: io::Error) -> StartError {
    if error.kind() == io::ErrorKind::AddrInUse {
        StartError::PortUsed { address, transport }
    } else {
        StartError::Listen {
            address,
            transport,
            source: error,
        }
    }
}

fn swarm_config() -> SwarmConfig {
    SwarmConfig::with_tokio_executor()
        .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS)
        .with_idle_connection_timeout(PAIRING_IDLE)
}

/// A swarm that listens at these addresses, by these transports.
pub(super) fn swarm(
    keypair: &Keypair,
    limits: &Limits,
    streams: Streams,
    listening: &[SocketAddr],
    transports: &[Transport],
) -> Result<Swarm<Behaviour>, StartError> {
    let mut swarm = Swarm::new(
        transport(keypair, limits)?,
        Behaviour::new(limits, streams),
        keypair.public().to_peer_id(),
        swarm_config(),
    );
    for address in listening {
        for transport in transports {
            let outcome = swarm.listen_on(peers::multiaddr(*address, *transport));
            outcome.map_err(|error| {
                let error = match error {
                    libp2p::TransportError::Other(error) => error,
                    libp2p::TransportError::MultiaddrNotSupported(_) => {
                        io::ErrorKind::Unsupported.into()
                    }
                };
                refused(*address, *transport, error)
            })?;
        }
    }
    Ok(swarm)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    const BOTH: [Transport; 2] = [Transport::Quic, Transport::Tcp];

    #[test]
    fn port_zero_becomes_one_number_for_both() {
        let any = "127.0.0.1:0".parse().unwrap();
        let [address] = free_addresses(&[any], &BOTH).unwrap()[..] else {
            panic!("one address in, one out");
        };
        assert_ne!(address.port(), 0);
        assert!(can_listen(address, &BOTH));
    }

    #[test]
    fn a_used_port_is_named() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        for (address, used) in [
            (tcp.local_addr().unwrap(), Transport::Tcp),
            (udp.local_addr().unwrap(), Transport::Quic),
        ] {
            let error = free_addresses(&[address], &BOTH).unwrap_err();
            assert!(
                matches!(&error, StartError::PortUsed { transport, .. } if *transport == used),
                "{error}"
            );
            assert!(
                error.to_string().contains(&address.port().to_string()),
                "{error}"
            );
        }
    }

    #[test]
    fn an_address_of_another_machine_is_no_used_port() {
        let error = free_addresses(&["192.0.2.1:7400".parse().unwrap()], &BOTH).unwrap_err();
        assert!(matches!(error, StartError::Listen { .. }), "{error}");
    }
}
