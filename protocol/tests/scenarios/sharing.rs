//! What need not come from a partner again: what it gave or was given, and nothing else that lies here.

use std::collections::BTreeSet;

use dokuei_keys::id::ParcelId;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::WithdrawalReason;
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, Effect, Shared};
use dokuei_protocol::input::Command;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World, parcel, slot};

/// From here on fetching is not done, only noted.
fn hold(world: &mut World) {
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
}

/// What a site was told with the study of a case.
fn told(world: &World, site: usize, case: CaseId) -> Shared {
    let mut told = world.held.iter().filter_map(|(at, effect)| match effect {
        Effect::ReceiveStudy {
            case: of, shared, ..
        } if *at == site && *of == case => Some(shared.clone()),
        _ => None,
    });
    told.next().expect("the study is fetched")
}

/// A site reads too.
fn reads(world: &mut World, site: usize) {
    let announced = world.ask(site, Command::AnnounceCapacity(vec![slot(10)]));
    assert_eq!(announced, Ok(Answer::Done));
}

fn study(world: &World, site: usize, case: CaseId) -> ParcelId {
    let request = &world.sites[site].service.state().requests[&case];
    request.manifest.parcel
}

/// A study that one site asks another to read, as an addition to an earlier case.
fn open(
    world: &mut World,
    (from, to): (usize, usize),
    number: u8,
    addition_to: Option<CaseId>,
) -> CaseId {
    let mut command = world.opening(Modality::Ct, &[to]);
    if let Command::OpenCase(open) = &mut command {
        (open.manifest, open.key) = parcel(number);
        open.terms.addition_to = addition_to;
    }
    match world.ask(from, command) {
        Ok(Answer::Opened(case)) => {
            world.settle();
            case
        }
        other => panic!("not opened: {other:?}"),
    }
}

#[test]
fn what_a_partner_gave_need_not_come_from_it_again() {
    let mut world = World::pair();
    let first = world.bring_to_reader(HOSPITAL);
    hold(&mut world);
    let second = open(&mut world, (CLINIC, HOSPITAL), 99, Some(first));
    let expected = Shared {
        parcels: BTreeSet::from([study(&world, CLINIC, first)]),
        earlier: Some(first),
    };
    assert_eq!(told(&world, HOSPITAL, second), expected);
    // What is on its way is not here, and what was taken back is not here any more.
    let withdraw = Command::Withdraw(first, WithdrawalReason::SentInError);
    assert_eq!(world.ask(CLINIC, withdraw), Ok(Answer::Done));
    world.settle();
    let third = open(&mut world, (CLINIC, HOSPITAL), 98, None);
    assert_eq!(told(&world, HOSPITAL, third), Shared::default());
}

#[test]
fn what_a_partner_was_given_need_not_come_back() {
    let mut world = World::pair();
    reads(&mut world, CLINIC);
    let there = world.bring_to_reader(HOSPITAL);
    hold(&mut world);
    let back = open(&mut world, (HOSPITAL, CLINIC), 99, None);
    let expected = Shared {
        parcels: BTreeSet::from([study(&world, CLINIC, there)]),
        earlier: None,
    };
    assert_eq!(told(&world, CLINIC, back), expected);
}

#[test]
fn nobody_learns_what_others_gave_or_were_given() {
    let mut world = World::trio();
    world.pair_up(HOSPITAL, UNIVERSITY);
    reads(&mut world, CLINIC);
    let there = world.bring_to_reader(HOSPITAL);
    hold(&mut world);
    // To the university's case here nothing counts that went to the hospital, whatever case it names.
    let from_another = open(&mut world, (UNIVERSITY, CLINIC), 99, Some(there));
    assert_eq!(told(&world, CLINIC, from_another), Shared::default());
    // Nor at the hospital what came from the clinic.
    let from_another = open(&mut world, (UNIVERSITY, HOSPITAL), 98, Some(there));
    assert_eq!(told(&world, HOSPITAL, from_another), Shared::default());
}

#[test]
fn what_was_only_offered_was_not_given() {
    let mut world = World::pair();
    reads(&mut world, CLINIC);
    let declined = world.open_as(Modality::Mr, &[HOSPITAL]);
    assert!(matches!(declined, Ok(Answer::Opened(_))));
    world.settle();
    hold(&mut world);
    let back = open(&mut world, (HOSPITAL, CLINIC), 99, None);
    assert_eq!(told(&world, CLINIC, back), Shared::default());
}
