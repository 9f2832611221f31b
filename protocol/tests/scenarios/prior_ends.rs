//! When priors end: with the reading, with the partner, and with whatever else needs the same study.

use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};
use dokuei_protocol::case::priors::Asked;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect};
use dokuei_protocol::input::{Command, Job, Outcome, Trouble};
use dokuei_protocol::limits;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World};
use crate::priors::{REFUSED, ask, find, here, id, list, offered, request, there, try_find};

#[test]
fn nothing_goes_once_the_report_is_signed() {
    let (mut world, case) = offered(3);
    assert_eq!(ask(&mut world, case, &[1, 2]), Ok(Answer::Done));
    find(&mut world, case, 1, Ok(&[101]));
    world.settle();
    let preliminary = world.report(HOSPITAL, case, ReportStatus::Preliminary);
    assert_eq!(preliminary, Ok(Answer::Done));
    assert_eq!(
        ask(&mut world, case, &[3]),
        Ok(Answer::Done),
        "it is still being read"
    );
    let signed = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(signed, Ok(Answer::Done));
    assert_eq!(ask(&mut world, case, &[2]), Err(CannotDo::NotNow));
    assert_eq!(
        try_find(&mut world, case, 2, Ok(&[102])),
        Err(CannotDo::NotNow)
    );
    let forged = world.sites[HOSPITAL].sign(request(&world, case, &[2]));
    assert_eq!(world.hand_over(HOSPITAL, CLINIC, forged), REFUSED);
    assert!(world.sites[CLINIC].permitted.is_empty());
    assert!(
        here(&world, case).held[&id(101)].stored,
        "what came stays with the study"
    );
}

#[test]
fn nothing_goes_once_the_case_is_taken_back_or_to_be_stopped() {
    let (mut world, case) = offered(2);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    world.hold = |effect| matches!(effect, Effect::ReceivePrior { .. });
    find(&mut world, case, 1, Ok(&[101]));
    assert_eq!(world.sites[CLINIC].permitted.len(), 1);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let stop = Command::Withdraw(case, WithdrawalReason::NotNeeded);
    assert_eq!(world.ask(CLINIC, stop), Ok(Answer::Done));
    assert!(world.sites[CLINIC].permitted.is_empty());
    assert_eq!(ask(&mut world, case, &[2]), Err(CannotDo::NotNow));
    // What was on its way ends, and then nothing is left of it.
    world.hold = |_| false;
    let job = Job::ReceivePrior(case, id(101));
    world.end_job(HOSPITAL, job, Outcome::Failed(Trouble::NotPermitted));
    world.settle();
    assert!(here(&world, case).held.is_empty());
    assert!(!world.sites[HOSPITAL].content.contains_key(&id(101)));
}

#[test]
fn an_answer_of_an_earlier_booking_is_none_of_the_next() {
    let (mut world, case) = offered(2);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    world.cut(CLINIC, HOSPITAL);
    find(&mut world, case, 1, Ok(&[101]));
    let release = Command::Release(case, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "released");
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "received");
    assert!(here(&world, case).wishes.is_empty() && here(&world, case).held.is_empty());
    assert_eq!(there(&world, case).list, None, "looked for again");
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
    let listed = world.ask(CLINIC, Command::ListPriors(case, list(1)));
    assert_eq!(listed, Ok(Answer::Done));
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    find(&mut world, case, 1, Ok(&[101]));
    world.settle();
    assert!(here(&world, case).held[&id(101)].stored);
}

#[test]
fn a_restart_of_either_side_loses_nothing() {
    let (mut world, case) = offered(2);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(ask(&mut world, case, &[1, 2]), Ok(Answer::Done));
    world.restart(HOSPITAL);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    find(&mut world, case, 2, Ok(&[102]));
    world.restart(CLINIC);
    world.settle();
    assert!(here(&world, case).held[&id(102)].arrived);
    assert_eq!(there(&world, case).asked[&1], Asked::Sought);
    find(&mut world, case, 1, Ok(&[101]));
    world.restart(HOSPITAL);
    world.settle();
    assert!(here(&world, case).held[&id(101)].stored);
}

#[test]
fn what_is_found_waits_for_the_readers_key() {
    let (mut world, case) = offered(1);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    world.cut(CLINIC, HOSPITAL);
    world.sleep(limits::PREKEY_USABLE);
    find(&mut world, case, 1, Ok(&[101]));
    assert!(matches!(there(&world, case).asked[&1], Asked::Found(_)));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert!(here(&world, case).held[&id(101)].arrived);
}

#[test]
fn the_study_of_another_case_is_a_prior_and_each_goes_in_its_own_time() {
    let mut world = World::pair();
    let earlier = world.bring_to_reader(HOSPITAL);
    let study = world.sites[CLINIC].service.state().requests[&earlier]
        .manifest
        .parcel;
    let number = study.as_bytes()[0];
    let case = world.bring_to_reader(HOSPITAL);
    let listed = world.ask(CLINIC, Command::ListPriors(case, list(1)));
    assert_eq!(listed, Ok(Answer::Done));
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    find(&mut world, case, 1, Ok(&[number]));
    world.settle();
    assert!(here(&world, case).held[&study].stored);
    // The earlier case goes; the prior is still needed.
    let release = Command::Release(earlier, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    world.settle();
    assert!(world.sites[HOSPITAL].content.contains_key(&study));
    assert!(!world.sites[HOSPITAL].removed.contains(&study));
    // And may be granted anew as the study of that case.
    assert_eq!(world.offer_again(earlier, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(HOSPITAL, earlier), "received");
    let release = Command::Release(case, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    world.settle();
    assert!(world.sites[HOSPITAL].content.contains_key(&study));
    let release = Command::Release(earlier, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    world.settle();
    assert!(!world.sites[HOSPITAL].content.contains_key(&study));
    assert!(world.sites[HOSPITAL].removed.contains(&study));
    assert!(here(&world, case).held.is_empty());
}

#[test]
fn a_partner_that_is_removed_gets_nothing_more() {
    let (mut world, case) = offered(1);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    let hospital = world.id(HOSPITAL);
    let removed = world.ask(CLINIC, Command::RemovePartner(hospital));
    assert_eq!(removed, Ok(Answer::Done));
    find(&mut world, case, 1, Ok(&[101]));
    world.settle();
    assert!(matches!(there(&world, case).asked[&1], Asked::Found(_)));
    assert!(world.sites[CLINIC].permitted.is_empty());
    assert!(here(&world, case).held.is_empty());
}

#[test]
fn what_comes_again_after_the_booking_is_known() {
    let (mut world, case) = offered(2);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    find(&mut world, case, 1, Ok(&[101]));
    world.settle();
    let release = Command::Release(case, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    world.settle();
    for (from, to, bytes) in world.sent.clone() {
        let answer = world.hand_over(from, to, bytes);
        assert_eq!(answer, Some(DocumentAnswer::Accepted));
    }
    assert!(here(&world, case).held.is_empty() && there(&world, case).asked.is_empty());
}

#[test]
fn a_requester_keeps_a_study_for_as_long_as_it_is_a_prior_and_no_longer() {
    let mut world = World::pair();
    let earlier = world.bring_to_reader(HOSPITAL);
    let report = world.report(HOSPITAL, earlier, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    assert_eq!(world.acknowledge(earlier, 1), Ok(Answer::Done));
    let state = world.sites[CLINIC].service.state();
    let study = state.requests[&earlier].manifest.parcel;
    let number = study.as_bytes()[0];
    world.sleep(Span::DAY.times(29));
    let case = world.bring_to_reader(HOSPITAL);
    let listed = world.ask(CLINIC, Command::ListPriors(case, list(1)));
    assert_eq!(listed, Ok(Answer::Done));
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    find(&mut world, case, 1, Ok(&[number]));
    world.sleep(Span::DAY.times(2));
    assert!(here(&world, case).held[&study].stored);
    assert!(world.sites[CLINIC].content.contains_key(&study));
    assert!(!world.sites[CLINIC].removed.contains(&study));
    let release = Command::Release(case, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    world.settle();
    for site in [CLINIC, HOSPITAL] {
        assert!(!world.sites[site].content.contains_key(&study));
        assert!(world.sites[site].removed.contains(&study));
    }
}
