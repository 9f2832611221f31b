//! `dokuei case priors`, and the priors that `dokuei case show` shows.

use clap::Args;
use serde_json::Value;

use crate::cli::At;
use crate::cli::show::{day, message, table, text};
use crate::control::request::Request;
use crate::language::{Failure, word};
use crate::say;

/// The words of `dokuei case priors`.
#[derive(Args)]
pub(super) struct Priors {
    /// 症例 ID（先頭 4 文字以上） / case id or its beginning
    case: String,
    /// （読影側）取り寄せる過去検査の番号 / as reader: the numbers of those to ask for
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',')]
    ask: Vec<u16>,
    #[command(flatten)]
    at: At,
}

/// Shows the priors of a case, and asks for some.
///
/// # Errors
/// One sentence.
pub(super) fn priors(priors: Priors) -> Result<(), Failure> {
    let Priors { case, ask, at } = priors;
    let answer = at.ask(Request::CasePriors { case, ask })?;
    at.print(&answer, |case| show(&case["priors"]));
    Ok(())
}

/// Prints priors as people read them.
pub(super) fn show(priors: &Value) {
    let said = message(priors, "why");
    if !said.is_empty() {
        outln!("  {}", say!("過去検査: {said}", "priors: {said}"));
    }
    let told = message(priors, "told_why");
    if !told.is_empty() {
        outln!("  {told}");
    }
    let studies = priors["studies"].as_array().map(Vec::as_slice);
    let studies = studies.unwrap_or_default();
    if studies.is_empty() {
        return;
    }
    let row = |prior: &Value| {
        vec![
            prior["number"].to_string(),
            day(prior, "date"),
            text(prior, "modality").to_owned(),
            text(prior, "region").to_owned(),
            text(prior, "description").to_owned(),
            prior["objects"]
                .as_u64()
                .map_or(String::new(), |objects| objects.to_string()),
            match prior["report"] == true {
                true => say!("あり", "yes").text().to_owned(),
                false => String::new(),
            },
            standing(prior),
        ]
    };
    let headings = say!(
        "番号,検査日,種別,部位,検査,枚数,レポート,状態",
        "no,study date,modality,region,description,objects,report,state"
    );
    table(
        &headings.text().split(',').collect::<Vec<_>>(),
        &studies.iter().map(row).collect::<Vec<_>>(),
    );
}

/// How far one is, and why it does not move.
fn standing(prior: &Value) -> String {
    let state = word(&format!("prior-{}", text(prior, "state")));
    let state = state.text().to_owned();
    let reasons = [message(prior, "why"), message(prior, "trouble")];
    let reasons = reasons.into_iter().filter(|why| !why.is_empty());
    let mut said: Vec<String> = vec![state];
    said.extend(reasons.map(str::to_owned));
    if prior["patient"] == "not-certain" {
        let other = say!(
            "! 患者が同じか画像からは確かめられません",
            "! its images are not certainly of the same patient"
        );
        said.push(other.text().to_owned());
    }
    said.join(": ")
}
