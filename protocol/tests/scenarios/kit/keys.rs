//! What people do with the recovery sheet and with copies of the data folder.

use dokuei_keys::delegation::{Delegation, Revocation, SiteCertificate, Subject};
use dokuei_keys::id::NodeId;
use dokuei_keys::signing::{PublicKey, SigningKey};
use dokuei_keys::time::{UnixSeconds, Validity};
use dokuei_protocol::partner::notice::{Notice, Renewal};
use dokuei_protocol::time::Timestamp;

use super::site::{key, signed};
use super::{Site, World};

/// A copy of a data folder.
pub(crate) struct Backup(Vec<Vec<u8>>);

impl Site {
    pub(crate) fn root(&self) -> SigningKey {
        key(self.index, 1)
    }

    pub(crate) fn site_key(&self) -> PublicKey {
        self.key.public()
    }

    /// A revocation of a key of this site, signed by its root.
    pub(crate) fn revocation(&self, revoked: PublicKey, since: Timestamp) -> Vec<u8> {
        let revocation = Revocation {
            site: self.id,
            revoked,
            since: since.seconds(),
        };
        signed(revocation, &self.root())
    }

    /// What this site says of its keys, as people carry it: the certificate, and what the root has revoked.
    pub(crate) fn notice(&self, revocations: &[Vec<u8>]) -> Notice {
        Notice {
            site: self.id,
            renewal: Some(Renewal {
                certificate: self.certificate.clone().into(),
                node: self.delegation.clone().into(),
            }),
            revocations: revocations
                .iter()
                .map(|bytes| bytes.clone().into())
                .collect(),
        }
    }

    /// A renewal in which this site claims a node that is another's.
    pub(crate) fn claiming(&self, node: NodeId, now: Timestamp) -> Notice {
        let mut notice = self.notice(&[]);
        let validity = Validity::starting(UnixSeconds(now.seconds().0 - 3600), 300 * 86_400);
        let root = self.root();
        let certificate = SiteCertificate {
            site: self.id,
            root: root.public(),
            name: self.name.to_owned(),
            key: self.key.public(),
            validity,
            serial: self.serial + 1,
        };
        let delegation = Delegation {
            site: self.id,
            subject: Subject::Node(node),
            validity,
            serial: self.serial + 1,
        };
        notice.renewal = Some(Renewal {
            certificate: signed(certificate, &root).into(),
            node: signed(delegation, &self.key).into(),
        });
        notice
    }

    /// The next certificate has the next number.
    pub(crate) fn count_on(&mut self) {
        self.serial += 1;
    }

    /// A certificate for another year, with the keys there are or with new ones.
    fn renew(&mut self, now: Timestamp, new_keys: bool) {
        self.serial += 1;
        let mut node_key = self.node.key().unwrap();
        if new_keys {
            let which = 3 + 2 * self.serial as u8;
            self.key = key(self.index, which);
            node_key = key(self.index, which + 1).public();
            self.node = NodeId::from(node_key);
        }
        let from = UnixSeconds(now.seconds().0 - 3600);
        let validity = Validity::starting(from, 366 * 86_400);
        let root = self.root();
        let certificate = SiteCertificate {
            site: self.id,
            root: root.public(),
            name: self.name.to_owned(),
            key: self.key.public(),
            validity,
            serial: self.serial,
        };
        let delegation = Delegation {
            site: self.id,
            subject: Subject::Node(NodeId::from(node_key)),
            validity,
            serial: self.serial,
        };
        self.certificate = signed(certificate, &root);
        self.delegation = signed(delegation, &self.key);
    }
}

impl World {
    /// The node is stopped, its certificate renewed with the recovery sheet, and started again.
    pub(crate) fn renew(&mut self, site: usize, new_keys: bool) {
        self.stop(site);
        let now = self.clock(site);
        self.sites[site].renew(now, new_keys);
        let step = self.sites[site].restart(now);
        self.began(site, step);
        self.drive();
    }

    /// Copies a site's data folder, its prekeys left out.
    pub(crate) fn back_up(&self, site: usize) -> Backup {
        Backup(self.sites[site].entries.clone())
    }

    /// Puts a copy in place of a site's data folder and starts the node on it.
    pub(crate) fn restore(&mut self, site: usize, backup: Backup) {
        self.stop(site);
        let now = self.clock(site);
        self.sites[site].entries = backup.0;
        self.sites[site].prekeys.clear();
        let step = self.sites[site].start(now);
        self.began(site, step);
        self.drive();
    }
}
