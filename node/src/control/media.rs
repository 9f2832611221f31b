//! Requests about media: what came on them, and whose it is.

use std::collections::BTreeSet;
use std::path::Path;

use dokuei_keys::id::ParcelId;
use serde_json::{Value, json};

use crate::audit::event::Who;
use crate::control::answers::{both, find_case};
use crate::control::answers::{no_study, register_failure};
use crate::control::carrying;
use crate::control::request::DecideMedia;
use crate::control::sending::{import_failed, note_import};
use crate::control::whose::whose;
use crate::entities::Scope;
use crate::index::catalogue::Entry;
use crate::language::{Failure, Message};
use crate::media::{
    Agreement, Decision, Identity, ImportedFile, ImportedStudy, MediaImport, Standing,
};
use crate::runtime::desk::now;
use crate::runtime::hands::Hands;
use crate::say;
use crate::studies::import::{Imported, import_expecting};
use crate::studies::patient::Patient;
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
    let (imports, register) = (&node.ports.imports, &node.ports.register);
    let begun = MediaImport::begun(now().0, path.to_owned());
    let name = tokio::task::block_in_place(|| imports.keep(begun)).map_err(failed)?;
    let mut expect = |uid: &str| {
        let standing = match register.parcels_of(uid).is_empty() || imports.is_undecided(uid) {
            true => Standing::Held,
            false => Standing::Known,
        };
        let add = imports.change(&name, |import| {
            import.studies.push(ImportedStudy {
                uid: uid.to_owned(),
                objects: 0,
                standing,
            });
        });
        add.map_err(|error| failed(error).message)
    };
    let root = Path::new(path);
    let imported = tokio::task::block_in_place(|| {
        let imported = import_expecting(&node.intake, root, &mut expect);
        let imported = imported.map_err(|error| import_failed(root, &error))?;
        note_import(node, root, &imported.studies, by);
        let noted = imports.change(&name, |import| note(import, &imported));
        noted.map_err(failed)?;
        settle(node, &name, expected.as_ref()).map_err(failed)
    });
    imported?;
    show(node, &name.to_string())
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

/// Lets go of the studies whose patient is certain: two identifiers agree with those expected, or with those of a study
/// that is here and not itself in question, and nothing contradicts.
fn settle(
    node: &Hands,
    name: &ParcelId,
    expected: Option<&(String, Identity)>,
) -> Result<(), RegisterError> {
    let (imports, register) = (&node.ports.imports, &node.ports.register);
    let identities = |uid: &str| {
        let parts = register.parcels_of(uid).into_iter();
        let of = |parcel| register.look(&parcel, |study| Identity::of(&study.attributes));
        parts.filter_map(of).collect::<Vec<_>>()
    };
    let known = match expected {
        Some((uid, _)) if imports.is_undecided(uid) => Vec::new(),
        Some(expected) => vec![expected.clone()],
        None => alike(node, name, identities),
    };
    imports.change(name, |import| {
        let held = import.studies.iter_mut();
        for study in held.filter(|study| study.standing == Standing::Held) {
            let identities = identities(&study.uid);
            let agreements = || {
                let pairs = identities.iter().flat_map(|own| {
                    let others = known.iter();
                    others.map(move |(uid, other)| (uid, own.agreement(other)))
                });
                pairs.collect::<Vec<_>>()
            };
            let agreements = agreements();
            let contradicts = agreements
                .iter()
                .any(|(_, agreement)| *agreement == Agreement::Contradicts);
            let same = agreements
                .iter()
                .find(|(_, agreement)| *agreement == Agreement::Same);
            if let (false, Some((uid, _))) = (contradicts, same) {
                study.standing = Standing::Matched((*uid).clone());
            }
        }
    })
}

/// Those studies of this site, not themselves in question, whose patients have the IDs of patients in this import.
fn alike(
    node: &Hands,
    name: &ParcelId,
    identities: impl Fn(&str) -> Vec<Identity>,
) -> Vec<(String, Identity)> {
    let receipts = node.ports.imports.all();
    let import = receipts.iter().find(|(one, _)| one == name);
    let studies = import.into_iter().flat_map(|(_, import)| &import.studies);
    let held = studies.filter(|study| study.standing == Standing::Held);
    let patients: BTreeSet<Patient> = held
        .flat_map(|study| identities(&study.uid))
        .map(|identity| identity.patient)
        .collect();
    let is_alike = |entry: &Entry| patients.contains(&Patient::of(&entry.attributes));
    let found = node
        .ports
        .holdings
        .studies(&Scope::Own, usize::MAX, is_alike);
    let known = found.iter();
    known
        .map(|entry| (entry.key.uid.to_string(), Identity::of(&entry.attributes)))
        .collect()
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
pub(super) fn decide(node: &Hands, decide: &DecideMedia) -> Result<Value, Failure> {
    let (name, import) = find(node, &decide.import)?;
    let wanted = |study: &&ImportedStudy| {
        let of = decide.study.as_deref();
        study.standing == Standing::Held && of.is_none_or(|uid| uid.trim() == study.uid)
    };
    let uids: Vec<String> = import
        .studies
        .iter()
        .filter(wanted)
        .map(|study| study.uid.clone())
        .collect();
    if uids.is_empty() {
        return Err(Failure::new(
            "nothing-held",
            say!(
                "この取り込みに確認待ちの検査はありません。「dokuei media show」で確認してください。",
                "No study of this import waits to be decided. See 'dokuei media show'."
            ),
        ));
    }
    let decision = match (&decide.patient, decide.discard) {
        (_, true) => Decision::Discarded,
        (Some(id), false) => Decision::OfPatient(Patient {
            id: id.clone(),
            issuer: decide.issuer.clone().unwrap_or_default(),
        }),
        (None, false) => Decision::AsItIs,
    };
    let (imports, register) = (&node.ports.imports, &node.ports.register);
    tokio::task::block_in_place(|| {
        for uid in &uids {
            if decision == Decision::Discarded {
                for parcel in register.parcels_of(uid) {
                    let removed = register.remove(&parcel);
                    if !removed.map_err(|error| register_failure(&error))? {
                        return Err(still_arriving());
                    }
                }
            }
            imports.decide(uid, &decision, now().0).map_err(failed)?;
        }
        Ok(())
    })?;
    show(node, &name.to_string())
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

fn still_arriving() -> Failure {
    Failure::new(
        "arriving",
        say!(
            "検査に画像が届いている最中です。少し待ってからやり直してください。",
            "Images of the study are arriving just now. Wait a little and try again."
        ),
    )
}
