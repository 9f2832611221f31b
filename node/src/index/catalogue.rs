//! Every study that lies here, by what its first object said. Holds patient data: no `Debug`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_keys::id::{ParcelId, SiteId};
use minicbor::bytes::ByteVec;

use crate::dicom::charset::CharacterSets;
use crate::dicom::charset::matching::folded;
use crate::dicom::dataset::DataSet;
use crate::dicom::matching::Subject;
use crate::dicom::uid::trim_padding;
use crate::entities::{Domain, Scope};
use crate::studies::attributes::Attributes;
use crate::studies::identity::Identity;
use crate::studies::patient::Patient;
use crate::studies::person::Person;
use crate::studies::study::Study;

/// A study: whose patient it is about, and its UID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StudyKey {
    /// Study Instance UID. First: studies are looked up by it.
    pub uid: String,
    /// The institution that had it made.
    pub institution: SiteId,
}

/// A study with everything of it that lies here: its parcels, of which late images and further grants
/// are some of their own.
#[derive(Clone)]
pub struct Entry {
    /// Which.
    pub key: StudyKey,
    /// Issuer of Patient ID, as people read it.
    pub issuer: String,
    /// Of whom it was said that it is, where that is somebody else than its images name.
    pub said: Option<Person>,
    /// What its first object said.
    pub attributes: Attributes,
    /// Its parts, oldest first.
    pub parts: Vec<Part>,
    name: [String; 3],
    date: String,
    modalities: Vec<u8>,
}

/// One parcel of a study.
#[derive(Clone)]
pub struct Part {
    /// Which.
    pub parcel: ParcelId,
    /// Its series.
    pub series: Vec<SeriesPart>,
    first_at: u64,
}

/// What of a series lies in one parcel.
#[derive(Clone)]
pub struct SeriesPart {
    /// Series Instance UID.
    pub uid: String,
    /// Modality.
    pub modality: String,
    /// Series Number.
    pub number: Option<i32>,
    /// Series Description, as it came.
    pub description: ByteVec,
    /// Number of its objects.
    pub objects: u32,
}

/// The studies. Clones share them.
#[derive(Clone, Default)]
pub struct Catalogue(Arc<RwLock<Held>>);

#[derive(Default)]
struct Held {
    studies: BTreeMap<StudyKey, Arc<Entry>>,
    /// Newest first.
    order: BTreeSet<(Reverse<String>, StudyKey)>,
    parcels: BTreeMap<ParcelId, StudyKey>,
    /// Of whom it was said that a study is, whether it is here or not: what [`Persons`](crate::studies::persons::Persons) holds.
    said: BTreeMap<StudyKey, Person>,
}

impl Entry {
    /// Where its patient's ID is one person's.
    pub fn domain(&self) -> Domain {
        Domain {
            institution: self.key.institution,
            issuer: self.issuer.clone(),
        }
    }

    /// Who its patient is.
    pub fn person(&self) -> Person {
        if let Some(said) = &self.said {
            return said.clone();
        }
        let identity = Identity::named(
            Patient::of(&self.attributes),
            self.name.clone(),
            &self.attributes.text(tags::PATIENT_BIRTH_DATE),
        );
        Person::of(self.key.institution, &self.key.uid, &identity)
    }

    /// Whether it is of this person.
    pub fn is_of(&self, person: &Person) -> bool {
        // Most studies are of others, which the ID shows without looking at the name.
        let may_be = self.said.is_some()
            || person
                .patient()
                .is_some_and(|(id, _)| self.attributes.text(tags::PATIENT_ID) == id);
        may_be && self.person() == *person
    }

    /// ID and issuer of whom it was said to be. What is no ASCII cannot be put among its attributes, whose character sets
    /// are others, and is not shown.
    pub fn said_patient(&self) -> Option<(&str, &str)> {
        let patient = self.said.as_ref().and_then(Person::patient);
        patient.filter(|(id, issuer)| id.is_ascii() && issuer.is_ascii())
    }

    fn attribute(&mut self, said: Option<Person>) {
        self.said = said;
        let issuer = self.said_patient().map(|(_, issuer)| issuer.to_owned());
        self.issuer = issuer.unwrap_or_else(|| self.attributes.text(tags::ISSUER_OF_PATIENT_ID));
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

    /// Modalities in Study (0008,0061), as a value.
    pub fn modalities(&self) -> &[u8] {
        &self.modalities
    }

    fn of(key: StudyKey, study: &Study) -> Entry {
        let attributes = study.attributes.clone();
        let code = |tag| {
            let value = attributes.value(tag).map(trim_padding).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        Entry {
            key,
            issuer: attributes.text(tags::ISSUER_OF_PATIENT_ID),
            said: None,
            name: folded(&attributes.name(tags::PATIENT_NAME)),
            date: code(tags::STUDY_DATE) + &code(tags::STUDY_TIME),
            attributes,
            parts: Vec::new(),
            modalities: Vec::new(),
        }
    }

    fn put(&mut self, part: Part) {
        self.parts.retain(|known| known.parcel != part.parcel);
        self.parts.push(part);
        self.settle();
    }

    fn settle(&mut self) {
        self.parts.sort_by_key(|part| (part.first_at, part.parcel));
        let series = self.parts.iter().flat_map(|part| &part.series);
        let modalities: BTreeSet<&str> = series
            .map(|series| series.modality.as_str())
            .filter(|modality| !modality.is_empty())
            .collect();
        let joined: Vec<&str> = modalities.into_iter().collect();
        self.modalities = joined.join("\\").into_bytes();
    }
}

impl Subject for Entry {
    fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match (tag, self.said_patient()) {
            (tags::MODALITIES_IN_STUDY, _) => Some(&self.modalities),
            (tags::STUDY_INSTANCE_UID, _) => Some(self.key.uid.as_bytes()),
            (tags::PATIENT_ID, Some((id, _))) => Some(id.as_bytes()),
            (tags::ISSUER_OF_PATIENT_ID, Some((_, issuer))) => Some(issuer.as_bytes()),
            _ => self.attributes.value(tag),
        }
    }

    fn character_sets(&self) -> CharacterSets {
        self.attributes.character_sets()
    }

    fn items(&self, _: Tag) -> &[DataSet] {
        &[]
    }

    fn folded_name(&self, tag: Tag) -> Option<&[String; 3]> {
        (tag == tags::PATIENT_NAME).then_some(&self.name)
    }
}

impl Catalogue {
    /// Notes what is known of one parcel now. What holds no object, or holds none any more, is not
    /// listed.
    pub fn note(&self, institution: SiteId, study: &Study) {
        if study.objects.is_empty() {
            return self.forget(&study.parcel);
        }
        let key = StudyKey {
            institution,
            uid: study.uid.clone(),
        };
        let part = Part {
            parcel: study.parcel,
            first_at: study.first_at,
            series: study
                .series
                .iter()
                .map(|series| SeriesPart {
                    uid: series.uid.clone(),
                    modality: series.modality.clone(),
                    number: series.number,
                    description: series.description.clone(),
                    objects: series.objects,
                })
                .collect(),
        };
        let mut held = self.write();
        let known = held.studies.get_mut(&key);
        match known {
            Some(entry) => Arc::make_mut(entry).put(part),
            None => {
                let mut entry = Entry::of(key.clone(), study);
                entry.attribute(held.said.get(&key).cloned());
                entry.put(part);
                held.order
                    .insert((Reverse(entry.date.clone()), key.clone()));
                held.studies.insert(key.clone(), Arc::new(entry));
            }
        }
        held.parcels.insert(study.parcel, key);
    }

    /// Notes of whom it was said that a study is, whether it is here or not; none: whom its images name.
    pub fn attribute(&self, institution: SiteId, uid: &str, said: Option<Person>) {
        let key = StudyKey {
            uid: uid.to_owned(),
            institution,
        };
        let mut held = self.write();
        if let Some(entry) = held.studies.get_mut(&key) {
            Arc::make_mut(entry).attribute(said.clone());
        }
        match said {
            Some(person) => held.said.insert(key, person),
            None => held.said.remove(&key),
        };
    }

    /// Forgets a parcel; what is not here is no error.
    pub fn forget(&self, parcel: &ParcelId) {
        let mut held = self.write();
        let Some(key) = held.parcels.remove(parcel) else {
            return;
        };
        let Some(entry) = held.studies.get_mut(&key) else {
            return;
        };
        let entry = Arc::make_mut(entry);
        entry.parts.retain(|part| part.parcel != *parcel);
        if entry.parts.is_empty() {
            let date = Reverse(std::mem::take(&mut entry.date));
            held.studies.remove(&key);
            held.order.remove(&(date, key));
        } else {
            entry.settle();
        }
    }

    /// The studies within a scope that `wanted` wants, newest first, `most` at the most.
    pub fn select(
        &self,
        scope: &Scope,
        own: SiteId,
        most: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<Entry>> {
        let held = self.read();
        let newest_first = held
            .order
            .iter()
            .filter_map(|(_, key)| held.studies.get(key));
        newest_first
            .filter(|entry| *scope == Scope::All || scope.contains(&entry.domain(), own))
            .filter(|entry| wanted(entry))
            .take(most)
            .cloned()
            .collect()
    }

    /// The studies with this UID: one for each institution that has it here.
    pub fn with_uid(&self, scope: &Scope, own: SiteId, uid: &str) -> Vec<Arc<Entry>> {
        let held = self.read();
        let first = StudyKey {
            uid: uid.to_owned(),
            institution: SiteId::from_bytes([0; 32]),
        };
        let mut found: Vec<Arc<Entry>> = held
            .studies
            .range(first..)
            .take_while(|(key, _)| key.uid == uid)
            .map(|(_, entry)| entry)
            .filter(|entry| scope.contains(&entry.domain(), own))
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
