//! Whose study it is, as people tell studies apart.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_keys::id::ParcelId;
use dokuei_protocol::case::CaseId;
use serde_json::{Value, json};

use crate::control::deidentify::pseudonyms;
use crate::runtime::hands::Hands;
use crate::studies::attributes::Attributes;
use crate::studies::patient::Patient;
use crate::studies::study::Study;

/// Texts of a study that people read.
const TEXTS: [(&str, Tag); 4] = [
    ("patient_id", tags::PATIENT_ID),
    ("sex", tags::PATIENT_SEX),
    ("accession_number", tags::ACCESSION_NUMBER),
    ("description", tags::STUDY_DESCRIPTION),
];

/// The patient of a study and what names it. Dates are as DICOM has them. `inexact` lists the fields that have
/// characters which could not be decoded and are shown raw.
pub(super) fn whose(study: &Study) -> Value {
    described(&study.attributes, &study.uid, study.modality().code())
}

fn described(attributes: &Attributes, uid: &str, modality: &str) -> Value {
    let name = attributes.name(tags::PATIENT_NAME);
    let texts = TEXTS
        .into_iter()
        .map(|(field, tag)| (field, attributes.decoded(tag).exact));
    let exact = std::iter::once(("patient_name", name.exact)).chain(texts);
    let inexact: Vec<&str> = exact
        .filter(|(_, exact)| !exact)
        .map(|(field, _)| field)
        .collect();
    json!({
        "uid": uid,
        "patient_name": name.display(),
        "patient_id": attributes.text(tags::PATIENT_ID),
        "birth_date": attributes.text(tags::PATIENT_BIRTH_DATE),
        "sex": attributes.text(tags::PATIENT_SEX),
        "accession_number": attributes.text(tags::ACCESSION_NUMBER),
        "date": attributes.text(tags::STUDY_DATE),
        "description": attributes.text(tags::STUDY_DESCRIPTION),
        "modality": modality,
        "inexact": inexact,
    })
}

/// Everybody whom images of a study name, in whichever part of it.
pub(super) fn patients_of(node: &Hands, uid: &str) -> Vec<Patient> {
    let register = &node.ports.register;
    let parts = register.parcels_of(uid).into_iter();
    let mut patients: Vec<Patient> = parts
        .filter_map(|parcel| register.head(&parcel).ok().flatten())
        .flat_map(|head| head.study.patients())
        .collect();
    patients.sort();
    patients.dedup();
    patients
}

/// The study of a case as far as this site has it: its own by its parcel, a granted one by the case.
pub(super) fn study_of(node: &Hands, case: CaseId, parcel: Option<ParcelId>) -> Option<Value> {
    match parcel {
        Some(parcel) => {
            let shown = node.ports.register.look(&parcel, whose)?;
            Some(really(node, shown))
        }
        None => node.ports.granted.study(case).map(|study| whose(&study)),
    }
}

/// Of a study that was sent under a pseudonym, whose it really is, with that pseudonym. What cannot be read stays as
/// the reader knows it.
fn really(node: &Hands, shown: Value) -> Value {
    let uid = shown["uid"].as_str().unwrap_or_default();
    let Ok(Some(original)) = pseudonyms(node).original(uid) else {
        return shown;
    };
    let modality = shown["modality"].as_str().unwrap_or_default();
    let mut known = described(&original.attributes, &original.study, modality);
    known["pseudonym"] = original.pseudonym.into();
    known
}
