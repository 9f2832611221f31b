//! TLS, with dcmtk and with this program at either end, and whoever speaks something else there.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use dokuei_node::dicom::scp::{Limits, Scp};
use dokuei_node::dicom::scu::{Destination, echo};
use dokuei_node::language::Explain as _;
use dokuei_node::tls::{self, Identity, Trust, client};

use crate::dcmtk::{self, Ran};
use crate::folder::Folder;
use crate::house::{Card, House};
use crate::memory::{Memory, hasty};
use crate::object::*;
use crate::send::{destination, impatient, send};

/// dcmtk's verification client, as `title`; `card`: with its certificate.
fn echoscu(to: SocketAddr, title: &str, card: Option<&Card>, server: &Card) -> Ran {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let mut arguments = vec!["-aet".to_owned(), title.to_owned()];
    match card {
        Some(card) => {
            arguments.extend(["+tls".to_owned(), path(&card.key), path(&card.certificate)])
        }
        None => arguments.push("+tla".to_owned()),
    }
    arguments.extend(["+cf".to_owned(), path(&server.certificate), host, port]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    dcmtk::run("echoscu", &arguments)
}

fn door(scp: &Scp) -> SocketAddr {
    scp.tls_addr().unwrap()
}

/// Calls over TLS, knowing the certificate.
fn protected(scp: &Scp, trust: &Trust, identity: Option<&Identity>) -> Destination {
    let mut destination = impatient(door(scp));
    destination.tls = Some(client(trust, "127.0.0.1", identity).unwrap());
    destination
}

#[test]
fn storescu_delivers_every_byte_over_tls() {
    let (house, memory, folder) = (House::new(), Memory::new(), Folder::new());
    let server = house.card("server");
    let scp = house.start(Limits::default(), &server, None, &memory);
    let objects: Vec<Object> = (0..10).map(|n| Object::new(CT, EXPLICIT, n, 128)).collect();
    for object in &objects {
        object.write_file(folder.path());
    }
    let trusted = server.certificate.to_str().unwrap();
    let ran = dcmtk::storescu(door(&scp), &["+tla", "+cf", trusted], folder.path());
    assert!(ran.success, "{}", ran.output);
    memory.assert_kept(&objects);
    memory.seen(|seen| assert!(seen.notices.is_empty(), "{:?}", seen.notices));
}

#[test]
fn a_registered_certificate_is_asked_for_and_compared() {
    let (house, memory) = (House::new(), Memory::new());
    let (server, mine, other) = (
        house.card("server"),
        house.card("mine"),
        house.card("other"),
    );
    house.register("CT1", "127.0.0.1", Some(mine.fingerprint));
    let scp = house.start(Limits::default(), &server, None, &memory);
    let ran = echoscu(door(&scp), "CT1", Some(&mine), &server);
    assert!(ran.success, "{}", ran.output);
    let ran = echoscu(door(&scp), "CT1", None, &server);
    assert!(!ran.success);
    memory.wait_for_notice("registered with a certificate and showed none");
    let ran = echoscu(door(&scp), "CT1", Some(&other), &server);
    assert!(!ran.success);
    memory.wait_for_notice(&tls::fingerprint_text(&other.fingerprint));
    let ran = dcmtk::run(
        "echoscu",
        &[
            "-aet",
            "CT1",
            "127.0.0.1",
            &scp.local_addr().port().to_string(),
        ],
    );
    assert!(
        ran.output.contains("Calling AE Title Not Recognized"),
        "{}",
        ran.output
    );
    memory.seen(|seen| assert_eq!(seen.callers.len(), 1));
}

#[test]
fn with_an_authority_only_its_clients_and_registered_ones_get_in() {
    let (house, memory) = (House::new(), Memory::new());
    let (server, authority) = (house.card("server"), house.authority());
    let signed = house.signed(&authority, "signed");
    let (pinned, stranger) = (house.card("pinned"), house.card("stranger"));
    house.register("CT1", "127.0.0.1", None);
    house.register("CT2", "127.0.0.1", Some(pinned.fingerprint));
    let scp = house.start(Limits::default(), &server, Some(&authority.file), &memory);
    assert!(echoscu(door(&scp), "CT1", Some(&signed), &server).success);
    assert!(echoscu(door(&scp), "CT2", Some(&pinned), &server).success);
    assert!(!echoscu(door(&scp), "CT1", Some(&stranger), &server).success);
    memory.wait_for_notice("an authority that is not trusted here");
    assert!(!echoscu(door(&scp), "CT1", None, &server).success);
    memory.wait_for_notice("the peer showed no certificate");
}

#[test]
fn this_program_recognises_whom_it_calls() {
    let (house, memory) = (House::new(), Memory::new());
    let (server, mine) = (house.card("server"), house.card("mine"));
    house.register("CLINIC", "127.0.0.1", Some(mine.fingerprint));
    let scp = house.start(Limits::default(), &server, None, &memory);
    let identity = Identity::read(&mine.certificate, &mine.key).unwrap();
    let pin = Trust::Fingerprint(server.fingerprint);
    echo(&protected(&scp, &pin, Some(&identity))).unwrap();
    let pem = std::fs::read(&server.certificate).unwrap();
    let ders = tls::authorities(&pem).unwrap();
    let authority = Trust::Authority(ders.iter().map(|der| der.to_vec().into()).collect());
    echo(&protected(&scp, &authority, Some(&identity))).unwrap();
    let objects: Vec<Object> = (0..20).map(|n| Object::new(CT, EXPLICIT, n, 256)).collect();
    let to = protected(&scp, &pin, Some(&identity));
    let (_, summary) = send(&to, objects.iter().map(Object::boxed));
    assert_eq!(summary.stored, 20);
    memory.assert_kept(&objects);
    let wrong = Trust::Fingerprint(mine.fingerprint);
    let fault = echo(&protected(&scp, &wrong, Some(&identity))).unwrap_err();
    let said = fault.message().en;
    let shown = tls::fingerprint_text(&server.fingerprint);
    assert!(said.contains(&shown), "{said}");
    let ders = tls::authorities(&std::fs::read(&mine.certificate).unwrap()).unwrap();
    let other = Trust::Authority(ders.iter().map(|der| der.to_vec().into()).collect());
    let fault = echo(&protected(&scp, &other, None)).unwrap_err();
    let said = fault.message().en;
    assert!(said.contains("not trusted here"), "{said}");
}

#[test]
fn tls_and_no_tls_are_told_apart_in_words() {
    let (house, memory) = (House::new(), Memory::new());
    let server = house.card("server");
    let scp = house.start(Limits::default(), &server, None, &memory);
    let (plain, tls) = (scp.local_addr(), door(&scp));
    assert!(!echoscu(plain, "CT1", None, &server).success);
    memory.wait_for_notice(&format!("use port {}", tls.port()));
    let ran = dcmtk::run("echoscu", &["127.0.0.1", &tls.port().to_string()]);
    assert!(!ran.success);
    memory.wait_for_notice(&format!("or use port {}", plain.port()));
    assert!(ran.output.contains("aborted"), "{}", ran.output);
}

#[test]
fn a_server_is_recognised_by_who_signed_its_certificate_and_for_which_host() {
    let (house, memory) = (House::new(), Memory::new());
    let authority = house.authority();
    let scp = house.start(
        Limits::default(),
        &house.signed(&authority, "server"),
        None,
        &memory,
    );
    let ders = tls::authorities(&std::fs::read(&authority.file).unwrap()).unwrap();
    let trust = Trust::Authority(ders.iter().map(|der| der.to_vec().into()).collect());
    echo(&protected(&scp, &trust, None)).unwrap();
    let mut misnamed = protected(&scp, &trust, None);
    misnamed.tls = Some(client(&trust, "localhost", None).unwrap());
    let said = echo(&misnamed).unwrap_err().message().en;
    assert!(said.contains("for another host name"), "{said}");
}

#[test]
fn storescp_that_asks_for_our_certificate_is_shown_it() {
    let (house, folder) = (House::new(), Folder::new());
    let (theirs, ours) = (house.card("theirs"), house.card("ours"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let options = [
        "+tls".to_owned(),
        path(&theirs.key),
        path(&theirs.certificate),
        "+cf".to_owned(),
        path(&ours.certificate),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let archive = dcmtk::StoreScp::start(&options, folder.path());
    let pin = Trust::Fingerprint(theirs.fingerprint);
    let identity = Identity::read(&ours.certificate, &ours.key).unwrap();
    let mut to = destination(([127, 0, 0, 1], archive.port).into());
    to.tls = Some(client(&pin, "127.0.0.1", Some(&identity)).unwrap());
    let objects: Vec<Object> = (0..10).map(|n| Object::new(CT, EXPLICIT, n, 256)).collect();
    let (_, summary) = send(&to, objects.iter().map(Object::boxed));
    assert_eq!((summary.stored, summary.associations), (10, 1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 10);
    to.tls = Some(client(&pin, "127.0.0.1", None).unwrap());
    let said = echo(&to).unwrap_err().message().en;
    assert!(
        said.contains("asks for a certificate of this node"),
        "{said}"
    );
}

/// Sends bytes and reads what comes until the end, for as long as a test waits.
fn say(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut peer = TcpStream::connect(to).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    peer.write_all(bytes).unwrap();
    let mut heard = Vec::new();
    // A connection that is reset has been heard to its end as well.
    let _ended = peer.read_to_end(&mut heard);
    heard
}

#[test]
fn what_is_no_tls_ends_there_and_costs_nobody_else_anything() {
    let (house, memory) = (House::new(), Memory::new());
    let server = house.card("server");
    let scp = house.start(hasty(), &server, None, &memory);
    let garbage: Vec<u8> = (0..70_000u32).map(|at| (at * 7 + 3) as u8).collect();
    say(door(&scp), &garbage);
    memory.wait_for_notice("what came is not TLS");
    say(door(&scp), b"GET / HTTP/1.1\r\n\r\n");
    memory.wait_for_notice("an HTTP request");
    // A record that begins well and holds nothing that TLS knows.
    let mut record = vec![0x16, 0x03, 0x01, 0x10, 0x00];
    record.extend_from_slice(&garbage[..4096]);
    let heard = say(door(&scp), &record);
    assert_eq!(heard.first(), Some(&0x15), "an alert: {heard:?}");
    // Half a hello, and a connection that says nothing: both within the time for an association request.
    let half = [
        0x16, 0x03, 0x01, 0x00, 0xF4, 0x01, 0x00, 0x00, 0xF0, 0x03, 0x03,
    ];
    say(door(&scp), &half);
    memory.wait_for_notice("time-out while waiting for the association");
    say(door(&scp), b"");
    say(door(&scp), &half[..3]);
    memory.wait_until("four time-outs or cuts", |seen| seen.notices.len() >= 6);
    let pin = Trust::Fingerprint(server.fingerprint);
    echo(&protected(&scp, &pin, None)).unwrap();
}

#[test]
fn a_record_that_comes_byte_by_byte_is_waited_for_no_longer_than_a_request() {
    let (house, memory) = (House::new(), Memory::new());
    let server = house.card("server");
    let scp = house.start(hasty(), &server, None, &memory);
    let called = client(&Trust::Fingerprint(server.fingerprint), "127.0.0.1", None).unwrap();
    let mut tls = rustls::ClientConnection::new(called.config, called.server).unwrap();
    let mut peer = TcpStream::connect(door(&scp)).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut peer).unwrap();
    }
    tls.writer().write_all(&[1; 8192]).unwrap();
    let mut record = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut record).unwrap();
    }
    let pace = Duration::from_millis(20);
    let cut = record.iter().find_map(|byte| {
        std::thread::sleep(pace);
        peer.write_all(std::slice::from_ref(byte)).err()
    });
    assert!(cut.is_some());
    memory.wait_for_notice("time-out while waiting for the association");
}

#[test]
fn silent_handshakes_keep_no_device_out() {
    let (house, memory) = (House::new(), Memory::new());
    let server = house.card("server");
    let limits = Limits {
        associations: 4,
        ..Limits::default()
    };
    let scp = house.start(limits, &server, None, &memory);
    let silent: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut peer = TcpStream::connect(door(&scp)).unwrap();
            peer.write_all(&[0x16, 0x03, 0x01]).unwrap();
            peer
        })
        .collect();
    // The oldest give way once they have had their moment.
    let pin = Trust::Fingerprint(server.fingerprint);
    let begun = std::time::Instant::now();
    while echo(&protected(&scp, &pin, None)).is_err() {
        assert!(begun.elapsed() < crate::memory::PATIENCE);
    }
    drop(silent);
}
