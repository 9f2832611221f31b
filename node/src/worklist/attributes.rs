//! The attributes of a workitem (PS3.4 table CC.2.5-3). Never the Transaction UID: it is the lock.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_protocol::case::terms::CaseTerms;
use dokuei_protocol::service::views::Side;
use dokuei_protocol::time::Timestamp;
use jiff::tz::TimeZone;

use super::codes;
use super::item::{Item, Work};
use super::state::State;
use crate::dicom::charset::WRITTEN_CHARACTER_SET;
use crate::dicom::dataset::{DataSet, Element, Value, json};
use crate::studies::attributes::Attributes;
use crate::studies::study::Study;

/// UPS Push SOP Class, which every workitem has.
pub(super) const PUSH: &str = "1.2.840.10008.5.1.4.34.6.1";

/// Attributes of patient and study that a workitem repeats.
const REPEATED: [(Tag, VR); 5] = [
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
];

/// What else goes into a workitem's attributes.
pub(super) struct Around<'a> {
    /// The study, as far as this site has it.
    pub study: Option<&'a Study>,
    /// Where DICOMweb begins for the client.
    pub root: &'a str,
    /// The reports that came of it, as far as they are here.
    pub reports: &'a [Study],
    /// Name of who reads it, where it is known.
    pub reader: Option<String>,
}

/// The attributes of a workitem.
pub(super) fn of(item: &Item, around: &Around<'_>) -> DataSet {
    let mut set = DataSet::default();
    set.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, WRITTEN_CHARACTER_SET);
    set.put_bytes(tags::SOP_CLASS_UID, VR::UI, PUSH);
    set.put_bytes(tags::SOP_INSTANCE_UID, VR::UI, item.uid.as_str());
    scheduled(&mut set, item);
    about(&mut set, item, around);
    progress(&mut set, item);
    performed(&mut set, item, around);
    if let Some(said) = &item.said.attributes {
        // What was kept was read before.
        let said = json::read(said).unwrap_or_default();
        for element in said.elements() {
            merge(&mut set, element.clone());
        }
    }
    set
}

/// Puts what a client said in its place. In a sequence that the case fills in as well the client's words count, but who
/// reads it and when is the case's to say.
fn merge(set: &mut DataSet, said: Element) {
    let known = set.items(said.tag).first().cloned();
    let (Value::Items(items), Some(known)) = (&said.value, known) else {
        return set.put(said);
    };
    let mut items = items.clone();
    if let Some(first) = items.first_mut() {
        let is_the_cases = said.tag == tags::UNIFIED_PROCEDURE_STEP_PERFORMED_PROCEDURE_SEQUENCE;
        for element in known.elements() {
            let is_empty = matches!(&element.value, Value::Items(items) if items.is_empty());
            let is_said = first.element(element.tag).is_some();
            if !is_said || (is_the_cases && !is_empty) {
                first.put(element.clone());
            }
        }
    }
    set.put_items(said.tag, items);
}

fn scheduled(set: &mut DataSet, item: &Item) {
    let terms = item.view.terms.as_ref();
    let priority = terms.map_or("MEDIUM", |terms| codes::of_priority(terms.priority));
    set.put_text(tags::SCHEDULED_PROCEDURE_STEP_PRIORITY, VR::CS, priority);
    set.put_text(tags::PROCEDURE_STEP_LABEL, VR::LO, &label(item, terms));
    set.put_text(
        tags::WORKLIST_LABEL,
        VR::LO,
        match item.view.side {
            Side::Requester => "requested",
            Side::Reader => "to read",
        },
    );
    set.put_text(
        tags::SCHEDULED_PROCEDURE_STEP_MODIFICATION_DATE_TIME,
        VR::DT,
        &moment(item.happened.moved),
    );
    set.put_text(
        tags::SCHEDULED_PROCEDURE_STEP_START_DATE_TIME,
        VR::DT,
        &moment(item.happened.offered),
    );
    let due = item.view.due.or(terms.map(|terms| terms.due));
    if let Some(due) = due {
        set.put_text(tags::EXPECTED_COMPLETION_DATE_TIME, VR::DT, &moment(due));
    }
    set.put_items(
        tags::SCHEDULED_WORKITEM_CODE_SEQUENCE,
        vec![codes::of_work(item.work)],
    );
    set.put_items(tags::SCHEDULED_PROCESSING_PARAMETERS_SEQUENCE, Vec::new());
    let station = station(item);
    set.put_items(
        tags::SCHEDULED_STATION_NAME_CODE_SEQUENCE,
        station.into_iter().collect(),
    );
    let class = terms.map(|terms| {
        let code = terms.specialty.code();
        codes::item(code, codes::OWN, code)
    });
    set.put_items(
        tags::SCHEDULED_STATION_CLASS_CODE_SEQUENCE,
        class.into_iter().collect(),
    );
    set.put_items(tags::SCHEDULED_HUMAN_PERFORMERS_SEQUENCE, Vec::new());
    set.put_text(tags::INPUT_READINESS_STATE, VR::CS, item.readiness());
}

/// The site that reads, at the site that asks.
fn station(item: &Item) -> Option<DataSet> {
    let name = item.partner.as_ref().filter(|_| !item.is_read_here())?;
    let site = item.view.partner?.to_string();
    // As much of the id as a code value holds.
    let start = site.get(..16).unwrap_or(&site);
    Some(codes::item(start, codes::OWN, name))
}

/// In words: modality, sub-specialty and the case's own priority.
fn label(item: &Item, terms: Option<&CaseTerms>) -> String {
    match (item.work, terms) {
        (Work::Version(_, status), _) => status.code().to_owned(),
        (Work::Reading, Some(terms)) => {
            let (modality, specialty) = (terms.modality.code(), terms.specialty.code());
            format!("{modality} {specialty} {}", terms.priority.code())
        }
        (Work::Reading, None) => "reading".to_owned(),
    }
}

fn about(set: &mut DataSet, item: &Item, around: &Around<'_>) {
    for (tag, vr) in REPEATED {
        set.put_text(tag, vr, &repeated(around.study, tag, vr));
    }
    for tag in [tags::ADMISSION_ID, tags::ADMITTING_DIAGNOSES_DESCRIPTION] {
        set.put_text(tag, VR::LO, "");
    }
    for tag in [
        tags::ISSUER_OF_ADMISSION_ID_SEQUENCE,
        tags::ADMITTING_DIAGNOSES_CODE_SEQUENCE,
        tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
        tags::OTHER_PATIENT_I_DS_SEQUENCE,
    ] {
        set.put_items(tag, Vec::new());
    }
    let mut request = DataSet::default();
    let case = item.view.case.to_string();
    let short = case.get(..8).unwrap_or_default();
    let uid = around
        .study
        .map(|study| study.uid.as_str())
        .unwrap_or_default();
    let accession = repeated(around.study, tags::ACCESSION_NUMBER, VR::SH);
    let description = repeated(around.study, tags::STUDY_DESCRIPTION, VR::LO);
    let referring = repeated(around.study, tags::REFERRING_PHYSICIAN_NAME, VR::PN);
    request.put_bytes(tags::STUDY_INSTANCE_UID, VR::UI, uid);
    request.put_text(tags::ACCESSION_NUMBER, VR::SH, &accession);
    request.put_text(tags::REQUESTED_PROCEDURE_ID, VR::SH, short);
    request.put_text(tags::REQUESTED_PROCEDURE_DESCRIPTION, VR::LO, &description);
    request.put_items(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, Vec::new());
    request.put_items(tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE, Vec::new());
    request.put_text(tags::REQUESTING_PHYSICIAN, VR::PN, &referring);
    if let Some(name) = item.partner.as_ref().filter(|_| item.is_read_here()) {
        request.put_text(tags::REQUESTING_SERVICE, VR::LO, name);
    }
    set.put_items(tags::REFERENCED_REQUEST_SEQUENCE, vec![request]);
    if let Some(before) = &item.replaces {
        let mut replaced = DataSet::default();
        replaced.put_bytes(tags::REFERENCED_SOP_CLASS_UID, VR::UI, PUSH);
        replaced.put_bytes(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, before.as_str());
        set.put_items(tags::REPLACED_PROCEDURE_STEP_SEQUENCE, vec![replaced]);
    }
    let input = around
        .study
        .filter(|_| item.is_ready)
        .map(|study| input(study, around.root));
    set.put_items(
        tags::INPUT_INFORMATION_SEQUENCE,
        input.into_iter().collect(),
    );
}

/// Where the images are: at this node's DICOMweb.
fn input(study: &Study, root: &str) -> DataSet {
    access(&study.uid, &format!("{root}/studies/{}", study.uid))
}

/// Objects of a study, and where they are fetched (PS3.3 table 10-3b).
fn access(study: &str, url: &str) -> DataSet {
    let mut retrieval = DataSet::default();
    retrieval.put_text(tags::RETRIEVE_URL, VR::UR, url);
    let mut access = DataSet::default();
    access.put_text(tags::TYPE_OF_INSTANCES, VR::CS, "DICOM");
    access.put_bytes(tags::STUDY_INSTANCE_UID, VR::UI, study);
    access.put_items(tags::WADORS_RETRIEVAL_SEQUENCE, vec![retrieval]);
    access
}

fn repeated(study: Option<&Study>, tag: Tag, vr: VR) -> String {
    let of = |attributes: &Attributes| {
        let value = attributes.value(tag)?;
        Some(attributes.character_sets().to_utf8_value(vr, value).text)
    };
    study
        .and_then(|study| of(&study.attributes))
        .unwrap_or_default()
}

fn progress(set: &mut DataSet, item: &Item) {
    set.put_text(tags::PROCEDURE_STEP_STATE, VR::CS, item.state.term());
    let mut progress = DataSet::default();
    if item.state == State::Canceled {
        progress.put_text(
            tags::PROCEDURE_STEP_CANCELLATION_DATE_TIME,
            VR::DT,
            &moment(item.happened.moved),
        );
        let why = item.happened.ended.unwrap_or(item.view.phase);
        progress.put_text(tags::REASON_FOR_CANCELLATION, VR::LT, why);
    } else {
        let asked = item.view.cancel.is_some() && item.state == State::InProgress;
        let stands = match asked {
            true => format!("{}; cancellation requested", item.view.phase),
            false => item.view.phase.to_owned(),
        };
        progress.put_text(tags::PROCEDURE_STEP_PROGRESS_DESCRIPTION, VR::ST, &stands);
    }
    set.put_items(
        tags::PROCEDURE_STEP_PROGRESS_INFORMATION_SEQUENCE,
        vec![progress],
    );
}

fn performed(set: &mut DataSet, item: &Item, around: &Around<'_>) {
    let Some(reader) = item.reader else {
        return set.put_items(
            tags::UNIFIED_PROCEDURE_STEP_PERFORMED_PROCEDURE_SEQUENCE,
            Vec::new(),
        );
    };
    let mut performed = DataSet::default();
    // A claim is dated by the requester, and has no date until its word is back.
    if let Some(began) = item.happened.claimed {
        performed.put_text(
            tags::PERFORMED_PROCEDURE_STEP_START_DATE_TIME,
            VR::DT,
            &moment(began),
        );
    }
    performed.put_items(
        tags::PERFORMED_WORKITEM_CODE_SEQUENCE,
        vec![codes::of_work(item.work)],
    );
    performed.put_items(
        tags::PERFORMED_STATION_NAME_CODE_SEQUENCE,
        station(item).into_iter().collect(),
    );
    let id = reader.to_string();
    let name = around.reader.clone().unwrap_or_default();
    let code = codes::item(id.get(..16).unwrap_or(&id), codes::OWN, &name);
    let mut human = DataSet::default();
    human.put_items(tags::HUMAN_PERFORMER_CODE_SEQUENCE, vec![code]);
    human.put_text(tags::HUMAN_PERFORMER_NAME, VR::PN, &name);
    performed.put_items(tags::ACTUAL_HUMAN_PERFORMERS_SEQUENCE, vec![human]);
    if let (State::Completed, Some(at)) = (item.state, item.happened.reported) {
        performed.put_text(
            tags::PERFORMED_PROCEDURE_STEP_END_DATE_TIME,
            VR::DT,
            &moment(at),
        );
    }
    let reports = around.reports.iter();
    performed.put_items(
        tags::OUTPUT_INFORMATION_SEQUENCE,
        reports
            .flat_map(|report| output(report, around.root))
            .collect(),
    );
    set.put_items(
        tags::UNIFIED_PROCEDURE_STEP_PERFORMED_PROCEDURE_SEQUENCE,
        vec![performed],
    );
}

/// Where a report is: an object of its study, at this node's DICOMweb.
fn output(report: &Study, root: &str) -> Option<DataSet> {
    let (series, object) = (report.series.first()?, report.objects.first()?);
    let (study, series, instance) = (&report.uid, &series.uid, &object.sop_instance);
    let mut output = access(
        study,
        &format!("{root}/studies/{study}/series/{series}/instances/{instance}"),
    );
    output.put_bytes(tags::SERIES_INSTANCE_UID, VR::UI, series.as_str());
    let mut reference = DataSet::default();
    reference.put_bytes(
        tags::REFERENCED_SOP_CLASS_UID,
        VR::UI,
        object.sop_class.as_str(),
    );
    reference.put_bytes(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance.as_str());
    output.put_items(tags::REFERENCED_SOP_SEQUENCE, vec![reference]);
    Some(output)
}

/// A DT value in the time of this machine, with its offset.
pub(super) fn moment(at: Timestamp) -> String {
    let millisecond = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(millisecond).unwrap_or(jiff::Timestamp::MAX);
    at.to_zoned(TimeZone::system())
        .strftime("%Y%m%d%H%M%S%z")
        .to_string()
}
