//! `dokuei status`.

use serde_json::Value;

use crate::cli::arguments::Status;
use crate::cli::show::{bytes, date, elapsed, fields, message, minute, short, text};
use crate::cli::{At, partner};
use crate::control::request::Request;
use crate::language::{Failure, Language, Message};
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

/// First what needs somebody, then how the node is, then the partners.
fn show(answer: &Value) {
    outln!(
        "{}  {}\n",
        text(answer, "name"),
        short(text(answer, "site"))
    );
    let attention = answer["attention"].as_array();
    let attention = attention.map(Vec::as_slice).unwrap_or_default();
    if attention.is_empty() {
        outln!(
            "{}\n",
            say!("対応が必要なことはありません。", "Nothing needs attention.")
        );
    } else {
        outln!("{}", say!("要確認", "Needs attention"));
        for said in attention {
            outln!("  ! {}", in_language(said));
        }
        outln!();
    }
    print!("{}", fields(0, &node(answer)));
    outln!("\n{}", say!("相手施設", "Partners"));
    partner::list(&answer["partners"]);
}

fn node(answer: &Value) -> Vec<(&'static str, String)> {
    let label = |ja, en| match Language::current() {
        Language::Japanese => ja,
        Language::English => en,
    };
    vec![
        (
            label("最も長い待ち", "waits longest"),
            oldest(&answer["oldest_waiting"]),
        ),
        (label("症例", "cases"), cases(&answer["cases"])),
        (label("検査", "studies"), studies(&answer["studies"])),
        (label("未送信の文書", "documents"), documents(answer)),
        (label("ディスク", "disk"), disk(&answer["disk"])),
        (label("DICOM 受信", "DICOM in"), entity(&answer["dicom"])),
        (label("PACS", "archive"), entity(&answer["archive"])),
        (label("相手施設から", "partners call"), reached(answer)),
        (
            label("施設証明書", "certificate"),
            certificate(&answer["keys"]),
        ),
        (label("ノード", "node"), process(answer)),
    ]
}

fn oldest(oldest: &Value) -> String {
    if oldest.is_null() {
        return shown(&say!("なし", "nothing"));
    }
    let (case, why) = (short(text(oldest, "case")), message(oldest, "why"));
    let (since, long) = (minute(&oldest["since"]), elapsed(&oldest["since"]));
    let mut lines = vec![
        why.to_owned(),
        shown(&say!(
            "症例 {case}、{since} から（{long}）",
            "case {case}, since {since} ({long})"
        )),
    ];
    let partner = text(oldest, "partner");
    if !partner.is_empty() {
        lines.push(shown(&say!("相手 {partner}", "with {partner}")));
    }
    if !oldest["due"].is_null() {
        let due = minute(&oldest["due"]);
        lines.push(shown(&say!("返却予定 {due}", "promised by {due}")));
    }
    lines.join("\n")
}

fn cases(cases: &Value) -> String {
    let (open, all) = (&cases["open"], &cases["all"]);
    let mut lines = vec![shown(&say!(
        "進行中 {open} 件（全 {all} 件）",
        "{open} open of {all}"
    ))];
    for reason in cases["waiting"].as_array().into_iter().flatten() {
        let mark = if reason["here"] == true { "!" } else { " " };
        let (count, why) = (
            reason["count"].as_u64().unwrap_or(0),
            message(reason, "why"),
        );
        lines.push(format!("{mark} {count:>4}  {why}"));
    }
    lines.join("\n")
}

fn studies(studies: &Value) -> String {
    let (arriving, unsent) = (&studies["arriving"], &studies["unsent"]);
    let mut said = shown(&say!(
        "未依頼 {unsent} 件、受信中 {arriving} 件",
        "{unsent} not sent, {arriving} arriving"
    ));
    if !studies["oldest_unsent"].is_null() {
        let since = minute(&studies["oldest_unsent"]);
        said += &shown(&say!(
            "（最も古い未依頼 {since}）",
            " (the oldest not sent came {since})"
        ));
    }
    said
}

fn documents(answer: &Value) -> String {
    let documents = &answer["documents_waiting"];
    shown(&say!("{documents} 件", "{documents} to send"))
}

fn disk(disk: &Value) -> String {
    let (free, total) = (bytes(&disk["free_bytes"]), bytes(&disk["total_bytes"]));
    let percent = match (disk["free_bytes"].as_u64(), disk["total_bytes"].as_u64()) {
        (Some(free), Some(total)) if total > 0 => u128::from(free) * 100 / u128::from(total),
        (Some(_) | None, Some(_) | None) => 0,
    };
    shown(&say!(
        "空き {free} / {total}（{percent} %）",
        "{free} free of {total} ({percent} %)"
    ))
}

fn entity(entity: &Value) -> String {
    if entity.is_null() {
        return shown(&say!("設定なし", "not configured"));
    }
    let (title, host, port) = (
        text(entity, "ae_title"),
        text(entity, "host"),
        &entity["port"],
    );
    format!("{title}  {host}:{port}")
}

/// Where partners call, and where the node listens for them.
fn reached(answer: &Value) -> String {
    let list = |field: &str| {
        let all = answer[field].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let (announced, listen) = (list("announced"), list("listen"));
    if announced == listen {
        return announced;
    }
    if announced.is_empty() {
        return shown(&say!(
            "知らせていません（こちらから接続するだけ）。待ち受け {listen}",
            "nowhere announced: this node only calls out; listens on {listen}"
        ));
    }
    shown(&say!(
        "{announced}（待ち受け {listen}）",
        "{announced} (listens on {listen})"
    ))
}

fn certificate(certificate: &Value) -> String {
    let (until, days) = (date(&certificate["until"]), &certificate["days_left"]);
    shown(&say!(
        "{until} まで（あと {days} 日）",
        "until {until} ({days} days)"
    ))
}

fn process(answer: &Value) -> String {
    let (version, started) = (text(answer, "version"), minute(&answer["started"]));
    let (pid, memory) = (&answer["pid"], bytes(&answer["memory_bytes"]));
    shown(&say!(
        "dokuei {version}、{started} から、プロセス {pid}、メモリ {memory}",
        "dokuei {version}, since {started}, process {pid}, {memory} of memory"
    ))
}

fn in_language(said: &Value) -> &str {
    match Language::current() {
        Language::Japanese => text(said, "ja"),
        Language::English => text(said, "en"),
    }
}

fn shown(message: &Message) -> String {
    message.text().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_reason_has_a_line_and_what_is_to_do_here_a_mark() {
        let reason = |count: u32, here: bool, en: &str| json!({ "count": count, "here": here, "why": { "ja": en, "en": en } });
        let shown = cases(
            &json!({ "open": 3, "all": 9, "waiting": [reason(2, true, "to read"), reason(1, false, "on its way")] }),
        );
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1..], ["!    2  to read", "     1  on its way"]);
    }

    #[test]
    fn the_oldest_says_why_first() {
        let why = json!({ "ja": "待ち", "en": "waits" });
        let shown = oldest(
            &json!({ "case": "0123456789", "since": 0, "due": 60_000, "partner": "架空病院", "why": why }),
        );
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0] == "waits" || lines[0] == "待ち");
        assert!(lines[1].contains("01234567") && !lines[1].contains("012345678"));
        assert!(lines[2].contains("架空病院"));
    }
}
