//! The accepting side, and whose certificates it takes.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};

use super::identity::certificates;
use super::{Identity, fingerprint, provider, signatures};
use crate::language::{Explain as _, Failure};
use crate::say;

/// Whether somebody is registered with the certificate of this fingerprint.
pub type Pinned = Box<dyn Fn(&[u8; 32]) -> bool + Send + Sync>;

/// Judges the certificates of clients. Each client proves the key of the one it shows. With an authority, every client
/// must show one that the authority signed, or that is pinned; without, any may be shown or none, and what it is worth
/// is for whoever compares its fingerprint.
struct Clients {
    authority: Option<Authority>,
    pinned: Pinned,
}

/// Whose clients are let in.
struct Authority {
    verifier: Arc<dyn ClientCertVerifier>,
    /// The fingerprints of its own certificates: devices show certificates that sign themselves and call themselves
    /// authorities.
    own: Vec<[u8; 32]>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.authority.is_some()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hints: a client whose own certificate is pinned would otherwise not show it.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let shown = fingerprint(end_entity);
        match &self.authority {
            Some(authority) if !authority.own.contains(&shown) && !(self.pinned)(&shown) => {
                let verifier = &authority.verifier;
                verifier.verify_client_cert(end_entity, intermediates, now)
            }
            Some(_) | None => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signatures::of_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signatures::of_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signatures::schemes()
    }
}

/// How connections are accepted: as `identity`, from clients that an authority of `client_ca` (a PEM file) signed when
/// there is one, and from `pinned` ones.
///
/// # Errors
/// When the file holds no authorities, or the key is not that of the certificate.
pub fn server(
    identity: &Identity,
    client_ca: Option<&Path>,
    pinned: Pinned,
) -> Result<Arc<ServerConfig>, Failure> {
    let authority = client_ca.map(authority).transpose()?;
    let clients = Arc::new(Clients { authority, pinned });
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_client_cert_verifier(clients)
                .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        });
    let mut config = config.map_err(|error| {
        Failure::new(
            "tls-identity",
            say!(
                "TLS の証明書と鍵を使えません（{why}）。鍵が証明書のものか確認してください。",
                "TLS certificate and key cannot be used ({why}). Is the key that of the certificate?";
                why = error.message()
            ),
        )
    })?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn authority(path: &Path) -> Result<Authority, Failure> {
    let mut roots = RootCertStore::empty();
    // One that is none leaves the others; none at all is noticed below.
    let certificates = certificates(path)?;
    let own = certificates.iter().map(fingerprint).collect();
    let _counts = roots.add_parsable_certificates(certificates);
    let file = path.display();
    let unusable = |_| {
        Failure::new(
            "authority-unusable",
            say!(
                "{file} に、認証局の証明書として使えるものがありません。",
                "{file} holds no certificate of an authority that can be used."
            ),
        )
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(unusable)?;
    Ok(Authority { verifier, own })
}
