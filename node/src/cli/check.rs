//! What the check before sending found, as people read it.

use serde_json::Value;

use crate::cli::show::{message, text};
use crate::say;

/// A check that was asked for: its verdict, and what was found.
pub(super) fn show(check: &Value) {
    let verdict = message(check, "said");
    outln!(
        "{}",
        say!("検像: {verdict}", "check before sending: {verdict}")
    );
    findings(check);
}

/// What was found, one line each, and the places below.
pub(super) fn findings(check: &Value) {
    let places = check["places"].as_array().map(Vec::as_slice);
    for finding in check["findings"].as_array().into_iter().flatten() {
        let mark = match text(finding, "verdict") {
            "warn" => say!("注意", "warning"),
            _ => say!("保留", "hold"),
        };
        outln!("  {mark}: {}", message(finding, "said"));
        let of = |place: &&Value| place["concern"] == finding["concern"];
        for place in places.unwrap_or_default().iter().filter(of) {
            let said = message(place, "said");
            match place["series"].as_i64() {
                Some(series) => outln!(
                    "    {}",
                    say!("シリーズ {series}: {said}", "series {series}: {said}")
                ),
                None => outln!("    {said}"),
            }
        }
    }
}
