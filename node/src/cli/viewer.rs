//! `dokuei viewer …`. Works on the data folder itself, whether the node runs or not.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::At;
use crate::cli::show::{bytes, minute, table, text};
use crate::language::Failure;
use crate::say;
use crate::viewer::{self, Installed, TESTED};

/// The viewer.
#[derive(Subcommand)]
pub(super) enum Viewer {
    /// OHIF のパッケージを設置する / install OHIF's package, in the place of whatever is installed
    Install {
        /// npm で取得した .tgz、または展開したフォルダ / the .tgz that npm fetched, or the folder it unpacks to
        package: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// 設置されているもの / what is installed: version, licence, size
    List {
        #[command(flatten)]
        at: At,
    },
    /// 取り除く / take it away
    Remove {
        #[command(flatten)]
        at: At,
    },
}

/// Performs a command about the viewer.
///
/// # Errors
/// One sentence.
pub(super) fn viewer(viewer: Viewer) -> Result<(), Failure> {
    match viewer {
        Viewer::Install { package, at } => {
            let installed = viewer::install(&at.folder()?, &package)?;
            at.print(&described(Some(&installed)), show);
        }
        Viewer::List { at } => {
            let folder = at.folder()?;
            folder.must_be_site()?;
            let installed = viewer::Viewer::of(folder.path()).installed()?;
            at.print(&described(installed.as_deref()), show);
        }
        Viewer::Remove { at } => {
            let was = viewer::remove(&at.folder()?)?;
            let removed = match was {
                true => say!("ビューアを取り除きました。", "The viewer was removed."),
                false => say!("ビューアは設置されていません。", "No viewer is installed."),
            };
            at.print(&json!({ "removed": was }), |_| outln!("{removed}"));
        }
    }
    Ok(())
}

fn described(installed: Option<&Installed>) -> Value {
    let Some(installed) = installed else {
        return json!({ "installed": false });
    };
    let sizes = installed.files.values();
    let stored: u64 = sizes.map(|file| file.bytes + file.gzip.unwrap_or(0)).sum();
    json!({
        "installed": true,
        "package": installed.package,
        "version": installed.version,
        "licence": installed.licence,
        "tested": installed.version == TESTED,
        "installed_at": installed.installed_at,
        "files": installed.files.len(),
        "bytes": stored,
    })
}

fn show(shown: &Value) {
    if shown["installed"] != true {
        let none = say!(
            "ビューアは設置されていません。「npm pack @ohif/app@{TESTED}」の .tgz を「dokuei viewer install」に渡してください。",
            "No viewer is installed. Give the .tgz of 'npm pack @ohif/app@{TESTED}' to 'dokuei viewer install'."
        );
        return outln!("{none}");
    }
    let (package, version) = (text(shown, "package"), text(shown, "version"));
    let rows = [
        (
            say!("パッケージ", "package"),
            format!("{package} {version}"),
        ),
        (
            say!("ライセンス", "licence"),
            text(shown, "licence").to_owned(),
        ),
        (say!("設置", "installed"), minute(&shown["installed_at"])),
        (
            say!("ファイル", "files"),
            format!("{} ({})", shown["files"], bytes(&shown["bytes"])),
        ),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.text().to_owned(), value])
        .collect();
    table(&["", ""], &rows);
    if shown["tested"] != true {
        outln!(
            "{}",
            say!(
                "このバージョンは確認されていません（確認済み: {TESTED}）。表示を確かめてから使ってください。",
                "This version is not a tested one ({TESTED} is). See that images are shown before it is relied on."
            )
        );
    }
}
