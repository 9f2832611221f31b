//! Partners: who they are, what was agreed with them, what they say of themselves.

pub mod agreement;
pub mod announcement;
pub mod introduction;
pub mod pairing;

use std::collections::BTreeMap;

use dokuei_keys::id::{DocumentId, NodeId, SiteId};
use dokuei_keys::prekey::Prekey;
use dokuei_keys::signing::PublicKey;

use crate::partner::agreement::Agreement;
use crate::partner::announcement::{AddressRecord, Announcement, CapacityOffer};
use crate::partner::introduction::Acquaintance;
use crate::time::Timestamp;

/// A site that this site has paired with.
#[derive(Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its name for itself, as certified by its root.
    pub name: String,
    /// Its site key.
    pub key: PublicKey,
    /// Its node.
    pub node: NodeId,
    /// Until when certificate and delegation hold.
    pub valid_until: dokuei_keys::time::UnixSeconds,
    /// Agreements by the id of their proposal.
    pub agreements: BTreeMap<DocumentId, AgreementState>,
    /// Its newest address record.
    pub address: Option<AddressRecord>,
    /// Its newest capacity offer.
    pub capacity: Option<CapacityOffer>,
    /// Its newest prekey.
    pub prekey: Option<Prekey>,
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
            key: acquaintance.key,
            node: acquaintance.node,
            valid_until: acquaintance.valid_until,
            agreements: BTreeMap::new(),
            address: None,
            capacity: None,
            prekey: None,
        }
    }

    /// The agreement in force at this moment, if there is one. Of several, the one accepted last by
    /// this site's own log: after pairing again the partner may know of no other.
    pub fn agreement(&self, now: Timestamp) -> Option<(DocumentId, &Agreement)> {
        self.newest(|state| state.accepted && state.agreement.in_force(now))
    }

    /// The newest agreement that this site was proposed and has not answered.
    pub fn proposed_to(&self, site: SiteId) -> Option<(DocumentId, &Agreement)> {
        self.newest(|state| !state.accepted && state.agreement.accepter == site)
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
