//! How the collector is known, and this node to it.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};

use crate::config::audit::{AuditConfig, Trust};
use crate::language::Failure;
use crate::say;

/// TLS towards the collector. Names of files that are not whole paths begin in `folder`.
///
/// # Errors
/// One sentence that names the file.
pub(super) fn client(config: &AuditConfig, folder: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("tls", &error.to_string()))?;
    let builder = match &config.trust {
        Trust::Authority(file) => builder.with_root_certificates(roots(&folder.join(file))?),
        Trust::Fingerprint(fingerprint) => {
            let pinned = Pinned {
                fingerprint: *fingerprint,
                provider,
            };
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(pinned))
        }
    };
    let Some((certificate, key)) = &config.identity else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let (certificate, key) = (folder.join(certificate), folder.join(key));
    let chain = certificates(&certificate)?;
    let secret = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| unusable(&key.display().to_string(), &error.to_string()))?;
    let client = builder
        .with_client_auth_cert(chain, secret)
        .map_err(|error| unusable(&certificate.display().to_string(), &error.to_string()))?;
    Ok(Arc::new(client))
}

/// The collector's name or address, as its certificate must have it.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Failure> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|error| unusable(host, &error.to_string()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let failed = |error: String| unusable(&file.display().to_string(), &error);
    let all = CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
    let all: Result<Vec<_>, _> = all.collect();
    let all = all.map_err(|error| failed(error.to_string()))?;
    match all.is_empty() {
        true => Err(failed("no certificate in it".to_owned())),
        false => Ok(all),
    }
}

fn roots(file: &Path) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(&file.display().to_string(), &error.to_string()))?;
    }
    Ok(roots)
}

fn unusable(what: &str, why: &str) -> Failure {
    Failure::new(
        "audit-unusable",
        say!(
            "監査証跡の設定 [audit] の {what} を使えません（{why}）。設定とファイルを確認してください。",
            "{what} of [audit] in the configuration cannot be used ({why}). Check the configuration and the file."
        ),
    )
}

/// Knows the collector by the SHA-256 of its certificate, whoever issued it and however long it holds.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen: [u8; 32] = Sha256::digest(end_entity).into();
        match seen == self.fingerprint {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
