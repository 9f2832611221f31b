//! Requests about application entities: who may call over DICOM, and where to send.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::control::answers::{blocking, both, find_partner};
use crate::control::request::{AddCaller, AddDestination, TestCaller};
use crate::dicom::scu::{advice, probe};
use crate::entities::scope::{Domain, Scope};
use crate::entities::{Caller, Destination, Permission, Retry, invalid, no_destination, title};
use crate::language::{Explain as _, Failure};
use crate::runtime::start::Node;
use crate::say;
use crate::tls::{Trust, authorities, fingerprint_text, read_fingerprint};

pub(super) async fn add_caller(node: &Node, caller: AddCaller) -> Result<Value, Failure> {
    let scope = scope(node, &caller).await?;
    let certificate = caller.certificate.as_deref().map(pin).transpose()?;
    if let Some(unknown) = caller
        .may
        .iter()
        .find(|one| !["store", "query"].contains(&one.as_str()))
    {
        return Err(one_of("may", unknown, "store, query"));
    }
    let may = |what: &str| caller.may.iter().any(|one| one == what);
    let caller = Caller {
        may_store: may("store"),
        may_query: may("query"),
        name: caller.name,
        ae_title: caller.ae_title,
        networks: caller.addresses,
        certificate,
        scope,
    };
    let entities = node.entities.clone();
    let added = blocking(move || entities.add_caller(caller)).await?;
    tracing::info!(target: "dokuei::dicom", name = added.name, "a caller was registered");
    Ok(caller_json(&added))
}

async fn scope(node: &Node, caller: &AddCaller) -> Result<Scope, Failure> {
    match caller.scope.as_str() {
        "all" => Ok(Scope::All),
        "own" => Ok(Scope::Own),
        "domain" => {
            let institution = match &caller.institution {
                Some(partner) => find_partner(node, partner).await?,
                None => node.ports.site,
            };
            Ok(Scope::Domain(Domain {
                institution,
                issuer: caller.issuer.trim().to_owned(),
            }))
        }
        other => Err(one_of("scope", other, "all, own, domain")),
    }
}

pub(super) fn list_callers(node: &Node) -> Result<Value, Failure> {
    let callers = node.entities.callers();
    Ok(json!({
        "open_intake": node.entities.is_open(),
        "callers": callers.iter().map(caller_json).collect::<Vec<_>>(),
    }))
}

/// Says whether somebody would be let in, as what, and why not.
pub(super) fn test_caller(node: &Node, test: &TestCaller) -> Result<Value, Failure> {
    let title = title(&test.ae_title)?;
    let address: IpAddr = test.address.trim().parse().map_err(|_| {
        let address = &test.address;
        invalid(say!(
            "「{address}」は IP アドレスではありません。",
            "'{address}' is no IP address."
        ))
    })?;
    let certificate = test.certificate.as_deref().map(pin).transpose()?;
    let judged = node.entities.admit(&title, address, certificate);
    Ok(match judged {
        Ok(permission) => {
            let mut shown = permission_json(&permission);
            shown["let_in"] = json!(true);
            shown
        }
        Err(refusal) => json!({ "let_in": false, "why": both(&refusal.message().sentence()) }),
    })
}

pub(super) async fn remove_caller(
    node: &Node,
    name: String,
    opens: bool,
) -> Result<Value, Failure> {
    let entities = node.entities.clone();
    let removed = blocking(move || entities.remove_caller(&name, opens)).await?;
    tracing::info!(target: "dokuei::dicom", name = removed.name, open = node.entities.is_open(), "a caller was removed");
    let mut shown = caller_json(&removed);
    shown["open_intake"] = json!(node.entities.is_open());
    Ok(shown)
}

pub(super) async fn add_destination(node: &Node, one: AddDestination) -> Result<Value, Failure> {
    let tls = match (&one.tls_fingerprint, &one.tls_ca) {
        (Some(text), _) => Some(Trust::Fingerprint(pin(text)?)),
        (None, Some(pem)) => {
            let found = authorities(pem.as_bytes()).ok_or_else(no_authority)?;
            let ders = found.iter().map(|der| der.to_vec().into());
            Some(Trust::Authority(ders.collect()))
        }
        (None, None) => None,
    };
    let usual = Retry::default();
    let destination = Destination {
        name: one.name,
        host: one.host,
        port: one.port,
        ae_title: one.ae_title,
        tls,
        retry: Retry {
            attempts: one.attempts.unwrap_or(usual.attempts),
            pause: one.pause.unwrap_or(usual.pause),
        },
    };
    let entities = node.entities.clone();
    let added = blocking(move || entities.add_destination(destination)).await?;
    tracing::info!(target: "dokuei::dicom", name = added.name, "a destination was added");
    Ok(destination_json(node, &added))
}

pub(super) fn list_destinations(node: &Node) -> Result<Value, Failure> {
    let all = node.entities.destinations();
    let shown = all.iter().map(|one| destination_json(node, one));
    Ok(Value::Array(shown.collect()))
}

/// Tries a destination, and shows each step with its time.
pub(super) async fn test_destination(node: &Node, name: &str) -> Result<Value, Failure> {
    let found = node.entities.destination(name);
    let route = found.ok_or_else(|| no_destination(name))?;
    blocking(move || {
        let steps = probe(&route.destination);
        let reached = steps.last().is_some_and(|last| last.found.is_ok());
        if reached {
            route.reached();
        }
        let shown = steps.iter().map(|taken| {
            let fault = taken.found.as_ref().err();
            let todo = fault.map(|fault| {
                let said = fault.message().sentence();
                said.followed_by(&advice(fault, &route.destination))
            });
            json!({
                "step": taken.step.code(),
                "what": both(&taken.step.message()),
                "ms": u64::try_from(taken.took.as_millis()).unwrap_or(u64::MAX),
                "passed": fault.is_none(),
                "found": taken.found.as_ref().ok().filter(|found| !found.is_empty()),
                "why": todo.as_ref().map(both),
            })
        });
        Ok(json!({ "name": route.name, "reached": reached, "steps": shown.collect::<Vec<_>>() }))
    })
    .await
}

pub(super) async fn remove_destination(node: &Node, name: String) -> Result<Value, Failure> {
    let entities = node.entities.clone();
    let removed = blocking(move || entities.remove_destination(&name)).await?;
    tracing::info!(target: "dokuei::dicom", name = removed.name, "a destination was removed");
    Ok(destination_json(node, &removed))
}

fn caller_json(caller: &Caller) -> Value {
    let mut shown = permission_json(&caller.permission());
    shown["name"] = json!(caller.name);
    shown["ae_title"] = json!(caller.ae_title);
    shown["addresses"] = json!(caller.networks);
    shown["certificate"] = json!(caller.certificate.as_ref().map(fingerprint_text));
    shown
}

fn permission_json(permission: &Permission) -> Value {
    let may = [
        (permission.may_store, "store"),
        (permission.may_query, "query"),
    ];
    let may: Vec<&str> = may.iter().filter(|one| one.0).map(|one| one.1).collect();
    let scope = match &permission.scope {
        Scope::All => json!({ "kind": "all" }),
        Scope::Own => json!({ "kind": "own" }),
        Scope::Domain(domain) => {
            json!({ "kind": "domain", "institution": domain.institution.to_string(), "issuer": domain.issuer })
        }
    };
    json!({ "caller": permission.caller, "may": may, "scope": scope })
}

fn destination_json(node: &Node, destination: &Destination) -> Value {
    let route = node.entities.destination(&destination.name);
    let (failed, left) = route.map_or((0, None), |route| route.standing());
    json!({
        "name": destination.name,
        "host": destination.host,
        "port": destination.port,
        "ae_title": destination.ae_title,
        "tls": destination.tls.as_ref().map(|trust| match trust {
            Trust::Fingerprint(pin) => json!({ "fingerprint": fingerprint_text(pin) }),
            Trust::Authority(all) => json!({ "authorities": all.len() }),
        }),
        "attempts": destination.retry.attempts,
        "pause_seconds": destination.retry.pause,
        "failed_in_a_row": failed,
        "left_alone_seconds": left.map_or(0, |left| left.as_secs()),
    })
}

fn pin(text: &str) -> Result<[u8; 32], Failure> {
    read_fingerprint(text).ok_or_else(|| {
        invalid(say!(
            "証明書の指紋は SHA-256 の 64 桁の 16 進数です（「openssl x509 -noout -fingerprint -sha256 -in ファイル」で表示されます）。",
            "A certificate's fingerprint is 64 hexadecimal digits, SHA-256 ('openssl x509 -noout -fingerprint -sha256 -in FILE' shows it)."
        ))
    })
}

fn no_authority() -> Failure {
    invalid(say!(
        "認証局のファイルに PEM 形式の証明書がありません。",
        "The authority's file holds no certificate in PEM form."
    ))
}

fn one_of(key: &str, given: &str, known: &str) -> Failure {
    invalid(say!(
        "{key} に「{given}」は指定できません。次のいずれかです: {known}。",
        "'{given}' is none for {key}; it is one of {known}."
    ))
}
