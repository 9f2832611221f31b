//! Only a person whom the site has certified as a reader reads.

use dokuei_keys::delegation::PersonRole;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, CannotDo};
use dokuei_protocol::input::Command;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World};

const OTHERS: [PersonRole; 3] = [
    PersonRole::AttendingDoctor,
    PersonRole::Technologist,
    PersonRole::Administrator,
];

#[test]
fn nobody_else_begins_a_case() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    for role in OTHERS {
        let delegation = world.delegation(HOSPITAL, role);
        let claimed = world.ask(HOSPITAL, Command::Claim { case, delegation });
        assert_eq!(claimed, Err(CannotDo::NotAReader), "{role:?}");
    }
    assert_eq!(world.phase(HOSPITAL, case), "received");
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
}

#[test]
fn nobody_else_issues_a_report() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let entries = world.sites[HOSPITAL].entries.len();
    for role in OTHERS {
        let Ok(Command::IssueReport(mut issue)) =
            world.issuing(HOSPITAL, case, ReportStatus::Final)
        else {
            panic!("a report");
        };
        issue.delegation = world.delegation(HOSPITAL, role);
        let issued = world.ask(HOSPITAL, Command::IssueReport(issue));
        assert_eq!(issued, Err(CannotDo::NotAReader), "{role:?}");
    }
    assert_eq!(world.sites[HOSPITAL].entries.len(), entries);
}

#[test]
fn a_reader_of_another_site_or_of_none_is_no_reader_here() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let foreign = world.delegation(CLINIC, PersonRole::Reader);
    let mut changed = world.delegation(HOSPITAL, PersonRole::Reader);
    if let Some(byte) = changed.last_mut() {
        *byte ^= 1;
    }
    for delegation in [foreign, changed, Vec::new()] {
        let claimed = world.ask(HOSPITAL, Command::Claim { case, delegation });
        assert_eq!(claimed, Err(CannotDo::NotCertified));
    }
}

#[test]
fn a_reader_whose_delegation_has_run_out_reads_no_more() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span::DAY.times(366));
    assert_eq!(world.claim(HOSPITAL, case), Err(CannotDo::NotCertified));
}
