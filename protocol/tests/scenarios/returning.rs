//! The reader gives a booking back, and the case is offered again.

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, CannotDo, Effect};
use dokuei_protocol::input::{Command, Job, Outcome};
use dokuei_protocol::limits;
use dokuei_protocol::service::Quoting;
use dokuei_protocol::service::views::Waiting;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

fn release(world: &mut World, case: CaseId) -> Result<Answer, CannotDo> {
    world.ask(HOSPITAL, Command::Release(case, ReleaseReason::ShiftEnded))
}

fn withdraw(world: &mut World, case: CaseId) -> Result<Answer, CannotDo> {
    world.ask(CLINIC, Command::Withdraw(case, WithdrawalReason::NotNeeded))
}

#[test]
fn to_the_same_reader_who_then_reads_it() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    assert_eq!(release(&mut world, case), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "released");
    assert_eq!(world.waiting(CLINIC, case), Waiting::OfferHere);
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn to_another_reader() {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(release(&mut world, case), Ok(Answer::Done));
    assert_eq!(world.offer_again(case, UNIVERSITY), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(UNIVERSITY, case), "received");
    let refused = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(
        refused,
        Err(CannotDo::NotNow),
        "who gave it back does not report"
    );
}

#[test]
fn while_it_is_still_on_its_way() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    assert_eq!(release(&mut world, case), Ok(Answer::Done));
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "released");
    assert!(world.sites[CLINIC].permitted.is_empty());
}

#[test]
fn not_once_a_report_is_out() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Preliminary),
        Ok(Answer::Done)
    );
    assert_eq!(release(&mut world, case), Err(CannotDo::NotNow));
}

#[test]
fn what_cannot_be_opened_goes_back_with_the_reason() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    world.held.clear();
    world.end_job(HOSPITAL, Job::ReceiveStudy(case), Outcome::Impossible);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "released");
    assert_eq!(world.waiting(CLINIC, case), Waiting::OfferHere);
}

/// A release that was on its way when the requester took the case back and offered it anew speaks
/// of a booking that is over: the new one stands.
#[test]
fn a_release_of_an_earlier_booking_does_not_end_a_later_one() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    assert_eq!(release(&mut world, case), Ok(Answer::Done));
    let late = world.held.pop();
    world.hold = |_| false;
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    let Some((_, Effect::Send { bytes, .. })) = late else {
        panic!("the release is sent");
    };
    world.hand_over(HOSPITAL, CLINIC, bytes);
    world.restart(HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(world.phase(HOSPITAL, case), "received");
}

/// A receipt for an earlier handing over says nothing of a later one: the reader may have thrown
/// the study away in between.
#[test]
fn a_receipt_of_an_earlier_booking_does_not_stand_for_a_later_one() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    world.held.clear();
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    world.end_job(HOSPITAL, Job::ReceiveStudy(case), Outcome::Done);
    let late = world.held.pop();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    let Some((_, Effect::Send { bytes, .. })) = late else {
        panic!("the receipt is sent");
    };
    assert_eq!(world.phase(CLINIC, case), "handing-over");
    world.hand_over(HOSPITAL, CLINIC, bytes);
    world.drive();
    assert_eq!(world.phase(CLINIC, case), "handing-over");
    world.hold = |_| false;
    world.restart(HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert!(world.sites[HOSPITAL].service.state().readings[&case].stored);
}

/// The same for a quote: it promised a report for another offer.
#[test]
fn a_quote_for_an_earlier_offer_does_not_answer_a_later_one() {
    let mut world = World::trio();
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    let case = world.open(HOSPITAL);
    let Some((_, Effect::Send { bytes, .. })) = world.held.pop() else {
        panic!("the offer is sent");
    };
    world.hand_over(CLINIC, HOSPITAL, bytes);
    let Some((HOSPITAL, Effect::Send { bytes: quote, .. })) = world.held.pop() else {
        panic!("the quote is sent");
    };
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.hand_over(HOSPITAL, CLINIC, quote);
    let request = &world.sites[CLINIC].service.state().requests[&case];
    assert!(request.booked().is_none());
    world.hold = |_| false;
    world.restart(CLINIC);
    world.restart(HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}

/// A case that goes back and forth without end is not offered when its chain has no room left for
/// a whole reading; nothing breaks.
#[test]
fn not_without_end() {
    let mut world = World::pair();
    let case = world.open(HOSPITAL);
    let mut rounds = 0;
    loop {
        assert_eq!(
            release(&mut world, case),
            Ok(Answer::Done),
            "round {rounds}"
        );
        match world.offer_again(case, HOSPITAL) {
            Ok(Answer::Done) => rounds += 1,
            other => break assert_eq!(other, Err(CannotDo::NotNow)),
        }
        assert!(rounds < limits::CHAIN_LINKS);
    }
    assert_eq!(world.phase(CLINIC, case), "released");
    assert_eq!(world.phase(HOSPITAL, case), "released");
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
}

/// What a reader gave back has to be read by somebody, also when the next one declines.
#[test]
fn and_it_waits_for_another_until_one_is_booked() {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(release(&mut world, case), Ok(Answer::Done));
    world.sites[UNIVERSITY].quoting = Quoting::ByHand;
    world.restart(UNIVERSITY);
    world.settle();
    assert_eq!(world.offer_again(case, UNIVERSITY), Ok(Answer::Done));
    let declined = world.ask(UNIVERSITY, Command::Decline(case));
    assert_eq!(declined, Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "declined");
    assert_eq!(world.waiting(CLINIC, case), Waiting::OfferHere);
    world.restart(CLINIC);
    world.settle();
    assert_eq!(world.waiting(CLINIC, case), Waiting::OfferHere);
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(world.waiting(CLINIC, case), Waiting::Nothing);
}
