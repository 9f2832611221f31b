//! Those who reach the bulk port without being let in, and members who misbehave there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use dokuei_node::network::limits::BULK_STREAMS_PER_NODE;
use dokuei_node::network::{BulkWay, NetworkConfig, Part, RangeRequest};
use libp2p::identity::Keypair;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::objects::{Checked, Objects, PARCEL};
use crate::site::{DEADLINE, Site, config};

const OURS: &[u8] = b"dokuei-bulk/1";

fn keypair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

/// How the node with this seed calls the one with the other.
fn tls(seed: u8, expected: u8, protocol: &[u8]) -> rustls::ClientConfig {
    let expected = keypair(expected).public().to_peer_id();
    let mut tls = libp2p::tls::make_client_config(&keypair(seed), Some(expected)).unwrap();
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls
}

async fn quic(tls: rustls::ClientConfig, to: SocketAddr) -> Result<Connection, ConnectionError> {
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let crypto = QuicClientConfig::try_from(tls).unwrap();
    let config = ClientConfig::new(Arc::new(crypto));
    let connecting = endpoint.connect_with(config, to, "x.invalid").unwrap();
    timeout(DEADLINE, connecting).await.unwrap()
}

/// Both ends have said and heard the certificates; what was sent and heard after that, until the end.
async fn tcp(tls: rustls::ClientConfig, to: SocketAddr, said: &[u8]) -> Option<Vec<u8>> {
    let stream = TcpStream::connect(to).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("x.invalid").unwrap();
    let connecting = TlsConnector::from(Arc::new(tls)).connect(name, stream);
    let mut tls = timeout(DEADLINE, connecting).await.unwrap().ok()?;
    // The other side may have ended the connection by now.
    tls.write_all(said).await.ok();
    let mut heard = Vec::new();
    let end = timeout(DEADLINE, tls.read_to_end(&mut heard)).await;
    assert!(end.is_ok(), "still open");
    Some(heard)
}

/// The hospital serves, and lists only the clinic.
async fn hospital(seed: u8, clinic: &Site) -> Site {
    let objects = Objects {
        size: 1_000_000,
        served: Arc::new(AtomicU64::new(0)),
    };
    let hospital = Site::start(NetworkConfig {
        parcels: Some(Arc::new(objects)),
        ..config(seed)
    })
    .await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    hospital
}

async fn clinic(seed: u8) -> Site {
    let mut config = config(seed);
    config.limits.near = Duration::ZERO;
    Site::start(config).await
}

/// Whatever happened before, the clinic gets what it asks for.
async fn serves(hospital: &Site, clinic: &Site) {
    clinic.network.set_members(vec![hospital.member()]).await;
    clinic.until_connected(hospital).await;
    let range = RangeRequest {
        parcel: PARCEL,
        part: Part::Object(1),
        offset: 0,
        length: 1_000_000,
    };
    let sink = Arc::new(Checked::default());
    let fetch = clinic
        .network
        .fetch(hospital.node(), vec![range], 1, sink.clone());
    assert_eq!(
        timeout(DEADLINE, fetch).await.unwrap().unwrap().bytes,
        1_000_000
    );
    let status = clinic.status_of(hospital.node()).unwrap();
    assert_eq!(status.bulk.unwrap().way, BulkWay::Quic);
}

#[tokio::test]
async fn strangers_are_closed_after_the_handshake() {
    let clinic = clinic(181).await;
    let hospital = hospital(180, &clinic).await;
    let port = hospital.bulk.unwrap();
    let stranger = quic(tls(199, 180, OURS), port).await.unwrap();
    let closed = timeout(DEADLINE, stranger.closed()).await.unwrap();
    assert!(
        matches!(closed, ConnectionError::ApplicationClosed(_)),
        "{closed:?}"
    );
    let open = [&[1, 1, 2, 0, 32, 0, 0][..], &[0; 100]].concat();
    let heard = tcp(tls(199, 180, OURS), port, &open).await;
    assert!(heard.is_none_or(|heard| heard.is_empty()));
    serves(&hospital, &clinic).await;
}

#[tokio::test]
async fn another_node_or_another_protocol_is_no_bulk_connection() {
    let clinic = clinic(183).await;
    let hospital = hospital(182, &clinic).await;
    let port = hospital.bulk.unwrap();
    // The caller expects another node: its own TLS ends the handshake.
    assert!(quic(tls(183, 198, OURS), port).await.is_err());
    assert!(tcp(tls(183, 198, OURS), port, &[1]).await.is_none());
    assert!(quic(tls(183, 182, b"libp2p"), port).await.is_err());
    assert!(
        tcp(tls(183, 182, b"libp2p"), port, &[1])
            .await
            .is_none_or(|heard| heard.is_empty())
    );
    let mut unnamed = tls(183, 182, OURS);
    unnamed.alpn_protocols.clear();
    let heard = tcp(unnamed, port, &[1]).await;
    assert!(heard.is_none_or(|heard| heard.is_empty()));
    // The port of libp2p takes no bulk connections either.
    assert!(quic(tls(183, 182, OURS), hospital.address).await.is_err());
    serves(&hospital, &clinic).await;
}

#[tokio::test]
async fn garbage_is_cut_and_does_no_harm() {
    let clinic = clinic(185).await;
    let hospital = hospital(184, &clinic).await;
    let port = hospital.bulk.unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for size in [1, 20, 1200, 60_000] {
        for first in [0, 0x40, 0xc0, 0xff] {
            let mut bytes = vec![0x5a; size];
            bytes[0] = first;
            udp.send_to(&bytes, port).await.unwrap();
        }
    }
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x16, 3, 1, 2, 0, 1],
        &[0; 9000],
    ] {
        let mut stream = TcpStream::connect(port).await.unwrap();
        // The other side may have ended the connection by now.
        stream.write_all(bytes).await.ok();
        let mut heard = Vec::new();
        let end = timeout(DEADLINE, stream.read_to_end(&mut heard)).await;
        assert!(end.is_ok(), "still open");
    }
    serves(&hospital, &clinic).await;
}

/// A member that asks for all the streams it can, says nonsense, and reads nothing: another member is served.
#[tokio::test]
async fn a_member_that_misbehaves_costs_only_its_own_share() {
    let clinic = clinic(187).await;
    let hospital = hospital(186, &clinic).await;
    let rogue = Site::start(config(188)).await;
    hospital
        .network
        .set_members(vec![clinic.caller(), rogue.caller()])
        .await;
    let port = hospital.bulk.unwrap();
    let connection = quic(tls(188, 186, OURS), port).await.unwrap();
    // Twice what is served: those too many hear that we are busy.
    const MOST: usize = 2 * BULK_STREAMS_PER_NODE;
    let mut held = Vec::new();
    while let Ok(opened) = timeout(Duration::from_millis(500), connection.open_bi()).await {
        let (mut send, receive) = opened.unwrap();
        // Credit without end, and a request for everything; nothing of it is read.
        let mut said = vec![1, 2, 0xff, 0xff, 0xff, 0xff, 2];
        said.extend_from_slice(&PARCEL);
        said.extend_from_slice(&[0; 12]);
        said.extend_from_slice(&[0xff; 8]);
        send.write_all(&said).await.unwrap();
        held.push((send, receive));
        assert!(held.len() <= MOST, "too many streams");
    }
    assert_eq!(held.len(), MOST);
    serves(&hospital, &clinic).await;
    for (send, _) in &mut held {
        // Those too many are closed by now.
        send.write_all(&[0xee; 5000]).await.ok();
    }
    let said = [&[2][..], &[0xff; 8], &[0; 100]].concat();
    assert!(tcp(tls(188, 186, OURS), port, &said).await.is_some());
    assert!(tcp(tls(188, 186, OURS), port, &[9; 100]).await.is_some());
    assert!(connection.close_reason().is_none());
    let mut more = Vec::new();
    for _ in 0..4 {
        more.push(quic(tls(188, 186, OURS), port).await.unwrap());
    }
    let oldest = timeout(DEADLINE, connection.closed()).await;
    assert!(oldest.is_ok(), "five connections of one member");
    hospital.network.set_members(vec![clinic.caller()]).await;
    for removed in more {
        assert!(timeout(DEADLINE, removed.closed()).await.is_ok());
    }
}
