//! Who is at the other end of a bulk connection: the same libp2p certificates as everywhere, under a protocol name of
//! its own, without keys in files and without resumption.

use std::sync::Arc;

use dokuei_keys::id::NodeId;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use libp2p::tls::certificate;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, NoKeyLog, ServerConfig};

use crate::network::error::StartError;
use crate::network::peers::node_of;

/// What a bulk connection speaks. libp2p's own connections say `libp2p`: neither port takes the other's callers.
pub(super) const ALPN: &[u8] = b"dokuei-bulk/1";

/// A name must stand in a handshake; the certificates have none, and nobody reads it.
pub(super) const NAME: &str = "dokuei.invalid";

/// This node's certificates for bulk connections.
#[derive(Clone)]
pub(super) struct Identity(Keypair);

impl Identity {
    pub(super) fn new(keypair: &Keypair) -> Self {
        Self(keypair.clone())
    }

    /// For those who call: any node's certificate is taken here, and the gate asked right after.
    pub(super) fn server(&self) -> Result<ServerConfig, StartError> {
        let mut tls = libp2p::tls::make_server_config(&self.0).map_err(refused)?;
        tls.key_log = Arc::new(NoKeyLog);
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // The verifier is not asked again on resumption, so there is none.
        tls.send_tls13_tickets = 0;
        Ok(tls)
    }

    /// For a call to this node and nobody else: the verifier has its name in it, so each node has a configuration.
    pub(super) fn client(&self, expected: PeerId) -> Result<ClientConfig, StartError> {
        let mut tls = libp2p::tls::make_client_config(&self.0, Some(expected)).map_err(refused)?;
        tls.key_log = Arc::new(NoKeyLog);
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = Resumption::disabled();
        Ok(tls)
    }

    pub(super) fn quic_server(&self) -> Result<QuicServerConfig, StartError> {
        QuicServerConfig::try_from(self.server()?).map_err(refused)
    }

    pub(super) fn quic_client(&self, expected: PeerId) -> Result<QuicClientConfig, StartError> {
        QuicClientConfig::try_from(self.client(expected)?).map_err(refused)
    }
}

fn refused(error: impl std::fmt::Display) -> StartError {
    StartError::Identity(error.to_string())
}

/// The node whose certificate TLS has verified; `None` where there is none of ours.
pub(super) fn node_behind(chain: &[CertificateDer<'_>]) -> Option<NodeId> {
    let [certificate] = chain else {
        return None;
    };
    let certificate = certificate::parse(certificate).ok()?;
    node_of(&certificate.peer_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_ever_written_and_no_session_resumed() {
        let identity = Identity::new(&Keypair::generate_ed25519());
        let server = identity.server().unwrap();
        let client = identity.client(PeerId::random()).unwrap();
        let labels = [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
        ];
        for log in [&server.key_log, &client.key_log] {
            assert!(labels.iter().all(|label| !log.will_log(label)));
        }
        assert_eq!(server.send_tls13_tickets, 0);
        assert_eq!(server.max_early_data_size, 0);
        assert!(!client.enable_early_data);
    }
}
