//! `dokuei revoke …`.

use std::path::{Path, PathBuf};

use dokuei_keys::id::SiteId;
use dokuei_keys::signing::PublicKey;
use dokuei_keys::time::UnixSeconds;
use dokuei_protocol::partner::notice::Notice;
use serde_json::{Value, json};

use crate::cli::arguments::{DAYS_AGO, Revoke, Sheet};
use crate::cli::confirm::confirm;
use crate::cli::passphrase::recovery_code;
use crate::cli::show::{minute, text};
use crate::cli::{At, notice};
use crate::clock::now;
use crate::control::request::Request;
use crate::language::{Explain as _, Failure, Message};
use crate::say;
use crate::site::keys::SiteKeys;
use crate::site::{check_new, not_new, notices, passphrase, recovery, write_private};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Takes a key back.
///
/// # Errors
/// One sentence.
pub(super) fn revoke(revoke: Revoke) -> Result<(), Failure> {
    match revoke {
        Revoke::Person { person, yes, at } => {
            confirm(
                yes,
                &say!(
                    "{person} さんの署名鍵を失効させます。取り消しはできません。",
                    "The key of {person} is to be revoked; there is no way back."
                ),
            )?;
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
            let keys = own_keys(&sheet, &at)?;
            let key = keys.node_id().key().map_err(|_| no_key())?;
            by_root(key, Some(&keys), &sheet, &at)
        }
        Revoke::SiteKey { sheet, at } => {
            let keys = own_keys(&sheet, &at)?;
            by_root(keys.site_certificate()?.key, Some(&keys), &sheet, &at)
        }
        Revoke::Key { key, sheet, at } => {
            let key = key.trim().parse().map_err(|_| no_key())?;
            let keys = at.dir.as_ref().map(|_| own_keys(&sheet, &at)).transpose()?;
            by_root(key, keys.as_ref(), &sheet, &at)
        }
    }
}

fn own_keys(sheet: &Sheet, at: &At) -> Result<SiteKeys, Failure> {
    let folder = at.folder()?;
    folder.must_be_site()?;
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

/// Revokes a key with the recovery sheet: the notice is kept in the data folder and told to the running node. Whatever
/// can go wrong without the key being revoked is tried first. `keys`: of the data folder, when there is one.
fn by_root(
    revoked: PublicKey,
    keys: Option<&SiteKeys>,
    sheet: &Sheet,
    at: &At,
) -> Result<(), Failure> {
    if keys.is_none() && sheet.save.is_none() {
        return Err(no_place());
    }
    let sheet_text = recovery_code(sheet.code_file.as_deref())?;
    let root = recovery::root(&sheet_text)?;
    let site = SiteId::of(&root.public());
    let since = since(sheet.days_ago, keys)?;
    let name = match keys.map(SiteKeys::site_certificate).transpose()? {
        Some(own) if own.site != site => return Err(recovery::other_site()),
        Some(own) => own.name,
        None => recovery::institution(&sheet_text)
            .unwrap_or_default()
            .to_owned(),
    };
    let notice = notices::revocation(&root, revoked, since)?;
    if let Some(path) = &sheet.save {
        check_new(path)?;
    }
    confirm(sheet.yes, &question(revoked, &name, site, since))?;
    let (files, told) = spread(&notice, keys.is_some(), sheet.save.as_deref(), at)?;
    let files: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let answer = json!({ "site": site.to_string(), "site_name": name, "key": revoked.to_string(), "since": since.0 * 1000, "files": files, "told": told });
    at.print(&answer, |answer| show(answer, keys.is_some()));
    Ok(())
}

fn no_place() -> Failure {
    Failure::new(
        "no-place",
        say!(
            "通知ファイルの置き場所がありません。--dir か --save を指定してください。",
            "There is no place for the notice. Give --dir or --save."
        ),
    )
}

fn question(revoked: PublicKey, name: &str, site: SiteId, since: UnixSeconds) -> Message {
    let (key, since) = (revoked.to_string(), minute(&json!(since.0 * 1000)));
    let key = &key[..8];
    say!(
        "施設{site}の鍵 {key}… を {since} 付けで失効させます。取り消しはできません。",
        "The key {key}… of the site {site} is to be revoked from {since} on; there is no way back.";
        site = named(name, &site.to_string())
    )
}

/// A site by its name, where that is known, and its id.
fn named(name: &str, site: &str) -> Message {
    if name.is_empty() {
        say!(" {site} ", "{site}")
    } else {
        say!("「{name}」（{site}）", "'{name}' ({site})")
    }
}

/// From when on a key is revoked. A key whose certificate is the site's first was not lost before that was made; when it
/// has been renewed, the keys may be older.
fn since(days_ago: u64, keys: Option<&SiteKeys>) -> Result<UnixSeconds, Failure> {
    let now = now() / 1000;
    let since = now.saturating_sub(days_ago.saturating_mul(DAY));
    let Some(keys) = keys else {
        return Ok(UnixSeconds(since));
    };
    let certificate = keys.site_certificate()?;
    let most = match certificate.serial {
        1 => now
            .saturating_sub(certificate.validity.from.0)
            .div_ceil(DAY),
        _ => DAYS_AGO,
    };
    if days_ago <= most {
        return Ok(UnixSeconds(since));
    }
    Err(Failure::new(
        "too-long-ago",
        say!(
            "この施設の鍵は {days_ago} 日前にはまだありませんでした。--days-ago は {most} までです。何もしませんでした。",
            "This site had no keys {days_ago} days ago: --days-ago is {most} at most. Nothing was done."
        ),
    ))
}

/// Keeps the notice, copies it and tells the node. Once it is kept the key is revoked, whatever fails then.
fn spread(
    notice: &Notice,
    here: bool,
    save: Option<&Path>,
    at: &At,
) -> Result<(Vec<PathBuf>, bool), Failure> {
    let mut files = Vec::new();
    if here {
        files.push(notices::keep(&at.folder()?, notice)?);
    }
    let copied = save.map_or(Ok(()), |path| {
        write_private(path, &notice.file()).map_err(|error| uncopied(files.first(), path, &error))
    });
    let told = match here.then(|| notice::tell(notice, at)) {
        None => false,
        Some(Ok(_)) => true,
        Some(Err(failure)) if failure.code == "not-running" => false,
        Some(Err(failure)) => return Err(untold(failure)),
    };
    copied?;
    files.extend(save.map(Path::to_owned));
    Ok((files, told))
}

/// The copy failed; the key is revoked if the notice is kept.
fn uncopied(kept: Option<&PathBuf>, path: &Path, error: &std::io::Error) -> Failure {
    let Some(kept) = kept else {
        return not_new(path, error);
    };
    let (kept, path) = (kept.display(), path.display());
    Failure::new(
        "copy-failed",
        say!(
            "鍵は失効しました（通知は {kept} にあります）。{path} への写しだけができませんでした（{why}）。",
            "The key IS revoked (the notice is {kept}); only the copy {path} could not be written ({why}).";
            why = error.message()
        ),
    )
}

fn untold(failure: Failure) -> Failure {
    let revoked = say!(
        "鍵は失効しましたが、動いているノードに伝わりませんでした。ノードを再起動してください。",
        "The key IS revoked, but the running node was not told: restart it."
    );
    Failure::new(failure.code, revoked.followed_by(&failure.message))
}

/// `here`: there is a data folder whose node tells partners.
fn show(answer: &Value, here: bool) {
    let key = &text(answer, "key")[..8];
    outln!(
        "{}",
        say!(
            "鍵 {key}… を失効させました。取り消しはできません。",
            "The key {key}… is revoked. There is no way back."
        )
    );
    outln!(
        "{}",
        say!(
            "使った復旧シートは施設{site}のものです。この鍵がその施設のものでなければ、何も失効しません。",
            "The recovery sheet is that of the site {site}: nothing is revoked unless the key is that site's.";
            site = named(text(answer, "site_name"), text(answer, "site"))
        )
    );
    let spread = match (here, answer["told"] == true) {
        (true, true) => say!(
            "動いているノードが、つながった相手施設に伝えます。",
            "The running node tells the partners it reaches."
        ),
        (true, false) => say!(
            "このデータフォルダのノードを動かすと、つながった相手施設に伝わります。",
            "When a node runs on the data folder, it tells the partners it reaches."
        ),
        (false, _) => say!(
            "どの相手施設にもまだ伝わっていません。すべての相手施設に次のファイルを渡してください。",
            "No partner has been told: give the following file to every partner."
        ),
    };
    outln!("{spread}");
    for file in answer["files"].as_array().into_iter().flatten() {
        let file = file.as_str().unwrap_or_default();
        outln!(
            "{}",
            say!(
                "届かない相手施設にはこのファイルを渡してください（dokuei partner import）: {file}",
                "Give this file to partners that are not reached (dokuei partner import): {file}"
            )
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_both;

    #[test]
    fn a_copy_that_fails_leaves_no_doubt_of_the_key() {
        let (kept, copy) = (PathBuf::from("a.notice"), Path::new("n2"));
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let failure = uncopied(Some(&kept), copy, &full);
        assert_both(&failure.message);
        assert!(failure.message.en.contains("IS revoked") && failure.message.en.contains("n2"));
        // Without a data folder the copy was the only notice: nothing is revoked, and nothing is said of it.
        let failure = uncopied(None, copy, &full);
        assert!(!failure.message.en.contains("revoked"));
        let refused = Failure::new("stopping", say!("停止中です。", "It stops."));
        let failure = untold(refused);
        assert_both(&failure.message);
        assert!(failure.code == "stopping" && failure.message.en.contains("IS revoked"));
    }

    #[test]
    fn a_site_without_a_known_name_is_named_by_its_id() {
        assert_eq!(named("", "0123").en, "0123");
        assert_eq!(named("架空診療所", "0123").ja, "「架空診療所」（0123）");
    }
}
