//! C-FIND: `findscu`, and peers that misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_ul::pdu::Pdu;
use dokuei_node::dicom::dataset;
use dokuei_node::dicom::dimse::{Level, Model};
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::dicom::scp::Scp;

use crate::commit::until;
use crate::dcmtk::{self, Ran};
use crate::memory::PATIENCE;
use crate::raw::{self, Peer, status_of};
use crate::shelf::{self, OUT_OF_RESOURCES, Shelf, identifier};

pub(crate) const STUDY_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";

/// `findscu` with options and keys.
fn findscu(to: SocketAddr, options: &[&str], keys: &[&str]) -> Ran {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let mut arguments = vec!["-v"];
    arguments.extend(options);
    for key in keys {
        arguments.extend(["-k", key]);
    }
    arguments.extend([host.as_str(), port.as_str()]);
    dcmtk::run("findscu", &arguments)
}

fn shelf_of(studies: usize) -> Shelf {
    Shelf {
        studies,
        ..Shelf::default()
    }
}

/// C-FIND-RQ `message` with an identifier in Implicit VR, on context 1.
pub(crate) fn find_request(message: u16, identifier: &[u8]) -> Vec<u8> {
    let command = raw::command(&[
        (0x0002, STUDY_ROOT_FIND.as_bytes()),
        (0x0100, &[0x20, 0]),
        (0x0110, &message.to_le_bytes()),
        (0x0700, &[0, 0]),
        (0x0800, &[1, 0]),
    ]);
    let mut pdus = raw::data(1, true, true, &command);
    pdus.extend(raw::data(1, false, true, identifier));
    pdus
}

/// C-CANCEL-RQ of `message` on context 1.
pub(crate) fn cancel_request(message: u16) -> Vec<u8> {
    let command = raw::command(&[
        (0x0100, &[0xFF, 0x0F]),
        (0x0120, &message.to_le_bytes()),
        (0x0800, &[1, 1]),
    ]);
    raw::data(1, true, true, &command)
}

/// All studies, as an identifier in Implicit VR.
fn all_studies() -> Vec<u8> {
    let keys = [(tags::STUDY_INSTANCE_UID, VR::UI, "")];
    dataset::write(&identifier("STUDY", &keys), Encoding::ImplicitLittle)
}

/// The statuses of the responses up to the last, and how many were pending.
pub(crate) fn last_status(peer: &mut Peer) -> (u16, usize) {
    let mut pending = 0;
    loop {
        let Some(pdu) = peer.receive() else {
            panic!("no last response");
        };
        let Pdu::PData { data } = &pdu else {
            panic!("{pdu:?}");
        };
        if data[0].value_type == dicom_ul::pdu::PDataValueType::Data {
            continue;
        }
        match status_of(Some(pdu)) {
            0xFF00 | 0xFF01 => pending += 1,
            last => return (last, pending),
        }
    }
}

#[test]
fn findscu_hears_every_match_in_each_transfer_syntax() {
    let (scp, shelf, _) = shelf::start(shelf_of(3));
    let keys = [
        "QueryRetrieveLevel=STUDY",
        "PatientName",
        "StudyInstanceUID",
    ];
    for syntax in ["-x=", "-xe", "-xb", "-xi"] {
        for (model, expected) in [("-S", Model::StudyRoot), ("-P", Model::PatientRoot)] {
            let keys = [&keys[..], &["PatientID=P-1"]].concat();
            let ran = findscu(scp.local_addr(), &[syntax, model], &keys);
            assert!(ran.success, "{syntax}: {}", ran.output);
            for expected in ["[2.25.0", "[2.25.2", "山田^太郎", "(Pending)"] {
                assert!(ran.output.contains(expected), "{expected}: {}", ran.output);
            }
            assert!(ran.output.contains("DOKUEI"), "{}", ran.output);
            let asked = shelf.asked.lock().unwrap().pop();
            assert_eq!(asked, Some((expected, Level::Study)));
        }
    }
}

#[test]
fn keys_that_are_not_supported_are_owned_up_to() {
    let (scp, ..) = shelf::start(shelf_of(1));
    let keys = ["QueryRetrieveLevel=STUDY", "StudyID", "StudyInstanceUID"];
    let ran = findscu(scp.local_addr(), &["-S", "-d"], &keys);
    assert!(ran.output.contains("0xff01"), "{}", ran.output);
}

#[test]
fn findscu_cancels_and_is_obeyed() {
    const MANY: usize = 200_000;
    let (scp, shelf, _) = shelf::start(shelf_of(MANY));
    let keys = ["QueryRetrieveLevel=STUDY", "StudyInstanceUID"];
    let ran = findscu(scp.local_addr(), &["-S", "--cancel", "2"], &keys);
    assert!(ran.output.contains("DueToCancelRequest"), "{}", ran.output);
    let found = shelf.found.load(Ordering::Relaxed);
    assert!(found < MANY, "{found}");
}

#[test]
fn a_cancel_on_its_way_stops_the_next_match() {
    let (scp, shelf, _) = shelf::start(shelf_of(1000));
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_FIND]);
    // Both in one write: the cancel is there before the first match is sent.
    let mut request = find_request(7, &all_studies());
    request.extend(cancel_request(7));
    peer.send(&request);
    let (status, pending) = last_status(&mut peer);
    assert_eq!(status, 0xFE00);
    assert_eq!((pending, shelf.found.load(Ordering::Relaxed)), (0, 1));
    // The association goes on, and a cancel that comes too late is no fault.
    peer.send(&cancel_request(7));
    peer.send(&find_request(8, &all_studies()));
    assert_eq!(last_status(&mut peer), (0x0000, 1000));
}

/// A peer whose query finds nothing, and is being answered for as long as it waits.
fn in_vain() -> (Scp, Arc<Shelf>, Peer) {
    let (scp, shelf, _) = shelf::start(Shelf {
        in_vain: true,
        ..Shelf::default()
    });
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_FIND]);
    peer.send(&find_request(7, &all_studies()));
    until("a look in vain", || shelf.found.load(Ordering::Relaxed) > 0);
    (scp, shelf, peer)
}

#[test]
fn a_cancel_is_obeyed_while_nothing_is_found() {
    let (_scp, shelf, mut peer) = in_vain();
    peer.send(&cancel_request(7));
    assert_eq!(last_status(&mut peer), (0xFE00, 0));
    assert!(shelf.broken_off.load(Ordering::Acquire));
}

#[test]
fn a_query_that_finds_nothing_ends_with_whoever_asked() {
    let (_scp, shelf, peer) = in_vain();
    drop(peer);
    until("the end", || shelf.broken_off.load(Ordering::Acquire));
}

#[test]
fn rules_of_the_information_model_are_kept() {
    let (scp, shelf, memory) = shelf::start(shelf_of(1));
    let refused = |keys: &[&str]| {
        let ran = findscu(scp.local_addr(), &["-S", "-d"], keys);
        ran.output.contains("0xa900")
    };
    assert!(refused(&["QueryRetrieveLevel=PATIENT", "PatientID"]));
    // What is above the level may be left out, as many callers do.
    assert!(!refused(&[
        "QueryRetrieveLevel=SERIES",
        "SeriesInstanceUID"
    ]));
    assert!(refused(&["PatientID"]));
    assert!(!refused(&[
        "QueryRetrieveLevel=SERIES",
        "StudyInstanceUID=1.2.3",
        "SeriesInstanceUID"
    ]));
    assert_eq!(shelf.asked.lock().unwrap().len(), 2);
    memory.wait_for_notice("(0008,0052)");
}

#[test]
fn garbage_is_answered_and_the_association_goes_on() {
    let (scp, ..) = shelf::start(shelf_of(2));
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_FIND]);
    let mut nested = Vec::new();
    for _ in 0..2000 {
        nested.extend_from_slice(&[0x08, 0, 0x40, 0x11, 0xFF, 0xFF, 0xFF, 0xFF]);
        nested.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    let garbage: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x08, 0, 0x52, 0, 0xFF, 0xFF, 0xFF, 0x7F],
        &[0xFF; 4096],
        &nested,
    ];
    for (message, bytes) in (1..).zip(garbage) {
        peer.send(&find_request(message, bytes));
        let (status, pending) = last_status(&mut peer);
        assert!([0xC000, 0xA900].contains(&status), "{status:04X}");
        assert_eq!(pending, 0);
    }
    peer.send(&find_request(9, &all_studies()));
    assert_eq!(last_status(&mut peer), (0x0000, 2));
}

#[test]
fn an_endless_identifier_is_cut() {
    let (scp, _, memory) = shelf::start(shelf_of(1));
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_FIND]);
    let whole = find_request(1, &[]);
    peer.send(&whole[..whole.len() - 12]);
    let piece = raw::data(1, false, false, &[0; 64 * 1024]);
    for _ in 0..17 {
        peer.send(&piece);
    }
    memory.wait_for_notice("longer than 1 MiB");
}

#[test]
fn a_flood_of_cancels_is_cut() {
    let (scp, _, memory) = shelf::start(shelf_of(100_000));
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_FIND]);
    let mut request = find_request(1, &all_studies());
    for _ in 0..200 {
        request.extend(cancel_request(99));
    }
    peer.send(&request);
    memory.wait_for_notice("again and again");
}

#[test]
fn a_failing_index_is_told() {
    let (scp, ..) = shelf::start(Shelf {
        failing: Some(OUT_OF_RESOURCES),
        ..Shelf::default()
    });
    let keys = ["QueryRetrieveLevel=STUDY", "StudyInstanceUID"];
    let ran = findscu(scp.local_addr(), &["-S", "-d"], &keys);
    assert!(ran.output.contains("0xa700"), "{}", ran.output);
    assert!(ran.output.contains("index is busy"), "{}", ran.output);
}

#[test]
fn whoever_may_not_ask_is_offered_nothing() {
    let (scp, shelf, _) = shelf::start(Shelf {
        picky: true,
        studies: 1,
        ..Shelf::default()
    });
    let keys = ["QueryRetrieveLevel=STUDY", "StudyInstanceUID"];
    let ran = findscu(scp.local_addr(), &["-S", "-aet", "STRANGER"], &keys);
    assert!(!ran.success);
    assert!(shelf.asked.lock().unwrap().is_empty());
    let ran = findscu(scp.local_addr(), &["-S", "-aet", "READER"], &keys);
    assert!(ran.output.contains("[2.25.0"), "{}", ran.output);
}

#[test]
fn a_thousand_studies_stream() {
    let (scp, ..) = shelf::start(shelf_of(1000));
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_FIND]);
    let begun = Instant::now();
    peer.send(&find_request(1, &all_studies()));
    assert_eq!(last_status(&mut peer), (0x0000, 1000));
    assert!(begun.elapsed() < PATIENCE);
}
