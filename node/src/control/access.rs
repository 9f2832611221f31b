//! Requests about who may come in by the web.

use dokuei_keys::id::SiteId;
use serde_json::{Value, json};

use crate::control::partners;
use crate::control::request::AccessRequest;
use crate::dicomweb::access::{AccessError, Credential, Kind, Rights};
use crate::dicomweb::domain_token;
use crate::entities::scope::{Domain, Scope};
use crate::language::{Explain as _, Failure};
use crate::runtime::start::Node;
use crate::say;

const KINDS: [Kind; 3] = [Kind::Token, Kind::Certificate, Kind::Account];

pub(super) async fn perform(node: &Node, asked: AccessRequest) -> Result<Value, Failure> {
    let done = match asked {
        AccessRequest::TokenAdd {
            name,
            scope,
            worklist: works,
            store: stores,
        } => {
            let scope = scope_of(node, &scope).await?;
            may_store(&scope, stores)?;
            let add = || {
                let token = node.access.add_token(&name, scope)?;
                let_do(node, Kind::Token, &name, Rights { works, stores })?;
                Ok(token)
            };
            let added = tokio::task::block_in_place(add);
            added.map(|token| json!({ "name": name.trim(), "token": *token }))
        }
        AccessRequest::CertificateAdd {
            name,
            fingerprint,
            scope,
            worklist: works,
            store: stores,
        } => {
            let scope = scope_of(node, &scope).await?;
            may_store(&scope, stores)?;
            let add = || {
                node.access.add_certificate(&name, &fingerprint, scope)?;
                let_do(node, Kind::Certificate, &name, Rights { works, stores })
            };
            tokio::task::block_in_place(add).map(|()| json!({ "name": name.trim() }))
        }
        AccessRequest::AccountInvite {
            name,
            scope,
            worklist: works,
            store: stores,
        } => {
            let scope = scope_of(node, &scope).await?;
            may_store(&scope, stores)?;
            let invite = || {
                let code = node.access.invite(&name, scope)?;
                let_do(node, Kind::Invitation, &name, Rights { works, stores })?;
                Ok(code)
            };
            let invited = tokio::task::block_in_place(invite);
            invited.map(|code| json!({ "name": name.trim(), "code": *code, "web": web_address(node).map(|web| web + "/login/setup") }))
        }
        AccessRequest::List { kind } => {
            let kind = kind_of(&kind)?;
            let all = node.access.all();
            let of_kind = all.iter().filter(|known| is_of(kind, known.kind));
            Ok(Value::Array(of_kind.map(credential_json).collect()))
        }
        AccessRequest::Remove { kind, name } => {
            let kind = kind_of(&kind)?;
            let removed = tokio::task::block_in_place(|| node.access.remove(kind, &name));
            removed.map(|()| json!({ "name": name.trim() }))
        }
    };
    done.map_err(|error| refused(&error))
}

/// What is stored becomes this site's own: whoever sees patients of one issuer only stores nothing.
fn may_store(scope: &Scope, stores: bool) -> Result<(), Failure> {
    match (scope, stores) {
        (Scope::Domain(_), true) => Err(Failure::new(
            "scope-stores-nothing",
            say!(
                "保存の権限（--store）は、範囲（--scope）が all か own のときだけ付けられます。",
                "Storing (--store) goes with the scopes all and own only."
            ),
        )),
        _ => Ok(()),
    }
}

/// Lets it do more than look, when that is asked for.
fn let_do(node: &Node, kind: Kind, name: &str, rights: Rights) -> Result<(), AccessError> {
    match rights == Rights::default() {
        true => Ok(()),
        false => node.access.let_do(kind, name, rights),
    }
}

/// Where browsers find the node, as far as it knows; none when they do not.
pub(super) fn web_address(node: &Node) -> Option<String> {
    let scheme = match node.config.web.tls {
        Some(_) => "https",
        None => "http",
    };
    node.web.map(|address| format!("{scheme}://{address}"))
}

fn is_of(asked: Kind, kind: Kind) -> bool {
    asked == kind || (asked == Kind::Account && kind == Kind::Invitation)
}

fn kind_of(code: &str) -> Result<Kind, Failure> {
    let known = KINDS.into_iter().find(|kind| kind.code() == code);
    known.ok_or_else(|| {
        let known = KINDS.map(Kind::code).join(", ");
        Failure::new(
            "unknown-kind",
            say!(
                "種類は {known} のいずれかです。",
                "The kind is one of {known}."
            ),
        )
    })
}

/// `all`, `own`, or `PARTNER:ISSUER`; the issuer may be empty.
async fn scope_of(node: &Node, text: &str) -> Result<Scope, Failure> {
    match text {
        "all" => return Ok(Scope::All),
        "own" => return Ok(Scope::Own),
        _ => {}
    }
    let Some((institution, issuer)) = text.split_once(':') else {
        return Err(Failure::new(
            "unknown-scope",
            say!(
                "範囲（--scope）は all、own、「施設:発行者」のいずれかです。",
                "The scope (--scope) is all, own, or SITE:ISSUER."
            ),
        ));
    };
    let institution = institution_of(node, institution).await?;
    Ok(Scope::Domain(Domain {
        institution,
        issuer: issuer.to_owned(),
    }))
}

async fn institution_of(node: &Node, text: &str) -> Result<SiteId, Failure> {
    if text == node.config.site_name {
        return Ok(node.ports.site);
    }
    if let Ok(site) = text.parse() {
        return Ok(site);
    }
    let partners = partners::list(node).await?;
    let all = partners.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut named = all.iter().filter(|partner| partner["name"] == text);
    let (Some(one), None) = (named.next(), named.next()) else {
        return Err(Failure::new(
            "no-partner",
            say!(
                "「{text}」という施設は登録されていません。施設名か ID で指定してください。",
                "No site is called '{text}' here. Give its name or id."
            ),
        ));
    };
    let id = one["site"].as_str().unwrap_or_default();
    id.parse().map_err(|_| refused(&AccessError::Damaged))
}

fn credential_json(credential: &Credential) -> Value {
    json!({
        "kind": credential.kind.code(),
        "name": credential.name,
        "scope": scope_json(&credential.scope),
        "worklist": credential.works(),
        "store": credential.stores(),
        "made": credential.made,
    })
}

fn scope_json(scope: &Scope) -> Value {
    match scope {
        Scope::All => json!({ "of": "all" }),
        Scope::Own => json!({ "of": "own" }),
        Scope::Domain(domain) => json!({
            "of": "domain",
            "institution": domain.institution.to_string(),
            "issuer": domain.issuer,
            "domain": domain_token(domain),
        }),
    }
}

fn refused(error: &AccessError) -> Failure {
    let code = match error {
        AccessError::Name => "bad-name",
        AccessError::Taken => "name-taken",
        AccessError::Unknown => "no-such-name",
        AccessError::Full => "too-many",
        AccessError::Fingerprint => "bad-fingerprint",
        AccessError::Damaged | AccessError::Store(_) => "store-failed",
    };
    Failure::new(code, error.message().sentence())
}
