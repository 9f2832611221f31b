//! Every study that lies here, by what its first object said. Holds patient data: no `Debug`.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dokuei_keys::id::{ParcelId, SiteId};

pub use super::entry::{Entry, Part, SeriesPart, StudyKey};
use crate::entities::Scope;
use crate::studies::person::Person;
use crate::studies::study::Study;

/// The studies. Clones share them.
#[derive(Clone, Default)]
pub struct Catalogue(Arc<RwLock<Held>>);

/// What one look through the list found, and how far it came.
pub struct Portion {
    /// What is wanted of what was looked at.
    pub found: Vec<Arc<Entry>>,
    /// The last that was looked at; none when there is nothing behind it.
    pub reached: Option<Arc<Entry>>,
}

/// Where one look through the list ends.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// Studies found.
    pub found: usize,
    /// Studies looked at.
    pub looked_at: usize,
}

/// An entry where it is found by its study.
struct ByKey(Arc<Entry>);

/// An entry where it stands in lists: newest first.
struct ByDate(Arc<Entry>);

impl ByDate {
    fn place(&self) -> (Reverse<u64>, &StudyKey) {
        (Reverse(self.0.made_at), &self.0.key)
    }
}

impl Borrow<StudyKey> for ByKey {
    fn borrow(&self) -> &StudyKey {
        &self.0.key
    }
}

macro_rules! ordered {
    ($name:ident, $by:expr) => {
        impl Ord for $name {
            fn cmp(&self, other: &$name) -> Ordering {
                $by(self).cmp(&$by(other))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &$name) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &$name) -> bool {
                self.cmp(other) == Ordering::Equal
            }
        }

        impl Eq for $name {}
    };
}

ordered!(ByKey, <ByKey as Borrow<StudyKey>>::borrow);
ordered!(ByDate, ByDate::place);

#[derive(Default)]
struct Held {
    studies: BTreeSet<ByKey>,
    /// The same entries.
    order: BTreeSet<ByDate>,
    /// Studies of this site that are not shown.
    hidden: BTreeSet<Box<str>>,
    /// Of whom it was said that a study is, whether it is here or not: what [`Persons`](crate::studies::persons::Persons) holds.
    said: BTreeMap<StudyKey, Arc<Person>>,
}

impl Catalogue {
    /// Notes what is known of one parcel now. What holds no object, or holds none any more, is not listed.
    pub fn note(&self, institution: SiteId, study: &Study) {
        self.note_part(institution, study, 0);
    }

    /// The same of a parcel of which so many objects are still on their way.
    pub fn note_part(&self, institution: SiteId, study: &Study, awaited: u32) {
        let is_bare = study.series.iter().all(|series| series.objects == 0);
        if is_bare || study.removed.is_some() {
            return self.forget(institution, &study.uid, &study.parcel);
        }
        let key = StudyKey {
            institution,
            uid: study.uid.as_str().into(),
        };
        let series = study.series.iter().map(|series| SeriesPart {
            uid: series.uid.as_str().into(),
            modality: series.modality.as_str().into(),
            objects: series.objects,
        });
        let part = Part {
            parcel: study.parcel,
            first_at: study.first_at,
            awaited,
            patients: study.patients().into(),
            series: series.collect(),
        };
        let mut held = self.write();
        let known = held.studies.get(&key).map(|known| Arc::clone(&known.0));
        let mut parts = known
            .as_ref()
            .map(|known| known.parts_without(&study.parcel))
            .unwrap_or_default();
        // What is said of the study is what its oldest part said, in whichever order they are noted.
        let is_oldest = parts
            .iter()
            .all(|other| (part.first_at, part.parcel) < (other.first_at, other.parcel));
        let entry = match known {
            Some(known) if !is_oldest => known,
            Some(_) | None => {
                let said = held.said.get(&key).cloned();
                Arc::new(Entry::of(key, study).attributed(said))
            }
        };
        parts.push(part);
        held.put(entry.with(parts));
    }

    /// Notes of whom it was said that a study is, whether it is here or not; none: whom its images name.
    pub fn attribute(&self, institution: SiteId, uid: &str, said: Option<Person>) {
        let key = StudyKey {
            uid: uid.into(),
            institution,
        };
        let said = said.map(Arc::new);
        let mut held = self.write();
        let known = held.studies.get(&key).map(|known| Entry::clone(&known.0));
        if let Some(entry) = known {
            held.put(entry.attributed(said.clone()));
        }
        match said {
            Some(person) => held.said.insert(key, person),
            None => held.said.remove(&key),
        };
    }

    /// Forgets a parcel of a study; what is not here is no error.
    pub fn forget(&self, institution: SiteId, uid: &str, parcel: &ParcelId) {
        let key = StudyKey {
            institution,
            uid: uid.into(),
        };
        let mut held = self.write();
        let Some(entry) = held.studies.get(&key).map(|known| Arc::clone(&known.0)) else {
            return;
        };
        let parts = entry.parts_without(parcel);
        if parts.is_empty() {
            held.studies.remove(&key);
            held.order.remove(&ByDate(entry));
        } else {
            held.put(entry.with(parts));
        }
    }

    /// Leaves a study of this site out of every answer from now on.
    pub fn hide(&self, uid: &str) {
        self.write().hidden.insert(uid.into());
    }

    /// The studies within a scope that `wanted` wants, newest first: of those after one of them, or from the newest on, as
    /// many as `reach` says.
    pub fn select(
        &self,
        (scope, own): (&Scope, SiteId),
        after: Option<&Arc<Entry>>,
        reach: Reach,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Portion {
        let held = self.read();
        let after = after.map(|entry| ByDate(Arc::clone(entry)));
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = Vec::new();
        let listed = held.order.range((from, Bound::Unbounded));
        for (index, ByDate(entry)) in listed.enumerate() {
            if entry.is_within(scope, own) && wanted(entry) && !held.hides(entry, own) {
                found.push(Arc::clone(entry));
            }
            if found.len() >= reach.found || index + 1 >= reach.looked_at {
                let reached = Some(Arc::clone(entry));
                return Portion { found, reached };
            }
        }
        Portion {
            found,
            reached: None,
        }
    }

    /// The studies with this UID: one for each institution that has it here.
    pub fn with_uid(&self, scope: &Scope, own: SiteId, uid: &str) -> Vec<Arc<Entry>> {
        let held = self.read();
        let first = StudyKey {
            uid: uid.into(),
            institution: SiteId::from_bytes([0; 32]),
        };
        let mut found: Vec<Arc<Entry>> = held
            .studies
            .range(first..)
            .map(|ByKey(entry)| entry)
            .take_while(|entry| *entry.key.uid == *uid)
            .filter(|entry| entry.is_within(scope, own) && !held.hides(entry, own))
            .cloned()
            .collect();
        found.sort_by_key(|entry| entry.key.institution != own);
        found
    }

    /// A panic of another thread leaves the catalogue at worst without the change it was making, which the next note
    /// of the same parcel makes good.
    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// What is shown to nobody: what names several patients, and copies under a pseudonym.
    fn hides(&self, entry: &Entry, own: SiteId) -> bool {
        let is_hidden = || entry.key.institution == own && self.hidden.contains(&*entry.key.uid);
        entry.mixes_patients || is_hidden()
    }

    /// Puts an entry where the same study's was.
    fn put(&mut self, entry: Entry) {
        let entry = Arc::new(entry);
        // Its date may be another one now.
        if let Some(ByKey(before)) = self.studies.replace(ByKey(Arc::clone(&entry))) {
            self.order.remove(&ByDate(before));
        }
        self.order.insert(ByDate(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::attributes::RawAttribute;
    use crate::studies::patient::Patient;
    use crate::studies::study::Series;
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
            let reach = Reach { found, looked_at };
            catalogue.select((&Scope::All, OWN), after, reach, |_| true)
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

    #[test]
    fn a_look_that_finds_nothing_ends_where_it_is_told() {
        let catalogue = Catalogue::default();
        for number in 1..=5 {
            catalogue.note(OWN, &study(number, "20250101", number));
        }
        let mut after = None;
        for looked_at in [2, 2, 1] {
            let looked = std::cell::Cell::new(0);
            let reach = Reach {
                found: 1,
                looked_at: 2,
            };
            let portion = catalogue.select((&Scope::All, OWN), after.as_ref(), reach, |_| {
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
            let reach = Reach {
                found: 9,
                looked_at: 9,
            };
            let listed = catalogue.select((&Scope::All, OWN), None, reach, |_| true);
            [
                listed.found.len(),
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
}
