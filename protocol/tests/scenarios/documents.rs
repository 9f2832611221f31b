//! What arrives: twice, late, out of order, forged, from the wrong site.

use dokuei_keys::id::{Digest, DocumentId};
use dokuei_keys::signed;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{CustodyReceipt, Link, Proposal, ReaderEvent, RequesterEvent};
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, DocumentAnswer, Effect};
use dokuei_protocol::limits;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

/// A pair that has lived through a whole case.
fn experienced() -> (World, CaseId) {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    assert_eq!(world.acknowledge(case, 1), Ok(Answer::Done));
    world.settle();
    (world, case)
}

fn entries(world: &World) -> usize {
    world.sites.iter().map(|site| site.entries.len()).sum()
}

/// The next link of a chain as the clinic holds it, with another event.
pub(crate) fn next_link(world: &World, case: CaseId, event: RequesterEvent) -> Link {
    let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
    Link {
        case,
        requester: world.id(CLINIC),
        reader: world.id(HOSPITAL),
        sequence: thread.chain().len() as u32,
        previous: Some(thread.head()),
        at: world.now,
        event,
    }
}

fn proposal(world: &World, case: CaseId, event: ReaderEvent) -> Proposal {
    let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
    Proposal {
        case,
        requester: world.id(CLINIC),
        reader: world.id(HOSPITAL),
        follows: thread.head(),
        at: world.now,
        event,
    }
}

#[test]
fn every_document_may_come_again_and_has_no_second_effect() {
    let (mut world, _) = experienced();
    let before = entries(&world);
    for (from, to, bytes) in world.sent.clone().into_iter().rev() {
        let answer = world.hand_over(from, to, bytes);
        assert_eq!(answer, Some(DocumentAnswer::Accepted));
    }
    world.settle();
    assert_eq!(entries(&world), before);
}

#[test]
fn documents_may_come_in_any_order() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    let cases: Vec<_> = (0..4).map(|_| world.open(HOSPITAL)).collect();
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    world.mend(CLINIC, HOSPITAL);
    world.held.reverse();
    world.let_go();
    world.settle();
    for case in cases {
        assert_eq!(world.phase(CLINIC, case), "received");
    }
}

#[test]
fn what_comes_before_its_predecessor_is_asked_for_again() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    let back = dokuei_protocol::case::event::WithdrawalReason::NotNeeded;
    let withdrawn = dokuei_protocol::input::Command::Withdraw(case, back);
    assert_eq!(world.ask(CLINIC, withdrawn), Ok(Answer::Done));
    let queue = &world.sites[CLINIC].service.state().outbox[&world.id(HOSPITAL)];
    let second = queue[1].bytes.clone();
    assert_eq!(
        world.hand_over(CLINIC, HOSPITAL, second),
        Some(DocumentAnswer::Later)
    );
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "withdrawn");
}

#[test]
fn a_changed_byte_is_never_accepted() {
    let (mut world, _) = experienced();
    let before = entries(&world);
    for (from, to, bytes) in world.sent.clone() {
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let answer = world.hand_over(from, to, changed);
            assert_eq!(answer, Some(DocumentAnswer::Refused));
        }
    }
    assert_eq!(entries(&world), before);
}

#[test]
fn garbage_and_too_much_are_refused() {
    let mut world = World::pair();
    let before = entries(&world);
    for bytes in [
        Vec::new(),
        vec![0; 9],
        vec![0x84; 4096],
        vec![0; limits::DOCUMENT_BYTES + 1],
    ] {
        let answer = world.hand_over(CLINIC, HOSPITAL, bytes);
        assert_eq!(answer, Some(DocumentAnswer::Refused));
    }
    assert_eq!(entries(&world), before);
}

#[test]
fn nobody_says_something_in_the_name_of_another() {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    let forged = next_link(&world, case, RequesterEvent::Closed);
    let by_reader = world.sites[HOSPITAL].sign(forged.clone());
    let by_third = world.sites[UNIVERSITY].sign(forged);
    for (from, bytes) in [(CLINIC, by_reader.clone()), (CLINIC, by_third.clone())] {
        let answer = world.hand_over(from, HOSPITAL, bytes);
        assert_eq!(answer, Some(DocumentAnswer::Refused));
    }
    // The hospital and the university are not partners, and the clinic's partners speak for
    // themselves only.
    let mut stolen = proposal(&world, case, ReaderEvent::Claimed(World::person(HOSPITAL)));
    let real = world.sites[HOSPITAL].sign(stolen.clone());
    assert_eq!(
        world.hand_over(UNIVERSITY, CLINIC, real),
        Some(DocumentAnswer::Refused)
    );
    stolen.reader = world.id(UNIVERSITY);
    let own = world.sites[UNIVERSITY].sign(stolen);
    let answer = world.hand_over(UNIVERSITY, CLINIC, own);
    assert_eq!(answer, Some(DocumentAnswer::Refused), "it was not asked");
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn a_document_for_another_site_is_refused() {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    let mut link = next_link(&world, case, RequesterEvent::Closed);
    link.reader = world.id(UNIVERSITY);
    let bytes = world.sites[CLINIC].sign(link);
    assert_eq!(
        world.hand_over(CLINIC, HOSPITAL, bytes),
        Some(DocumentAnswer::Refused)
    );
}

#[test]
fn strangers_are_not_heard() {
    let mut world = World::strangers();
    let link = Link {
        case: CaseId::from_bytes([1; 32]),
        requester: world.id(CLINIC),
        reader: world.id(HOSPITAL),
        sequence: 0,
        previous: None,
        at: world.now,
        event: RequesterEvent::Expired,
    };
    let bytes = world.sites[CLINIC].sign(link);
    let answer = world.hand_over(CLINIC, HOSPITAL, bytes);
    assert_ne!(answer, Some(DocumentAnswer::Accepted));
    assert!(world.sites[HOSPITAL].service.state().readings.is_empty());
}

#[test]
fn a_second_history_is_refused() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let mut other = next_link(
        &world,
        case,
        RequesterEvent::NotAdmitted(DocumentId::of(b"x")),
    );
    other.sequence = 2;
    let bytes = world.sites[CLINIC].sign(other.clone());
    assert_eq!(
        world.hand_over(CLINIC, HOSPITAL, bytes),
        Some(DocumentAnswer::Refused)
    );
    other.sequence = next_link(&world, case, RequesterEvent::Closed).sequence;
    other.previous = Some(DocumentId::of(b"elsewhere"));
    let bytes = world.sites[CLINIC].sign(other);
    assert_eq!(
        world.hand_over(CLINIC, HOSPITAL, bytes),
        Some(DocumentAnswer::Refused)
    );
}

#[test]
fn what_does_not_fit_the_phase_is_refused() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let never = DocumentId::of(b"never proposed");
    for event in [
        RequesterEvent::Closed,
        RequesterEvent::Delivered(1),
        RequesterEvent::Acknowledged(1),
        RequesterEvent::NotChosen,
        RequesterEvent::Expired,
        RequesterEvent::Admitted(never),
        RequesterEvent::Booked(never),
    ] {
        let bytes = world.sites[CLINIC].sign(next_link(&world, case, event));
        assert_eq!(
            world.hand_over(CLINIC, HOSPITAL, bytes),
            Some(DocumentAnswer::Refused)
        );
    }
    assert_eq!(world.phase(HOSPITAL, case), "received");
}

#[test]
fn a_proposal_that_does_not_fit_is_answered_and_has_no_effect() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let before = world.story(CLINIC, case).len();
    let again = proposal(
        &world,
        case,
        ReaderEvent::Declined(dokuei_protocol::case::event::DeclineReason::Full),
    );
    let bytes = world.sites[HOSPITAL].sign(again);
    assert_eq!(
        world.hand_over(HOSPITAL, CLINIC, bytes),
        Some(DocumentAnswer::Accepted)
    );
    assert_eq!(world.story(CLINIC, case)[before..], ["not-admitted"]);
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn a_receipt_for_another_study_is_not_admitted() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    let request = &world.sites[CLINIC].service.state().requests[&case];
    let manifest = request.manifest.clone();
    for receipt in [
        CustodyReceipt {
            manifest: Digest::of(b"another"),
            objects: manifest.objects,
            bytes: manifest.bytes,
        },
        CustodyReceipt {
            manifest: Digest::of(&dokuei_keys::cbor::encode(&manifest)),
            objects: manifest.objects,
            bytes: manifest.bytes - 1,
        },
    ] {
        let bytes =
            world.sites[HOSPITAL].sign(proposal(&world, case, ReaderEvent::Received(receipt)));
        assert_eq!(
            world.hand_over(HOSPITAL, CLINIC, bytes),
            Some(DocumentAnswer::Accepted)
        );
        assert_eq!(world.phase(CLINIC, case), "handing-over");
    }
}

#[test]
fn a_proposal_that_follows_an_unknown_link_waits() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let mut early = proposal(&world, case, ReaderEvent::Claimed(World::person(HOSPITAL)));
    early.follows = DocumentId::of(b"not yet");
    let bytes = world.sites[HOSPITAL].sign(early);
    assert_eq!(
        world.hand_over(HOSPITAL, CLINIC, bytes),
        Some(DocumentAnswer::Later)
    );
}

#[test]
fn what_is_dated_far_ahead_is_not_taken_and_what_two_wrong_clocks_make_is() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let mut claimed = proposal(&world, case, ReaderEvent::Claimed(World::person(HOSPITAL)));
    claimed.at = world.now.after(Span::DAY.times(6));
    let ahead = world.sites[HOSPITAL].sign(claimed.clone());
    assert_eq!(
        world.hand_over(HOSPITAL, CLINIC, ahead),
        Some(DocumentAnswer::Later),
        "whose clock is wrong nobody knows"
    );
    claimed.at = world.now.after(Span::DAY.times(4));
    let skewed = world.sites[HOSPITAL].sign(claimed);
    assert_eq!(
        world.hand_over(HOSPITAL, CLINIC, skewed),
        Some(DocumentAnswer::Accepted)
    );
    assert_eq!(world.phase(CLINIC, case), "claimed");
}

#[test]
fn only_what_is_a_document_between_partners_is_taken_as_one() {
    let (mut world, _) = experienced();
    let own = &world.sites[CLINIC].service.state().own;
    let (prekey, _) = own.prekey.clone().unwrap();
    assert!(signed::peek(&prekey).is_ok());
    let answer = world.hand_over(CLINIC, HOSPITAL, prekey);
    assert_eq!(
        answer,
        Some(DocumentAnswer::Refused),
        "announcements go another way"
    );
}
