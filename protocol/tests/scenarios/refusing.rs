//! Documents that a partner refuses or puts off, and what goes on nevertheless.

use dokuei_keys::signed;
use dokuei_protocol::case::event::{Proposal, ReaderEvent, WithdrawalReason};
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect};
use dokuei_protocol::input::{Command, Job, Outcome, Trouble};
use dokuei_protocol::limits;
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World};

const BUSY: Outcome = Outcome::Failed(Trouble::PartnerBusy);

fn is_send(effect: &Effect) -> bool {
    matches!(effect, Effect::Send { .. })
}

fn is_quote(effect: &Effect) -> bool {
    is_proposal(effect, |event| matches!(event, ReaderEvent::Quoted(_)))
}

fn is_receipt(effect: &Effect) -> bool {
    is_proposal(effect, |event| matches!(event, ReaderEvent::Received(_)))
}

fn is_proposal(effect: &Effect, which: fn(&ReaderEvent) -> bool) -> bool {
    let Effect::Send { bytes, .. } = effect else {
        return false;
    };
    signed::recorded::<Proposal>(bytes).is_ok_and(|proposal| which(&proposal.event))
}

/// The first document that is held back, taken from those.
fn held(world: &mut World) -> (usize, Job, Vec<u8>) {
    match world.held.remove(0) {
        (site, Effect::Send { to, id, bytes, .. }) => (site, Job::Send(to, id), bytes),
        _ => panic!("a document is held back"),
    }
}

/// The partner refuses the first document that is held back.
fn refuse(world: &mut World) {
    let (site, job, _) = held(world);
    world.end_job(site, job, Outcome::Impossible);
}

#[test]
fn a_report_that_is_refused_is_written_again() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    world.hold = is_send;
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    assert_eq!(world.phase(HOSPITAL, case), "final");
    refuse(&mut world);
    world.restart(HOSPITAL);
    world.hold = |_| false;
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "claimed");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn a_quote_that_is_refused_is_not_repeated_and_left_to_a_person() {
    let mut world = World::pair();
    world.hold = is_quote;
    let case = world.open(HOSPITAL);
    refuse(&mut world);
    world.sleep(Span::HOUR);
    assert!(world.held.is_empty(), "not again and again");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::QuoteHere);
    world.hold = |_| false;
    let quote = Command::Quote { case, hours: None };
    assert_eq!(world.ask(HOSPITAL, quote), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn a_receipt_that_is_refused_is_given_again_the_next_day() {
    let mut world = World::pair();
    world.hold = is_receipt;
    let case = world.open(HOSPITAL);
    refuse(&mut world);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Refused);
    world.sleep(Span(limits::REFUSED_AGAIN.0 - Span::HOUR.0));
    assert!(world.held.is_empty(), "not again and again");
    world.restart(HOSPITAL);
    world.sleep(Span::HOUR);
    assert_eq!(world.held.len(), 1);
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
}

/// The answer to the first delivery was lost, and the second delivery is refused.
#[test]
fn what_was_taken_before_it_was_refused_counts() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = is_send;
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let (site, job, bytes) = held(&mut world);
    let answer = world.hand_over(HOSPITAL, CLINIC, bytes);
    assert_eq!(answer, Some(DocumentAnswer::Accepted));
    world.end_job(site, job, Outcome::Impossible);
    assert_eq!(world.phase(HOSPITAL, case), "received");
    world.let_go();
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "claimed");
    assert_eq!(world.sites[HOSPITAL].service.halt(), None);
    world.restart(HOSPITAL);
    world.settle();
    assert_eq!(world.sites[HOSPITAL].service.halt(), None);
}

#[test]
fn a_receiver_whose_clock_is_far_behind_loses_nothing() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.sites[CLINIC].ahead = -30 * 24 * 3_600_000;
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    world.sites[CLINIC].ahead = 0;
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "claimed");
}

#[test]
fn a_refused_link_ends_its_chain_and_nothing_else() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    let back = || Command::Withdraw(case, WithdrawalReason::NotNeeded);
    assert_eq!(world.ask(CLINIC, back()), Ok(Answer::Done));
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.hold = is_send;
    world.mend(CLINIC, HOSPITAL);
    refuse(&mut world);
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0, "what follows is not sent");
    assert_eq!(world.waiting(CLINIC, case), Waiting::Refused);
    world.hold = |_| false;
    world.restart(CLINIC);
    world.settle();
    assert_eq!(world.waiting(CLINIC, case), Waiting::Refused);
    assert_eq!(world.ask(CLINIC, back()), Ok(Answer::Done));
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
    assert_eq!(world.waiting(CLINIC, case), Waiting::Nothing);
    let again = world.offer_again(case, HOSPITAL);
    assert_eq!(again, Err(CannotDo::NotNow));
    world.bring_to_reader(HOSPITAL);
}

#[test]
fn what_is_put_off_does_not_hold_up_other_cases() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    for _ in 0..=limits::SENDING_WINDOW {
        world.open(HOSPITAL);
    }
    world.hold = is_send;
    world.mend(CLINIC, HOSPITAL);
    assert_eq!(world.held.len(), limits::SENDING_WINDOW);
    for _ in 0..limits::SENDING_WINDOW {
        let (site, job, _) = held(&mut world);
        world.end_job(site, job, BUSY);
    }
    assert_eq!(world.held.len(), 1, "the next one goes out");
    world.let_go();
    world.settle();
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
}

#[test]
fn what_is_put_off_holds_up_its_own_case() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = is_send;
    let back = Command::Withdraw(case, WithdrawalReason::NotNeeded);
    assert_eq!(world.ask(CLINIC, back), Ok(Answer::Done));
    let (site, job, _) = held(&mut world);
    world.end_job(site, job, BUSY);
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    assert!(world.held.is_empty(), "the offer would come too early");
    world.hold = |_| false;
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn a_revocation_goes_out_before_everything_else() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    for _ in 0..2 * limits::SENDING_WINDOW {
        world.open(HOSPITAL);
    }
    let revoke = Command::RevokePerson(World::person(CLINIC));
    assert_eq!(world.ask(CLINIC, revoke), Ok(Answer::Done));
    world.hold = is_send;
    world.mend(CLINIC, HOSPITAL);
    let (_, _, first) = held(&mut world);
    assert_eq!(signed::peek(&first).unwrap().kind, "revocation");
}
