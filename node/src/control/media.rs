//! Requests about media: what came on them, and whose it is.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use dicom_dictionary_std::tags;
use dokuei_keys::id::{ParcelId, SiteId};
use serde_json::{Value, json};

use crate::audit::event::{Access, Event, Kind, Subject, Who};
use crate::control::answers::{both, find_case};
use crate::control::answers::{no_study, register_failure};
use crate::control::caller::record;
use crate::control::carrying;
use crate::control::request::DecideMedia;
use crate::control::sending::{import_failed, note_import};
use crate::control::whose::{patients_of, whose};
use crate::dicom::header::Header;
use crate::entities::Scope;
use crate::index::catalogue::Entry;
use crate::language::{Explain as _, Failure, Message};
use crate::media::{Decision, ImportedFile, ImportedStudy, Judgement, MediaImport, Standing};
use crate::runtime::desk::now;
use crate::runtime::hands::Hands;
use crate::say;
use crate::studies::identity::Identity;
use crate::studies::import::{Imported, import_expecting};
use crate::studies::patient::{Patient, are_several};
use crate::studies::person::Person;
use crate::studies::register::RegisterError;

/// Characters of a name that people must give at least, as for cases.
const SHORTEST: usize = 4;

/// Takes in what lies at a path. A study that was not here before is held from before its first image on until two
/// identifiers agree, or a person decides: a crash in between lets nothing slip.
pub(super) async fn import(
    node: &Hands,
    path: &str,
    of: Option<&str>,
    by: Option<Who>,
) -> Result<Value, Failure> {
    if let Some(taken) = carrying::take(node, Path::new(path)).await? {
        return Ok(taken);
    }
    let expected = match of {
        Some(of) => Some(expected(node, of).await?),
        None => None,
    };
    let ports = &node.ports;
    let begun = MediaImport::begun(now().0, path.to_owned());
    let name = tokio::task::block_in_place(|| ports.imports.keep(begun)).map_err(failed)?;
    let parts = (&ports.imports, &ports.register, &ports.persons);
    let mut judgement = Judgement::new(parts, name);
    let root = Path::new(path);
    let imported = tokio::task::block_in_place(|| {
        let mut hear = |header: &Header| judgement.hear(header).map_err(|error| untaken(&error));
        let imported = import_expecting(&node.intake, root, &mut hear);
        let imported = imported.map_err(|error| import_failed(root, &error))?;
        note_import(node, root, &imported.studies, by);
        let noted = ports
            .imports
            .change(&name, |import| note(import, &imported));
        noted.map_err(failed)?;
        let under = |ids: &BTreeSet<&str>| {
            let found = under(node, ids).into_iter();
            found.map(|entry| entry.key.uid.to_string()).collect()
        };
        judgement.settle(expected, under).map_err(failed)
    });
    imported?;
    show(node, &name.to_string())
}

/// Why an object of an import is not taken in.
fn untaken(error: &RegisterError) -> Message {
    match error {
        RegisterError::Arriving => say!(
            "同じ検査をいま受信中のため取り込みませんでした。受信が終わってからもう一度取り込んでください。",
            "Images of the same study are arriving just now. Import the medium again when they are here."
        ),
        other => {
            tracing::error!(target: "dokuei::media", "an object of an import is not taken: {other}");
            other.message().sentence()
        }
    }
}

fn note(import: &mut MediaImport, imported: &Imported) {
    import.taken = imported.taken as u32;
    import.refused = imported.refused as u32;
    import.missing.clone_from(&imported.missing.named);
    import.missing_count = imported.missing.count;
    let skipped = imported.skipped.iter();
    import.skipped = skipped
        .map(|skipped| ImportedFile {
            file: skipped.file.clone(),
            ja: skipped.why.ja.clone(),
            en: skipped.why.en.clone(),
        })
        .collect();
    for study in &mut import.studies {
        let patients = imported.patients.get(&study.uid).into_iter().flatten();
        study.objects = patients.map(|files| files.count as u32).sum();
    }
    // Whatever was to come of the others was refused.
    import.studies.retain(|study| study.objects > 0);
}

/// The patient whose studies are expected: that of a case or of a study of this site.
async fn expected(node: &Hands, of: &str) -> Result<(String, Identity), Failure> {
    let uid = match of.contains('.') {
        true => of.trim().to_owned(),
        false => {
            let case = find_case(node, of).await?.case;
            let parcel = node.desk.ask(move |service| {
                let request = service.state().requests.get(&case);
                request.map(|request| request.manifest.parcel)
            });
            let parcel = parcel.await.ok().flatten();
            let register = &node.ports.register;
            let uid = parcel.and_then(|parcel| register.look(&parcel, |study| study.uid.clone()));
            uid.ok_or_else(|| no_study(of))?
        }
    };
    let register = &node.ports.register;
    let parcel = register.parcels_of(&uid).pop();
    let identity =
        parcel.and_then(|parcel| register.look(&parcel, |study| Identity::of(&study.attributes)));
    let identity = identity.ok_or_else(|| no_study(&uid))?;
    Ok((uid, identity))
}

pub(super) fn list(node: &Hands) -> Value {
    let all = node.ports.imports.all().into_iter();
    all.map(|(name, import)| import_json(node, &name, &import))
        .collect()
}

pub(super) fn show(node: &Hands, name: &str) -> Result<Value, Failure> {
    let (name, import) = find(node, name)?;
    Ok(import_json(node, &name, &import))
}

/// Notes whose the studies of an import are that are still in question, or removes them.
pub(super) fn decide(node: &Hands, decide: &DecideMedia, by: &Who) -> Result<Value, Failure> {
    let (name, import) = find(node, &decide.import)?;
    let wanted = |study: &&ImportedStudy| {
        let of = decide.study.as_deref();
        study.standing.is_open() && of.is_none_or(|uid| uid.trim() == study.uid)
    };
    let open = || import.studies.iter().filter(wanted);
    let uids: Vec<&str> = open().map(|study| study.uid.as_str()).collect();
    if uids.is_empty() {
        return Err(nothing_held());
    }
    if !decide.discard && open().any(|study| study.standing == Standing::Discarding) {
        return Err(half_removed());
    }
    tokio::task::block_in_place(|| match (&decide.patient, decide.discard) {
        (_, true) => uids.iter().try_for_each(|uid| discard(node, uid, by)),
        (patient, false) => attribute(node, &uids, patient.as_deref(), decide.issuer.as_deref()),
    })?;
    show(node, &name.to_string())
}

/// Removes a study that came on a medium, and nothing of it that was here before or that somebody else sent, who was told
/// that it is kept. What breaks off is begun again by the same words; until then the study goes nowhere.
fn discard(node: &Hands, uid: &str, by: &Who) -> Result<(), Failure> {
    let (imports, register) = (&node.ports.imports, &node.ports.register);
    let before = imports.begin_to_discard(uid).map_err(failed)?;
    let before = before.ok_or_else(|| also_sent(uid))?;
    let mut subject = None;
    for parcel in register.parcels_of(uid) {
        if before.contains(&parcel) {
            continue;
        }
        subject = register.look(&parcel, Subject::of).or(subject);
        let removed = register.remove(&parcel);
        if !removed.map_err(|error| register_failure(&error))? {
            return Err(still_arriving());
        }
    }
    if before.is_empty() {
        node.ports.persons.attribute(uid, None).map_err(failed)?;
    }
    imports
        .decide(uid, &Decision::Discarded, now().0)
        .map_err(failed)?;
    record(by, "a study that a medium brought was discarded");
    if let Some(subject) = subject {
        let by = by.clone();
        node.audit.note(Event::now(match before.is_empty() {
            true => Kind::StudyDeleted { by, subject },
            false => Kind::Accessed {
                by,
                how: Access::Delete,
                subject,
            },
        }));
    }
    Ok(())
}

/// Puts studies to a patient of this site, or leaves them to whom they name.
fn attribute(
    node: &Hands,
    uids: &[&str],
    id: Option<&str>,
    issuer: Option<&str>,
) -> Result<(), Failure> {
    let ports = &node.ports;
    if let Some(mixed) = uids.iter().find(|uid| are_several(&patients_of(node, uid))) {
        return Err(several_patients(mixed));
    }
    let patient = id.map(|id| Patient {
        id: id.trim().to_owned(),
        issuer: issuer.unwrap_or_default().trim().to_owned(),
    });
    let mut named = Vec::new();
    for uid in uids {
        let parcel = ports.register.parcels_of(uid).into_iter().next();
        let look = |parcel| {
            let register = &ports.register;
            register.look(&parcel, |study| Identity::of(&study.attributes))
        };
        let identity = parcel.and_then(look).ok_or_else(|| no_study(uid))?;
        named.push((*uid, identity));
    }
    let ids = named.iter().map(|(_, named)| &*named.patient.id);
    let ids: BTreeSet<&str> = ids
        .chain(patient.as_ref().map(|patient| &*patient.id))
        .collect();
    let others = others(node, uids, &ids);
    let mut decided = Vec::new();
    for (uid, named) in &named {
        decided.push(match &patient {
            Some(patient) => {
                let person = person_said(ports.site, patient, named, &others)?;
                let (id, issuer) = person.patient().unwrap_or_default();
                let patient = Patient {
                    id: id.to_owned(),
                    issuer: issuer.to_owned(),
                };
                (*uid, Decision::OfPatient(patient), Some(person))
            }
            None => {
                let person = Person::of(ports.site, uid, named);
                // Nobody has said that it is of the patient here under the same ID.
                let alone = others.contains(&person);
                let person = alone.then(|| Person::of_study(ports.site, uid));
                (*uid, Decision::AsItIs, person)
            }
        });
    }
    for (uid, decision, person) in decided {
        // First: from the decision on it is shown.
        ports.persons.attribute(uid, person).map_err(failed)?;
        ports
            .imports
            .decide(uid, &decision, now().0)
            .map_err(failed)?;
    }
    Ok(())
}

/// The persons of this site under one of these IDs, by its studies that are not in question, but for `but`.
fn others(node: &Hands, but: &[&str], ids: &BTreeSet<&str>) -> BTreeSet<Person> {
    let found = under(node, ids).into_iter();
    found
        .filter(|entry| !but.contains(&&*entry.key.uid))
        .map(|entry| entry.person())
        .collect()
}

/// The studies of this site that are not in question and name one of these patient IDs, or of which somebody said whose
/// they are. Of others the name is not looked at: there may be very many.
fn under(node: &Hands, ids: &BTreeSet<&str>) -> Vec<Arc<Entry>> {
    let is_under = |entry: &Entry| {
        let id = || entry.attributes.text(tags::PATIENT_ID);
        entry.said.is_some() || ids.contains(&*id())
    };
    let holdings = &node.ports.holdings;
    holdings.studies(&Scope::Own, usize::MAX, is_under)
}

/// The person whom somebody means by an ID, and the issuer where they gave it: the one who is here under it; of several the
/// one whom the images name but for the ID; else a new one.
fn person_said(
    site: SiteId,
    patient: &Patient,
    named: &Identity,
    others: &BTreeSet<Person>,
) -> Result<Person, Failure> {
    let new = Person::said(site, patient, named);
    if !patient.issuer.is_empty() || others.contains(&new) {
        return Ok(new);
    }
    let under_it = others.iter().filter(|person| {
        let known = person.patient();
        known.is_some_and(|(id, _)| id == patient.id)
    });
    match under_it.collect::<Vec<_>>()[..] {
        [] => Ok(new),
        [one] => Ok(one.clone()),
        _ => Err(several_under()),
    }
}

fn find(node: &Hands, name: &str) -> Result<(ParcelId, MediaImport), Failure> {
    let given = name.trim().to_ascii_lowercase();
    let mut found = node.ports.imports.all();
    found.retain(|(name, _)| given.len() >= SHORTEST && name.to_string().starts_with(&given));
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(Failure::new(
            "no-import",
            say!(
                "取り込みの控え「{given}」は見つからないか、一件に決まりません。「dokuei media list」で確認してください。",
                "There is no receipt of an import '{given}', or more than one. See 'dokuei media list'."
            ),
        )),
    }
}

fn import_json(node: &Hands, name: &ParcelId, import: &MediaImport) -> Value {
    let register = &node.ports.register;
    let study_json = |study: &ImportedStudy| {
        let parcel = register.parcels_of(&study.uid).pop();
        let (standing, said) = standing(&study.standing);
        json!({
            "uid": study.uid,
            "objects": study.objects,
            "standing": standing,
            "said": both(&said),
            "whose": parcel.and_then(|parcel| register.look(&parcel, whose)),
        })
    };
    let skipped = import.skipped.iter();
    json!({
        "name": name.to_string(),
        "at": import.at,
        "place": import.place,
        "open": import.is_open(),
        "taken": import.taken,
        "refused": import.refused,
        "skipped_count": import.skipped.len(),
        "skipped": skipped
            .map(|skipped| json!({ "file": skipped.file, "why": both(&Message::new(&*skipped.ja, &*skipped.en)) }))
            .collect::<Vec<_>>(),
        "missing": import.missing,
        "missing_count": import.missing_count,
        "studies": import.studies.iter().map(study_json).collect::<Vec<_>>(),
    })
}

fn standing(standing: &Standing) -> (&'static str, Message) {
    match standing {
        Standing::Known => ("known", say!("既にこの施設にある検査", "was here before")),
        Standing::Matched(uid) => (
            "matched",
            say!(
                "患者が検査 {uid} と一致",
                "of the same patient as study {uid}"
            ),
        ),
        Standing::Held => (
            "held",
            say!(
                "どの患者のものか確認待ち（dokuei media decide）",
                "held: somebody must say whose it is (dokuei media decide)"
            ),
        ),
        Standing::Decided(Decision::OfPatient(patient), _) => {
            let (id, issuer) = (&patient.id, &patient.issuer);
            (
                "decided",
                say!(
                    "患者 ID {id} {issuer} のものと確認済み",
                    "decided: of patient {id} {issuer}"
                ),
            )
        }
        Standing::Decided(Decision::AsItIs, _) => (
            "decided",
            say!("そのまま使うと確認済み", "decided: to be read as it is"),
        ),
        Standing::Discarding => (
            "held",
            say!(
                "消去の途中（もう一度 dokuei media decide --discard を実行してください）",
                "being removed: give 'dokuei media decide --discard' once more"
            ),
        ),
        Standing::Decided(Decision::Discarded, _) => {
            ("discarded", say!("消去済み", "decided: removed"))
        }
    }
}

fn failed(error: RegisterError) -> Failure {
    tracing::error!(target: "dokuei::media", "a receipt of an import cannot be kept: {error}");
    Failure::new(
        "media-failed",
        say!(
            "取り込みの控えを保存できません。ディスクとログを確認してください。",
            "The receipt of the import cannot be stored. Check the disk and the log."
        ),
    )
}

fn nothing_held() -> Failure {
    Failure::new(
        "nothing-held",
        say!(
            "この取り込みに確認待ちの検査はありません。「dokuei media show」で確認してください。",
            "No study of this import waits to be decided. See 'dokuei media show'."
        ),
    )
}

fn half_removed() -> Failure {
    Failure::new(
        "half-removed",
        say!(
            "検査の消去が途中で止まっています。もう一度 --discard を実行してから決めてください。",
            "A study is half removed. Finish that with --discard first."
        ),
    )
}

fn also_sent(uid: &str) -> Failure {
    Failure::new(
        "also-sent",
        say!(
            "検査「{uid}」には、取り込みのあとに装置から届いた画像もあります。保存済みと答えた画像を失わないため、消去しませんでした。誰のものかを --patient か --as-is で決めてください。",
            "Images of study '{uid}' were also sent here by a device since, which was told that they are kept. Nothing was removed. Say whose it is with --patient or --as-is."
        ),
    )
}

fn several_patients(uid: &str) -> Failure {
    Failure::new(
        "several-patients",
        say!(
            "検査「{uid}」には患者 ID の違う画像が混ざっているため、一人の患者のものとはできません。--discard で消し、患者ごとに分けた媒体を取り込んでください。",
            "Images of study '{uid}' carry different patient IDs, so it cannot be one patient's. Remove it with --discard and import a medium on which they are parted."
        ),
    )
}

fn several_under() -> Failure {
    Failure::new(
        "several-under-one-id",
        say!(
            "この患者 ID の患者はこの施設に複数います。発行者（--issuer）を指定するか、--as-is で別の患者として扱ってください。",
            "Several patients have this ID here. Give its issuer (--issuer), or keep the study apart with --as-is."
        ),
    )
}

fn still_arriving() -> Failure {
    Failure::new(
        "arriving",
        say!(
            "検査に画像が届いている最中です。少し待ってからやり直してください。",
            "Images of the study are arriving just now. Wait a little and try again."
        ),
    )
}
