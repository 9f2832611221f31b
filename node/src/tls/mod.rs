//! TLS towards equipment of the house, by BCP 195 (RFC 8996, RFC 9325) as DICOM PS3.15 annex B has it: TLS 1.3, and
//! TLS 1.2 with ephemeral keys and authenticated encryption only.
//!
//! The provider of cryptography is named in every configuration, as two are compiled in; keys of sessions are never
//! logged, and sessions are not resumed: each one shows its certificates anew.

mod calling;
mod clients;
mod fault;
mod identity;
mod signatures;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

pub use calling::{Client, Trust, client};
pub use clients::{Pinned, server};
pub use fault::WrongPin;
pub use identity::{Identity, authorities, certificates, make_certificate};

/// The suites, groups and signatures of every connection.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// The fingerprint of a certificate: SHA-256 of its DER form.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

/// A fingerprint as `openssl x509 -fingerprint -sha256` writes it: pairs of upper-case digits, with colons.
pub fn fingerprint_text(fingerprint: &[u8; 32]) -> String {
    let pairs: Vec<String> = fingerprint.iter().map(|b| format!("{b:02X}")).collect();
    pairs.join(":")
}

/// Reads a fingerprint: 64 hexadecimal digits, with or without colons and spaces.
pub fn read_fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|letter| !":- ".contains(*letter))
        .map(|letter| letter.to_digit(16))
        .collect::<Option<_>>()?;
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] << 4 | pair[1]).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8 * 7);
        let text = fingerprint_text(&bytes);
        assert!(text.starts_with("00:07:0E:"));
        assert_eq!(read_fingerprint(&text), Some(bytes));
        assert_eq!(
            read_fingerprint(&text.to_lowercase().replace(':', "")),
            Some(bytes)
        );
        for wrong in ["", "00", &format!("{text}:00"), &text.replace("07", "0g")] {
            assert_eq!(read_fingerprint(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_ephemeral_keys_and_authenticated_encryption_are_offered() {
        for suite in &provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            let is_modern = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_");
            let is_authenticated = name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305_");
            assert!(is_modern && is_authenticated, "{name}");
        }
    }
}
