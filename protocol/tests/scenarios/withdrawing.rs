//! The requester takes a case back, or nobody takes it.

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::WithdrawalReason;
use dokuei_protocol::effect::{Answer, CannotDo, Effect};
use dokuei_protocol::input::Command;
use dokuei_protocol::limits;
use dokuei_protocol::service::Quoting;
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World};

fn withdraw(world: &mut World, case: CaseId) -> Result<Answer, CannotDo> {
    world.ask(CLINIC, Command::Withdraw(case, WithdrawalReason::NotNeeded))
}

#[track_caller]
fn both_say_withdrawn(world: &World, case: CaseId) {
    assert_eq!(world.phase(CLINIC, case), "withdrawn");
    assert_eq!(world.waiting(CLINIC, case), Waiting::Nothing);
    assert_eq!(world.phase(HOSPITAL, case), "withdrawn");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Nothing);
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
}

#[test]
fn while_it_is_on_offer() {
    let mut world = World::pair();
    world.sites[HOSPITAL].quoting = Quoting::ByHand;
    world.restart(HOSPITAL);
    let case = world.open(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "offered");
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    both_say_withdrawn(&world, case);
}

#[test]
fn before_the_reader_has_even_heard_of_it() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    both_say_withdrawn(&world, case);
}

#[test]
fn while_it_is_on_its_way() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "handing-over");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Transfer);
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert!(
        world.sites[CLINIC].permitted.is_empty(),
        "the parcel is not handed out any more"
    );
    world.let_go();
    world.settle();
    both_say_withdrawn(&world, case);
}

#[test]
fn when_it_has_arrived() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    both_say_withdrawn(&world, case);
}

#[test]
fn not_twice_and_not_what_does_not_exist() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(withdraw(&mut world, case), Err(CannotDo::NotNow));
    let unknown = CaseId::from_bytes([9; 32]);
    assert_eq!(withdraw(&mut world, unknown), Err(CannotDo::NoCase));
}

#[test]
fn a_claim_that_crosses_the_withdrawal_has_no_effect() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    both_say_withdrawn(&world, case);
    assert_eq!(
        world.story(CLINIC, case)[5..],
        ["withdrawn", "not-admitted"]
    );
}

#[test]
fn what_nobody_answers_expires() {
    let mut world = World::pair();
    world.sites[HOSPITAL].quoting = Quoting::ByHand;
    world.restart(HOSPITAL);
    let case = world.open(HOSPITAL);
    world.sleep(Span(limits::OFFER.0 - Span::MINUTE.0));
    assert_eq!(world.phase(CLINIC, case), "offered");
    world.sleep(Span::MINUTE);
    assert_eq!(world.phase(CLINIC, case), "expired");
    assert_eq!(world.phase(HOSPITAL, case), "expired");
    assert_eq!(world.waiting(CLINIC, case), Waiting::OfferAgain);
}

#[test]
fn what_expired_while_the_reader_was_away_is_not_read_when_it_comes_back() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    world.sleep(Span::DAY.times(2));
    assert_eq!(world.phase(CLINIC, case), "expired");
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "expired");
}

#[test]
fn a_quote_that_was_on_its_way_for_longer_than_its_lease_is_made_anew() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    let ticketless = world.open(HOSPITAL);
    let mut offer = std::mem::take(&mut world.held);
    world.hold = |_| false;
    // The offer arrives; the answer does not leave.
    let Some((_, Effect::Send { bytes, .. })) = offer.pop() else {
        panic!("the offer is sent");
    };
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    world.hand_over(CLINIC, HOSPITAL, bytes);
    world.sleep(Span::HOUR.times(6));
    world.cut(CLINIC, HOSPITAL);
    world.hold = |_| false;
    world.held.clear();
    world.restart(HOSPITAL);
    world.restart(CLINIC);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, ticketless), "received");
    assert_eq!(
        world.story(CLINIC, ticketless)[..3],
        ["offered", "not-admitted", "quoted"]
    );
}
