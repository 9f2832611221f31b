//! Every study that lies here, by what its first object said. Holds patient data: no `Debug`.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;
use std::ops::{Bound, Range};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_keys::id::{ParcelId, SiteId};

use crate::dicom::charset::CharacterSets;
use crate::dicom::charset::matching::folded;
use crate::dicom::dataset::DataSet;
use crate::dicom::matching::Subject;
use crate::entities::{Domain, Scope};
use crate::studies::attributes::Attributes;
use crate::studies::study::Study;

/// A study: whose patient it is about, and its UID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StudyKey {
    /// Study Instance UID. First: studies are looked up by it.
    pub uid: Arc<str>,
    /// The institution that had it made.
    pub institution: SiteId,
}

/// A study with everything of it that lies here: its parcels, of which late images and further grants
/// are some of their own. There is one for every study, so each word of it is held as small as it can be: some 700
/// bytes for one with three series.
#[derive(Clone)]
pub struct Entry {
    /// Which.
    pub key: StudyKey,
    /// Issuer of Patient ID, as people read it.
    pub issuer: Box<str>,
    /// What its first object said.
    pub attributes: Attributes,
    /// Its parts, oldest first.
    pub parts: Box<[Part]>,
    /// The groups of the name as they are compared, one after another, and where the second and the third begin.
    name: (Box<str>, [u16; 2]),
    modalities: Box<[u8]>,
    /// When the study was made, as a number that sorts: the digits of its date and time.
    made_at: u64,
}

/// One parcel of a study.
#[derive(Clone)]
pub struct Part {
    /// Which.
    pub parcel: ParcelId,
    /// Its series.
    pub series: Box<[SeriesPart]>,
    /// Objects of it that are not here yet.
    pub awaited: u32,
    first_at: u64,
}

/// What of a series lies in one parcel.
#[derive(Clone)]
pub struct SeriesPart {
    /// Series Instance UID.
    pub uid: Box<str>,
    /// Modality.
    pub modality: Box<str>,
    /// Number of its objects.
    pub objects: u32,
}

/// The studies. Clones share them.
#[derive(Clone, Default)]
pub struct Catalogue(Arc<RwLock<Held>>);

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
}

impl Entry {
    /// Where its patient's ID is one person's.
    pub fn domain(&self) -> Domain {
        Domain {
            institution: self.key.institution,
            issuer: self.issuer.clone().into(),
        }
    }

    /// Its series, each once, with the number of its objects here.
    pub fn series(&self) -> Vec<SeriesPart> {
        let mut all: Vec<SeriesPart> = Vec::new();
        for part in self.parts.iter().flat_map(|part| &part.series) {
            match all.iter_mut().find(|known| known.uid == part.uid) {
                Some(known) => known.objects += part.objects,
                None => all.push(part.clone()),
            }
        }
        all
    }

    /// Number of its objects here.
    pub fn objects(&self) -> u32 {
        let series = self.parts.iter().flat_map(|part| &part.series);
        series.map(|series| series.objects).sum()
    }

    /// Number of its objects that are on their way here.
    pub fn awaited(&self) -> u32 {
        self.parts.iter().map(|part| part.awaited).sum()
    }

    /// Modalities in Study (0008,0061), as a value.
    pub fn modalities(&self) -> &[u8] {
        &self.modalities
    }

    fn is_within(&self, scope: &Scope, own: SiteId) -> bool {
        scope.holds(self.key.institution, &self.issuer, own)
    }

    fn of(key: StudyKey, study: &Study) -> Entry {
        let attributes = study.attributes.clone();
        let groups = folded(&attributes.name(tags::PATIENT_NAME));
        let end = |last: usize| groups[..=last].iter().map(String::len).sum::<usize>();
        // A name is far shorter; one of which this would not hold has but one group.
        let ends = [end(0), end(1)].map(|end| u16::try_from(end).unwrap_or(u16::MAX));
        Entry {
            key,
            issuer: attributes.text(tags::ISSUER_OF_PATIENT_ID).into(),
            name: (groups.concat().into(), ends),
            made_at: made_at(&attributes),
            attributes,
            parts: Box::default(),
            modalities: Box::default(),
        }
    }

    /// With these parts instead of its own.
    fn with(&self, mut parts: Vec<Part>) -> Entry {
        parts.sort_by_key(|part| (part.first_at, part.parcel));
        let series = parts.iter().flat_map(|part| &part.series);
        let modalities: BTreeSet<&str> = series
            .map(|series| &*series.modality)
            .filter(|modality| !modality.is_empty())
            .collect();
        let joined: Vec<&str> = modalities.into_iter().collect();
        Entry {
            modalities: joined.join("\\").into_bytes().into(),
            parts: parts.into(),
            ..self.clone()
        }
    }

    fn parts_without(&self, parcel: &ParcelId) -> Vec<Part> {
        let others = self.parts.iter().filter(|part| part.parcel != *parcel);
        others.cloned().collect()
    }
}

fn made_at(attributes: &Attributes) -> u64 {
    let digits = |tag, most: usize| {
        let value = attributes.value(tag).unwrap_or_default();
        let digits = value.iter().filter(|byte| byte.is_ascii_digit()).take(most);
        let number = digits
            .clone()
            .fold(0, |all, digit| all * 10 + u64::from(digit - b'0'));
        (digits.count()..most).fold(number, |all, _| all * 10)
    };
    digits(tags::STUDY_DATE, 8) * 1_000_000 + digits(tags::STUDY_TIME, 6)
}

impl Subject for Entry {
    fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match tag {
            tags::MODALITIES_IN_STUDY => Some(&self.modalities),
            tags::STUDY_INSTANCE_UID => Some(self.key.uid.as_bytes()),
            _ => self.attributes.value(tag),
        }
    }

    fn character_sets(&self) -> CharacterSets {
        self.attributes.character_sets()
    }

    fn items(&self, _: Tag) -> &[DataSet] {
        &[]
    }

    fn folded_name(&self, tag: Tag) -> Option<[&str; 3]> {
        let (name, ends) = (&self.name.0, self.name.1.map(usize::from));
        // Where it cannot be cut it is one group.
        let group = |range: Range<usize>| name.get(range).unwrap_or_default();
        let first = name.get(..ends[0]).unwrap_or(name);
        let groups = [first, group(ends[0]..ends[1]), group(ends[1]..name.len())];
        (tag == tags::PATIENT_NAME).then_some(groups)
    }
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
            series: series.collect(),
        };
        let mut held = self.write();
        let known = held.studies.get(&key).map(|known| Arc::clone(&known.0));
        let entry = known.unwrap_or_else(|| Arc::new(Entry::of(key, study)));
        let mut parts = entry.parts_without(&study.parcel);
        parts.push(part);
        held.put(entry.with(parts));
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

    /// The studies within a scope that `wanted` wants, newest first, `most` at the most; those after one of them, or
    /// from the newest on.
    pub fn select(
        &self,
        (scope, own): (&Scope, SiteId),
        after: Option<&Arc<Entry>>,
        most: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<Entry>> {
        let held = self.read();
        let after = after.map(|entry| ByDate(Arc::clone(entry)));
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        held.order
            .range((from, Bound::Unbounded))
            .map(|ByDate(entry)| entry)
            .filter(|entry| entry.is_within(scope, own))
            .filter(|entry| wanted(entry) && !held.hides(entry, own))
            .take(most)
            .cloned()
            .collect()
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
    fn hides(&self, entry: &Entry, own: SiteId) -> bool {
        entry.key.institution == own && self.hidden.contains(&*entry.key.uid)
    }

    /// Puts an entry where the same study's was.
    fn put(&mut self, entry: Entry) {
        let entry = Arc::new(entry);
        // An equal one, of the same study, gives way.
        self.order.replace(ByDate(Arc::clone(&entry)));
        self.studies.replace(ByKey(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::attributes::RawAttribute;
    use crate::studies::study::Series;
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
        let select = |after: Option<&Arc<Entry>>, most| {
            catalogue.select((&Scope::All, OWN), after, most, |_| true)
        };
        let all = uids(&select(None, 9));
        assert_eq!(all, ["1.2.2", "1.2.4", "1.2.5", "1.2.1", "1.2.3"]);
        let first = select(None, 2);
        let second = select(first.last(), 2);
        let third = select(second.last(), 2);
        let portions = [first, second, third].concat();
        assert_eq!(uids(&portions), all);
        catalogue.hide("1.2.4");
        assert_eq!(uids(&select(None, 2)), ["1.2.2", "1.2.5"]);
        assert!(catalogue.with_uid(&Scope::All, OWN, "1.2.4").is_empty());
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
