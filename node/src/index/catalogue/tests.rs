//! The catalogue: what is listed, in which order, and what is found in it.

use super::*;
use crate::dicom::dataset::DataSet;
use crate::dicom::matching::Keys;
use crate::index::words::WORDS;
use crate::studies::attributes::RawAttribute;
use crate::studies::patient::Patient;
use crate::studies::study::Series;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_keys::cbor;

const OWN: SiteId = SiteId::from_bytes([7; 32]);

fn study(number: u8, date: &str, parcel: u8) -> Study {
    let parcel = ParcelId::from_bytes([parcel; 32]);
    let mut study = Study::begun(parcel, &format!("1.2.{number}"), 0);
    let raw = [RawAttribute {
        group: tags::STUDY_DATE.group(),
        element: tags::STUDY_DATE.element(),
        value: date.as_bytes().to_vec().into(),
    }];
    study.attributes = minicbor::decode(&cbor::encode(&raw)).unwrap();
    study.series.push(Series {
        uid: format!("1.2.{number}.{}", study.parcel),
        modality: "CT".to_owned(),
        number: None,
        description: Vec::new().into(),
        objects: 2,
    });
    study
}

fn uids(found: &[Arc<Entry>]) -> Vec<String> {
    found
        .iter()
        .map(|entry| entry.key.uid.to_string())
        .collect()
}

#[test]
fn portions_one_after_another_are_everything_newest_first() {
    let catalogue = Catalogue::default();
    // Two of one day, one without a date, one with the punctuation of old devices.
    let dates = ["20250101", "2025.03.01", "", "20250201", "20250201 "];
    for (number, date) in (1..).zip(dates) {
        catalogue.note(OWN, &study(number, date, number));
    }
    let select = |after: Option<&Arc<Entry>>, found, looked_at| {
        let stretch = Stretch {
            after,
            days: Stretch::ANY,
            reach: Reach { found, looked_at },
        };
        catalogue.select((&Scope::All, OWN), &stretch, |_| true)
    };
    let whole = select(None, 9, 9);
    assert!(whole.reached.is_none());
    let all = uids(&whole.found);
    assert_eq!(all, ["1.2.2", "1.2.4", "1.2.5", "1.2.1", "1.2.3"]);
    for (found, looked_at) in [(2, 9), (9, 2)] {
        let first = select(None, found, looked_at);
        let second = select(first.reached.as_ref(), found, looked_at);
        let third = select(second.reached.as_ref(), found, looked_at);
        assert!(third.reached.is_none());
        let portions = [first.found, second.found, third.found].concat();
        assert_eq!(uids(&portions), all);
    }
    catalogue.hide("1.2.4");
    assert_eq!(uids(&select(None, 2, 9).found), ["1.2.2", "1.2.5"]);
    assert!(catalogue.with_uid(&Scope::All, OWN, "1.2.4").is_empty());
}

fn listed(catalogue: &Catalogue, days: RangeInclusive<u64>) -> Vec<Arc<Entry>> {
    let stretch = Stretch {
        days,
        ..Stretch::all(9)
    };
    let portion = catalogue.select((&Scope::All, OWN), &stretch, |_| true);
    portion.found
}

#[test]
fn a_look_that_finds_nothing_ends_where_it_is_told() {
    let catalogue = Catalogue::default();
    for number in 1..=5 {
        catalogue.note(OWN, &study(number, "20250101", number));
    }
    let mut after = None;
    for looked_at in [2, 2, 1] {
        let looked = std::cell::Cell::new(0);
        let stretch = Stretch {
            after: after.as_ref(),
            days: Stretch::ANY,
            reach: Reach {
                found: 1,
                looked_at: 2,
            },
        };
        let portion = catalogue.select((&Scope::All, OWN), &stretch, |_| {
            looked.set(looked.get() + 1);
            false
        });
        assert!(portion.found.is_empty());
        assert_eq!(looked.get(), looked_at);
        after = portion.reached;
    }
    assert!(after.is_none());
}

#[test]
fn the_days_of_a_list_are_both_in_it() {
    let catalogue = Catalogue::default();
    let dates = ["20241231", "20250101", "2025.01.02", "20250103", ""];
    for (number, date) in (1..).zip(dates) {
        catalogue.note(OWN, &study(number, date, number));
    }
    let uids = |days| uids(&listed(&catalogue, days));
    assert_eq!(uids(20_250_101..=20_250_102), ["1.2.3", "1.2.2"]);
    assert_eq!(uids(20_250_103..=99_999_999), ["1.2.4"]);
    assert_eq!(uids(0..=20_241_231), ["1.2.1", "1.2.5"]);
    assert_eq!(uids(Stretch::ANY).len(), 5);
}

#[test]
fn studies_are_found_by_what_their_words_hold() {
    let catalogue = Catalogue::default();
    let named = |number: u8, name: &str| {
        let mut study = study(number, "20250101", number);
        let raw = |tag: Tag, value: &str| RawAttribute {
            group: tag.group(),
            element: tag.element(),
            value: value.as_bytes().to_vec().into(),
        };
        let id = format!("ID-{number}");
        let all = [raw(tags::PATIENT_NAME, name), raw(tags::PATIENT_ID, &id)];
        study.attributes = minicbor::decode(&cbor::encode(&all)).unwrap();
        study
    };
    let holding = |text: &str| {
        let found = catalogue.holding((&Scope::All, OWN), text, |_| true);
        uids(&found.unwrap())
    };
    for number in 1..=3 {
        catalogue.note(OWN, &named(number, "TANAKA^ICHIRO"));
    }
    assert_eq!(holding("tanaka"), ["1.2.1", "1.2.2", "1.2.3"]);
    assert_eq!(holding("ID-2"), ["1.2.2"]);
    // Another name, the same study; then none.
    catalogue.forget(OWN, "1.2.2", &ParcelId::from_bytes([2; 32]));
    catalogue.note(OWN, &named(2, "SATO^JIRO"));
    assert_eq!([holding("tanaka").len(), holding("sato").len()], [2, 1]);
    for _ in 0..3_000 {
        catalogue.forget(OWN, "1.2.2", &ParcelId::from_bytes([2; 32]));
        catalogue.note(OWN, &named(2, "SUZUKI^JIRO"));
    }
    assert!(catalogue.read().words.len() < 1_500);
    assert_eq!([holding("sato").len(), holding("suzuki").len()], [0, 1]);
    assert_eq!(holding("tanaka"), ["1.2.1", "1.2.3"]);
    assert_eq!(holding("ID-"), ["1.2.1", "1.2.2", "1.2.3"]);
}

#[test]
fn what_is_found_by_words_is_what_going_through_all_finds() {
    let catalogue = Catalogue::default();
    let names = [
        "Yamada^Taro=山田^太郎=ﾔﾏﾀﾞ^ﾀﾛｳ",
        "=山田",
        "YAMADA^JIRO",
        "Müller^A",
        "",
    ];
    let ids = ["1\0 ", "12", "X~1", "01 ", "A\\12"];
    for (number, (name, id)) in (1..).zip(names.into_iter().zip(ids)) {
        let mut study = study(number, "20250101", number);
        let raw = |tag: Tag, value: &str| RawAttribute {
            group: tag.group(),
            element: tag.element(),
            value: value.as_bytes().to_vec().into(),
        };
        let all = [
            raw(tags::SPECIFIC_CHARACTER_SET, "ISO_IR 192"),
            raw(tags::PATIENT_NAME, name),
            raw(tags::PATIENT_ID, id),
        ];
        study.attributes = minicbor::decode(&cbor::encode(&all)).unwrap();
        catalogue.note(OWN, &study);
    }
    let keys = [
        "yamada*",
        "*太郎",
        "山田^*",
        "YAMADA^TARO",
        "=山田^太郎",
        "*u*",
        "muller^a",
    ];
    let keys = keys.map(|key| (tags::PATIENT_NAME, VR::PN, key));
    let by_id = ["1", "12", "X~*", "~1", "*1", "01", "?2"];
    for (tag, vr, key) in keys
        .into_iter()
        .chain(by_id.map(|id| (tags::PATIENT_ID, VR::LO, id)))
    {
        let mut identifier = DataSet::default();
        identifier.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        identifier.put_text(tag, vr, key);
        let keys = Keys::read(&identifier).unwrap();
        let wanted = |entry: &Entry| keys.match_with(entry);
        let all = catalogue.select((&Scope::All, OWN), &Stretch::all(9), wanted);
        let all = all.found;
        let text = keys.certain_texts(&WORDS).remove(0);
        let found = catalogue.holding((&Scope::All, OWN), &text, wanted);
        assert_eq!(uids(&found.unwrap()), uids(&all), "{key}");
        assert!(!all.is_empty() || key == "~1", "{key}");
    }
}

#[test]
fn a_study_is_what_its_oldest_part_says_in_whichever_order_parts_come() {
    let of = |date, parcel, first_at| {
        let mut study = study(1, date, parcel);
        study.first_at = first_at;
        study
    };
    let (older, newer) = (of("20250101", 2, 5), of("20250202", 1, 9));
    for order in [[&older, &newer], [&newer, &older]] {
        let catalogue = Catalogue::default();
        order.iter().for_each(|part| catalogue.note(OWN, part));
        let known = catalogue.with_uid(&Scope::Own, OWN, "1.2.1").pop().unwrap();
        assert_eq!(known.attributes.text(tags::STUDY_DATE), "20250101");
        assert_eq!((known.parts.len(), catalogue.read().order.len()), (2, 1));
    }
}

#[test]
fn what_names_several_patients_is_shown_to_nobody() {
    let catalogue = Catalogue::default();
    let named = |parcel: u8, id: &str| {
        let mut study = study(1, "20250101", parcel);
        study.others = vec![Patient {
            id: id.to_owned(),
            issuer: String::new(),
        }];
        study
    };
    let shown = |catalogue: &Catalogue| {
        [
            listed(catalogue, Stretch::ANY).len(),
            catalogue.with_uid(&Scope::All, OWN, "1.2.1").len(),
        ]
    };
    catalogue.note(OWN, &named(1, "A"));
    assert_eq!(shown(&catalogue), [1; 2]);
    catalogue.note(OWN, &named(2, "B"));
    assert_eq!(shown(&catalogue), [0; 2]);
    catalogue.forget(OWN, "1.2.1", &ParcelId::from_bytes([2; 32]));
    assert_eq!(shown(&catalogue), [1; 2]);
}

#[test]
fn the_parts_of_a_study_are_one_entry_that_goes_with_the_last() {
    let catalogue = Catalogue::default();
    catalogue.note(OWN, &study(1, "20250101", 1));
    catalogue.note_part(OWN, &study(1, "20250101", 2), 3);
    let entry = |catalogue: &Catalogue| catalogue.with_uid(&Scope::Own, OWN, "1.2.1").pop();
    let known = entry(&catalogue).unwrap();
    assert_eq!(
        (known.objects(), known.awaited(), known.parts.len()),
        (4, 3, 2)
    );
    catalogue.note(OWN, &study(1, "20250101", 2));
    assert_eq!(entry(&catalogue).unwrap().awaited(), 0);
    catalogue.forget(OWN, "1.2.1", &ParcelId::from_bytes([1; 32]));
    assert_eq!(entry(&catalogue).unwrap().objects(), 2);
    let mut removed = study(1, "20250101", 2);
    removed.put_away();
    catalogue.note(OWN, &removed);
    assert!(entry(&catalogue).is_none());
    assert!(catalogue.read().order.is_empty());
}
