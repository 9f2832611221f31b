//! Sealed packs that go ahead of a case: to whom, and from whom they are taken.

use dokuei_protocol::effect::Answer;
use dokuei_protocol::partner::agreement::Naming;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

/// Whether packs go ahead from the clinic to the hospital, as the one sees it and the other.
fn both(world: &World) -> (bool, bool) {
    let to = world.sites[CLINIC].service.goes_ahead_to("hospital");
    let from = world.sites[HOSPITAL]
        .service
        .takes_ahead_of(world.sites[CLINIC].node);
    let known = (world.id(HOSPITAL), world.sites[HOSPITAL].node);
    assert!(to.is_none_or(|to| to == known));
    assert!(from.is_none_or(|site| site == world.id(CLINIC)));
    (to.is_some(), from.is_some())
}

#[test]
fn packs_go_ahead_to_whom_studies_may_be_offered_while_it_is_connected() {
    let mut world = World::strangers();
    assert_eq!(both(&world), (false, false));
    world.pair_up(HOSPITAL, CLINIC);
    world.settle();
    assert_eq!(both(&world), (true, true));
    assert_eq!(world.sites[CLINIC].service.goes_ahead_to("clinic"), None);
    world.cut(CLINIC, HOSPITAL);
    // Who takes them hears of none meanwhile.
    assert_eq!(both(&world), (false, true));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(both(&world), (true, true));
}

#[test]
fn no_packs_go_ahead_where_pseudonyms_are_agreed() {
    let mut world = World::strangers();
    let secret = world.invitation_to(HOSPITAL, Naming::Pseudonymous);
    let paired = world.accept(HOSPITAL, CLINIC, &secret);
    assert_eq!(paired, Ok(Answer::Paired(world.id(HOSPITAL))));
    world.settle();
    assert_eq!(both(&world), (false, false));
}

#[test]
fn nothing_goes_ahead_to_or_from_a_site_that_another_one_knows() {
    let mut world = World::trio();
    world.settle();
    assert_eq!(both(&world), (true, true));
    let stranger = world.sites[UNIVERSITY].node;
    assert_eq!(world.sites[HOSPITAL].service.takes_ahead_of(stranger), None);
}
