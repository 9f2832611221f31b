//! Requests about earlier studies in this site's own archive: found by ID, held against a second identifier, fetched only
//! when they are of the patient.

use serde_json::{Value, json};

use crate::archive::{Answered, Archiver, FetchEnded, Fetched, Prior, Wish, priors};
use crate::control::answers::{blocking, both, no_study};
use crate::control::whose::patients_of;
use crate::entities::Scope;
use crate::language::{Explain as _, Failure, Message};
use crate::runtime::start::Node;
use crate::say;
use crate::studies::identity::{Agreement, Identity};
use crate::studies::patient::are_several;

/// Every study that is certainly of the patient.
const ALL: &str = "all";

/// Asks the archive, and begins to fetch what is wanted of its answer.
pub(super) async fn ask(node: &Node, uid: &str, fetch: &[String]) -> Result<Value, Failure> {
    let uid = uid.trim().to_owned();
    let patient = patient(node, &uid)?;
    let archive = archiver(node)?.destination().clone();
    let asked = archive.clone();
    let subject = uid.clone();
    let answered = blocking(move || {
        priors(&asked, &patient, &subject)
            .map_err(|fault| Failure::new("archive", fault.message().sentence()))
    })
    .await?;
    let wishes = wishes(node, &answered, fetch)?;
    let count = wishes.len();
    if count > 0 {
        let stop = node.ended.clone();
        let begun = node.fetching.begin(archive.clone(), wishes, stop);
        match begun {
            Ok(true) => {}
            Ok(false) => return Err(under_way()),
            Err(error) => return Err(Failure::new("archive", error.message().sentence())),
        }
    }
    let shown = answered.priors.iter().map(|prior| prior_json(node, prior));
    Ok(json!({
        "study": uid,
        "archive": { "host": archive.host, "port": archive.port, "ae_title": archive.called_ae.as_str() },
        "priors": shown.collect::<Vec<_>>(),
        "more": answered.more,
        "to_fetch": count,
    }))
}

/// How far the studies are, held against the study here that they were asked for.
pub(super) fn fetching(node: &Node, uid: &str) -> Result<Value, Failure> {
    let patient = patient(node, uid.trim())?;
    let (studies, under_way) = node.fetching.standing();
    let mut is_turn = under_way;
    let mut shown = Vec::new();
    for study in &studies {
        let now = study.ended.is_none() && std::mem::take(&mut is_turn);
        shown.push(fetched_json(node, &patient, study, now));
    }
    Ok(json!({ "under_way": under_way, "studies": shown }))
}

/// The patient of a study of this site.
fn patient(node: &Node, uid: &str) -> Result<Identity, Failure> {
    let identity = identity(node, uid).ok_or_else(|| not_own(node, uid))?;
    if are_several(&patients_of(node, uid)) {
        return Err(Failure::new(
            "several-patients",
            say!(
                "この検査には患者 ID の違う画像が混ざっています。先に「dokuei study show」で確認してください。",
                "The images of this study carry different patient IDs. Look at it with 'dokuei study show' first."
            ),
        ));
    }
    if identity.patient.id.is_empty() {
        return Err(Failure::new(
            "no-patient-id",
            say!(
                "この検査には患者 ID がないため、過去検査を探せません。",
                "This study has no patient ID to search by."
            ),
        ));
    }
    Ok(identity)
}

/// Why a study is none whose patient this site's archive could know.
fn not_own(node: &Node, uid: &str) -> Failure {
    let found = node.ports.holdings.with_uid(&Scope::All, uid);
    if found
        .iter()
        .all(|entry| entry.key.institution == node.ports.site)
    {
        return no_study(uid);
    }
    Failure::new(
        "of-a-partner",
        say!(
            "この検査は相手施設のものです。患者 ID は相手施設の番号なので、自施設の PACS では探しません。",
            "This study is a partner's. Its patient ID is theirs, and is not searched for in this site's archive."
        ),
    )
}

/// The patient that a study of this site names.
fn identity(node: &Node, uid: &str) -> Option<Identity> {
    let register = &node.ports.register;
    let parts = register.parcels_of(uid).into_iter();
    let of = |parcel| register.look(&parcel, |study| Identity::of(&study.attributes));
    parts.filter_map(of).next()
}

fn archiver(node: &Node) -> Result<&Archiver, Failure> {
    node.ports.archiver.as_ref().ok_or_else(|| {
        Failure::new(
            "no-archive",
            say!(
                "PACS が設定されていません。dokuei.toml の [archive] に書いて再起動してください。",
                "No archive is configured. Name it under [archive] in dokuei.toml and restart."
            ),
        )
    })
}

/// The studies to fetch: of `all` those that are certain and not here yet, else those that a person named.
fn wishes(node: &Node, answered: &Answered, fetch: &[String]) -> Result<Vec<Wish>, Failure> {
    let wish = |prior: &Prior| Wish {
        uid: prior.uid.clone(),
        objects: prior.objects,
    };
    if fetch.iter().any(|one| one == ALL) {
        let certain = answered.priors.iter().filter(|prior| {
            prior.agreement == Agreement::Same && !is_whole(here(node, &prior.uid), prior.objects)
        });
        return Ok(certain.map(wish).collect());
    }
    let mut wishes: Vec<Wish> = Vec::new();
    for uid in fetch {
        let found = answered.priors.iter().find(|prior| prior.uid == uid.trim());
        let prior = found.ok_or_else(|| not_found(uid))?;
        if prior.agreement == Agreement::Contradicts {
            return Err(other_patient(uid));
        }
        if wishes.iter().all(|known| known.uid != prior.uid) {
            wishes.push(wish(prior));
        }
    }
    Ok(wishes)
}

/// Objects of a study that lie here.
fn here(node: &Node, uid: &str) -> usize {
    let register = &node.ports.register;
    let parts = register.parcels_of(uid).into_iter();
    parts
        .filter_map(|parcel| register.look(&parcel, |study| study.objects.len()))
        .sum()
}

fn is_whole(here: usize, objects: Option<u32>) -> bool {
    objects.is_some_and(|objects| objects > 0 && here as u64 >= u64::from(objects))
}

fn prior_json(node: &Node, prior: &Prior) -> Value {
    json!({
        "uid": prior.uid,
        "date": prior.date,
        "time": prior.time,
        "modality": prior.modalities,
        "description": prior.description,
        "patient_name": prior.patient_name,
        "patient_id": prior.patient_id,
        "birth_date": prior.birth_date,
        "objects": prior.objects,
        "here": here(node, &prior.uid),
        "patient": code(prior.agreement),
        "why": both(&words(prior.agreement)),
    })
}

fn code(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Same => "same",
        Agreement::Unsure => "not-certain",
        Agreement::Contradicts => "other",
    }
}

fn words(agreement: Agreement) -> Message {
    match agreement {
        Agreement::Same => say!("本人", "same patient"),
        Agreement::Unsure => say!(
            "本人か不確実（患者 ID のほかに一致する項目が足りません。確認のうえ UID を指定すれば取り寄せます）",
            "not certain (too little agrees beside the patient ID; fetched only if you look at it and name its UID)"
        ),
        Agreement::Contradicts => say!(
            "別の患者（患者 ID は同じで生年月日が違います。取り寄せません）",
            "another patient (same patient ID, other birth date; never fetched)"
        ),
    }
}

fn fetched_json(node: &Node, patient: &Identity, study: &Fetched, is_turn: bool) -> Value {
    let here = here(node, &study.uid);
    let arrived = identity(node, &study.uid);
    let agreement = arrived.map(|arrived| patient.agreement_in_one_house(&arrived));
    let state = match &study.ended {
        None if is_turn => "under-way",
        None => "waits",
        Some(Ok(_)) if here > 0 => "here",
        Some(_) => "not-here",
    };
    json!({
        "uid": study.uid,
        "here": here,
        "objects": study.objects,
        "state": state,
        "patient": agreement.map(code),
        "why": trouble(study, here, agreement).as_ref().map(both),
    })
}

/// What is the matter with a study that was fetched.
fn trouble(study: &Fetched, here: usize, agreement: Option<Agreement>) -> Option<Message> {
    let unlike = agreement.is_some_and(|agreement| agreement != Agreement::Same);
    match study.ended.as_ref()? {
        Err(FetchEnded::Fault(fault)) => Some(fault.message().sentence()),
        Err(FetchEnded::NotTried) => Some(say!(
            "先の検査で PACS と通信できなかったため、取り寄せていません。",
            "Not tried after those before it broke off."
        )),
        Ok(_) if unlike => Some(say!(
            "届いた画像が本人のものか確かめられません。「dokuei study show」で確認してください。",
            "What came is not certainly of this patient. Look at it with 'dokuei study show'."
        )),
        Ok(said) if said.failed > 0 || here == 0 => {
            let failed = said.failed;
            Some(say!(
                "PACS から届かない画像があります（PACS の報告では失敗 {failed} 枚）。PACS が「dokuei dicom caller add」で登録されているか、PACS に登録したこのノードのアドレスとポートが正しいかを確認してください。",
                "Images did not come (the archive says {failed} failed). Check that the archive is registered ('dokuei dicom caller add'), and that it knows this node's right address and port."
            ))
        }
        Ok(_) => None,
    }
}

fn not_found(uid: &str) -> Failure {
    Failure::new(
        "no-prior",
        say!(
            "PACS の同じ患者 ID の検査に「{uid}」はありません。",
            "The archive has no study '{uid}' under this patient ID."
        ),
    )
}

fn other_patient(uid: &str) -> Failure {
    Failure::new(
        "other-patient",
        say!(
            "「{uid}」は生年月日の違う別の患者の検査なので、取り寄せません。PACS の登録を確認してください。",
            "'{uid}' is of a patient with another birth date and is not fetched. Check how it is registered at the archive."
        ),
    )
}

fn under_way() -> Failure {
    Failure::new(
        "under-way",
        say!(
            "別の取り寄せが進行中です。終わってから試してください。",
            "Other studies are being fetched. Try again when they are here."
        ),
    )
}
