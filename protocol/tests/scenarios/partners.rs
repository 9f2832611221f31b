//! Partners that are removed, come back, or let their agreement run out.

use dokuei_protocol::case::event::WithdrawalReason;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect};
use dokuei_protocol::input::{Command, Job, Outcome, Trouble};
use dokuei_protocol::limits;
use dokuei_protocol::partner::agreement::{Agreement, AgreementAccepted, Naming};
use dokuei_protocol::service::views::Waiting;
use dokuei_protocol::time::{Span, Timestamp};

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

fn remove(world: &mut World, site: usize, other: usize) {
    let partner = world.id(other);
    assert_eq!(
        world.ask(site, Command::RemovePartner(partner)),
        Ok(Answer::Done)
    );
}

#[test]
fn a_removed_partner_gets_nothing_more() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ReceiveStudy { .. });
    let case = world.open(HOSPITAL);
    assert_eq!(world.sites[CLINIC].permitted.len(), 1);
    remove(&mut world, CLINIC, HOSPITAL);
    assert!(world.sites[CLINIC].permitted.is_empty());
    assert!(world.sites[CLINIC].admitted.is_empty());
    assert_eq!(
        world.open_as(Modality::Ct, &[HOSPITAL]),
        Err(CannotDo::NoPartner)
    );
    assert_eq!(world.waiting(CLINIC, case), Waiting::Connection);
    let sent = world.sent.len();
    let back = Command::Withdraw(case, WithdrawalReason::NotNeeded);
    assert_eq!(world.ask(CLINIC, back), Ok(Answer::Done));
    world.sleep(Span::DAY);
    assert_eq!(world.sent.len(), sent);
    let again = world.id(HOSPITAL);
    assert_eq!(
        world.ask(CLINIC, Command::RemovePartner(again)),
        Err(CannotDo::NoPartner)
    );
}

#[test]
fn what_a_removed_partner_still_says_is_not_heard() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let Some((_, Effect::Send { bytes, .. })) = world.held.pop() else {
        panic!("the claim is sent");
    };
    remove(&mut world, CLINIC, HOSPITAL);
    assert_ne!(
        world.hand_over(HOSPITAL, CLINIC, bytes),
        Some(DocumentAnswer::Accepted)
    );
    assert_eq!(world.phase(CLINIC, case), "received");
}

/// Two sites that paired again go on where they were: no link of a chain is lost, so none waits for
/// one that never comes.
#[test]
fn a_partner_that_comes_back_finds_its_cases_where_they_were() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let withdrawn = Command::Withdraw(case, WithdrawalReason::NotNeeded);
    assert_eq!(world.ask(CLINIC, withdrawn), Ok(Answer::Done));
    remove(&mut world, CLINIC, HOSPITAL);
    remove(&mut world, HOSPITAL, CLINIC);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    world.pair_up(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "withdrawn");
    assert_eq!(world.offer_again(case, HOSPITAL), Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
}

/// A document that reaches a site in the moment in which it removes the sender is not lost for
/// good when the two make up again.
#[test]
fn what_arrived_during_the_removal_is_sent_again_after_pairing_again() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::Send { .. });
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    world.hold = |_| false;
    let Some((_, Effect::Send { to, id, bytes, .. })) = world.held.pop() else {
        panic!("the claim is sent");
    };
    remove(&mut world, CLINIC, HOSPITAL);
    let answer = world.hand_over(HOSPITAL, CLINIC, bytes);
    assert_eq!(answer, Some(DocumentAnswer::Later));
    let put_off = Outcome::Failed(Trouble::PartnerBusy);
    world.end_job(HOSPITAL, Job::Send(to, id), put_off);
    world.pair_up(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "claimed");
    assert_eq!(world.queue(HOSPITAL, CLINIC), 0);
}

#[test]
fn an_offer_that_overtakes_the_acceptance_of_the_agreement_is_not_declined() {
    // The university invites the clinic; the clinic's acceptance is held up, its offer is not.
    let mut world = World::trio();
    remove(&mut world, CLINIC, UNIVERSITY);
    remove(&mut world, UNIVERSITY, CLINIC);
    world.hold = |effect| match effect {
        Effect::Send { bytes, .. } => {
            dokuei_keys::signed::peek(bytes).is_ok_and(|header| header.kind == "agreement-accepted")
        }
        _ => false,
    };
    world.pair_up(UNIVERSITY, CLINIC);
    let case = world.open(UNIVERSITY);
    world.drive();
    assert_eq!(world.phase(CLINIC, case), "offered");
    assert_eq!(world.waiting(UNIVERSITY, case), Waiting::Agreement);
    world.let_go();
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "received");
}

#[test]
fn after_the_agreement_nothing_is_offered() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    world.sleep(limits::AGREEMENT_TERM);
    assert_eq!(
        world.open_as(Modality::Ct, &[HOSPITAL]),
        Err(CannotDo::NoAgreement)
    );
}

#[test]
fn after_the_agreement_nothing_is_granted() {
    let mut world = World::strangers();
    world.pair_up(CLINIC, HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span(limits::AGREEMENT_TERM.0 - Span::HOUR.0));
    let offered = world.ask(
        HOSPITAL,
        Command::AnnounceCapacity(vec![crate::kit::slot(9)]),
    );
    assert_eq!(offered, Ok(Answer::Done));
    // The hospital's newest key does not come through in time.
    world.hold = |effect| matches!(effect, Effect::AskSync(..));
    world.mend(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    assert_eq!(world.phase(CLINIC, case), "booked");
    assert_eq!(world.waiting(CLINIC, case), Waiting::Prekey);
    world.sleep(Span::HOUR.times(2));
    world.let_go();
    world.settle();
    assert_eq!(
        world.phase(CLINIC, case),
        "booked",
        "there is a key, but no agreement"
    );
    assert_eq!(world.waiting(CLINIC, case), Waiting::Agreement);
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::Grant);
    assert!(world.sites[CLINIC].permitted.is_empty());
}

#[test]
fn after_the_agreement_a_report_goes_back_all_the_same() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    world.sleep(Span(limits::AGREEMENT_TERM.0 - Span::DAY.0));
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    let case = world.bring_to_reader(HOSPITAL);
    world.sleep(Span::DAY);
    assert_eq!(
        world.open_as(Modality::Ct, &[HOSPITAL]),
        Err(CannotDo::NoAgreement)
    );
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
    assert_eq!(world.acknowledge(case, 1), Ok(Answer::Done));
    let correction = world.report(HOSPITAL, case, ReportStatus::Corrected);
    assert_eq!(correction, Ok(Answer::Done));
    world.settle();
    assert_eq!(world.phase(CLINIC, case), "delivered");
}

#[test]
fn who_is_no_partner_any_more_gets_no_report() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let clinic = world.id(CLINIC);
    let removed = world.ask(HOSPITAL, Command::RemovePartner(clinic));
    assert_eq!(removed, Ok(Answer::Done));
    let report = world.report(HOSPITAL, case, ReportStatus::Final);
    assert_eq!(report, Err(CannotDo::NoPartner));
}

#[test]
fn an_agreement_proposed_by_a_partner_is_accepted_by_a_person() {
    let mut world = World::pair();
    let agreement = Agreement {
        proposer: world.id(HOSPITAL),
        accepter: world.id(CLINIC),
        from: world.now,
        until: world.now.after(Span::DAY),
        retention_days: 7,
        sequence: 77,
        naming: Naming::Identified,
    };
    let accept = |world: &mut World| {
        let hospital = world.id(HOSPITAL);
        world.ask(CLINIC, Command::AcceptAgreement(hospital))
    };
    assert_eq!(accept(&mut world), Err(CannotDo::NoAgreement));
    let bytes = world.sites[HOSPITAL].sign(agreement.clone());
    assert_eq!(
        world.hand_over(HOSPITAL, CLINIC, bytes),
        Some(DocumentAnswer::Accepted)
    );
    assert_eq!(accept(&mut world), Ok(Answer::Done));
    assert_eq!(accept(&mut world), Err(CannotDo::NoAgreement));
    // The hospital's node never proposed it (the scenario signed it), so there the acceptance is of
    // nothing, and is refused.
    assert_eq!(
        world.heard.last().map(|(_, answer)| *answer),
        Some(DocumentAnswer::Refused)
    );
}

#[test]
fn agreements_that_a_partner_proposes_are_bounded() {
    let mut world = World::pair();
    let mut answers = Vec::new();
    for sequence in 0..=limits::AGREEMENTS as u64 {
        let agreement = Agreement {
            proposer: world.id(HOSPITAL),
            accepter: world.id(CLINIC),
            from: Timestamp(0),
            until: Timestamp(1),
            retention_days: 7,
            sequence,
            naming: Naming::Identified,
        };
        let bytes = world.sites[HOSPITAL].sign(agreement);
        answers.extend(world.hand_over(HOSPITAL, CLINIC, bytes));
    }
    assert_eq!(answers.first(), Some(&DocumentAnswer::Accepted));
    assert_eq!(answers.last(), Some(&DocumentAnswer::Refused));
}

#[test]
fn an_acceptance_of_what_was_not_proposed_is_refused() {
    let mut world = World::pair();
    let accepted = AgreementAccepted {
        agreement: dokuei_keys::id::DocumentId::of(b"nothing"),
        proposer: world.id(CLINIC),
        accepter: world.id(HOSPITAL),
        at: world.now,
    };
    let bytes = world.sites[HOSPITAL].sign(accepted);
    assert_eq!(
        world.hand_over(HOSPITAL, CLINIC, bytes),
        Some(DocumentAnswer::Refused)
    );
}

#[test]
fn a_partner_whose_certificate_has_run_out_is_heard_again_when_it_is_renewed() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let queue = &world.sites[HOSPITAL].service.state().outbox[&world.id(CLINIC)];
    let claim = queue[0].bytes.clone();
    world.sleep(Span::DAY.times(366));
    let answer = world.hand_over(HOSPITAL, CLINIC, claim.clone());
    assert_eq!(answer, Some(DocumentAnswer::Later));
    assert_eq!(world.phase(CLINIC, case), "received");
    world.renew(HOSPITAL, false);
    let notice = world.sites[HOSPITAL].notice(&[]);
    let taken = world.ask(CLINIC, Command::TakeNotice(Box::new(notice)));
    assert_eq!(taken, Ok(Answer::Done));
    let answer = world.hand_over(HOSPITAL, CLINIC, claim);
    assert_eq!(answer, Some(DocumentAnswer::Accepted));
    assert_eq!(world.phase(CLINIC, case), "claimed");
}
