//! Requests about cases.

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};
use dokuei_protocol::case::phase::Phase;
use dokuei_protocol::case::report::{ReportStatus, Versions};
use dokuei_protocol::case::request::Keeping;
use dokuei_protocol::case::terms::CaseTerms;
use dokuei_protocol::case::thread::Thread;
use dokuei_protocol::input::Command;
use dokuei_protocol::service::Service;
use dokuei_protocol::service::views::{CaseView, Side};
use dokuei_protocol::time::{Span, Timestamp};
use serde_json::{Value, json};

use crate::control::answers::{
    both, command, find_case, find_partner, partner_name, short, stopping, waiting,
};
use crate::control::case_priors;
use crate::control::endings::{asked_to_stop, ending};
use crate::control::people::find_person;
use crate::control::whose::study_of;
use crate::language::{Failure, Message};
use crate::runtime::hands::Hands;
use crate::say;
use crate::site::people;
use crate::transfer::moving::Moved;

/// How much later than the need a promise may be without being late. Both are given in hours, the promise from a later
/// moment on: for the same number of hours it is always a little later.
const LATENESS: Span = Span::HOUR;

pub(super) async fn list(node: &Hands) -> Result<Value, Failure> {
    let views = node
        .desk
        .ask(|service| service.cases())
        .await
        .map_err(|_| stopping())?;
    let mut listed = Vec::with_capacity(views.len());
    for view in views {
        listed.push(case_json(node, &view).await?);
    }
    Ok(Value::Array(listed))
}

pub(super) async fn show(node: &Hands, case: &str) -> Result<Value, Failure> {
    let view = find_case(node, case).await?;
    let mut shown = case_json(node, &view).await?;
    let earlier = view.case;
    let later = node.desk.ask(move |service| {
        let adds = |view: &CaseView| {
            let terms = view.terms.as_ref();
            terms.and_then(|terms| terms.addition_to) == Some(earlier)
        };
        let views = service.cases().into_iter();
        views.filter(adds).map(|view| view.case).collect::<Vec<_>>()
    });
    let later = later.await.map_err(|_| stopping())?;
    shown["additions"] = later
        .into_iter()
        .map(|case| json!({ "case": case.to_string(), "short": short(case) }))
        .collect();
    shown["priors"] = case_priors::shown(node, earlier).await?;
    Ok(shown)
}

/// One case, with what only its own site knows of the study.
pub(super) async fn case_json(node: &Hands, view: &CaseView) -> Result<Value, Failure> {
    let case = view.case;
    let facts = node.desk.ask(move |service| Facts::of(service, case));
    let Facts {
        parcel,
        versions,
        endings,
    } = facts.await.map_err(|_| stopping())?;
    let study = study_of(node, case, parcel);
    let reports: Vec<Value> = versions
        .iter()
        .flat_map(|versions| versions.all())
        .map(|version| json!({ "version": version.issued.version, "status": version.issued.status.code(), "report": version.issued.report.to_string(), "reception": format!("{:?}", version.reception).to_lowercase() }))
        .collect();
    let partner = match view.partner {
        Some(site) => json!({ "site": site.to_string(), "name": partner_name(node, site).await }),
        None => Value::Null,
    };
    let mut ended = Vec::with_capacity(endings.len());
    for (site, code, why) in endings {
        let name = partner_name(node, site).await;
        ended.push(
            json!({ "site": site.to_string(), "name": name, "how": code, "why": both(&why) }),
        );
    }
    // Once a final report is signed there is nothing left to stop.
    let is_read = ["claimed", "preliminary"].contains(&view.phase);
    let cancel = view.cancel.as_ref().filter(|_| is_read).map(|cancel| {
        let why = both(&asked_to_stop(cancel, view.side));
        json!({ "at": cancel.at.0, "told": cancel.told.code(), "why": why })
    });
    let newest = versions.as_ref().and_then(|versions| versions.newest());
    let (transfer, given) = moved(node, view, parcel);
    Ok(json!({
        "case": case.to_string(),
        "short": short(case),
        "side": match view.side { Side::Requester => "requester", Side::Reader => "reader" },
        "partner": partner,
        "study_uid": study.as_ref().map(|study| study["uid"].clone()),
        "study": study,
        "phase": view.phase,
        "waiting": both(&waiting(view.waiting)),
        "trouble": node.ports.troubles.of(&case).map(|why| both(&why.sentence())),
        "since": view.since.0,
        "due": view.due.map(|due| due.0),
        "promised_late": promised_late(view),
        "retracted": newest.is_some_and(|newest| newest.issued.status == ReportStatus::Retracted),
        "ended": ended,
        "cancel": cancel,
        "sealed_study": match view.keeping { Keeping::Kept => "kept", Keeping::KeyDestroyed => "key-destroyed", Keeping::Removed => "removed" },
        "kept_until": view.kept_until.map(|until| until.0),
        "terms": view.terms.as_ref().map(terms_json),
        "timeline": view.timeline.iter().map(|happening| json!({ "at": happening.at.0, "what": happening.what })).collect::<Vec<_>>(),
        "reports": reports,
        "transfer": transfer,
        "given": given,
    }))
}

/// How far the study has come here, and how far it has gone from here. What it waits for is told while it is handed over.
fn moved(node: &Hands, view: &CaseView, parcel: Option<ParcelId>) -> (Value, Value) {
    let (ports, movements) = (&node.ports, node.ports.movements());
    let told = |numbers: Value, moved: Option<Moved>| match (numbers, moved) {
        (Value::Object(mut numbers), Some(mut moved)) => {
            moved.held_up = moved.held_up.filter(|_| view.phase == "handing-over");
            if let Value::Object(more) = moved.json() {
                numbers.extend(more);
            }
            Value::Object(numbers)
        }
        (numbers, _) => numbers,
    };
    let given = parcel.and_then(|parcel| ports.transfers.given.so_far(&parcel));
    let away = parcel.and_then(|parcel| movements.away(&parcel));
    (
        told(
            json!(ports.transfers.standing(&view.case)),
            movements.here(&view.case),
        ),
        told(json!(given), away),
    )
}

/// What the service knows of a case beyond its view.
struct Facts {
    /// The study's parcel, at the requester.
    parcel: Option<ParcelId>,
    versions: Option<Versions>,
    /// With whom it has ended without a report, how, and why.
    endings: Vec<(SiteId, &'static str, Message)>,
}

impl Facts {
    fn of(service: &Service, case: CaseId) -> Facts {
        let state = service.state();
        let request = state.requests.get(&case);
        let thread = match request {
            Some(request) => request.booked().or(request.threads.values().last()),
            None => state.readings.get(&case).map(|reading| &reading.thread),
        };
        let threads: Vec<&Thread> = match request {
            Some(request) => request.threads.values().collect(),
            None => thread.into_iter().collect(),
        };
        let ended = |thread: &Thread| {
            let phase = thread.expected();
            let Phase::Ended(how) = phase else {
                return None;
            };
            let (terms, other) = match request {
                Some(request) => (Some(&request.terms), thread.reader()),
                None => (None, thread.requester()),
            };
            let partner = state.partners.get(&thread.reader());
            let capacity = partner.and_then(|partner| partner.capacity.as_ref());
            Some((other, phase.code(), ending(how, terms, capacity)))
        };
        Facts {
            parcel: request.map(|request| request.manifest.parcel),
            versions: thread.and_then(|thread| thread.expected().versions().cloned()),
            endings: threads.into_iter().filter_map(ended).collect(),
        }
    }
}

/// Whether a report that is still to come was promised for later than it is needed.
pub(super) fn promised_late(view: &CaseView) -> bool {
    let needed = view.terms.as_ref().map(|terms| terms.due);
    let is_awaited = [
        "quoted",
        "booked",
        "handing-over",
        "received",
        "claimed",
        "preliminary",
    ];
    let late = view
        .due
        .zip(needed)
        .is_some_and(|(due, needed)| is_late(due, needed));
    late && is_awaited.contains(&view.phase)
}

fn is_late(due: Timestamp, needed: Timestamp) -> bool {
    due > needed.after(LATENESS)
}

fn terms_json(terms: &CaseTerms) -> Value {
    json!({
        "modality": terms.modality.code(),
        "specialty": terms.specialty.code(),
        "priority": terms.priority.code(),
        "objects": terms.objects,
        "bytes": terms.bytes,
        "needed": terms.due.0,
        "addition_to": terms.addition_to.map(|earlier| json!({ "case": earlier.to_string(), "short": short(earlier) })),
    })
}

/// What is done about one case.
#[derive(Clone, Copy)]
pub(crate) enum Act<'a> {
    /// Its requester takes it back, or asks who reads it to stop, for this reason.
    Withdraw(&'a str),
    /// It is offered to these partners.
    Offer(&'a [String]),
    /// Its offer is answered: the report is promised in so many hours, or as the capacity says.
    Quote(Option<u16>),
    /// Its offer is declined.
    Decline,
    /// This reader begins to read it.
    Claim(&'a str),
    /// Who reads it gives it back, for this reason.
    Release(&'a str),
}

/// Does what a person commands about a case that they name; answers what is shown of it then.
pub(super) async fn act_on(node: &Hands, case: &str, act: Act<'_>) -> Result<Value, Failure> {
    let case = find_case(node, case).await?.case;
    self::act(node, case, act).await?;
    show(node, &case.to_string()).await
}

/// Does it. What it costs does not depend on how many cases there are.
pub(crate) async fn act(node: &Hands, case: CaseId, act: Act<'_>) -> Result<(), Failure> {
    let wanted = match act {
        Act::Withdraw(reason) => Command::Withdraw(case, withdrawal(reason)?),
        Act::Offer(to) => {
            let to = sites(node, to).await?;
            Command::Offer { case, to }
        }
        Act::Quote(hours) => Command::Quote { case, hours },
        Act::Decline => Command::Decline(case),
        Act::Claim(reader) => {
            let person = find_person(node, reader)?;
            people::must_read(&person.name, person.role)?;
            let delegation = person.delegation;
            Command::Claim { case, delegation }
        }
        Act::Release(reason) => Command::Release(case, release(reason)?),
    };
    command(node, wanted).await?;
    Ok(())
}

fn withdrawal(reason: &str) -> Result<WithdrawalReason, Failure> {
    match reason {
        "not-needed" => Ok(WithdrawalReason::NotNeeded),
        "sent-in-error" => Ok(WithdrawalReason::SentInError),
        "read-elsewhere" => Ok(WithdrawalReason::ReadElsewhere),
        other => Err(unknown_reason(
            other,
            "not-needed, sent-in-error, read-elsewhere",
        )),
    }
}

fn release(reason: &str) -> Result<ReleaseReason, Failure> {
    match reason {
        "shift-ended" => Ok(ReleaseReason::ShiftEnded),
        "outside-competence" => Ok(ReleaseReason::OutsideCompetence),
        "image-quality" => Ok(ReleaseReason::ImageQuality),
        other => Err(unknown_reason(
            other,
            "shift-ended, outside-competence, image-quality",
        )),
    }
}

pub(super) async fn acknowledge(node: &Hands, case: &str) -> Result<Value, Failure> {
    let view = find_case(node, case).await?;
    let id = view.case;
    let newest = node.desk.ask(move |service| {
        let versions = service
            .state()
            .requests
            .get(&id)?
            .booked()?
            .phase()
            .versions()?;
        versions.newest().map(|version| version.issued.version)
    });
    let none = || {
        Failure::new(
            "no-report",
            say!(
                "この症例にはまだレポートが届いていません。「dokuei case show」で状態を確認してください。",
                "There is no report for this case yet. See 'dokuei case show'."
            ),
        )
    };
    let version = newest.await.map_err(|_| stopping())?.ok_or_else(none)?;
    command(node, Command::Acknowledge(view.case, version)).await?;
    show(node, &view.case.to_string()).await
}

/// The partners with these names or ids.
pub(super) async fn sites(node: &Hands, names: &[String]) -> Result<Vec<SiteId>, Failure> {
    let mut sites = Vec::with_capacity(names.len());
    for name in names {
        sites.push(find_partner(node, name).await?);
    }
    Ok(sites)
}

fn unknown_reason(given: &str, known: &str) -> Failure {
    Failure::new(
        "unknown-reason",
        say!(
            "理由「{given}」は指定できません。指定できる値: {known}。",
            "'{given}' is no reason here. Known: {known}."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_of_the_same_hours_is_not_late() {
        let needed = Timestamp(1_000).after(Span::DAY);
        assert!(!is_late(needed, needed));
        assert!(!is_late(needed.after(Span::HOUR), needed));
        assert!(is_late(needed.after(Span::HOUR.times(2)), needed));
    }
}
