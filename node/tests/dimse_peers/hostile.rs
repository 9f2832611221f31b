//! Peers that break the protocol: each is cut with a reason, and others are served meanwhile.

use dokuei_node::dicom::scu::echo;

use crate::memory::{self, Memory, hasty};
use crate::object::*;
use crate::raw::*;
use crate::send::destination;

const VERIFICATION: &str = "1.2.840.10008.1.1";

#[test]
fn every_malformed_pdu_of_the_collection_is_cut() {
    let cases: [(&[u8], &str); 8] = [
        (
            include_bytes!("../data/dicom/pdu/pdu_associate_len_4G.bin"),
            "announced 4294967295 bytes, at most 131072 are taken",
        ),
        (
            include_bytes!("../data/dicom/pdu/pdu_associate_truncated.bin"),
            "closed the connection",
        ),
        (
            include_bytes!("../data/dicom/pdu/pdu_http_get.bin"),
            "HTTP request",
        ),
        (
            include_bytes!("../data/dicom/pdu/pdu_max_length_zero.bin"),
            "the maximum length is not four bytes",
        ),
        (
            include_bytes!("../data/dicom/pdu/pdu_pdata_item_len_0.bin"),
            "needs at least 6",
        ),
        (
            include_bytes!("../data/dicom/pdu/pdu_pdata_item_len_1.bin"),
            "needs at least 6",
        ),
        (
            include_bytes!("../data/dicom/pdu/pdu_pdata_item_len_big.bin"),
            "longer than the PDU around it",
        ),
        (
            include_bytes!("../data/dicom/pdu/pdu_unknown_type.bin"),
            "PDU type 0x99",
        ),
    ];
    let memory = Memory::new();
    let scp = memory::start(&memory);
    for (bytes, line) in cases {
        let mut peer = Peer::connect(scp.local_addr());
        peer.send(bytes);
        if line == "closed the connection" {
            // It waits for more: only the end of the connection or the deadline ends it.
            assert!(peer.is_silent());
            peer.socket.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(peer.receive().is_none());
        } else {
            peer.assert_aborted();
        }
        memory.wait_for_notice(line);
    }
    memory.seen(|seen| assert_eq!(seen.notices.len(), cases.len(), "{:?}", seen.notices));
    echo(&destination(scp.local_addr())).unwrap();
}

#[test]
fn a_tls_client_is_told_from_a_broken_one() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut peer = Peer::connect(scp.local_addr());
    peer.send(&[
        0x16, 0x03, 0x01, 0x00, 0xF4, 0x01, 0x00, 0x00, 0xF0, 0x03, 0x03,
    ]);
    peer.assert_aborted();
    memory.wait_for_notice("speaks TLS but this is the plain DICOM port");
}

/// What to send on an association with CT on context 1 and MR on 3, and what the operator reads.
fn broken_messages() -> Vec<(Vec<u8>, &'static str)> {
    let store = store_request(CT, "1.2.3");
    let echo_on_1 = |elements: &[(u16, &[u8])]| data(1, true, true, &command(elements));
    vec![
        (vec![4, 0, 0, 4, 0, 1], "announced 262145 bytes"),
        (data(2, true, true, &store), "identifier is even"),
        (data(9, true, true, &store), "a context that is not open"),
        (
            data(1, false, true, b"data"),
            "a data set came without a command",
        ),
        (data(1, true, true, &[0; 7]), "cut short"),
        (
            data(1, true, true, &[8, 0, 0, 0, 0, 0, 0, 0]),
            "outside group 0000",
        ),
        (
            echo_on_1(&[(0x0100, &[0x30, 0]), (0x0110, &[1, 0])]),
            "no data set type",
        ),
        (
            echo_on_1(&[(0x0100, &[0x30, 0]), (0x0800, &[1, 1])]),
            "a request has no message ID",
        ),
        (
            echo_on_1(&[(0x0100, &[0x30, 0x80]), (0x0800, &[1, 1])]),
            "a response came to a request never made",
        ),
        (data(1, true, false, &[0; 16_500]), "longer than 16 KiB"),
        (
            data(1, true, false, &[]).repeat(300),
            "more than 256 fragments",
        ),
        (
            [
                data(1, true, false, &store[..20]),
                data(3, true, true, &store[20..]),
            ]
            .concat(),
            "changes its context midway",
        ),
        (
            [data(1, true, true, &store), data(3, false, true, b"xx")].concat(),
            "another context than its command",
        ),
        (
            [data(1, true, true, &store), data(1, true, true, &store)].concat(),
            "in the middle of a data set",
        ),
        (
            [
                data(1, true, true, &store),
                vec![5, 0, 0, 0, 0, 4, 0, 0, 0, 0],
            ]
            .concat(),
            "A-RELEASE-RQ came in the middle of a data set",
        ),
        (request(&[CT]), "A-ASSOCIATE-RQ came between messages"),
        (
            [&[4, 0, 0, 0, 0, 9, 0, 0, 0, 3, 1, 1, 0][..], &[0, 0]].concat(),
            "left over behind its last value",
        ),
    ]
}

#[test]
fn broken_messages_end_the_association() {
    for (bytes, line) in broken_messages() {
        let memory = Memory::new();
        let scp = memory::start(&memory);
        let mut peer = Peer::associate(scp.local_addr(), &[CT, MR]);
        peer.send(&bytes);
        peer.assert_aborted();
        memory.wait_for_notice(line);
        memory.seen(|seen| {
            assert_eq!(seen.notices.len(), 1, "{:?}", seen.notices);
            assert!(seen.kept.is_empty());
        });
    }
}

#[test]
fn a_hostile_uid_is_refused_and_the_association_goes_on() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut peer = Peer::associate(scp.local_addr(), &[CT]);
    let long = "1".repeat(65);
    for uid in [
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\x",
        "1.2\0.3",
        "",
        &long,
    ] {
        peer.send(&data(1, true, true, &store_request(CT, uid)));
        peer.send(&data(1, false, true, b"data"));
        assert_eq!(status_of(peer.receive()), 0x0117, "{uid}");
    }
    peer.send(&data(1, true, true, &store_request(MR, "1.2.3")));
    peer.send(&data(1, false, true, b"data"));
    assert_eq!(status_of(peer.receive()), 0x0122);
    peer.send(&data(1, true, true, &store_request(CT, "1.2.3\0")));
    peer.send(&data(1, false, true, b"data"));
    assert_eq!(status_of(peer.receive()), 0);
    memory.seen(|seen| {
        assert_eq!(seen.begun, 1);
        assert_eq!(seen.kept["1.2.3"].data_set, b"data");
        assert!(seen.notices.iter().all(|n| !n.contains("passwd")));
    });
}

#[test]
fn nothing_is_stored_on_a_context_that_stores_nothing() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut peer = Peer::associate(scp.local_addr(), &[VERIFICATION, CT]);
    peer.send(&data(1, true, true, &store_request(VERIFICATION, "1.2.3")));
    peer.send(&data(1, false, true, b"data"));
    assert_eq!(status_of(peer.receive()), 0x0122);
    memory.seen(|seen| assert_eq!(seen.begun, 0));
}

#[test]
fn services_that_are_not_offered_are_refused_and_odd_messages_answered() {
    let find = "1.2.840.10008.5.1.4.1.2.2.1";
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut peer = Peer::associate(scp.local_addr(), &[VERIFICATION, CT]);
    // C-FIND with an identifier, on the CT context.
    let c_find: [(u16, &[u8]); 4] = [
        (0x0002, find.as_bytes()),
        (0x0100, &[0x20, 0]),
        (0x0110, &[5, 0]),
        (0x0800, &[1, 0]),
    ];
    peer.send(&data(3, true, true, &command(&c_find)));
    peer.send(&data(3, false, true, b"identifier"));
    assert_eq!(status_of(peer.receive()), 0x0211);
    // C-CANCEL has no response; the echo behind it is answered.
    peer.send(&data(
        3,
        true,
        true,
        &command(&[(0x0100, &[0xFF, 0x0F]), (0x0800, &[1, 1])]),
    ));
    let echo: [(u16, &[u8]); 3] = [(0x0100, &[0x30, 0]), (0x0110, &[6, 0]), (0x0800, &[1, 1])];
    peer.send(&data(1, true, true, &command(&echo)));
    assert_eq!(status_of(peer.receive()), 0);
    // C-STORE without a data set.
    let store: [(u16, &[u8]); 5] = [
        (0x0002, CT.as_bytes()),
        (0x0100, &[1, 0]),
        (0x0110, &[7, 0]),
        (0x0800, &[1, 1]),
        (0x1000, b"1.2.3"),
    ];
    peer.send(&data(3, true, true, &command(&store)));
    assert_eq!(status_of(peer.receive()), 0xC000);
    peer.send(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    assert_eq!(peer.receive(), Some(dicom_ul::pdu::Pdu::ReleaseRP));
    assert!(peer.receive().is_none());
}

#[test]
fn fragments_may_be_cut_and_joined_anywhere() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut peer = Peer::associate(scp.local_addr(), &[CT]);
    let object = store_request(CT, "1.2.3");
    let value = |is_command: bool, is_last: bool, bytes: &[u8]| {
        data(1, is_command, is_last, bytes)[6..].to_vec()
    };
    // Command in two values, data in three (one empty), all in one PDU, byte by byte.
    let values = [
        value(true, false, &object[..11]),
        value(true, true, &object[11..]),
        value(false, false, b"ab"),
        value(false, false, b""),
        value(false, true, b"cd"),
    ]
    .concat();
    let mut pdu = vec![4, 0];
    pdu.extend_from_slice(&(values.len() as u32).to_be_bytes());
    pdu.extend_from_slice(&values);
    peer.socket.set_nodelay(true).unwrap();
    for byte in pdu {
        peer.send(&[byte]);
    }
    assert_eq!(status_of(peer.receive()), 0);
    memory.seen(|seen| assert_eq!(seen.kept["1.2.3"].data_set, b"abcd"));
}

#[test]
fn slow_peers_are_cut_at_their_limits() {
    let memory = Memory::new();
    let scp = memory::start_with(memory::config(hasty()), &memory);
    // One byte, then silence.
    let mut peer = Peer::connect(scp.local_addr());
    peer.send(&[1]);
    peer.assert_aborted();
    memory.wait_for_notice("time-out while waiting for the association to be negotiated");
    // An association without messages.
    let mut peer = Peer::associate(scp.local_addr(), &[CT]);
    peer.assert_aborted();
    memory.wait_for_notice("time-out while waiting for the next message");
    // An object that trickles.
    let mut peer = Peer::associate(scp.local_addr(), &[CT]);
    peer.send(&data(1, true, true, &store_request(CT, "1.2.3")));
    peer.send(&[4, 0, 0, 0, 0x10, 6, 0, 0, 0x10, 2, 1, 2]);
    let trickle = peer.socket.try_clone().unwrap();
    let trickling = std::thread::spawn(move || {
        use std::io::Write;
        while (&trickle).write_all(&[0]).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    memory.wait_for_notice("below the minimum rate");
    memory.wait_for_notice("in the middle of an object, which was not stored");
    trickling.join().unwrap();
    memory.seen(|seen| assert_eq!((seen.begun, seen.dropped, seen.kept.len()), (1, 1, 0)));
}
