//! Requests about studies: what lies here.

use dicom_dictionary_std::tags;
use dokuei_keys::id::SiteId;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::service::views::Side;
use serde_json::{Value, json};

use crate::checks::Wanted;
use crate::control::access::web_address;
use crate::control::answers::no_study;
use crate::control::answers::{both, partner_name, short, stopping, waiting};
use crate::control::checking::{check_json, observe, observed_json};
use crate::control::sending::earlier_case;
use crate::control::whose::patients_of;
use crate::control::whose::whose;
use crate::dicomweb::viewer_path;
use crate::entities::Domain;
use crate::language::{Failure, Message};
use crate::runtime::start::Node;
use crate::say;
use crate::studies::patient::are_several;
use crate::studies::study::Study;

pub(super) async fn list(node: &Node) -> Result<Value, Failure> {
    let mut listed = Vec::new();
    for (origin, study) in all(node) {
        listed.push(study_json(node, origin, &study).await?);
    }
    Ok(Value::Array(listed))
}

/// The newest part of a study, with all its parts, oldest first: what came after a study was sent is a part of its own.
pub(super) async fn show(node: &Node, uid: &str) -> Result<Value, Failure> {
    let mut parts = Vec::new();
    for (origin, study) in all(node) {
        if study.uid != uid.trim() {
            continue;
        }
        let mut part = study_json(node, origin, &study).await?;
        if let Origin::Own = origin {
            let parcel = study.parcel;
            let noted = node
                .desk
                .ask(move |service| service.state().checks.get(&parcel).cloned());
            let noted = noted.await.map_err(|_| stopping())?;
            part["sent_check"] = noted.as_ref().map(check_json).into();
            part["check"] = observed_json(&observe(node, &study.uid, &Wanted::default()));
        }
        part["series"] = study
            .series
            .iter()
            .map(|series| {
                let description = study.attributes.decode(&series.description);
                let inexact: &[&str] = if description.exact { &[] } else { &["description"] };
                json!({ "uid": series.uid, "modality": series.modality, "number": series.number, "description": description.text, "inexact": inexact, "objects": series.objects })
            })
            .collect();
        part["viewer"] = viewer(node, origin, &study).into();
        parts.push(part);
    }
    let mut shown = parts.last().cloned().ok_or_else(|| no_study(uid))?;
    shown["parts"] = Value::Array(parts);
    Ok(shown)
}

/// The address that opens a study in the viewer; none while nobody comes in by the web.
fn viewer(node: &Node, origin: Origin, study: &Study) -> Option<String> {
    let institution = match origin {
        Origin::Own => node.ports.site,
        Origin::Granted(_, site) => site,
    };
    let issuer = study.attributes.text(tags::ISSUER_OF_PATIENT_ID);
    let domain = Domain {
        institution,
        issuer,
    };
    web_address(node).map(|web| web + &viewer_path(&domain, &study.uid))
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
    let patients = match origin {
        Origin::Own => patients_of(node, &study.uid),
        Origin::Granted(..) => study.patients(),
    };
    let mixed = are_several(&patients);
    let why = match (views.last(), origin) {
        (Some(view), _) => waiting(view.waiting),
        (None, Origin::Own) => why_unsent(mixed, closed, earlier),
        (None, Origin::Granted(..)) => Message::new("", ""),
    };
    let from = match origin {
        Origin::Own => Value::Null,
        Origin::Granted(_, site) => Value::String(partner_name(node, site).await),
    };
    let mut shown = whose(study);
    let more = json!({
        "from": from,
        "patients": patients.iter().map(|patient| json!({ "id": patient.id, "issuer": patient.issuer })).collect::<Vec<_>>(),
        "mixes_patients": mixed,
        "series": study.series.len(),
        "objects": study.objects.len(),
        "bytes": study.bytes(),
        "first_at": study.first_at,
        "last_at": study.last_at,
        "complete": closed || matches!(origin, Origin::Granted(..)),
        "removed": study.removed.is_some(),
        "waiting": both(&why),
        "cases": views.iter().map(|view| json!({ "case": view.case.to_string(), "short": short(view.case), "phase": view.phase, "side": match view.side { Side::Requester => "requester", Side::Reader => "reader" } })).collect::<Vec<_>>(),
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    Ok(shown)
}

/// Why a study of this site is in no case.
fn why_unsent(mixed: bool, closed: bool, earlier: Option<CaseId>) -> Message {
    match (closed, earlier) {
        _ if mixed => say!(
            "患者 ID の違う画像が混ざっているため送れません（dokuei study show で確認）",
            "its images carry different patient IDs: it is not sent (see dokuei study show)"
        ),
        (false, _) => say!("受信中", "arriving"),
        (true, Some(earlier)) => {
            let earlier = short(earlier);
            say!(
                "症例 {earlier} の後に届いた追加画像（dokuei study send で追加として依頼）",
                "came after case {earlier}: 'dokuei study send' sends it as an addition"
            )
        }
        (true, None) => say!(
            "依頼先の指定待ち（dokuei study send）",
            "waits to be sent (dokuei study send)"
        ),
    }
}
