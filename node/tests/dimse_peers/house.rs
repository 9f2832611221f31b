//! A register of application entities, and certificates for the devices in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dokuei_keys::secret::{Secret32, StorageKey};
use dokuei_node::dicom::scp::{Calling, Limits, Scp, ScpConfig, TlsDoor};
use dokuei_node::entities::scope::Scope;
use dokuei_node::entities::{Caller, Entities, Means};
use dokuei_node::site::write_private;
use dokuei_node::store::Store;
use dokuei_node::tls::{self, Identity};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair};

use crate::memory::{self, Memory};

/// A certificate with its key, as files.
pub(crate) struct Card {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) fingerprint: [u8; 32],
}

/// An authority that signs certificates.
pub(crate) struct Authority {
    pub(crate) file: PathBuf,
    certificate: Certificate,
    key: KeyPair,
}

pub(crate) struct House {
    folder: tempfile::TempDir,
    pub(crate) entities: Entities,
}

impl House {
    pub(crate) fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let means = Means {
            ae_title: "DOKUEI".parse().unwrap(),
            open_intake: true,
            identity: None,
            transcoding: None,
        };
        let store = Store::open(&folder.path().join("x.redb")).unwrap();
        let storage = StorageKey::from_secret(Secret32::from_bytes([7; 32]));
        House {
            entities: Entities::open(store, storage, means).unwrap(),
            folder,
        }
    }

    /// Registers a caller that may send.
    pub(crate) fn register(&self, ae_title: &str, network: &str, certificate: Option<[u8; 32]>) {
        let caller = Caller {
            name: format!("{ae_title} at {network}"),
            ae_title: ae_title.to_owned(),
            networks: vec![network.to_owned()],
            certificate,
            may_store: true,
            may_query: false,
            scope: Scope::All,
        };
        self.entities.add_caller(caller).unwrap();
    }

    /// A certificate for loopback that signs itself.
    pub(crate) fn card(&self, name: &str) -> Card {
        let file = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        let (certificate, key) = (file("pem"), file("key"));
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let fingerprint = tls::make_certificate(name, &hosts, &certificate, &key).unwrap();
        Card {
            certificate,
            key,
            fingerprint,
        }
    }

    /// An authority that signs the certificates of devices: its file, and its signing.
    pub(crate) fn authority(&self) -> Authority {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let file = self.folder.path().join("authority.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        Authority {
            file,
            certificate,
            key,
        }
    }

    /// A certificate for loopback that an authority signed.
    pub(crate) fn signed(&self, authority: &Authority, name: &str) -> Card {
        let hosts = vec!["127.0.0.1".to_owned()];
        let key_pair = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(hosts)
            .unwrap()
            .signed_by(&key_pair, &authority.certificate, &authority.key)
            .unwrap();
        let file = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        let (certificate, key) = (file("pem"), file("key"));
        std::fs::write(&certificate, signed.pem()).unwrap();
        write_private(&key, key_pair.serialize_pem().as_bytes()).unwrap();
        Card {
            certificate,
            key,
            fingerprint: tls::fingerprint(signed.der()),
        }
    }

    /// A configuration in which the register decides.
    pub(crate) fn config(&self, limits: Limits) -> ScpConfig {
        let mut config = memory::config(limits);
        config.accept.calling = Calling::Registered(self.entities.clone());
        config
    }

    /// A receiving side with a port for TLS.
    pub(crate) fn start(
        &self,
        limits: Limits,
        card: &Card,
        client_ca: Option<&Path>,
        memory: &Arc<Memory>,
    ) -> Scp {
        let entities = self.entities.clone();
        let pinned = Box::new(move |shown: &[u8; 32]| entities.is_pinned(shown));
        let identity = Identity::read(&card.certificate, &card.key).unwrap();
        let mut config = self.config(limits);
        config.tls = Some(TlsDoor {
            address: ([127, 0, 0, 1], 0).into(),
            config: tls::server(&identity, client_ca, pinned).unwrap(),
        });
        memory::start_with(config, memory)
    }
}
