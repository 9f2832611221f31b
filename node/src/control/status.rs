//! How the node is: for whoever looks in the morning, what needs them first.

use std::collections::BTreeSet;

use dokuei_keys::id::ParcelId;
use dokuei_protocol::input::Trouble;
use dokuei_protocol::service::Service;
use dokuei_protocol::service::views::{CaseView, Waiting};
use dokuei_protocol::time::Timestamp;
use serde_json::{Value, json};

use crate::config::reach::is_of_the_house;
use crate::control::answers::{both, partner_name, stopping, waiting};
use crate::control::cases::promised_late;
use crate::control::{keys, partners};
use crate::language::{Failure, Message};
use crate::runtime::desk::now;
use crate::runtime::start::Node;
use crate::say;
use crate::site::people;

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;
/// Days before an agreement or a person's key ends from which its end is named.
const NOTICE: u64 = 30;

/// What the service knows, looked at once.
struct Seen {
    cases: Vec<CaseView>,
    asked: BTreeSet<ParcelId>,
    announced: Vec<String>,
    /// Cases whose studies are kept beyond their time for the archive's sake.
    for_archive: usize,
    documents: usize,
    log: u64,
}

impl Seen {
    fn of(service: &Service) -> Seen {
        let state = service.state();
        let own = state.own.address.as_ref();
        Seen {
            cases: service.cases(),
            asked: state
                .requests
                .values()
                .map(|request| request.manifest.parcel)
                .collect(),
            announced: own
                .map(|(_, record)| record.addresses.clone())
                .unwrap_or_default(),
            for_archive: service.kept_for_archive(now()).count(),
            documents: state
                .outbox
                .values()
                .map(std::collections::VecDeque::len)
                .sum(),
            log: state.head().length,
        }
    }

    fn open(&self) -> impl Iterator<Item = &CaseView> {
        self.cases.iter().filter(|view| !view.waiting.is_over())
    }

    /// What open cases wait for, with how many do, most first.
    fn reasons(&self) -> Vec<(Waiting, usize)> {
        let mut reasons: Vec<(Waiting, usize)> = Vec::new();
        for view in self.open() {
            match reasons.iter_mut().find(|(known, _)| *known == view.waiting) {
                Some((_, count)) => *count += 1,
                None => reasons.push((view.waiting, 1)),
            }
        }
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }
}

/// How the node is.
pub(super) async fn status(node: &Node) -> Result<Value, Failure> {
    let seen = node.desk.ask(Seen::of).await.map_err(|_| stopping())?;
    let at = now().0;
    let partners = partners::list(node).await?;
    let oldest = match seen.open().min_by_key(|view| view.since) {
        Some(view) => oldest_json(node, view).await,
        None => Value::Null,
    };
    let halted = keys::halted(node).await?;
    let attention = attention(node, &seen, &partners, &halted, at)?;
    let (free, total) = crate::disk::Room::under(node.folder.path())
        .free()
        .unwrap_or_default();
    let config = &node.config;
    Ok(json!({
        "name": config.site_name,
        "site": node.ports.site.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started": node.started.0,
        "attention": attention.iter().map(both).collect::<Vec<_>>(),
        "keys": keys::own(node)?,
        "halted": halted.map(|(code, why)| json!({ "code": code, "ja": why.ja, "en": why.en })),
        "listen": node.listening.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "announced": seen.announced,
        "dicom": { "host": node.dicom.ip().to_string(), "port": node.dicom.port(), "tls_port": node.dicom_tls.map(|at| at.port()), "ae_title": config.ae_title, "open_intake": node.entities.is_open() },
        "web": node.web.map(|address| json!({ "host": address.ip().to_string(), "port": address.port(), "encrypted": config.web.tls.is_some() })),
        "archive": config.archive.as_ref().map(|archive| json!({ "host": archive.host, "port": archive.port, "ae_title": archive.ae_title })),
        "partners": partners,
        "studies": studies_json(node, &seen.asked),
        "cases": {
            "open": seen.open().count(),
            "all": seen.cases.len(),
            "waiting": seen.reasons().into_iter().map(|(reason, count)| json!({ "why": both(&waiting(reason)), "count": count, "here": needs_somebody_here(reason) })).collect::<Vec<_>>(),
        },
        "documents_waiting": seen.documents,
        "oldest_waiting": oldest,
        "log_entries": seen.log,
        "disk": { "free_bytes": free, "total_bytes": total, "intake": node.intake.is_open() },
        "audit": node.audit.standing().map(|standing| json!({ "waiting": standing.waiting, "dropped": standing.dropped, "trouble": standing.trouble.as_ref().map(both) })),
        "memory_bytes": crate::network::resident_bytes(),
    }))
}

async fn oldest_json(node: &Node, view: &CaseView) -> Value {
    let partner = match view.partner {
        Some(site) => Value::String(partner_name(node, site).await),
        None => Value::Null,
    };
    json!({
        "case": view.case.to_string(),
        "since": view.since.0,
        "due": view.due.map(|due| due.0),
        "phase": view.phase,
        "partner": partner,
        "why": both(&waiting(view.waiting)),
    })
}

/// This site's studies that are in no case: those that still arrive, and those that wait to be sent.
fn studies_json(node: &Node, asked: &BTreeSet<ParcelId>) -> Value {
    let (mut arriving, mut unsent, mut oldest) = (0_usize, 0_usize, None);
    node.ports.register.outlines(|study| {
        if !study.is_closed {
            arriving += 1;
        } else if !asked.contains(&study.parcel) {
            unsent += 1;
            let before = oldest.unwrap_or(u64::MAX);
            oldest = Some(before.min(study.first_at));
        }
    });
    json!({ "arriving": arriving, "unsent": unsent, "oldest_unsent": oldest })
}

/// Whether somebody at this site must act before a case moves.
fn needs_somebody_here(waiting: Waiting) -> bool {
    match waiting {
        Waiting::OfferHere
        | Waiting::Identified
        | Waiting::QuoteHere
        | Waiting::ReadingHere
        | Waiting::AcknowledgementHere
        | Waiting::Refused
        | Waiting::Retry(
            Trouble::ArchiveUnreachable
            | Trouble::ArchiveRefused
            | Trouble::NoArchive
            | Trouble::Disk,
        ) => true,
        Waiting::Nothing
        | Waiting::OfferAgain
        | Waiting::Quote
        | Waiting::Booking
        | Waiting::Agreement
        | Waiting::Prekey
        | Waiting::Grant
        | Waiting::Transfer
        | Waiting::Receipt
        | Waiting::Reading
        | Waiting::FinalReport
        | Waiting::Delivery
        | Waiting::Acknowledgement
        | Waiting::Connection
        | Waiting::Answer
        | Waiting::Retry(
            Trouble::PartnerUnreachable | Trouble::PartnerBusy | Trouble::NotPermitted,
        ) => false,
    }
}

/// What somebody should look at, the most pressing first.
fn attention(
    node: &Node,
    seen: &Seen,
    partners: &Value,
    halted: &Option<(&'static str, Message)>,
    at: u64,
) -> Result<Vec<Message>, Failure> {
    let mut said: Vec<Message> = halted.iter().map(|(_, why)| why.clone()).collect();
    if !node.intake.is_open() {
        said.push(say!(
            "空き容量が少ないため、新しい検査の受信を止めています",
            "intake of new studies is stopped: the disk is nearly full"
        ));
    }
    said.extend(node.audit.standing().and_then(|standing| standing.trouble));
    said.extend(keys::warning(node.keys.valid_until()?, Timestamp(at)));
    for (reason, count) in seen.reasons() {
        if needs_somebody_here(reason) {
            let why = waiting(reason);
            said.push(Message::new(
                format!("{}（症例 {count} 件）", why.ja),
                format!("{} (cases: {count})", why.en),
            ));
        }
    }
    said.extend(of_cases(seen));
    said.extend(kept_for_archive(seen.for_archive));
    said.extend(late_images(node, &seen.asked));
    said.extend(set_aside(node));
    said.extend(undecided(node));
    for partner in partners.as_array().into_iter().flatten() {
        said.extend(about(partner, at));
    }
    for person in people::all(&node.folder, node.ports.site)? {
        if let Some(when) = ending(person.until.0.saturating_mul(1000), at, NOTICE) {
            let name = person.name;
            said.push(say!(
                "{name} さんの署名鍵の期限: {when}",
                "the key of {name} {when}";
                when = when
            ));
        }
    }
    if node.config.archive.is_none() {
        said.push(say!(
            "PACS が設定されていません（dokuei.toml の [archive]）。届いた検査とレポートはここで待ちます",
            "no archive is configured ([archive] in dokuei.toml): what arrives waits here"
        ));
    }
    if !is_of_the_house(node.dicom.ip()) {
        said.push(say!(
            "DICOM を院外からも届き得る場所で受けています。ファイアウォールで院内に限ってください",
            "DICOM may be reached from outside here: a firewall must keep strangers out"
        ));
    }
    Ok(said)
}

/// What is the matter with cases that nobody need work on just now.
fn of_cases(seen: &Seen) -> Vec<Message> {
    let count = |is: &dyn Fn(&CaseView) -> bool| seen.cases.iter().filter(|view| is(view)).count();
    let mut said = Vec::new();
    let unread = count(&|view| view.waiting == Waiting::OfferAgain);
    if unread > 0 {
        said.push(say!(
            "断られたか期限が切れ、再依頼していない症例: {unread} 件（dokuei case list で確認し、dokuei case offer で再依頼）",
            "declined or expired, and not offered again ('dokuei case list', 'dokuei case offer') (cases: {unread})"
        ));
    }
    let late = count(&promised_late);
    if late > 0 {
        said.push(say!(
            "返却予定が希望期限より後の症例: {late} 件（dokuei case show で確認）",
            "promised for later than the report is needed ('dokuei case show') (cases: {late})"
        ));
    }
    said
}

/// Studies that are kept beyond their time, since the archive has not answered for them.
fn kept_for_archive(count: usize) -> Option<Message> {
    (count > 0).then(|| {
        say!(
            "PACS が保管を確認していないため、契約の期間を過ぎても保持している検査: {count} 件（dokuei case show の「直近の失敗」を見て PACS を直してください。確認されると消えます）",
            "studies are kept beyond the agreed time, since the archive has not answered for them: see the last failure in 'dokuei case show' and mend the archive; they go once it has (cases: {count})"
        )
    })
}

/// Images that came after their study was sent, and are in no case.
fn late_images(node: &Node, asked: &BTreeSet<ParcelId>) -> Option<Message> {
    let (mut sent, mut late) = (BTreeSet::new(), 0_usize);
    node.ports.register.outlines(|study| {
        if asked.contains(&study.parcel) {
            sent.insert(study.uid.to_owned());
        }
    });
    node.ports.register.outlines(|study| {
        if sent.contains(study.uid) && !asked.contains(&study.parcel) {
            late += 1;
        }
    });
    (late > 0).then(|| {
        say!(
            "依頼後に画像が届き、その画像を送っていない検査: {late} 件（dokuei study list で確認し、dokuei study send で追加として依頼）",
            "images came after their study was sent: 'dokuei study send' sends them as an addition (studies: {late})"
        )
    })
}

/// Objects with the UID of another one, about which somebody has to find out which is right.
fn set_aside(node: &Node) -> Option<Message> {
    let all = node.ports.register.quarantine().all();
    let elsewhere = all.iter().filter(|(_, kept)| kept.other_study.is_some());
    match (all.len(), elsewhere.count()) {
        (0, _) => None,
        (count, 0) => Some(say!(
            "同じ UID で内容の違う画像が隔離されています: {count} 枚（dokuei study quarantine list で確認）",
            "images with the UID of another image are set aside: see 'dokuei study quarantine list' (images: {count})"
        )),
        (count, elsewhere) => Some(say!(
            "同じ UID で内容の違う画像が隔離されています: {count} 枚、うち {elsewhere} 枚は別の検査の画像と同じ UID（dokuei study quarantine list で確認）",
            "images with the UID of another image are set aside: see 'dokuei study quarantine list' (images: {count}, {elsewhere} of them with the UID of an image of another study)"
        )),
    }
}

/// Studies from media of which nobody has said whose they are.
fn undecided(node: &Node) -> Option<Message> {
    let count = node.ports.imports.open_count();
    (count > 0).then(|| {
        say!(
            "メディアから取り込み、どの患者のものか未確認の検査があります: {count} 回分（dokuei media list で確認し、dokuei media decide で決定）",
            "nobody has said whose studies from media are: see 'dokuei media list', then 'dokuei media decide' (imports: {count})"
        )
    })
}

/// What is the matter with a partner.
fn about(partner: &Value, at: u64) -> Option<Message> {
    let name = partner["name"].as_str().unwrap_or_default();
    let standing = &partner["standing"];
    if let (Some(ja), Some(en)) = (standing["ja"].as_str(), standing["en"].as_str()) {
        let why = Message::new(ja, en);
        return Some(say!("「{name}」: {why}", "'{name}': {why}"; why = why));
    }
    if !partner["proposed"].is_null() {
        return Some(say!(
            "「{name}」が新しい契約を提案しています（dokuei partner list で内容を確認し、dokuei partner agree で署名）",
            "'{name}' proposes another agreement: see 'dokuei partner list', then 'dokuei partner agree'"
        ));
    }
    if partner["connected"] == false {
        return Some(say!(
            "「{name}」と接続していません",
            "'{name}' is not connected"
        ));
    }
    let Some(until) = partner["agreement"]["until"].as_u64() else {
        return Some(say!(
            "「{name}」との有効な契約がありません。もう一度ペアリングしてください",
            "no agreement with '{name}' is in force: pair again"
        ));
    };
    let when = ending(until, at, NOTICE)?;
    Some(say!(
        "「{name}」との契約の期限: {when}。もう一度ペアリングしてください",
        "the agreement with '{name}' {when}: pair again";
        when = when
    ))
}

/// When something ends, if that is within so many days.
fn ending(until: u64, at: u64, notice: u64) -> Option<Message> {
    let days = until.saturating_sub(at) / DAY;
    if until <= at {
        Some(say!("切れています", "has ended"))
    } else if days < notice {
        Some(say!("あと {days} 日", "ends in {days} days"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_named_when_it_comes_near() {
        let at = 1_000 * DAY;
        assert_eq!(ending(at + 30 * DAY, at, 30), None);
        let Message { ja, en } = ending(at + 30 * DAY - 1, at, 30).unwrap();
        assert!(ja.contains("29") && en.contains("29"));
        let Message { en, .. } = ending(at, at, 30).unwrap();
        assert_eq!(en, "has ended");
    }

    #[test]
    fn a_partner_is_named_with_what_is_the_matter() {
        let at = 1_000 * DAY;
        let partner = |connected: bool, until: Option<u64>| json!({ "name": "架空病院", "connected": connected, "agreement": until.map(|until| json!({ "until": until })) });
        let said = |partner: &Value| about(partner, at).map(|message| message.en);
        assert_eq!(said(&partner(true, Some(at + 300 * DAY))), None);
        assert!(
            said(&partner(false, None))
                .unwrap()
                .contains("not connected")
        );
        assert!(said(&partner(true, None)).unwrap().contains("no agreement"));
        let soon = said(&partner(true, Some(at + 3 * DAY))).unwrap();
        assert!(soon.contains("架空病院") && soon.contains("3 days"));
    }
}
