//! `dokuei study …`.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::At;
use crate::cli::arguments::Study;
use crate::cli::deidentify::{deidentify, reidentify};
use crate::cli::show::{bytes, cases, day, explain_marks, marked, message, table, text, time};
use crate::cli::{case, check, priors, quarantine};
use crate::control::request::{CheckStudy, LISTED, Request, SendStudy};
use crate::control::sent::must_be_sent;
use crate::language::{Failure, Message};
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
            now,
            all,
            despite_skipped,
            region,
            laterality,
            despite_check,
            pseudonymous,
            pixels_seen,
            at,
        } => {
            let send = SendStudy {
                study: whole_path(study),
                to,
                priority,
                specialty,
                hours,
                now,
                all,
                despite_skipped,
                region,
                laterality,
                despite_check,
                pseudonymous,
                pixels_seen,
            };
            sent(&at, send)?;
        }
        Study::Priors { uid, fetch, at } => priors::priors(&at, &uid, fetch)?,
        Study::Quarantine(quarantine) => quarantine::quarantine(quarantine)?,
        Study::Check {
            uid,
            region,
            laterality,
            at,
        } => {
            let answer = at.ask(Request::StudyCheck(CheckStudy {
                study: uid,
                region,
                laterality,
            }))?;
            at.print(&answer, check::show);
        }
        Study::Deidentify(asked) => deidentify(asked)?,
        Study::Reidentify(asked) => reidentify(&asked)?,
        Study::Import { path, at } => import(path, &at)?,
    }
    Ok(())
}

fn import(path: PathBuf, at: &At) -> Result<(), Failure> {
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    let path = path.display().to_string();
    let answer = at.ask(Request::StudyImport { path })?;
    at.print(&answer, imported);
    taken(&answer)
}

fn sent(at: &At, send: SendStudy) -> Result<(), Failure> {
    let answer = at.ask(Request::StudySend(send))?;
    at.print(&answer, |answer| {
        imported(&answer["imported"]);
        held_back(&answer["held_back"]);
        let checks = answer["checks"].as_array().into_iter().flatten();
        checks.for_each(check::findings);
        let cases = answer["cases"].as_array().into_iter().flatten();
        cases.for_each(case::show);
    });
    taken(&answer["imported"])?;
    must_be_sent(&answer)
}

/// A file or folder by its whole path: the node may run in another folder than the one it was typed in. Anything else as
/// it was typed.
fn whole_path(study: String) -> String {
    let whole = std::fs::canonicalize(&study).or_else(|error| match study.contains('/') {
        true => std::path::absolute(&study),
        false => Err(error),
    });
    whole.map_or(study, |path| path.display().to_string())
}

/// The studies or patients because of which nothing was sent.
fn held_back(held: &Value) {
    let of = |field: &str| held[field].as_array().cloned().unwrap_or_default();
    for study in of("studies") {
        outln!(
            "  {}  {}  {}  {}  {}",
            marked(&study, "patient_name"),
            marked(&study, "patient_id"),
            day(&study, "date"),
            text(&study, "modality"),
            text(&study, "uid")
        );
    }
    for patient in of("patients") {
        let (id, issuer) = (text(&patient, "id"), text(&patient, "issuer"));
        let study = text(&patient, "study");
        outln!(
            "  {}",
            say!(
                "患者 ID {id} {issuer}（検査 {study}）",
                "patient ID {id} {issuer} (study {study})"
            )
        );
        let files = &patient["files"];
        let names = files["names"].as_array().into_iter().flatten();
        names
            .filter_map(Value::as_str)
            .for_each(|name| outln!("    {name}"));
        let named = files["names"].as_array().map_or(0, Vec::len) as u64;
        let more = files["count"].as_u64().unwrap_or(0).saturating_sub(named);
        if more > 0 {
            outln!("    {}", say!("ほか {more} 件", "and {more} more"));
        }
    }
}

/// An import that found no file, or could take none, is a failure for whoever calls from a program.
fn taken(imported: &Value) -> Result<(), Failure> {
    let skipped = imported["skipped"].as_array().map_or(0, Vec::len);
    if imported.is_null() || imported["taken"] != 0 {
        return Ok(());
    }
    if skipped == 0 {
        return Err(Failure::new(
            "no-files",
            say!(
                "そのフォルダにはファイルがありません。場所を確認してください。",
                "There is no file in that folder. Check the place."
            ),
        ));
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
            marked(study, "patient_name"),
            marked(study, "patient_id"),
            text(study, "modality").to_owned(),
            day(study, "date"),
            objects(study),
            bytes(&study["bytes"]),
            cases(&study["cases"]),
            message(study, "waiting").to_owned(),
            text(study, "uid").to_owned(),
        ]
    };
    let headings = say!(
        "患者,患者 ID,種別,検査日,枚数,容量,症例,状態,検査 UID",
        "patient,id,modality,date,objects,size,case,why it waits,study UID"
    );
    table(
        &headings.text().split(',').collect::<Vec<_>>(),
        &studies.iter().map(row).collect::<Vec<_>>(),
    );
    explain_marks(studies.iter());
    if studies.len() >= LISTED {
        outln!(
            "{}",
            say!(
                "新しい順に {LISTED} 件だけを表示しています。それより前の検査は、ビューアか DICOM 検索（C-FIND、QIDO-RS）で探してください。",
                "Only the newest {LISTED} are shown: look for older ones in the viewer, or with a DICOM query (C-FIND, QIDO-RS)."
            )
        );
    }
}

/// How many objects are here, and of how many when others are on their way.
fn objects(study: &Value) -> String {
    let number = |name: &str| study[name].as_u64().unwrap_or_default();
    match (number("objects"), number("awaited")) {
        (here, 0) => here.to_string(),
        (here, awaited) => format!("{here}/{}", here + awaited),
    }
}

fn show(study: &Value) {
    let parts = study["parts"].as_array().map(Vec::as_slice);
    let parts = parts.unwrap_or_default();
    let count = parts.len();
    for (at, part) in parts.iter().enumerate() {
        if count > 1 {
            let number = at + 1;
            outln!(
                "{}",
                say!(
                    "{count} 部分中の第 {number} 部分",
                    "part {number} of {count}"
                )
            );
        }
        show_part(part);
    }
}

fn show_part(study: &Value) {
    let plain = |field: &str| marked(study, field);
    let mut fields = vec![
        (say!("患者", "patient"), plain("patient_name")),
        (say!("患者 ID", "patient id"), plain("patient_id")),
        (say!("生年月日", "birth date"), day(study, "birth_date")),
        (say!("性別", "sex"), plain("sex")),
        (
            say!("受付番号", "accession number"),
            plain("accession_number"),
        ),
        (say!("検査日", "date"), day(study, "date")),
        (say!("検査名", "description"), plain("description")),
        (say!("検査 UID", "study UID"), plain("uid")),
        (
            say!("枚数", "objects"),
            format!("{} ({})", objects(study), bytes(&study["bytes"])),
        ),
        (
            say!("受信", "arrived"),
            format!("{} – {}", time(&study["first_at"]), time(&study["last_at"])),
        ),
        (say!("症例", "case"), cases(&study["cases"])),
        (
            say!("状態", "why it waits"),
            message(study, "waiting").to_owned(),
        ),
    ];
    if study["mixes_patients"] == true {
        let patients = study["patients"].as_array().into_iter().flatten();
        let named: Vec<String> = patients
            .map(|patient| format!("{} {}", text(patient, "id"), text(patient, "issuer")))
            .map(|patient| patient.trim().to_owned())
            .collect();
        fields.push((say!("混在する患者 ID", "patient ids"), named.join(", ")));
    }
    if let Some(address) = study["viewer"].as_str() {
        fields.push((say!("ビューア", "viewer"), address.to_owned()));
    }
    let row = |(name, value): (Message, String)| vec![name.text().to_owned(), value];
    table(&["", ""], &fields.into_iter().map(row).collect::<Vec<_>>());
    check::findings(&study["check"]);
    for series in study["series"].as_array().into_iter().flatten() {
        outln!(
            "  {} {} {} × {}",
            text(series, "modality"),
            series["number"],
            marked(series, "description"),
            series["objects"]
        );
    }
    let series = study["series"].as_array().into_iter().flatten();
    explain_marks(std::iter::once(study).chain(series));
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
