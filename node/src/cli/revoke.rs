//! `dokuei revoke …`.

use std::path::PathBuf;

use dokuei_keys::signing::PublicKey;
use dokuei_keys::time::UnixSeconds;
use serde_json::{Value, json};

use crate::cli::arguments::{Revoke, Sheet};
use crate::cli::passphrase::recovery_code;
use crate::cli::show::text;
use crate::cli::{At, notice};
use crate::control::request::Request;
use crate::language::Failure;
use crate::say;
use crate::site::keys::SiteKeys;
use crate::site::{notices, passphrase, recovery, unusable, write_private};
use crate::studies::intake::now;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Takes a key back.
///
/// # Errors
/// One sentence.
pub(super) fn revoke(revoke: Revoke) -> Result<(), Failure> {
    match revoke {
        Revoke::Person { person, at } => {
            let answer = at.ask(Request::PersonRevoke { person })?;
            at.print(&answer, |answer| {
                let name = text(answer, "name");
                outln!(
                    "{}",
                    say!(
                        "{name} さんの署名鍵を失効させました。相手施設にも伝わります。",
                        "The key of {name} is revoked; partners are told."
                    )
                );
            });
            Ok(())
        }
        Revoke::Node { sheet, at } => {
            let key = own_keys(&sheet, &at)?.node_id().key();
            by_root(key.map_err(|_| no_key())?, &sheet, &at)
        }
        Revoke::SiteKey { sheet, at } => {
            let key = own_keys(&sheet, &at)?.site_certificate()?.key;
            by_root(key, &sheet, &at)
        }
        Revoke::Key { key, sheet, at } => {
            by_root(key.trim().parse().map_err(|_| no_key())?, &sheet, &at)
        }
    }
}

fn own_keys(sheet: &Sheet, at: &At) -> Result<SiteKeys, Failure> {
    let folder = at.folder()?;
    let secret = passphrase::find(&folder, sheet.passphrase_file.as_deref())?;
    SiteKeys::open(&folder, &secret)
}

fn no_key() -> Failure {
    Failure::new(
        "no-key",
        say!(
            "鍵は 16 進数 64 桁（小文字）で指定してください。",
            "A key has 64 lower-case hexadecimal digits."
        ),
    )
}

/// Revokes a key with the recovery sheet: the notice is kept in the data folder and told to the running node.
fn by_root(revoked: PublicKey, sheet: &Sheet, at: &At) -> Result<(), Failure> {
    let root = recovery::root(&recovery_code(sheet.code_file.as_deref())?)?;
    let since = UnixSeconds((now() / 1000).saturating_sub(sheet.days_ago.saturating_mul(DAY)));
    let notice = notices::revocation(&root, revoked, since)?;
    let mut files: Vec<PathBuf> = Vec::new();
    let mut told = false;
    if at.dir.is_some() {
        let folder = at.folder()?;
        if folder.keys().exists() {
            check_own(&notice.site, sheet, at)?;
        }
        files.push(notices::keep(&folder, &notice)?);
        told = match notice::tell(&notice, at) {
            Ok(_) => true,
            Err(failure) if failure.code == "not-running" => false,
            Err(failure) => return Err(failure),
        };
    }
    if let Some(path) = &sheet.save {
        write_private(path, &notice.file()).map_err(|error| unusable(path, &error))?;
        files.push(path.clone());
    }
    if files.is_empty() {
        return Err(Failure::new(
            "no-place",
            say!(
                "通知ファイルの置き場所がありません。--dir か --save を指定してください。",
                "There is no place for the notice. Give --dir or --save."
            ),
        ));
    }
    let files: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let answer = json!({ "site": notice.site.to_string(), "key": revoked.to_string(), "since": since.0 * 1000, "files": files, "told": told });
    at.print(&answer, |answer| show(answer, told));
    Ok(())
}

/// The sheet must be the one of this data folder's site.
fn check_own(site: &dokuei_keys::id::SiteId, sheet: &Sheet, at: &At) -> Result<(), Failure> {
    if own_keys(sheet, at)?.site_certificate()?.site == *site {
        Ok(())
    } else {
        Err(recovery::other_site())
    }
}

fn show(answer: &Value, told: bool) {
    let key = &text(answer, "key")[..8];
    outln!(
        "{}",
        say!(
            "鍵 {key}… を失効させました。取り消しはできません。",
            "The key {key}… is revoked. There is no way back."
        )
    );
    let spread = match told {
        true => say!(
            "動いているノードが、つながった相手施設に伝えます。",
            "The running node tells the partners it reaches."
        ),
        false => say!(
            "このデータフォルダのノードを動かすと、つながった相手施設に伝わります。",
            "When a node runs on the data folder, it tells the partners it reaches."
        ),
    };
    outln!("{spread}");
    for file in answer["files"].as_array().into_iter().flatten() {
        let file = file.as_str().unwrap_or_default();
        outln!(
            "{}",
            say!(
                "届かない相手施設にはこのファイルを渡してください（dokuei partner import）: {file}",
                "Give this file to partners it does not reach (dokuei partner import): {file}"
            )
        );
    }
}
