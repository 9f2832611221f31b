//! Requests about studies: what lies here.

use dicom_dictionary_std::tags;
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::service::views::Side;
use serde_json::{Value, json};

use crate::checks::Wanted;
use crate::control::access::web_address;
use crate::control::answers::{
    both, no_study, partner_name, register_failure, short, stopping, waiting,
};
use crate::control::checking::{check_json, observe, observed_json};
use crate::control::request::LISTED;
use crate::control::sending::earlier_case;
use crate::control::whose::patients_of;
use crate::control::whose::whose;
use crate::dicomweb::viewer_path;
use crate::entities::{Domain, Scope};
use crate::language::{Failure, Message};
use crate::runtime::start::Node;
use crate::say;
use crate::studies::head::Head;
use crate::studies::patient::are_several;
use crate::studies::study::Study;

pub(super) async fn list(node: &Node) -> Result<Value, Failure> {
    let mut listed = Vec::new();
    for (_, origin) in all(node).into_iter().rev().take(LISTED).rev() {
        if let Some(head) = head(node, origin)? {
            listed.push(study_json(node, origin, &head).await?);
        }
    }
    Ok(Value::Array(listed))
}

/// The newest part of a study, with all its parts, oldest first: what came after a study was sent is a part of its own.
pub(super) async fn show(node: &Node, uid: &str) -> Result<Value, Failure> {
    let mut parts = Vec::new();
    for origin in with_uid(node, uid.trim()) {
        let Some(head) = head(node, origin)? else {
            continue;
        };
        let study = &head.study;
        let mut part = study_json(node, origin, &head).await?;
        if let Origin::Own(parcel) = origin {
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
        part["viewer"] = viewer(node, origin, study).into();
        parts.push(part);
    }
    let mut shown = parts.last().cloned().ok_or_else(|| no_study(uid))?;
    shown["parts"] = Value::Array(parts);
    Ok(shown)
}

/// The address that opens a study in the viewer; none while nobody comes in by the web.
fn viewer(node: &Node, origin: Origin, study: &Study) -> Option<String> {
    let institution = match origin {
        Origin::Own(_) => node.ports.site,
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
    Own(ParcelId),
    Granted(CaseId, SiteId),
}

/// Every study with since when it is here, oldest first.
fn all(node: &Node) -> Vec<(u64, Origin)> {
    let mut all = Vec::new();
    let register = &node.ports.register;
    register.outlines(|study| all.push((study.first_at, Origin::Own(study.parcel))));
    let granted = node.ports.granted.cases().into_iter();
    all.extend(granted.map(|(case, from, at)| (at, Origin::Granted(case, from))));
    all.sort_by_key(|(first_at, _)| *first_at);
    all
}

/// The studies with a UID, oldest first.
fn with_uid(node: &Node, uid: &str) -> Vec<Origin> {
    let (register, granted) = (&node.ports.register, &node.ports.granted);
    let own = register.parcels_of(uid).into_iter();
    let own: Vec<Origin> = own.map(Origin::Own).collect();
    let found = node.ports.holdings.with_uid(&Scope::All, uid);
    let parts = found.iter().flat_map(|entry| &entry.parts);
    let cases = parts.filter_map(|part| granted.case_of(&part.parcel));
    own.into_iter()
        .chain(cases.map(|(case, from)| Origin::Granted(case, from)))
        .collect()
}

/// What is listed of a study; none when it went meanwhile.
fn head(node: &Node, origin: Origin) -> Result<Option<Head>, Failure> {
    let head = tokio::task::block_in_place(|| match origin {
        Origin::Own(parcel) => node.ports.register.head(&parcel),
        Origin::Granted(case, _) => node.ports.granted.head(case),
    });
    head.map_err(|error| register_failure(&error))
}

async fn study_json(node: &Node, origin: Origin, head: &Head) -> Result<Value, Failure> {
    let study = &head.study;
    let (parcel, closed) = (study.parcel, study.manifest.is_some());
    let views = node.desk.ask(move |service| {
        let state = service.state();
        let cases = service.cases();
        let mine = |case: &CaseId| match origin {
            Origin::Own(_) => state
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
    let prior_of = match origin {
        Origin::Own(_) => None,
        Origin::Granted(name, _) => {
            let prior = node.desk.ask(move |service| service.prior_lying_as(name));
            prior.await.map_err(|_| stopping())?
        }
    };
    let earlier = match origin {
        Origin::Own(_) => earlier_case(node, &study.uid, parcel).await?,
        Origin::Granted(..) => None,
    };
    let patients = match origin {
        Origin::Own(_) => patients_of(node, &study.uid),
        Origin::Granted(..) => study.patients(),
    };
    let mixed = are_several(&patients);
    let why = match (views.last(), origin) {
        (Some(view), _) => waiting(view.waiting),
        (None, Origin::Own(_)) => why_unsent(mixed, closed, earlier),
        (None, Origin::Granted(..)) => Message::new("", ""),
    };
    let from = match origin {
        Origin::Own(_) => Value::Null,
        Origin::Granted(_, site) => Value::String(partner_name(node, site).await),
    };
    let awaited = match origin {
        Origin::Own(_) => 0,
        Origin::Granted(case, _) => node.ports.granted.awaited(case),
    };
    let mut shown = whose(study);
    let more = json!({
        "from": from,
        "patients": patients.iter().map(|patient| json!({ "id": patient.id, "issuer": patient.issuer })).collect::<Vec<_>>(),
        "mixes_patients": mixed,
        "series": study.series.len(),
        "objects": head.objects,
        "awaited": awaited,
        "bytes": head.bytes,
        "first_at": study.first_at,
        "last_at": study.last_at,
        "complete": closed || matches!(origin, Origin::Granted(..)) && awaited == 0,
        "removed": study.removed.is_some(),
        "waiting": both(&why),
        "prior_of": prior_of.map(|(case, number)| json!({ "case": case.to_string(), "short": short(case), "number": number })),
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
