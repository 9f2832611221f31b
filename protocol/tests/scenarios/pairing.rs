//! Two sites become partners.

use dokuei_protocol::effect::{Answer, CannotDo};
use dokuei_protocol::input::Command;
use dokuei_protocol::limits;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World};

fn in_force(world: &World, site: usize, with: usize) -> bool {
    let partners = &world.sites[site].service.state().partners;
    partners
        .get(&world.id(with))
        .is_some_and(|partner| partner.agreement(world.now).is_some())
}

#[test]
fn a_code_on_the_telephone_makes_partners_with_an_agreement_in_force() {
    let mut world = World::strangers();
    world.pair_up(CLINIC, HOSPITAL);
    assert!(in_force(&world, CLINIC, HOSPITAL));
    assert!(in_force(&world, HOSPITAL, CLINIC));
    let partner = &world.sites[CLINIC].service.state().partners[&world.id(HOSPITAL)];
    assert_eq!(partner.name, "hospital");
    assert!(
        partner.prekey.is_some(),
        "the key to seal for came with the first connection"
    );
}

#[test]
fn a_wrong_code_makes_nobody_a_partner() {
    let mut world = World::strangers();
    world.invitation(CLINIC);
    let wrong = world.accept(CLINIC, HOSPITAL, "00000-00000-00000-00000");
    assert_eq!(wrong, Err(CannotDo::NotPaired));
    assert!(world.sites[CLINIC].service.state().partners.is_empty());
    assert!(world.sites[HOSPITAL].service.state().partners.is_empty());
}

#[test]
fn what_is_no_code_at_all_is_said_at_once() {
    let mut world = World::strangers();
    assert_eq!(
        world.accept(CLINIC, HOSPITAL, "hello"),
        Err(CannotDo::BadCode)
    );
}

#[test]
fn an_invitation_closes_after_its_wrong_answers_and_a_right_one_comes_too_late() {
    let mut world = World::strangers();
    let secret = world.invitation(CLINIC);
    for _ in 0..limits::INVITATION_TRIES {
        let wrong = world.accept(CLINIC, HOSPITAL, "00000-00000-00000-00000");
        assert_eq!(wrong, Err(CannotDo::NotPaired));
    }
    assert!(!world.sites[CLINIC].pairing_open);
    assert_eq!(
        world.accept(CLINIC, HOSPITAL, &secret),
        Err(CannotDo::NotPaired)
    );
}

#[test]
fn an_invitation_closes_by_itself() {
    let mut world = World::strangers();
    let secret = world.invitation(CLINIC);
    assert!(world.sites[CLINIC].pairing_open);
    world.sleep(limits::INVITATION);
    assert!(!world.sites[CLINIC].pairing_open);
    assert_eq!(
        world.accept(CLINIC, HOSPITAL, &secret),
        Err(CannotDo::NotPaired)
    );
}

#[test]
fn a_code_works_once() {
    let mut world = World::trio();
    let secret = world.invitation(CLINIC);
    assert!(world.accept(CLINIC, HOSPITAL, &secret).is_ok());
    assert_eq!(world.accept(CLINIC, 2, &secret), Err(CannotDo::NotPaired));
}

#[test]
fn a_restart_closes_an_open_invitation() {
    let mut world = World::strangers();
    let secret = world.invitation(CLINIC);
    world.restart(CLINIC);
    assert_eq!(
        world.accept(CLINIC, HOSPITAL, &secret),
        Err(CannotDo::NotPaired)
    );
}

#[test]
fn a_second_call_waits_for_the_first() {
    let mut world = World::strangers();
    world.hold = |effect| matches!(effect, dokuei_protocol::effect::Effect::CallInviter { .. });
    let own = vec!["hospital".to_owned()];
    assert_eq!(
        world.ask(HOSPITAL, Command::AnnounceAddresses(own)),
        Ok(Answer::Done)
    );
    let call = || Command::Accept {
        addresses: vec!["clinic".to_owned()],
        secret: "00000-00000-00000-00000".to_owned(),
    };
    let ticket = world.ticket();
    world.tell(
        HOSPITAL,
        dokuei_protocol::input::Input::Command(ticket, call()),
    );
    assert_eq!(world.ask(HOSPITAL, call()), Err(CannotDo::PairingBusy));
}

#[test]
fn pairing_again_keeps_both_sides_able_to_work() {
    let mut world = World::pair();
    world.pair_up(HOSPITAL, CLINIC);
    world.sleep(Span::MINUTE);
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "received");
}
