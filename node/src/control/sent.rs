//! Whether a study was sent, for whoever asked for it.

use serde_json::Value;

use crate::language::{Failure, Message};

/// Whether a study was sent: an answer to [`super::request::Request::StudySend`] may say that nothing was, and why.
///
/// # Errors
/// Why nothing was sent.
pub fn must_be_sent(answer: &Value) -> Result<(), Failure> {
    let held = &answer["held_back"];
    if held.is_null() {
        return Ok(());
    }
    let text = |field: &str| held[field].as_str().unwrap_or_default().to_owned();
    let why = Message::new(text("ja"), text("en"));
    Err(Failure::new(text("code"), why))
}
