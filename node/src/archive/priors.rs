//! Earlier studies of a patient in this site's own archive. What it answers is bounded in number, time and length, and
//! judged here: an archive that finds too much, or another patient under the same ID, is not believed.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::{Level, Model};
use crate::dicom::pdu::uid::is_uid;
use crate::dicom::scu::{Destination, Found, ScuFault, find};
use crate::studies::identity::{Agreement, Identity};

/// Answers read. Few patients have a hundred studies; an archive that does not understand the question may answer with
/// everything it has.
const ANSWERS: usize = 1000;
/// Longest text shown of an answer, in characters: the longest value the standard allows in these, and then some.
const TEXT: usize = 256;

/// A study of the archive. Holds patient data: no `Debug`.
#[derive(Clone)]
pub struct Prior {
    /// Study Instance UID.
    pub uid: String,
    /// Study Date (0008,0020), as it came.
    pub date: String,
    /// Study Time (0008,0030), as it came.
    pub time: String,
    /// Modalities in Study (0008,0061), separated by spaces.
    pub modalities: String,
    /// Study Description (0008,1030).
    pub description: String,
    /// Patient's Name (0010,0010), as people read it.
    pub patient_name: String,
    /// Patient ID (0010,0020).
    pub patient_id: String,
    /// Patient's Birth Date (0010,0030), as it came.
    pub birth_date: String,
    /// Number of Study Related Instances (0020,1208), if the archive says.
    pub objects: Option<u32>,
    /// Whether it is of the patient asked for.
    pub agreement: Agreement,
}

/// What the archive answered. Holds patient data: no `Debug`.
pub struct Answered {
    /// Studies under the patient's ID, the newest first.
    pub priors: Vec<Prior>,
    /// Whether it has more than was read.
    pub more: bool,
}

/// Asks `archive` for studies under the ID of `patient` other than `study`.
///
/// # Errors
/// As of [`find`].
pub fn priors(
    archive: &Destination,
    patient: &Identity,
    study: &str,
) -> Result<Answered, ScuFault> {
    let mut known = BTreeSet::from([study.to_owned()]);
    let mut priors = Vec::new();
    let found = find(
        archive,
        Model::StudyRoot,
        Level::Study,
        &question(&patient.patient.id),
        ANSWERS,
        &mut |answer| {
            let prior = judged(patient, &answer);
            priors.extend(prior.filter(|prior| known.insert(prior.uid.clone())));
            ControlFlow::Continue(())
        },
    )?;
    priors.sort_by_key(|prior| Reverse((prior.date.clone(), prior.time.clone())));
    let more = found == Found::Some;
    Ok(Answered { priors, more })
}

/// The issuer is asked for and not searched by: many archives do not know it, and would find nothing.
fn question(id: &str) -> DataSet {
    let mut question = DataSet::default();
    if !id.is_ascii() {
        question.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    }
    question.put_text(tags::PATIENT_ID, VR::LO, id);
    let wanted: [(Tag, VR); 9] = [
        (tags::STUDY_INSTANCE_UID, VR::UI),
        (tags::STUDY_DATE, VR::DA),
        (tags::STUDY_TIME, VR::TM),
        (tags::STUDY_DESCRIPTION, VR::LO),
        (tags::MODALITIES_IN_STUDY, VR::CS),
        (tags::PATIENT_NAME, VR::PN),
        (tags::PATIENT_BIRTH_DATE, VR::DA),
        (tags::ISSUER_OF_PATIENT_ID, VR::LO),
        (tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS),
    ];
    for (tag, vr) in wanted {
        question.put_text(tag, vr, "");
    }
    question
}

/// An answer with its judgement; none when it is no study, or under another ID.
fn judged(patient: &Identity, answer: &DataSet) -> Option<Prior> {
    let short = |text: String| text.trim().chars().take(TEXT).collect::<String>();
    let uid = answer.code(tags::STUDY_INSTANCE_UID);
    let uid = uid.trim_end_matches('\0').to_owned();
    let identity = Identity::of_data_set(answer);
    if !is_uid(&uid) || identity.patient.id != patient.patient.id {
        return None;
    }
    let name = answer.names(tags::PATIENT_NAME).into_iter().next();
    Some(Prior {
        uid,
        date: short(answer.text(tags::STUDY_DATE)),
        time: short(answer.text(tags::STUDY_TIME)),
        modalities: short(answer.texts(tags::MODALITIES_IN_STUDY).join(" ")),
        description: short(answer.text(tags::STUDY_DESCRIPTION)),
        patient_name: short(name.unwrap_or_default().display()),
        patient_id: short(identity.patient.id.clone()),
        birth_date: short(answer.text(tags::PATIENT_BIRTH_DATE)),
        objects: answer
            .code(tags::NUMBER_OF_STUDY_RELATED_INSTANCES)
            .parse()
            .ok(),
        agreement: patient.agreement_in_one_house(&identity),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(uid: &str, id: &str, name: &str, birth_date: &str) -> DataSet {
        let mut answer = question(id);
        answer.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        answer.put_text(tags::STUDY_INSTANCE_UID, VR::UI, uid);
        answer.put_text(tags::PATIENT_NAME, VR::PN, name);
        answer.put_text(tags::PATIENT_BIRTH_DATE, VR::DA, birth_date);
        answer
    }

    #[test]
    fn an_answer_is_judged_by_two_identifiers_and_one_under_another_id_is_none() {
        let name = "Yamada^Tarou=山田^太郎";
        let here = Identity::of_data_set(&answer("1.2", "P-1", name, "19700101"));
        let judge = |uid: &str, id: &str, name: &str, date: &str| {
            judged(&here, &answer(uid, id, name, date)).map(|prior| prior.agreement)
        };
        // Neither side says who issued the ID: name and birth date must both agree.
        let by_kanji = judge("1.3", "P-1", "=山田^太郎", "19700101");
        assert_eq!(by_kanji, Some(Agreement::Same));
        let date_alone = judge("1.3", "P-1", "", "19700101");
        assert_eq!(date_alone, Some(Agreement::Unsure));
        let name_alone = judge("1.3", "P-1", name, "");
        assert_eq!(name_alone, Some(Agreement::Unsure));
        assert_eq!(judge("1.3", "P-1", "", ""), Some(Agreement::Unsure));
        let other = judge("1.3", "P-1", name, "19991231");
        assert_eq!(other, Some(Agreement::Contradicts));
        assert_eq!(judge("1.3", "P-2", name, "19700101"), None);
        assert_eq!(judge("../1", "P-1", name, "19700101"), None);
        assert_eq!(judge("", "P-1", name, "19700101"), None);
    }

    #[test]
    fn what_an_archive_says_is_shown_within_bounds() {
        let here = Identity::of_data_set(&answer("1.2", "P-1", "", "19700101"));
        let mut long = answer("1.3", "P-1", &"x".repeat(100_000), "19700101");
        long.put_text(tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, "-7");
        let prior = judged(&here, &long).unwrap();
        assert_eq!(prior.patient_name.chars().count(), TEXT);
        assert_eq!(prior.objects, None);
    }
}
