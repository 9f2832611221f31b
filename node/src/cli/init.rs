//! `dokuei init`.

use std::path::Path;

use dokuei_keys::secret::Secret32;
use dokuei_keys::time::UnixSeconds;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::chance::chance;
use crate::cli::arguments::Init;
use crate::clock::now;
use crate::config::{self, Config};
use crate::language::Failure;
use crate::say;
use crate::site::keys::SiteKeys;
use crate::site::{SiteFolder, passphrase, recovery, unusable, write_private};

/// Makes the data folder of a site. Nothing that exists is overwritten.
///
/// # Errors
/// One sentence.
pub(super) fn init(init: &Init) -> Result<(), Failure> {
    let folder = SiteFolder::new(&init.dir);
    create(&folder, init)?;
    let place = folder.path().display();
    let sheet = folder.recovery_sheet();
    let sheet = sheet.display();
    let config = folder.config();
    let config = config.display();
    let with = init.passphrase_file.as_ref();
    let with = with.map_or_else(String::new, |file| {
        format!(" --passphrase-file {}", file.display())
    });
    outln!(
        "{}",
        say!(
            "{place} を作りました。\n\n次にすること:\n 1. {sheet} を印刷して金庫に保管し、ファイルを削除する\n 2. {config} を確認する（ネットワーク、DICOM、PACS）\n 3. dokuei run {place}{with}",
            "Made {place}.\n\nNext:\n 1. Print {sheet}, lock the paper away, remove the file\n 2. Look through {config} (network, DICOM, archive)\n 3. dokuei run {place}{with}"
        )
    );
    if init.passphrase_file.is_none() {
        let file = folder.passphrase();
        let file = file.display();
        outln!(
            "\n{}",
            say!(
                "鍵ファイルの合言葉は {file} にあります。バックアップには鍵と一緒に入れないでください。systemd の資格情報や別の媒体に移すこともできます。",
                "The passphrase of the key file is in {file}. Do not put it into the same backup as the keys; it can be moved to systemd's credentials or another medium."
            )
        );
    }
    Ok(())
}

fn create(folder: &SiteFolder, init: &Init) -> Result<(), Failure> {
    let place = folder.path();
    let name = init.name.trim();
    let mut chance = chance();
    // Whatever can be wrong is found before anything is made.
    let (keys, root) = SiteKeys::create(name, UnixSeconds(now() / 1000), &mut chance)?;
    let given = init
        .passphrase_file
        .as_deref()
        .map(passphrase::read_new)
        .transpose()?;
    let text = match &init.config {
        Some(path) => std::fs::read_to_string(path).map_err(|error| unusable(path, &error))?,
        None => config::template(name),
    };
    let file = init
        .config
        .as_ref()
        .map_or_else(|| folder.config(), Clone::clone);
    Config::parse(&text, &file.display().to_string())?.check_name(name, &file)?;
    let was_there = must_be_empty(place)?;
    let made = fill(folder, name, &text, given, &keys, &root, &mut chance);
    if made.is_err() {
        clear(place, was_there);
    }
    made
}

/// Whether the folder is there; it must hold nothing then.
fn must_be_empty(place: &Path) -> Result<bool, Failure> {
    let mut entries = match std::fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(place, &error)),
    };
    if entries.next().is_none() {
        return Ok(true);
    }
    let place = place.display();
    Err(Failure::new(
        "exists",
        say!(
            "{place} は空ではありません。何も上書きしませんでした。新しいフォルダを指定してください。",
            "{place} is not empty. Nothing was overwritten. Name a new folder."
        ),
    ))
}

fn fill(
    folder: &SiteFolder,
    name: &str,
    config: &str,
    passphrase: Option<Zeroizing<Vec<u8>>>,
    keys: &SiteKeys,
    root: &Secret32,
    chance: &mut impl CryptoRng,
) -> Result<(), Failure> {
    let place = folder.path();
    let failed = |error: std::io::Error| unusable(place, &error);
    std::fs::create_dir_all(folder.keys_folder()).map_err(failed)?;
    close_to_others(place).map_err(failed)?;
    write_private(&folder.config(), config.as_bytes()).map_err(failed)?;
    let passphrase = match passphrase {
        Some(given) => given,
        None => passphrase::create(folder, chance)?,
    };
    let site = keys.site_certificate()?.site;
    let sheet = recovery::sheet(site, name, root);
    write_private(&folder.recovery_sheet(), sheet.as_bytes()).map_err(failed)?;
    // The key file comes last: a folder without it is no site yet.
    keys.save(folder, &passphrase, chance)
}

/// Takes away what a failed attempt made in a folder that was empty or not there. What cannot be taken away stays, and
/// the next attempt says so.
fn clear(place: &Path, was_there: bool) {
    if !was_there {
        let _ = std::fs::remove_dir_all(place);
        return;
    }
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = match path.is_dir() {
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
    }
}

/// Only the owner may look into the data folder.
fn close_to_others(place: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_attempt_leaves_the_place_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        for was_there in [false, true] {
            let place = home.path().join("site");
            if was_there {
                std::fs::create_dir(&place).unwrap();
            }
            assert_eq!(must_be_empty(&place).unwrap(), was_there);
            std::fs::create_dir_all(place.join("keys")).unwrap();
            std::fs::write(place.join("passphrase"), "made").unwrap();
            assert_eq!(must_be_empty(&place).unwrap_err().code, "exists");
            clear(&place, was_there);
            assert_eq!(place.exists(), was_there);
            assert_eq!(must_be_empty(&place).unwrap(), was_there);
        }
    }
}
