//! Keys to seal for: a new one every day, old ones destroyed.

use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, Effect};
use dokuei_protocol::input::Input;
use dokuei_protocol::limits;
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::{Span, Timestamp};

use crate::kit::{CLINIC, HOSPITAL, World};

fn published(world: &World, site: usize) -> Vec<Timestamp> {
    let mut times: Vec<_> = world.sites[site]
        .prekeys
        .values()
        .map(|(published, _)| *published)
        .collect();
    times.sort();
    times
}

#[test]
fn a_site_that_is_alone_still_renews_its_prekey_every_day() {
    let mut world = World::strangers();
    world.tell(CLINIC, dokuei_protocol::input::Input::Tick);
    world.sleep(Span::DAY.times(5));
    let times = published(&world, CLINIC);
    assert_eq!(times.len(), 6);
    for pair in times.windows(2) {
        assert_eq!(pair[1].since(pair[0]), limits::PREKEY_EVERY);
    }
}

#[test]
fn private_halves_are_destroyed_after_two_weeks() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span::DAY.times(40));
    for site in [CLINIC, HOSPITAL] {
        let times = published(&world, site);
        assert!(times.len() <= 15, "{} are kept", times.len());
        let oldest = times[0].after(limits::PREKEY_KEPT);
        assert!(world.now < oldest, "one is kept longer than two weeks");
    }
}

#[test]
fn a_restart_neither_loses_nor_multiplies_prekeys() {
    let mut world = World::pair();
    let before = published(&world, HOSPITAL);
    for _ in 0..5 {
        world.restart(HOSPITAL);
    }
    assert_eq!(published(&world, HOSPITAL), before);
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn a_prekey_that_follows_another_within_a_second_is_the_one_that_counts() {
    let mut world = World::pair();
    // A copy of the data folder without them, and a moment later another.
    let mut made = Vec::new();
    for _ in 0..2 {
        world.sites[HOSPITAL].prekeys.clear();
        world.restart(HOSPITAL);
        world.sleep(Span(300));
        made.extend(published(&world, HOSPITAL));
    }
    assert_eq!(made.len(), 2);
    assert!(made[1].since(made[0]) < Span(1_000), "{made:?}");
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn partners_hear_of_a_new_prekey_within_the_hour() {
    let mut world = World::pair();
    world.sleep(Span::DAY.times(3));
    let own = world.sites[HOSPITAL].service.state().own.prekey.as_ref();
    let own = own.map(|(_, prekey)| prekey.id);
    world.sleep(Span::HOUR);
    let partner = &world.sites[CLINIC].service.state().partners[&world.id(HOSPITAL)];
    assert_eq!(partner.prekey.as_ref().map(|prekey| prekey.id), own);
}

#[test]
fn without_a_usable_prekey_there_is_no_grant_and_with_the_next_one_there_is() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span::DAY.times(8));
    world.hold = |effect| matches!(effect, Effect::AskSync(..));
    world.mend(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "booked");
    assert_eq!(world.waiting(CLINIC, case), Waiting::Prekey);
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn a_grant_that_comes_after_its_prekey_was_destroyed_goes_back_unread() {
    let mut world = World::pair();
    world.hold = |effect| match effect {
        Effect::Send { bytes, .. } => bytes.len() > 1_500,
        _ => false,
    };
    let case = world.open(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "handing-over");
    assert_eq!(world.phase(HOSPITAL, case), "booked");
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span::DAY.times(15));
    world.held.clear();
    world.hold = |_| false;
    world.restart(CLINIC);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "released");
    assert_eq!(world.waiting(CLINIC, case), Waiting::OfferHere);
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn a_report_sealed_for_a_destroyed_prekey_is_written_again() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.sleep(Span::DAY.times(15));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "report-rejected");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

/// A key whose time has not come would stand before every other until then.
#[test]
fn a_prekey_by_a_clock_far_ahead_does_not_keep_others_out() {
    let mut world = World::pair();
    world.sites[HOSPITAL].ahead = 30 * 24 * 3_600_000;
    world.tell(HOSPITAL, Input::Tick);
    world.sleep(Span::HOUR.times(3));
    world.sites[HOSPITAL].ahead = 0;
    world.tell(HOSPITAL, Input::Tick);
    world.sleep(Span::HOUR.times(3));
    let case = world.open(HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}
