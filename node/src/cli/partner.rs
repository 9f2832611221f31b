//! `dokuei partner …`.

use serde_json::Value;

use crate::cli::arguments::Partner;
use crate::cli::show::{message, table, text, time};
use crate::control::request::Request;
use crate::language::{Failure, word};
use crate::say;

/// Performs a command about partners.
///
/// # Errors
/// One sentence.
pub(super) fn partner(partner: Partner) -> Result<(), Failure> {
    match partner {
        Partner::Invite { address, at } => {
            let answer = at.ask(Request::PartnerInvite { addresses: address })?;
            at.print(&answer, |answer| {
                let (code, until) = (text(answer, "code"), time(&answer["until"]));
                println!("{code}");
                eprintln!("{}", say!("このコードを相手施設に電話などで伝えてください。{until} まで、一度だけ使えます。", "Read this code out to the partner. It can be used once, until {until}."));
            });
        }
        Partner::Accept { code, at } => {
            let answer = at.ask(Request::PartnerAccept { code })?;
            at.print(&answer, |answer| {
                let name = text(answer, "name");
                println!(
                    "{}",
                    say!(
                        "「{name}」と登録し、契約に署名しました。",
                        "Paired with '{name}'; the agreement is signed."
                    )
                );
            });
        }
        Partner::List { at } => {
            let answer = at.ask(Request::PartnerList)?;
            at.print(&answer, list);
        }
        Partner::Remove { partner, at } => {
            let answer = at.ask(Request::PartnerRemove { partner })?;
            at.print(&answer, |answer| {
                let name = text(answer, "name");
                println!(
                    "{}",
                    say!("「{name}」の登録を解除しました。", "'{name}' is removed.")
                );
            });
        }
    }
    Ok(())
}

/// Prints partners as people read them.
pub(super) fn list(answer: &Value) {
    let partners = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if partners.is_empty() {
        println!(
            "{}",
            say!(
                "登録された相手施設はありません。「dokuei partner invite」で招待できます。",
                "No partners yet. 'dokuei partner invite' invites one."
            )
        );
        return;
    }
    let rows: Vec<Vec<String>> = partners.iter().map(row).collect();
    let headings = say!(
        "施設,接続,契約,読影枠",
        "partner,connection,agreement,reads"
    );
    table(&headings.text().split(',').collect::<Vec<_>>(), &rows);
}

fn row(partner: &Value) -> Vec<String> {
    let connection = if partner["connected"] == true {
        let (transport, remote) = (
            text(&partner["path"], "transport"),
            text(&partner["path"], "remote"),
        );
        format!("{transport} {remote}")
    } else {
        let not_connected = say!("接続なし", "not connected");
        match message(partner, "why_not") {
            "" => not_connected.text().to_owned(),
            why => format!("{not_connected}: {why}"),
        }
    };
    let agreement = if partner["agreement"].is_null() {
        say!("なし", "none").text().to_owned()
    } else {
        say!("{} まで", "until {}", time(&partner["agreement"]["until"]))
            .text()
            .to_owned()
    };
    let slots = partner["capacity"]["slots"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let reads: Vec<String> = slots
        .iter()
        .map(|slot| {
            let (modality, per_day, hours) =
                (text(slot, "modality"), &slot["per_day"], &slot["hours"]);
            say!(
                "{modality}・{specialty}・{priority} 1 日 {per_day} 件 {hours} 時間以内",
                "{modality}/{specialty}/{priority} {per_day} a day within {hours} h";
                specialty = word(text(slot, "specialty")),
                priority = word(text(slot, "priority"))
            )
            .text()
            .to_owned()
        })
        .collect();
    vec![
        text(partner, "name").to_owned(),
        connection,
        agreement,
        reads.join("; "),
    ]
}
