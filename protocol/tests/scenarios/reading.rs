//! One study goes out, one signed report comes back.

use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, Effect};
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World};

#[test]
fn the_whole_loop() {
    let mut world = World::pair();
    let case = world.open(HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(world.waiting(CLINIC, case), Waiting::Reading);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);

    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "claimed");

    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Preliminary),
        Ok(Answer::Done)
    );
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "preliminary");
    assert_eq!(world.waiting(CLINIC, case), Waiting::FinalReport);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);

    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
    assert_eq!(world.waiting(CLINIC, case), Waiting::AcknowledgementHere);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Acknowledgement);

    assert_eq!(world.acknowledge(case, 2), Ok(Answer::Done));
    world.settle();
    let story = [
        "offered",
        "quoted",
        "booked",
        "granted",
        "received",
        "claimed",
        "preliminary",
        "delivered",
        "final",
        "delivered",
        "acknowledged",
        "closed",
    ];
    assert_eq!(world.story(CLINIC, case), story);
    assert_eq!(world.story(HOSPITAL, case), story);
    assert_eq!(world.waiting(CLINIC, case), Waiting::Nothing);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Nothing);
    assert_eq!(
        (world.queue(CLINIC, HOSPITAL), world.queue(HOSPITAL, CLINIC)),
        (0, 0)
    );
}

#[test]
fn a_report_without_a_claim_claims_for_its_author() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.settle();
    let story = world.story(CLINIC, case);
    assert_eq!(story[5..], ["claimed", "final", "delivered"]);
}

#[test]
fn on_a_perfect_wire_nothing_is_sent_twice_and_nothing_waits() {
    let mut world = World::pair();
    let (sent, now) = (world.sent.len(), world.now);
    let case = world.open(HOSPITAL);
    assert_eq!(
        world.phase(CLINIC, case),
        "received",
        "not a moment has passed"
    );
    assert_eq!(world.now, now);
    let documents = &world.sent[sent..];
    let distinct: std::collections::BTreeSet<_> = documents.iter().collect();
    assert_eq!(documents.len(), distinct.len());
    // Offered, Quoted, Admitted, Booked, Granted, Received, Admitted.
    assert_eq!(documents.len(), 7);
}

#[test]
fn the_promise_is_seen_on_both_sides() {
    let mut world = World::pair();
    let opened = world.now;
    let case = world.open(HOSPITAL);
    world.settle();
    let promised = Some(opened.after(Span::HOUR.times(8)));
    assert_eq!(world.view(CLINIC, case).due, promised);
    assert_eq!(world.view(HOSPITAL, case).due, promised);
}

#[test]
fn several_cases_do_not_mix() {
    let mut world = World::pair();
    let cases: Vec<_> = (0..5).map(|_| world.open(HOSPITAL)).collect();
    world.settle();
    for case in &cases {
        assert_eq!(
            world.report(HOSPITAL, *case, ReportStatus::Final),
            Ok(Answer::Done)
        );
    }
    world.settle();
    assert_eq!(world.acknowledge(cases[2], 1), Ok(Answer::Done));
    world.settle();
    let phases: Vec<_> = cases
        .iter()
        .map(|case| world.phase(CLINIC, *case))
        .collect();
    assert_eq!(
        phases,
        ["delivered", "delivered", "closed", "delivered", "delivered"]
    );
}

#[test]
fn a_study_is_handed_out_while_it_is_on_its_way_and_a_report_until_it_is_delivered() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    assert_eq!(world.sites[CLINIC].permitted.len(), 1);
    world.let_go();
    assert!(world.sites[CLINIC].permitted.is_empty());
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    let issued = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(issued, Ok(Answer::Done));
    assert_eq!(world.sites[HOSPITAL].permitted.len(), 1);
    assert!(world.sites[CLINIC].permitted.is_empty());
    world.let_go();
    assert!(world.sites[HOSPITAL].permitted.is_empty());
}
