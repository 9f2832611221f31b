//! A study as the catalogue knows it. Holds patient data: no `Debug`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_keys::id::{ParcelId, SiteId};

use crate::dicom::charset::CharacterSets;
use crate::dicom::charset::matching::folded;
use crate::dicom::dataset::DataSet;
use crate::dicom::matching::Subject;
use crate::entities::{Domain, Scope};
use crate::studies::attributes::Attributes;
use crate::studies::identity::Identity;
use crate::studies::patient::{Patient, are_several};
use crate::studies::person::Person;
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
    /// Of whom it was said that it is, where that is somebody else than its images name.
    pub said: Option<Arc<Person>>,
    /// What its first object said.
    pub attributes: Attributes,
    /// Its parts, oldest first.
    pub parts: Box<[Part]>,
    /// The groups of the name as they are compared, one after another, and where the second and the third begin.
    name: (Box<str>, [u16; 2]),
    modalities: Box<[u8]>,
    /// Whether its objects, in whichever part, name different patients: then nobody can say whose it is.
    pub(super) mixes_patients: bool,
    /// When the study was made, as a number that sorts: the digits of its date and time. Of several dates, which the
    /// standard does not allow, the first counts.
    pub(super) made_at: u64,
}

/// [`Entry::made_at`] of the first moment of a day (YYYYMMDD).
pub(super) const fn beginning(day: u64) -> u64 {
    day.saturating_mul(1_000_000)
}

/// The last.
pub(super) const fn ending(day: u64) -> u64 {
    beginning(day).saturating_add(999_999)
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
    /// Whom its objects name.
    pub(super) patients: Box<[Patient]>,
    pub(super) first_at: u64,
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

impl Entry {
    /// Where its patient's ID is one person's.
    pub fn domain(&self) -> Domain {
        Domain {
            institution: self.key.institution,
            issuer: self.issuer.clone().into(),
        }
    }

    /// Who its patient is.
    pub fn person(&self) -> Person {
        if let Some(said) = &self.said {
            return Person::clone(said);
        }
        let name = self.folded_name(tags::PATIENT_NAME).unwrap_or_default();
        let identity = Identity::named(
            Patient::of(&self.attributes),
            name.map(str::to_owned),
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
        let patient = self.said.as_deref().and_then(Person::patient);
        patient.filter(|(id, issuer)| id.is_ascii() && issuer.is_ascii())
    }

    /// The same with this said of whom it is; none: whom its images name.
    pub(super) fn attributed(self, said: Option<Arc<Person>>) -> Entry {
        let mut entry = Entry { said, ..self };
        let issuer = entry.said_patient().map(|(_, issuer)| issuer.into());
        let named = || entry.attributes.text(tags::ISSUER_OF_PATIENT_ID).into();
        entry.issuer = issuer.unwrap_or_else(named);
        entry
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

    pub(super) fn is_within(&self, scope: &Scope, own: SiteId) -> bool {
        scope.holds(self.key.institution, &self.issuer, own)
    }

    pub(super) fn of(key: StudyKey, study: &Study) -> Entry {
        let attributes = study.attributes.clone();
        let groups = folded(&attributes.name(tags::PATIENT_NAME));
        let end = |last: usize| groups[..=last].iter().map(String::len).sum::<usize>();
        // A name is far shorter; one of which this would not hold has but one group.
        let ends = [end(0), end(1)].map(|end| u16::try_from(end).unwrap_or(u16::MAX));
        Entry {
            key,
            issuer: attributes.text(tags::ISSUER_OF_PATIENT_ID).into(),
            said: None,
            name: (groups.concat().into(), ends),
            made_at: made_at(&attributes),
            attributes,
            parts: Box::default(),
            modalities: Box::default(),
            mixes_patients: false,
        }
    }

    /// What stands before every study that was made at this moment or earlier.
    pub(super) fn mark(made_at: u64) -> Entry {
        let key = StudyKey {
            uid: "".into(),
            institution: SiteId::from_bytes([0; 32]),
        };
        Entry {
            key,
            issuer: Box::default(),
            said: None,
            attributes: Attributes::default(),
            parts: Box::default(),
            name: Default::default(),
            modalities: Box::default(),
            mixes_patients: false,
            made_at,
        }
    }

    /// With these parts instead of its own.
    pub(super) fn with(&self, mut parts: Vec<Part>) -> Entry {
        parts.sort_by_key(|part| (part.first_at, part.parcel));
        let series = parts.iter().flat_map(|part| &part.series);
        let modalities: BTreeSet<&str> = series
            .map(|series| &*series.modality)
            .filter(|modality| !modality.is_empty())
            .collect();
        let joined: Vec<&str> = modalities.into_iter().collect();
        let patients = parts.iter().flat_map(|part| &part.patients);
        let patients: Vec<Patient> = patients.cloned().collect();
        Entry {
            modalities: joined.join("\\").into_bytes().into(),
            mixes_patients: are_several(&patients),
            parts: parts.into(),
            ..self.clone()
        }
    }

    pub(super) fn parts_without(&self, parcel: &ParcelId) -> Vec<Part> {
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
    beginning(digits(tags::STUDY_DATE, 8)) + digits(tags::STUDY_TIME, 6)
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

    fn folded_name(&self, tag: Tag) -> Option<[&str; 3]> {
        let (name, ends) = (&self.name.0, self.name.1.map(usize::from));
        // Where it cannot be cut it is one group.
        let group = |range: Range<usize>| name.get(range).unwrap_or_default();
        let first = name.get(..ends[0]).unwrap_or(name);
        let groups = [first, group(ends[0]..ends[1]), group(ends[1]..name.len())];
        (tag == tags::PATIENT_NAME).then_some(groups)
    }
}
