//! Keys that are taken back: of persons, nodes and sites.

use dokuei_keys::delegation::{PersonRole, Revocation};
use dokuei_keys::signing::SigningKey;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect};
use dokuei_protocol::input::{Command, Job, Outcome};
use dokuei_protocol::limits;
use dokuei_protocol::partner::notice::Barred;
use dokuei_protocol::service::Halt;
use dokuei_protocol::time::{Span, Timestamp};

use crate::kit::{CLINIC, HOSPITAL, Site, UNIVERSITY, World};

/// Somebody brings the clinic a file that says which keys of the hospital are revoked.
fn tell(world: &mut World, at: usize, revocations: &[Vec<u8>]) -> Result<Answer, CannotDo> {
    let notice = world.sites[HOSPITAL].notice(revocations);
    world.ask(at, Command::TakeNotice(Box::new(notice)))
}

fn barred(world: &World, at: usize) -> Option<Barred> {
    world.sites[at].service.state().partners[&world.id(HOSPITAL)].barred
}

fn node_revoked(world: &World) -> Vec<u8> {
    let hospital = &world.sites[HOSPITAL];
    hospital.revocation(hospital.node.key().unwrap(), world.now)
}

#[test]
fn a_revoked_node_is_cut_off_and_gets_nothing_more() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let granted = world.open(HOSPITAL);
    assert_eq!(world.sites[CLINIC].permitted.len(), 1);
    let revocation = node_revoked(&world);
    assert_eq!(tell(&mut world, CLINIC, &[revocation]), Ok(Answer::Done));
    assert_eq!(barred(&world, CLINIC), Some(Barred::Node));
    let node = world.sites[HOSPITAL].node;
    assert_eq!(world.sites[CLINIC].barred, [node]);
    assert!(world.sites[CLINIC].admitted.is_empty());
    assert!(world.sites[CLINIC].permitted.is_empty());
    assert_eq!(
        world.open_as(Modality::Ct, &[HOSPITAL]),
        Err(CannotDo::NoAgreement)
    );
    assert_eq!(
        world.offer_again(granted, HOSPITAL),
        Err(CannotDo::NoAgreement)
    );
    world.restart(CLINIC);
    world.drive();
    assert_eq!(world.sites[CLINIC].barred, [node]);
    assert!(world.sites[CLINIC].admitted.is_empty());
}

#[test]
fn a_booking_of_a_revoked_partner_is_not_granted() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    world.sleep(limits::PREKEY_USABLE);
    world.hold = |effect| matches!(effect, Effect::AskSync(..));
    world.mend(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "booked");
    let revocation = node_revoked(&world);
    assert_eq!(tell(&mut world, CLINIC, &[revocation]), Ok(Answer::Done));
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "booked");
}

#[test]
fn a_revoked_partner_does_not_come_back_by_pairing_again() {
    let mut world = World::pair();
    let revocation = node_revoked(&world);
    assert_eq!(tell(&mut world, CLINIC, &[revocation]), Ok(Answer::Done));
    let hospital = world.id(HOSPITAL);
    let removed = world.ask(CLINIC, Command::RemovePartner(hospital));
    assert_eq!(removed, Ok(Answer::Done));
    let secret = world.invitation(CLINIC);
    let paired = world.accept(CLINIC, HOSPITAL, &secret);
    assert_eq!(paired, Err(CannotDo::NotPaired));
    assert!(
        !world.sites[CLINIC]
            .service
            .state()
            .partners
            .contains_key(&hospital)
    );
}

/// The hospital's own node tells: partners that are connected learn at once, one that was away
/// learns when it is back, and a restart loses nothing.
#[test]
fn a_revoked_node_tells_its_partners_and_does_nothing_else() {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    let (hospital, clinic) = (world.id(HOSPITAL), world.id(CLINIC));
    world.cut(CLINIC, HOSPITAL);
    world.sites[CLINIC].service.state().partners[&hospital]
        .agreement(world.now)
        .expect("an agreement");
    let revocation = node_revoked(&world);
    assert_eq!(tell(&mut world, HOSPITAL, &[revocation]), Ok(Answer::Done));
    let halt = |world: &World| world.sites[HOSPITAL].service.halt();
    assert_eq!(halt(&world), Some(Halt::Revoked(Barred::Node)));
    let refused = Err(CannotDo::OwnKeyRevoked);
    assert_eq!(world.claim(HOSPITAL, case), refused);
    let offer = Command::AnnounceCapacity(Vec::new());
    assert_eq!(world.ask(HOSPITAL, offer), Ok(Answer::Done));
    let entries = world.sites[HOSPITAL].entries.len();
    world.restart(HOSPITAL);
    world.sleep(Span::DAY.times(2));
    assert_eq!(
        world.sites[HOSPITAL].entries.len(),
        entries,
        "nothing is signed"
    );
    assert_eq!(barred(&world, CLINIC), None);
    world.mend(CLINIC, HOSPITAL);
    world.drive();
    assert_eq!(barred(&world, CLINIC), Some(Barred::Node));
    assert!(world.sites[CLINIC].admitted.is_empty() || world.sites[CLINIC].admitted.len() == 1);
    assert!(
        !world.sites[CLINIC]
            .admitted
            .contains(&world.sites[HOSPITAL].node)
    );
    assert_eq!(world.queue(CLINIC, UNIVERSITY), 0);
    assert!(
        world.sites[HOSPITAL]
            .service
            .state()
            .partners
            .contains_key(&clinic)
    );
}

#[test]
fn a_connected_partner_hears_of_a_revocation_at_once() {
    let mut world = World::pair();
    let revocation = node_revoked(&world);
    assert_eq!(tell(&mut world, HOSPITAL, &[revocation]), Ok(Answer::Done));
    assert_eq!(barred(&world, CLINIC), Some(Barred::Node));
    assert!(world.sites[CLINIC].admitted.is_empty());
}

#[test]
fn documents_by_a_revoked_site_key_count_up_to_the_day_of_the_revocation() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let clinic = world.id(CLINIC);
    let outbox = &world.sites[HOSPITAL].service.state().outbox[&clinic];
    let before = outbox[0].bytes.clone();
    world.sleep(Span::HOUR);
    let lost = world.now;
    world.sleep(Span::HOUR);
    let late = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(late, Ok(Answer::Done));
    let outbox = &world.sites[HOSPITAL].service.state().outbox[&clinic];
    let after = outbox.back().unwrap().bytes.clone();
    let key = world.sites[HOSPITAL].site_key();
    let revocation = world.sites[HOSPITAL].revocation(key, lost);
    assert_eq!(
        tell(&mut world, CLINIC, std::slice::from_ref(&revocation)),
        Ok(Answer::Done)
    );
    assert_eq!(barred(&world, CLINIC), Some(Barred::SiteKey));
    for bytes in [&before, &after] {
        let answer = world.hand_over(HOSPITAL, CLINIC, bytes.clone());
        assert_eq!(answer, Some(DocumentAnswer::Later), "nobody is heard now");
    }
    // The recovery sheet makes new keys; the file with both goes to the clinic.
    assert_eq!(
        tell(&mut world, HOSPITAL, std::slice::from_ref(&revocation)),
        Ok(Answer::Done)
    );
    world.renew(HOSPITAL, true);
    assert_eq!(world.sites[HOSPITAL].service.halt(), None);
    assert_eq!(tell(&mut world, CLINIC, &[revocation]), Ok(Answer::Done));
    assert_eq!(barred(&world, CLINIC), None);
    let answer = world.hand_over(HOSPITAL, CLINIC, before);
    assert_eq!(answer, Some(DocumentAnswer::Accepted));
    assert_eq!(world.phase(CLINIC, case), "claimed");
    let answer = world.hand_over(HOSPITAL, CLINIC, after);
    assert_eq!(answer, Some(DocumentAnswer::Refused));
    // What comes from now on is by the new key, and counts.
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    let next = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, next), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, next), "claimed");
}

#[test]
fn who_may_revoke_what() {
    let mut world = World::trio();
    let stranger = SigningKey::from_seed(dokuei_keys::secret::Secret32::from_bytes([9; 32]));
    let hospital = world.sites[HOSPITAL].id;
    let root = world.sites[HOSPITAL].root().public();
    let person = SigningKey::from_seed(dokuei_keys::secret::Secret32::from_bytes([7; 32]));
    let content = |revoked| Revocation {
        site: hospital,
        revoked,
        since: Timestamp(0).seconds(),
    };
    let sign = |revocation, key: &SigningKey| {
        dokuei_keys::signed::Signed::sign(revocation, key)
            .unwrap()
            .bytes()
            .to_vec()
    };
    let by_stranger = sign(content(person.public()), &stranger);
    assert_eq!(
        tell(&mut world, CLINIC, &[by_stranger]),
        Err(CannotDo::BadNotice)
    );
    let root_by_site_key = world.sites[HOSPITAL].sign(content(root));
    assert_eq!(
        tell(&mut world, CLINIC, &[root_by_site_key]),
        Err(CannotDo::BadNotice)
    );
    let of_another = world.sites[UNIVERSITY].sign(content(person.public()));
    assert_eq!(
        world.hand_over(HOSPITAL, CLINIC, of_another),
        Some(DocumentAnswer::Refused)
    );
    assert_eq!(barred(&world, CLINIC), None);
    let by_site_key = world.sites[HOSPITAL].sign(content(person.public()));
    for _ in 0..2 {
        let answer = world.hand_over(HOSPITAL, CLINIC, by_site_key.clone());
        assert_eq!(answer, Some(DocumentAnswer::Accepted));
    }
    assert_eq!(world.sites[CLINIC].service.revoked_by(hospital).len(), 1);
    assert_eq!(
        barred(&world, CLINIC),
        None,
        "a person is no reason to cut the site off"
    );
    let everything = world.sites[HOSPITAL].revocation(root, world.now);
    assert_eq!(tell(&mut world, CLINIC, &[everything]), Ok(Answer::Done));
    assert_eq!(barred(&world, CLINIC), Some(Barred::Root));
}

#[test]
fn revocations_of_one_site_are_bounded_and_leave_room_for_its_root() {
    let mut world = World::pair();
    let hospital = world.id(HOSPITAL);
    let key = world.sites[HOSPITAL].node.key().unwrap();
    let content = |since| Revocation {
        site: hospital,
        revoked: key,
        since: Timestamp(since * 1000).seconds(),
    };
    world.cut(CLINIC, HOSPITAL);
    let many = limits::REVOCATIONS_BY_SITE_KEY as u64;
    let person = SigningKey::from_seed(dokuei_keys::secret::Secret32::from_bytes([7; 32]));
    for since in 0..=many {
        let revocation = Revocation {
            revoked: person.public(),
            ..content(since)
        };
        let bytes = world.sites[HOSPITAL].sign(revocation);
        let answer = world.hand_over(HOSPITAL, CLINIC, bytes);
        let room = since < many;
        assert_eq!(answer == Some(DocumentAnswer::Accepted), room);
    }
    let by_root = node_revoked(&world);
    assert_eq!(tell(&mut world, CLINIC, &[by_root]), Ok(Answer::Done));
    assert_eq!(barred(&world, CLINIC), Some(Barred::Node));
}

#[test]
fn a_revoked_person_signs_nothing_and_partners_know_it() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let person = Site::person_key(HOSPITAL, PersonRole::Reader).public();
    world.cut(CLINIC, HOSPITAL);
    let revoke = |world: &mut World| world.ask(HOSPITAL, Command::RevokePerson(person.into()));
    assert_eq!(revoke(&mut world), Ok(Answer::Done));
    assert_eq!(revoke(&mut world), Ok(Answer::Done), "once is enough");
    assert_eq!(world.claim(HOSPITAL, case), Err(CannotDo::PersonRevoked));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    let hospital = world.id(HOSPITAL);
    let heard = world.sites[CLINIC].service.revoked_by(hospital);
    assert_eq!(heard.len(), 1);
    assert!(heard[0].covers(&person, world.now.seconds()));
    assert!(!heard[0].covers(&person, Timestamp(0).seconds()));
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
    // Another reader goes on, and so does the partnership.
    let delegation = world.sites[HOSPITAL].delegate(CLINIC, PersonRole::Reader);
    let claim = Command::Claim { case, delegation };
    assert_eq!(world.ask(HOSPITAL, claim), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "claimed");
}

/// Whoever pairs later hears of it too, also when the site key that signed it has been replaced.
#[test]
fn a_later_partner_hears_of_earlier_revocations() {
    let mut world = World::trio();
    let (clinic, hospital) = (world.id(CLINIC), world.id(HOSPITAL));
    let seed = dokuei_keys::secret::Secret32::from_bytes([7; 32]);
    let person = SigningKey::from_seed(seed).public();
    let revoked = world.ask(HOSPITAL, Command::RevokePerson(person.into()));
    assert_eq!(revoked, Ok(Answer::Done));
    world.renew(HOSPITAL, true);
    world.pair_up(UNIVERSITY, HOSPITAL);
    world.settle();
    let heard = world.sites[UNIVERSITY].service.revoked_by(hospital);
    assert!(heard.iter().any(|revocation| revocation.revoked == person));
    assert!(world.sites[HOSPITAL].service.revoked_by(clinic).is_empty());
}

#[test]
fn a_site_neither_revokes_nor_claims_the_node_of_another() {
    let mut world = World::trio();
    let university = world.sites[UNIVERSITY].node;
    let revocation = world.sites[HOSPITAL].revocation(university.key().unwrap(), world.now);
    assert_eq!(tell(&mut world, CLINIC, &[revocation]), Ok(Answer::Done));
    assert!(world.sites[CLINIC].barred.is_empty());
    assert!(world.sites[CLINIC].admitted.contains(&university));
    world.sleep(Span::HOUR);
    for node in [university, world.sites[CLINIC].node] {
        let claim = world.sites[HOSPITAL].claiming(node, world.now);
        let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(claim)));
        assert_eq!(taken, Err(CannotDo::BadNotice));
    }
    let case = world.bring_to_reader(UNIVERSITY);
    assert_eq!(world.claim(UNIVERSITY, case), Ok(Answer::Done));
    assert_eq!(world.phase(CLINIC, case), "claimed");
}

/// A node whose own key is revoked signs nothing, also when what it had begun comes to its end.
#[test]
fn a_job_that_ends_at_a_halted_node_is_not_signed_for() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    let clinic = &world.sites[CLINIC];
    let revocation = clinic.revocation(clinic.node.key().unwrap(), world.now);
    let notice = clinic.notice(&[revocation]);
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    assert_eq!(
        world.sites[CLINIC].service.halt(),
        Some(Halt::Revoked(Barred::Node))
    );
    world.settle();
    let before = world.sites[CLINIC].entries.len();
    world.end_job(CLINIC, Job::ReceiveReport(case, 1), Outcome::Done);
    world.settle();
    assert_eq!(world.sites[CLINIC].entries.len(), before);
    // With new keys it is fetched and confirmed.
    world.hold = |_| false;
    world.held.clear();
    world.renew(CLINIC, true);
    let notice = world.sites[CLINIC].notice(&[]);
    let taken = world.ask(HOSPITAL, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}
