//! Outsiders who speak anything but the protocol, on an open port.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::site::{DEADLINE, Site, config};

/// Some beginnings that are not ours: HTTP, DICOM's A-ASSOCIATE-RQ, TLS with rubbish in it, zeros, multistream-select.
fn beginnings() -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..4096u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [&[1, 0, 0, 0, 0, 200, 0, 1][..], &[0x20; 192]].concat(),
        [&[0x16, 3, 1, 2, 0, 1][..], &noise[..600]].concat(),
        vec![0; 4096],
        b"\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n\xff\xff\xff\xff".to_vec(),
        b"\x13/multistream/1.0.0\n\x07/noise\n".to_vec(),
        noise,
    ]
}

#[tokio::test]
async fn garbage_is_cut_and_does_no_harm() {
    let hospital = Site::start(config(130)).await;
    let clinic = Site::start(config(131)).await;
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut silent = TcpStream::connect(hospital.address).await.unwrap();
    for bytes in beginnings() {
        for size in [bytes.len(), 1200] {
            udp.send_to(&bytes[..size.min(bytes.len())], hospital.address)
                .await
                .unwrap();
        }
        let mut tcp = TcpStream::connect(hospital.address).await.unwrap();
        tcp.write_all(&bytes).await.unwrap();
        assert_cut(&mut tcp).await;
    }
    assert_cut(&mut silent).await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    clinic.network.set_members(vec![hospital.member()]).await;
    clinic.until_connected(&hospital).await;
    assert_eq!(
        clinic.network.sync(hospital.node(), b"ab").await.unwrap(),
        b"ba"
    );
}

#[tokio::test]
async fn a_crowd_of_silent_connections_keeps_nobody_out() {
    let hospital = Site::start(config(132)).await;
    let clinic = Site::start(config(133)).await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    let mut crowd = Vec::new();
    for _ in 0..500 {
        // Everything in 127.0.0.0/8 is this machine; the crowd comes from another address than the clinic.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        crowd.push(socket.connect(hospital.address).await.unwrap());
    }
    clinic.network.set_members(vec![hospital.member()]).await;
    clinic.until_connected(&hospital).await;
    for silent in &mut crowd {
        assert_cut(silent).await;
    }
}

/// The other side ends the connection, whatever it says first.
async fn assert_cut(tcp: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = timeout(DEADLINE, tcp.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "still open");
    assert!(rest.len() < 64 * 1024);
}
