//! A reader says no, and says why.

use dokuei_protocol::case::event::DeclineReason;
use dokuei_protocol::case::phase::{Ending, Phase};
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, CannotDo};
use dokuei_protocol::input::Command;
use dokuei_protocol::service::Quoting;
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World, slot};

fn ending(world: &World, case: dokuei_protocol::case::CaseId) -> Phase {
    let request = &world.sites[CLINIC].service.state().requests[&case];
    request.threads[&world.id(HOSPITAL)].phase().clone()
}

fn declined(reason: DeclineReason) -> Phase {
    Phase::Ended(Ending::Declined(reason))
}

#[test]
fn what_is_not_offered_is_declined() {
    let mut world = World::pair();
    let Ok(Answer::Opened(case)) = world.open_as(Modality::Mr, &[HOSPITAL]) else {
        panic!("not opened");
    };
    world.settle();
    assert_eq!(ending(&world, case), declined(DeclineReason::NotOffered));
    assert_eq!(world.waiting(CLINIC, case), Waiting::OfferAgain);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Nothing);
}

#[test]
fn what_several_readers_have_declined_is_over_until_it_is_offered_again() {
    let mut world = World::trio();
    let Ok(Answer::Opened(case)) = world.open_as(Modality::Mr, &[HOSPITAL, UNIVERSITY]) else {
        panic!("not opened");
    };
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "declined");
    assert!(world.waiting(CLINIC, case).is_over());
    assert!(world.waiting(UNIVERSITY, case).is_over());
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    assert!(!world.waiting(CLINIC, case).is_over());
}

#[test]
fn a_full_day_is_declined_and_the_next_day_is_not() {
    let mut world = World::pair();
    let two = world.ask(HOSPITAL, Command::AnnounceCapacity(vec![slot(2)]));
    assert_eq!(two, Ok(Answer::Done));
    let cases: Vec<_> = (0..3).map(|_| world.open(HOSPITAL)).collect();
    assert_eq!(world.phase(CLINIC, cases[0]), "received");
    assert_eq!(world.phase(CLINIC, cases[1]), "received");
    assert_eq!(ending(&world, cases[2]), declined(DeclineReason::Full));
    world.sleep(Span::DAY);
    assert_eq!(world.offer_again(cases[2], HOSPITAL), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, cases[2]), "received");
}

#[test]
fn a_case_offered_again_on_another_day_takes_a_place_of_that_day() {
    let mut world = World::pair();
    let Ok(Answer::Opened(old)) = world.open_as(Modality::Mr, &[HOSPITAL]) else {
        panic!("not opened");
    };
    let one = slot(1);
    let other = dokuei_protocol::partner::announcement::OfferSlot {
        modality: Modality::Mr,
        ..slot(1)
    };
    world.sleep(Span::DAY);
    let both = world.ask(HOSPITAL, Command::AnnounceCapacity(vec![one, other]));
    assert_eq!(both, Ok(Answer::Done));
    assert_eq!(world.offer_again(old, HOSPITAL), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, old), "received");
    let Ok(Answer::Opened(new)) = world.open_as(Modality::Mr, &[HOSPITAL]) else {
        panic!("not opened");
    };
    assert_eq!(ending(&world, new), declined(DeclineReason::Full));
}

#[test]
fn a_person_declines() {
    let mut world = World::pair();
    world.sites[HOSPITAL].quoting = Quoting::ByHand;
    world.restart(HOSPITAL);
    let case = world.open(HOSPITAL);
    world.settle();
    assert_eq!(world.waiting(CLINIC, case), Waiting::Quote);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::QuoteHere);
    assert_eq!(
        world.ask(HOSPITAL, Command::Decline(case)),
        Ok(Answer::Done)
    );
    world.settle();
    assert_eq!(ending(&world, case), declined(DeclineReason::ByHand));
    let again = world.ask(HOSPITAL, Command::Decline(case));
    assert_eq!(again, Err(CannotDo::NotNow));
}

#[test]
fn a_case_that_is_being_read_cannot_be_declined() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let late = world.ask(HOSPITAL, Command::Decline(case));
    assert_eq!(late, Err(CannotDo::NotNow));
}

#[test]
fn no_agreement_no_offer() {
    let mut world = World::strangers();
    let unknown = world.open_as(Modality::Ct, &[HOSPITAL]);
    assert_eq!(unknown, Err(CannotDo::NoPartner));
}

#[test]
fn an_offer_under_an_agreement_that_the_reader_has_not_is_declined() {
    let mut world = World::pair();
    // The clinic's node is away while the hospital makes a new start with it.
    world.cut(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    let clinic = world.id(CLINIC);
    assert_eq!(
        world.ask(HOSPITAL, Command::RemovePartner(clinic)),
        Ok(Answer::Done)
    );
    world.mend(CLINIC, HOSPITAL);
    world.pair_up(HOSPITAL, CLINIC);
    world.settle();
    assert_eq!(ending(&world, case), declined(DeclineReason::NoAgreement));
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(
        world.phase(CLINIC, case),
        "received",
        "the new agreement covers it"
    );
}
