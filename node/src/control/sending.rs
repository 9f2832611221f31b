//! Having studies read: what is sent, and what is held back so that nothing incomplete, unmeant or mixed up goes out.

use std::path::Path;

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::check::{Verdict, Word};
use dokuei_protocol::case::terms::{CaseTerms, Priority, Specialty};
use dokuei_protocol::effect::Answer;
use dokuei_protocol::input::{Command, OpenCase};
use dokuei_protocol::limits::QUOTE_HOURS;
use dokuei_protocol::partner::agreement::Naming;
use dokuei_protocol::time::Span;
use serde_json::{Value, json};

use crate::audit::event::{Event, Kind, Place, Subject, Who};
use crate::checks::{self, Observed};
use crate::control::answers::{
    both, command, find_case, no_study, register_failure, stopping, unknown,
};
use crate::control::cases::{self, case_json};
use crate::control::checking;
use crate::control::partners::want_pseudonyms;
use crate::control::pseudonymous;
use crate::control::request::SendStudy;
use crate::control::whose::{patients_of, whose};
use crate::language::{Explain as _, Failure, Message};
use crate::runtime::desk::now;
use crate::runtime::hands::Hands;
use crate::say;
use crate::studies::import::{self, ImportError, Imported};
use crate::studies::patient::{Patient, are_several};
use crate::studies::register::RegisterError;
use crate::studies::study::Study;

pub(super) async fn import(node: &Hands, path: String, by: Option<Who>) -> Result<Value, Failure> {
    Ok(imported_json(&take_in(node, Path::new(&path), by)?))
}

/// What is asked of the reader.
struct Wanted {
    priority: Priority,
    specialty: Specialty,
    hours: u32,
    of_body: checks::Wanted,
    despite: Option<Word>,
}

impl Wanted {
    fn of(send: &SendStudy) -> Result<Wanted, Failure> {
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
        let hours = send.hours;
        if hours == 0 || hours > u32::from(QUOTE_HOURS) {
            return Err(Failure::new(
                "unknown-value",
                say!(
                    "時間（--hours）は 1～{QUOTE_HOURS} を指定してください。",
                    "The hours (--hours) are 1 to {QUOTE_HOURS}."
                ),
            ));
        }
        Ok(Wanted {
            priority,
            specialty,
            hours,
            of_body: checking::wanted(send.region.as_deref(), send.laterality.as_deref())?,
            despite: checking::despite(send.despite_check.as_deref())?,
        })
    }
}

impl Wanted {
    /// Looks through a study, and adds the word of whoever sends it where it is needed.
    fn check(&self, node: &Hands, uid: &str) -> Observed {
        let mut observed = checking::observe(node, uid, &self.of_body);
        if observed.check.verdict() >= Verdict::Hold {
            observed.check.despite = self.despite;
        }
        observed
    }
}

/// Why the check before sending holds everything back; written down for each part that it holds.
async fn held_by_check(
    node: &Hands,
    parts: &[(&str, ParcelId)],
    checks: &[(&str, Observed)],
) -> Result<Option<Value>, Failure> {
    let mut held = None;
    for (uid, observed) in checks {
        let Some(why) = checking::held_back(&observed.check) else {
            continue;
        };
        held.get_or_insert(why);
        for (_, parcel) in parts.iter().filter(|(of, _)| of == uid) {
            checking::note(node, *parcel, observed.check.clone()).await?;
        }
    }
    Ok(held)
}

pub(crate) async fn send(node: &Hands, send: SendStudy) -> Result<Value, Failure> {
    send_for(node, send, None).await
}

/// The same, at the command of somebody who is known.
pub(super) async fn send_for(
    node: &Hands,
    send: SendStudy,
    by: Option<Who>,
) -> Result<Value, Failure> {
    let to = cases::sites(node, &send.to).await?;
    let wanted = Wanted::of(&send)?;
    // A Study Instance UID has no such character, and the command line gives whole paths.
    let imported = match send.study.contains('/') {
        true => Some(take_in(node, Path::new(&send.study), by)?),
        false => None,
    };
    let uids = match &imported {
        Some(imported) => imported.studies.clone(),
        None => vec![send.study.trim().to_owned()],
    };
    let mut parts = Vec::new();
    for uid in &uids {
        let unsent = unsent(node, uid).await?;
        parts.extend(unsent.into_iter().map(|parcel| (uid.as_str(), parcel)));
    }
    if parts.is_empty() && !uids.is_empty() {
        return Err(already_sent());
    }
    if imported.is_none() && !send.now {
        must_be_quiet(node, parts.iter().map(|(_, parcel)| *parcel))?;
    }
    let mut checks = Vec::new();
    for uid in &uids {
        checks.push((uid.as_str(), wanted.check(node, uid)));
    }
    let mut held_back = held_back(node, &uids, imported.as_ref(), &send);
    if held_back.is_none() {
        held_back = held_by_check(node, &parts, &checks).await?;
    }
    let mut opened = Vec::new();
    if held_back.is_none() {
        let pseudonymous = send.pseudonymous || want_pseudonyms(node, &to).await?;
        let naming = match pseudonymous {
            true => Naming::Pseudonymous,
            false => Naming::Identified,
        };
        let parts = match pseudonymous {
            true => pseudonymous_parts(node, &parts, &to, send.pixels_seen).await?,
            false => parts
                .into_iter()
                .map(|(uid, parcel)| (uid.to_owned(), parcel))
                .collect(),
        };
        for (uid, parcel) in parts {
            let earlier = earlier_case(node, &uid, parcel).await?;
            let case = open(node, (&uid, parcel, naming), &to, &wanted, earlier).await?;
            let view = find_case(node, &case.to_string()).await?;
            opened.push(case_json(node, &view).await?);
        }
    }
    let checks = checks.iter().map(|(uid, observed)| {
        let mut check = checking::observed_json(observed);
        check["uid"] = (*uid).into();
        check
    });
    Ok(json!({
        "checks": checks.collect::<Vec<_>>(),
        "cases": opened,
        "imported": imported.as_ref().map(imported_json),
        "held_back": held_back,
    }))
}

/// The parts of pseudonymous copies that are in no case yet.
async fn pseudonymous_parts(
    node: &Hands,
    parts: &[(&str, ParcelId)],
    to: &[SiteId],
    pixels_seen: bool,
) -> Result<Vec<(String, ParcelId)>, Failure> {
    let mut unsent_parts = Vec::new();
    for uid in pseudonymous::copies(node, parts, to, pixels_seen)? {
        let parcels = unsent(node, &uid).await?.into_iter();
        unsent_parts.extend(parcels.map(|parcel| (uid.clone(), parcel)));
    }
    match unsent_parts.is_empty() {
        true => Err(already_sent()),
        false => Ok(unsent_parts),
    }
}

/// Why nothing is sent, with the files, studies or patients that it is about. These may name patients, and so they are
/// part of an answer, which people see, and not of a failure, which programs write down.
fn held_back(
    node: &Hands,
    uids: &[String],
    imported: Option<&Imported>,
    send: &SendStudy,
) -> Option<Value> {
    let files = imported.map_or(0, |imported| imported.refused);
    if files > 0 && !uids.is_empty() && !send.despite_skipped {
        return Some(held(
            "files-refused",
            &say!(
                "取り込めない DICOM ファイルが {files} 件あるため、何も送りませんでした。上のファイルを書き出し直してもう一度送るか、--despite-skipped で残りだけを送ってください。",
                "Nothing was sent: {files} DICOM files were refused (see above). Export them again and send the folder anew, or send the rest with --despite-skipped."
            ),
        ));
    }
    if let Some(held) = uids.iter().find_map(|uid| mixed(node, uid, imported)) {
        return Some(held);
    }
    if send.all || uids.len() < 2 {
        return None;
    }
    let count = uids.len();
    let mut held = held(
        "several-studies",
        &say!(
            "検査が {count} 件あるため、何も送りませんでした。検査ごとのフォルダか検査 UID を指定するか、--all ですべてを送ってください。",
            "Nothing was sent: these are {count} studies. Give the folder or the UID of one, or send them all with --all."
        ),
    );
    let parcels = uids
        .iter()
        .filter_map(|uid| node.ports.register.parcels_of(uid).pop());
    held["studies"] = parcels
        .filter_map(|parcel| node.ports.register.look(&parcel, whose))
        .collect();
    Some(held)
}

/// Why a study is never sent: its images, in whichever part of it, are of different patients.
fn mixed(node: &Hands, uid: &str, imported: Option<&Imported>) -> Option<Value> {
    let patients = patients_of(node, uid);
    if !are_several(&patients) {
        return None;
    }
    let mut held = held(
        "mixed-patients",
        &say!(
            "一つの検査に患者 ID の違う画像が混ざっているため、何も送りませんでした。モダリティか PACS で患者ごとに分け、新しい検査 UID の検査として送り直してください。",
            "Nothing was sent: images of one study carry different patient IDs. Part them at the modality or archive, and send each as a study with a new Study Instance UID."
        ),
    );
    let files = |patient: &Patient| {
        let of = imported.and_then(|imported| imported.patients.get(uid))?;
        let of = of.iter().find(|files| files.patient == *patient)?;
        Some(json!({ "count": of.count, "names": of.files }))
    };
    held["patients"] = patients
        .iter()
        .map(|patient| json!({ "study": uid, "id": patient.id, "issuer": patient.issuer, "files": files(patient) }))
        .collect();
    Some(held)
}

fn held(code: &str, why: &Message) -> Value {
    let mut held = both(why);
    held["code"] = code.into();
    held
}

/// What still arrives is not sent as if it were whole.
fn must_be_quiet(node: &Hands, parcels: impl Iterator<Item = ParcelId>) -> Result<(), Failure> {
    let quiet = node.config.quiet_seconds;
    for parcel in parcels {
        let arriving = node.ports.register.look(&parcel, |study| {
            let seconds = now().0.saturating_sub(study.last_at) / 1000;
            let is_arriving = study.manifest.is_none() && seconds < quiet;
            is_arriving.then_some((study.objects.len(), seconds))
        });
        if let Some((objects, seconds)) = arriving.flatten() {
            return Err(Failure::new(
                "arriving",
                say!(
                    "この検査はまだ受信中です（現在 {objects} 枚、最後の画像は {seconds} 秒前）。{quiet} 秒間何も届かなくなるのを待つか、--now で今ある画像だけを送ってください。",
                    "The study is still arriving ({objects} images so far, the last one {seconds} s ago). Wait until nothing has come for {quiet} s, or send what is here with --now."
                ),
            ));
        }
    }
    Ok(())
}

fn already_sent() -> Failure {
    Failure::new(
        "already-sent",
        say!(
            "この検査は既に読影を依頼しています。状態は「dokuei case list」で確認し、別の施設への再依頼は「dokuei case offer」で行ってください。",
            "This study was sent already. See 'dokuei case list'; 'dokuei case offer' offers a case again."
        ),
    )
}

/// The parcels of a study that are in no case yet.
async fn unsent(node: &Hands, uid: &str) -> Result<Vec<ParcelId>, Failure> {
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
    let unsent = parcels
        .into_iter()
        .filter(|parcel| !sent.contains(parcel))
        .collect();
    Ok(unsent)
}

/// The newest case of other images of this study: what came after those were sent is an addition to it.
pub(super) async fn earlier_case(
    node: &Hands,
    uid: &str,
    parcel: ParcelId,
) -> Result<Option<CaseId>, Failure> {
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
    node: &Hands,
    (uid, parcel, naming): (&str, ParcelId, Naming),
    to: &[SiteId],
    wanted: &Wanted,
    addition_to: Option<CaseId>,
) -> Result<CaseId, Failure> {
    let register = node.ports.register.clone();
    let manifest = tokio::task::block_in_place(|| register.close(&parcel))
        .map_err(|error| register_failure(&error))?;
    // What is closed now is what goes, and what is checked.
    let check = wanted.check(node, uid).check;
    let modality = register
        .look(&parcel, Study::modality)
        .ok_or_else(stopping)?;
    let key = register.key(&parcel).ok_or_else(stopping)?;
    let terms = CaseTerms {
        modality,
        specialty: wanted.specialty,
        priority: wanted.priority,
        objects: manifest.objects,
        bytes: manifest.bytes,
        due: now().after(Span::HOUR.times(u64::from(wanted.hours))),
        addition_to,
    };
    match command(
        node,
        Command::OpenCase(Box::new(OpenCase {
            manifest,
            key,
            naming,
            check,
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

fn take_in(node: &Hands, path: &Path, by: Option<Who>) -> Result<Imported, Failure> {
    let imported = tokio::task::block_in_place(|| import::import(&node.intake, path));
    if let Ok(imported) = &imported {
        // What people bring themselves is not thrown away with a disc that brought the same study.
        for uid in &imported.studies {
            let kept = tokio::task::block_in_place(|| node.ports.imports.note_sent(uid));
            if !kept.map_err(|error| register_failure(&error))? {
                return Err(register_failure(&RegisterError::Arriving));
            }
        }
        note_import(node, path, &imported.studies, by);
    }
    imported.map_err(|error| import_failed(path, &error))
}

pub(super) fn import_failed(path: &Path, error: &ImportError) -> Failure {
    let path = path.display();
    Failure::new(
        "import-failed",
        say!(
            "{path} を読み込めません（{why}）。場所とアクセス権を確認してください。",
            "{path} cannot be read ({why}). Check the place and its permissions.";
            why = error.message()
        ),
    )
}

/// Tells auditors which studies came from files: one message for each, as each is one patient's.
pub(super) fn note_import(node: &Hands, path: &Path, studies: &[String], by: Option<Who>) {
    if !node.audit.is_kept() {
        return;
    }
    let register = &node.ports.register;
    for uid in studies {
        let parcel = register.parcels_of(uid).pop();
        let subject = parcel.and_then(|parcel| register.look(&parcel, Subject::of));
        node.audit.note(Event::now(Kind::Imported {
            from: Place::Media(format!("file://{}", path.display())),
            by: by.clone(),
            subject: subject.unwrap_or_default(),
        }));
    }
}

fn imported_json(imported: &Imported) -> Value {
    json!({
        "taken": imported.taken,
        "studies": imported.studies,
        "refused": imported.refused,
        "skipped": imported.skipped.iter().map(|skipped| json!({ "file": skipped.file, "why": both(&skipped.why), "foreign": skipped.is_foreign })).collect::<Vec<_>>(),
    })
}
