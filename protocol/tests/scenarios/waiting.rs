//! Clocks that are wrong, wake-ups, and what a site says it waits for.

use dokuei_protocol::case::event::ReleaseReason;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, Effect};
use dokuei_protocol::input::{Command, Input, Job, Outcome, Trouble};
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

const TWO_DAYS: i64 = 48 * 3_600_000;

/// Pairs a clinic and a hospital whose clocks are that many milliseconds ahead of the right time.
fn pair_with_clocks(clinic: i64, hospital: i64) -> World {
    let mut world = World::strangers_with_clocks(clinic, hospital);
    world.pair_up(CLINIC, HOSPITAL);
    let offered = world.ask(
        HOSPITAL,
        Command::AnnounceCapacity(vec![crate::kit::slot(9)]),
    );
    assert_eq!(offered, Ok(Answer::Done));
    world.sleep(Span::HOUR.times(2));
    world
}

#[test]
fn two_wrong_clocks_do_not_keep_a_case_from_being_read() {
    for (clinic, hospital) in [(TWO_DAYS, 0), (-TWO_DAYS, 0), (0, TWO_DAYS), (0, -TWO_DAYS)] {
        let mut world = pair_with_clocks(clinic, hospital);
        let case = world.open(HOSPITAL);
        world.settle();
        assert_eq!(world.phase(CLINIC, case), "received", "{clinic} {hospital}");
        assert_eq!(
            world.report(HOSPITAL, case, ReportStatus::Final),
            Ok(Answer::Done)
        );
        world.settle();
        assert_eq!(
            world.phase(CLINIC, case),
            "delivered",
            "{clinic} {hospital}"
        );
        assert_eq!(
            world.story(CLINIC, case).len(),
            8,
            "nothing was said in vain"
        );
    }
}

#[test]
fn clocks_four_days_apart_agree_and_quote() {
    for (clinic, hospital) in [(TWO_DAYS, -TWO_DAYS), (-TWO_DAYS, TWO_DAYS)] {
        let mut world = pair_with_clocks(clinic, hospital);
        let case = world.open(HOSPITAL);
        world.settle();
        assert_ne!(world.phase(CLINIC, case), "offered", "{clinic} {hospital}");
        world.sites[CLINIC].ahead = 0;
        world.sites[HOSPITAL].ahead = 0;
        world.sleep(Span::DAY);
        assert_eq!(world.phase(CLINIC, case), "received", "{clinic} {hospital}");
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_put_off_what_is_tried_again() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.held.clear();
    world.hold = |_| false;
    let failed = Outcome::Failed(Trouble::ArchiveUnreachable);
    world.end_job(CLINIC, Job::ReceiveReport(case, 1), failed);
    world.sites[CLINIC].ahead = -TWO_DAYS;
    world.tell(CLINIC, Input::Tick);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn a_site_whose_partner_is_away_sleeps() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let Some((_, Effect::Send { to, id, .. })) = world.held.pop() else {
        panic!("the claim is sent");
    };
    let failed = Outcome::Failed(Trouble::PartnerUnreachable);
    world.end_job(HOSPITAL, Job::Send(to, id), failed);
    world.cut(CLINIC, HOSPITAL);
    let before = world.inputs;
    world.sleep(Span::HOUR);
    assert!(
        world.inputs - before < 20,
        "{} wake-ups",
        world.inputs - before
    );
    world.hold = |_| false;
    world.mend(CLINIC, HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "claimed", "it is sent at once");
}

#[test]
fn announcements_are_asked_for_again_although_another_partner_is_gone() {
    let mut world = World::trio();
    world.sleep(Span::HOUR);
    let university = world.id(UNIVERSITY);
    // The university's node stays on the line: its end of the connection breaks later.
    world.tell(CLINIC, Input::Connected(world.sites[UNIVERSITY].node));
    assert_eq!(
        world.ask(CLINIC, Command::RemovePartner(university)),
        Ok(Answer::Done)
    );
    world.tell(CLINIC, Input::Connected(world.sites[UNIVERSITY].node));
    let offered = world.ask(
        HOSPITAL,
        Command::AnnounceCapacity(vec![crate::kit::slot(3)]),
    );
    assert_eq!(offered, Ok(Answer::Done));
    world.sleep(Span::HOUR.times(2));
    let partner = &world.sites[CLINIC].service.state().partners[&world.id(HOSPITAL)];
    let per_day = partner
        .capacity
        .as_ref()
        .map(|offer| offer.slots[0].per_day);
    assert_eq!(per_day, Some(3));
}

#[test]
fn a_broken_line_is_what_everything_waits_for() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    world.drive();
    assert_eq!(world.waiting(CLINIC, case), Waiting::Connection);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Connection);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Acknowledgement);
}

#[test]
fn an_archive_that_is_down_is_what_a_reader_waits_for() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::StoreStudy { .. });
    let case = world.open(HOSPITAL);
    world.held.clear();
    let failed = Outcome::Failed(Trouble::ArchiveUnreachable);
    world.end_job(HOSPITAL, Job::StoreStudy(case), failed);
    let retry = Waiting::Retry(Trouble::ArchiveUnreachable);
    assert_eq!(world.waiting(HOSPITAL, case), retry);
    world.hold = |_| false;
    world.settle();
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
}

#[test]
fn pauses_between_attempts_grow_and_are_bounded() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::StoreStudy { .. });
    let case = world.open(HOSPITAL);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        assert_eq!(world.held.len(), 1, "one attempt at a time");
        world.held.clear();
        let failed = Outcome::Failed(Trouble::NoArchive);
        world.end_job(HOSPITAL, Job::StoreStudy(case), failed);
        let failed_at = world.now;
        while world.held.is_empty() {
            world.sleep(Span::SECOND);
        }
        pauses.push(world.now.since(failed_at).0 / 1000);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
}

#[test]
fn what_the_partner_has_not_heard_is_not_over() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    let back = Command::Release(case, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, back), Ok(Answer::Done));
    assert_eq!(world.phase(HOSPITAL, case), "released");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Answer);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Connection);
    world.hold = |_| false;
    world.restart(HOSPITAL);
    world.mend(CLINIC, HOSPITAL);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Nothing);
}
