//! What the check before sending found: what passes, what is told, what needs a person's word, what never goes.

use dokuei_protocol::case::check::{Check, Concern, Verdict, Word};
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, CannotDo};
use dokuei_protocol::input::Command;
use dokuei_protocol::log::entry::Entry;
use dokuei_protocol::record::Record;

use crate::kit::{CLINIC, HOSPITAL, World};

fn check(found: &[(Concern, u32)], despite: Option<Word>) -> Check {
    let mut check = Check::default();
    check.despite = despite;
    for (concern, count) in found {
        check.found(*concern, *count);
    }
    check
}

fn opening(world: &World, check: Check) -> Command {
    let mut command = world.opening(Modality::Ct, &[HOSPITAL]);
    if let Command::OpenCase(open) = &mut command {
        open.check = check;
    }
    command
}

fn noted(world: &World) -> Vec<Check> {
    let entries = world.sites[CLINIC].entries.iter();
    let checks = entries.filter_map(|bytes| {
        let entry: Entry = minicbor::decode(bytes).unwrap();
        match entry.record {
            Record::StudyChecked(_, check) => Some(check),
            _ => None,
        }
    });
    checks.collect()
}

#[test]
fn what_is_well_or_only_told_goes_and_is_on_record() {
    for found in [vec![], vec![(Concern::TextLikely, 3)]] {
        let mut world = World::pair();
        let check = check(&found, None);
        let answer = world.ask(CLINIC, opening(&world, check.clone()));
        assert!(matches!(answer, Ok(Answer::Opened(_))), "{answer:?}");
        assert_eq!(noted(&world), [check]);
    }
}

#[test]
fn what_is_held_back_needs_a_word_and_both_are_on_record() {
    let mut world = World::pair();
    let found = [(Concern::SliceGap, 1), (Concern::TextDeclared, 40)];
    let held = check(&found, None);
    let answer = world.ask(CLINIC, opening(&world, held.clone()));
    assert_eq!(answer, Err(CannotDo::HeldBack));
    assert!(world.sites[CLINIC].service.state().requests.is_empty());
    world.restart(CLINIC);
    let told = check(&found, Some(Word::Intended));
    let answer = world.ask(CLINIC, opening(&world, told.clone()));
    assert!(matches!(answer, Ok(Answer::Opened(_))), "{answer:?}");
    assert_eq!(noted(&world), [held, told]);
}

#[test]
fn no_word_sends_a_study_of_several_or_undecided_patients() {
    for concern in [Concern::SeveralPatients, Concern::PatientUndecided] {
        let mut world = World::pair();
        for word in Word::ALL {
            let check = check(&[(concern, 2)], Some(*word));
            let answer = world.ask(CLINIC, opening(&world, check));
            assert_eq!(answer, Err(CannotDo::HeldBack), "{concern:?} {word:?}");
        }
    }
}

#[test]
fn a_check_without_a_case_is_noted_once() {
    let mut world = World::pair();
    let held = check(&[(Concern::MissingImages, 2)], None);
    let Command::OpenCase(open) = world.opening(Modality::Ct, &[HOSPITAL]) else {
        panic!("it opens a case");
    };
    let parcel = open.manifest.parcel;
    for _ in 0..3 {
        let note = Command::NoteCheck(parcel, held.clone());
        assert_eq!(world.ask(CLINIC, note), Ok(Answer::Done));
    }
    assert_eq!(noted(&world), [held.clone()]);
    world.restart(CLINIC);
    assert_eq!(world.sites[CLINIC].service.state().checks[&parcel], held);
}

#[test]
fn the_gravest_finding_decides_and_each_stands_once() {
    let mut check = Check::default();
    assert_eq!(check.verdict(), Verdict::Pass);
    check.found(Concern::SliceGap, 0);
    assert_eq!(check, Check::default());
    check.found(Concern::TextOnScreen, 1);
    check.found(Concern::TextOnScreen, 2);
    assert_eq!(check.verdict(), Verdict::Warn);
    check.found(Concern::OtherSide, 1);
    assert_eq!(check.verdict(), Verdict::Hold);
    check.found(Concern::SeveralPatients, u32::MAX);
    check.found(Concern::SeveralPatients, 1);
    assert_eq!(check.verdict(), Verdict::Refuse);
    let found = check.findings().iter();
    let found: Vec<_> = found.map(|one| (one.concern, one.count)).collect();
    let expected = [
        (Concern::SeveralPatients, u32::MAX),
        (Concern::OtherSide, 1),
        (Concern::TextOnScreen, 3),
    ];
    assert_eq!(found, expected);
}
