//! Data folders that came back from an older copy.

use dokuei_protocol::case::event::WithdrawalReason;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer};
use dokuei_protocol::input::Command;
use dokuei_protocol::log::entry::Entry;
use dokuei_protocol::service::Halt;
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

fn halt(world: &World, site: usize) -> Option<Halt> {
    world.sites[site].service.halt()
}

/// How often a site has signed something.
fn signed_by(world: &World, site: usize) -> usize {
    let entries = world.sites[site].entries.iter();
    let codes = entries.map(|bytes| {
        let entry: Entry = minicbor::decode(bytes).unwrap();
        entry.record.code()
    });
    codes.filter(|code| code.ends_with("-made")).count()
}

/// No document of this site was refused: what the others hold was not contradicted.
fn nothing_contradicted(world: &World) {
    assert!(
        world
            .heard
            .iter()
            .all(|(_, answer)| *answer != DocumentAnswer::Refused)
    );
}

#[test]
fn a_requester_on_an_older_copy_stops_before_it_contradicts_itself() {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    let copy = world.back_up(CLINIC);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "claimed");
    world.cut(CLINIC, HOSPITAL);
    world.restore(CLINIC, copy);
    // Alone it cannot know; what it decides now stays here.
    let withdraw = Command::Withdraw(case, WithdrawalReason::NotNeeded);
    assert_eq!(world.ask(CLINIC, withdraw), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    let hospital = world.id(HOSPITAL);
    assert_eq!(halt(&world, CLINIC), Some(Halt::Older(hospital)));
    nothing_contradicted(&world);
    assert_eq!(world.phase(HOSPITAL, case), "claimed");
    // It does nothing for anybody, and says why.
    let refused = Err(CannotDo::FolderOlder);
    assert_eq!(
        world.open_as(dokuei_protocol::case::terms::Modality::Ct, &[UNIVERSITY]),
        refused
    );
    let signed = signed_by(&world, CLINIC);
    let sent = world
        .sent
        .iter()
        .filter(|(from, ..)| *from == CLINIC)
        .count();
    assert_eq!(
        world.report(HOSPITAL, case, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.sleep(Span::DAY.times(2));
    assert_eq!(signed_by(&world, CLINIC), signed);
    assert_eq!(
        world
            .sent
            .iter()
            .filter(|(from, ..)| *from == CLINIC)
            .count(),
        sent
    );
    // A restart does not make it forget.
    world.restart(CLINIC);
    world.settle();
    assert_eq!(halt(&world, CLINIC), Some(Halt::Older(hospital)));
}

#[test]
fn a_reader_on_an_older_copy_stops_too() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let copy = world.back_up(HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    world.settle();
    world.restore(HOSPITAL, copy);
    world.settle();
    let clinic = world.id(CLINIC);
    assert_eq!(halt(&world, HOSPITAL), Some(Halt::Older(clinic)));
    assert_eq!(world.claim(HOSPITAL, case), Err(CannotDo::FolderOlder));
    nothing_contradicted(&world);
    assert_eq!(world.phase(CLINIC, case), "claimed");
}

/// The recovery sheet gives an older copy new keys, not what was signed since.
#[test]
fn an_older_copy_with_new_keys_is_an_older_copy() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let copy = world.back_up(HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    world.settle();
    world.cut(CLINIC, HOSPITAL);
    world.restore(HOSPITAL, copy);
    world.renew(HOSPITAL, true);
    let notice = world.sites[HOSPITAL].notice(&[]);
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    let clinic = world.id(CLINIC);
    assert_eq!(halt(&world, HOSPITAL), Some(Halt::Older(clinic)));
    nothing_contradicted(&world);
}

/// Whoever stole a key that was revoked since does not stop the node with it.
#[test]
fn what_a_revoked_key_signed_later_does_not_stop_a_node() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let stolen = world.sites[HOSPITAL].site_key();
    let revocation = world.sites[HOSPITAL].revocation(stolen, world.now);
    world.sleep(Span::MINUTE);
    let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
    let claimed = dokuei_protocol::case::event::Proposal {
        case,
        requester: world.id(CLINIC),
        reader: world.id(HOSPITAL),
        follows: thread.head(),
        at: world.now,
        event: dokuei_protocol::case::event::ReaderEvent::Claimed(World::person(HOSPITAL)),
    };
    let forged = world.sites[HOSPITAL].sign(claimed);
    world.renew(HOSPITAL, true);
    let notice = world.sites[HOSPITAL].notice(&[revocation]);
    let taken = world.ask(HOSPITAL, Command::TakeNotice(Box::new(notice.clone())));
    assert_eq!(taken, Ok(Answer::Done));
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    world.ask_holding(CLINIC, HOSPITAL, forged);
    assert_eq!(halt(&world, HOSPITAL), None);
}

#[test]
fn the_newest_copy_goes_on_although_its_prekeys_did_not_come_back() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.settle();
    let copy = world.back_up(HOSPITAL);
    world.sleep(Span::MINUTE);
    world.restore(HOSPITAL, copy);
    world.settle();
    assert_eq!(halt(&world, HOSPITAL), None);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "claimed");
    // The clinic seals for the new prekey.
    let next = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.phase(HOSPITAL, next), "received");
}

/// Announcements count by the clock: what a restored site says of itself is newer than what its
/// partners hold, also when the copy has forgotten that they hold it.
#[test]
fn announcements_of_a_restored_site_are_still_the_newest() {
    let mut world = World::pair();
    let copy = world.back_up(HOSPITAL);
    for per_day in [3, 4, 5] {
        world.sleep(Span::MINUTE);
        let offer = Command::AnnounceCapacity(vec![crate::kit::slot(per_day)]);
        assert_eq!(world.ask(HOSPITAL, offer), Ok(Answer::Done));
    }
    world.sleep(Span::HOUR.times(2));
    world.restore(HOSPITAL, copy);
    let offer = Command::AnnounceCapacity(vec![crate::kit::slot(7)]);
    assert_eq!(world.ask(HOSPITAL, offer), Ok(Answer::Done));
    world.sleep(Span::HOUR.times(2));
    let partner = &world.sites[CLINIC].service.state().partners[&world.id(HOSPITAL)];
    assert_eq!(partner.capacity.as_ref().unwrap().slots[0].per_day, 7);
    assert_eq!(halt(&world, HOSPITAL), None);
}

/// A partner's word alone does not stop a node: it takes the site's own signature.
#[test]
fn a_partner_cannot_make_a_node_stop() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let (clinic, hospital) = (world.id(CLINIC), world.id(HOSPITAL));
    let forged = world.sites[HOSPITAL].sign(dokuei_protocol::case::event::Link {
        case,
        requester: clinic,
        reader: hospital,
        sequence: 90,
        previous: None,
        at: world.now,
        event: dokuei_protocol::case::event::RequesterEvent::Closed,
    });
    let known = world.sent.iter().find(|(from, ..)| *from == CLINIC);
    let known = known.map(|(_, _, bytes)| bytes.clone()).unwrap();
    for taken in [forged, known, vec![0; 40]] {
        world.ask_holding(HOSPITAL, CLINIC, taken);
        assert_eq!(halt(&world, CLINIC), None);
    }
}
