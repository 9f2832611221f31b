//! Requests about keys that are revoked or renewed, and what the node says of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dokuei_keys::time::UnixSeconds;
use dokuei_protocol::input::Command;
use dokuei_protocol::partner::Partner;
use dokuei_protocol::partner::notice::{Barred, Notice};
use dokuei_protocol::service::Halt;
use dokuei_protocol::time::{Span, Timestamp};
use serde_json::{Value, json};

use crate::control::answers::{command, partner_name, stopping};
use crate::control::people::find_person;
use crate::language::{Failure, Message};
use crate::runtime::desk::now;
use crate::runtime::hands::Hands;
use crate::say;
use crate::site::people::Gone;
use crate::site::{notices, people};

/// How long before the end of the certificate `status` warns: time enough to find the recovery sheet, and to notice it
/// after a holiday.
const WARN: Span = Span::DAY.times(60);

/// Takes back a person's key: they sign nothing any more, and partners refuse what is signed from now on.
pub(super) async fn revoke_person(node: &Hands, person: &str) -> Result<Value, Failure> {
    let found = find_person(node, person)?;
    command(node, Command::RevokePerson(found.id)).await?;
    people::retire(&node.folder, &found.id, Gone::Revoked)?;
    Ok(json!({ "id": found.id.to_string(), "name": found.name }))
}

/// Takes what a partner or this site itself says of its keys.
pub(super) async fn take_notice(node: &Hands, notice: &str) -> Result<Value, Failure> {
    let notice = STANDARD
        .decode(notice)
        .ok()
        .and_then(|file| Notice::read(&file));
    let notice = notice.ok_or_else(|| {
        Failure::new(
            "no-notice",
            say!(
                "鍵の通知ファイルではありません。",
                "This is no notice of keys."
            ),
        )
    })?;
    let site = notice.site;
    let own = (site == node.ports.site).then(|| notice.clone());
    command(node, Command::TakeNotice(Box::new(notice))).await?;
    if let Some(own) = own {
        // `renew` looks into the folder, not into the node's records.
        tokio::task::block_in_place(|| notices::keep(&node.folder, &own))?;
    }
    let seen = node.desk.ask(move |service| {
        let revoked = service.revoked_by(site);
        let partner = service.state().partners.get(&site);
        json!({
            "site": site.to_string(),
            "revoked": revoked.iter().map(|one| json!({ "key": one.revoked.to_string(), "since": one.since.0 * 1000 })).collect::<Vec<_>>(),
            "valid_until": partner.map(|partner| partner.valid_until.0 * 1000),
            "standing": partner.map_or(Value::Null, |partner| standing(partner, now())),
        })
    });
    let mut answer = seen.await.map_err(|_| stopping())?;
    answer["name"] = match site == node.ports.site {
        true => json!(node.config.site_name),
        false => json!(partner_name(node, site).await),
    };
    Ok(answer)
}

/// Why a partner is not heard; null when it is.
pub(super) fn standing(partner: &Partner, at: Timestamp) -> Value {
    let (code, why) = match partner.barred {
        Some(barred) => (barred_code(barred), barred_message(barred)),
        None if !partner.in_force(at) => ("certificate-ended", ended()),
        None => return Value::Null,
    };
    json!({ "code": code, "ja": why.ja, "en": why.en })
}

fn barred_code(barred: Barred) -> &'static str {
    match barred {
        Barred::Root => "root-revoked",
        Barred::SiteKey => "site-key-revoked",
        Barred::Node => "node-revoked",
    }
}

fn barred_message(barred: Barred) -> Message {
    match barred {
        Barred::Root => say!(
            "施設の根元の鍵が失効。登録を解除し、新しい施設として登録し直してください",
            "the site's root is revoked: remove it, and pair with its new site"
        ),
        Barred::SiteKey => say!(
            "施設鍵が失効。相手から更新の通知ファイルをもらい「dokuei partner import」で取り込んでください",
            "the site key is revoked: ask for its notice of renewal and take it with 'dokuei partner import'"
        ),
        Barred::Node => say!(
            "ノードの鍵が失効。相手から更新の通知ファイルをもらい「dokuei partner import」で取り込んでください",
            "the node's key is revoked: ask for its notice of renewal and take it with 'dokuei partner import'"
        ),
    }
}

fn ended() -> Message {
    say!(
        "証明書の期限切れ。相手施設で「dokuei renew」が必要です",
        "its certificate has ended: the partner must run 'dokuei renew'"
    )
}

/// Until when partners accept this node.
pub(super) fn own(node: &Hands) -> Result<Value, Failure> {
    let until = node.keys.valid_until()?.0.saturating_mul(1000);
    let days_left = until.saturating_sub(now().0) / Span::DAY.0;
    Ok(json!({ "until": until, "days_left": days_left }))
}

/// That the certificate has ended, or ends soon.
pub(super) fn warning(until: UnixSeconds, at: Timestamp) -> Option<Message> {
    let until = Timestamp(until.0.saturating_mul(1000));
    let days = until.since(at).0 / Span::DAY.0;
    if at >= until {
        Some(say!(
            "施設証明書の期限が切れました。相手施設は何も受け付けません。ノードを止めて「dokuei renew」を実行してください（復旧シートが必要です）。",
            "The site's certificate has ended: partners take nothing any more. Stop the node and run 'dokuei renew' (the recovery sheet is needed)."
        ))
    } else if at.after(WARN) >= until {
        Some(say!(
            "施設証明書の期限まであと {days} 日です。ノードを止めて「dokuei renew」を実行してください（復旧シートが必要です）。",
            "The site's certificate ends in {days} days. Stop the node and run 'dokuei renew' (the recovery sheet is needed)."
        ))
    } else {
        None
    }
}

/// Why this node does not act, with its code; none when it does.
pub(super) async fn halted(node: &Hands) -> Result<Option<(&'static str, Message)>, Failure> {
    let halt = node.desk.ask(|service| service.halt()).await;
    let Some(halt) = halt.map_err(|_| stopping())? else {
        return Ok(None);
    };
    Ok(Some(match halt {
        Halt::Older(site) => ("folder-older", older(&partner_name(node, site).await)),
        Halt::Revoked(Barred::Root) => ("root-revoked", root_revoked()),
        Halt::Revoked(barred) => (barred_code(barred), own_revoked()),
    }))
}

fn older(name: &str) -> Message {
    say!(
        "停止中: このデータフォルダは、「{name}」が既に受け取った記録より古い複製です。ノードを止め、より新しい複製を復元してください。なければ「dokuei init」で新しい施設を作り、相手施設と登録し直してください。",
        "Stopped: this data folder is older than what '{name}' has seen. Stop the node and restore a newer copy. If there is none, make a new site with 'dokuei init' and pair again."
    )
}

fn own_revoked() -> Message {
    say!(
        "停止中: この施設の鍵が失効しています。相手施設への失効の通知だけを行います。ノードを止めて「dokuei renew --new-keys」を実行してください。",
        "Stopped: a key of this site is revoked. Partners are told, nothing else is done. Stop the node and run 'dokuei renew --new-keys'."
    )
}

fn root_revoked() -> Message {
    say!(
        "停止中: この施設の根元の鍵が失効しています。相手施設への失効の通知だけを行います。「dokuei init」で新しい施設を作ってください。",
        "Stopped: this site's root is revoked. Partners are told, nothing else is done. Make a new site with 'dokuei init'."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_certificate_is_announced_sixty_days_before() {
        let until = UnixSeconds(1_800_000_000);
        let at = |days: u64| Timestamp(until.0 * 1000 - Span::DAY.times(days).0);
        assert_eq!(warning(until, at(61)), None);
        let soon = warning(until, at(60)).unwrap();
        assert!(soon.en.contains("60 days") && soon.ja.contains("60 日"));
        assert!(warning(until, at(1)).unwrap().en.contains("1 days"));
        assert!(warning(until, at(0)).unwrap().en.contains("has ended"));
    }
}
