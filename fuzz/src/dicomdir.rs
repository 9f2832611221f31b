//! The files that a DICOMDIR lists (`media`).

use dokuei_node::studies::import::listed;

/// What is listed leads downwards, and there is no more of it than bytes.
pub fn check(data: &[u8]) {
    let mut bytes = 0;
    for name in listed(data) {
        bytes += name.len();
        assert!(!name.contains('\\') && !name.chars().any(char::is_control));
        let is_plain = |part: &str| !matches!(part, "" | "." | "..");
        assert!(name.split('/').all(is_plain), "leads elsewhere");
    }
    // Each name has its own bytes, and its tag and length before them; a tag may stand inside of the name before.
    assert!(bytes <= data.len() * 256);
}
