//! Sites that agree that studies travel under a pseudonym.

use dokuei_keys::signed;
use dokuei_protocol::effect::{Answer, CannotDo, Effect};
use dokuei_protocol::input::Command;
use dokuei_protocol::limits;
use dokuei_protocol::partner::agreement::Naming;
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

/// Pairs two sites under an agreement that wants pseudonyms.
fn pair_pseudonymously(world: &mut World, inviter: usize, accepter: usize) {
    let secret = world.invitation_to(inviter, Naming::Pseudonymous);
    let paired = world.accept(inviter, accepter, &secret);
    assert_eq!(paired, Ok(Answer::Paired(world.id(inviter))));
}

/// What studies travel under between two sites, as the first of them holds it.
fn naming(world: &World, site: usize, other: usize) -> Naming {
    let partner = &world.sites[site].service.state().partners[&world.id(other)];
    partner.agreement(world.now).unwrap().1.naming
}

fn propose(world: &mut World, site: usize, to: usize, naming: Naming) -> Result<Answer, CannotDo> {
    let command = Command::ProposeAgreement {
        site: world.id(to),
        retention_days: 30,
        naming,
    };
    world.ask(site, command)
}

fn agree(world: &mut World, site: usize, with: usize) -> Result<Answer, CannotDo> {
    let with = world.id(with);
    world.ask(site, Command::AcceptAgreement(with))
}

#[test]
fn an_identified_study_is_not_offered_where_pseudonyms_are_agreed() {
    let mut world = World::pair();
    pair_pseudonymously(&mut world, HOSPITAL, CLINIC);
    for (site, other) in [(CLINIC, HOSPITAL), (HOSPITAL, CLINIC)] {
        assert_eq!(naming(&world, site, other), Naming::Pseudonymous);
    }
    let refused = world.open_named(Naming::Identified, HOSPITAL);
    assert_eq!(refused, Err(CannotDo::Identified));
    assert!(world.sites[CLINIC].service.state().requests.is_empty());
    let Ok(Answer::Opened(case)) = world.open_named(Naming::Pseudonymous, HOSPITAL) else {
        panic!("a study under a pseudonym is offered");
    };
    assert_eq!(world.phase(HOSPITAL, case), "received");
}

#[test]
fn a_case_goes_to_nobody_whose_agreement_it_does_not_keep() {
    let mut world = World::trio();
    pair_pseudonymously(&mut world, UNIVERSITY, CLINIC);
    world.cut(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    let offered = world.offer_again(case, UNIVERSITY);
    assert_eq!(offered, Err(CannotDo::Identified));
    let pseudonymous = world.open_named(Naming::Pseudonymous, HOSPITAL);
    let Ok(Answer::Opened(case)) = pseudonymous else {
        panic!("more than was agreed is kept secret");
    };
    assert_eq!(world.offer_again(case, UNIVERSITY), Ok(Answer::Done));
}

#[test]
fn agreements_between_partners_are_changed_by_both() {
    let mut world = World::pair();
    assert_eq!(naming(&world, CLINIC, HOSPITAL), Naming::Identified);
    let proposed = propose(&mut world, CLINIC, HOSPITAL, Naming::Pseudonymous);
    assert_eq!(proposed, Ok(Answer::Done));
    assert_eq!(naming(&world, CLINIC, HOSPITAL), Naming::Identified);
    assert!(world.open_named(Naming::Identified, HOSPITAL).is_ok());
    assert_eq!(agree(&mut world, HOSPITAL, CLINIC), Ok(Answer::Done));
    for (site, other) in [(CLINIC, HOSPITAL), (HOSPITAL, CLINIC)] {
        assert_eq!(naming(&world, site, other), Naming::Pseudonymous);
    }
    let refused = world.open_named(Naming::Identified, HOSPITAL);
    assert_eq!(refused, Err(CannotDo::Identified));
    let versions = world.sent.iter().filter_map(|(_, _, bytes)| {
        let header = signed::peek(bytes).ok()?;
        (header.kind == "agreement").then_some(header.version)
    });
    assert_eq!(versions.collect::<Vec<_>>().last(), Some(&2));
    world.restart(CLINIC);
    assert_eq!(naming(&world, CLINIC, HOSPITAL), Naming::Pseudonymous);
}

#[test]
fn what_was_proposed_before_the_last_agreement_is_proposed_no_more() {
    let mut world = World::pair();
    let proposed = propose(&mut world, HOSPITAL, CLINIC, Naming::Pseudonymous);
    assert_eq!(proposed, Ok(Answer::Done));
    let is_proposed = |world: &World| {
        let (clinic, hospital) = (world.id(CLINIC), world.id(HOSPITAL));
        let partner = &world.sites[CLINIC].service.state().partners[&hospital];
        partner.proposed_to(clinic).is_some()
    };
    assert!(is_proposed(&world));
    world.pair_up(HOSPITAL, CLINIC);
    assert!(!is_proposed(&world));
    let agreed = agree(&mut world, CLINIC, HOSPITAL);
    assert_eq!(agreed, Err(CannotDo::NoAgreement));
}

#[test]
fn pairing_again_does_not_let_go_of_pseudonyms() {
    let mut world = World::pair();
    pair_pseudonymously(&mut world, HOSPITAL, CLINIC);
    // An inviter that remembers carries it on.
    world.pair_up(HOSPITAL, CLINIC);
    assert_eq!(naming(&world, CLINIC, HOSPITAL), Naming::Pseudonymous);
    // For one that does not, a person has to say so.
    let clinic = world.id(CLINIC);
    let removed = world.ask(HOSPITAL, Command::RemovePartner(clinic));
    assert_eq!(removed, Ok(Answer::Done));
    world.pair_up(HOSPITAL, CLINIC);
    assert_eq!(naming(&world, CLINIC, HOSPITAL), Naming::Pseudonymous);
    assert_eq!(agree(&mut world, CLINIC, HOSPITAL), Ok(Answer::Done));
    assert_eq!(naming(&world, CLINIC, HOSPITAL), Naming::Identified);
}

#[test]
fn a_booked_study_stays_when_the_agreement_comes_to_want_a_pseudonym() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span::DAY.times(8));
    world.hold = |effect| matches!(effect, Effect::AskSync(..));
    world.mend(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "booked");
    let proposed = propose(&mut world, HOSPITAL, CLINIC, Naming::Pseudonymous);
    assert_eq!(proposed, Ok(Answer::Done));
    assert_eq!(agree(&mut world, CLINIC, HOSPITAL), Ok(Answer::Done));
    world.hold = |_| false;
    world.let_go();
    world.sleep(limits::SYNC_EVERY);
    assert_eq!(world.phase(CLINIC, case), "booked");
    assert_eq!(world.waiting(CLINIC, case), Waiting::Identified);
}
