//! The archive that writes files.

use std::ops::ControlFlow;
use std::sync::Arc;

use dokuei_node::dicom::pacs::Pacs;
use dokuei_node::dicom::scp::{Limits, Scp};
use dokuei_node::dicom::scu::{Delivery, store};

use crate::dcmtk;
use crate::folder::Folder;
use crate::memory;
use crate::object::*;
use crate::raw::{Peer, data, store_request};
use crate::send::destination;

fn open(folder: &Folder, sync: bool) -> (Arc<Pacs>, Scp) {
    let pacs = Arc::new(Pacs::open(folder.path(), sync).unwrap());
    let config = memory::config(Limits::default());
    let scp = Scp::start(config, Arc::clone(&pacs) as _).unwrap();
    (pacs, scp)
}

fn send(scp: &Scp, objects: &[Object]) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    store(
        &destination(scp.local_addr()),
        objects.iter().map(Object::boxed),
        &mut |outcome| {
            deliveries.push(outcome.delivery);
            ControlFlow::Continue(())
        },
    );
    deliveries
}

#[test]
fn files_hold_the_data_set_as_it_came_and_other_programs_read_them() {
    let folder = Folder::new();
    let (pacs, scp) = open(&folder, true);
    let objects = [
        Object::new(CT, EXPLICIT, 1, 64),
        Object::new(MR, IMPLICIT, 2, 64),
        Object::new(CT, JPEG_2000, 3, 64),
    ];
    assert!(send(&scp, &objects).iter().all(Delivery::is_stored));
    assert_eq!(pacs.stored(), 3);
    assert_eq!(folder.names().len(), 3);
    for object in &objects {
        let path = pacs.file_of(&object.sop_instance);
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(data_set_of(&path) == object.data_set);
        let ran = dcmtk::run("dcmdump", &["-M", path.to_str().unwrap()]);
        assert!(ran.success, "{}", ran.output);
        assert!(ran.output.contains(&object.sop_instance), "{}", ran.output);
    }
}

#[test]
fn the_same_object_twice_is_kept_once_and_another_under_its_uid_is_refused() {
    let folder = Folder::new();
    let (pacs, scp) = open(&folder, false);
    let object = Object::new(CT, EXPLICIT, 1, 64);
    let mut other = object.clone();
    *other.data_set.last_mut().unwrap() ^= 1;
    let mut longer = object.clone();
    longer.data_set.extend_from_slice(&[0; 2]);
    let sent = send(&scp, &[object.clone(), object.clone(), other, longer]);
    assert!(matches!(sent[0], Delivery::Stored));
    assert!(matches!(sent[1], Delivery::Stored));
    for refused in &sent[2..] {
        let Delivery::Refused { status, for_now } = refused else {
            panic!("{refused}");
        };
        assert_eq!((*status, *for_now), (0x0111, false));
    }
    assert_eq!(pacs.stored(), 1);
    assert_eq!(folder.names().len(), 1);
    assert!(data_set_of(&pacs.file_of(&object.sop_instance)) == object.data_set);
}

#[test]
fn an_object_cut_in_the_middle_leaves_nothing() {
    let folder = Folder::new();
    let (pacs, scp) = open(&folder, false);
    let mut peer = Peer::associate(scp.local_addr(), &[CT]);
    peer.send(&data(1, true, true, &store_request(CT, "1.2.3")));
    peer.send(&data(1, false, false, &[0; 1000]));
    peer.send(&[7, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    drop(peer);
    scp.stop();
    assert_eq!(folder.names(), [""; 0]);
    assert_eq!(pacs.stored(), 0);
}

#[test]
fn what_an_earlier_run_left_is_counted_or_removed() {
    let folder = Folder::new();
    let (pacs, scp) = open(&folder, false);
    send(&scp, &[Object::new(CT, EXPLICIT, 1, 16)]);
    scp.stop();
    drop(pacs);
    std::fs::write(folder.path().join("incoming-7.part"), "torn").unwrap();
    let (pacs, scp) = open(&folder, false);
    assert_eq!(pacs.stored(), 1);
    assert_eq!(folder.names().len(), 1);
    assert!(send(&scp, &[Object::new(CT, EXPLICIT, 2, 16)])[0].is_stored());
    assert_eq!(pacs.stored(), 2);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Pacs::open(&file, false).err().unwrap();
    assert!(error.to_string().contains("cannot be used"), "{error}");
}

#[test]
fn a_disk_that_cannot_be_written_is_answered_with_out_of_resources() {
    let folder = Folder::new();
    let (pacs, scp) = open(&folder, false);
    // A folder that is gone fails as a full disk does: at the first write.
    std::fs::remove_dir_all(folder.path()).unwrap();
    let sent = send(&scp, &[Object::new(CT, EXPLICIT, 1, 16)]);
    assert!(matches!(
        sent[0],
        Delivery::Refused {
            status: 0xA700,
            for_now: true
        }
    ));
    assert!(sent[0].may_retry());
    std::fs::create_dir(folder.path()).unwrap();
    assert!(send(&scp, &[Object::new(CT, EXPLICIT, 1, 16)])[0].is_stored());
    assert_eq!(pacs.stored(), 1);
}
