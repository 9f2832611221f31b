//! We send to our own receiving side.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use dokuei_node::dicom::dimse::{StoreFailure, StoreStatus};
use dokuei_node::dicom::pdu::{MinimumRate, RejectionReason};
use dokuei_node::dicom::scp::{Called, Limits};
use dokuei_node::dicom::scu::{
    Delivery, Destination, Ended, Outcome, Outgoing, ScuFault, Summary, Timeouts, echo, store,
};

use crate::memory::{self, Failing, Memory};
use crate::object::*;

/// A destination with waits long enough for a busy machine.
pub(crate) fn destination(to: SocketAddr) -> Destination {
    Destination {
        host: to.ip().to_string(),
        port: to.port(),
        called_ae: "DOKUEI".parse().unwrap(),
        calling_ae: "CLINIC".parse().unwrap(),
        timeouts: Timeouts::default(),
        tls: None,
        breaker: None,
        transcoding: None,
    }
}

/// A destination with waits a test can sit out.
pub(crate) fn impatient(to: SocketAddr) -> Destination {
    let mut destination = destination(to);
    destination.timeouts = Timeouts {
        connection: Duration::from_secs(2),
        negotiation: Duration::from_secs(10),
        rate: MinimumRate {
            window: Duration::from_millis(500),
            bytes_per_second: 1_000_000,
        },
        response: Duration::from_millis(500),
        release: Duration::from_millis(300),
    };
    destination
}

/// Send and gather the outcomes.
pub(crate) fn send<'o>(
    to: &Destination,
    objects: impl Iterator<Item = Box<dyn Outgoing + 'o>>,
) -> (Vec<Outcome>, Summary) {
    let mut outcomes = Vec::new();
    let summary = store(to, objects, &mut |outcome| {
        outcomes.push(outcome);
        ControlFlow::Continue(())
    });
    (outcomes, summary)
}

#[test]
fn many_objects_of_several_kinds_go_over_one_association() {
    let kinds = [
        (CT, EXPLICIT),
        (MR, IMPLICIT),
        (CT, JPEG_2000),
        (MR, RLE),
        (CT, IMPLICIT),
    ];
    let objects: Vec<Object> = (0..300)
        .map(|n| {
            let (class, syntax) = kinds[n % kinds.len()];
            Object::new(class, syntax, n, (n % 90) as u16)
        })
        .collect();
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let (outcomes, summary) = send(
        &destination(scp.local_addr()),
        objects.iter().map(Object::boxed),
    );
    assert_eq!(
        (summary.stored, summary.not_stored, summary.associations),
        (300, 0, 1)
    );
    assert!(matches!(summary.ended, Ended::Complete));
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.index, n as u64);
        assert_eq!(outcome.sop_instance, objects[n].sop_instance);
        assert!(matches!(outcome.delivery, Delivery::Stored));
    }
    memory.assert_kept(&objects);
    scp.stop();
    memory.seen(|seen| {
        assert_eq!(seen.notices, [""; 0]);
        assert_eq!(seen.callers[0].calling_ae.as_str(), "CLINIC");
    });
}

#[test]
fn more_pairs_than_contexts_need_more_associations() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let objects: Vec<Object> = (0..600)
        .map(|n| Object::new(&format!("{CT}.{}", n % 300), EXPLICIT, n, 4))
        .collect();
    let (outcomes, summary) = send(
        &destination(scp.local_addr()),
        objects.iter().map(Object::boxed),
    );
    assert_eq!((summary.stored, summary.associations), (600, 3));
    let indices: BTreeSet<u64> = outcomes.iter().map(|o| o.index).collect();
    assert_eq!(indices.len(), 600);
    memory.assert_kept(&objects);
}

#[test]
fn statuses_become_outcomes() {
    let cases = [
        (StoreStatus::OutOfResources, true),
        (StoreStatus::ProcessingFailure, true),
        (StoreStatus::DataSetMismatch, false),
        (StoreStatus::CannotUnderstand, false),
        (StoreStatus::SopClassNotSupported, false),
        (StoreStatus::NotAuthorised, false),
    ];
    let memory = Memory::new();
    let scp = memory::start(&memory);
    for (status, may_retry) in cases {
        memory.set_failing(Failing::AtCommit(StoreFailure::new(
            status, "refused", "拒否",
        )));
        let object = Object::new(CT, EXPLICIT, 1, 16);
        let (outcomes, summary) =
            send(&destination(scp.local_addr()), [object.boxed()].into_iter());
        assert_eq!(outcomes.len(), 1);
        let Delivery::Refused { status: code, .. } = outcomes[0].delivery else {
            panic!("{}", outcomes[0].delivery);
        };
        assert_eq!(code, status.code());
        assert_eq!(outcomes[0].delivery.may_retry(), may_retry, "{code:04X}");
        assert_eq!((summary.stored, summary.not_stored), (0, 1));
    }
}

#[test]
fn a_class_that_is_not_accepted_is_named_and_the_rest_goes() {
    let private = "1.3.12.2.1107.5.9.1";
    let objects = [
        Object::new(CT, EXPLICIT, 1, 16),
        Object::new(private, EXPLICIT, 2, 16),
        Object::new(CT, EXPLICIT, 3, 16),
    ];
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let (outcomes, summary) = send(
        &destination(scp.local_addr()),
        objects.iter().map(Object::boxed),
    );
    assert_eq!(
        (summary.stored, summary.not_stored, summary.associations),
        (2, 1, 1)
    );
    assert_eq!(
        outcomes[1].delivery.to_string(),
        format!("the destination does not accept {private} in {EXPLICIT}")
    );
    assert!(!outcomes[1].delivery.may_retry());
    memory.seen(|seen| assert_eq!(seen.begun, 2));
}

#[test]
fn a_rejection_leaves_everything_unattempted() {
    let memory = Memory::new();
    let mut config = memory::config(Limits::default());
    config.accept.called = Called::Ours;
    let scp = memory::start_with(config, &memory);
    let mut wrong = destination(scp.local_addr());
    wrong.called_ae = "ELSEWHERE".parse().unwrap();
    let mut source = (0..2000).map(|n| Object::new(CT, EXPLICIT, n, 1).boxed());
    let (outcomes, summary) = send(&wrong, source.by_ref());
    let Ended::GaveUp(ScuFault::Rejected(why)) = summary.ended else {
        panic!("{:?}", summary.ended);
    };
    assert_eq!(why.reason, RejectionReason::CalledAeTitle);
    assert_eq!(outcomes.len(), 1024);
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o.delivery, Delivery::NotAttempted))
    );
    assert_eq!(source.count(), 2000 - 1024);
    assert!(matches!(echo(&wrong), Err(ScuFault::Rejected(_))));
}

#[test]
fn the_caller_can_stop_in_between() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let source = (0..10).map(|n| Object::new(CT, EXPLICIT, n, 16).boxed());
    let mut seen = Vec::new();
    let summary = store(&destination(scp.local_addr()), source, &mut |outcome| {
        seen.push(outcome.delivery.is_stored());
        if seen.len() < 4 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    assert!(matches!(summary.ended, Ended::Cancelled));
    assert_eq!((summary.stored, summary.not_stored), (4, 6));
    assert_eq!(
        seen,
        [
            true, true, true, true, false, false, false, false, false, false
        ]
    );
}

#[test]
fn nothing_to_send_needs_no_association() {
    let nobody = destination(([127, 0, 0, 1], 9).into());
    let (outcomes, summary) = send(&nobody, std::iter::empty());
    assert!(outcomes.is_empty());
    assert!(matches!(summary.ended, Ended::Complete));
}
