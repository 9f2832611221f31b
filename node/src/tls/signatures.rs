//! That whoever shows a certificate has its key: the same on both sides.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::CertificateDer;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::provider;

/// What a handshake of TLS 1.2 signed.
pub(super) fn of_tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    verify_tls12_signature(message, certificate, signed, &algorithms)
}

/// What a handshake of TLS 1.3 signed.
pub(super) fn of_tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    verify_tls13_signature(message, certificate, signed, &algorithms)
}

/// What may sign.
pub(super) fn schemes() -> Vec<SignatureScheme> {
    let algorithms = provider().signature_verification_algorithms;
    algorithms.supported_schemes()
}
