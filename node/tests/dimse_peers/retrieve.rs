//! C-GET and C-MOVE: `getscu`, `movescu` with `storescp`, and destinations in trouble.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset;
use dokuei_node::dicom::scanner::Encoding;

use crate::dcmtk::{self, Ran, StoreScp};
use crate::folder::Folder;
use crate::memory::{self, DISK_FULL, Failing, Memory};
use crate::object::*;
use crate::query::{cancel_request, last_status};
use crate::raw::{self, Peer};
use crate::send::{destination, impatient};
use crate::shelf::{self, STUDY, Shelf, identifier};

pub(crate) const STUDY_ROOT_MOVE: &str = "1.2.840.10008.5.1.4.1.2.2.2";

fn retrieve(tool: &str, to: SocketAddr, options: &[&str]) -> Ran {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let key = format!("StudyInstanceUID={STUDY}");
    let mut arguments = vec!["-d", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", &key];
    arguments.extend(options);
    arguments.extend([host.as_str(), port.as_str()]);
    dcmtk::run(tool, &arguments)
}

/// C-MOVE-RQ `message` with an identifier in Implicit VR, on context 1.
pub(crate) fn move_request(message: u16, title: &str, identifier: &[u8]) -> Vec<u8> {
    let command = raw::command(&[
        (0x0002, STUDY_ROOT_MOVE.as_bytes()),
        (0x0100, &[0x21, 0]),
        (0x0110, &message.to_le_bytes()),
        (0x0600, title.as_bytes()),
        (0x0700, &[0, 0]),
        (0x0800, &[1, 0]),
    ]);
    let mut pdus = raw::data(1, true, true, &command);
    pdus.extend(raw::data(1, false, true, identifier));
    pdus
}

pub(crate) fn getscu(to: SocketAddr, options: &[&str]) -> Ran {
    retrieve("getscu", to, options)
}

pub(crate) fn movescu(to: SocketAddr, title: &str) -> Ran {
    retrieve("movescu", to, &["-aem", title])
}

fn objects(count: usize) -> Vec<Object> {
    (0..count)
        .map(|n| Object::new(CT, EXPLICIT, n, 64))
        .collect()
}

fn assert_received(folder: &Path, objects: &[Object]) {
    let mut received: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| data_set_of(&entry.unwrap().path()))
        .collect();
    let mut expected: Vec<_> = objects.iter().map(|o| o.data_set.clone()).collect();
    received.sort();
    expected.sort();
    assert!(received == expected, "{} files", received.len());
}

#[test]
fn getscu_gets_every_byte() {
    let objects = objects(20);
    let (scp, ..) = shelf::start(Shelf::of_objects(&objects));
    let folder = Folder::new();
    let into = folder.path().to_str().unwrap();
    let ran = getscu(scp.local_addr(), &["-od", into, "+B"]);
    assert!(ran.success, "{}", ran.output);
    assert!(ran.output.contains("0x0000"), "{}", ran.output);
    assert_received(folder.path(), &objects);
}

#[test]
fn what_the_requestor_does_not_take_as_it_is_stored_has_failed() {
    let mut objects = objects(2);
    objects.push(Object::new(MR, JPEG_2000, 7, 64));
    let (scp, _, memory) = shelf::start(Shelf::of_objects(&objects));
    let folder = Folder::new();
    let into = folder.path().to_str().unwrap();
    let ran = getscu(scp.local_addr(), &["-od", into, "+B"]);
    assert_received(folder.path(), &objects[..2]);
    assert!(ran.output.contains("0xb000"), "{}", ran.output);
    memory.wait_for_notice("1 of 3 objects");
    memory.wait_for_notice(JPEG_2000);
}

#[test]
fn movescu_has_it_sent_to_storescp() {
    let objects = objects(12);
    let folder = Folder::new();
    let archive = StoreScp::start(&["+xa", "+B"], folder.path());
    let mut shelf = Shelf::of_objects(&objects);
    let to = ([127, 0, 0, 1], archive.port).into();
    shelf.destinations = [("READER".to_owned(), destination(to))].into();
    let (scp, ..) = shelf::start(shelf);
    let ran = movescu(scp.local_addr(), "READER");
    assert!(ran.success, "{}", ran.output);
    assert!(
        ran.output.contains("Completed Suboperations       : 12"),
        "{}",
        ran.output
    );
    assert_received(folder.path(), &objects);
}

#[test]
fn compressed_and_big_endian_objects_go_as_they_are() {
    let objects: Vec<Object> = [IMPLICIT, BIG_ENDIAN, JPEG_LOSSLESS, JPEG_2000, RLE]
        .into_iter()
        .enumerate()
        .map(|(n, syntax)| Object::new(MR, syntax, n, 32))
        .collect();
    let reader = Memory::new();
    let archive = memory::start(&reader);
    let mut shelf = Shelf::of_objects(&objects);
    shelf.destinations = [("READER".to_owned(), destination(archive.local_addr()))].into();
    let (scp, ..) = shelf::start(shelf);
    let ran = movescu(scp.local_addr(), "READER");
    assert!(ran.success, "{}", ran.output);
    reader.assert_kept(&objects);
}

#[test]
fn an_unknown_destination_is_named() {
    let (scp, _, memory) = shelf::start(Shelf::of_objects(&objects(1)));
    let ran = movescu(scp.local_addr(), "NOBODY");
    assert!(ran.output.contains("0xa801"), "{}", ran.output);
    memory.wait_for_notice("not registered");
}

#[test]
fn a_destination_in_trouble_is_told_with_its_failures() {
    let objects = objects(3);
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let full = Memory::failing(Failing::AtBegin(DISK_FULL));
    let full_scp = memory::start(&full);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut hasty = impatient(silent.local_addr().unwrap());
    hasty.timeouts.negotiation = std::time::Duration::from_millis(300);
    let mut shelf = Shelf::of_objects(&objects);
    shelf.destinations = [
        ("CLOSED".to_owned(), destination(closed)),
        ("FULL".to_owned(), destination(full_scp.local_addr())),
        ("SILENT".to_owned(), hasty),
    ]
    .into();
    let (scp, _, memory) = shelf::start(shelf);
    for (title, notice) in [
        ("CLOSED", "cannot connect"),
        ("FULL", "A700"),
        ("SILENT", "did not"),
    ] {
        let ran = movescu(scp.local_addr(), title);
        assert!(ran.output.contains("0xa702"), "{title}: {}", ran.output);
        assert!(
            ran.output.contains("Failed Suboperations          : 3"),
            "{title}: {}",
            ran.output
        );
        if title != "SILENT" {
            memory.wait_for_notice(notice);
        }
    }
    memory.seen(|seen| assert_eq!(seen.notices.len(), 3, "{:?}", seen.notices));
}

#[test]
fn a_retrieval_to_a_destination_that_never_answers_can_be_cancelled() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut shelf = Shelf::of_objects(&objects(3));
    let to = destination(silent.local_addr().unwrap());
    shelf.destinations = [("SILENT".to_owned(), to)].into();
    let (scp, ..) = shelf::start(shelf);
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_MOVE]);
    let keys = [(tags::STUDY_INSTANCE_UID, VR::UI, STUDY)];
    let identifier = dataset::write(&identifier("STUDY", &keys), Encoding::ImplicitLittle);
    peer.send(&move_request(5, "SILENT", &identifier));
    // The destination has been called, so the retrieval is under way.
    let _called = silent.accept().unwrap();
    peer.send(&cancel_request(5));
    let (status, _) = last_status(&mut peer);
    assert_eq!(status, 0xFE00);
}
