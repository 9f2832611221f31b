//! `dokuei renew`.

use dokuei_keys::time::UnixSeconds;
use serde_json::json;

use crate::chance::chance;
use crate::cli::arguments::Renew;
use crate::cli::passphrase::recovery_code;
use crate::cli::show::time;
use crate::clock::now;
use crate::language::Failure;
use crate::say;
use crate::site::keys::SiteKeys;
use crate::site::{SiteFolder, notices, passphrase, people, recovery};

/// Makes a certificate for another year, certifies everybody's key with it, and writes the notice for partners.
///
/// # Errors
/// One sentence; nothing is changed unless the sheet is this site's.
pub(super) fn renew(renew: &Renew) -> Result<(), Failure> {
    let folder = SiteFolder::new(&renew.dir);
    let lock = folder
        .lock()
        .map_err(|failure| match failure.code.as_ref() {
            "already-running" => running(&folder),
            _ => failure,
        })?;
    let secret = passphrase::find(&folder, renew.passphrase_file.as_deref())?;
    let keys = SiteKeys::open(&folder, &secret)?;
    if !renew.new_keys {
        must_not_be_revoked(&folder, &keys)?;
    }
    let root = recovery::root(&recovery_code(renew.code_file.as_deref())?)?;
    let (at, mut chance) = (UnixSeconds(now() / 1000), chance());
    let renewed = keys.renewed(&root, at, renew.new_keys, &mut chance)?;
    renewed.replace(&folder, &secret, &mut chance)?;
    let certified = people::certify_again(&folder, &renewed, at)?;
    let site = renewed.site_certificate()?.site;
    let notice = notices::renewal(&folder, site, renewed.renewal())?;
    let file = notices::keep(&folder, &notice)?;
    drop(lock);
    let until = time(&json!(renewed.valid_until()?.0 * 1000));
    outln!(
        "{}",
        say!(
            "施設証明書を {until} まで更新し、{certified} 人の署名鍵を認証し直しました。ノードを動かすと、つながった相手施設に伝わります。",
            "The site's certificate is renewed until {until}; the keys of {certified} people are certified again. When the node runs, it tells the partners it reaches."
        )
    );
    if renew.new_keys {
        let file = file.display();
        outln!(
            "{}",
            say!(
                "新しい鍵なので、すべての相手施設にこのファイルを渡してください（dokuei partner import）: {file}",
                "The keys are new: give this file to every partner (dokuei partner import): {file}"
            )
        );
    }
    Ok(())
}

/// Another year for a revoked key is of no use: the node would stay stopped.
fn must_not_be_revoked(folder: &SiteFolder, keys: &SiteKeys) -> Result<(), Failure> {
    if !notices::is_revoked(folder, keys)? {
        return Ok(());
    }
    Err(Failure::new(
        "keys-revoked",
        say!(
            "この施設の鍵は失効しているため、更新してもノードは止まったままです。「dokuei renew --new-keys」で新しい鍵を作ってください。何もしませんでした。",
            "A key of this site is revoked, and the node would stay stopped: make new keys with 'dokuei renew --new-keys'. Nothing was done."
        ),
    ))
}

fn running(folder: &SiteFolder) -> Failure {
    let place = folder.path().display();
    Failure::new(
        "running",
        say!(
            "{place} のノードが動いています。止めてから、もう一度実行してください。",
            "A node is running on {place}. Stop it, then try again."
        ),
    )
}
