//! Versions of a report.

use dokuei_keys::delegation::PersonRole;
use dokuei_protocol::case::event::WithdrawalReason;
use dokuei_protocol::case::report::{ReportStatus, WrongVersion};
use dokuei_protocol::effect::{Answer, CannotDo, Effect};
use dokuei_protocol::input::{Command, IssueReport, Job, Outcome, Trouble};
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World, parcel, report_id};

fn closed() -> (World, dokuei_protocol::case::CaseId) {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    assert_eq!(world.acknowledge(case, 1), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "closed");
    (world, case)
}

#[test]
fn an_addendum_opens_a_closed_case_and_must_be_read_again() {
    let (mut world, case) = closed();
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Addendum),
        Ok(Answer::Done)
    );
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
    assert_eq!(world.waiting(CLINIC, case), Waiting::AcknowledgementHere);
    assert_eq!(world.acknowledge(case, 1), Err(CannotDo::NotNow));
    assert_eq!(world.acknowledge(case, 2), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "closed");
    assert_eq!(world.phase(HOSPITAL, case), "closed");
}

#[test]
fn a_preliminary_after_the_final_is_refused() {
    let (mut world, case) = closed();
    let refused = Err(CannotDo::Version(WrongVersion::PreliminaryAfterFinal));
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Preliminary),
        refused
    );
    let twice = Err(CannotDo::Version(WrongVersion::FinalTwice));
    assert_eq!(world.report(HOSPITAL, case, ReportStatus::Final), twice);
}

#[test]
fn there_is_nothing_to_add_to_before_the_final() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let refused = Err(CannotDo::Version(WrongVersion::NothingFinal));
    for status in [
        ReportStatus::Addendum,
        ReportStatus::Amended,
        ReportStatus::Retracted,
    ] {
        assert_eq!(world.report(HOSPITAL, case, status), refused);
    }
}

#[test]
fn nothing_follows_a_retraction() {
    let (mut world, case) = closed();
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Retracted),
        Ok(Answer::Done)
    );
    let refused = Err(CannotDo::Version(WrongVersion::Retracted));
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Corrected),
        refused
    );
}

#[test]
fn a_version_names_the_one_it_follows() {
    let (mut world, case) = closed();
    let (manifest, key) = parcel(99);
    let delegation = world.delegation(HOSPITAL, PersonRole::Reader);
    let issue = |version, predecessor| {
        Command::IssueReport(Box::new(IssueReport {
            case,
            version,
            status: ReportStatus::Corrected,
            predecessor,
            report: report_id(2),
            delegation: delegation.clone(),
            manifest: manifest.clone(),
            key: key.duplicate(),
        }))
    };
    let refused = Err(CannotDo::Version(WrongVersion::NotNext));
    assert_eq!(world.ask(HOSPITAL, issue(3, Some(report_id(1)))), refused);
    assert_eq!(world.ask(HOSPITAL, issue(2, None)), refused);
    assert_eq!(world.ask(HOSPITAL, issue(2, Some(report_id(7)))), refused);
    assert_eq!(
        world.ask(HOSPITAL, issue(2, Some(report_id(1)))),
        Ok(Answer::Done)
    );
}

#[test]
fn there_is_no_report_before_the_study_is_here() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    let early = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(early, Err(CannotDo::NotNow));
    assert_eq!(world.claim(HOSPITAL, case), Err(CannotDo::NotNow));
}

#[test]
fn a_report_that_does_not_verify_is_written_again() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.held.clear();
    world.hold = |_| false;
    world.end_job(CLINIC, Job::ReceiveReport(case, 1), Outcome::Impossible);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "report-rejected");
    assert_eq!(world.waiting(CLINIC, case), Waiting::FinalReport);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
    assert_eq!(world.acknowledge(case, 2), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "closed");
}

#[test]
fn a_preliminary_that_is_still_on_its_way_when_the_final_is_there_is_not_delivered() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Preliminary),
        Ok(Answer::Done)
    );
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    world.mend(CLINIC, HOSPITAL);
    // The preliminary came first; its fetching began. It fails, and is not begun again.
    let versions = |world: &World| -> Vec<u32> {
        let fetched = world.held.iter().filter_map(|(_, effect)| match effect {
            Effect::ReceiveReport { issued, .. } => Some(issued.version),
            _ => None,
        });
        fetched.collect()
    };
    assert_eq!(versions(&world), [1], "one version at a time");
    world.held.clear();
    let failed = Outcome::Failed(Trouble::PartnerUnreachable);
    world.end_job(CLINIC, Job::ReceiveReport(case, 1), failed);
    world.sleep(Span::MINUTE);
    assert_eq!(versions(&world), [2]);
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
    assert_eq!(world.waiting(CLINIC, case), Waiting::AcknowledgementHere);
    assert_eq!(world.acknowledge(case, 2), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "closed");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Nothing);
    assert!(
        world.sites[HOSPITAL].permitted.is_empty(),
        "nothing is left to fetch"
    );
}

#[test]
fn a_preliminary_that_was_being_fetched_is_delivered_before_the_final_is_fetched() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Preliminary),
        Ok(Answer::Done)
    );
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    assert_eq!(world.held.len(), 1);
    world.held.clear();
    world.hold = |_| false;
    world.end_job(CLINIC, Job::ReceiveReport(case, 1), Outcome::Done);
    world.settle();
    let story = world.story(CLINIC, case);
    assert_eq!(
        story[6..],
        ["preliminary", "final", "delivered", "delivered"]
    );
    assert_eq!(world.acknowledge(case, 2), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "closed");
}

#[test]
fn only_what_was_delivered_can_be_acknowledged() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.acknowledge(case, 1), Err(CannotDo::NotNow));
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    assert_eq!(world.acknowledge(case, 1), Err(CannotDo::NotNow));
    world.let_go();
    assert_eq!(world.acknowledge(case, 2), Err(CannotDo::NotNow));
    assert_eq!(world.acknowledge(case, 1), Ok(Answer::Done));
    assert_eq!(world.acknowledge(case, 1), Err(CannotDo::NotNow));
}

#[test]
fn an_archive_that_refuses_is_asked_again_and_the_reason_is_shown() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.held.clear();
    let failed = Outcome::Failed(Trouble::ArchiveRefused);
    world.end_job(CLINIC, Job::ReceiveReport(case, 1), failed);
    assert_eq!(
        world.waiting(CLINIC, case),
        Waiting::Retry(Trouble::ArchiveRefused)
    );
    world.hold = |_| false;
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn several_addenda_arrive_in_order() {
    let (mut world, case) = closed();
    world.cut(CLINIC, HOSPITAL);
    for _ in 0..4 {
        assert_eq!(
            world.report(HOSPITAL, case, ReportStatus::Addendum),
            Ok(Answer::Done)
        );
    }
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    let story = world.story(CLINIC, case);
    let delivered = story.iter().filter(|what| **what == "delivered").count();
    assert_eq!(delivered, 5);
    assert_eq!(world.acknowledge(case, 5), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "closed");
}

#[test]
fn what_was_left_unread_before_the_close_cannot_be_acknowledged_after_it() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    for status in [ReportStatus::Preliminary, ReportStatus::Final] {
        assert_eq!(world.report(HOSPITAL, case, status), Ok(Answer::Done));
    }
    assert_eq!(world.acknowledge(case, 2), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "closed");
    assert_eq!(world.acknowledge(case, 1), Err(CannotDo::NotNow));
}

/// A reader who signs while the requester is away has done their work: what was signed goes out by
/// itself, after a restart too, and no second version is begun beside it.
#[test]
fn a_report_waits_for_the_requesters_key() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span::DAY.times(8));
    let signed = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(signed, Ok(Answer::Done));
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Connection);
    let second = world.report(HOSPITAL, case, ReportStatus::Preliminary);
    assert_eq!(second, Err(CannotDo::NoPrekey));
    world.restart(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::AskSync(..));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Prekey);
    assert_eq!(world.phase(CLINIC, case), "received");
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Acknowledgement);
}

#[test]
fn a_report_that_waits_ends_with_a_case_that_was_taken_back() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span::DAY.times(8));
    let signed = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(signed, Ok(Answer::Done));
    let withdraw = Command::Withdraw(case, WithdrawalReason::SentInError);
    assert_eq!(world.ask(CLINIC, withdraw), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "withdrawn");
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Nothing);
}
