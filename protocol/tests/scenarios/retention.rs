//! How long sealed studies are kept once their cases are over.

use dokuei_keys::id::ParcelId;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::WithdrawalReason;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::case::request::Keeping;
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, CannotDo, Effect};
use dokuei_protocol::input::{Command, Job, Outcome, Trouble};
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World};

/// What the agreements of these scenarios allow.
const AGREED: Span = Span::DAY.times(30);

fn study(world: &World, case: CaseId) -> ParcelId {
    let request = &world.sites[CLINIC].service.state().requests[&case];
    request.manifest.parcel
}

fn closed() -> (World, CaseId) {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    assert_eq!(world.acknowledge(case, 1), Ok(Answer::Done));
    assert_eq!(world.phase(HOSPITAL, case), "closed");
    (world, case)
}

fn withdraw(world: &mut World, case: CaseId) {
    let reason = WithdrawalReason::SentInError;
    let withdrawn = world.ask(CLINIC, Command::Withdraw(case, reason));
    assert_eq!(withdrawn, Ok(Answer::Done));
}

fn holds_key(world: &World, site: usize, parcel: ParcelId) -> bool {
    let lives = world.sites[site].service.content_key(parcel).is_some();
    assert_eq!(world.sites[site].content.contains_key(&parcel), lives);
    lives
}

#[test]
fn a_closed_study_is_kept_as_long_as_agreed_and_no_longer() {
    let (mut world, case) = closed();
    let parcel = study(&world, case);
    for site in [CLINIC, HOSPITAL] {
        let until = world.view(site, case).kept_until;
        assert_eq!(until, Some(world.now.after(AGREED)));
    }
    world.sleep(Span(AGREED.0 - Span::MINUTE.0));
    for site in [CLINIC, HOSPITAL] {
        assert!(holds_key(&world, site, parcel));
        assert_eq!(world.sites[site].removed, []);
    }
    world.sleep(Span::MINUTE);
    for site in [CLINIC, HOSPITAL] {
        assert!(!holds_key(&world, site, parcel));
        assert_eq!(world.sites[site].removed, [parcel]);
        let view = world.view(site, case);
        assert_eq!((view.phase, view.waiting), ("closed", Waiting::Nothing));
        assert_eq!((view.keeping, view.kept_until), (Keeping::Removed, None));
        assert_eq!(
            *view.timeline.last().map(|last| &last.what).unwrap(),
            "closed"
        );
        world.restart(site);
        assert_eq!(world.view(site, case).keeping, Keeping::Removed);
    }
    world.settle();
    assert_eq!(world.sites[HOSPITAL].removed, [parcel], "once");
}

#[test]
fn a_study_that_its_site_answered_for_stays_there_and_goes_from_the_reader() {
    let (mut world, case) = closed();
    let parcel = study(&world, case);
    let commit = || Command::Commit([parcel].into());
    assert_eq!(world.ask(CLINIC, commit()), Ok(Answer::Done));
    let length = world.sites[CLINIC].service.state().head().length;
    assert_eq!(world.ask(CLINIC, commit()), Ok(Answer::Done));
    let head = world.sites[CLINIC].service.state().head();
    assert_eq!(head.length, length, "it is written down once");
    world.restart(CLINIC);
    assert_eq!(world.view(CLINIC, case).kept_until, None);
    world.sleep(AGREED);
    assert!(holds_key(&world, CLINIC, parcel));
    assert!(!holds_key(&world, HOSPITAL, parcel));
    assert_eq!(world.view(CLINIC, case).keeping, Keeping::Kept);
}

#[test]
fn what_is_gone_is_not_answered_for() {
    let (mut world, case) = closed();
    let parcel = study(&world, case);
    world.sleep(AGREED);
    let commit = Command::Commit([parcel, ParcelId::from_bytes([9; 32])].into());
    assert_eq!(world.ask(CLINIC, commit), Err(CannotDo::StudyGone));
    assert!(world.sites[CLINIC].service.state().committed.is_empty());
}

/// A case that was read and closed at a reader whose archive has taken nothing.
fn closed_and_not_stored(archive_answers: bool) -> (World, CaseId) {
    let mut world = World::pair();
    if archive_answers {
        world.sites[HOSPITAL].service.await_archive();
    }
    world.hold = |effect| matches!(effect, Effect::StoreStudy { .. });
    let case = world.bring_to_reader(HOSPITAL);
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    assert_eq!(world.acknowledge(case, 1), Ok(Answer::Done));
    assert_eq!(world.phase(HOSPITAL, case), "closed");
    (world, case)
}

#[test]
fn a_study_that_the_archive_has_not_answered_for_is_kept_beyond_its_time() {
    let (mut world, case) = closed_and_not_stored(true);
    let parcel = study(&world, case);
    let overdue = |world: &World| {
        let service = &world.sites[HOSPITAL].service;
        service.kept_for_archive(world.now).collect::<Vec<_>>()
    };
    assert_eq!(overdue(&world), [], "its time is not over");
    world.sleep(AGREED.times(2));
    assert!(!holds_key(&world, CLINIC, parcel));
    assert!(holds_key(&world, HOSPITAL, parcel));
    assert_eq!(overdue(&world), [case]);
    assert_eq!(world.view(HOSPITAL, case).kept_until, None);
    world.hold = |_| false;
    world.end_job(HOSPITAL, Job::StoreStudy(case), Outcome::Done);
    world.settle();
    assert!(!holds_key(&world, HOSPITAL, parcel), "it goes at once");
    assert_eq!(overdue(&world), []);
}

#[test]
fn an_archive_that_does_not_answer_keeps_no_study_longer_than_agreed() {
    let (mut world, case) = closed_and_not_stored(false);
    let parcel = study(&world, case);
    world.sleep(AGREED);
    assert!(!holds_key(&world, HOSPITAL, parcel));
}

#[test]
fn a_study_that_came_to_no_report_does_not_wait_for_the_archive() {
    let mut world = World::pair();
    world.sites[HOSPITAL].service.await_archive();
    world.hold = |effect| matches!(effect, Effect::StoreStudy { .. });
    let case = world.bring_to_reader(HOSPITAL);
    let parcel = study(&world, case);
    withdraw(&mut world, case);
    assert!(!holds_key(&world, HOSPITAL, parcel));
}

#[test]
fn the_report_stays() {
    let (mut world, case) = closed();
    world.sleep(AGREED.times(2));
    for site in [CLINIC, HOSPITAL] {
        let state = world.sites[site].service.state();
        let thread = match site {
            CLINIC => state.requests[&case].booked().unwrap(),
            _ => &state.readings[&case].thread,
        };
        let version = &thread.phase().versions().unwrap().all()[0];
        assert!(holds_key(
            &world,
            site,
            version.issued.grant.manifest.parcel
        ));
    }
}

#[test]
fn an_addendum_counts_anew_and_is_not_possible_when_the_study_is_gone() {
    let (mut world, case) = closed();
    let parcel = study(&world, case);
    world.sleep(Span(AGREED.0 - Span::HOUR.0));
    let addendum = world.report(HOSPITAL, case, ReportStatus::Addendum);
    assert_eq!(addendum, Ok(Answer::Done));
    world.sleep(AGREED);
    assert!(holds_key(&world, HOSPITAL, parcel), "it is open again");
    assert_eq!(world.acknowledge(case, 2), Ok(Answer::Done));
    world.sleep(Span(AGREED.0 - Span::HOUR.0));
    assert!(holds_key(&world, HOSPITAL, parcel));
    world.sleep(Span::HOUR);
    assert!(!holds_key(&world, HOSPITAL, parcel));
    let late = world.report(HOSPITAL, case, ReportStatus::Addendum);
    assert_eq!(late, Err(CannotDo::StudyGone));
}

#[test]
fn an_addendum_on_its_way_keeps_the_study() {
    let (mut world, case) = closed();
    let parcel = study(&world, case);
    world.sleep(Span(AGREED.0 - Span::HOUR.0));
    world.cut(CLINIC, HOSPITAL);
    let addendum = world.report(HOSPITAL, case, ReportStatus::Addendum);
    assert_eq!(addendum, Ok(Answer::Done));
    world.sleep(Span::DAY);
    assert!(holds_key(&world, HOSPITAL, parcel));
    assert!(!holds_key(&world, CLINIC, parcel));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn an_addendum_that_waits_for_a_key_keeps_the_study() {
    let (mut world, case) = closed();
    let parcel = study(&world, case);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span(AGREED.0 - Span::HOUR.0));
    let addendum = world.report(HOSPITAL, case, ReportStatus::Addendum);
    assert_eq!(addendum, Ok(Answer::Done));
    world.sleep(Span::DAY);
    assert!(holds_key(&world, HOSPITAL, parcel));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn nothing_waits_for_a_key_of_who_is_no_partner_any_more() {
    let (mut world, case) = closed();
    let parcel = study(&world, case);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span(AGREED.0 - Span::HOUR.0));
    let addendum = world.report(HOSPITAL, case, ReportStatus::Addendum);
    assert_eq!(addendum, Ok(Answer::Done));
    let clinic = world.id(CLINIC);
    let removed = world.ask(HOSPITAL, Command::RemovePartner(clinic));
    assert_eq!(removed, Ok(Answer::Done));
    assert!(!holds_key(&world, HOSPITAL, parcel));
}

#[test]
fn what_was_taken_back_is_gone_from_the_reader_at_once_and_stays_with_the_requester() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let parcel = study(&world, case);
    withdraw(&mut world, case);
    assert!(!holds_key(&world, HOSPITAL, parcel));
    assert_eq!(world.sites[HOSPITAL].removed, [parcel]);
    world.sleep(AGREED.times(2));
    assert!(holds_key(&world, CLINIC, parcel));
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert!(holds_key(&world, HOSPITAL, parcel));
    assert_eq!(world.view(HOSPITAL, case).keeping, Keeping::Kept);
}

#[test]
fn a_removal_that_fails_or_is_cut_short_is_done_again() {
    let (mut world, case) = closed();
    world.hold = |effect| matches!(effect, Effect::RemoveStudy { .. });
    world.sleep(AGREED);
    assert_eq!(world.view(HOSPITAL, case).keeping, Keeping::KeyDestroyed);
    let failed = Outcome::Failed(Trouble::Disk);
    world.held.clear();
    world.end_job(HOSPITAL, Job::RemoveStudy(case), failed);
    world.sleep(Span::MINUTE);
    assert_eq!(world.held.len(), 1, "it is tried again");
    world.restart(HOSPITAL);
    assert_eq!(world.held.len(), 1, "and after a restart");
    world.let_go();
    world.settle();
    assert_eq!(world.view(HOSPITAL, case).keeping, Keeping::Removed);
}

#[test]
fn a_study_is_not_fetched_while_it_is_being_removed() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| {
        matches!(
            effect,
            Effect::RemoveStudy { .. } | Effect::ReceiveStudy { .. }
        )
    };
    withdraw(&mut world, case);
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "handing-over");
    let held = |world: &World| world.held.len();
    assert_eq!(held(&world), 1);
    world.held.clear();
    world.end_job(HOSPITAL, Job::RemoveStudy(case), Outcome::Done);
    assert_eq!(held(&world), 1, "now it is fetched");
    assert_eq!(world.view(HOSPITAL, case).keeping, Keeping::Kept);
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn without_the_partner_there_is_no_leave_to_keep_its_study() {
    let (mut world, case) = closed();
    let parcel = study(&world, case);
    let clinic = world.id(CLINIC);
    let removed = world.ask(HOSPITAL, Command::RemovePartner(clinic));
    assert_eq!(removed, Ok(Answer::Done));
    assert!(!holds_key(&world, HOSPITAL, parcel));
}

#[test]
fn a_partner_reaches_nothing_by_the_name_of_a_parcel_that_is_in_use() {
    let mut world = World::pair();
    let first = world.bring_to_reader(HOSPITAL);
    let parcel = study(&world, first);
    let mut again = world.opening(Modality::Ct, &[HOSPITAL]);
    if let Command::OpenCase(open) = &mut again {
        let (manifest, key) = crate::kit::parcel(1);
        assert_eq!(manifest.parcel, parcel);
        (open.manifest, open.key) = (manifest, key);
    }
    let Ok(Answer::Opened(second)) = world.ask(CLINIC, again) else {
        panic!("not opened");
    };
    world.settle();
    assert_eq!(world.phase(CLINIC, second), "released");
    assert!(holds_key(&world, HOSPITAL, parcel));
    assert_eq!(world.sites[HOSPITAL].removed, []);
    let Ok(Command::IssueReport(mut issue)) = world.issuing(HOSPITAL, first, ReportStatus::Final)
    else {
        panic!("a report");
    };
    (issue.manifest, issue.key) = crate::kit::parcel(1);
    let issued = world.ask(HOSPITAL, Command::IssueReport(issue));
    assert_eq!(issued, Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, first), "report-rejected");
    assert!(holds_key(&world, CLINIC, parcel));
}
