//! `dokuei study priors`.

use std::time::Duration;

use serde_json::Value;

use crate::cli::At;
use crate::cli::show::{day, message, table, text};
use crate::control::request::Request;
use crate::language::Failure;
use crate::say;

/// Between two looks at how far it is: often enough to watch, seldom enough to cost nothing. It ends when the node gives
/// the archive up.
const LOOK: Duration = Duration::from_millis(300);

/// Finds earlier studies of a study's patient, and waits until those that are wanted are here.
///
/// # Errors
/// One sentence.
pub(super) fn priors(at: &At, uid: &str, fetch: Vec<String>) -> Result<(), Failure> {
    let uid = uid.to_owned();
    let asked = Request::StudyPriors {
        uid: uid.clone(),
        fetch,
    };
    let mut answer = at.ask(asked)?;
    if !at.json {
        list(&answer);
    }
    if answer["to_fetch"] == 0 {
        at.print(&answer, |_| {});
        return Ok(());
    }
    answer["fetched"] = follow(at, &uid)?;
    at.print(&answer, |_| {});
    let studies = answer["fetched"]["studies"].as_array();
    let missing = studies
        .into_iter()
        .flatten()
        .filter(|study| study["state"] != "here" || !study["why"].is_null())
        .count();
    match missing {
        0 => Ok(()),
        _ => Err(Failure::new(
            "not-fetched",
            say!(
                "{missing} 件の検査を取り寄せられませんでした。上の理由を確認してください。",
                "Studies that were not fetched, or not as they should be: {missing}. See the reasons."
            ),
        )),
    }
}

/// Looks until it is over, and prints what has changed.
fn follow(at: &At, uid: &str) -> Result<Value, Failure> {
    let mut last: Vec<String> = Vec::new();
    loop {
        let uid = uid.to_owned();
        let standing = at.ask(Request::StudyFetching { uid })?;
        let studies = standing["studies"].as_array().cloned().unwrap_or_default();
        let lines: Vec<String> = (1..)
            .zip(&studies)
            .map(|(number, study)| progress(number, studies.len(), study))
            .collect();
        if !at.json {
            let before = last.iter().map(Some).chain(std::iter::repeat(None));
            let changed = lines
                .iter()
                .zip(before)
                .filter(|(line, before)| Some(*line) != *before);
            changed
                .filter(|(line, _)| !line.is_empty())
                .for_each(|(line, _)| outln!("{line}"));
        }
        last = lines;
        if standing["under_way"] == false {
            return Ok(standing);
        }
        std::thread::sleep(LOOK);
    }
}

/// One study's line; empty while it waits.
fn progress(number: usize, of: usize, study: &Value) -> String {
    let (uid, here) = (text(study, "uid"), &study["here"]);
    let objects = match study["objects"].as_u64() {
        Some(objects) => objects.to_string(),
        None => "?".to_owned(),
    };
    let state = match text(study, "state") {
        "waits" => return String::new(),
        "under-way" => say!("受信中", "under way"),
        "here" => say!("到着", "here"),
        _ => say!("未着", "not here"),
    };
    let (state, why) = (state.text().to_owned(), message(study, "why"));
    let line = format!("{number}/{of}  {state}  {here}/{objects}  {uid}  {why}");
    line.trim_end().to_owned()
}

fn list(answer: &Value) {
    let priors = answer["priors"].as_array().map(Vec::as_slice);
    let priors = priors.unwrap_or_default();
    if priors.is_empty() {
        outln!(
            "{}",
            say!(
                "PACS に同じ患者 ID の過去検査はありません。",
                "The archive has no other study under this patient ID."
            )
        );
        return;
    }
    let row = |prior: &Value| {
        let objects = prior["objects"].as_u64();
        let objects = objects.map_or_else(|| "?".to_owned(), |objects| objects.to_string());
        vec![
            day(prior, "date"),
            text(prior, "modality").to_owned(),
            text(prior, "description").to_owned(),
            format!("{}/{objects}", prior["here"]),
            text(prior, "patient_name").to_owned(),
            day(prior, "birth_date"),
            message(prior, "why").to_owned(),
            text(prior, "uid").to_owned(),
        ]
    };
    let headings = say!(
        "検査日,種別,検査名,到着/枚数,患者,生年月日,本人か,検査 UID",
        "date,modality,description,here/objects,patient,birth date,whose,study UID"
    );
    table(
        &headings.text().split(',').collect::<Vec<_>>(),
        &priors.iter().map(row).collect::<Vec<_>>(),
    );
    if answer["more"] == true {
        outln!(
            "{}",
            say!(
                "PACS の答えが多すぎるため、途中までを示しました。",
                "The archive answered more than is read; the rest is not shown."
            )
        );
    }
}
