//! Two are asked, one reads.

use dokuei_protocol::case::event::WithdrawalReason;
use dokuei_protocol::case::phase::{Ending, Phase};
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, CannotDo};
use dokuei_protocol::input::Command;
use dokuei_protocol::limits;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

#[test]
fn the_first_quote_wins_and_the_other_is_told() {
    let mut world = World::trio();
    let case = world.open_for(&[HOSPITAL, UNIVERSITY]);
    world.settle();
    let request = &world.sites[CLINIC].service.state().requests[&case];
    let winner = request.booked().map(|thread| thread.reader());
    assert_eq!(winner, Some(world.id(HOSPITAL)));
    let loser = request.threads[&world.id(UNIVERSITY)].phase();
    assert_eq!(loser, &Phase::Ended(Ending::NotChosen));
    assert_eq!(world.phase(UNIVERSITY, case), "not-chosen");
    assert_eq!(world.phase(HOSPITAL, case), "received");
}

#[test]
fn a_quote_that_comes_after_the_booking_has_no_effect() {
    let mut world = World::trio();
    world.cut(CLINIC, UNIVERSITY);
    let case = world.open_for(&[HOSPITAL, UNIVERSITY]);
    world.mend(CLINIC, UNIVERSITY);
    world.settle();
    assert_eq!(world.phase(UNIVERSITY, case), "not-chosen");
    assert!(!world.story_with(UNIVERSITY, case).contains(&"quoted"));
}

#[test]
fn who_was_not_chosen_can_be_asked_when_the_winner_gives_it_back() {
    let mut world = World::trio();
    let case = world.open_for(&[HOSPITAL, UNIVERSITY]);
    world.settle();
    let back = Command::Release(
        case,
        dokuei_protocol::case::event::ReleaseReason::ShiftEnded,
    );
    assert_eq!(world.ask(HOSPITAL, back), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.offer_again(case, UNIVERSITY), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(UNIVERSITY, case), "received");
    assert_eq!(world.phase(HOSPITAL, case), "released");
    assert_eq!(
        world.report(UNIVERSITY, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
}

#[test]
fn while_one_is_booked_nobody_else_is_asked() {
    let mut world = World::trio();
    let case = world.open(HOSPITAL);
    assert_eq!(world.offer_again(case, UNIVERSITY), Err(CannotDo::NotNow));
}

#[test]
fn a_second_partner_can_be_asked_while_the_first_thinks() {
    let mut world = World::trio();
    world.cut(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    assert_eq!(world.offer_again(case, UNIVERSITY), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "not-chosen");
}

#[test]
fn the_same_partner_named_twice_is_asked_once() {
    let mut world = World::pair();
    let case = world.open_for(&[HOSPITAL, HOSPITAL]);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(world.story(CLINIC, case)[..2], ["offered", "quoted"]);
}

#[test]
fn nobody_or_too_many_cannot_be_asked() {
    let mut world = World::pair();
    let modality = dokuei_protocol::case::terms::Modality::Ct;
    assert_eq!(world.open_as(modality, &[]), Err(CannotDo::Candidates));
    let many = vec![HOSPITAL; limits::CANDIDATES + 1];
    assert_eq!(world.open_as(modality, &many), Err(CannotDo::Candidates));
}

#[test]
fn taking_a_case_back_tells_everybody_who_was_asked() {
    let mut world = World::trio();
    world.cut(CLINIC, HOSPITAL);
    world.cut(CLINIC, UNIVERSITY);
    let case = world.open_for(&[HOSPITAL, UNIVERSITY]);
    let back = Command::Withdraw(case, WithdrawalReason::SentInError);
    assert_eq!(world.ask(CLINIC, back), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.mend(CLINIC, UNIVERSITY);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "withdrawn");
    assert_eq!(world.phase(UNIVERSITY, case), "withdrawn");
}
