//! Nodes that stop and start. Each restart of the kit also checks that the replayed log gives the
//! state that was lived through.

use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, Effect};
use dokuei_protocol::input::{Command, Input};
use dokuei_protocol::log::entry::BrokenLog;
use dokuei_protocol::service::views::Waiting;

use crate::kit::{CLINIC, HOSPITAL, World};

/// A whole case, by people who try again what was not answered.
fn live_through(world: &mut World) -> dokuei_protocol::case::CaseId {
    let opened = world.sites[CLINIC].service.cases().len();
    let case = loop {
        let opening = world.opening(Modality::Ct, &[HOSPITAL]);
        world.attempt(CLINIC, opening);
        world.settle();
        if let Some(view) = world.sites[CLINIC].service.cases().get(opened) {
            break view.case;
        }
    };
    for _ in 0..20 {
        let waits = world.waiting(HOSPITAL, case);
        if waits == Waiting::ReadingHere
            && let Ok(issuing) = world.issuing(HOSPITAL, case, ReportStatus::Final)
        {
            world.attempt(HOSPITAL, issuing);
        }
        if world.waiting(CLINIC, case) == Waiting::AcknowledgementHere {
            world.attempt(CLINIC, Command::Acknowledge(case, 1));
        }
        world.settle();
    }
    case
}

#[test]
fn after_any_input_at_either_site() {
    let mut undisturbed = World::pair();
    let first = undisturbed.inputs;
    live_through(&mut undisturbed);
    let last = undisturbed.inputs;
    assert!(last - first > 20);
    for input in first + 1..=last {
        let mut world = World::pair();
        world.restart_after = Some(input);
        let case = live_through(&mut world);
        assert_eq!(
            world.phase(CLINIC, case),
            "closed",
            "restart after input {input}"
        );
        assert_eq!(
            world.phase(HOSPITAL, case),
            "closed",
            "restart after input {input}"
        );
        assert_eq!(world.waiting(CLINIC, case), Waiting::Nothing);
        assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
        assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
        let story = world.story(CLINIC, case);
        for once in [
            "offered", "booked", "granted", "received", "claimed", "final", "closed",
        ] {
            let times = story.iter().filter(|what| **what == once).count();
            assert_eq!(times, 1, "{once}, restart after input {input}");
        }
    }
}

#[test]
fn what_was_owed_is_owed_again() {
    let mut world = World::pair();
    world.hold = |effect| {
        matches!(
            effect,
            Effect::ReceiveStudy { .. } | Effect::ReceiveReport { .. } | Effect::StoreStudy { .. }
        )
    };
    let case = world.open(HOSPITAL);
    for _ in 0..3 {
        world.held.clear();
        world.restart(HOSPITAL);
        world.settle();
        let again = |held: &(usize, Effect)| matches!(held, (HOSPITAL, Effect::ReceiveStudy { case: of, .. }) if *of == case);
        assert_eq!(world.held.iter().filter(|held| again(held)).count(), 1);
    }
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn who_may_connect_and_fetch_is_told_again() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    world.open(HOSPITAL);
    let before = (
        world.sites[CLINIC].admitted.clone(),
        world.sites[CLINIC].permitted.clone(),
    );
    assert_eq!((before.0.len(), before.1.len()), (1, 1));
    world.restart(CLINIC);
    let after = (
        world.sites[CLINIC].admitted.clone(),
        world.sites[CLINIC].permitted.clone(),
    );
    assert_eq!(after, before);
}

#[test]
fn a_job_of_the_process_before_does_not_count() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    world.restart(HOSPITAL);
    let done = dokuei_protocol::input::Outcome::Done;
    let job = dokuei_protocol::input::Job::ReceiveStudy(case);
    world.tell(HOSPITAL, Input::JobEnded(job, done));
    assert!(!world.sites[HOSPITAL].service.state().readings[&case].arrived);
}

#[test]
fn a_damaged_log_is_noticed() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    let entries = world.sites[HOSPITAL].entries.clone();
    let replay = |entries: &[Vec<u8>]| {
        let mut fresh = World::strangers();
        let service = &mut fresh.sites[HOSPITAL].service;
        entries.iter().try_for_each(|entry| service.replay(entry))
    };
    assert_eq!(replay(&entries), Ok(()));
    let last = entries.len() - 1;
    for at in 0..last {
        let mut missing = entries.clone();
        missing.remove(at);
        assert_eq!(replay(&missing), Err(BrokenLog::Order(at as u64)));
        let mut doubled = entries.clone();
        doubled.insert(at + 1, entries[at].clone());
        assert_eq!(replay(&doubled), Err(BrokenLog::Order(at as u64 + 1)));
        let mut cut = entries.clone();
        cut[at].pop();
        assert_eq!(replay(&cut), Err(BrokenLog::Unreadable(at as u64)));
        for byte in (0..entries[at].len()).step_by(31) {
            let mut changed = entries.clone();
            changed[at][byte] ^= 0x10;
            assert!(replay(&changed).is_err(), "byte {byte} of entry {at}");
        }
    }
}
