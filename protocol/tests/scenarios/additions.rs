//! Images that came after their study was sent: a case of their own that names the earlier one.

use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::Answer;
use dokuei_protocol::input::Command;

use crate::kit::{CLINIC, HOSPITAL, World};

#[test]
fn both_sides_see_to_which_case_they_belong() {
    let mut world = World::pair();
    let first = world.bring_to_reader(HOSPITAL);
    let mut late = world.opening(Modality::Ct, &[HOSPITAL]);
    if let Command::OpenCase(open) = &mut late {
        open.terms.addition_to = Some(first);
    }
    let Ok(Answer::Opened(second)) = world.ask(CLINIC, late) else {
        panic!("not opened");
    };
    world.settle();
    for site in [CLINIC, HOSPITAL] {
        let names = |case| world.view(site, case).terms.unwrap().addition_to;
        assert_eq!((names(first), names(second)), (None, Some(first)));
    }
    assert_eq!(world.phase(HOSPITAL, second), "received");
    for (case, site) in [(first, HOSPITAL), (second, HOSPITAL)] {
        let report = world.report(site, case, ReportStatus::Final);
        assert_eq!(report, Ok(Answer::Done), "each is reported");
    }
    world.restart(HOSPITAL);
    let terms = world.view(HOSPITAL, second).terms.unwrap();
    assert_eq!(terms.addition_to, Some(first));
}
