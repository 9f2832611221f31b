//! What two sites agree on, signed by both: without one in force nothing is offered, granted or read.

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_keys::labels::Label;
use dokuei_keys::signed::Document;
use minicbor::{Decode, Encode};

use crate::limits;
use crate::time::Timestamp;

/// An agreement as one site proposes it. Either party may ask the other to read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Agreement {
    /// The site that proposes; the signer.
    #[n(0)]
    pub proposer: SiteId,
    /// The site that is to accept.
    #[n(1)]
    pub accepter: SiteId,
    /// From when.
    #[n(2)]
    pub from: Timestamp,
    /// Until when, exclusive.
    #[n(3)]
    pub until: Timestamp,
    /// Days for which the reading side may keep a study after its case is closed.
    #[n(4)]
    pub retention_days: u16,
    /// Distinguishes two agreements of one pair that say the same.
    #[n(5)]
    pub sequence: u64,
}

impl Document for Agreement {
    const KIND: &'static str = "agreement";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Agreement;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

impl Agreement {
    /// Whether the moment lies in its term.
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// The other party's signature under an agreement.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AgreementAccepted {
    /// The agreement.
    #[n(0)]
    pub agreement: DocumentId,
    /// The site that proposed it.
    #[n(1)]
    pub proposer: SiteId,
    /// The site that accepts; the signer.
    #[n(2)]
    pub accepter: SiteId,
    /// When.
    #[n(3)]
    pub at: Timestamp,
}

impl Document for AgreementAccepted {
    const KIND: &'static str = "agreement-accepted";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::AgreementAccepted;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}
