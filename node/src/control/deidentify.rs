//! Requests about de-identified studies: written to a folder, and found again by their pseudonym.

use std::path::Path;

use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::audit::event::{Event, Kind, Place, Subject, Who};
use crate::control::answers::both;
use crate::control::caller::record;
use crate::control::request::DeidentifyStudy;
use crate::deidentify::export::{ExportError, Exported, export};
use crate::deidentify::pseudonyms::Pseudonyms;
use crate::deidentify::{Dates, Method, Regions};
use crate::language::{Explain as _, Failure};
use crate::pixels::{Decoders, Plan};
use crate::runtime::hands::Hands;
use crate::say;

/// Longest purpose: a sentence.
const PURPOSE_CHARACTERS: usize = 200;

/// Writes a study of this site into a folder, without whom it is of, at the command of `by`.
pub(super) fn deidentify(node: &Hands, asked: &DeidentifyStudy, by: Who) -> Result<Value, Failure> {
    let purpose = purpose(asked)?;
    let pseudonyms = pseudonyms(node);
    let (folder, study) = (Path::new(&asked.folder), asked.study.trim());
    if node.ports.imports.is_undecided(study) {
        return Err(undecided());
    }
    let said = node.ports.persons.said_of(study);
    let exported = tokio::task::block_in_place(|| {
        let secret = pseudonyms.secret(purpose)?;
        let (regions, decoders) = (regions(node)?, Decoders::new(Plan::this_program()));
        let method = Method {
            options: &asked.options,
            secret: &secret,
            site: node.ports.site,
            said: said.as_ref(),
            regions: &regions,
            decoders: &decoders,
        };
        let exported = export(&node.ports.register, study, folder, purpose, method);
        let exported = exported.map_err(|error| not_exported(&error))?;
        if asked.reversible {
            for (pseudonymous, original) in &exported.originals {
                pseudonyms.keep(pseudonymous, original)?;
            }
        }
        Ok::<Exported, Failure>(exported)
    })?;
    record(&by, "a study was written to a folder without whom it is of");
    note(node, study, &exported, (folder, by));
    let (written, refused) = (exported.written, exported.refused);
    tracing::info!(target: "dokuei::deidentify", written, refused, "a study was written without whom it is of");
    let reasons = exported.reasons.iter();
    let reasons =
        reasons.map(|(instance, why)| json!({ "sop_instance": instance, "why": both(why) }));
    Ok(json!({
        "folder": asked.folder,
        "written": written,
        "refused": refused,
        "reasons": reasons.collect::<Vec<_>>(),
        "pseudonyms": exported.pseudonyms,
        "studies": exported.originals.iter().map(|(uid, _)| uid).collect::<Vec<_>>(),
        "reversible": asked.reversible,
        "dates": asked.options.dates,
    }))
}

/// Tells auditors that images of a study left, even if without whom they are of, and at whose command.
fn note(node: &Hands, uid: &str, exported: &Exported, (folder, by): (&Path, Who)) {
    let register = &node.ports.register;
    let parcel = register.parcels_of(uid).pop();
    let subject = parcel.and_then(|parcel| register.look(&parcel, Subject::of));
    if exported.written > 0 {
        node.audit.note(Event::now(Kind::Exported {
            to: Place::Media(format!("file://{}", folder.display())),
            by: Some(by),
            subject: subject.unwrap_or_default(),
        }));
    }
}

/// Whom a pseudonym stands for: each of its studies with its patient.
pub(super) fn reidentify(node: &Hands, pseudonym: &str) -> Result<Value, Failure> {
    let found = tokio::task::block_in_place(|| pseudonyms(node).studies_of(pseudonym.trim()))?;
    if found.is_empty() {
        return Err(Failure::new(
            "no-pseudonym",
            say!(
                "その仮名と患者の対応はこの施設に保存されていません。書き出したときに --reversible を付けたものだけが元に戻せます。",
                "This site keeps no patient for that pseudonym: only what was written with --reversible can be found again."
            ),
        ));
    }
    let shown = found.iter().map(|(pseudonymous, original)| {
        let attributes = &original.attributes;
        json!({
            "pseudonym": original.pseudonym,
            "pseudonymous_uid": pseudonymous,
            "purpose": original.purpose,
            "uid": original.study,
            "patient_name": attributes.name(tags::PATIENT_NAME).display(),
            "patient_id": attributes.text(tags::PATIENT_ID),
            "birth_date": attributes.text(tags::PATIENT_BIRTH_DATE),
            "date": attributes.text(tags::STUDY_DATE),
        })
    });
    Ok(shown.collect())
}

/// Where devices write into their pictures, as the file says now.
pub(super) fn regions(node: &Hands) -> Result<Regions, Failure> {
    let file = node.config.regions.as_ref();
    file.map_or(Ok(Regions::default()), |file| {
        Regions::read(&node.folder.path().join(file))
    })
}

pub(super) fn pseudonyms(node: &Hands) -> Pseudonyms<'_> {
    Pseudonyms {
        store: &node.ports.store,
        storage: &node.ports.storage,
    }
}

/// The purpose, when the request can be done.
fn purpose(asked: &DeidentifyStudy) -> Result<&str, Failure> {
    let purpose = asked.purpose.trim();
    if purpose.is_empty() || purpose.chars().count() > PURPOSE_CHARACTERS {
        return Err(Failure::new(
            "no-purpose",
            say!(
                "使用目的（--purpose）を {PURPOSE_CHARACTERS} 文字以内で指定してください。同じ目的なら同じ仮名になります。",
                "Give the purpose (--purpose) in at most {PURPOSE_CHARACTERS} characters. The same purpose gives the same pseudonyms."
            ),
        ));
    }
    if asked.reversible && asked.options.keep_uids {
        return Err(Failure::new(
            "uids-and-reversible",
            say!(
                "--keep-uids と --reversible は同時に使えません。UID を残せば、それだけで元の検査が分かります。",
                "--keep-uids and --reversible exclude each other: UIDs that stay lead back to the study by themselves."
            ),
        ));
    }
    let keeps_dates = asked.options.dates == Dates::Keep;
    if keeps_dates && asked.options.keep_uids && asked.options.keep_institution {
        return Err(Failure::new(
            "too-much-kept",
            say!(
                "日付、UID、施設名をすべて残すと匿名化になりません。少なくとも一つを外してください。",
                "Dates, UIDs and the institution together name the visit: leave out at least one."
            ),
        ));
    }
    Ok(purpose)
}

/// That nobody can say what a study would be de-identified from.
fn undecided() -> Failure {
    Failure::new(
        "undecided",
        say!(
            "この検査はどの患者のものか確認待ちのため、書き出しません。「dokuei media decide」で決めてください。",
            "Nobody has said whose this study is, so it is not written. Decide with 'dokuei media decide'."
        ),
    )
}

fn not_exported(error: &ExportError) -> Failure {
    let code = match error {
        ExportError::Unknown => "no-study",
        ExportError::NotEmpty => "folder-not-empty",
        ExportError::Folder(_) => "folder-unusable",
    };
    Failure::new(code, error.message().sentence())
}
