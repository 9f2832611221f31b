//! A site whose people answer offers by hand.

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, CannotDo};
use dokuei_protocol::input::Command;
use dokuei_protocol::limits;
use dokuei_protocol::service::Quoting;
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

fn by_hand() -> World {
    let mut world = World::trio();
    world.sites[HOSPITAL].quoting = Quoting::ByHand;
    world.restart(HOSPITAL);
    world.settle();
    world
}

fn quote(world: &mut World, case: CaseId, hours: Option<u16>) -> Result<Answer, CannotDo> {
    world.ask(HOSPITAL, Command::Quote { case, hours })
}

#[test]
fn an_offer_waits_for_a_person_whose_promise_is_booked() {
    let mut world = by_hand();
    let case = world.open(HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "offered");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::QuoteHere);
    assert_eq!(world.waiting(CLINIC, case), Waiting::Quote);
    let promised = world.now.after(Span::HOUR.times(3));
    assert_eq!(quote(&mut world, case, Some(3)), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(world.view(CLINIC, case).due, Some(promised));
    assert_eq!(
        quote(&mut world, case, Some(3)),
        Err(CannotDo::NotNow),
        "it is booked"
    );
}

#[test]
fn without_hours_the_capacity_says_when_or_else_the_requester() {
    let mut world = by_hand();
    let case = world.open(HOSPITAL);
    let by_capacity = world.now.after(Span::HOUR.times(8));
    assert_eq!(quote(&mut world, case, None), Ok(Answer::Done));
    assert_eq!(world.view(HOSPITAL, case).due, Some(by_capacity));
    let Ok(Answer::Opened(other)) = world.open_as(Modality::Mr, &[HOSPITAL]) else {
        panic!("not opened");
    };
    let needed = world.now.after(Span::DAY);
    assert_eq!(quote(&mut world, other, None), Ok(Answer::Done));
    assert_eq!(world.view(HOSPITAL, other).due, Some(needed));
}

#[test]
fn without_hours_nothing_is_promised_for_a_time_that_is_past() {
    let mut world = by_hand();
    world.cut(CLINIC, HOSPITAL);
    let Command::OpenCase(mut open) = world.opening(Modality::Mr, &[HOSPITAL]) else {
        panic!("a case");
    };
    open.terms.due = world.now.after(Span::HOUR);
    let Ok(Answer::Opened(case)) = world.ask(CLINIC, Command::OpenCase(open)) else {
        panic!("not opened");
    };
    world.sleep(Span::HOUR.times(2));
    world.mend(CLINIC, HOSPITAL);
    assert_eq!(quote(&mut world, case, None), Err(CannotDo::NoHours));
    assert_eq!(quote(&mut world, case, Some(1)), Ok(Answer::Done));
}

#[test]
fn a_promise_of_no_or_too_many_hours_is_refused() {
    let mut world = by_hand();
    let case = world.open(HOSPITAL);
    for hours in [0, limits::QUOTE_HOURS + 1] {
        assert_eq!(
            quote(&mut world, case, Some(hours)),
            Err(CannotDo::Limit),
            "{hours}"
        );
    }
    assert_eq!(
        quote(&mut world, case, Some(limits::QUOTE_HOURS)),
        Ok(Answer::Done)
    );
}

#[test]
fn a_person_can_decline_instead_or_take_the_promise_back_before_it_is_booked() {
    let mut world = by_hand();
    let case = world.open(HOSPITAL);
    assert_eq!(
        world.ask(HOSPITAL, Command::Decline(case)),
        Ok(Answer::Done)
    );
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "declined");
    assert_eq!(quote(&mut world, case, Some(1)), Err(CannotDo::NotNow));
    let other = world.open(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(quote(&mut world, other, Some(1)), Ok(Answer::Done));
    assert_eq!(
        world.ask(HOSPITAL, Command::Decline(other)),
        Ok(Answer::Done)
    );
    assert_eq!(world.phase(HOSPITAL, other), "declined");
}

#[test]
fn who_answers_late_is_told_that_another_was_chosen() {
    let mut world = by_hand();
    let case = world.open_for(&[HOSPITAL, UNIVERSITY]);
    world.settle();
    assert_eq!(world.phase(UNIVERSITY, case), "received");
    assert_eq!(world.phase(HOSPITAL, case), "not-chosen");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Nothing);
    assert_eq!(quote(&mut world, case, Some(1)), Err(CannotDo::NotNow));
}

#[test]
fn an_offer_that_has_expired_unheard_cannot_be_promised() {
    let mut world = by_hand();
    let case = world.open(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(limits::OFFER);
    assert_eq!(world.phase(HOSPITAL, case), "offered");
    assert_eq!(quote(&mut world, case, Some(1)), Err(CannotDo::NotNow));
}

#[test]
fn nothing_is_promised_when_the_agreement_has_ended() {
    let mut world = by_hand();
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span(limits::AGREEMENT_TERM.0 - Span::HOUR.times(6).0));
    world.mend(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::QuoteHere);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span::HOUR.times(7));
    assert_ne!(quote(&mut world, case, Some(1)), Ok(Answer::Done));
    assert_eq!(world.phase(HOSPITAL, case), "declined");
}

#[test]
fn what_does_not_exist_cannot_be_promised() {
    let mut world = by_hand();
    let unknown = CaseId::from_bytes([9; 32]);
    assert_eq!(quote(&mut world, unknown, Some(1)), Err(CannotDo::NoCase));
}
