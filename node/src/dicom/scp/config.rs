//! What an operator may set, and the bounds with their reasons.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::dicom::pdu::{AeTitle, MinimumRate};
use crate::entities::{Entities, Permission, Refusal};
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// Everything the receiving side is told at start.
#[derive(Debug, Clone)]
pub struct ScpConfig {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where to listen for TLS, if anywhere.
    pub tls: Option<TlsDoor>,
    /// Our application entity title.
    pub ae_title: AeTitle,
    /// Who may send what.
    pub accept: Accept,
    /// Bounds in number and time.
    pub limits: Limits,
}

/// The port for TLS.
#[derive(Debug, Clone)]
pub struct TlsDoor {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// As whom, and for whose certificates.
    pub config: Arc<rustls::ServerConfig>,
}

/// Who may send what.
#[derive(Debug, Clone)]
pub struct Accept {
    /// Which called AE titles are answered.
    pub called: Called,
    /// Who is let in.
    pub calling: Calling,
    /// Which private SOP classes are taken.
    pub private_classes: PrivateClasses,
}

/// Which private SOP classes are taken. None by default: the archive at the far end mostly refuses them, and a study
/// that can never be delivered whole helps nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PrivateClasses {
    /// None.
    #[default]
    None,
    /// These, by their UIDs: those that the archives of all sites keep.
    These(Vec<String>),
    /// Whatever is no class of the standard.
    All,
}

impl PrivateClasses {
    /// Whether objects of this class are taken; `class` is none of the standard.
    pub(super) fn takes(&self, class: &str) -> bool {
        match self {
            PrivateClasses::None => false,
            PrivateClasses::These(classes) => classes.iter().any(|known| known == class),
            PrivateClasses::All => true,
        }
    }
}

/// Which called AE titles are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// Whatever the sender wrote there.
    Any,
    /// Our own only.
    Ours,
}

/// Who is let in.
#[derive(Debug, Clone)]
pub enum Calling {
    /// Whoever calls, to send.
    Any,
    /// Whom the register of application entities admits.
    Registered(Entities),
}

impl Calling {
    /// What `calling` from `address` may do, having shown the certificate of this fingerprint.
    pub(super) fn admit(
        &self,
        calling: &AeTitle,
        address: IpAddr,
        certificate: Option<[u8; 32]>,
    ) -> Result<Permission, Refusal> {
        match self {
            Calling::Any => Ok(Permission::to_send()),
            Calling::Registered(entities) => entities.admit(calling, address, certificate),
        }
    }
}

impl Default for Accept {
    fn default() -> Self {
        Accept {
            called: Called::Any,
            calling: Calling::Any,
            private_classes: PrivateClasses::None,
        }
    }
}

/// Bounds in number and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Associations at once. Each costs a thread and a 256 KiB buffer: 64 cost 16 MiB.
    pub associations: usize,
    /// Associations at once from one address. A modality opens one to four.
    pub per_address: usize,
    /// From the TCP connection to the end of the association request (the ARTIM timer of
    /// PS3.8 section 9.1.5).
    pub negotiation: Duration,
    /// Between two messages. Modalities keep an association open while they acquire.
    pub idle: Duration,
    /// How long an association must have been idle before it may be cut to make room for a new one
    /// where a limit in number is reached. Devices that forget to release would otherwise lock
    /// themselves out until the idle limit.
    pub yielding: Duration,
    /// Inside a message.
    pub rate: MinimumRate,
    /// Waiting for the peer to close after a release, rejection or abort.
    pub closing: Duration,
    /// What a stop grants to objects under way. An image takes milliseconds on a LAN; whoever sends a
    /// longer one sends it again.
    pub stopping: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            associations: 64,
            per_address: 16,
            negotiation: Duration::from_secs(15),
            idle: Duration::from_secs(300),
            yielding: Duration::from_secs(30),
            rate: MinimumRate::default(),
            closing: Duration::from_secs(2),
            stopping: Duration::from_secs(2),
        }
    }
}

/// The receiving side could not start: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum ScpError {
    /// Another program has the port.
    AddressInUse(SocketAddr),
    /// Ports below 1024 need a privilege.
    NotPermitted(SocketAddr),
    /// The address is not one of this machine's, or the system is out of resources.
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl ScpError {
    /// The failure to listen on `address`, by its cause.
    pub(super) fn listening(address: SocketAddr, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::AddrInUse => ScpError::AddressInUse(address),
            std::io::ErrorKind::PermissionDenied => ScpError::NotPermitted(address),
            _other => ScpError::Listen { address, source },
        }
    }
}

impl Explain for ScpError {
    fn message(&self) -> Message {
        match self {
            ScpError::AddressInUse(address) => say!(
                "DICOM のポート {address} はほかのプログラムが使用しています。そのプログラムを止めるか、dokuei.toml の dicom.listen（TLS は dicom.tls.listen）を別のポートにしてください",
                "DICOM port {address} is in use by another program; stop that program or choose another port as dicom.listen (for TLS, dicom.tls.listen) in dokuei.toml"
            ),
            ScpError::NotPermitted(address) => say!(
                "DICOM のポート {address} で待ち受ける権限がありません。1024 未満のポートには管理者権限が必要です。dokuei.toml の dicom.listen（TLS は dicom.tls.listen）を 11112 などにしてください",
                "no permission to listen on {address}; ports below 1024 need a privilege, 11112 does not: change dicom.listen (for TLS, dicom.tls.listen) in dokuei.toml"
            ),
            ScpError::Listen { address, source } => say!(
                "DICOM のアドレス {address} で待ち受けできません（{why}）。dokuei.toml の dicom.listen（TLS は dicom.tls.listen）を確認してください",
                "cannot listen for DICOM on {address} ({why}); check dicom.listen (for TLS, dicom.tls.listen) in dokuei.toml";
                why = source.message()
            ),
        }
    }
}

displayed_in_english!(ScpError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn what_keeps_it_from_listening_is_told_in_both_languages() {
        use std::io::{Error, ErrorKind};
        let address: SocketAddr = ([127, 0, 0, 1], 104).into();
        let kinds = [
            ErrorKind::AddrInUse,
            ErrorKind::PermissionDenied,
            ErrorKind::AddrNotAvailable,
        ];
        let errors = kinds.map(|kind| ScpError::listening(address, Error::from(kind)));
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
    }
}
