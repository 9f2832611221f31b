//! Requests about partners.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dokuei_keys::id::SiteId;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::effect::Answer;
use dokuei_protocol::input::Command;
use dokuei_protocol::limits;
use dokuei_protocol::partner::Partner;
use dokuei_protocol::partner::agreement::{Agreement, Naming};
use dokuei_protocol::service::views::CaseView;
use dokuei_protocol::time::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::config::is_host_and_port;
use crate::control::answers::{both, command, find_partner, partner_name, short, stopping};
use crate::control::keys::standing;
use crate::language::{Failure, Message};
use crate::network::PartnerStatus;
use crate::runtime::desk::now;
use crate::runtime::hands::Hands;
use crate::runtime::start::Node;
use crate::say;

/// Most cases that are named in a refusal: enough to begin with, and one line.
const CASES_NAMED: usize = 5;

/// Opens an invitation. `addresses` are read out with this code only; where partners reach this node
/// later is what the configuration announces, so that a restart or the next invitation takes nothing
/// from it.
pub(super) async fn invite(
    node: &Node,
    addresses: Vec<String>,
    pseudonyms: bool,
) -> Result<Value, Failure> {
    let announced = node.addresses();
    let called_at = if addresses.is_empty() {
        announced.clone()
    } else {
        addresses
    };
    if called_at.is_empty() || !are_addresses(&called_at) {
        let most = limits::ADDRESSES;
        return Err(Failure::new(
            "no-address",
            say!(
                "相手施設がこのノードに接続する「ホスト:ポート」が必要です（最大 {most}）。--address で指定するか、dokuei.toml の network.announce を設定してください。",
                "The partner needs a 'host:port' to reach this node, at most {most}. Give --address or set network.announce in dokuei.toml."
            ),
        ));
    }
    let warning = announced.is_empty().then(only_here);
    let invite = Command::Invite {
        addresses: announced,
        retention_days: node.config.retention_days,
        naming: naming(pseudonyms),
    };
    match command(node, invite).await? {
        Answer::Invited { secret, until } => Ok(json!({
            "code": format!("{}/{secret}", called_at.join(",")),
            "until": until.0,
            "warning": warning.as_ref().map(both),
        })),
        Answer::Done | Answer::Paired(_) | Answer::Opened(_) => Err(stopping()),
    }
}

fn are_addresses(addresses: &[String]) -> bool {
    addresses.len() <= limits::ADDRESSES
        && addresses.iter().all(|address| is_host_and_port(address))
}

fn only_here() -> Message {
    say!(
        "この場所は今回の招待だけに使われます。登録後に接続が切れると、相手施設からは接続し直せません。dokuei.toml の network.announce に書いてノードを再起動してください（相手施設側が接続を受けるなら不要）。",
        "This address is of this invitation only: once a connection is lost, the partner does not know where to call. Set network.announce in dokuei.toml and restart the node, unless the partner is the one that is called."
    )
}

pub(super) async fn accept(node: &Node, code: &str) -> Result<Value, Failure> {
    let wrong = || {
        Failure::new(
            "bad-code",
            say!(
                "招待コードは「ホスト:ポート/XXXXX-XXXXX-XXXXX-XXXXX」の形です。コード全体を入力してください。",
                "An invitation code looks like 'host:port/XXXXX-XXXXX-XXXXX-XXXXX'. Type all of it."
            ),
        )
    };
    let (addresses, secret) = code.trim().rsplit_once('/').ok_or_else(wrong)?;
    let addresses: Vec<String> = addresses.split(',').map(str::to_owned).collect();
    if !are_addresses(&addresses) {
        return Err(wrong());
    }
    let before = agreed(node).await?;
    let accept = Command::Accept {
        addresses,
        secret: secret.to_owned(),
    };
    match command(node, accept).await? {
        Answer::Paired(site) => {
            let agreed = agreed(node).await?;
            let (new, earlier) = (agreed.get(&site), before.get(&site));
            Ok(json!({
                "site": site.to_string(),
                "name": partner_name(node, site).await,
                "retention_days": new.map(|new| new.retention_days),
                "earlier_retention_days": earlier.map(|earlier| earlier.retention_days),
                "pseudonyms": new.map(|new| new.naming == Naming::Pseudonymous),
                "earlier_pseudonyms": earlier.map(|earlier| earlier.naming == Naming::Pseudonymous),
            }))
        }
        Answer::Done | Answer::Invited { .. } | Answer::Opened(_) => Err(stopping()),
    }
}

pub(super) async fn list(node: &Node) -> Result<Value, Failure> {
    let paths = node.ports.network.status();
    let (absences, started, own) = (node.absences.clone(), node.started, node.ports.site);
    let listed = node.desk.ask(move |service| {
        let at = now();
        let partners = service.state().partners.iter();
        let listed = partners.map(|(site, partner)| {
            let path = paths.iter().find(|path| path.node == partner.node);
            let away = absences.since(partner.node).unwrap_or(started);
            let mut shown = partner_json((own, *site), partner, at);
            shown["documents_waiting"] =
                json!(service.state().outbox.get(site).map_or(0, VecDeque::len));
            merge(&mut shown, connection_json(path, away, at));
            shown
        });
        listed.collect::<Vec<_>>()
    });
    Ok(Value::Array(listed.await.map_err(|_| stopping())?))
}

/// Removes a partner. Cases that are not over would never end: they are not left behind unasked.
pub(super) async fn remove(
    node: &Node,
    partner: &str,
    despite_open_cases: bool,
) -> Result<Value, Failure> {
    let site = find_partner(node, partner).await?;
    let name = partner_name(node, site).await;
    let open = node.desk.ask(move |service| {
        let cases = service.cases().into_iter();
        let is_open = |view: &CaseView| view.partner == Some(site) && !view.waiting.is_over();
        cases
            .filter(is_open)
            .map(|view| view.case)
            .collect::<Vec<_>>()
    });
    let open = open.await.map_err(|_| stopping())?;
    if !open.is_empty() && !despite_open_cases {
        return Err(open_cases(&name, &open));
    }
    command(node, Command::RemovePartner(site)).await?;
    Ok(json!({ "site": site.to_string(), "name": name, "open_cases": open.len() }))
}

fn open_cases(name: &str, open: &[CaseId]) -> Failure {
    let count = open.len();
    let mut shown: Vec<String> = open
        .iter()
        .take(CASES_NAMED)
        .map(|case| short(*case))
        .collect();
    if count > CASES_NAMED {
        shown.push("…".to_owned());
    }
    let cases = shown.join(", ");
    Failure::new(
        "open-cases",
        say!(
            "「{name}」との症例が {count} 件終わっていません（{cases}）。取り下げるか完了させてください。それでも登録を解除するなら --despite-open-cases を付けてください。",
            "Cases with '{name}' that are not over: {count} ({cases}). Withdraw or finish them, or remove it with --despite-open-cases."
        ),
    )
}

/// The agreement in force with each partner.
async fn agreed(node: &Hands) -> Result<BTreeMap<SiteId, Agreement>, Failure> {
    let agreed = node.desk.ask(|service| {
        let (at, partners) = (now(), service.state().partners.iter());
        let agreed = |partner: &Partner| Some(partner.agreement(at)?.1.clone());
        partners
            .filter_map(|(site, partner)| Some((*site, agreed(partner)?)))
            .collect()
    });
    agreed.await.map_err(|_| stopping())
}

fn naming(pseudonyms: bool) -> Naming {
    match pseudonyms {
        true => Naming::Pseudonymous,
        false => Naming::Identified,
    }
}

/// Whether studies travel to one of these under a pseudonym, by the agreements in force.
pub(super) async fn want_pseudonyms(node: &Hands, to: &[SiteId]) -> Result<bool, Failure> {
    let agreed = agreed(node).await?;
    let mut agreed = to.iter().filter_map(|site| agreed.get(site));
    Ok(agreed.any(|agreement| agreement.naming == Naming::Pseudonymous))
}

/// Proposes another agreement. The one before holds until the partner accepts.
pub(super) async fn propose(
    node: &Hands,
    partner: &str,
    pseudonyms: bool,
    retention_days: Option<u16>,
) -> Result<Value, Failure> {
    let site = find_partner(node, partner).await?;
    let before = agreed(node).await?;
    let before = before.get(&site).map(|before| before.retention_days);
    let propose = Command::ProposeAgreement {
        site,
        retention_days: retention_days
            .or(before)
            .unwrap_or(node.config.retention_days),
        naming: naming(pseudonyms),
    };
    command(node, propose).await?;
    Ok(json!({ "site": site.to_string(), "name": partner_name(node, site).await }))
}

/// Accepts the agreement that a partner proposes.
pub(super) async fn agree(node: &Node, partner: &str) -> Result<Value, Failure> {
    let site = find_partner(node, partner).await?;
    let own = node.ports.site;
    let is_proposed = node.desk.ask(move |service| {
        let partner = service.state().partners.get(&site);
        partner.is_some_and(|partner| partner.proposed_to(own).is_some())
    });
    if !is_proposed.await.map_err(|_| stopping())? {
        return Err(Failure::new(
            "nothing-proposed",
            say!(
                "その施設からの新しい契約の提案はありません。「dokuei partner list」で確認してください。",
                "That partner proposes no agreement. See 'dokuei partner list'."
            ),
        ));
    }
    command(node, Command::AcceptAgreement(site)).await?;
    let agreed = agreed(node).await?;
    let agreed = agreed.get(&site).map(terms);
    Ok(
        json!({ "site": site.to_string(), "name": partner_name(node, site).await, "agreement": agreed }),
    )
}

fn terms(agreement: &Agreement) -> Value {
    json!({
        "until": agreement.until.0,
        "retention_days": agreement.retention_days,
        "pseudonyms": agreement.naming == Naming::Pseudonymous,
    })
}

fn partner_json((own, site): (SiteId, SiteId), partner: &Partner, at: Timestamp) -> Value {
    let agreement = partner.agreement(at).map(|(id, agreement)| {
        let mut shown = terms(agreement);
        shown["id"] = id.to_string().into();
        shown
    });
    let proposed = partner.proposed_to(own);
    let proposed = proposed.map(|(_, agreement)| terms(agreement));
    let capacity = partner
        .capacity
        .as_ref()
        .filter(|offer| at < offer.until)
        .map(|offer| {
            let slots = offer.slots.iter().map(|slot| {
                json!({
                    "modality": slot.modality.code(),
                    "specialty": slot.specialty.code(),
                    "priority": slot.priority.code(),
                    "per_day": slot.per_day,
                    "hours": slot.hours,
                })
            });
            json!({ "until": offer.until.0, "slots": slots.collect::<Vec<_>>() })
        });
    json!({
        "site": site.to_string(),
        "name": partner.name,
        "addresses": partner.address.as_ref().map(|record| record.addresses.clone()).unwrap_or_default(),
        "agreement": agreement,
        "proposed": proposed,
        "capacity": capacity,
        "key_to_seal_for": partner.prekey.as_ref().is_some_and(|prekey| prekey.validity.contains(at.seconds())),
        "node": partner.node.to_string(),
        "standing": standing(partner, at),
    })
}

/// How a partner is connected, or why it is not, and since when. `away`: when it went, or this node
/// started.
fn connection_json(path: Option<&PartnerStatus>, away: Timestamp, at: Timestamp) -> Value {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let connected = path.and_then(|path| path.connected.as_ref());
    let since = connected.map_or(away.0, |(_, since)| {
        at.0.saturating_sub(milliseconds(since.elapsed()))
    });
    let next_try = path.and_then(|path| path.next_dial).map(|due| {
        at.0.saturating_add(milliseconds(due.saturating_duration_since(Instant::now())))
    });
    json!({
        "connected": connected.is_some(),
        "since": since,
        "path": connected.map(|(path, _)| json!({ "transport": path.transport.to_string(), "remote": path.remote.to_string(), "direct": path.direct })),
        "why_not": path.and_then(|path| path.trouble.as_ref()).filter(|_| connected.is_none()).map(both),
        "next_try": next_try.filter(|_| connected.is_none()),
        "round_trip_ms": path.and_then(|path| path.round_trip).map(milliseconds),
        "bytes_received": path.map_or(0, |path| path.bulk_received),
        "bytes_sent": path.map_or(0, |path| path.bulk_sent),
        "bulk": path.and_then(|path| path.bulk).map(|bulk| json!({
            "way": bulk.way.code(),
            "round_trip_ms": bulk.round_trip.map(milliseconds),
            "received_per_second": bulk.receiving,
            "sent_per_second": bulk.sending,
        })),
    })
}

/// Adds the fields of one object to another.
fn merge(to: &mut Value, more: Value) {
    if let (Value::Object(to), Value::Object(more)) = (to, more) {
        to.extend(more);
    }
}
