//! Where DICOM is taken, and how.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// The certificate that `dokuei dicom certificate` makes, in the data folder.
pub const CERTIFICATE: &str = "dicom-certificate.pem";
/// Its key.
pub const KEY: &str = "keys/dicom-key.pem";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDicom {
    pub(super) listen: SocketAddr,
    pub(super) public: bool,
    pub(super) called_ae_check: bool,
    pub(super) ae_title: String,
    pub(super) open_intake: bool,
    pub(super) quiet_seconds: u64,
    pub(super) tls: Option<DicomTls>,
}

impl Default for RawDicom {
    fn default() -> RawDicom {
        RawDicom {
            listen: SocketAddr::from(([127, 0, 0, 1], 11112)),
            public: false,
            called_ae_check: false,
            ae_title: "DOKUEI".to_owned(),
            open_intake: true,
            quiet_seconds: 60,
            tls: None,
        }
    }
}

/// The port for TLS. Paths are relative to the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DicomTls {
    /// Where devices connect.
    pub listen: SocketAddr,
    /// This node's certificate and those that signed it, in PEM.
    #[serde(default = "certificate")]
    pub certificate: PathBuf,
    /// Its key, in PEM; only its owner may read it.
    #[serde(default = "key")]
    pub key: PathBuf,
    /// Certificates of the authorities whose clients are let in, in PEM; without, clients need no certificate unless
    /// they are registered with one.
    pub client_ca: Option<PathBuf>,
}

fn certificate() -> PathBuf {
    CERTIFICATE.into()
}

fn key() -> PathBuf {
    KEY.into()
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, template};

    fn with(tls: &str) -> Result<Config, String> {
        let text = template("A").replace("# [dicom.tls]\n", &format!("[dicom.tls]\n{tls}\n"));
        Config::parse(&text, "x.toml").map_err(|failure| failure.message.en)
    }

    #[test]
    fn a_port_for_tls_needs_an_address_and_nothing_else() {
        let tls = with("listen = \"192.168.1.5:2762\"").unwrap().dicom_tls;
        let tls = tls.unwrap();
        assert_eq!(tls.listen.port(), 2762);
        assert_eq!(tls.key.to_str(), Some(super::KEY));
        assert!(with("").unwrap_err().contains("listen"));
        let unknown = "listen = \"127.0.0.1:1\"\ncipher = \"x\"";
        assert!(with(unknown).unwrap_err().contains("cipher"));
    }

    #[test]
    fn a_port_for_tls_that_is_reached_from_outside_needs_an_authority() {
        let open = "listen = \"0.0.0.0:2762\"";
        assert!(with(open).unwrap_err().contains("dicom.tls.listen"));
        let with_authority = format!("{open}\nclient_ca = \"ca.pem\"");
        assert!(with(&with_authority).is_ok());
    }
}
