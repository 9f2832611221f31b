//! `dokuei case …`.

use serde_json::Value;

use crate::cli::arguments::Case;
use crate::cli::show::{bytes, message, table, text, time};
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
        Case::Show { case, at } => (at, Request::CaseShow { case }),
        Case::Withdraw { case, reason, at } => (at, Request::CaseWithdraw { case, reason }),
        Case::Offer { case, to, at } => (at, Request::CaseOffer { case, to }),
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
        vec![
            text(case, "short").to_owned(),
            text(&case["partner"], "name").to_owned(),
            phase(case).text().to_owned(),
            message(case, "waiting").to_owned(),
            time(&case["since"]),
            time(&case["due"]),
        ]
    };
    let headings = say!(
        "症例,相手施設,段階,状態,いつから,期限",
        "case,partner,phase,why it waits,since,due"
    );
    table(
        &headings.text().split(',').collect::<Vec<_>>(),
        &cases.iter().map(row).collect::<Vec<_>>(),
    );
}

/// Where a case stands, and which one it is an addition to.
fn phase(case: &Value) -> Message {
    let phase = word(text(case, "phase"));
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
    outln!("  {}", message(case, "waiting"));
    show_study(case);
    let trouble = message(case, "trouble");
    if !trouble.is_empty() {
        outln!(
            "  {}",
            say!("直近の失敗: {trouble}", "last failure: {trouble}")
        );
    }
    let transfer = &case["transfer"];
    if transfer["bytes_total"]
        .as_u64()
        .is_some_and(|total| total > 0)
    {
        let (here, whole) = (bytes(&transfer["bytes"]), bytes(&transfer["bytes_total"]));
        let (objects, all) = (&transfer["objects"], &transfer["objects_total"]);
        outln!(
            "  {}",
            say!(
                "転送 {here} / {whole}（{objects} / {all} 枚）",
                "transfer {here} of {whole} ({objects} of {all} objects)"
            )
        );
    }
    if let Some(message) = in_part(case) {
        outln!("  {message}");
    }
    for addition in case["additions"].as_array().into_iter().flatten() {
        let later = text(addition, "short");
        outln!(
            "  {}",
            say!("追加画像: 症例 {later}", "additional images: case {later}")
        );
    }
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

/// Of a case that has ended before its study was here whole: that images of it are in the archive.
fn in_part(case: &Value) -> Option<Message> {
    let transfer = &case["transfer"];
    let (stored, total) = (&transfer["stored"], &transfer["objects_total"]);
    let is_over = ["released", "withdrawn", "expired", "declined"]
        .iter()
        .any(|phase| case["phase"] == *phase);
    let in_part = stored.as_u64()? > 0 && transfer["objects"].as_u64()? < total.as_u64()?;
    (is_over && case["side"] == "reader" && in_part).then(|| {
        say!(
            "この検査は完全には届かず、{total} 枚中 {stored} 枚が PACS に入っています。PACS で削除してください。",
            "This study did not arrive whole; {stored} of its {total} images are in the archive. Delete them there."
        )
    })
}

/// What is asked for, and what has become of the sealed study.
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
    if text(case, "sealed_study") != "kept" {
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
