//! `dokuei report sign`, `addendum` and `show`.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cli::arguments::{Report, ShowReport, Writing};
use crate::cli::case;
use crate::cli::passphrase::passphrase;
use crate::cli::show::{minute, text};
use crate::cli::verify::{authentic_json, headline, print_authentic, verify_file};
use crate::control::request::{Request, SignReport};
use crate::language::{Failure, Message, word};
use crate::reports::bundle::Bundle;
use crate::reports::verify::verify;
use crate::say;
use crate::site::{folder_of, unusable, write_private};

/// Performs a command about reports. `verify` ends with 1 when the report is not authentic or the
/// file was changed.
///
/// # Errors
/// One sentence.
pub(super) fn report(report: Report) -> Result<ExitCode, Failure> {
    match report {
        Report::Sign { writing, status } | Report::Addendum { writing, status } => {
            sign(writing, status)
        }
        Report::Show(wanted) => show(wanted),
        Report::Verify { file, images, json } => verify_file(&file, images.as_deref(), json),
    }
}

fn show(wanted: ShowReport) -> Result<ExitCode, Failure> {
    let at = wanted.at;
    let answer = at.ask(Request::ReportShow {
        case: wanted.case,
        version: wanted.version,
    })?;
    let bytes = STANDARD.decode(text(&answer, "bundle")).unwrap_or_default();
    let bundle = Bundle::read(&bytes).and_then(|bundle| verify(&bundle, None).ok());
    let authentic = bundle.ok_or_else(|| {
        Failure::new(
            "not-authentic",
            say!(
                "このレポートは検証に合格しないため表示しません。読影施設に連絡してください。",
                "This report does not verify and is not shown. Call the reading site."
            ),
        )
    })?;
    let files = [
        (wanted.save, bytes.as_slice()),
        (wanted.pdf, authentic.pdf.as_slice()),
    ];
    let mut saved: Vec<PathBuf> = Vec::new();
    for (path, content) in files {
        if let Some(path) = path {
            save(&path, content, wanted.force)?;
            saved.push(path);
        }
    }
    let mut shown = authentic_json(&authentic);
    shown["text"] = json!(authentic.report.text);
    shown["overtaken"] = answer["overtaken"].clone();
    shown["saved"] = saved
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    at.print(&shown, |shown| {
        if let Some(overtaken) = overtaken(&shown["overtaken"]) {
            outln!("{overtaken}");
        }
        outln!("{}", headline(&[]));
        print_authentic(&authentic);
        outln!("\n{}", authentic.report.text);
        for file in saved {
            let file = file.display();
            outln!("\n{}", say!("保存しました: {file}", "Saved: {file}"));
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// That a later version stands in the place of the one that is shown.
fn overtaken(by: &Value) -> Option<Message> {
    let (version, at) = (&by["version"], minute(&by["at"]));
    let status = word(text(by, "status"));
    let when = match at.is_empty() {
        true => Message::default(),
        false => say!("（{at}）", " on {at}"),
    };
    match text(by, "code") {
        "retracted" => Some(say!(
            "✗ このレポートは第 {version} 版で取り下げられました{when}。診療には使わないでください。",
            "✗ RETRACTED by version {version}{when}: do not rely on what follows.";
            when = when
        )),
        "replaced" => Some(say!(
            "✗ この版は第 {version} 版（{status}）に置き換えられました{when}。新しい版を見てください。",
            "✗ REPLACED by version {version} ({status}){when}: look at that one.";
            when = when,
            status = status
        )),
        "added-to" => Some(say!(
            "· この版には第 {version} 版（{status}）の追加があります{when}。",
            "· Version {version} ({status}) adds to this one{when}.";
            when = when,
            status = status
        )),
        _ => None,
    }
}

/// Writes a file that only this user may read. One that exists is replaced only when that was asked for.
fn save(path: &Path, content: &[u8], force: bool) -> Result<(), Failure> {
    let written = if force {
        replace(path, content)
    } else {
        write_private(path, content)
    };
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let path = path.display();
            Failure::new(
                "file-exists",
                say!(
                    "{path} は既にあります。上書きしませんでした。別の名前にするか、--force を付けてください。",
                    "{path} exists already and was not overwritten. Give another name, or --force."
                ),
            )
        }
        _ => unusable(path, &error),
    })
}

/// Exchanged in one step: what was there stays until all is written.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = folder_of(path).unwrap_or(path);
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(content)?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    Ok(())
}

fn sign(writing: Writing, status: String) -> Result<ExitCode, Failure> {
    let body = match (&writing.text, &writing.text_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| unusable(path, &error))?;
            text
        }
        (None, Some(path)) => {
            std::fs::read_to_string(path).map_err(|error| unusable(path, &error))?
        }
        (None, None) => String::new(),
    };
    let pdf = writing
        .pdf
        .as_ref()
        .map(|path| std::fs::read(path).map_err(|error| unusable(path, &error)))
        .transpose()?;
    let reader = writing.reader;
    let secret = passphrase(
        writing.passphrase_file.as_deref(),
        &say!("{reader} さんの合言葉", "Passphrase of {reader}"),
    )?;
    let request = SignReport {
        case: writing.case,
        status,
        text: body,
        pdf: pdf.map(|pdf| STANDARD.encode(pdf)),
        reader,
        passphrase: secret.to_string(),
    };
    let answer = writing.at.ask(Request::ReportSign(request))?;
    writing
        .at
        .print(&answer, |answer| case::show(&answer["case"]));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::language::assert_both;

    #[test]
    fn what_a_later_version_did_is_said() {
        let by =
            |code: &str| json!({ "code": code, "version": 4, "status": "corrected", "at": null });
        for code in ["retracted", "replaced", "added-to"] {
            let said = overtaken(&by(code)).unwrap();
            assert_both(&said);
            assert!(said.en.contains("ersion 4") && said.ja.contains("第 4 版"));
        }
        assert!(overtaken(&Value::Null).is_none());
    }

    #[test]
    fn a_file_is_overwritten_only_when_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.pdf");
        save(&path, b"one", false).unwrap();
        assert_eq!(save(&path, b"two", false).unwrap_err().code, "file-exists");
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        save(&path, b"two", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
