//! Reports that are signed and sealed and wait for the requester's key.

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::ReleaseReason;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, Effect};
use dokuei_protocol::input::{Command, Job, Outcome};
use dokuei_protocol::limits;
use dokuei_protocol::service::views::Waiting;

use crate::kit::{CLINIC, HOSPITAL, World};

fn waits(world: &World, case: CaseId) -> bool {
    let reading = &world.sites[HOSPITAL].service.state().readings[&case];
    reading.sealed.is_some()
}

/// The two are apart until the reader holds no key of the requester any more; then it signs.
fn sign_apart(world: &mut World, case: CaseId, status: ReportStatus) {
    world.cut(CLINIC, HOSPITAL);
    world.sleep(limits::PREKEY_USABLE);
    assert_eq!(world.report(HOSPITAL, case, status), Ok(Answer::Done));
    assert!(waits(world, case));
}

#[test]
fn an_addendum_to_what_was_rejected_is_not_issued_and_does_not_stand_in_the_way() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    sign_apart(&mut world, case, ReportStatus::Addendum);
    world.end_job(CLINIC, Job::ReceiveReport(case, 1), Outcome::Impossible);
    world.held.clear();
    world.hold = |effect| matches!(effect, Effect::AskSync(..));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert!(!waits(&world, case));
    assert_eq!(world.phase(HOSPITAL, case), "report-rejected");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
    world.restart(HOSPITAL);
    world.let_go();
    world.restart(CLINIC);
    world.settle();
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn nothing_is_issued_in_a_later_booking() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    sign_apart(&mut world, case, ReportStatus::Final);
    let release = Command::Release(case, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    assert!(!waits(&world, case));
    world.restart(HOSPITAL);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
}

#[test]
fn nothing_is_issued_for_a_person_whose_key_was_taken_back() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    sign_apart(&mut world, case, ReportStatus::Final);
    let revoke = Command::RevokePerson(World::person(HOSPITAL));
    assert_eq!(world.ask(HOSPITAL, revoke), Ok(Answer::Done));
    world.restart(HOSPITAL);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
}

#[test]
fn nothing_is_sealed_for_a_key_in_other_hands() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let clinic = &world.sites[CLINIC];
    let revocation = clinic.revocation(clinic.node.key().unwrap(), world.now);
    let notice = clinic.notice(&[revocation]);
    let taken = world.ask(HOSPITAL, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    assert!(waits(&world, case));
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
    // With its next keys the clinic gets it.
    world.renew(CLINIC, true);
    let notice = world.sites[CLINIC].notice(&[]);
    let taken = world.ask(HOSPITAL, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}
