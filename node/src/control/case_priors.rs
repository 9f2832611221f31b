//! Requests about the earlier studies of a case's patient: which ones the requester offers, and how far those are that the
//! reader asked for.

use std::collections::BTreeMap;

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::cancel::Told;
use dokuei_protocol::case::priors::{
    Asked, HeldPrior, PriorList, PriorRefusal, PriorsHere, Wish, lies_as,
};
use dokuei_protocol::case::request::{Keeping, Request};
use dokuei_protocol::input::{Command, Job};
use dokuei_protocol::partner::agreement::Naming;
use dokuei_protocol::service::Service;
use dokuei_protocol::service::views::Waiting;
use serde_json::{Value, json};

use crate::control::answers::{both, command, find_case, stopping, waiting};
use crate::control::cases;
use crate::language::{Failure, Message};
use crate::priors::{ArchiveAsked, Entry, List, open};
use crate::runtime::hands::Hands;
use crate::say;
use crate::studies::identity::{Agreement, Identity};

/// Shows the priors of a case; asks for those with these numbers first.
pub(super) async fn priors(node: &Hands, case: &str, ask: &[u16]) -> Result<Value, Failure> {
    let id = find_case(node, case).await?.case;
    if !ask.is_empty() {
        command(node, Command::AskPriors(id, ask.to_vec())).await?;
    }
    cases::show(node, &id.to_string()).await
}

/// What the service knows of the priors of a case.
enum Known {
    /// As its requester.
    There {
        list: Option<Sealed>,
        told: Option<Told>,
        asked: BTreeMap<u16, (Asked, Option<Waiting>)>,
        is_over: bool,
        naming: Naming,
    },
    /// As its reader.
    Here {
        list: Option<Sealed>,
        priors: PriorsHere,
        takes: bool,
    },
}

/// A list, and what opens it.
struct Sealed {
    list: PriorList,
    site: SiteId,
    parcel: ParcelId,
    key: Option<ContentKey>,
}

impl Known {
    fn of(service: &Service, case: CaseId, site: SiteId) -> Option<Known> {
        if let Some(request) = service.state().requests.get(&case) {
            return Some(Known::there(service, request, site));
        }
        let reading = service.state().readings.get(&case)?;
        let parcel = reading.thread.expected().grant()?.manifest.parcel;
        let sealed = |list: &PriorList| Sealed {
            list: list.clone(),
            site: reading.thread.requester(),
            parcel,
            key: service.content_key(parcel).map(ContentKey::duplicate),
        };
        Some(Known::Here {
            list: reading.priors.offer.as_ref().map(|(_, list)| sealed(list)),
            priors: reading.priors.clone(),
            takes: reading.takes_priors(),
        })
    }

    fn there(service: &Service, request: &Request, site: SiteId) -> Known {
        let parcel = request.manifest.parcel;
        let sealed = |list: &PriorList| Sealed {
            list: list.clone(),
            site,
            parcel,
            key: service.content_key(parcel).map(ContentKey::duplicate),
        };
        let standing = |(number, asked): (&u16, &Asked)| {
            let trouble = service.prior_trouble(Job::FindPrior(request.case, *number));
            (*number, (asked.clone(), trouble.map(Waiting::Retry)))
        };
        Known::There {
            list: request.priors.list.as_ref().map(sealed),
            told: request.priors.offer.map(|(_, told)| told),
            asked: request.priors.asked.iter().map(standing).collect(),
            is_over: !request.wants_priors() && request.priors.list.is_none(),
            naming: request.naming,
        }
    }
}

/// The priors of a case as programs read them.
pub(super) async fn shown(node: &Hands, case: CaseId) -> Result<Value, Failure> {
    let site = node.ports.site;
    let known = node.desk.ask(move |service| Known::of(service, case, site));
    Ok(match known.await.map_err(|_| stopping())? {
        None => {
            let mut shown = summary(None);
            shown["why"] = both(&nothing_yet());
            shown["studies"] = json!([]);
            shown
        }
        Some(Known::There {
            list,
            told,
            asked,
            is_over,
            naming,
        }) => {
            let listed = list.as_ref().map(|sealed| opened(case, sealed));
            let why = match (naming, &listed) {
                (Naming::Pseudonymous, _) => pseudonymous(),
                (Naming::Identified, None) if is_over => over(),
                (Naming::Identified, None) => being_listed(),
                (Naming::Identified, Some(listed)) => of_list(listed.as_ref()),
            };
            let told_why = told
                .filter(|told| *told == Told::Refused)
                .map(|_| refused_list());
            let studies = studies(listed.flatten(), |number, entry| {
                let mut shown = entry_json(number, entry);
                there_json(&mut shown, asked.get(&number));
                shown
            });
            let mut shown = summary(
                list.as_ref()
                    .and_then(|sealed| opened(case, sealed))
                    .as_ref(),
            );
            shown["why"] = both(&why);
            shown["told"] = told.map(Told::code).into();
            shown["told_why"] = told_why.as_ref().map(both).into();
            shown["studies"] = studies;
            shown
        }
        Some(Known::Here {
            list,
            priors,
            takes,
        }) => {
            let listed = list.as_ref().map(|sealed| opened(case, sealed));
            let why = match &listed {
                None if takes => nothing_yet(),
                None => over(),
                Some(listed) => of_list(listed.as_ref()),
            };
            let listed = listed.flatten();
            let mut shown = summary(listed.as_ref());
            shown["why"] = both(&why);
            shown["studies"] = studies(listed, |number, entry| {
                let mut shown = entry_json(number, entry);
                here_json(node, case, &mut shown, (number, &priors));
                shown
            });
            shown
        }
    })
}

fn opened(case: CaseId, sealed: &Sealed) -> Option<List> {
    let key = sealed.key.as_ref()?;
    open(&sealed.list, case, (sealed.parcel, key), sealed.site)
}

fn summary(list: Option<&List>) -> Value {
    json!({
        "archive": list.map(|list| list.archive.code()),
        "unsure": list.map(|list| list.unsure),
        "more": list.map(|list| list.more),
    })
}

fn studies(list: Option<List>, show: impl Fn(u16, &Entry) -> Value) -> Value {
    let entries = list.map(|list| list.entries).unwrap_or_default();
    let numbered = (1..).zip(&entries);
    numbered
        .map(|(number, entry)| show(number, entry))
        .collect()
}

fn entry_json(number: u16, entry: &Entry) -> Value {
    json!({
        "number": number,
        "uid": entry.uid,
        "date": entry.date,
        "time": entry.time,
        "modality": entry.modalities,
        "region": entry.region,
        "description": entry.description,
        "objects": entry.objects,
        "at_node": entry.here,
        "report": entry.report,
        "state": "offered",
        "why": Value::Null,
    })
}

/// How far one is, as its requester knows it.
fn there_json(shown: &mut Value, asked: Option<&(Asked, Option<Waiting>)>) {
    let Some((asked, trouble)) = asked else {
        return;
    };
    let (state, why) = match asked {
        Asked::Sought => ("sought", trouble.map(waiting)),
        Asked::Found(_) => ("found", Some(waiting(Waiting::Prekey))),
        Asked::Granted(_) => ("handed-over", None),
        Asked::Refused(refusal) => ("refused", Some(refused(*refusal))),
    };
    shown["state"] = state.into();
    shown["why"] = why.as_ref().map(both).into();
}

/// How far one is, as its reader knows it.
fn here_json(node: &Hands, case: CaseId, shown: &mut Value, (number, priors): (u16, &PriorsHere)) {
    let Some(wish) = priors.wishes.get(&number) else {
        return;
    };
    let parts = priors.held.iter();
    let parts: Vec<(&ParcelId, &HeldPrior)> =
        parts.filter(|(_, prior)| prior.number == number).collect();
    let (state, why) = standing(wish, &parts);
    shown["state"] = state.into();
    shown["why"] = why.as_ref().map(both).into();
    let under_way = parts.iter().map(|(parcel, _)| lies_as(case, **parcel));
    let transfers = under_way.clone();
    let transfers = transfers.filter_map(|name| node.ports.transfers.standing(&name));
    shown["transfers"] = json!(transfers.collect::<Vec<_>>());
    let troubles = under_way.filter_map(|name| node.ports.troubles.of(&name));
    let trouble = troubles.map(|why| both(&why.sentence())).next();
    shown["trouble"] = trouble.into();
    if state == "here" {
        shown["patient"] = patient_code(node, case, &parts).into();
    }
}

fn standing(wish: &Wish, parts: &[(&ParcelId, &HeldPrior)]) -> (&'static str, Option<Message>) {
    match (&wish.answer, wish.told) {
        (None, Told::Refused) => (
            "not-taken",
            Some(say!(
                "依頼元のノードが受け付けませんでした（読影が終わったか、取り下げられています）",
                "the requester's node did not take the request (the reading is over, or was taken back)"
            )),
        ),
        (None, Told::OnItsWay | Told::Told) => ("asked", None),
        (Some(Err(refusal)), _) => ("refused", Some(refused(*refusal))),
        (Some(Ok(count)), _) => {
            let kept = parts
                .iter()
                .filter(|(_, part)| part.keeping == Keeping::Kept);
            let kept: Vec<&HeldPrior> = kept.map(|(_, part)| *part).collect();
            match kept.len() == usize::from(*count) {
                true if kept.iter().all(|part| part.arrived) => ("here", None),
                true => ("coming", None),
                false => ("gone", Some(gone())),
            }
        }
    }
}

/// Whether what came is certainly of the patient of the case, by what the images of both say.
fn patient_code(node: &Hands, case: CaseId, parts: &[(&ParcelId, &HeldPrior)]) -> &'static str {
    let granted = &node.ports.granted;
    let identity = |name: CaseId| granted.look_at(name, |study| Identity::of(&study.attributes));
    let Some(own) = identity(case) else {
        return "not-certain";
    };
    let mut came = parts
        .iter()
        .map(|(parcel, _)| identity(lies_as(case, **parcel)));
    let same = |other: Option<Identity>| {
        other.is_some_and(|other| own.agreement_in_one_house(&other) == Agreement::Same)
    };
    match came.all(same) {
        true => "same",
        false => "not-certain",
    }
}

fn refused(refusal: PriorRefusal) -> Message {
    match refusal {
        PriorRefusal::NotSamePatient => say!(
            "画像が同じ患者のものと確かめられないため、渡しません",
            "its images are not certainly of the same patient: it is not handed over"
        ),
        PriorRefusal::NotSent => say!(
            "依頼元の PACS から届きません",
            "the requester's archive does not send it"
        ),
        PriorRefusal::TooLarge => say!(
            "過去画像として送るには大きすぎます",
            "it is too large to go as a prior"
        ),
        PriorRefusal::NotKept => say!(
            "依頼元にはもうありません",
            "the requester does not have it any more"
        ),
    }
}

fn gone() -> Message {
    say!(
        "届いたデータを開けないか、読影が終わったため、消しました",
        "what came cannot be opened, or the reading is over: it was removed"
    )
}

fn refused_list() -> Message {
    say!(
        "読影側のノードは過去検査の一覧を受け取れません（版が古い可能性があります）",
        "the reader's node does not take lists of priors (it may be of an earlier version)"
    )
}

fn nothing_yet() -> Message {
    say!(
        "依頼元から過去検査の一覧はまだ届いていません",
        "the requester has not said yet which earlier studies there are"
    )
}

fn being_listed() -> Message {
    say!(
        "過去検査を調べています",
        "earlier studies are being looked for"
    )
}

fn over() -> Message {
    say!(
        "読影が終わったため、過去検査の受け渡しはありません",
        "the reading is over: no earlier studies are handed over"
    )
}

fn pseudonymous() -> Message {
    say!(
        "仮名で送る検査には過去検査を添えません",
        "no earlier studies go with a study under a pseudonym"
    )
}

/// What a list says, in words; what is missing is said as well.
fn of_list(list: Option<&List>) -> Message {
    let Some(list) = list else {
        return say!(
            "過去検査の一覧を開けません",
            "the list of earlier studies cannot be opened"
        );
    };
    let count = list.entries.len();
    let offered = match count {
        0 => say!("過去検査は見つかっていません", "no earlier study is known"),
        _ => say!("過去検査 {count} 件", "{count} earlier studies"),
    };
    let archive = match list.archive {
        ArchiveAsked::Answered => None,
        ArchiveAsked::None => Some(say!(
            "依頼元に PACS の設定がないため、ノードにある検査だけです",
            "the requester has configured no archive: only what lies at its node"
        )),
        ArchiveAsked::Failed => Some(say!(
            "依頼元の PACS に問い合わせできませんでした",
            "the requester's archive could not be asked"
        )),
        ArchiveAsked::NotAsked => Some(say!(
            "検査の患者を特定できないため、探していません",
            "not looked for, as the study does not say for certain whose it is"
        )),
    };
    let unsure = (list.unsure > 0).then(|| {
        let unsure = list.unsure;
        say!(
            "ほかに本人か不確実な検査が {unsure} 件あり、一覧に入れていません",
            "{unsure} more are not certainly of the patient and are not offered"
        )
    });
    let more = list.more.then(|| {
        say!(
            "これより古いものは一覧にありません",
            "older ones are not listed"
        )
    });
    let parts = [archive, unsure, more].into_iter().flatten();
    parts.fold(
        offered,
        |said, part| say!("{said}。{part}", "{said}; {part}"; said = said, part = part),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_lacks_is_said() {
        let said = |archive, unsure, more| {
            let list = List {
                unsure,
                more,
                ..List::empty(archive)
            };
            of_list(Some(&list)).en
        };
        assert_eq!(
            said(ArchiveAsked::Answered, 0, false),
            "no earlier study is known"
        );
        let failed = said(ArchiveAsked::Failed, 2, true);
        for part in ["could not be asked", "2 more", "older ones"] {
            assert!(failed.contains(part), "{failed}");
        }
        assert!(of_list(None).en.contains("cannot be opened"));
    }

    #[test]
    fn every_refusal_is_told_in_both_languages() {
        for refusal in PriorRefusal::ALL {
            let said = refused(*refusal);
            assert!(!said.ja.is_empty() && !said.en.is_empty());
        }
    }
}
