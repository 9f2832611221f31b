//! UIDs of the encapsulated report, derived so that delivering again gives the same object.

use sha2::{Digest, Sha256};

/// Longest UID (PS3.5 section 9.1).
const MAX_UID_BYTES: usize = 64;

/// A UID value without padding, `None` when it is empty, too long or not digits and dots.
pub(super) fn checked(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?.trim_matches(['\0', ' ']);
    let usable = !text.is_empty()
        && text.len() <= MAX_UID_BYTES
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    usable.then_some(text)
}

/// The series of one report version in one study.
pub(super) fn series(study: &str, report_digest: &str) -> String {
    derived(&[b"series", study.as_bytes(), report_digest.as_bytes()])
}

/// The instance: also bound to the bytes it carries, so that a PDF rendered differently by a later
/// program is never another object under the same UID.
pub(super) fn instance(study: &str, report_digest: &str, pdf: &[u8], bundle: &[u8]) -> String {
    let parts: [&[u8]; 5] = [
        b"instance",
        study.as_bytes(),
        report_digest.as_bytes(),
        pdf,
        bundle,
    ];
    derived(&parts)
}

/// `2.25.` and a version 8 UUID (RFC 9562 section 5.8, PS3.5 annex B.2) from a hash of the parts.
fn derived(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"dokuei encapsulated report v1");
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut uuid = [0u8; 16];
    for (to, from) in uuid.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    uuid[6] = uuid[6] & 0x0F | 0x80;
    uuid[8] = uuid[8] & 0x3F | 0x80;
    format!("2.25.{}", u128::from_be_bytes(uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_stable_and_bound_to_what_they_name() {
        let uid = instance("1.2.3", "ab", b"pdf", b"bundle");
        assert_eq!(uid, instance("1.2.3", "ab", b"pdf", b"bundle"));
        assert_ne!(uid, instance("1.2.4", "ab", b"pdf", b"bundle"));
        assert_ne!(uid, instance("1.2.3", "ac", b"pdf", b"bundle"));
        assert_ne!(uid, instance("1.2.3", "ab", b"pdfb", b"undle"));
        assert_ne!(series("1.2.3", "ab"), uid);
        assert!(uid.starts_with("2.25.") && checked(uid.as_bytes()) == Some(uid.as_str()));
    }

    #[test]
    fn unusable_uids_are_refused() {
        assert_eq!(checked(b"1.2.840\0"), Some("1.2.840"));
        assert_eq!(checked(b""), None);
        assert_eq!(checked(b"1.2.x"), None);
        assert_eq!(checked(&[b'1'; 65]), None);
    }
}
