//! Whose study it is, as people tell studies apart.

use dicom_dictionary_std::tags;
use dokuei_keys::id::ParcelId;
use dokuei_protocol::case::CaseId;
use serde_json::{Value, json};

use crate::runtime::start::Node;
use crate::studies::study::Study;

/// The patient of a study and what names it. Dates are as DICOM has them.
pub(super) fn whose(study: &Study) -> Value {
    let attributes = &study.attributes;
    json!({
        "uid": study.uid,
        "patient_name": attributes.name(tags::PATIENT_NAME).display(),
        "patient_id": attributes.text(tags::PATIENT_ID),
        "birth_date": attributes.text(tags::PATIENT_BIRTH_DATE),
        "sex": attributes.text(tags::PATIENT_SEX),
        "accession_number": attributes.text(tags::ACCESSION_NUMBER),
        "date": attributes.text(tags::STUDY_DATE),
        "description": attributes.text(tags::STUDY_DESCRIPTION),
        "modality": study.modality().code(),
    })
}

/// The study of a case as far as this site has it: its own by its parcel, a granted one by the case.
pub(super) fn study_of(node: &Node, case: CaseId, parcel: Option<ParcelId>) -> Option<Value> {
    match parcel {
        Some(parcel) => node.ports.register.look(&parcel, whose),
        None => node.ports.granted.study(case).map(|study| whose(&study)),
    }
}
