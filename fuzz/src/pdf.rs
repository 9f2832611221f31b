//! A reader's own PDF (`outputs/pdf/attachment`).

use dokuei_node::outputs::pdf::rewritten;

/// What is written of a PDF from outside is one that would be taken itself.
pub fn check(data: &[u8]) {
    let Ok(plain) = rewritten(data) else {
        return;
    };
    assert!(plain.starts_with(b"%PDF-"));
    if let Err(why) = rewritten(&plain) {
        panic!("written, but not read: {why}");
    }
}
