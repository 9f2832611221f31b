//! A case that goes on by a medium while the line is down.

use dokuei_protocol::effect::{Answer, CannotDo, Effect};
use dokuei_protocol::input::{Command, Job, Outcome, Trouble};

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

fn begins(effect: &Effect) -> bool {
    matches!(effect, Effect::ReceiveStudy { .. })
}

#[test]
fn a_study_that_was_carried_is_taken_without_the_line_and_the_receipt_comes_later() {
    let mut world = World::trio();
    world.hold = begins;
    let case = world.open(HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "handing-over");
    world.cut(CLINIC, HOSPITAL);
    let job = Job::ReceiveStudy(case);
    world.end_job(HOSPITAL, job, Outcome::Failed(Trouble::PartnerUnreachable));
    world.held.clear();
    world.settle();
    assert!(world.held.is_empty(), "without the line nothing begins");
    let cargo = world.sites[CLINIC].service.cargo(case).ok().unwrap();
    assert!(cargo.reader == world.id(HOSPITAL));
    let take = |world: &World, from: usize| Command::TakeCargo {
        from: world.id(from),
        case,
        documents: cargo.documents.clone(),
    };
    let wrong = take(&world, HOSPITAL);
    assert_eq!(world.ask(HOSPITAL, wrong), Err(CannotDo::NoPartner));
    let taken = take(&world, CLINIC);
    assert_eq!(world.ask(HOSPITAL, taken), Ok(Answer::Done));
    assert!(
        world
            .held
            .iter()
            .any(|(site, effect)| *site == HOSPITAL && begins(effect))
    );
    // What failed is not tried for ever from a medium that is damaged.
    world.end_job(HOSPITAL, job, Outcome::Failed(Trouble::PartnerUnreachable));
    world.held.clear();
    world.settle();
    assert!(world.held.is_empty());
    let taken = take(&world, CLINIC);
    assert_eq!(world.ask(HOSPITAL, taken), Ok(Answer::Done));
    world.end_job(HOSPITAL, job, Outcome::Done);
    world.hold = |_| false;
    assert_eq!(world.phase(CLINIC, case), "handing-over");
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    let again = take(&world, CLINIC);
    assert_eq!(world.ask(HOSPITAL, again), Err(CannotDo::NotNow));
    let elsewhere = take(&world, CLINIC);
    assert_eq!(world.ask(UNIVERSITY, elsewhere), Err(CannotDo::NoCase));
}

#[test]
fn only_what_is_on_its_way_is_carried_and_only_by_who_was_heard() {
    let mut world = World::pair();
    world.hold = begins;
    let case = world.open(HOSPITAL);
    let cargo = |world: &World| world.sites[CLINIC].service.cargo(case).err();
    world.settle();
    assert_eq!(cargo(&world), None);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(cargo(&world), None, "it was heard since the start");
    world.restart(CLINIC);
    assert_eq!(cargo(&world), Some(CannotDo::NotHeard));
    world.mend(CLINIC, HOSPITAL);
    world.hold = |_| false;
    world.end_job(HOSPITAL, Job::ReceiveStudy(case), Outcome::Done);
    world.settle();
    assert_eq!(cargo(&world), Some(CannotDo::NotNow));
}

/// A grant is the only link that carries a wrapped key, which alone is longer than any other link.
fn sends_grant(effect: &Effect) -> bool {
    matches!(effect, Effect::Send { bytes, .. } if bytes.len() > 1_200)
}

#[test]
fn a_grant_that_never_went_out_goes_with_the_study() {
    let mut world = World::pair();
    world.hold = sends_grant;
    let case = world.open(HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "booked");
    assert_eq!(world.phase(CLINIC, case), "handing-over");
    world.cut(CLINIC, HOSPITAL);
    let cargo = world.sites[CLINIC].service.cargo(case).ok().unwrap();
    assert_eq!(cargo.documents.len(), 1);
    let mut forged = cargo.documents.clone();
    if let Some(last) = forged[0].last_mut() {
        *last ^= 1;
    }
    let from = world.id(CLINIC);
    let take = |documents| Command::TakeCargo {
        from,
        case,
        documents,
    };
    assert_eq!(world.ask(HOSPITAL, take(forged)), Err(CannotDo::NotNow));
    let taken = take(cargo.documents.clone());
    assert_eq!(world.ask(HOSPITAL, taken), Ok(Answer::Done));
    world.settle();
    assert!(world.sites[HOSPITAL].service.state().readings[&case].arrived);
    let sending = world.held.iter().find_map(|(_, effect)| match effect {
        Effect::Send { to, id, .. } => Some(Job::Send(*to, *id)),
        _ => None,
    });
    world.hold = |_| false;
    let failed = Outcome::Failed(Trouble::PartnerUnreachable);
    world.end_job(CLINIC, sending.unwrap(), failed);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    for site in [CLINIC, HOSPITAL] {
        assert_eq!(world.phase(site, case), "received");
    }
}
