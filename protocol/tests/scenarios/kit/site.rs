//! One site with its service and what it has committed.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::delegation::{Delegation, PersonRole, SiteCertificate, Subject};
use dokuei_keys::id::{NodeId, ParcelId, PersonId, PrekeyId, SiteId};
use dokuei_keys::secret::{ContentKey, Secret32};
use dokuei_keys::signed::{Document, Signed};
use dokuei_keys::signing::SigningKey;
use dokuei_keys::time::{UnixSeconds, Validity};
use dokuei_protocol::effect::{Answer, CannotDo, Effect, KeptPrekey, Permit, SecretChange, Step};
use dokuei_protocol::input::{Input, Ticket};
use dokuei_protocol::service::{Identity, Quoting, Service};
use dokuei_protocol::time::{Span, Timestamp};

use super::START;

/// A site, its node, and the node's disk.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) id: SiteId,
    pub(crate) node: NodeId,
    pub(crate) service: Service,
    pub(crate) quoting: Quoting,
    pub(super) key: SigningKey,
    validity: Validity,
    pub(super) certificate: Vec<u8>,
    pub(super) delegation: Vec<u8>,
    pub(super) serial: u64,
    starts: u8,
    pub(super) index: u8,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) prekeys: BTreeMap<PrekeyId, (Timestamp, Secret32)>,
    pub(crate) content: BTreeMap<ParcelId, ContentKey>,
    /// Parcels whose files were removed.
    pub(crate) removed: Vec<ParcelId>,
    pub(crate) admitted: BTreeSet<NodeId>,
    pub(crate) barred: Vec<NodeId>,
    pub(crate) permitted: Vec<Permit>,
    pub(crate) pairing_open: bool,
    pub(crate) answers: BTreeMap<Ticket, Result<Answer, CannotDo>>,
    pub(crate) wake: Option<Timestamp>,
    /// Milliseconds that this site's clock is ahead of the right time.
    pub(crate) ahead: i64,
}

pub(super) fn key(index: u8, which: u8) -> SigningKey {
    SigningKey::from_seed(Secret32::from_bytes([index * 16 + which; 32]))
}

pub(super) fn signed<T: Document>(content: T, key: &SigningKey) -> Vec<u8> {
    Signed::sign(content, key).unwrap().bytes().to_vec()
}

impl Site {
    /// A site whose certificates are valid from `before` the start, for a year and a day.
    pub(crate) fn new(index: usize, name: &'static str, before: Span) -> Site {
        let quoting = Quoting::Automatic;
        let index = u8::try_from(index).unwrap();
        let (root, site_key, node_key) = (key(index, 1), key(index, 2), key(index, 3));
        let id = SiteId::of(&root.public());
        let node = NodeId::from(node_key.public());
        let validity = Validity::starting(UnixSeconds((START.0 - before.0) / 1000), 366 * 86_400);
        let certificate = SiteCertificate {
            site: id,
            root: root.public(),
            name: name.to_owned(),
            key: site_key.public(),
            validity,
            serial: 1,
        };
        let delegation = Delegation {
            site: id,
            subject: Subject::Node(node),
            validity,
            serial: 1,
        };
        let (certificate, delegation) = (signed(certificate, &root), signed(delegation, &site_key));
        let service = Service::new(
            identity(id, node, &site_key, &certificate, &delegation),
            quoting,
            &Secret32::from_bytes([index; 32]),
        );
        Site {
            name,
            id,
            node,
            service,
            quoting,
            key: site_key,
            validity,
            certificate,
            delegation,
            serial: 1,
            starts: 0,
            index,
            entries: Vec::new(),
            prekeys: BTreeMap::new(),
            content: BTreeMap::new(),
            removed: Vec::new(),
            admitted: BTreeSet::new(),
            barred: Vec::new(),
            permitted: Vec::new(),
            pairing_open: false,
            answers: BTreeMap::new(),
            wake: None,
            ahead: 0,
        }
    }

    /// Decides, commits, and gives what is to be done.
    pub(crate) fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        self.wake = None;
        let step = self.service.handle(input, now);
        self.commit(step)
    }

    fn commit(&mut self, step: Step) -> Vec<Effect> {
        self.entries.extend(step.records);
        for change in step.secrets {
            match change {
                SecretChange::KeepPrekey(kept) => {
                    self.prekeys.insert(kept.id, (kept.published, kept.secret));
                }
                SecretChange::DestroyPrekey(id) => drop(self.prekeys.remove(&id)),
                SecretChange::KeepContentKey(parcel, key) => {
                    self.content.insert(parcel, key);
                }
                SecretChange::DestroyContentKey(parcel) => drop(self.content.remove(&parcel)),
            }
        }
        step.effects
    }

    /// A service that has replayed the committed log and got its secrets back.
    pub(crate) fn replayed(&self, seed: u8) -> Service {
        let mut service = Service::new(
            identity(
                self.id,
                self.node,
                &self.key,
                &self.certificate,
                &self.delegation,
            ),
            self.quoting,
            &Secret32::from_bytes([seed; 32]),
        );
        for entry in &self.entries {
            service.replay(entry).expect("the log holds together");
        }
        for (id, (published, secret)) in &self.prekeys {
            service.restore_prekey(KeptPrekey {
                id: *id,
                published: *published,
                secret: secret.duplicate(),
            });
        }
        for (parcel, key) in &self.content {
            service.restore_content_key(*parcel, key.duplicate());
        }
        service
    }

    /// Stops and starts the node; the state must come back as it was.
    pub(crate) fn restart(&mut self, now: Timestamp) -> Vec<Effect> {
        assert!(
            self.replayed(0).state() == self.service.state(),
            "{} comes back as it was",
            self.name
        );
        self.start(now)
    }

    /// Starts the node on whatever its disk holds.
    pub(crate) fn start(&mut self, now: Timestamp) -> Vec<Effect> {
        self.starts += 1;
        let seed = 100 + self.starts.wrapping_mul(7).wrapping_add(self.index);
        self.service = self.replayed(seed);
        self.admitted.clear();
        self.barred.clear();
        self.permitted.clear();
        self.pairing_open = false;
        self.wake = None;
        let step = self.service.resume(now);
        self.commit(step)
    }

    /// The key of somebody at the site with this index.
    pub(crate) fn person_key(index: usize, role: PersonRole) -> SigningKey {
        key(u8::try_from(index).unwrap(), 8 + role as u8)
    }

    /// This site's delegation to that person: as long as its own certificate.
    pub(crate) fn delegate(&self, index: usize, role: PersonRole) -> Vec<u8> {
        let id = PersonId::from(Site::person_key(index, role).public());
        let subject = Subject::Person {
            id,
            name: "架空 花子".to_owned(),
            role,
            licence: "123456".to_owned(),
            licence_until: None,
        };
        self.sign(Delegation {
            site: self.id,
            subject,
            validity: self.validity,
            serial: 1,
        })
    }

    /// Signs a document as this site, for what the service itself would not say.
    pub(crate) fn sign<T: Document>(&self, content: T) -> Vec<u8> {
        signed(content, &self.key)
    }
}

fn identity(
    site: SiteId,
    node_id: NodeId,
    key: &SigningKey,
    certificate: &[u8],
    node: &[u8],
) -> Identity {
    Identity {
        site,
        certificate: certificate.to_vec(),
        node: node.to_vec(),
        node_id,
        key: SigningKey::from_seed(key.seed()),
    }
}
