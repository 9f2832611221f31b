//! Every study that lies here, by what its first object said. Holds patient data: no `Debug`.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::{Bound, RangeInclusive};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dokuei_keys::id::{ParcelId, SiteId};

pub use super::entry::{Entry, Part, SeriesPart, StudyKey};
use super::entry::{beginning, ending};
use super::words::{Place, Words};
use crate::entities::Scope;
use crate::studies::person::Person;
use crate::studies::study::Study;

/// Studies that are looked at one by one rather than in their order.
const FEW: usize = 4096;

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

/// An entry where it is found by its study, and where its words stand.
struct ByKey(Arc<Entry>, Place);

/// An entry where it stands in lists: newest first.
struct ByDate(Arc<Entry>);

/// Where a study stands in lists.
fn place(entry: &Entry) -> (Reverse<u64>, &StudyKey) {
    (Reverse(entry.made_at), &entry.key)
}

impl ByDate {
    fn place(&self) -> (Reverse<u64>, &StudyKey) {
        place(&self.0)
    }
}

/// Part of the list of all studies.
pub struct Stretch<'a> {
    /// What comes after this one; from the newest on without.
    pub after: Option<&'a Arc<Entry>>,
    /// What was made on these days, as numbers (YYYYMMDD).
    pub days: RangeInclusive<u64>,
    /// How far.
    pub reach: Reach,
}

impl Stretch<'_> {
    /// Any day.
    pub const ANY: RangeInclusive<u64> = 0..=99_999_999;

    /// Everything, until so many are found.
    pub const fn all(found: usize) -> Stretch<'static> {
        Stretch {
            after: None,
            days: Stretch::ANY,
            reach: Reach {
                found,
                looked_at: usize::MAX,
            },
        }
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
    words: Words,
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
        let Some(ByKey(entry, place)) = held.studies.get(&key) else {
            return;
        };
        let (entry, place) = (Arc::clone(entry), *place);
        let parts = entry.parts_without(parcel);
        if parts.is_empty() {
            held.studies.remove(&key);
            held.words.forget(place);
            held.order.remove(&ByDate(entry));
            held.tidy();
        } else {
            held.put(entry.with(parts));
        }
    }

    /// Leaves a study of this site out of every answer from now on.
    pub fn hide(&self, uid: &str) {
        self.write().hidden.insert(uid.into());
    }

    /// The studies of a stretch within a scope that `wanted` wants, newest first.
    pub fn select(
        &self,
        (scope, own): (&Scope, SiteId),
        stretch: &Stretch<'_>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Portion {
        let held = self.read();
        let from = match stretch.after {
            Some(entry) => Arc::clone(entry),
            None => Arc::new(Entry::mark(ending(*stretch.days.end()))),
        };
        let first = beginning(*stretch.days.start());
        let mut found = Vec::new();
        let listed = held
            .order
            .range((Bound::Excluded(ByDate(from)), Bound::Unbounded))
            .map(|ByDate(entry)| entry)
            .take_while(|entry| entry.made_at >= first);
        for (index, entry) in listed.enumerate() {
            if entry.is_within(scope, own) && wanted(entry) && !held.hides(entry, own) {
                found.push(Arc::clone(entry));
            }
            if found.len() >= stretch.reach.found || index + 1 >= stretch.reach.looked_at {
                let reached = Some(Arc::clone(entry));
                return Portion { found, reached };
            }
        }
        Portion {
            found,
            reached: None,
        }
    }

    /// The studies within a scope that `wanted` wants, newest first, of those one of whose [`WORDS`] holds this text;
    /// nothing where so many do that going through all of them by date finds the first ones sooner.
    pub fn holding(
        &self,
        (scope, own): (&Scope, SiteId),
        text: &str,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Option<Vec<Arc<Entry>>> {
        let held = self.read();
        let mut found = held.words.holding(text, FEW)?;
        found.retain(|entry| {
            entry.is_within(scope, own) && wanted(entry) && !held.hides(entry, own)
        });
        found.sort_unstable_by(|one, other| place(one).cmp(&place(other)));
        Some(found.into_iter().cloned().collect())
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
            .map(|ByKey(entry, _)| entry)
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
        let before = self.studies.take(&entry.key);
        let place = match &before {
            Some(ByKey(_, place)) => self.words.replace(*place, &entry),
            None => self.words.add(&entry),
        };
        self.studies.insert(ByKey(Arc::clone(&entry), place));
        // Its date may be another one now.
        if let Some(ByKey(before, _)) = before {
            self.order.remove(&ByDate(before));
        }
        self.order.insert(ByDate(entry));
        self.tidy();
    }

    /// Writes the words anew where most of them are of nothing that is here.
    fn tidy(&mut self) {
        if !self.words.are_mostly_idle() {
            return;
        }
        let mut words = Words::default();
        let studies = mem::take(&mut self.studies).into_iter();
        let moved = studies.map(|ByKey(entry, _)| {
            let place = words.add(&entry);
            ByKey(entry, place)
        });
        self.studies = moved.collect();
        self.words = words;
    }
}

#[cfg(test)]
mod tests;
