//! Requests about reports.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::{Reception, ReportStatus, Version, Versions};
use dokuei_protocol::input::Command;
use dokuei_protocol::service::views::{CaseView, Side};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::control::answers::{cannot_do, command, find_case, partner_name, stopping};
use crate::control::cases::case_json;
use crate::control::people::find_person;
use crate::control::request::SignReport;
use crate::language::Failure;
use crate::reports::bundle::Bundle;
use crate::reports::compose::{Composed, Draft, Signers, compose};
use crate::reports::kept::KeptReport;
use crate::reports::listing::list_kept;
use crate::reports::subject::Subject;
use crate::reports::verify::verify;
use crate::runtime::desk::now;
use crate::runtime::hands::Hands;
use crate::say;
use crate::site::people;

pub(super) async fn sign(node: &Hands, sign: SignReport) -> Result<Value, Failure> {
    let passphrase = Zeroizing::new(sign.passphrase.clone());
    must_be_reader(&find_case(node, &sign.case).await?)?;
    let person = find_person(node, &sign.reader)?;
    people::must_read(&person.name, person.role)?;
    let draft = draft(node, sign).await?;
    let case = draft.case;
    let Composed { issue, kept } = tokio::task::block_in_place(|| {
        let author = people::unlock(&node.folder, &person.id, passphrase.as_bytes())?;
        let site = node.keys.site_key();
        let signers = Signers {
            author: &author,
            delegation: &person.delegation,
            site: &site,
            certificate: node.keys.certificate(),
        };
        compose(draft, &signers, node.ports.register.parcels())
    })?;
    let (version, report) = (issue.version, issue.report.to_string());
    let change = kept.change(case, version, &node.ports.storage)?;
    node.ports.store.commit(change)?;
    command(node, Command::IssueReport(Box::new(issue))).await?;
    let listed = tokio::task::block_in_place(|| list_kept(&node.ports, (case, version)));
    if let Err(error) = listed {
        // It is signed and on its way all the same; the next start lists it.
        let why = error.message().en;
        tracing::warn!(target: "dokuei::report", %case, version, "a report is not listed with its study: {why}");
    }
    let view = find_case(node, &case.to_string()).await?;
    let shown = case_json(node, &view).await?;
    Ok(json!({ "case": shown, "version": version, "report": report }))
}

/// Refuses at the site that asked: its doctors read reports, and write none.
fn must_be_reader(view: &CaseView) -> Result<(), Failure> {
    match view.side {
        Side::Reader => Ok(()),
        Side::Requester => Err(Failure::new(
            "not-the-reader",
            say!(
                "この施設は読影を依頼した側です。レポートには読影施設で署名します。届いたレポートは「dokuei report show」で見られます。",
                "This site asked for the reading: reports are signed at the reading site. 'dokuei report show' shows one that has come."
            ),
        )),
    }
}

/// What is to be signed: the text or PDF that came, on the study that is here.
async fn draft(node: &Hands, sign: SignReport) -> Result<Draft, Failure> {
    let view = find_case(node, &sign.case).await?;
    let (case, status) = (view.case, status(&sign.status)?);
    let next = node
        .desk
        .ask(move |service| service.next_version(case, status))
        .await
        .map_err(|_| stopping())?
        .map_err(|cannot| cannot_do(&cannot))?;
    let study = node.ports.granted.study(case).ok_or_else(|| {
        Failure::new(
            "no-study",
            say!(
                "この症例の検査がまだ届いていません。「dokuei case show」で状態を確認してください。",
                "The study of this case is not here yet. See 'dokuei case show'."
            ),
        )
    })?;
    let requester = view.partner.ok_or_else(stopping)?;
    let name = partner_name(node, requester).await;
    let attachment = sign.pdf.map(|pdf| STANDARD.decode(pdf)).transpose();
    let attachment = attachment.map_err(|_| {
        Failure::new(
            "bad-request",
            say!(
                "PDF を読めません。ファイルを確認してください。",
                "The PDF cannot be read. Check the file."
            ),
        )
    })?;
    if sign.text.trim().is_empty() && attachment.is_none() {
        return Err(Failure::new(
            "empty-report",
            say!(
                "レポートの本文か PDF が必要です。--text、--text-file、--pdf のいずれかで指定してください。",
                "A report needs a text or a PDF. Give --text, --text-file or --pdf."
            ),
        ));
    }
    Ok(Draft {
        case,
        status,
        next,
        requester,
        subject: Subject::of(&study, &name, &node.config.site_name),
        text: sign.text,
        attachment,
        at: now(),
        offset_minutes: local_offset_minutes(),
    })
}

fn status(code: &str) -> Result<ReportStatus, Failure> {
    ReportStatus::from_code(code).ok_or_else(|| {
        let known: Vec<&str> = ReportStatus::ALL
            .iter()
            .map(|status| status.code())
            .collect();
        let known = known.join(", ");
        Failure::new(
            "unknown-status",
            say!(
                "レポートの状態（--status）は {known} のいずれかを指定してください。",
                "The status (--status) is one of {known}."
            ),
        )
    })
}

/// One version, and what a later one that this node knows of has done to it.
pub(super) async fn show(node: &Hands, case: &str, version: Option<u32>) -> Result<Value, Failure> {
    let id = find_case(node, case).await?.case;
    let none = || {
        Failure::new(
            "no-report",
            say!(
                "その版のレポートはこの施設にありません。「dokuei case show」で版を確認してください。",
                "There is no such report version at this site. See 'dokuei case show'."
            ),
        )
    };
    let versions = node.desk.ask(move |service| {
        let state = service.state();
        let asked = state
            .requests
            .get(&id)
            .and_then(|request| request.booked())
            .map(|thread| thread.expected());
        let phase = asked.or_else(|| {
            state
                .readings
                .get(&id)
                .map(|reading| reading.thread.expected())
        })?;
        phase.versions().cloned()
    });
    let versions = versions.await.map_err(|_| stopping())?.unwrap_or_default();
    let newest = versions.newest().map(|version| version.issued.version);
    let version = version.or(newest).ok_or_else(none)?;
    let bundle = bundle(node, id, version).await?.ok_or_else(none)?;
    let overtaken = match overtaken(&versions, version) {
        None => Value::Null,
        Some((code, by)) => {
            let at = signed_at(node, id, by.issued.version).await?;
            json!({ "code": code, "version": by.issued.version, "status": by.issued.status.code(), "at": at })
        }
    };
    Ok(json!({
        "case": id.to_string(),
        "version": version,
        "overtaken": overtaken,
        "bundle": STANDARD.encode(bundle.to_bytes()),
    }))
}

/// What became of a version by a later one that was not rejected: it was taken back or replaced, or something was added
/// to it. What weighs most counts.
fn overtaken(versions: &Versions, version: u32) -> Option<(&'static str, &Version)> {
    let later = || {
        let all = versions.all().iter().rev();
        all.filter(|later| later.issued.version > version && later.reception != Reception::Rejected)
    };
    let by =
        |statuses: &[ReportStatus]| later().find(|later| statuses.contains(&later.issued.status));
    let replacing = [
        ReportStatus::Preliminary,
        ReportStatus::Final,
        ReportStatus::Amended,
        ReportStatus::Corrected,
    ];
    let retracted = by(&[ReportStatus::Retracted]).map(|by| ("retracted", by));
    retracted
        .or_else(|| by(&replacing).map(|by| ("replaced", by)))
        .or_else(|| by(&[ReportStatus::Addendum]).map(|by| ("added-to", by)))
}

/// A version with its signatures, if it is here and can be opened.
async fn bundle(node: &Hands, case: CaseId, version: u32) -> Result<Option<Bundle>, Failure> {
    let kept = KeptReport::find(case, version, &node.ports.store, &node.ports.storage)?;
    let Some(kept) = kept else {
        return Ok(None);
    };
    let parcel = kept.parcel;
    let key = node
        .desk
        .ask(move |service| service.content_key(parcel).map(|key| key.duplicate()))
        .await
        .map_err(|_| stopping())?;
    let open = |key| kept.bundle(node.ports.register.parcels(), &key).ok();
    Ok(key.and_then(|key| tokio::task::block_in_place(|| open(key))))
}

/// When a version was signed, if it is here.
async fn signed_at(node: &Hands, case: CaseId, version: u32) -> Result<Option<u64>, Failure> {
    let bundle = bundle(node, case, version).await?;
    let verified = bundle.and_then(|bundle| verify(&bundle, None).ok());
    Ok(verified.map(|authentic| authentic.report.at.0))
}

/// Minutes east of UTC of this machine's time zone, now.
fn local_offset_minutes() -> i16 {
    i16::try_from(jiff::Zoned::now().offset().seconds() / 60).unwrap_or(0)
}
