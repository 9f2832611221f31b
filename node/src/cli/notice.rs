//! Handing notices of keys to a running node, and saying what they did.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dokuei_protocol::partner::notice::Notice;
use serde_json::Value;

use crate::cli::At;
use crate::cli::show::{message, text};
use crate::control::request::Request;
use crate::language::Failure;
use crate::say;
use crate::site::notices;

/// Takes a partner's file.
///
/// # Errors
/// One sentence.
pub(super) fn import(file: &Path, at: &At) -> Result<(), Failure> {
    let answer = tell(&notices::read(file)?, at)?;
    at.print(&answer, show);
    Ok(())
}

/// Gives a notice to the running node.
///
/// # Errors
/// One sentence; the code is `not-running` when no node runs.
pub(super) fn tell(notice: &Notice, at: &At) -> Result<Value, Failure> {
    let notice = STANDARD.encode(notice.file());
    at.ask(Request::NoticeTake { notice })
}

fn show(answer: &Value) {
    let name = text(answer, "name");
    let count = answer["revoked"].as_array().map_or(0, Vec::len);
    outln!(
        "{}",
        say!(
            "「{name}」の通知を取り込みました（失効した鍵 {count} 件）。",
            "The notice of '{name}' is taken ({count} revoked keys in all)."
        )
    );
    if !answer["standing"].is_null() {
        outln!(
            "{}",
            say!(
                "この施設とはつながりません: {}",
                "Nothing is exchanged with it: {}",
                message(answer, "standing")
            )
        );
    }
}
