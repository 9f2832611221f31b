//! What is said of a match at each level: everything that is known, each answer with its own character
//! set.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::catalogue::{Entry, SeriesPart};
use crate::dicom::dataset::{DataSet, by_dictionary};
use crate::dicom::dimse::Looked;
use crate::studies::attributes::Attributes;
use crate::studies::person::Person;

/// Attributes of patient and study (PS3.4 sections C.6.1.1.2 and C.6.1.1.3) that are known of every
/// study without looking at its objects.
pub const OF_PATIENT: [Tag; 5] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
];
/// The same of the study.
pub const OF_STUDY: [Tag; 9] = [
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::STUDY_DESCRIPTION,
    tags::STUDY_INSTANCE_UID,
    tags::STUDY_ID,
    tags::MODALITIES_IN_STUDY,
    tags::INSTITUTION_NAME,
];

/// Whether a key is matched against the patient and study.
pub fn is_of_study(tag: Tag) -> bool {
    OF_PATIENT.contains(&tag) || OF_STUDY.contains(&tag)
}

fn put_raw(known: &mut DataSet, attributes: &Attributes, wanted: &[Tag]) {
    for (tag, value) in attributes.raw() {
        if wanted.contains(&tag) {
            let vr = by_dictionary(tag, false);
            known.put_bytes(tag, vr, value.to_vec());
        }
    }
    if let Some(sets) = attributes.value(tags::SPECIFIC_CHARACTER_SET) {
        known.put_bytes(tags::SPECIFIC_CHARACTER_SET, VR::CS, sets.to_vec());
    }
}

fn put_count(known: &mut DataSet, tag: Tag, count: usize) {
    known.put_text(tag, VR::IS, &count.to_string());
}

/// A study.
pub fn study(entry: &Entry) -> DataSet {
    let mut known = DataSet::default();
    put_raw(&mut known, &entry.attributes, &OF_PATIENT);
    put_raw(&mut known, &entry.attributes, &OF_STUDY);
    put_said(&mut known, entry);
    put_study(&mut known, entry);
    known
}

/// The patient of whom somebody said that the study is, in the place of whom its images name: it is searched by these.
pub fn put_said(known: &mut DataSet, entry: &Entry) {
    if let Some((id, issuer)) = entry.said_patient() {
        known.put_text(tags::PATIENT_ID, VR::LO, id);
        known.put_text(tags::ISSUER_OF_PATIENT_ID, VR::LO, issuer);
    }
}

/// What is counted of a study.
fn put_study(known: &mut DataSet, entry: &Entry) {
    known.put_text(tags::STUDY_INSTANCE_UID, VR::UI, &entry.key.uid);
    known.put_bytes(
        tags::MODALITIES_IN_STUDY,
        VR::CS,
        entry.modalities().to_vec(),
    );
    // Of a study that is on its way, what is not here must be waited for.
    let is_here = entry.awaited() == 0;
    let availability = if is_here { "ONLINE" } else { "NEARLINE" };
    known.put_text(tags::INSTANCE_AVAILABILITY, VR::CS, availability);
    let (series, objects) = (entry.series().len(), entry.objects() as usize);
    put_count(known, tags::NUMBER_OF_STUDY_RELATED_SERIES, series);
    put_count(known, tags::NUMBER_OF_STUDY_RELATED_INSTANCES, objects);
}

/// A series: what its first object said, and what is counted.
pub fn series(entry: &Entry, part: &SeriesPart, first: DataSet) -> DataSet {
    let is_of_one_object = |tag: Tag| {
        matches!(
            tag,
            tags::SOP_INSTANCE_UID
                | tags::SOP_CLASS_UID
                | tags::INSTANCE_NUMBER
                | tags::AVAILABLE_TRANSFER_SYNTAX_UID
        )
    };
    let mut known: DataSet = first
        .elements()
        .iter()
        .filter(|element| !is_of_one_object(element.tag))
        .cloned()
        .collect();
    put_said(&mut known, entry);
    put_study(&mut known, entry);
    known.put_text(tags::SERIES_INSTANCE_UID, VR::UI, &part.uid);
    known.put_text(tags::MODALITY, VR::CS, &part.modality);
    let objects = part.objects as usize;
    put_count(
        &mut known,
        tags::NUMBER_OF_SERIES_RELATED_INSTANCES,
        objects,
    );
    known
}

/// Each person of these studies once.
pub fn patients(entries: &[Arc<Entry>], answer: &mut dyn FnMut(Looked) -> ControlFlow<()>) {
    let mut known: BTreeMap<Person, Vec<&Arc<Entry>>> = BTreeMap::new();
    for entry in entries {
        known.entry(entry.person()).or_default().push(entry);
    }
    for studies in known.into_values() {
        // How the site itself names them, rather than how another wrote it on a disc.
        let own = studies.iter().find(|study| study.said.is_none());
        let Some(named) = own.or(studies.first()) else {
            continue;
        };
        let mut patient = DataSet::default();
        put_raw(&mut patient, &named.attributes, &OF_PATIENT);
        put_said(&mut patient, named);
        let series = studies.iter().map(|entry| entry.series().len()).sum();
        let objects = studies.iter().map(|entry| entry.objects() as usize).sum();
        put_count(
            &mut patient,
            tags::NUMBER_OF_PATIENT_RELATED_STUDIES,
            studies.len(),
        );
        put_count(&mut patient, tags::NUMBER_OF_PATIENT_RELATED_SERIES, series);
        put_count(
            &mut patient,
            tags::NUMBER_OF_PATIENT_RELATED_INSTANCES,
            objects,
        );
        if answer(Looked::Match(patient)).is_break() {
            return;
        }
    }
}
