//! TLS of the web server (BCP 195: 1.2 and 1.3 with forward secrecy, as rustls has nothing else).

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::config::web::WebTls;
use crate::language::Failure;
use crate::say;

/// Reads the files and makes an acceptor of them.
///
/// # Errors
/// One sentence that names the file.
pub(super) fn acceptor(tls: &WebTls, folder: &Path) -> Result<TlsAcceptor, Failure> {
    let (certificate, key) = (folder.join(&tls.certificate), folder.join(&tls.key));
    let chain = certificates(&certificate)?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| unreadable(&key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&certificate, &error))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let file = folder.join(file);
            builder.with_client_cert_verifier(verifier(&file, provider)?)
        }
    };
    let mut config = builder
        .with_single_cert(chain, private)
        .map_err(|error| unusable(&certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Clients may show a certificate of these authorities; who they are is looked up by its fingerprint.
fn verifier(
    file: &Path,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(file, &error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(file, &error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let all: Vec<_> = read.map_err(|error| unreadable(file, &error))?;
    match all.is_empty() {
        true => Err(unreadable(file, &pem::Error::NoItemsFound)),
        false => Ok(all),
    }
}

/// The SHA-256 of a certificate.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

fn unreadable(file: &Path, error: &pem::Error) -> Failure {
    let (file, said) = (file.display(), error.to_string());
    Failure::new(
        "web-tls",
        say!(
            "{file} を PEM として読めません（{said}）。[web] の certificate、key、client_ca を確認してください。",
            "{file} cannot be read as PEM ({said}). Check certificate, key and client_ca under [web]."
        ),
    )
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    let (file, said) = (file.display(), error.to_string());
    Failure::new(
        "web-tls",
        say!(
            "{file} の証明書は TLS に使えません（{said}）。鍵と組になっているか確認してください。",
            "The certificate in {file} cannot be used for TLS ({said}). Check that it goes with its key."
        ),
    )
}
