//! From the canonical report to its printed forms.

use dicom_dictionary_std::tags;
use dokuei_keys::delegation::CheckedPerson;
use dokuei_keys::id::DocumentId;
use dokuei_protocol::case::report::{Report, ReportStatus};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::dicom::charset::PersonName;
use crate::outputs::encapsulated::{
    EncapsulateError, EncapsulatedInput, EncapsulatedPdf, RawElement, SourceInstance, Tag,
    encapsulate,
};
use crate::outputs::view::{self, ReportView};
use crate::reports::bundle::Bundle;
use crate::reports::subject::Subject;

/// What the printed forms show.
pub fn view(
    report: &Report,
    digest: DocumentId,
    subject: &Subject,
    author: &CheckedPerson,
) -> ReportView {
    let attributes = &subject.attributes;
    ReportView {
        patient: view::Patient {
            name: name(&attributes.name(tags::PATIENT_NAME)),
            id: attributes.text(tags::PATIENT_ID),
            id_issuer: attributes.text(tags::ISSUER_OF_PATIENT_ID),
            birth_date: attributes.text(tags::PATIENT_BIRTH_DATE),
            sex: match attributes.text(tags::PATIENT_SEX).as_str() {
                "M" => view::Sex::Male,
                "F" => view::Sex::Female,
                "O" => view::Sex::Other,
                _ => view::Sex::Unknown,
            },
        },
        study: view::Study {
            study_instance_uid: subject.study.clone(),
            accession_number: attributes.text(tags::ACCESSION_NUMBER),
            date: attributes.text(tags::STUDY_DATE),
            time: attributes.text(tags::STUDY_TIME),
            description: attributes.text(tags::STUDY_DESCRIPTION),
            modality: subject.modalities.clone(),
            body_part: attributes.text(tags::BODY_PART_EXAMINED),
            referring_physician: attributes.name(tags::REFERRING_PHYSICIAN_NAME).display(),
            requesting_institution: subject.requester.clone(),
        },
        report: view::Report {
            case_id: report.case.to_string(),
            version: report.version,
            status: status(report.status),
            predecessor_digest: report
                .predecessor
                .map(|predecessor| predecessor.to_string()),
            body: if report.attachment.is_some() && report.text.is_empty() {
                view::ReportBody::OwnPdf
            } else {
                view::ReportBody::Plain(report.text.clone())
            },
            comparison: None,
            images_read: view::ImagesRead {
                series: subject.series,
                instances: subject.objects,
            },
            reader: view::Reader {
                name: author.name.clone(),
                licence: author.licence.clone(),
                site: subject.reader.clone(),
            },
            signed_at: signed_at(report),
            digest: digest.to_string(),
        },
    }
}

/// The report as a DICOM object of the study it belongs to.
///
/// # Errors
/// When a part of it does not fit such an object.
pub fn encapsulated(
    report: &Report,
    digest: DocumentId,
    subject: &Subject,
    bundle: &Bundle,
    pdf: &[u8],
) -> Result<EncapsulatedPdf, EncapsulateError> {
    let originals: Vec<RawElement> = subject
        .attributes
        .raw()
        .map(|(tag, value)| RawElement {
            tag: Tag(tag.group(), tag.element()),
            value: value.to_vec(),
        })
        .collect();
    let sources: Vec<SourceInstance> = subject
        .sources
        .iter()
        .map(|source| SourceInstance {
            sop_class_uid: source.sop_class.clone(),
            sop_instance_uid: source.sop_instance.clone(),
        })
        .collect();
    let predecessors: Vec<_> = bundle.predecessors.iter().map(Into::into).collect();
    let inside = Bundle {
        pdf: None,
        ..bundle.clone()
    };
    encapsulate(&EncapsulatedInput {
        originals: &originals,
        sources: &sources,
        predecessors: &predecessors,
        status: status(report.status),
        version: report.version,
        report_digest: &digest.to_string(),
        signed_at: &signed_at(report),
        pdf,
        bundle: &inside.to_bytes(),
    })
}

/// When a report was signed, RFC 3339 with the offset of the reading site.
pub fn signed_at(report: &Report) -> String {
    let seconds = i32::from(report.offset_minutes).saturating_mul(60);
    let offset = Offset::from_seconds(seconds).unwrap_or(Offset::UTC);
    let moment = i64::try_from(report.at.0 / 1000)
        .ok()
        .and_then(|at| Timestamp::from_second(at).ok())
        .unwrap_or_default();
    moment
        .to_zoned(TimeZone::fixed(offset))
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

fn status(status: ReportStatus) -> view::ReportStatus {
    match status {
        ReportStatus::Preliminary => view::ReportStatus::Preliminary,
        ReportStatus::Final => view::ReportStatus::Final,
        ReportStatus::Addendum => view::ReportStatus::Addendum,
        ReportStatus::Amended => view::ReportStatus::Amended,
        ReportStatus::Corrected => view::ReportStatus::Corrected,
        ReportStatus::Retracted => view::ReportStatus::Retracted,
    }
}

fn name(name: &PersonName) -> view::PersonName {
    view::PersonName {
        alphabetic: name.alphabetic.display(),
        ideographic: name.ideographic.display(),
        phonetic: name.phonetic.display(),
        exact: name.exact,
    }
}
