//! Partners: who they are, what was agreed with them, what they say of themselves.

pub mod agreement;
pub mod announcement;
pub mod introduction;
pub mod notice;
pub mod pairing;

use std::collections::BTreeMap;

use dokuei_keys::id::{DocumentId, NodeId, SiteId};
use dokuei_keys::prekey::Prekey;
use dokuei_keys::signing::PublicKey;
use dokuei_keys::time::UnixSeconds;

use crate::limits;
use crate::partner::agreement::Agreement;
use crate::partner::announcement::{AddressRecord, Announcement, CapacityOffer};
use crate::partner::introduction::Acquaintance;
use crate::partner::notice::{Barred, Revocations};
use crate::time::Timestamp;

/// A site that this site has paired with.
#[derive(Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its name for itself, as certified by its root.
    pub name: String,
    /// Its root, which vouches for all the rest.
    pub root: PublicKey,
    /// Its site key.
    pub key: PublicKey,
    /// Site keys that it had before, newest first: what they signed may still be on its way.
    pub earlier: Vec<PublicKey>,
    /// The number of its certificate; a lower one does not come back.
    pub serial: u64,
    /// Its node.
    pub node: NodeId,
    /// Until when certificate and delegation hold.
    pub valid_until: UnixSeconds,
    /// Which of the keys it lives by is revoked.
    pub barred: Option<Barred>,
    /// Agreements by the id of their proposal.
    pub agreements: BTreeMap<DocumentId, AgreementState>,
    /// Its newest address record.
    pub address: Option<AddressRecord>,
    /// Its newest capacity offer.
    pub capacity: Option<CapacityOffer>,
    /// Its newest prekey.
    pub prekey: Option<Prekey>,
}

/// What stays known of a site when it is no partner any more.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The highest number of a certificate of it.
    pub serial: u64,
    /// Its nodes as far as it was known by them, newest first.
    pub nodes: Vec<NodeId>,
    /// What it has revoked. There is no way back, pairing again included.
    pub revocations: Revocations,
    /// The newest document of a case that was taken from it, as it was signed.
    pub taken: Option<Vec<u8>>,
}

impl Known {
    /// Remembers what a partner lives by.
    pub fn meet(&mut self, partner: &Partner) {
        self.serial = self.serial.max(partner.serial);
        self.nodes.retain(|node| *node != partner.node);
        self.nodes.insert(0, partner.node);
        self.nodes.truncate(limits::EARLIER_KEYS);
    }
}

/// An agreement and who has signed it.
#[derive(Clone, PartialEq, Eq)]
pub struct AgreementState {
    /// The terms.
    pub agreement: Agreement,
    /// Whether the other party has accepted.
    pub accepted: bool,
    /// Where this site's log says so of it last: the position of its proposal, then of its acceptance.
    pub noted: u64,
}

impl Partner {
    /// A partner as pairing made it known.
    pub fn new(acquaintance: &Acquaintance) -> Partner {
        Partner {
            name: acquaintance.name.clone(),
            root: acquaintance.root,
            key: acquaintance.key,
            earlier: Vec::new(),
            serial: acquaintance.serial,
            node: acquaintance.node,
            valid_until: acquaintance.valid_until,
            barred: None,
            agreements: BTreeMap::new(),
            address: None,
            capacity: None,
            prekey: None,
        }
    }

    /// Whether it is heard: its certificates hold and no key it lives by is revoked.
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.barred.is_none() && now.seconds() < self.valid_until
    }

    /// Whether its node may connect: also for a while after its certificate has ended, to bring the
    /// new one and nothing else.
    pub fn may_connect(&self, now: Timestamp) -> bool {
        let late = self
            .valid_until
            .0
            .saturating_add(limits::RENEWAL_LATE.0 / 1000);
        self.barred.is_none() && now.seconds() < UnixSeconds(late)
    }

    /// Its present site key, and those before.
    pub fn site_keys(&self) -> Vec<PublicKey> {
        [self.key].iter().chain(&self.earlier).copied().collect()
    }

    /// Takes what a renewed certificate says.
    pub fn renew(&mut self, acquaintance: &Acquaintance) {
        if acquaintance.key != self.key {
            self.succeed(self.key, self.earlier.clone());
            // A key that was given up, perhaps because it was stolen, speaks for nothing any more.
            (self.capacity, self.prekey) = (None, None);
            // Where it was reached is still the best guess: without it, a site that only calls out
            // would never hear of another. Whatever it says next replaces it.
            if let Some(address) = &mut self.address {
                (address.node, address.sequence) = (acquaintance.node, 0);
            }
        }
        self.name.clone_from(&acquaintance.name);
        self.key = acquaintance.key;
        self.serial = acquaintance.serial;
        self.node = acquaintance.node;
        self.valid_until = acquaintance.valid_until;
    }

    /// Remembers the site keys before the present one.
    pub fn succeed(&mut self, before: PublicKey, earlier: Vec<PublicKey>) {
        self.earlier = [before].into_iter().chain(earlier).collect();
        self.earlier.dedup();
        self.earlier.truncate(limits::EARLIER_KEYS);
    }

    /// The agreement in force at this moment, if there is one; none with a site whose key is
    /// revoked. Of several, the one accepted last by this site's own log: after pairing again the
    /// partner may know of no other.
    pub fn agreement(&self, now: Timestamp) -> Option<(DocumentId, &Agreement)> {
        if self.barred.is_some() {
            return None;
        }
        self.newest(|state| state.accepted && state.agreement.in_force(now))
    }

    /// The newest agreement that this site was proposed and has not answered, unless both have signed another since.
    pub fn proposed_to(&self, site: SiteId) -> Option<(DocumentId, &Agreement)> {
        let signed = self.agreements.values().filter(|state| state.accepted);
        let last = signed.map(|state| state.noted).max();
        self.newest(|state| {
            !state.accepted && state.agreement.accepter == site && Some(state.noted) > last
        })
    }

    fn newest(&self, which: impl Fn(&AgreementState) -> bool) -> Option<(DocumentId, &Agreement)> {
        self.agreements
            .iter()
            .filter(|(_, state)| which(state))
            .max_by_key(|(_, state)| state.noted)
            .map(|(id, state)| (*id, &state.agreement))
    }

    /// Whether an announcement is newer than what is known.
    pub fn is_news(&self, announcement: &Announcement) -> bool {
        match announcement {
            Announcement::Address(record) => self
                .address
                .as_ref()
                .is_none_or(|known| known.sequence < record.sequence),
            Announcement::Capacity(offer) => self
                .capacity
                .as_ref()
                .is_none_or(|known| known.sequence < offer.sequence),
            Announcement::Prekey(prekey) => self
                .prekey
                .as_ref()
                .is_none_or(|known| known.validity.from < prekey.validity.from),
        }
    }

    /// Takes what the partner says of itself, if it is newer than what is known.
    pub fn hear(&mut self, announcement: Announcement) {
        if !self.is_news(&announcement) {
            return;
        }
        match announcement {
            Announcement::Address(record) => self.address = Some(record),
            Announcement::Capacity(offer) => self.capacity = Some(offer),
            Announcement::Prekey(prekey) => self.prekey = Some(*prekey),
        }
    }
}
