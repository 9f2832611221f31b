use dokuei_keys::id::{Digest, ObjectDigest, ParcelId};

use super::*;
use crate::language::assert_both;
use crate::studies::seen::{Place, Seen, Side};

const AXIAL: [i32; 6] = [1_000_000, 0, 0, 0, 1_000_000, 0];
const SAGITTAL: [i32; 6] = [0, 1_000_000, 0, 0, 0, -1_000_000];

fn object(number: i32, seen: Seen) -> StudyObject {
    StudyObject {
        slot: 1,
        sop_instance: format!("1.2.{number}"),
        sop_class: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
        series: 0,
        length: 1,
        digest: ObjectDigest::from_bytes([1; 32]),
        content: Digest::from_bytes([2; 32]),
        class: ObjectClass::Image,
        number: Some(number),
        seen: Some(seen),
    }
}

fn axial(number: i32, millimetres: i32) -> StudyObject {
    let place = Place {
        position: [0, 0, millimetres * 1000],
        orientation: AXIAL,
    };
    object(
        number,
        Seen {
            place: Some(place),
            ..Seen::default()
        },
    )
}

fn study(objects: Vec<StudyObject>) -> Study {
    let mut study = Study::begun(ParcelId::from_bytes([1; 32]), "1.2", 0);
    study.series.push(Series {
        uid: "1.2.1".to_owned(),
        modality: "CT".to_owned(),
        number: Some(3),
        description: Vec::new().into(),
        objects: objects.len() as u32,
    });
    study.objects = objects;
    study
}

fn look(objects: Vec<StudyObject>) -> Observed {
    observe(
        &[study(objects)],
        &Wanted::default(),
        Circumstances::default(),
    )
}

fn found(observed: &Observed) -> Vec<(Concern, u32)> {
    let findings = observed.check.findings().iter();
    findings.map(|one| (one.concern, one.count)).collect()
}

#[test]
fn a_stack_without_gaps_passes_in_any_order_and_with_repetitions() {
    let slices = |of: &mut dyn Iterator<Item = i32>| of.map(|at| axial(at, at * 5)).collect();
    assert_eq!(found(&look(slices(&mut (1..40)))), []);
    assert_eq!(found(&look(slices(&mut (1..40).rev()))), []);
    // A time series: each position twice.
    let mut twice: Vec<_> = slices(&mut (1..40));
    twice.extend((1..40).map(|at| axial(at + 39, at * 5)));
    assert_eq!(found(&look(twice)), []);
}

#[test]
fn a_gap_is_found_with_its_place() {
    let slices = (1..=40).filter(|at| *at != 13).map(|at| axial(at, at * 5));
    let observed = look(slices.collect());
    let expected = [(Concern::SliceGap, 1), (Concern::NumbersSkipped, 1)];
    assert_eq!(found(&observed), expected);
    let place = &observed.remarks[0];
    assert_eq!(place.series, Some(3));
    assert_eq!(
        place.place.en,
        "between image 12 and 14 (10.0 mm, usually 5.0 mm)"
    );
}

#[test]
fn a_longer_distance_below_the_rule_is_no_gap() {
    let at = |number: i32| number * 10 + if number > 5 { 5 } else { 0 };
    let slices = (1..10).map(|number| axial(number, at(number)));
    assert_eq!(found(&look(slices.collect())), []);
}

#[test]
fn each_orientation_and_acquisition_is_a_stack_of_its_own() {
    let mut slices: Vec<_> = (1..10).map(|at| axial(at, at * 5)).collect();
    for at in 1..10 {
        let place = Place {
            position: [at * 3000, 0, 900_000],
            orientation: SAGITTAL,
        };
        slices.push(object(
            at + 9,
            Seen {
                place: Some(place),
                ..Seen::default()
            },
        ));
    }
    assert_eq!(found(&look(slices)), []);
    let two = (1..=20).map(|at| {
        let mut slice = axial(at, at * 5 + if at > 10 { 300 } else { 0 });
        if let Some(seen) = &mut slice.seen {
            seen.acquisition = Some(1 + i32::from(at > 10));
        }
        slice
    });
    assert_eq!(found(&look(two.collect())), []);
}

#[test]
fn three_slices_and_localizers_say_nothing_of_gaps() {
    let three = vec![axial(1, 0), axial(2, 5), axial(3, 50)];
    assert_eq!(found(&look(three)), []);
    let scouts = (1..9).map(|at| {
        let mut scout = axial(at, at * at * at);
        scout.class = ObjectClass::Localizer;
        scout
    });
    assert_eq!(found(&look(scouts.collect())), []);
}

#[test]
fn a_series_that_turns_around_an_axis_is_no_stack() {
    let turning = (1..100).map(|at| {
        let mut image = axial(at, at * at);
        if let Some(place) = image.seen.as_mut().and_then(|seen| seen.place.as_mut()) {
            place.orientation[0] -= at * 5_000;
        }
        image
    });
    assert_eq!(found(&look(turning.collect())), []);
}

#[test]
fn what_images_say_of_how_many_they_are_is_counted() {
    let seen = Seen {
        in_series: Some(5),
        in_study: Some(9),
        series_in_study: Some(2),
        ..Seen::default()
    };
    let observed = look((1..=4).map(|at| object(at, seen.clone())).collect());
    let expected = [(Concern::MissingImages, 6), (Concern::MissingSeries, 1)];
    assert_eq!(found(&observed), expected);
    let seen = Seen {
        acquisition: Some(2),
        in_acquisition: Some(30),
        ..Seen::default()
    };
    let observed = look((1..=28).map(|at| object(at, seen.clone())).collect());
    assert_eq!(found(&observed), [(Concern::MissingImages, 2)]);
}

#[test]
fn a_removed_part_makes_nothing_missing() {
    let mut first = study(Vec::new());
    first.removed = Some(Digest::from_bytes([3; 32]));
    let seen = Seen {
        in_study: Some(9),
        ..Seen::default()
    };
    let parts = [first, study(vec![object(1, seen)])];
    let observed = observe(&parts, &Wanted::default(), Circumstances::default());
    assert_eq!(found(&observed), []);
}

#[test]
fn numbers_that_are_no_count_are_left_alone() {
    assert_eq!(found(&look(vec![axial(1001, 0), axial(2001, 5)])), []);
    assert_eq!(
        found(&look(vec![axial(i32::MIN, 0), axial(i32::MAX, 5)])),
        []
    );
}

#[test]
fn side_and_region_are_held_against_the_request() {
    let seen = |side, part: &str| Seen {
        side,
        body_part: Some(part.to_owned()),
        ..Seen::default()
    };
    let images = vec![
        object(1, seen(Some(Side::Right), "KNEE")),
        object(2, seen(Some(Side::Both), "WHOLE BODY")),
        object(3, seen(None, "CHEST")),
        object(4, seen(Some(Side::Left), "SOMETHING")),
    ];
    let wanted = Wanted {
        region: Some(Region::LowerLimb),
        side: Some(Side::Left),
    };
    let observed = observe(&[study(images)], &wanted, Circumstances::default());
    let expected = [
        (Concern::OtherSide, 1),
        (Concern::OtherRegion, 1),
        (Concern::SideUnknown, 1),
        (Concern::RegionUnknown, 1),
    ];
    assert_eq!(found(&observed), expected);
    observed
        .remarks
        .iter()
        .for_each(|remark| assert_both(&remark.place));
}

#[test]
fn a_request_for_both_sides_is_not_met_by_one() {
    let seen = |side| Seen {
        side,
        ..Seen::default()
    };
    let wanted = Wanted {
        region: None,
        side: Some(Side::Both),
    };
    let of = |sides: &[Side]| {
        let sides = (1..).zip(sides);
        let images = sides.map(|(number, side)| object(number, seen(Some(*side))));
        let observed = observe(
            &[study(images.collect())],
            &wanted,
            Circumstances::default(),
        );
        assert_eq!(observed.remarks.len(), observed.check.findings().len());
        observed
            .remarks
            .iter()
            .for_each(|remark| assert_both(&remark.place));
        found(&observed)
    };
    assert_eq!(of(&[Side::Right, Side::Right]), [(Concern::OtherSide, 2)]);
    assert_eq!(of(&[Side::Left]), [(Concern::OtherSide, 1)]);
    assert_eq!(of(&[Side::Right, Side::Left]), []);
    assert_eq!(of(&[Side::Both]), []);
    assert_eq!(of(&[Side::Both, Side::Left]), []);
}

#[test]
fn text_and_images_that_came_earlier_are_counted() {
    let with = |text| Seen {
        text: Some(text),
        ..Seen::default()
    };
    let mut old = object(3, Seen::default());
    old.seen = None;
    let images = vec![
        object(1, with(Text::Declared)),
        object(2, with(Text::Screen)),
        old,
    ];
    let expected = [
        (Concern::TextDeclared, 1),
        (Concern::TextOnScreen, 1),
        (Concern::NotExamined, 1),
    ];
    assert_eq!(found(&look(images)), expected);
}

#[test]
fn every_finding_is_told_in_both_languages() {
    for one in Concern::ALL {
        assert_both(&concern(*one, 3));
        assert_both(&verdict(one.verdict()));
    }
}

#[test]
fn every_region_is_shown_by_some_code() {
    for region in Region::ALL {
        let part = region
            .code()
            .to_ascii_uppercase()
            .replace("LIMB", "EXTREMITY");
        assert_eq!(region.is_shown_by(&part), Some(true), "{part}");
    }
    assert_eq!(Region::Chest.is_shown_by("CHEST_ABDOMEN"), Some(true));
    assert_eq!(Region::Head.is_shown_by("KNEE"), Some(false));
    assert_eq!(Region::Head.is_shown_by("NO SUCH PART"), None);
}
