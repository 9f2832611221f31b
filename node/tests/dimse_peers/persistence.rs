//! C-MOVE to destinations that fail for a while: as often as the register says, each object counted once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset;
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::entities::{Destination, Retry};

use crate::house::House;
use crate::moody::{Mood, Moody};
use crate::object::*;
use crate::query::{cancel_request, last_status};
use crate::raw::Peer;
use crate::retrieve::{STUDY_ROOT_MOVE, move_request, movescu};
use crate::shelf::{self, STUDY, Shelf, identifier};

/// A house in which `READER` is a destination that is tried so often.
fn house(to: SocketAddr, attempts: u8, pause: u16) -> House {
    let house = House::new();
    let reader = Destination {
        name: "READER".to_owned(),
        host: to.ip().to_string(),
        port: to.port(),
        ae_title: "READER".to_owned(),
        tls: None,
        retry: Retry { attempts, pause },
    };
    house.entities.add_destination(reader).unwrap();
    house
}

fn objects(count: usize) -> Vec<Object> {
    (0..count)
        .map(|n| Object::new(CT, EXPLICIT, n, 16))
        .collect()
}

/// How often each of the objects came.
fn times(reader: &Moody, objects: &[Object]) -> Vec<usize> {
    let came = reader.came();
    let times = objects.iter().map(|one| came.get(&one.sop_instance));
    times.map(|times| times.copied().unwrap_or(0)).collect()
}

#[test]
fn an_object_that_broke_off_comes_again_and_the_others_do_not() {
    let objects = objects(5);
    let third = objects[2].sop_instance.clone();
    let reader = Moody::start(move |instance, time| match instance == third && time == 1 {
        true => Mood::Aborts,
        false => Mood::Says(0),
    });
    let house = house(reader.address, 3, 1);
    let destinations = Arc::new(house.entities.clone());
    let (scp, _, memory) = shelf::start_towards(Shelf::of_objects(&objects), destinations);
    let ran = movescu(scp.local_addr(), "READER");
    assert!(ran.success, "{}", ran.output);
    assert!(
        ran.output.contains("Completed Suboperations       : 5")
            && ran.output.contains("Failed Suboperations          : 0"),
        "{}",
        ran.output
    );
    assert_eq!(times(&reader, &objects), [1, 1, 2, 1, 1]);
    memory.seen(|seen| assert!(seen.notices.is_empty(), "{:?}", seen.notices));
}

#[test]
fn out_of_room_for_one_object_is_tried_until_there_is_room() {
    let objects = objects(4);
    let third = objects[2].sop_instance.clone();
    let reader = Moody::start(move |instance, time| match instance == third && time <= 2 {
        true => Mood::Says(0xA700),
        false => Mood::Says(0),
    });
    let house = house(reader.address, 3, 1);
    let destinations = Arc::new(house.entities.clone());
    let (scp, ..) = shelf::start_towards(Shelf::of_objects(&objects), destinations);
    let ran = movescu(scp.local_addr(), "READER");
    assert!(ran.success, "{}", ran.output);
    assert!(
        ran.output.contains("Completed Suboperations       : 4"),
        "{}",
        ran.output
    );
    assert_eq!(times(&reader, &objects), [1, 1, 3, 1]);
    let route = house.entities.destination("READER").unwrap();
    assert_eq!(route.standing().0, 0, "it answered: it is not dead");
}

#[test]
fn what_never_comes_off_has_failed_once_and_what_is_refused_for_good_is_not_tried_again() {
    let objects = objects(4);
    let (second, third) = (
        objects[1].sop_instance.clone(),
        objects[2].sop_instance.clone(),
    );
    let reader = Moody::start(move |instance, _| match instance {
        _ if instance == second => Mood::Says(0xA700),
        _ if instance == third => Mood::Says(0xC000),
        _ => Mood::Says(0),
    });
    let house = house(reader.address, 2, 1);
    let destinations = Arc::new(house.entities.clone());
    let (scp, _, memory) = shelf::start_towards(Shelf::of_objects(&objects), destinations);
    let ran = movescu(scp.local_addr(), "READER");
    assert!(ran.output.contains("0xb000"), "{}", ran.output);
    assert!(
        ran.output.contains("Completed Suboperations       : 2")
            && ran.output.contains("Failed Suboperations          : 2"),
        "{}",
        ran.output
    );
    assert_eq!(times(&reader, &objects), [1, 2, 1, 1]);
    memory.wait_for_notice("2 of 4 objects");
}

#[test]
fn a_cancel_ends_the_pause_between_two_attempts() {
    let (told, tried) = sync_channel(8);
    let reader = Moody::start(move |_, _| {
        let _known = told.try_send(());
        Mood::Says(0xA700)
    });
    // The next attempt would be in ten minutes.
    let house = house(reader.address, 3, 600);
    let destinations = Arc::new(house.entities.clone());
    let (scp, ..) = shelf::start_towards(Shelf::of_objects(&objects(1)), destinations);
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_MOVE]);
    let keys = [(tags::STUDY_INSTANCE_UID, VR::UI, STUDY)];
    let identifier = dataset::write(&identifier("STUDY", &keys), Encoding::ImplicitLittle);
    peer.send(&move_request(5, "READER", &identifier));
    tried.recv().unwrap();
    peer.send(&cancel_request(5));
    assert_eq!(last_status(&mut peer).0, 0xFE00);
    // Another retrieval to the same destination has a place at once.
    peer.send(&move_request(6, "READER", &identifier));
    tried.recv().unwrap();
    peer.send(&cancel_request(6));
    assert_eq!(last_status(&mut peer).0, 0xFE00);
}

#[test]
fn one_that_never_answers_holds_up_no_other() {
    let objects = objects(2);
    let (told, called) = sync_channel(8);
    let silent = Moody::start(move |_, _| {
        let _known = told.try_send(());
        Mood::IsSilent
    });
    let reader = Moody::start(|_, _| Mood::Says(0));
    let house = house(reader.address, 3, 1);
    let dead = Destination {
        name: "SILENT".to_owned(),
        ae_title: "SILENT".to_owned(),
        port: silent.address.port(),
        ..house.entities.destinations()[0].clone()
    };
    house.entities.add_destination(dead).unwrap();
    let destinations = Arc::new(house.entities.clone());
    let (scp, ..) = shelf::start_towards(Shelf::of_objects(&objects), destinations);
    let mut peer = Peer::associate(scp.local_addr(), &[STUDY_ROOT_MOVE]);
    let keys = [(tags::STUDY_INSTANCE_UID, VR::UI, STUDY)];
    let identifier = dataset::write(&identifier("STUDY", &keys), Encoding::ImplicitLittle);
    peer.send(&move_request(5, "SILENT", &identifier));
    called.recv().unwrap();
    let ran = movescu(scp.local_addr(), "READER");
    assert!(ran.success, "{}", ran.output);
    peer.send(&cancel_request(5));
    assert_eq!(last_status(&mut peer).0, 0xFE00);
}
