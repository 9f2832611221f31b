//! `dokuei case …`.

use serde_json::Value;

use crate::cli::arguments::Case;
use crate::cli::show::{bytes, message, table, text, time};
use crate::control::request::Request;
use crate::language::{Failure, word};
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
            word(text(case, "phase")).text().to_owned(),
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

/// Prints one case as people read it.
pub(super) fn show(case: &Value) {
    let (short, partner, phase) = (
        text(case, "short"),
        text(&case["partner"], "name"),
        word(text(case, "phase")),
    );
    println!(
        "{}",
        say!(
            "症例 {short}  相手施設 {partner}  段階 {phase}",
            "case {short}  partner {partner}  phase {phase}";
            phase = phase
        )
    );
    println!("  {}", message(case, "waiting"));
    let trouble = message(case, "trouble");
    if !trouble.is_empty() {
        println!(
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
        println!(
            "  {}",
            say!(
                "転送 {here} / {whole}（{objects} / {all} 枚）",
                "transfer {here} of {whole} ({objects} of {all} objects)"
            )
        );
    }
    for happening in case["timeline"].as_array().into_iter().flatten() {
        println!(
            "  {}  {}",
            time(&happening["at"]),
            word(text(happening, "what"))
        );
    }
    for report in case["reports"].as_array().into_iter().flatten() {
        let version = &report["version"];
        println!(
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
