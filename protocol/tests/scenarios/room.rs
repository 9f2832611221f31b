//! What is bounded, and that nobody takes the room of others.

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, Proposal, ReaderEvent, RequesterEvent};
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::effect::{Answer, DocumentAnswer};
use dokuei_protocol::input::Command;
use dokuei_protocol::limits;
use dokuei_protocol::log::entry::Head;
use dokuei_protocol::partner::announcement::OfferSlot;
use dokuei_protocol::record::Record;
use dokuei_protocol::service::Quoting;
use dokuei_protocol::time::Timestamp;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World, slot};

/// A reader that proposes without end leaves room for every report that is still to be read.
#[test]
fn a_full_chain_has_room_for_what_the_requester_still_has_to_say() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let versions = limits::REPORT_VERSIONS as u32;
    for version in 1..=versions {
        let status = match version == versions {
            true => ReportStatus::Final,
            false => ReportStatus::Preliminary,
        };
        let report = world.report(HOSPITAL, case, status);
        assert_eq!(report, Ok(Answer::Done));
    }
    world.settle();
    for at in 0..u64::from(limits::CHAIN_LINKS) {
        let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
        let again = Proposal {
            case,
            requester: world.id(CLINIC),
            reader: world.id(HOSPITAL),
            follows: thread.head(),
            at: Timestamp(world.now.0 + at),
            event: ReaderEvent::Claimed(World::person(HOSPITAL)),
        };
        let bytes = world.sites[HOSPITAL].sign(again);
        if world.hand_over(HOSPITAL, CLINIC, bytes) != Some(DocumentAnswer::Accepted) {
            break;
        }
        world.drive();
    }
    for version in 1..=versions {
        assert_eq!(world.acknowledge(case, version), Ok(Answer::Done));
    }
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "closed");
    assert_eq!(world.phase(HOSPITAL, case), "closed");
}

/// An offer of a partner, in the form in which its receiver writes it down.
fn offered(like: &Link, requester: usize, world: &World, number: u32) -> Link {
    let mut case = [7; 32];
    case[..4].copy_from_slice(&number.to_be_bytes());
    Link {
        case: CaseId::from_bytes(case),
        requester: world.id(requester),
        ..like.clone()
    }
}

#[test]
fn one_partner_does_not_take_the_room_of_others() {
    let mut world = World::trio();
    world.pair_up(HOSPITAL, UNIVERSITY);
    world.sites[HOSPITAL].quoting = Quoting::ByHand;
    world.restart(HOSPITAL);
    world.settle();
    world.open(HOSPITAL);
    let sent = world.sent.iter().rev();
    let mut links = sent.filter_map(|(_, _, bytes)| {
        let link = dokuei_keys::signed::recorded::<Link>(bytes).ok()?;
        matches!(link.event, RequesterEvent::Offered(_)).then_some(link)
    });
    let like = links.next().unwrap();
    drop(links);
    let mut head = Head::default();
    for entry in &world.sites[HOSPITAL].entries {
        head.take(entry).unwrap();
    }
    for number in 1..limits::OPEN_CASES_OF_PARTNER as u32 {
        let link = offered(&like, CLINIC, &world, number);
        let bytes = world.sites[CLINIC].sign(link);
        let (_, entry) = head.append(world.now, Record::LinkReceived(bytes.into()));
        world.sites[HOSPITAL].entries.push(entry);
    }
    let full = world.back_up(HOSPITAL);
    world.restore(HOSPITAL, full);
    let from = |world: &mut World, requester: usize| {
        let bytes = offered(&like, requester, world, u32::MAX);
        let bytes = world.sites[requester].sign(bytes);
        world.hand_over(requester, HOSPITAL, bytes)
    };
    assert_eq!(from(&mut world, CLINIC), Some(DocumentAnswer::Later));
    let other = from(&mut world, UNIVERSITY);
    assert_eq!(other, Some(DocumentAnswer::Accepted));
}

#[test]
fn a_promise_for_later_than_needed_shows() {
    let mut world = World::pair();
    for (hours, late) in [(8, false), (48, true)] {
        let offer = OfferSlot { hours, ..slot(10) };
        let offered = world.ask(HOSPITAL, Command::AnnounceCapacity(vec![offer]));
        assert_eq!(offered, Ok(Answer::Done));
        let case = world.bring_to_reader(HOSPITAL);
        assert_eq!(world.view(CLINIC, case).late, late);
        assert_eq!(world.view(HOSPITAL, case).late, late);
        let report = world.report(HOSPITAL, case, ReportStatus::Final);
        assert_eq!(report, Ok(Answer::Done));
        world.settle();
        assert!(!world.view(CLINIC, case).late, "it is there");
    }
}
