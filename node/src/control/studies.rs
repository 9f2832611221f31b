//! Requests about studies.

use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::terms::{CaseTerms, Priority, Specialty};
use dokuei_protocol::effect::Answer;
use dokuei_protocol::input::{Command, OpenCase};
use dokuei_protocol::service::views::Side;
use dokuei_protocol::time::Span;
use serde_json::{Value, json};

use crate::control::answers::{both, command, partner_name, short, stopping, waiting};
use crate::control::cases::{self, case_json};
use crate::control::request::SendStudy;
use crate::language::{Explain as _, Failure, Message};
use crate::runtime::desk::now;
use crate::runtime::start::Node;
use crate::say;
use crate::studies::import::{self, Imported};
use crate::studies::register::RegisterError;
use crate::studies::study::Study;

pub(super) async fn list(node: &Node) -> Result<Value, Failure> {
    let mut listed = Vec::new();
    for (origin, study) in all(node) {
        listed.push(study_json(node, origin, &study).await?);
    }
    Ok(Value::Array(listed))
}

pub(super) async fn show(node: &Node, uid: &str) -> Result<Value, Failure> {
    let found = all(node)
        .into_iter()
        .rev()
        .find(|(_, study)| study.uid == uid.trim());
    let (origin, study) = found.ok_or_else(|| no_study(uid))?;
    let mut shown = study_json(node, origin, &study).await?;
    shown["series"] = study
        .series
        .iter()
        .map(|series| json!({ "uid": series.uid, "modality": series.modality, "number": series.number, "description": study.attributes.decode(&series.description), "objects": series.objects }))
        .collect();
    Ok(shown)
}

pub(super) async fn import(node: &Node, path: String) -> Result<Value, Failure> {
    Ok(imported_json(&take_in(node, Path::new(&path))?))
}

pub(super) async fn send(node: &Node, send: SendStudy) -> Result<Value, Failure> {
    let to = cases::sites(node, &send.to).await?;
    let priority = Priority::from_code(&send.priority).ok_or_else(|| {
        unknown(
            say!("優先度（--priority）", "priority (--priority)"),
            &send.priority,
            &Priority::ALL
                .iter()
                .map(|value| value.code())
                .collect::<Vec<_>>(),
        )
    })?;
    let specialty = Specialty::from_code(&send.specialty).ok_or_else(|| {
        unknown(
            say!("専門領域（--specialty）", "specialty (--specialty)"),
            &send.specialty,
            &Specialty::ALL
                .iter()
                .map(|value| value.code())
                .collect::<Vec<_>>(),
        )
    })?;
    let path = PathBuf::from(&send.study);
    let (uids, imported) = if path.exists() {
        let imported = take_in(node, &path)?;
        (imported.studies.clone(), Some(imported_json(&imported)))
    } else {
        (vec![send.study.trim().to_owned()], None)
    };
    let mut opened = Vec::new();
    for uid in &uids {
        for parcel in unsent(node, uid).await? {
            let wanted = (priority, specialty, send.hours);
            let earlier = earlier_case(node, uid, parcel).await?;
            let case = open(node, parcel, &to, wanted, earlier).await?;
            let view = crate::control::answers::find_case(node, &case.to_string()).await?;
            opened.push(case_json(node, &view).await?);
        }
    }
    Ok(json!({ "cases": opened, "imported": imported }))
}

/// The parcels of a study that are in no case yet, closed now.
async fn unsent(node: &Node, uid: &str) -> Result<Vec<ParcelId>, Failure> {
    let parcels = node.ports.register.parcels_of(uid);
    if parcels.is_empty() {
        return Err(no_study(uid));
    }
    let sent = node.desk.ask(|service| {
        service
            .state()
            .requests
            .values()
            .map(|request| request.manifest.parcel)
            .collect::<Vec<_>>()
    });
    let sent = sent.await.map_err(|_| stopping())?;
    let unsent: Vec<ParcelId> = parcels
        .into_iter()
        .filter(|parcel| !sent.contains(parcel))
        .collect();
    if unsent.is_empty() {
        return Err(Failure::new(
            "already-sent",
            say!(
                "この検査は既に読影を依頼しています。状態は「dokuei case list」で確認し、別の施設への再依頼は「dokuei case offer」で行ってください。",
                "This study was sent already. See 'dokuei case list'; 'dokuei case offer' offers a case again."
            ),
        ));
    }
    Ok(unsent)
}

/// The newest case of other images of this study: what came after those were sent is an addition to it.
async fn earlier_case(node: &Node, uid: &str, parcel: ParcelId) -> Result<Option<CaseId>, Failure> {
    let mut parcels = node.ports.register.parcels_of(uid);
    parcels.retain(|other| *other != parcel);
    let newest = node.desk.ask(move |service| {
        let requests = service.state().requests.values();
        let earlier = requests.filter(|request| parcels.contains(&request.manifest.parcel));
        let newest = earlier.max_by_key(|request| (request.opened, request.case));
        newest.map(|request| request.case)
    });
    newest.await.map_err(|_| stopping())
}

async fn open(
    node: &Node,
    parcel: ParcelId,
    to: &[SiteId],
    (priority, specialty, hours): (Priority, Specialty, u32),
    addition_to: Option<CaseId>,
) -> Result<CaseId, Failure> {
    let register = node.ports.register.clone();
    let manifest = tokio::task::block_in_place(|| register.close(&parcel))
        .map_err(|error| register_failure(&error))?;
    let modality = register
        .look(&parcel, Study::modality)
        .ok_or_else(stopping)?;
    let key = register.key(&parcel).ok_or_else(stopping)?;
    let terms = CaseTerms {
        modality,
        specialty,
        priority,
        objects: manifest.objects,
        bytes: manifest.bytes,
        due: now().after(Span::HOUR.times(u64::from(hours))),
        addition_to,
    };
    match command(
        node,
        Command::OpenCase(Box::new(OpenCase {
            manifest,
            key,
            terms,
            to: to.to_vec(),
        })),
    )
    .await?
    {
        Answer::Opened(case) => Ok(case),
        Answer::Done | Answer::Invited { .. } | Answer::Paired(_) => Err(stopping()),
    }
}

fn take_in(node: &Node, path: &Path) -> Result<Imported, Failure> {
    tokio::task::block_in_place(|| import::import(&node.intake, path)).map_err(|error| {
        let path = path.display();
        Failure::new(
            "import-failed",
            say!(
                "{path} を読み込めません（{why}）。場所とアクセス権を確認してください。",
                "{path} cannot be read ({why}). Check the place and its permissions.";
                why = error.message()
            ),
        )
    })
}

fn imported_json(imported: &Imported) -> Value {
    json!({
        "taken": imported.taken,
        "studies": imported.studies,
        "skipped": imported.skipped.iter().map(|skipped| json!({ "file": skipped.file, "why": both(&skipped.why) })).collect::<Vec<_>>(),
    })
}

fn register_failure(error: &RegisterError) -> Failure {
    let code = match error {
        RegisterError::Arriving => "arriving",
        RegisterError::Unknown => "no-study",
        RegisterError::Disk(_)
        | RegisterError::Store(_)
        | RegisterError::Full
        | RegisterError::Damaged => "study-failed",
    };
    Failure::new(code, error.message().sentence())
}

fn unknown(what: Message, given: &str, known: &[&str]) -> Failure {
    let known = known.join(", ");
    Failure::new(
        "unknown-value",
        say!(
            "{what}に「{given}」は指定できません。指定できる値: {known}。",
            "'{given}' is no {what}. Known: {known}.";
            what = what
        ),
    )
}

fn no_study(uid: &str) -> Failure {
    Failure::new(
        "no-study",
        say!(
            "検査「{uid}」はこの施設にありません。「dokuei study list」で確認してください。",
            "There is no study '{uid}' here. See 'dokuei study list'."
        ),
    )
}

#[derive(Clone, Copy)]
enum Origin {
    Own,
    Granted(CaseId, SiteId),
}

fn all(node: &Node) -> Vec<(Origin, Study)> {
    let mut all = Vec::new();
    node.ports
        .register
        .look_at_all(|study| all.push((Origin::Own, study.clone())));
    node.ports
        .granted
        .look_at_all(|case, from, study| all.push((Origin::Granted(case, from), study.clone())));
    all.sort_by_key(|(_, study)| study.first_at);
    all
}

async fn study_json(node: &Node, origin: Origin, study: &Study) -> Result<Value, Failure> {
    let (parcel, closed) = (study.parcel, study.manifest.is_some());
    let views = node.desk.ask(move |service| {
        let state = service.state();
        let cases = service.cases();
        let mine = |case: &CaseId| match origin {
            Origin::Own => state
                .requests
                .get(case)
                .is_some_and(|request| request.manifest.parcel == parcel),
            Origin::Granted(own, _) => *case == own,
        };
        cases
            .into_iter()
            .filter(|view| mine(&view.case))
            .collect::<Vec<_>>()
    });
    let views = views.await.map_err(|_| stopping())?;
    let earlier = match origin {
        Origin::Own => earlier_case(node, &study.uid, parcel).await?,
        Origin::Granted(..) => None,
    };
    let why = match (views.last(), origin, closed) {
        (Some(view), _, _) => waiting(view.waiting),
        (None, Origin::Own, false) => say!("受信中", "arriving"),
        (None, Origin::Own, true) if earlier.is_some() => {
            let earlier = earlier.map(short).unwrap_or_default();
            say!(
                "症例 {earlier} の後に届いた追加画像（dokuei study send で追加として依頼）",
                "came after case {earlier}: 'dokuei study send' sends it as an addition"
            )
        }
        (None, Origin::Own, true) => say!(
            "依頼先の指定待ち（dokuei study send）",
            "waits to be sent (dokuei study send)"
        ),
        (None, Origin::Granted(..), _) => Message::new("", ""),
    };
    let from = match origin {
        Origin::Own => Value::Null,
        Origin::Granted(_, site) => Value::String(partner_name(node, site).await),
    };
    let attributes = &study.attributes;
    Ok(json!({
        "uid": study.uid,
        "from": from,
        "patient_name": attributes.name(tags::PATIENT_NAME).display(),
        "patient_id": attributes.text(tags::PATIENT_ID),
        "birth_date": attributes.text(tags::PATIENT_BIRTH_DATE),
        "sex": attributes.text(tags::PATIENT_SEX),
        "accession_number": attributes.text(tags::ACCESSION_NUMBER),
        "date": attributes.text(tags::STUDY_DATE),
        "description": attributes.text(tags::STUDY_DESCRIPTION),
        "modality": study.modality().code(),
        "series": study.series.len(),
        "objects": study.objects.len(),
        "bytes": study.bytes(),
        "first_at": study.first_at,
        "last_at": study.last_at,
        "complete": closed || matches!(origin, Origin::Granted(..)),
        "removed": study.removed.is_some(),
        "waiting": both(&why),
        "cases": views.iter().map(|view| json!({ "case": view.case.to_string(), "short": short(view.case), "phase": view.phase, "side": match view.side { Side::Requester => "requester", Side::Reader => "reader" } })).collect::<Vec<_>>(),
    }))
}
