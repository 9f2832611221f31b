//! Requests about partners.

use dokuei_protocol::effect::Answer;
use dokuei_protocol::input::Command;
use dokuei_protocol::partner::Partner;
use serde_json::{Value, json};

use crate::config::is_host_and_port;
use crate::control::answers::{both, command, find_partner, partner_name, stopping};
use crate::language::Failure;
use crate::network::PartnerStatus;
use crate::runtime::desk::now;
use crate::runtime::start::Node;
use crate::say;

pub(super) async fn invite(node: &Node, addresses: Vec<String>) -> Result<Value, Failure> {
    let addresses = if addresses.is_empty() {
        node.addresses()
    } else {
        addresses
    };
    if addresses.is_empty() || !addresses.iter().all(|address| is_host_and_port(address)) {
        return Err(Failure::new(
            "no-address",
            say!(
                "相手施設がこのノードに接続する「ホスト:ポート」が必要です。--address で指定するか、dokuei.toml の network.announce を設定してください。",
                "The partner needs a 'host:port' to reach this node. Give --address or set network.announce in dokuei.toml."
            ),
        ));
    }
    let retention_days = node.config.retention_days;
    match command(
        node,
        Command::Invite {
            addresses: addresses.clone(),
            retention_days,
        },
    )
    .await?
    {
        Answer::Invited { secret, until } => {
            Ok(json!({ "code": format!("{}/{secret}", addresses.join(",")), "until": until.0 }))
        }
        Answer::Done | Answer::Paired(_) | Answer::Opened(_) => Err(stopping()),
    }
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
    if !addresses.iter().all(|address| is_host_and_port(address)) {
        return Err(wrong());
    }
    match command(
        node,
        Command::Accept {
            addresses,
            secret: secret.to_owned(),
        },
    )
    .await?
    {
        Answer::Paired(site) => {
            Ok(json!({ "site": site.to_string(), "name": partner_name(node, site).await }))
        }
        Answer::Done | Answer::Invited { .. } | Answer::Opened(_) => Err(stopping()),
    }
}

pub(super) async fn list(node: &Node) -> Result<Value, Failure> {
    let paths = node.ports.network.status();
    let listed = node.desk.ask(move |service| {
        let at = now();
        let partners = service.state().partners.iter();
        partners
            .map(|(site, partner)| {
                partner_json(
                    &site.to_string(),
                    partner,
                    paths.iter().find(|path| path.node == partner.node),
                    at,
                )
            })
            .collect::<Vec<_>>()
    });
    Ok(Value::Array(listed.await.map_err(|_| stopping())?))
}

pub(super) async fn remove(node: &Node, partner: &str) -> Result<Value, Failure> {
    let site = find_partner(node, partner).await?;
    let name = partner_name(node, site).await;
    command(node, Command::RemovePartner(site)).await?;
    Ok(json!({ "site": site.to_string(), "name": name }))
}

fn partner_json(
    site: &str,
    partner: &Partner,
    path: Option<&PartnerStatus>,
    at: dokuei_protocol::time::Timestamp,
) -> Value {
    let connected = path.and_then(|path| path.connected.as_ref());
    let agreement = partner.agreement(at).map(|(id, agreement)| json!({ "id": id.to_string(), "until": agreement.until.0, "retention_days": agreement.retention_days }));
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
        "site": site,
        "name": partner.name,
        "addresses": partner.address.as_ref().map(|record| record.addresses.clone()).unwrap_or_default(),
        "agreement": agreement,
        "capacity": capacity,
        "key_to_seal_for": partner.prekey.as_ref().is_some_and(|prekey| prekey.validity.contains(at.seconds())),
        "connected": connected.is_some(),
        "path": connected.map(|(path, _)| json!({ "transport": path.transport.to_string(), "remote": path.remote.to_string(), "direct": path.direct })),
        "why_not": path.and_then(|path| path.trouble.as_ref()).filter(|_| connected.is_none()).map(both),
        "documents_waiting": path.map_or(0, |path| path.documents_waiting),
        "bytes_received": path.map_or(0, |path| path.bulk_received),
        "bytes_sent": path.map_or(0, |path| path.bulk_sent),
    })
}
