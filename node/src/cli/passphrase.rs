//! Asking a person for their passphrase.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::language::{Failure, Message};
use crate::say;
use crate::site::passphrase;

/// Longest text that is read for a code: the whole sheet fits.
const SHEET_BYTES: u64 = 4096;

/// The code of the recovery sheet from a file, from the terminal without echo, or from standard input to its end.
///
/// # Errors
/// When there is none.
pub(super) fn recovery_code(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let prompt = say!(
        "復旧シートのコード（14 組すべてを続けて）",
        "Code of the recovery sheet (all 14 groups in one line)"
    );
    if file.is_some() || std::io::stdin().is_terminal() {
        return passphrase(file, &prompt);
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .take(SHEET_BYTES)
        .read_to_string(&mut text)
        .map_err(|_| none())?;
    Ok(text)
}

/// The passphrase from a file, from the terminal without echo, or from a line of standard input.
///
/// # Errors
/// When there is none.
pub(super) fn passphrase(
    file: Option<&Path>,
    prompt: &Message,
) -> Result<Zeroizing<String>, Failure> {
    if let Some(path) = file {
        let bytes = passphrase::read(path)?;
        return String::from_utf8(bytes.to_vec())
            .map(Zeroizing::new)
            .map_err(|_| none());
    }
    let text = if std::io::stdin().is_terminal() {
        Zeroizing::new(rpassword::prompt_password(format!("{prompt}: ")).map_err(|_| none())?)
    } else {
        let mut line = Zeroizing::new(String::new());
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|_| none())?;
        line
    };
    let trimmed = Zeroizing::new(text.trim().to_owned());
    if trimmed.is_empty() {
        Err(none())
    } else {
        Ok(trimmed)
    }
}

fn none() -> Failure {
    Failure::new(
        "no-passphrase",
        say!(
            "合言葉が必要です。--passphrase-file で指定するか、入力してください。",
            "A passphrase is needed. Give --passphrase-file or type it."
        ),
    )
}
