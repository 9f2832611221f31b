//! Where DICOM is taken, and how.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Wrong, problems};
use crate::dicom::dimse::Service;
use crate::dicom::scp::PrivateClasses;
use crate::dicom::uid::Uid;

/// The certificate that `dokuei dicom certificate` makes, in the data folder.
pub const CERTIFICATE: &str = "dicom-certificate.pem";
/// Its key.
pub const KEY: &str = "keys/dicom-key.pem";

/// Longest list of private SOP classes: a manufacturer has some ten.
const PRIVATE_CLASSES: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDicom {
    pub(super) listen: SocketAddr,
    pub(super) public: bool,
    pub(super) called_ae_check: bool,
    pub(super) ae_title: String,
    pub(super) open_intake: bool,
    pub(super) quiet_seconds: u64,
    pub(super) private_classes: Vec<String>,
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
            private_classes: Vec::new(),
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

/// Which private SOP classes are taken: `*` stands for all.
///
/// # Errors
/// The key, and what its values may be.
pub(super) fn private_classes(raw: Vec<String>) -> Result<PrivateClasses, Wrong> {
    if raw.iter().any(|class| class == "*") {
        return Ok(PrivateClasses::All);
    }
    let is_private = |class: &String| {
        Uid::parse(class.as_bytes()).is_ok() && Service::of(class) == Service::Private
    };
    if raw.len() > PRIVATE_CLASSES || !raw.iter().all(is_private) {
        let wrong = problems::private_classes(PRIVATE_CLASSES);
        return Err(("dicom.private_classes", wrong));
    }
    Ok(match raw.is_empty() {
        true => PrivateClasses::None,
        false => PrivateClasses::These(raw),
    })
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
    use crate::dicom::scp::PrivateClasses;
    use crate::language::assert_both;

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
    fn private_classes_are_those_that_are_named() {
        let with = |classes: &str| {
            let text = template("A").replace("private_classes = []", classes);
            Config::parse(&text, "x.toml").map(|config| config.private_classes)
        };
        let class = "1.3.12.2.1107.5.9.1";
        assert_eq!(with("").unwrap(), PrivateClasses::None);
        assert_eq!(
            with(&format!("private_classes = [\"{class}\"]")).unwrap(),
            PrivateClasses::These(vec![class.to_owned()])
        );
        assert_eq!(
            with("private_classes = [\"*\"]").unwrap(),
            PrivateClasses::All
        );
        // Of the standard, and no UID.
        for wrong in ["1.2.840.10008.5.1.4.1.1.2", "siemens"] {
            let failure = with(&format!("private_classes = [\"{wrong}\"]")).unwrap_err();
            assert!(failure.message.en.contains("dicom.private_classes"));
            assert_both(&failure.message);
        }
    }

    #[test]
    fn a_port_for_tls_that_is_reached_from_outside_needs_an_authority() {
        let open = "listen = \"0.0.0.0:2762\"";
        assert!(with(open).unwrap_err().contains("dicom.tls.listen"));
        let with_authority = format!("{open}\nclient_ca = \"ca.pem\"");
        assert!(with(&with_authority).is_ok());
    }
}
