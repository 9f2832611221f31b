//! `dokuei partner …`.

use serde_json::Value;

use crate::cli::arguments::Partner;
use crate::cli::notice;
use crate::cli::show::{bytes, date, fields, message, minute, short, text, time};
use crate::control::request::Request;
use crate::language::{Failure, Language, Message, word};
use crate::say;

/// Performs a command about partners.
///
/// # Errors
/// One sentence.
pub(super) fn partner(partner: Partner) -> Result<(), Failure> {
    match partner {
        Partner::Invite {
            address,
            pseudonyms,
            at,
        } => {
            let answer = at.ask(Request::PartnerInvite {
                addresses: address,
                pseudonyms,
            })?;
            at.print(&answer, |answer| {
                let (code, until) = (text(answer, "code"), time(&answer["until"]));
                outln!("{code}");
                eprintln!("{}", say!("このコードを相手施設に電話などで伝えてください。{until} まで、一度だけ使えます。これより前に発行した未使用のコードは使えなくなりました。", "Read this code out to the partner. It can be used once, until {until}. An earlier code that was not used is no longer valid."));
                if !answer["warning"].is_null() {
                    eprintln!("\n{}", message(answer, "warning"));
                }
            });
        }
        Partner::Accept { code, at } => {
            let answer = at.ask(Request::PartnerAccept { code })?;
            at.print(&answer, accepted);
        }
        Partner::List { at } => {
            let answer = at.ask(Request::PartnerList)?;
            at.print(&answer, list);
        }
        Partner::Propose {
            partner,
            pseudonyms,
            retention_days,
            at,
            ..
        } => {
            let answer = at.ask(Request::PartnerPropose {
                partner,
                pseudonyms,
                retention_days,
            })?;
            at.print(&answer, proposed);
        }
        Partner::Agree { partner, at } => {
            let answer = at.ask(Request::PartnerAgree { partner })?;
            at.print(&answer, signed);
        }
        Partner::Import { file, at } => return notice::import(&file, &at),
        Partner::Remove {
            partner,
            despite_open_cases,
            at,
        } => {
            let answer = at.ask(Request::PartnerRemove {
                partner,
                despite_open_cases,
            })?;
            at.print(&answer, removed);
        }
    }
    Ok(())
}

fn proposed(answer: &Value) {
    let name = text(answer, "name");
    outln!(
        "{}",
        say!(
            "「{name}」に契約を提案しました。相手が「dokuei partner agree」で署名するまでは、今の契約が続きます。",
            "Proposed to '{name}'. The agreement before holds until they sign with 'dokuei partner agree'."
        )
    );
}

fn signed(answer: &Value) {
    let (name, terms) = (text(answer, "name"), agreement(&answer["agreement"]));
    outln!(
        "{}",
        say!(
            "「{name}」との新しい契約に署名しました: {terms}",
            "The agreement with '{name}' is signed: {terms}"
        )
    );
}

fn removed(answer: &Value) {
    let name = text(answer, "name");
    outln!(
        "{}",
        say!("「{name}」の登録を解除しました。", "'{name}' is removed.")
    );
}

fn accepted(answer: &Value) {
    let name = text(answer, "name");
    outln!(
        "{}",
        say!(
            "「{name}」と登録し、契約に署名しました。",
            "Paired with '{name}'; the agreement is signed."
        )
    );
    agreed(answer);
}

/// Prints what the agreement that was just signed says, and whether that is new.
fn agreed(answer: &Value) {
    let (days, earlier) = (
        answer["retention_days"].as_u64(),
        answer["earlier_retention_days"].as_u64(),
    );
    let Some(days) = days else {
        return;
    };
    outln!("{}", kept(days).sentence());
    outln!("{}", named(answer["pseudonyms"] == true).sentence());
    if let Some(earlier) = earlier.filter(|earlier| *earlier != days) {
        outln!(
            "{}",
            say!(
                "これまでの契約とは異なります（これまでは {earlier} 日、今後は {days} 日）。",
                "This differs from the earlier agreement: {earlier} days until now, {days} from now on."
            )
        );
    }
}

/// Under which name studies travel.
fn named(pseudonyms: bool) -> Message {
    match pseudonyms {
        true => say!("検査は必ず仮名で送付", "studies travel under a pseudonym"),
        false => say!("検査はそのまま送付", "studies travel as they are"),
    }
}

/// How long a study is kept.
fn kept(days: u64) -> Message {
    if days == 0 {
        say!(
            "症例の完了と同時に検査を破棄",
            "studies are destroyed when their case is closed"
        )
    } else {
        say!(
            "症例の完了後 {days} 日間、検査を保持",
            "studies are kept for {days} days after their case is closed"
        )
    }
}

/// Prints partners as people read them.
pub(super) fn list(answer: &Value) {
    let partners = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if partners.is_empty() {
        outln!(
            "{}",
            say!(
                "登録された相手施設はありません。「dokuei partner invite」で招待できます。",
                "No partners yet. 'dokuei partner invite' invites one."
            )
        );
        return;
    }
    for partner in partners {
        let (name, site) = (text(partner, "name"), short(text(partner, "site")));
        outln!("{name}  {site}");
        print!("{}", fields(2, &block(partner)));
    }
}

fn block(partner: &Value) -> [(&'static str, String); 5] {
    let label = |ja, en| match Language::current() {
        Language::Japanese => ja,
        Language::English => en,
    };
    [
        (label("接続", "connection"), connection(partner)),
        (label("契約", "agreement"), agreement(&partner["agreement"])),
        (label("提案", "proposed"), proposal(&partner["proposed"])),
        (
            label("読影枠", "reads"),
            reads(&partner["capacity"]["slots"]),
        ),
        (label("未送信", "to send"), unsent(partner)),
    ]
}

/// How a partner is connected, or since when and why it is not.
pub(super) fn connection(partner: &Value) -> String {
    if !partner["standing"].is_null() {
        return message(partner, "standing").to_owned();
    }
    let since = minute(&partner["since"]);
    if partner["connected"] == true {
        let path = &partner["path"];
        let (transport, remote) = (text(path, "transport"), text(path, "remote"));
        let way = if path["direct"] == true {
            say!("直接", "direct")
        } else {
            say!("中継", "relayed")
        };
        let mut said = say!(
            "{transport}・{way} {remote}（{since} から）",
            "{transport}, {way}, {remote}, since {since}"
        )
        .text()
        .to_owned();
        if !partner["bulk"].is_null() {
            said = format!("{said}\n{}", bulk(&partner["bulk"]));
        }
        return said;
    }
    let mut said = say!("なし（{since} から）", "none since {since}")
        .text()
        .to_owned();
    let why = message(partner, "why_not");
    if !why.is_empty() {
        said = format!("{said}\n{why}");
    }
    if !partner["next_try"].is_null() {
        let next = time(&partner["next_try"]);
        let next = say!("次の試み {next}", "tried again at {next}");
        said = format!("{said}\n{next}");
    }
    said
}

/// Which way images go, how fast they do, and how long the way is.
fn bulk(bulk: &Value) -> String {
    let way = match text(bulk, "way") {
        "quic" => say!("QUIC（専用の接続）", "QUIC connection of their own"),
        "tcp" => say!("TCP（専用の接続）", "TCP connections of their own"),
        _ => say!("文書と同じ接続", "the same connection as documents"),
    };
    let mut said = say!("画像: {way}", "images: {way}"; way = way)
        .text()
        .to_owned();
    let rates = [
        ("received_per_second", say!("受信", "in")),
        ("sent_per_second", say!("送信", "out")),
    ];
    for (key, direction) in rates {
        if bulk[key].as_u64().is_some_and(|rate| rate > 0) {
            let (direction, rate) = (direction.text(), bytes(&bulk[key]));
            said = format!("{said}, {direction} {rate}/s");
        }
    }
    if let Some(time) = bulk["round_trip_ms"].as_u64() {
        let round_trip = say!("往復 {time} ms", "round trip {time} ms");
        said = format!("{said}, {}", round_trip.text());
    }
    said
}

fn agreement(agreement: &Value) -> String {
    let until = date(&agreement["until"]);
    let days = agreement["retention_days"].as_u64().unwrap_or_default();
    let said = if agreement.is_null() {
        say!("なし。もう一度ペアリングしてください", "none: pair again")
    } else {
        let pseudonyms = agreement["pseudonyms"] == true;
        say!(
            "{until} まで、{kept}、{named}",
            "until {until}; {kept}; {named}";
            kept = kept(days),
            named = named(pseudonyms)
        )
    };
    said.text().to_owned()
}

/// What a partner proposes instead; empty when it proposes nothing.
fn proposal(proposed: &Value) -> String {
    match proposed.is_null() {
        true => String::new(),
        false => agreement(proposed),
    }
}

/// Lines of equal terms are one, with all their modalities.
fn reads(slots: &Value) -> String {
    let slots = slots.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for slot in slots {
        let (per_day, hours) = (&slot["per_day"], &slot["hours"]);
        let terms = say!(
            "{specialty}、{priority} まで、1 日 {per_day} 件、{hours} 時間以内",
            "{specialty}, up to {priority}, {per_day} a day within {hours} h";
            specialty = word(text(slot, "specialty")),
            priority = word(text(slot, "priority"))
        );
        let modality = text(slot, "modality");
        match lines.iter_mut().find(|(known, _)| known == terms.text()) {
            Some((_, modalities)) => modalities.push(modality),
            None => lines.push((terms.text().to_owned(), vec![modality])),
        }
    }
    if lines.is_empty() {
        return say!("なし", "nothing").text().to_owned();
    }
    let lines = lines
        .iter()
        .map(|(terms, modalities)| format!("{}: {terms}", modalities.join(" ")));
    lines.collect::<Vec<_>>().join("\n")
}

/// What waits to be sent to a partner; empty when nothing does.
fn unsent(partner: &Value) -> String {
    let mut said = Vec::new();
    let documents = partner["documents_waiting"].as_u64().unwrap_or(0);
    if documents > 0 {
        said.push(say!("文書 {documents} 件", "documents: {documents}"));
    }
    if partner["key_to_seal_for"] == false {
        said.push(say!(
            "相手施設の暗号鍵がまだ届いていないため、検査を送れません",
            "no study can be sent: the partner's key to seal for has not arrived"
        ));
    }
    let said: Vec<&str> = said.iter().map(|message| message.text()).collect();
    said.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_of_equal_terms_are_one() {
        let slot = |modality: &str, hours: u32| json!({ "modality": modality, "specialty": "general", "priority": "stat", "per_day": 10, "hours": hours });
        let shown = reads(&json!([slot("CT", 24), slot("MR", 24), slot("US", 48)]));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("CT MR: general") && lines[0].contains("24"));
        assert!(lines[1].starts_with("US: general") && lines[1].contains("48"));
    }

    #[test]
    fn who_is_away_is_shown_with_the_reason_and_the_next_try() {
        let away = json!({ "connected": false, "since": 0, "why_not": { "ja": "応答がありません", "en": "nobody answers" }, "next_try": 60_000 });
        let shown = connection(&away);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("1970-01-0"));
        assert_eq!(lines[1], "nobody answers");
        let path = json!({ "transport": "QUIC", "direct": true, "remote": "127.0.0.1:4400" });
        let here = json!({ "connected": true, "since": 0, "path": path });
        assert!(connection(&here).contains("127.0.0.1:4400"));
        assert_eq!(connection(&here).lines().count(), 1);
    }

    #[test]
    fn which_way_images_go_is_shown_with_rate_and_round_trip() {
        let path = json!({ "transport": "TCP", "direct": true, "remote": "127.0.0.1:4400" });
        let moving = json!({ "way": "quic", "round_trip_ms": 30, "received_per_second": 11_500_000, "sent_per_second": 0 });
        let here = json!({ "connected": true, "since": 0, "path": path, "bulk": moving });
        let shown = connection(&here);
        let line = shown.lines().nth(1).unwrap();
        assert!(
            line.contains("QUIC") && line.contains("11.5 MB/s"),
            "{line}"
        );
        assert!(line.contains("30 ms") && !line.contains("out"), "{line}");
        for way in ["tcp", "shared"] {
            let still = bulk(
                &json!({ "way": way, "round_trip_ms": null, "received_per_second": 0, "sent_per_second": 0 }),
            );
            assert!(
                still.starts_with("images:") && !still.contains("/s"),
                "{still}"
            );
        }
    }

    #[test]
    fn how_long_a_study_is_kept_is_shown() {
        let shown = agreement(&json!({ "until": 60_000, "retention_days": 30 }));
        assert!(shown.contains("30 days"), "{shown}");
        assert!(kept(0).en.contains("destroyed") && kept(0).ja.contains("破棄"));
        assert!(agreement(&Value::Null).contains("pair again"));
    }

    #[test]
    fn nothing_to_send_says_nothing() {
        assert_eq!(
            unsent(&json!({ "documents_waiting": 0, "key_to_seal_for": true })),
            ""
        );
        assert_eq!(
            unsent(&json!({ "documents_waiting": 3, "key_to_seal_for": false }))
                .lines()
                .count(),
            2
        );
    }
}
