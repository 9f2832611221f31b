//! Certificates that end and are renewed by the same root.

use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect};
use dokuei_protocol::input::{Command, Input};
use dokuei_protocol::limits;
use dokuei_protocol::partner::announcement::{AddressRecord, SyncAnswer};
use dokuei_protocol::time::Span;

use crate::kit::{CLINIC, HOSPITAL, World};

/// What the clinic holds of the hospital: number and end of its certificate.
fn held(world: &World) -> (u64, u64) {
    let partner = &world.sites[CLINIC].service.state().partners[&world.id(HOSPITAL)];
    (partner.serial, partner.valid_until.0)
}

#[test]
fn a_renewed_certificate_is_taken_without_pairing_again() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.sleep(Span::DAY.times(300));
    let before = held(&world);
    world.renew(HOSPITAL, false);
    assert_eq!(held(&world).0, 2);
    assert!(held(&world).1 > before.1);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "claimed");
    // Past the end of the first certificate nothing changes.
    world.renew(CLINIC, false);
    world.sleep(Span::DAY.times(100));
    let node = world.sites[HOSPITAL].node;
    assert!(world.sites[CLINIC].admitted.contains(&node));
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
}

#[test]
fn new_keys_are_taken_with_a_notice_and_what_the_old_ones_signed_still_arrives() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let old = world.sites[HOSPITAL].node;
    world.renew(HOSPITAL, true);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(
        world.phase(CLINIC, case),
        "received",
        "the new node is not known"
    );
    let notice = world.sites[HOSPITAL].notice(&[]);
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    world.settle();
    let node = world.sites[HOSPITAL].node;
    assert!(world.sites[CLINIC].admitted.contains(&node));
    assert!(!world.sites[CLINIC].admitted.contains(&old));
    assert_eq!(world.phase(CLINIC, case), "claimed");
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
    let next = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, next), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, next), "claimed");
}

#[test]
fn a_partner_that_was_away_during_the_renewal_learns_at_the_next_contact() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    world.sleep(Span::DAY.times(380));
    // Both have run out while they were apart, and both have renewed since.
    world.renew(HOSPITAL, false);
    world.renew(CLINIC, false);
    assert_eq!(held(&world).0, 1);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(held(&world).0, 2);
    assert_eq!(world.phase(CLINIC, case), "claimed");
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
}

#[test]
fn a_node_whose_certificate_has_ended_may_bring_a_new_one_and_nothing_else() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, dokuei_protocol::effect::Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    assert_eq!(world.sites[CLINIC].permitted.len(), 1);
    world.cut(CLINIC, HOSPITAL);
    let hospital = world.id(HOSPITAL);
    world.sleep(Span::DAY.times(367));
    let node = world.sites[HOSPITAL].node;
    assert!(world.sites[CLINIC].admitted.contains(&node));
    assert!(world.sites[CLINIC].permitted.is_empty());
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    let partner = &world.sites[CLINIC].service.state().partners[&hospital];
    let prekey = partner.prekey.as_ref().unwrap();
    assert!(!prekey.validity.contains(world.now.seconds()), "not heard");
    assert_eq!(world.phase(CLINIC, case), "handing-over");
    world.sleep(limits::RENEWAL_LATE);
    assert!(world.sites[CLINIC].admitted.is_empty());
}

#[test]
fn an_older_certificate_does_not_come_back() {
    let mut world = World::pair();
    let old = world.sites[HOSPITAL].notice(&[]);
    world.sleep(Span::DAY.times(10));
    world.renew(HOSPITAL, false);
    let now = held(&world);
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(old)));
    assert_eq!(taken, Err(CannotDo::BadNotice));
    assert_eq!(held(&world), now);
    // Nor by pairing again.
    let mut world = World::pair();
    let back_up = world.back_up(HOSPITAL);
    let newer = {
        let mut ahead = World::pair();
        ahead.sleep(Span::DAY.times(10));
        ahead.renew(HOSPITAL, false);
        ahead.sites[HOSPITAL].notice(&[])
    };
    world.sleep(Span::DAY.times(10));
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(newer)));
    assert_eq!(taken, Ok(Answer::Done));
    let hospital = world.id(HOSPITAL);
    let removed = world.ask(CLINIC, Command::RemovePartner(hospital));
    assert_eq!(removed, Ok(Answer::Done));
    world.restore(HOSPITAL, back_up);
    let secret = world.invitation(CLINIC);
    let paired = world.accept(CLINIC, HOSPITAL, &secret);
    assert_eq!(paired, Err(CannotDo::NotPaired));
}

#[test]
fn a_renewal_by_another_root_is_refused() {
    let mut world = World::pair();
    world.sleep(Span::DAY);
    let mut notice = world.sites[CLINIC].notice(&[]);
    notice.site = world.id(HOSPITAL);
    let before = held(&world);
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Err(CannotDo::BadNotice));
    assert_eq!(held(&world), before);
    let strange = world.sites[HOSPITAL].sign(dokuei_keys::delegation::Revocation {
        site: world.id(CLINIC),
        revoked: world.sites[CLINIC].site_key(),
        since: world.now.seconds(),
    });
    let answer = world.hand_over(HOSPITAL, CLINIC, strange);
    assert_eq!(answer, Some(DocumentAnswer::Refused));
}

/// A site that only calls out reaches its partner where it was before.
#[test]
fn new_keys_do_not_change_where_a_partner_is_reached() {
    let mut world = World::pair();
    // Whoever had stolen the old key may have numbered as high as they liked.
    let (site, node) = (world.id(HOSPITAL), world.sites[HOSPITAL].node);
    let record = world.sites[HOSPITAL].sign(AddressRecord {
        site,
        node,
        addresses: vec!["hospital".to_owned()],
        sequence: u64::MAX,
    });
    let answer = SyncAnswer {
        announcements: vec![record.into()],
        notice: None,
    };
    let bytes = dokuei_keys::cbor::encode(&answer);
    world.tell(CLINIC, Input::SyncAnswered { node, bytes });
    world.cut(CLINIC, HOSPITAL);
    world.renew(HOSPITAL, true);
    let reached = |world: &World| {
        let partner = &world.sites[CLINIC].service.state().partners[&world.id(HOSPITAL)];
        partner.address.clone().map(|record| record.addresses)
    };
    let before = reached(&world);
    assert!(
        before
            .as_ref()
            .is_some_and(|addresses| !addresses.is_empty())
    );
    let notice = world.sites[HOSPITAL].notice(&[]);
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    assert_eq!(reached(&world), before);
    // Whatever the new key says replaces it.
    let elsewhere = vec!["elsewhere:1".to_owned()];
    let moved = Command::AnnounceAddresses(elsewhere.clone());
    assert_eq!(world.ask(HOSPITAL, moved), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(reached(&world), Some(elsewhere));
}

#[test]
fn a_partner_that_renews_again_and_again_is_not_asked_each_time() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::AskSync(..));
    let node = world.sites[HOSPITAL].node;
    for _ in 0..5 {
        let answer = SyncAnswer {
            announcements: Vec::new(),
            notice: Some(world.sites[HOSPITAL].claiming(node, world.now)),
        };
        let bytes = dokuei_keys::cbor::encode(&answer);
        world.tell(CLINIC, Input::SyncAnswered { node, bytes });
        world.sites[HOSPITAL].count_on();
    }
    assert_eq!(held(&world).0, 6, "each is taken");
    world.sleep(Span::MINUTE);
    assert!(world.held.is_empty());
}
