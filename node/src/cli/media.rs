//! `dokuei media …`.

use serde_json::Value;

use crate::cli::arguments::Media;
use crate::cli::show::{day, message, minute, short, table, text};
use crate::control::request::{DecideMedia, Request};
use crate::language::Failure;
use crate::say;

/// Performs a command about media.
///
/// # Errors
/// One sentence.
pub(super) fn media(media: Media) -> Result<(), Failure> {
    match media {
        Media::Import { path, of, at } => {
            let path = std::fs::canonicalize(&path).unwrap_or(path);
            let path = path.display().to_string();
            let answer = at.ask(Request::MediaImport { path, of })?;
            at.print(&answer, show);
            if answer["taken"] == 0 {
                return Err(Failure::new(
                    "nothing-taken",
                    say!(
                        "取り込める画像がありませんでした。上の理由を確認してください。",
                        "No image could be taken in: see the reasons above."
                    ),
                ));
            }
        }
        Media::List { at } => {
            let answer = at.ask(Request::MediaList)?;
            at.print(&answer, list);
        }
        Media::Show { import, at } => {
            let answer = at.ask(Request::MediaShow { import })?;
            at.print(&answer, show);
        }
        Media::Decide {
            import,
            study,
            whose,
            issuer,
            at,
        } => {
            let answer = at.ask(Request::MediaDecide(DecideMedia {
                import,
                study,
                patient: whose.patient,
                issuer,
                discard: whose.discard,
            }))?;
            at.print(&answer, show);
        }
    }
    Ok(())
}

fn list(answer: &Value) {
    let row = |import: &Value| {
        let studies = import["studies"].as_array().map_or(0, Vec::len);
        let open = match import["open"] == true {
            true => say!("確認待ち", "to be decided"),
            false => say!("済", "done"),
        };
        vec![
            short(text(import, "name")).to_owned(),
            minute(&import["at"]),
            studies.to_string(),
            import["taken"].to_string(),
            import["skipped_count"].to_string(),
            open.text().to_owned(),
            text(import, "place").to_owned(),
        ]
    };
    let headings = say!(
        "名前,日時,検査,枚数,除外,状態,場所",
        "name,at,studies,images,skipped,state,place"
    );
    let rows: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
    table(&headings.text().split(',').collect::<Vec<_>>(), &rows);
}

fn show(import: &Value) {
    let (name, taken) = (short(text(import, "name")), &import["taken"]);
    let skipped = &import["skipped_count"];
    outln!(
        "{}",
        say!(
            "控え {name}: {taken} 枚を取り込み、{skipped} 件を除外しました。",
            "receipt {name}: took in {taken} objects, skipped {skipped} files"
        )
    );
    for study in import["studies"].as_array().into_iter().flatten() {
        let whose = &study["whose"];
        outln!(
            "  {}  {}  {}  {}  × {}  {}: {}",
            text(whose, "patient_name"),
            text(whose, "patient_id"),
            day(whose, "date"),
            text(whose, "modality"),
            study["objects"],
            text(study, "uid"),
            message(study, "said")
        );
    }
    for skipped in import["skipped"].as_array().into_iter().flatten() {
        outln!("  {}: {}", text(skipped, "file"), message(skipped, "why"));
    }
    let missing = import["missing_count"].as_u64().unwrap_or_default();
    if missing > 0 {
        outln!(
            "{}",
            say!(
                "DICOMDIR にあって見つからないファイル: {missing} 件",
                "listed in the DICOMDIR and not there: {missing} files"
            )
        );
    }
    let names = import["missing"].as_array().into_iter().flatten();
    names
        .filter_map(Value::as_str)
        .for_each(|name| outln!("  {name}"));
}
