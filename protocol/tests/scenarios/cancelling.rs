//! Once somebody reads a case its requester asks them to stop.

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::cancel::{CancelRequest, Told};
use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect};
use dokuei_protocol::input::{Command, Job, Outcome};
use dokuei_protocol::service::views::Waiting;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

fn withdraw(world: &mut World, case: CaseId) -> Result<Answer, CannotDo> {
    world.ask(CLINIC, Command::Withdraw(case, WithdrawalReason::NotNeeded))
}

fn release(world: &mut World, case: CaseId) -> Result<Answer, CannotDo> {
    world.ask(HOSPITAL, Command::Release(case, ReleaseReason::ShiftEnded))
}

fn claimed() -> (World, CaseId) {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    (world, case)
}

/// How far the request has come, as the clinic knows it, and whether the hospital knows of one.
fn asked(world: &World, case: CaseId) -> (Option<Told>, bool) {
    let told = world.view(CLINIC, case).cancel.map(|cancel| cancel.told);
    (told, world.view(HOSPITAL, case).cancel.is_some())
}

fn entries(world: &World) -> usize {
    world.sites.iter().map(|site| site.entries.len()).sum()
}

#[test]
fn who_is_asked_gives_the_case_back() {
    let (mut world, case) = claimed();
    assert_eq!(asked(&world, case), (None, false));
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(asked(&world, case), (Some(Told::Told), true));
    assert_eq!(
        world.phase(CLINIC, case),
        "claimed",
        "nothing is taken back"
    );
    let before = entries(&world);
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(entries(&world), before, "asked once");
    assert_eq!(release(&mut world, case), Ok(Answer::Done));
    world.settle();
    for site in [CLINIC, HOSPITAL] {
        assert_eq!(world.phase(site, case), "released");
    }
    // Nobody has to offer it to somebody else: that is what was asked for.
    assert_eq!(world.waiting(CLINIC, case), Waiting::OfferAgain);
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
}

#[test]
fn who_is_asked_may_go_on() {
    let (mut world, case) = claimed();
    let preliminary = world.report(HOSPITAL, case, ReportStatus::Preliminary);
    assert_eq!(preliminary, Ok(Answer::Done));
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(asked(&world, case), (Some(Told::Told), true));
    let signed = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(signed, Ok(Answer::Done));
    assert_eq!(withdraw(&mut world, case), Err(CannotDo::NotNow));
    assert_eq!(world.acknowledge(case, 2), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "closed");
    assert_eq!(withdraw(&mut world, case), Err(CannotDo::NotNow));
}

#[test]
fn the_wish_waits_for_the_line_and_outlives_restarts() {
    let (mut world, case) = claimed();
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(asked(&world, case), (Some(Told::OnItsWay), false));
    world.restart(CLINIC);
    assert_eq!(asked(&world, case), (Some(Told::OnItsWay), false));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(asked(&world, case), (Some(Told::Told), true));
    world.restart(HOSPITAL);
    world.settle();
    assert_eq!(asked(&world, case), (Some(Told::Told), true));
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
}

#[test]
fn a_wish_that_crosses_a_release_is_no_wish_of_the_next_booking() {
    let (mut world, case) = claimed();
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(release(&mut world, case), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "released");
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "received");
    assert_eq!(asked(&world, case), (None, false));
    // What came then may come again, and is not of this booking.
    for (from, to, bytes) in world.sent.clone() {
        world.hand_over(from, to, bytes);
    }
    assert_eq!(asked(&world, case), (None, false));
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(asked(&world, case), (Some(Told::Told), true));
}

#[test]
fn a_wish_that_comes_again_has_no_second_effect() {
    let (mut world, case) = claimed();
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    assert_eq!(release(&mut world, case), Ok(Answer::Done));
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    let before = entries(&world);
    for (from, to, bytes) in world.sent.clone() {
        let answer = world.hand_over(from, to, bytes);
        assert_eq!(answer, Some(DocumentAnswer::Accepted));
    }
    world.settle();
    assert_eq!(entries(&world), before);
    assert_eq!(asked(&world, case), (None, false));
}

#[test]
fn a_node_that_knows_no_such_wish_reads_on() {
    let (mut world, case) = claimed();
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    assert_eq!(withdraw(&mut world, case), Ok(Answer::Done));
    let Some((_, Effect::Send { to, id, .. })) = world.held.pop() else {
        panic!("the wish is sent");
    };
    world.hold = |_| false;
    world.end_job(CLINIC, Job::Send(to, id), Outcome::Impossible);
    assert_eq!(asked(&world, case), (Some(Told::Refused), false));
    assert_eq!(withdraw(&mut world, case), Err(CannotDo::NotNow));
    let signed = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(signed, Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn nobody_else_asks_and_nobody_asks_too_early() {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
    let wish = CancelRequest {
        case,
        requester: world.id(CLINIC),
        reader: world.id(HOSPITAL),
        follows: thread.head(),
        at: world.now,
        reason: WithdrawalReason::SentInError,
    };
    let early = world.sites[CLINIC].sign(wish.clone());
    let refused = Some(DocumentAnswer::Refused);
    assert_eq!(world.hand_over(CLINIC, HOSPITAL, early), refused);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let by_third = world.sites[UNIVERSITY].sign(wish.clone());
    assert_eq!(world.hand_over(CLINIC, HOSPITAL, by_third), refused);
    let own = CancelRequest {
        requester: world.id(UNIVERSITY),
        ..wish.clone()
    };
    let own = world.sites[UNIVERSITY].sign(own);
    assert_eq!(world.hand_over(CLINIC, HOSPITAL, own), refused);
    let unknown = CancelRequest {
        case: CaseId::from_bytes([9; 32]),
        ..wish.clone()
    };
    let unknown = world.sites[CLINIC].sign(unknown);
    assert_eq!(world.hand_over(CLINIC, HOSPITAL, unknown), refused);
    let ahead = CancelRequest {
        follows: dokuei_keys::id::DocumentId::from_bytes([8; 32]),
        ..wish
    };
    let ahead = world.sites[CLINIC].sign(ahead);
    let later = Some(DocumentAnswer::Later);
    assert_eq!(world.hand_over(CLINIC, HOSPITAL, ahead), later);
    assert_eq!(world.view(HOSPITAL, case).cancel, None);
}
