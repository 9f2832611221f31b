//! The calling side, and by what it recognises whom it calls.

use std::sync::Arc;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::{Identity, WrongPin, fingerprint, provider, signatures};
use crate::language::Failure;
use crate::say;

/// By what the certificate of whoever is called is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Trust {
    /// By its fingerprint (SHA-256), whatever else it says.
    #[n(0)]
    Fingerprint(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        [u8; 32],
    ),
    /// By an authority that signed it, for the host that is called: the authority's certificates, in DER.
    #[n(1)]
    Authority(#[n(0)] Vec<ByteVec>),
}

/// How somebody is called over TLS.
#[derive(Debug, Clone)]
pub struct Client {
    /// Whom to trust, and as whom to call.
    pub config: Arc<ClientConfig>,
    /// The name that a certificate must be for, where an authority vouches for it.
    pub server: ServerName<'static>,
}

/// Takes known certificates whatever they say, and else those that an authority signed. An authority's own certificate
/// is a known one: devices show certificates that sign themselves and call themselves authorities.
#[derive(Debug)]
struct Known {
    pins: Vec<[u8; 32]>,
    authority: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = fingerprint(end_entity);
        if self.pins.contains(&shown) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.authority {
            Some(authority) => authority.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => {
                let wrong = OtherError(Arc::new(WrongPin { shown }));
                Err(CertificateError::Other(wrong).into())
            }
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

/// How `host` is called: recognised by `trust`, and shown `identity` when it asks for a certificate.
///
/// # Errors
/// When the host has no name that certificates have, or no authority can be used.
pub fn client(trust: &Trust, host: &str, identity: Option<&Identity>) -> Result<Client, Failure> {
    let unusable = || {
        Failure::new(
            "trust-unusable",
            say!(
                "「{host}」の TLS に、指定された証明書を使えません。指紋か、認証局の証明書（PEM）を確認してください。",
                "The certificates given for '{host}' cannot be used for TLS. Check the fingerprint, or the authority's certificates (PEM)."
            ),
        )
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable())?;
    let known = match trust {
        Trust::Fingerprint(pin) => Known {
            pins: vec![*pin],
            authority: None,
        },
        Trust::Authority(authorities) => {
            let (mut roots, mut pins) = (RootCertStore::empty(), Vec::new());
            for authority in authorities {
                let certificate = CertificateDer::from(authority.to_vec());
                pins.push(fingerprint(&certificate));
                roots.add(certificate).map_err(|_| unusable())?;
            }
            let authority =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
                    .build()
                    .map_err(|_| unusable())?;
            Known {
                pins,
                authority: Some(authority),
            }
        }
    };
    let trusting = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(known));
    let mut config = match identity {
        Some(identity) => trusting
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(|_| unusable())?,
        None => trusting.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    let server = ServerName::try_from(host.to_owned()).map_err(|_| unusable())?;
    Ok(Client {
        config: Arc::new(config),
        server,
    })
}
