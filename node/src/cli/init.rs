//! `dokuei init`.

use dokuei_keys::time::UnixSeconds;

use crate::chance::chance;
use crate::cli::arguments::Init;
use crate::config::{self, Config};
use crate::language::Failure;
use crate::say;
use crate::site::keys::SiteKeys;
use crate::site::{SiteFolder, passphrase, recovery, unusable, write_private};
use crate::studies::intake::now;

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
    outln!(
        "{}",
        say!(
            "{place} を作りました。\n\n次にすること:\n 1. {sheet} を印刷して金庫に保管し、ファイルを削除する\n 2. {config} を確認する（ネットワーク、DICOM、PACS）\n 3. dokuei run {place}",
            "Made {place}.\n\nNext:\n 1. Print {sheet}, lock the paper away, remove the file\n 2. Look through {config} (network, DICOM, archive)\n 3. dokuei run {place}"
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
    let text = match &init.config {
        Some(path) => std::fs::read_to_string(path).map_err(|error| unusable(path, &error))?,
        None => config::template(name),
    };
    let file = init
        .config
        .as_ref()
        .map_or_else(|| folder.config(), Clone::clone);
    Config::parse(&text, &file.display().to_string())?.check_name(name, &file)?;
    let empty = std::fs::read_dir(place).map_or(true, |mut entries| entries.next().is_none());
    if !empty {
        let place = place.display();
        return Err(Failure::new(
            "exists",
            say!(
                "{place} は空ではありません。何も上書きしませんでした。新しいフォルダを指定してください。",
                "{place} is not empty. Nothing was overwritten. Name a new folder."
            ),
        ));
    }
    let mut chance = chance();
    let (keys, root) = SiteKeys::create(name, UnixSeconds(now() / 1000), &mut chance)?;
    std::fs::create_dir_all(folder.keys_folder()).map_err(|error| unusable(place, &error))?;
    close_to_others(place).map_err(|error| unusable(place, &error))?;
    write_private(&folder.config(), text.as_bytes()).map_err(|error| unusable(place, &error))?;
    let passphrase = match &init.passphrase_file {
        Some(path) => passphrase::read(path)?,
        None => passphrase::create(folder, &mut chance)?,
    };
    let site = keys.site_certificate()?.site;
    let sheet = recovery::sheet(site, name, &root);
    write_private(&folder.recovery_sheet(), sheet.as_bytes())
        .map_err(|error| unusable(place, &error))?;
    // The key file comes last: a folder without it is no site yet.
    keys.save(folder, &passphrase, &mut chance)
}

/// Only the owner may look into the data folder.
fn close_to_others(place: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o700))
}
