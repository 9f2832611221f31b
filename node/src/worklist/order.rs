//! What a client asks for that creates a workitem (PS3.4 table CC.2.5-3): a study that lies here, to be read by partners.

use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dokuei_protocol::time::{Span, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::codes;
use super::refused::Refused;
use super::state::State;
use crate::control::request::SendStudy;
use crate::dicom::dataset::DataSet;
use crate::dicom::date_time::{date, offset, time};
use crate::dicom::uid::trim_padding;
use crate::say;

/// Attributes without which nothing is created (type 1 in the table).
const REQUIRED: [Tag; 5] = [
    tags::SCHEDULED_PROCEDURE_STEP_PRIORITY,
    tags::PROCEDURE_STEP_LABEL,
    tags::SCHEDULED_PROCEDURE_STEP_START_DATE_TIME,
    tags::INPUT_READINESS_STATE,
    tags::PROCEDURE_STEP_STATE,
];
/// Hours until the report is needed when the client does not say.
const HOURS: u32 = 24;

/// What to send, as `study send` takes it.
pub(super) fn read(set: &DataSet, now: Timestamp) -> Result<SendStudy, Refused> {
    let missing: Vec<String> = REQUIRED
        .into_iter()
        .filter(|tag| text(set, *tag).is_empty())
        .map(keyword)
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(Refused::Malformed(say!(
            "必須の属性がありません: {missing}。",
            "Attributes are missing: {missing}."
        )));
    }
    if text(set, tags::PROCEDURE_STEP_STATE) != State::Scheduled.term() {
        return Err(Refused::Malformed(say!(
            "新しいワークアイテムの状態は SCHEDULED でなければなりません。",
            "A new workitem's state is SCHEDULED."
        )));
    }
    if !text(set, tags::TRANSACTION_UID).is_empty() {
        return Err(Refused::Malformed(say!(
            "新しいワークアイテムに Transaction UID は指定できません。",
            "A new workitem has no Transaction UID."
        )));
    }
    must_be_a_reading(set)?;
    let priority = codes::priority(&text(set, tags::SCHEDULED_PROCEDURE_STEP_PRIORITY));
    let priority = priority.ok_or_else(|| {
        Refused::Malformed(say!(
            "優先度は HIGH・MEDIUM・LOW のいずれかです。",
            "The priority is HIGH, MEDIUM or LOW."
        ))
    })?;
    let class = set.items(tags::SCHEDULED_STATION_CLASS_CODE_SEQUENCE);
    let class = class.first().map(|code| text(code, tags::CODE_VALUE));
    Ok(SendStudy {
        study: study(set)?,
        to: partners(set)?,
        priority: priority.code().to_owned(),
        specialty: class.unwrap_or_else(|| "general".to_owned()),
        hours: hours(set, now)?,
        // Whoever says that the input is ready means what lies here.
        now: text(set, tags::INPUT_READINESS_STATE) == "READY",
        all: false,
        despite_skipped: false,
        region: None,
        laterality: None,
        despite_check: None,
        pseudonymous: false,
        pixels_seen: false,
    })
}

/// What else than a reading could be asked for is not done here.
fn must_be_a_reading(set: &DataSet) -> Result<(), Refused> {
    let work = set.items(tags::SCHEDULED_WORKITEM_CODE_SEQUENCE);
    let is_reading = |code: &DataSet| text(code, tags::CODE_VALUE) == "110005";
    match work.iter().all(is_reading) {
        true => Ok(()),
        false => Err(Refused::Malformed(say!(
            "ここで作成できるのは読影（110005, DCM）のワークアイテムだけです。",
            "Only interpretation (110005, DCM) can be asked for here."
        ))),
    }
}

fn study(set: &DataSet) -> Result<String, Refused> {
    let input = set.items(tags::INPUT_INFORMATION_SEQUENCE).iter();
    let mut uids: Vec<String> = input
        .map(|item| text(item, tags::STUDY_INSTANCE_UID))
        .filter(|uid| !uid.is_empty())
        .collect();
    uids.sort();
    uids.dedup();
    match uids.as_slice() {
        [uid] => Ok(uid.clone()),
        _ => Err(Refused::Malformed(say!(
            "Input Information Sequence (0040,4021) で検査を 1 つだけ指定してください。",
            "Name one study in the Input Information Sequence (0040,4021)."
        ))),
    }
}

/// Who is asked: stations by name or code, or organisations of performers.
fn partners(set: &DataSet) -> Result<Vec<String>, Refused> {
    let stations = set.items(tags::SCHEDULED_STATION_NAME_CODE_SEQUENCE).iter();
    let stations = stations.map(
        |code| match text(code, tags::CODING_SCHEME_DESIGNATOR).as_str() {
            codes::OWN => text(code, tags::CODE_VALUE),
            _ => text(code, tags::CODE_MEANING),
        },
    );
    let performers = set.items(tags::SCHEDULED_HUMAN_PERFORMERS_SEQUENCE).iter();
    let performers = performers.map(|human| text(human, tags::HUMAN_PERFORMER_ORGANIZATION));
    let mut all: Vec<String> = Vec::new();
    for name in stations.chain(performers).filter(|name| !name.is_empty()) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    match all.is_empty() {
        false => Ok(all),
        true => Err(Refused::Malformed(say!(
            "依頼先の施設を Scheduled Station Name Code Sequence (0040,4025) の Code Meaning か、Human Performer's Organization (0040,4036) で指定してください。",
            "Name the partners to ask: as code meanings in the Scheduled Station Name Code Sequence (0040,4025), or as Human Performer's Organization (0040,4036)."
        ))),
    }
}

/// Whole hours until the report is needed, at least one.
fn hours(set: &DataSet, now: Timestamp) -> Result<u32, Refused> {
    let said = text(set, tags::EXPECTED_COMPLETION_DATE_TIME);
    if said.is_empty() {
        return Ok(HOURS);
    }
    let until = moment(&said).map(|until| until.since(now).0);
    let until = until.filter(|until| *until > 0).ok_or_else(|| {
        Refused::Malformed(say!(
            "Expected Completion DateTime (0040,4011) は将来の日時でなければなりません。",
            "The Expected Completion DateTime (0040,4011) is a moment still to come."
        ))
    })?;
    Ok(u32::try_from(until.div_ceil(Span::HOUR.0)).unwrap_or(u32::MAX))
}

/// A DT value to the second, by this machine's zone where it names none.
fn moment(text: &str) -> Option<Timestamp> {
    let at = text.find(['+', '-']).unwrap_or(text.len());
    let (local, zone) = text.split_at(at);
    let zone = match zone {
        "" => TimeZone::system(),
        zone => TimeZone::fixed(offset(zone)?),
    };
    let day = date(local.get(..8)?)?;
    let hour = local.get(8..).filter(|hour| !hour.is_empty());
    let hour = hour.map_or(Some(jiff::civil::Time::midnight()), time)?;
    let moment = zone.to_timestamp(DateTime::from_parts(day, hour)).ok()?;
    u64::try_from(moment.as_millisecond()).ok().map(Timestamp)
}

/// A text of a data set that was read from JSON, and so is in UTF-8 at every depth.
pub(super) fn text(set: &DataSet, tag: Tag) -> String {
    let bytes = set.bytes(tag).map(trim_padding).unwrap_or_default();
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// An attribute's keyword, or its tag.
pub(super) fn keyword(tag: Tag) -> String {
    match StandardDataDictionary.by_tag(tag) {
        Some(entry) => entry.alias().to_owned(),
        None => tag.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dataset::json;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn order() -> serde_json::Value {
        serde_json::json!({
            "00741000": { "vr": "CS", "Value": ["SCHEDULED"] },
            "00741200": { "vr": "CS", "Value": ["HIGH"] },
            "00741204": { "vr": "LO", "Value": ["CT chest"] },
            "00404005": { "vr": "DT", "Value": ["20270115080000"] },
            "00404041": { "vr": "CS", "Value": ["READY"] },
            "00404011": { "vr": "DT", "Value": ["20270115103000+0000"] },
            "00404025": { "vr": "SQ", "Value": [{ "00080104": { "vr": "LO", "Value": ["架空大学病院"] } }] },
            "00404021": { "vr": "SQ", "Value": [{ "0020000D": { "vr": "UI", "Value": ["1.2.3"] } }] },
        })
    }

    fn said(order: &serde_json::Value) -> Result<SendStudy, Refused> {
        read(&json::read(order.to_string().as_bytes()).ok().unwrap(), NOW)
    }

    #[test]
    fn an_order_names_a_study_a_partner_and_when_it_is_needed() {
        let send = said(&order()).ok().unwrap();
        assert_eq!(
            (send.study.as_str(), send.priority.as_str()),
            ("1.2.3", "stat")
        );
        assert_eq!(send.to, ["架空大学病院"]);
        // 08:00 to 10:30.
        assert_eq!((send.hours, send.specialty.as_str()), (3, "general"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_refused() {
        for gone in [
            "00741000", "00741200", "00741204", "00404005", "00404041", "00404025", "00404021",
        ] {
            let mut less = order();
            less.as_object_mut().unwrap().remove(gone);
            assert!(matches!(said(&less), Err(Refused::Malformed(_))), "{gone}");
        }
        for (tag, vr, value) in [
            ("00741000", "CS", "IN PROGRESS"),
            ("00741200", "CS", "SOON"),
            ("00081195", "UI", "1.2"),
            ("00404011", "DT", "20200101"),
            ("00404011", "DT", "tomorrow"),
        ] {
            let mut wrong = order();
            wrong[tag] = serde_json::json!({ "vr": vr, "Value": [value] });
            assert!(matches!(said(&wrong), Err(Refused::Malformed(_))), "{tag}");
        }
    }
}
