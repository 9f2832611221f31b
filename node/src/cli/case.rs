//! `dokuei case …`.

use std::path::Path;

use serde_json::Value;

use crate::cli::At;
use crate::cli::arguments::Case;
use crate::cli::case_priors;
use crate::cli::show::{bytes, day, explain_marks, marked, message, table, text, time};
use crate::control::request::Request;
use crate::language::{Failure, Message, word};
use crate::say;

/// Performs a command about cases.
///
/// # Errors
/// One sentence.
pub(super) fn case(case: Case) -> Result<(), Failure> {
    let (at, request) = match case {
        Case::List { at } => {
            let answer = at.ask(Request::CaseList)?;
            at.print(&answer, list);
            return Ok(());
        }
        Case::Priors(priors) => return case_priors::priors(priors),
        Case::Show { case, at } => (at, Request::CaseShow { case }),
        Case::Withdraw { case, reason, at } => (at, Request::CaseWithdraw { case, reason }),
        Case::Offer { case, to, at } => (at, Request::CaseOffer { case, to }),
        Case::Export { case, to, at } => return export(case, &to, &at),
        Case::Quote { case, hours, at } => (at, Request::CaseQuote { case, hours }),
        Case::Decline { case, at } => (at, Request::CaseDecline { case }),
        Case::Claim { case, reader, at } => (at, Request::CaseClaim { case, reader }),
        Case::Release { case, reason, at } => (at, Request::CaseRelease { case, reason }),
        Case::Acknowledge { case, at } => (at, Request::CaseAcknowledge { case }),
    };
    let answer = at.ask(request)?;
    at.print(&answer, show);
    Ok(())
}

fn list(answer: &Value) {
    let cases = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |case: &Value| {
        let study = &case["study"];
        vec![
            text(case, "short").to_owned(),
            marked(study, "patient_name"),
            marked(study, "patient_id"),
            day(study, "date"),
            modality(case).to_owned(),
            text(&case["partner"], "name").to_owned(),
            phase(case).text().to_owned(),
            why(case),
            time(&case["since"]),
            time(&case["due"]),
        ]
    };
    let headings = say!(
        "症例,患者,患者 ID,検査日,種別,相手施設,段階,状態,いつから,期限",
        "case,patient,id,study date,modality,partner,phase,why it waits,since,due"
    );
    table(
        &headings.text().split(',').collect::<Vec<_>>(),
        &cases.iter().map(row).collect::<Vec<_>>(),
    );
    explain_marks(cases.iter().map(|case| &case["study"]));
}

/// Writes a case to a medium.
fn export(case: String, to: &Path, at: &At) -> Result<(), Failure> {
    let to = std::path::absolute(to).unwrap_or_else(|_| to.to_owned());
    let to = to.display().to_string();
    let answer = at.ask(Request::CaseExport { case, to })?;
    at.print(&answer, |answer| {
        let (objects, place) = (&answer["objects"], text(answer, "place"));
        outln!(
            "{}",
            say!(
                "{objects} 枚を封じたまま {place} に書き出しました。読影側で「dokuei media import」を実行してください。",
                "Wrote {objects} objects, sealed, to {place}. The reader takes them in with 'dokuei media import'."
            )
        );
    });
    Ok(())
}

/// The modality that the study has here, or that was asked for.
fn modality(case: &Value) -> &str {
    let asked = text(&case["terms"], "modality");
    case["study"]["modality"].as_str().unwrap_or(asked)
}

/// Whether a case has ended without a report.
fn has_ended(case: &Value) -> bool {
    ["released", "withdrawn", "expired", "declined", "not-chosen"]
        .iter()
        .any(|phase| case["phase"] == *phase)
}

/// What a case waits for, and why it ended when it has.
fn why(case: &Value) -> String {
    let waits = message(case, "waiting");
    let ended = case["ended"].as_array().into_iter().flatten();
    let mut why: Vec<&str> = Vec::new();
    let asked = message(&case["cancel"], "why");
    if !asked.is_empty() {
        why.push(asked);
    }
    for one in ended.filter(|_| has_ended(case)) {
        let reason = message(one, "why");
        if !why.contains(&reason) {
            why.push(reason);
        }
    }
    match why.is_empty() {
        true => waits.to_owned(),
        false => format!("{waits}: {}", why.join("; ")),
    }
}

/// Where a case stands, and which one it is an addition to.
fn phase(case: &Value) -> Message {
    let mut phase = word(text(case, "phase"));
    if case["retracted"] == true {
        phase = say!("{phase}・レポート取下げ", "{phase}, report retracted"; phase = phase);
    }
    match case["terms"]["addition_to"]["short"].as_str() {
        Some(earlier) => say!(
            "{phase}（{earlier} への追加）",
            "{phase} (addition to {earlier})";
            phase = phase
        ),
        None => phase,
    }
}

/// Prints one case as people read it.
pub(super) fn show(case: &Value) {
    let (short, partner, phase) = (
        text(case, "short"),
        text(&case["partner"], "name"),
        phase(case),
    );
    outln!(
        "{}",
        say!(
            "症例 {short}  相手施設 {partner}  段階 {phase}",
            "case {short}  partner {partner}  phase {phase}";
            phase = phase
        )
    );
    show_subject(&case["study"]);
    outln!("  {}", message(case, "waiting"));
    let asked = message(&case["cancel"], "why");
    if !asked.is_empty() {
        outln!("  {asked}");
    }
    for ended in case["ended"].as_array().into_iter().flatten() {
        let (name, how) = (text(ended, "name"), word(text(ended, "how")));
        let reason = message(ended, "why");
        outln!(
            "  {}",
            say!("{name}: {how}（{reason}）", "{name}: {how} ({reason})"; how = how)
        );
    }
    show_study(case);
    let trouble = message(case, "trouble");
    if !trouble.is_empty() {
        outln!(
            "  {}",
            say!("直近の失敗: {trouble}", "last failure: {trouble}")
        );
    }
    for moved in [&case["transfer"], &case["given"]] {
        for said in ["so_far", "waits_for"] {
            let said = message(moved, said);
            if !said.is_empty() {
                outln!("  {said}");
            }
        }
    }
    if let Some(message) = in_archive(case) {
        outln!("  {message}");
    }
    for addition in case["additions"].as_array().into_iter().flatten() {
        let later = text(addition, "short");
        outln!(
            "  {}",
            say!("追加画像: 症例 {later}", "additional images: case {later}")
        );
    }
    if case["priors"].is_object() {
        case_priors::show(&case["priors"]);
    }
    show_history(case);
}

/// What happened, and the reports.
fn show_history(case: &Value) {
    for happening in case["timeline"].as_array().into_iter().flatten() {
        outln!(
            "  {}  {}",
            time(&happening["at"]),
            word(text(happening, "what"))
        );
    }
    for report in case["reports"].as_array().into_iter().flatten() {
        let version = &report["version"];
        outln!(
            "  {}",
            say!(
                "レポート第 {version} 版  {status}  {reception}",
                "report version {version}  {status}  {reception}";
                status = word(text(report, "status")),
                reception = word(text(report, "reception"))
            )
        );
    }
}

/// Whose case it is, as far as the study is here.
fn show_subject(study: &Value) {
    if !study.is_object() {
        return;
    }
    let (name, id) = (marked(study, "patient_name"), marked(study, "patient_id"));
    let (day, modality) = (day(study, "date"), text(study, "modality"));
    outln!(
        "  {}",
        say!(
            "患者 {name}  患者 ID {id}  検査日 {day}  {modality}",
            "patient {name}  id {id}  study date {day}  {modality}"
        )
    );
    outln!(
        "  {}",
        say!("検査 UID {}", "study UID {}", text(study, "uid"))
    );
    explain_marks(std::iter::once(study));
}

/// Of a case that has ended at its reader: that images of it are in the archive. After a restart the node knows only
/// whether all of them had arrived.
fn in_archive(case: &Value) -> Option<Message> {
    if !has_ended(case) || case["side"] != "reader" {
        return None;
    }
    let phase = word(text(case, "phase"));
    let transfer = &case["transfer"];
    let (stored, total) = (transfer["stored"].as_u64(), &transfer["objects_total"]);
    match stored {
        Some(0) => None,
        Some(stored) if transfer["objects"].as_u64() < total.as_u64() => Some(say!(
            "この検査は完全には届かず、{total} 枚中 {stored} 枚が PACS に入っています。PACS で削除してください。",
            "This study did not arrive whole; {stored} of its {total} images are in the archive. Delete them there."
        )),
        Some(stored) => Some(say!(
            "{phase}: 画像 {stored} 枚が PACS に入っています。PACS で削除してください。",
            "{phase}; {stored} images are in your archive: delete them there.";
            phase = phase
        )),
        None => {
            let mut happened = case["timeline"].as_array().into_iter().flatten();
            happened.any(|one| one["what"] == "received").then(|| say!(
                "{phase}: 画像が PACS に残っているおそれがあります。PACS で確認し、削除してください。",
                "{phase}; its images may be in your archive: look there and delete them.";
                phase = phase
            ))
        }
    }
}

/// What is asked for and promised, and what has become of the sealed study.
fn show_study(case: &Value) {
    let terms = &case["terms"];
    if terms.is_object() {
        let needed = time(&terms["needed"]);
        outln!(
            "  {} {} {}  {}  {}",
            text(terms, "modality"),
            text(terms, "specialty"),
            text(terms, "priority"),
            bytes(&terms["bytes"]),
            say!("希望期限 {needed}", "needed by {needed}")
        );
    }
    if case["due"].is_u64() {
        let due = time(&case["due"]);
        outln!("  {}", say!("返却予定 {due}", "promised by {due}"));
    }
    if case["promised_late"] == true {
        outln!(
            "  {}",
            say!(
                "! 返却予定が希望期限より後です",
                "! it is promised for later than it is needed"
            )
        );
    }
    if let Some(message) = transcoded(&case["transfer"]) {
        outln!("  {message}");
    }
    show_keeping(case);
}

/// That the archive has images otherwise than they came.
fn transcoded(transfer: &Value) -> Option<Message> {
    let (stored, count) = (&transfer["stored"], transfer["transcoded"].as_u64()?);
    (count > 0).then(|| {
        say!(
            "PACS に入った {stored} 枚のうち {count} 枚は、PACS が元の転送構文を受け取らないため、非圧縮に変換して送りました",
            "of {stored} images in your archive {count} were sent uncompressed, since it does not accept the transfer syntax they came in"
        )
    })
}

fn show_keeping(case: &Value) {
    if text(case, "sealed_study") != "kept" && has_ended(case) {
        outln!(
            "  {}",
            say!(
                "検査の鍵を破棄し、暗号化コピーを消しました",
                "the study's key is destroyed and its sealed copy removed"
            )
        );
    } else if text(case, "sealed_study") != "kept" {
        outln!(
            "  {}",
            say!(
                "検査の暗号化コピーは保管期間が過ぎ、鍵を破棄しました",
                "the time for keeping the sealed study is over; its key is destroyed"
            )
        );
    } else if case["kept_until"].is_u64() {
        let until = time(&case["kept_until"]);
        outln!(
            "  {}",
            say!(
                "検査の暗号化コピーを {until} まで保管",
                "the sealed study is kept until {until}"
            )
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn withdrawn(transfer: &Value, timeline: &Value) -> Value {
        json!({ "phase": "withdrawn", "side": "reader", "transfer": transfer, "timeline": timeline })
    }

    #[test]
    fn images_that_stay_in_the_archive_are_counted() {
        let standing = |stored: u64| json!({ "stored": stored, "objects": 3, "objects_total": 3 });
        let said = |case: &Value| in_archive(case).map(|message| message.en);
        let none = json!([]);
        let whole = withdrawn(&standing(3), &none);
        assert!(said(&whole).unwrap().contains("3 images"));
        assert_eq!(said(&withdrawn(&standing(0), &none)), None);
        let part = json!({ "stored": 1, "objects": 2, "objects_total": 3 });
        let part = withdrawn(&part, &none);
        assert!(said(&part).unwrap().contains("1 of its 3 images"));
        let mut open = whole.clone();
        open["phase"] = "received".into();
        assert_eq!(said(&open), None);
    }

    #[test]
    fn after_a_restart_only_the_timeline_tells() {
        let said = |timeline: Value| in_archive(&withdrawn(&Value::Null, &timeline));
        let received = said(json!([{ "what": "received", "at": 1 }])).unwrap();
        assert!(received.en.contains("may be"));
        assert_eq!(said(json!([{ "what": "offered", "at": 1 }])), None);
    }

    #[test]
    fn a_retracted_report_shows_in_the_phase() {
        let case = json!({ "phase": "closed", "retracted": true });
        assert_eq!(phase(&case).en, "closed, report retracted");
    }

    #[test]
    fn a_reason_is_told_once_and_only_of_a_case_that_has_ended() {
        let full = json!({ "why": { "ja": "満", "en": "full" } });
        let waits = json!({ "ja": "終", "en": "over" });
        let mut case = json!({ "phase": "declined", "waiting": waits, "ended": [full, full] });
        assert!(["終: 満", "over: full"].contains(&why(&case).as_str()));
        case["phase"] = "offered".into();
        assert!(["終", "over"].contains(&why(&case).as_str()));
    }
}
