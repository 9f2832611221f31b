//! `dokuei study quarantine …`.

use serde_json::Value;

use crate::cli::arguments::Quarantine;
use crate::cli::confirm::confirm;
use crate::cli::show::{message, minute, short, table, text};
use crate::control::request::Request;
use crate::language::Failure;
use crate::say;

/// Performs a command about images that are set aside.
///
/// # Errors
/// One sentence.
pub(super) fn quarantine(quarantine: Quarantine) -> Result<(), Failure> {
    match quarantine {
        Quarantine::List { at } => {
            let answer = at.ask(Request::QuarantineList)?;
            at.print(&answer, list);
        }
        Quarantine::Discard { name, yes, at } => {
            confirm(
                yes,
                &say!(
                    "隔離中の画像を完全に消します。元には戻せません。",
                    "The image that is set aside is removed for good; nothing brings it back."
                ),
            )?;
            let answer = at.ask(Request::QuarantineDiscard { name })?;
            at.print(&answer, |answer| {
                let name = short(text(answer, "name"));
                outln!("{}", say!("{name} を消しました。", "Removed {name}."));
            });
        }
    }
    Ok(())
}

fn list(answer: &Value) {
    let row = |kept: &Value| {
        vec![
            short(text(kept, "name")).to_owned(),
            minute(&kept["at"]),
            text(&kept["whose"], "patient_name").to_owned(),
            text(&kept["whose"], "patient_id").to_owned(),
            text(kept, "study").to_owned(),
            text(kept, "sop_instance").to_owned(),
            message(kept, "why").to_owned(),
            text(kept, "other_study").to_owned(),
        ]
    };
    let headings = say!(
        "名前,受信,患者,患者 ID,検査 UID,SOP Instance UID,理由,同じ UID がある検査",
        "name,arrived,patient,id,study UID,SOP Instance UID,why,study with that UID"
    );
    let rows: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
    table(&headings.text().split(',').collect::<Vec<_>>(), &rows);
}
