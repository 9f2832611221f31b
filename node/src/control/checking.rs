//! The check before sending: what is held against a study, shown and written down.

use dokuei_keys::id::ParcelId;
use dokuei_protocol::case::check::{Check, Verdict, Word};
use dokuei_protocol::input::Command;
use serde_json::{Value, json};

use crate::checks::{self, Circumstances, Observed, Region, Wanted};
use crate::control::answers::{both, command, no_study, unknown};
use crate::control::request::CheckStudy;
use crate::control::whose::patients_of;
use crate::language::Failure;
use crate::runtime::hands::Hands;
use crate::say;
use crate::studies::patient::are_several;
use crate::studies::seen::Side;
use crate::studies::study::Study;

/// Looks through a study without sending it.
pub(super) fn check(node: &Hands, asked: &CheckStudy) -> Result<Value, Failure> {
    let uid = asked.study.trim();
    if node.ports.register.parcels_of(uid).is_empty() {
        return Err(no_study(uid));
    }
    let wanted = wanted(asked.region.as_deref(), asked.laterality.as_deref())?;
    let mut shown = observed_json(&observe(node, uid, &wanted));
    shown["uid"] = uid.into();
    Ok(shown)
}

/// What a request names of the body.
pub(super) fn wanted(region: Option<&str>, laterality: Option<&str>) -> Result<Wanted, Failure> {
    let region = region.map(|code| {
        let codes: Vec<_> = Region::ALL.iter().map(|region| region.code()).collect();
        let what = say!("部位（--region）", "region (--region)");
        Region::from_code(code).ok_or_else(|| unknown(what, code, &codes))
    });
    let side = laterality.map(|code| {
        let codes: Vec<_> = Side::ALL.iter().map(|side| side.code()).collect();
        let what = say!("左右（--laterality）", "laterality (--laterality)");
        Side::from_code(code).ok_or_else(|| unknown(what, code, &codes))
    });
    Ok(Wanted {
        region: region.transpose()?,
        side: side.transpose()?,
    })
}

/// The word of whoever sends a study that is held back.
pub(super) fn despite(code: Option<&str>) -> Result<Option<Word>, Failure> {
    let word = code.map(|code| {
        let codes: Vec<_> = Word::ALL.iter().map(|word| word.code()).collect();
        let what = say!("理由（--despite-check）", "reason (--despite-check)");
        Word::from_code(code).ok_or_else(|| unknown(what, code, &codes))
    });
    word.transpose()
}

/// Looks through every part of a study of this site.
pub(super) fn observe(node: &Hands, uid: &str, wanted: &Wanted) -> Observed {
    let register = &node.ports.register;
    let parts = register.parcels_of(uid).into_iter();
    let parts: Vec<Study> = parts
        .filter_map(|parcel| register.look(&parcel, Study::clone))
        .collect();
    let patients = patients_of(node, uid);
    let circumstances = Circumstances {
        patients: match are_several(&patients) {
            true => patients.len() as u32,
            false => 0,
        },
        is_undecided: node.ports.imports.is_undecided(uid),
        conflicts: register.quarantine().count_of(uid) as u32,
    };
    checks::observe(&parts, wanted, circumstances)
}

/// Writes down why a study is not sent.
pub(super) async fn note(node: &Hands, parcel: ParcelId, check: Check) -> Result<(), Failure> {
    command(node, Command::NoteCheck(parcel, check))
        .await
        .map(drop)
}

/// What was found, for people and programs.
pub(super) fn observed_json(observed: &Observed) -> Value {
    let mut shown = check_json(&observed.check);
    shown["places"] = observed
        .remarks
        .iter()
        .map(|remark| {
            json!({ "concern": remark.concern.code(), "series": remark.series, "said": both(&remark.place) })
        })
        .collect();
    shown
}

/// A check as it is on record.
pub(super) fn check_json(check: &Check) -> Value {
    let findings = check.findings().iter();
    json!({
        "verdict": check.verdict().code(),
        "said": both(&checks::verdict(check.verdict())),
        "despite": check.despite.map(Word::code),
        "findings": findings
            .map(|finding| json!({
                "concern": finding.concern.code(),
                "count": finding.count,
                "verdict": finding.concern.verdict().code(),
                "said": both(&checks::concern(finding.concern, finding.count)),
            }))
            .collect::<Vec<_>>(),
    })
}

/// Why the check holds a study back; none when it may go.
pub(super) fn held_back(check: &Check) -> Option<Value> {
    if check.may_be_sent() {
        return None;
    }
    let (count, words) = (check.findings().len(), Word::ALL);
    let words: Vec<_> = words.iter().map(|word| word.code()).collect();
    let words = words.join(", ");
    let why = match check.verdict() {
        Verdict::Pass | Verdict::Warn | Verdict::Hold => say!(
            "送信前の確認（検像）で {count} 件の指摘があるため、何も送りませんでした。上の指摘を直して送り直すか、このままでよければ --despite-check に理由（{words}）を付けて送ってください。",
            "Nothing was sent: the check before sending found {count} things (see above). Mend them and send again, or send it as it is with --despite-check and why: {words}."
        ),
        Verdict::Refuse => say!(
            "送信前の確認（検像）で送信できない指摘があるため、何も送りませんでした。上の指摘を直してから送り直してください。",
            "Nothing was sent: the check before sending found what no word overrules (see above). Mend it and send again."
        ),
    };
    let mut held = both(&why);
    held["code"] = "held-by-check".into();
    Some(held)
}
