//! What two sites agree on, signed by both: without one in force nothing is offered, granted or read.
//!
//! Version 1 says nothing of pseudonyms, version 2 does. What needs no pseudonyms is still written in version 1, so that
//! partners with an earlier program go on reading it.

use dokuei_keys::error::Refused;
use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_keys::labels::Label;
use dokuei_keys::signed::{self, Document, Signed};
use dokuei_keys::signing::PublicKey;
use minicbor::{Decode, Encode};

use crate::limits;
use crate::time::Timestamp;

/// Under which name studies travel between two sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Naming {
    /// As they are.
    #[default]
    #[n(0)]
    Identified,
    /// Under a pseudonym; the way back stays with the site that asks.
    #[n(1)]
    Pseudonymous,
}

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
    /// Under which name studies travel.
    #[n(6)]
    pub naming: Naming,
}

impl Document for Agreement {
    const KIND: &'static str = "agreement";
    const VERSION: u16 = 2;
    const LABEL: Label = Label::Agreement;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

/// An agreement of version 1: studies travel as they are.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct IdentifiedAgreement {
    #[n(0)]
    proposer: SiteId,
    #[n(1)]
    accepter: SiteId,
    #[n(2)]
    from: Timestamp,
    #[n(3)]
    until: Timestamp,
    #[n(4)]
    retention_days: u16,
    #[n(5)]
    sequence: u64,
}

impl Document for IdentifiedAgreement {
    const KIND: &'static str = "agreement";
    const VERSION: u16 = 1;
    const LABEL: Label = Agreement::LABEL;
    const MAX_BYTES: usize = Agreement::MAX_BYTES;
}

impl From<Agreement> for IdentifiedAgreement {
    fn from(agreement: Agreement) -> IdentifiedAgreement {
        IdentifiedAgreement {
            proposer: agreement.proposer,
            accepter: agreement.accepter,
            from: agreement.from,
            until: agreement.until,
            retention_days: agreement.retention_days,
            sequence: agreement.sequence,
        }
    }
}

impl From<IdentifiedAgreement> for Agreement {
    fn from(first: IdentifiedAgreement) -> Agreement {
        Agreement {
            proposer: first.proposer,
            accepter: first.accepter,
            from: first.from,
            until: first.until,
            retention_days: first.retention_days,
            sequence: first.sequence,
            naming: Naming::Identified,
        }
    }
}

impl Agreement {
    /// Verifies an agreement of either version that `key` signed.
    ///
    /// # Errors
    /// As [`Signed::verify`].
    pub fn verify(bytes: &[u8], key: &PublicKey) -> Result<Agreement, Refused> {
        match signed::peek(bytes)?.version {
            IdentifiedAgreement::VERSION => {
                let first = Signed::<IdentifiedAgreement>::verify(bytes, key)?;
                Ok(first.into_content().into())
            }
            _ => Ok(Signed::<Agreement>::verify(bytes, key)?.into_content()),
        }
    }

    /// An agreement of either version from this site's own records.
    ///
    /// # Errors
    /// As [`signed::recorded`].
    pub fn recorded(bytes: &[u8]) -> Result<Agreement, Refused> {
        match signed::peek(bytes)?.version {
            IdentifiedAgreement::VERSION => {
                Ok(signed::recorded::<IdentifiedAgreement>(bytes)?.into())
            }
            _ => signed::recorded(bytes),
        }
    }

    /// Whether a study that is sealed under this name may travel.
    pub fn allows(&self, naming: Naming) -> bool {
        self.naming <= naming
    }

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
