//! Too many at once, and stopping.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dicom_ul::pdu::{AssociationRJServiceProviderPresentationReason, AssociationRJSource, Pdu};
use dokuei_node::dicom::dimse::StoreFailure;
use dokuei_node::dicom::scp::{Caller, Incoming, Intake, Limits, ObjectWriter, Scp, ScpError};
use dokuei_node::dicom::scu::echo;

use crate::memory::{self, Memory, PATIENCE};
use crate::object::*;
use crate::raw::*;
use crate::send::destination;

/// Ask until there is a place for us.
fn echo_in_the_end(scp: &Scp, otherwise: &str) {
    let begun = Instant::now();
    while echo(&destination(scp.local_addr())).is_err() {
        assert!(begun.elapsed() < PATIENCE, "{otherwise}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn silent_connections_give_way_to_one_that_speaks() {
    let limits = Limits {
        per_address: 4,
        negotiation: PATIENCE * 10,
        ..Limits::default()
    };
    let memory = Memory::new();
    let scp = memory::start_with(memory::config(limits), &memory);
    let mut silent: Vec<Peer> = (0..4).map(|_| Peer::connect(scp.local_addr())).collect();
    // They may stay for a moment; after it the oldest makes room. Until then we are turned away.
    echo_in_the_end(&scp, "silent connections keep everyone out");
    assert!(silent[0].receive().is_none(), "the oldest was not cut");
    assert!(silent[3].is_silent(), "the youngest was cut");
}

#[test]
fn established_associations_are_not_displaced() {
    let limits = Limits {
        per_address: 2,
        ..Limits::default()
    };
    let memory = Memory::new();
    let scp = memory::start_with(memory::config(limits), &memory);
    let mut first = Peer::associate(scp.local_addr(), &[CT]);
    let _second = Peer::associate(scp.local_addr(), &[CT]);
    let mut third = Peer::connect(scp.local_addr());
    third.send(&request(&[CT]));
    let Some(Pdu::AssociationRJ(rejection)) = third.receive() else {
        panic!("not rejected");
    };
    assert_eq!(
        rejection.source,
        AssociationRJSource::ServiceProviderPresentation(
            AssociationRJServiceProviderPresentationReason::LocalLimitExceeded
        )
    );
    assert!(third.receive().is_none());
    memory.wait_for_notice("its address has the most associations allowed");
    // The first still works, and when it leaves there is room.
    first.send(&data(1, true, true, &store_request(CT, "1.2.3")));
    first.send(&data(1, false, true, b"data"));
    assert_eq!(status_of(first.receive()), 0);
    first.send(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    assert_eq!(first.receive(), Some(Pdu::ReleaseRP));
    drop(first);
    echo_in_the_end(&scp, "a place was not given back");
}

#[test]
fn an_idle_association_gives_way_and_a_busy_one_does_not() {
    let limits = Limits {
        associations: 2,
        yielding: Duration::from_millis(50),
        ..Limits::default()
    };
    let memory = Memory::new();
    let scp = memory::start_with(memory::config(limits), &memory);
    let mut idle = Peer::associate(scp.local_addr(), &[CT]);
    let mut busy = Peer::associate(scp.local_addr(), &[CT]);
    busy.send(&data(1, true, true, &store_request(CT, "1.2.3")));
    memory.wait_until("the object to begin", |seen| seen.begun == 1);
    echo_in_the_end(&scp, "nobody gives way");
    assert!(idle.receive().is_none(), "the idle one was not cut");
    memory.wait_for_notice("gave way to a new association");
    busy.send(&data(1, false, true, b"data"));
    assert_eq!(status_of(busy.receive()), 0);
}

#[test]
fn an_intake_that_panics_costs_its_own_association_only() {
    struct Panicking;
    impl Intake for Panicking {
        fn begin(&self, _: Incoming<'_>) -> Result<Box<dyn ObjectWriter + '_>, StoreFailure> {
            panic!("a bug in the intake");
        }
        fn echo(&self, _: &Caller) -> bool {
            true
        }
    }
    let limits = Limits {
        associations: 1,
        ..Limits::default()
    };
    let scp = Scp::start(memory::config(limits), Arc::new(Panicking)).unwrap();
    let mut peer = Peer::associate(scp.local_addr(), &[CT]);
    peer.send(&data(1, true, true, &store_request(CT, "1.2.3")));
    assert!(peer.receive().is_none());
    echo_in_the_end(&scp, "the place was not given back");
}

#[test]
fn a_hundred_connections_more_than_allowed_do_not_stop_an_honest_one() {
    let memory = Memory::new();
    let limits = Limits {
        associations: 8,
        per_address: 8,
        ..Limits::default()
    };
    let scp = memory::start_with(memory::config(limits), &memory);
    let crowd: Vec<Peer> = (0..108).map(|_| Peer::connect(scp.local_addr())).collect();
    echo_in_the_end(&scp, "the crowd keeps an honest peer out");
    drop(crowd);
}

#[test]
fn a_stop_lets_an_object_finish_and_then_aborts() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut idle = Peer::associate(scp.local_addr(), &[CT]);
    let mut silent = Peer::connect(scp.local_addr());
    let mut busy = Peer::associate(scp.local_addr(), &[CT]);
    busy.send(&data(1, true, true, &store_request(CT, "1.2.3")));
    busy.send(&data(1, false, false, b"da"));
    memory.wait_until("the object to begin", |seen| seen.begun == 1);
    let stopping = std::thread::spawn(move || scp.stop());
    idle.assert_aborted();
    silent.assert_aborted();
    busy.send(&data(1, false, true, b"ta"));
    assert_eq!(status_of(busy.receive()), 0);
    busy.assert_aborted();
    stopping.join().unwrap();
    memory.seen(|seen| {
        assert_eq!(seen.kept["1.2.3"].data_set, b"data");
        assert_eq!(seen.notices, [""; 0]);
    });
}

#[test]
fn a_stop_cuts_what_does_not_finish() {
    let limits = Limits {
        stopping: Duration::from_millis(300),
        ..Limits::default()
    };
    let memory = Memory::new();
    let scp = memory::start_with(memory::config(limits), &memory);
    let mut busy = Peer::associate(scp.local_addr(), &[CT]);
    busy.send(&data(1, true, true, &store_request(CT, "1.2.3")));
    busy.send(&data(1, false, false, b"da"));
    memory.wait_until("the object to begin", |seen| seen.begun == 1);
    scp.stop();
    memory.seen(|seen| {
        assert!(seen.kept.is_empty());
        assert_eq!(seen.dropped, 1);
        assert_eq!(seen.notices.len(), 1);
        assert!(
            seen.notices[0].contains("this node is stopping"),
            "{:?}",
            seen.notices
        );
    });
}

#[test]
fn a_port_in_use_is_one_clear_sentence() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut config = memory::config(Limits::default());
    config.address = scp.local_addr();
    let error = Scp::start(config, memory.clone()).err().unwrap();
    assert!(matches!(error, ScpError::AddressInUse(a) if a == scp.local_addr()));
    assert!(
        error.to_string().contains("in use by another program"),
        "{error}"
    );
}
