//! The grammar of unique identifiers (PS3.5 section 9.1), as far as association and command
//! fields need it.

/// Whether `text` can be a UID: 1–64 digits and dots, no component empty. Components with a
/// leading zero pass: the standard forbids them, installed devices send them.
pub(crate) fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Read a UID field. Trailing NULs and surrounding spaces are padding; anything else that is not
/// of the grammar gives nothing.
pub(crate) fn uid_field(field: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(field).ok()?;
    let uid = text.trim_end_matches('\0').trim_matches(' ');
    is_uid(uid).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds() {
        assert!(is_uid("1.2.840.10008.1.1"));
        assert!(is_uid(&"1".repeat(64)));
        for text in [
            "", ".", "1.", ".1", "1..2", "1.a", "../x", "1/2", "1.2\0", "１.2",
        ] {
            assert!(!is_uid(text), "{text:?}");
        }
        assert!(!is_uid(&"1".repeat(65)));
    }

    #[test]
    fn padding_is_taken_off() {
        assert_eq!(uid_field(b"1.2.3\0"), Some("1.2.3"));
        assert_eq!(uid_field(b"1.2.3 "), Some("1.2.3"));
        assert_eq!(uid_field(b"1.2\0.3"), None);
        assert_eq!(uid_field(&[0xff, 0xfe]), None);
    }
}
