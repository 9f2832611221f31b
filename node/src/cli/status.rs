//! `dokuei status`.

use serde_json::Value;

use crate::cli::arguments::Status;
use crate::cli::show::{bytes, message, text, time};
use crate::cli::{At, partner};
use crate::control::request::Request;
use crate::language::Failure;
use crate::say;

/// Prints how a node is.
///
/// # Errors
/// One sentence.
pub(super) fn status(status: &Status) -> Result<(), Failure> {
    let at = At {
        dir: status.folder.clone().or_else(|| status.at.dir.clone()),
        json: status.at.json,
    };
    let answer = at.ask(Request::Status)?;
    at.print(&answer, show);
    Ok(())
}

fn show(answer: &Value) {
    let (name, site) = (text(answer, "name"), text(answer, "site"));
    println!(
        "{}",
        say!(
            "施設 {name}（{}）",
            "site {name} ({})",
            &site[..site.len().min(8)]
        )
    );
    let dicom = &answer["dicom"];
    println!(
        "DICOM {}:{} {}",
        text(dicom, "host"),
        dicom["port"],
        text(dicom, "ae_title")
    );
    let (open, all, documents) = (
        &answer["cases"]["open"],
        &answer["cases"]["all"],
        &answer["documents_waiting"],
    );
    println!(
        "{}",
        say!(
            "症例 {open} 件が進行中（全 {all} 件）、送信待ちの文書 {documents} 件",
            "{open} open cases of {all}, {documents} documents waiting to be sent"
        )
    );
    let oldest = &answer["oldest_waiting"];
    if oldest.is_null() {
        println!("{}", say!("待っているものはありません。", "Nothing waits."));
    } else {
        let (case, since, reason) = (
            text(oldest, "case"),
            time(&oldest["since"]),
            message(oldest, "why"),
        );
        println!(
            "{}",
            say!(
                "最も長く待っている症例: {}（{since} から）{reason}",
                "oldest waiting case: {} since {since}, {reason}",
                &case[..case.len().min(8)]
            )
        );
    }
    let disk = &answer["disk"];
    let (free, total) = (bytes(&disk["free_bytes"]), bytes(&disk["total_bytes"]));
    println!(
        "{}",
        say!(
            "ディスク 空き {free} / {total}",
            "disk {free} free of {total}"
        )
    );
    if disk["intake"] == false {
        println!(
            "{}",
            say!(
                "空き容量が少ないため、新しい検査の受信を止めています。",
                "Intake of new studies is stopped: the disk is nearly full."
            )
        );
    }
    partner::list(&answer["partners"]);
}
