//! Earlier studies of the patient: offered, asked for, handed over or refused, and over when the reading is.

use dokuei_keys::id::{DocumentId, ParcelId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::cancel::Told;
use dokuei_protocol::case::event::ReleaseReason;
use dokuei_protocol::case::priors::{
    Asked, PriorGiven, PriorList, PriorRefusal, PriorsHere, PriorsOffer, PriorsRequest, PriorsThere,
};
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect};
use dokuei_protocol::input::{Command, Job, Outcome, Trouble};
use dokuei_protocol::limits;
use dokuei_protocol::partner::agreement::Naming;
use dokuei_protocol::service::views::Waiting;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World, parcel};

pub(crate) const REFUSED: Option<DocumentAnswer> = Some(DocumentAnswer::Refused);

pub(crate) fn list(offered: u16) -> PriorList {
    PriorList {
        offered,
        sealed: vec![7; 80].into(),
    }
}

/// A case at its reader, with a list of so many priors that has reached them.
pub(crate) fn offered(count: u16) -> (World, CaseId) {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let listed = world.ask(CLINIC, Command::ListPriors(case, list(count)));
    assert_eq!(listed, Ok(Answer::Done));
    assert_eq!(
        here(&world, case)
            .offer
            .as_ref()
            .map(|(_, list)| list.offered),
        Some(count)
    );
    (world, case)
}

/// The clinic's node has found a prior in these parcels, or cannot hand it over.
pub(crate) fn find(
    world: &mut World,
    case: CaseId,
    number: u16,
    found: Result<&[u8], PriorRefusal>,
) {
    assert_eq!(try_find(world, case, number, found), Ok(Answer::Done));
}

pub(crate) fn try_find(
    world: &mut World,
    case: CaseId,
    number: u16,
    found: Result<&[u8], PriorRefusal>,
) -> Result<Answer, CannotDo> {
    let found = found.map(|parts| parts.iter().map(|part| parcel(*part)).collect());
    let told = Command::FoundPrior {
        case,
        number,
        found,
    };
    world.ask(CLINIC, told)
}

pub(crate) fn ask(world: &mut World, case: CaseId, numbers: &[u16]) -> Result<Answer, CannotDo> {
    world.ask(HOSPITAL, Command::AskPriors(case, numbers.to_vec()))
}

pub(crate) fn here(world: &World, case: CaseId) -> PriorsHere {
    let reading = &world.sites[HOSPITAL].service.state().readings[&case];
    reading.priors.clone()
}

pub(crate) fn there(world: &World, case: CaseId) -> PriorsThere {
    let request = &world.sites[CLINIC].service.state().requests[&case];
    request.priors.clone()
}

pub(crate) fn id(number: u8) -> ParcelId {
    parcel(number).0.parcel
}

/// The clinic's request as the hospital would sign it.
pub(crate) fn request(world: &World, case: CaseId, numbers: &[u16]) -> PriorsRequest {
    let offer = here(world, case).offer.map(|(id, _)| id);
    PriorsRequest {
        case,
        requester: world.id(CLINIC),
        reader: world.id(HOSPITAL),
        offer: offer.unwrap_or(DocumentId::from_bytes([1; 32])),
        at: world.now,
        sequence: 9_999,
        numbers: numbers.to_vec(),
    }
}

#[test]
fn what_is_asked_for_is_handed_over_archived_and_goes_with_the_case() {
    let (mut world, case) = offered(3);
    assert_eq!(
        there(&world, case).offer.map(|(_, told)| told),
        Some(Told::Told)
    );
    assert_eq!(ask(&mut world, case, &[2, 1]), Ok(Answer::Done));
    assert_eq!(there(&world, case).asked.len(), 2);
    assert!(
        world.sites[CLINIC].permitted.is_empty(),
        "nothing is found yet"
    );
    find(&mut world, case, 1, Ok(&[101, 102]));
    find(&mut world, case, 2, Err(PriorRefusal::NotSent));
    world.settle();
    let priors = here(&world, case);
    assert_eq!(priors.wishes[&1].answer, Some(Ok(2)));
    assert_eq!(priors.wishes[&2].answer, Some(Err(PriorRefusal::NotSent)));
    for number in [101, 102] {
        let held = &priors.held[&id(number)];
        assert!(held.arrived && held.stored && held.number == 1);
        assert!(world.sites[HOSPITAL].content.contains_key(&id(number)));
    }
    assert_eq!(
        there(&world, case).asked[&1],
        Asked::Granted(vec![id(101), id(102)])
    );
    // It goes with the study of the case, and the clinic keeps its own.
    let release = Command::Release(case, ReleaseReason::ShiftEnded);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    world.settle();
    assert!(here(&world, case).held.is_empty());
    for number in [101, 102] {
        assert!(!world.sites[HOSPITAL].content.contains_key(&id(number)));
        assert!(world.sites[HOSPITAL].removed.contains(&id(number)));
        assert!(world.sites[CLINIC].content.contains_key(&id(number)));
    }
    assert!(world.sites[CLINIC].permitted.is_empty());
}

#[test]
fn a_list_waits_for_the_reader_and_holds_nothing_up() {
    let mut world = World::pair();
    world.cut(CLINIC, HOSPITAL);
    let case = world.open(HOSPITAL);
    let listed = world.ask(CLINIC, Command::ListPriors(case, list(2)));
    assert_eq!(listed, Ok(Answer::Done));
    assert_eq!(there(&world, case).offer, None, "nobody is booked");
    world.restart(CLINIC);
    world.mend(CLINIC, HOSPITAL);
    world.settle();
    assert_eq!(world.phase(HOSPITAL, case), "received");
    assert_eq!(
        here(&world, case).offer.map(|(_, list)| list.offered),
        Some(2)
    );
    let again = world.ask(CLINIC, Command::ListPriors(case, list(5)));
    assert_eq!(again, Err(CannotDo::NotNow), "one list for a booking");
}

#[test]
fn what_was_not_offered_cannot_be_asked_for() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    assert_eq!(
        ask(&mut world, case, &[1]),
        Err(CannotDo::NoPrior),
        "no list yet"
    );
    let listed = world.ask(CLINIC, Command::ListPriors(case, list(2)));
    assert_eq!(listed, Ok(Answer::Done));
    for numbers in [&[0][..], &[3], &[1, 3], &[]] {
        assert_eq!(
            ask(&mut world, case, numbers),
            Err(CannotDo::NoPrior),
            "{numbers:?}"
        );
        let forged = world.sites[HOSPITAL].sign(request(&world, case, numbers));
        assert_eq!(
            world.hand_over(HOSPITAL, CLINIC, forged),
            REFUSED,
            "{numbers:?}"
        );
    }
    let twice = world.sites[HOSPITAL].sign(request(&world, case, &[1, 1]));
    assert_eq!(world.hand_over(HOSPITAL, CLINIC, twice), REFUSED);
    let of_another = PriorsRequest {
        offer: DocumentId::from_bytes([5; 32]),
        ..request(&world, case, &[1])
    };
    let of_another = world.sites[HOSPITAL].sign(of_another);
    assert_eq!(world.hand_over(HOSPITAL, CLINIC, of_another), REFUSED);
    assert!(there(&world, case).asked.is_empty());
    assert_eq!(
        try_find(&mut world, case, 1, Ok(&[101])),
        Err(CannotDo::NotNow)
    );
}

#[test]
fn asking_twice_asks_once_and_what_was_refused_may_be_asked_for_again() {
    let (mut world, case) = offered(2);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    assert_eq!(here(&world, case).requests, 1);
    find(&mut world, case, 1, Err(PriorRefusal::NotSent));
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    assert_eq!(here(&world, case).requests, 2);
    assert_eq!(there(&world, case).asked[&1], Asked::Sought);
    find(&mut world, case, 1, Ok(&[101]));
    world.settle();
    assert!(here(&world, case).held[&id(101)].arrived);
    // Documents that come again change nothing.
    let before: Vec<usize> = world.sites.iter().map(|site| site.entries.len()).collect();
    for (from, to, bytes) in world.sent.clone() {
        let answer = world.hand_over(from, to, bytes);
        assert_eq!(answer, Some(DocumentAnswer::Accepted));
    }
    world.settle();
    let after: Vec<usize> = world.sites.iter().map(|site| site.entries.len()).collect();
    assert_eq!(before, after);
}

#[test]
fn requests_have_an_end() {
    let (mut world, case) = offered(1);
    for _ in 0..limits::PRIOR_REQUESTS {
        assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
        find(&mut world, case, 1, Err(PriorRefusal::NotSent));
    }
    assert_eq!(ask(&mut world, case, &[1]), Err(CannotDo::Limit));
    let forged = world.sites[HOSPITAL].sign(request(&world, case, &[1]));
    assert_eq!(world.hand_over(HOSPITAL, CLINIC, forged), REFUSED);
}

#[test]
fn a_list_that_is_too_long_is_none() {
    let mut world = World::pair();
    let case = world.bring_to_reader(HOSPITAL);
    let long = PriorList {
        offered: 1,
        sealed: vec![0; limits::PRIOR_LIST_BYTES + 1].into(),
    };
    for list in [list(10_000), list(limits::PRIORS + 1), long] {
        let listed = world.ask(CLINIC, Command::ListPriors(case, list.clone()));
        assert_eq!(listed, Err(CannotDo::Limit));
        let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
        let offer = PriorsOffer {
            case,
            requester: world.id(CLINIC),
            reader: world.id(HOSPITAL),
            follows: thread.head(),
            at: world.now,
            list,
        };
        let forged = world.sites[CLINIC].sign(offer);
        assert_eq!(world.hand_over(CLINIC, HOSPITAL, forged), REFUSED);
    }
    assert_eq!(here(&world, case).offer, None);
}

#[test]
fn nobody_else_offers_asks_or_answers() {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
    let offer = PriorsOffer {
        case,
        requester: world.id(CLINIC),
        reader: world.id(HOSPITAL),
        follows: thread.head(),
        at: world.now,
        list: list(1),
    };
    let by_third = world.sites[UNIVERSITY].sign(offer.clone());
    assert_eq!(world.hand_over(CLINIC, HOSPITAL, by_third), REFUSED);
    let own = PriorsOffer {
        requester: world.id(UNIVERSITY),
        ..offer.clone()
    };
    let own = world.sites[CLINIC].sign(own);
    assert_eq!(world.hand_over(CLINIC, HOSPITAL, own), REFUSED);
    let ahead = PriorsOffer {
        follows: DocumentId::from_bytes([8; 32]),
        ..offer
    };
    let ahead = world.sites[CLINIC].sign(ahead);
    let later = Some(DocumentAnswer::Later);
    assert_eq!(world.hand_over(CLINIC, HOSPITAL, ahead), later);
    let listed = world.ask(CLINIC, Command::ListPriors(case, list(1)));
    assert_eq!(listed, Ok(Answer::Done));
    let by_third = PriorsRequest {
        reader: world.id(UNIVERSITY),
        ..request(&world, case, &[1])
    };
    let by_third = world.sites[UNIVERSITY].sign(by_third);
    assert_eq!(world.hand_over(UNIVERSITY, CLINIC, by_third), REFUSED);
}

#[test]
fn too_many_parts_and_too_many_bytes_are_refused_in_words() {
    let (mut world, case) = offered(2);
    assert_eq!(ask(&mut world, case, &[1, 2]), Ok(Answer::Done));
    let parts: Vec<u8> = (101..).take(limits::PRIOR_PARTS + 1).collect();
    find(&mut world, case, 1, Ok(&parts));
    let (mut manifest, key) = parcel(120);
    manifest.bytes = limits::PRIOR_BYTES + 1;
    let told = Command::FoundPrior {
        case,
        number: 2,
        found: Ok(vec![(manifest, key)]),
    };
    assert_eq!(world.ask(CLINIC, told), Ok(Answer::Done));
    for number in [1, 2] {
        let answer = here(&world, case).wishes[&number].answer;
        assert_eq!(answer, Some(Err(PriorRefusal::TooLarge)));
    }
}

#[test]
fn an_archive_that_fails_is_asked_again_and_again_and_says_so() {
    let (mut world, case) = offered(1);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    let job = Job::FindPrior(case, 1);
    world.end_job(CLINIC, job, Outcome::Failed(Trouble::ArchiveUnreachable));
    let service = &world.sites[CLINIC].service;
    assert_eq!(
        service.prior_trouble(job),
        Some(Trouble::ArchiveUnreachable)
    );
    world.hold = |effect| matches!(effect, Effect::FindPrior { .. });
    world.settle();
    let Some((CLINIC, Effect::FindPrior { failures, .. })) = world.held.pop() else {
        panic!("it is looked for again");
    };
    assert_eq!(failures, 1);
}

#[test]
fn a_study_under_a_pseudonym_has_no_priors() {
    let mut world = World::pair();
    world.hold = |effect| matches!(effect, Effect::ListPriors { .. });
    let opened = world.open_named(Naming::Pseudonymous, HOSPITAL);
    let Ok(Answer::Opened(case)) = opened else {
        panic!("not opened");
    };
    world.settle();
    assert!(world.held.is_empty());
    let listed = world.ask(CLINIC, Command::ListPriors(case, list(1)));
    assert_eq!(listed, Err(CannotDo::NotNow));
}

#[test]
fn a_prior_that_cannot_be_read_goes_again_and_the_case_goes_on() {
    let (mut world, case) = offered(1);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    world.hold = |effect| matches!(effect, Effect::ReceivePrior { .. });
    find(&mut world, case, 1, Ok(&[101]));
    world.hold = |_| false;
    world.end_job(
        HOSPITAL,
        Job::ReceivePrior(case, id(101)),
        Outcome::Impossible,
    );
    world.settle();
    let priors = here(&world, case);
    assert!(priors.held.is_empty() && priors.wishes[&1].answer == Some(Ok(1)));
    assert!(!world.sites[HOSPITAL].content.contains_key(&id(101)));
    assert_eq!(world.waiting(HOSPITAL, case), Waiting::ReadingHere);
}

#[test]
fn an_answer_that_names_what_lies_here_for_something_else_is_refused() {
    let (mut world, case) = offered(1);
    assert_eq!(ask(&mut world, case, &[1]), Ok(Answer::Done));
    let own = world.sites[HOSPITAL].service.state().readings[&case].parcel;
    let own = own.unwrap().as_bytes()[0];
    find(&mut world, case, 1, Ok(&[own]));
    world.settle();
    assert_eq!(here(&world, case).wishes[&1].answer, None);
    assert!(here(&world, case).held.is_empty());
    assert_eq!(world.queue(CLINIC, HOSPITAL), 0);
    assert_eq!(world.phase(HOSPITAL, case), "received");
}

#[test]
fn a_refusal_says_nothing_of_keys() {
    let refused = PriorGiven::Refused(PriorRefusal::NotKept);
    let bytes = dokuei_keys::cbor::encode(&refused);
    assert!(bytes.len() < 8);
    let codes: Vec<&str> = PriorRefusal::ALL.iter().map(|why| why.code()).collect();
    assert_eq!(
        codes,
        ["not-same-patient", "not-sent", "too-large", "not-kept"]
    );
}
