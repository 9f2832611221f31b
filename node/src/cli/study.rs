//! `dokuei study …`.

use serde_json::Value;

use crate::cli::arguments::Study;
use crate::cli::case;
use crate::cli::show::{bytes, message, table, text, time};
use crate::control::request::{Request, SendStudy};
use crate::language::Failure;
use crate::say;

/// Performs a command about studies.
///
/// # Errors
/// One sentence.
pub(super) fn study(study: Study) -> Result<(), Failure> {
    match study {
        Study::List { at } => {
            let answer = at.ask(Request::StudyList)?;
            at.print(&answer, list);
        }
        Study::Show { uid, at } => {
            let answer = at.ask(Request::StudyShow { uid })?;
            at.print(&answer, show);
        }
        Study::Send {
            study,
            to,
            priority,
            specialty,
            hours,
            at,
        } => {
            // The node may run in another folder than the one the path was typed in.
            let study =
                std::fs::canonicalize(&study).map_or(study, |path| path.display().to_string());
            let answer = at.ask(Request::StudySend(SendStudy {
                study,
                to,
                priority,
                specialty,
                hours,
            }))?;
            at.print(&answer, |answer| {
                imported(&answer["imported"]);
                answer["cases"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .for_each(case::show);
            });
            taken(&answer["imported"])?;
        }
        Study::Import { path, at } => {
            let path = std::fs::canonicalize(&path)
                .unwrap_or(path)
                .display()
                .to_string();
            let answer = at.ask(Request::StudyImport { path })?;
            at.print(&answer, imported);
            taken(&answer)?;
        }
    }
    Ok(())
}

/// Files that were looked at, and of which none could be taken, are a failure for whoever calls from a program.
fn taken(imported: &Value) -> Result<(), Failure> {
    let skipped = imported["skipped"].as_array().map_or(0, Vec::len);
    if skipped == 0 || imported["taken"] != 0 {
        return Ok(());
    }
    Err(Failure::new(
        "nothing-taken",
        say!(
            "取り込めるファイルがなかったため、何も行いませんでした。上の理由を確認してください。",
            "No file could be taken in, so nothing was done: see the reasons above."
        ),
    ))
}

fn list(answer: &Value) {
    let studies = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |study: &Value| {
        vec![
            text(study, "patient_name").to_owned(),
            text(study, "patient_id").to_owned(),
            text(study, "modality").to_owned(),
            text(study, "date").to_owned(),
            study["objects"].to_string(),
            bytes(&study["bytes"]),
            message(study, "waiting").to_owned(),
            text(study, "uid").to_owned(),
        ]
    };
    let headings = say!(
        "患者,患者 ID,種別,検査日,枚数,容量,状態,検査 UID",
        "patient,id,modality,date,objects,size,why it waits,study UID"
    );
    table(
        &headings.text().split(',').collect::<Vec<_>>(),
        &studies.iter().map(row).collect::<Vec<_>>(),
    );
}

fn show(study: &Value) {
    let fields = [
        (
            say!("患者", "patient"),
            text(study, "patient_name").to_owned(),
        ),
        (
            say!("患者 ID", "patient id"),
            text(study, "patient_id").to_owned(),
        ),
        (
            say!("生年月日", "birth date"),
            text(study, "birth_date").to_owned(),
        ),
        (say!("性別", "sex"), text(study, "sex").to_owned()),
        (
            say!("受付番号", "accession number"),
            text(study, "accession_number").to_owned(),
        ),
        (say!("検査日", "date"), text(study, "date").to_owned()),
        (
            say!("検査名", "description"),
            text(study, "description").to_owned(),
        ),
        (say!("検査 UID", "study UID"), text(study, "uid").to_owned()),
        (
            say!("枚数", "objects"),
            format!("{} ({})", study["objects"], bytes(&study["bytes"])),
        ),
        (
            say!("受信", "arrived"),
            format!("{} – {}", time(&study["first_at"]), time(&study["last_at"])),
        ),
        (
            say!("状態", "why it waits"),
            message(study, "waiting").to_owned(),
        ),
    ];
    table(
        &["", ""],
        &fields.map(|(name, value)| vec![name.text().to_owned(), value]),
    );
    for series in study["series"].as_array().into_iter().flatten() {
        outln!(
            "  {} {} {} × {}",
            text(series, "modality"),
            series["number"],
            text(series, "description"),
            series["objects"]
        );
    }
}

fn imported(imported: &Value) {
    if imported.is_null() {
        return;
    }
    let (taken, skipped) = (
        &imported["taken"],
        imported["skipped"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default(),
    );
    let left = skipped.len();
    outln!(
        "{}",
        say!(
            "{taken} 枚を取り込みました。取り込まなかったファイルは {left} 件です。",
            "Took in {taken} objects, skipped {left} files."
        )
    );
    for skipped in skipped {
        outln!("  {}: {}", text(skipped, "file"), message(skipped, "why"));
    }
}
