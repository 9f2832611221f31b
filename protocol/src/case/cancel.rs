//! A requester's wish that a reader stop. Once somebody reads a case the requester cannot take it back: it asks, and the
//! reader gives the case back or goes on. The wish stands beside the chain and orders nothing; what comes of it is a
//! proposal of the reader's like any other.

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_keys::labels::Label;
use dokuei_keys::signed::Document;
use minicbor::{Decode, Encode};

use crate::case::CaseId;
use crate::case::event::WithdrawalReason;
use crate::limits;
use crate::time::Timestamp;

/// The request to stop reading, signed by the requester's site key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CancelRequest {
    /// The case.
    #[n(0)]
    pub case: CaseId,
    /// The site that asked for the reading; the signer.
    #[n(1)]
    pub requester: SiteId,
    /// The site that reads.
    #[n(2)]
    pub reader: SiteId,
    /// The newest link of the chain between the two: which booking is meant.
    #[n(3)]
    pub follows: DocumentId,
    /// When, by the requester's clock.
    #[n(4)]
    pub at: Timestamp,
    /// Why.
    #[n(5)]
    pub reason: WithdrawalReason,
}

impl Document for CancelRequest {
    const KIND: &'static str = "cancel-request";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::CancelRequest;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

/// How far a request to stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// The reader's node has not confirmed it.
    OnItsWay,
    /// The reader's node has it.
    Told,
    /// The reader's node does not take it: it is of an earlier version, or the case has moved on there.
    Refused,
}

impl Told {
    /// The word for it, as programs read it.
    pub fn code(self) -> &'static str {
        match self {
            Told::OnItsWay => "on-its-way",
            Told::Told => "told",
            Told::Refused => "refused",
        }
    }
}

/// A request to stop, as a site knows it: one for each booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// The document.
    pub document: DocumentId,
    /// When, by the requester's clock.
    pub at: Timestamp,
    /// Why.
    pub reason: WithdrawalReason,
    /// How far it has come.
    pub told: Told,
}

impl Cancel {
    /// What is known of a request when it is written down.
    pub(crate) fn new(document: DocumentId, request: &CancelRequest, told: Told) -> Cancel {
        Cancel {
            document,
            at: request.at,
            reason: request.reason,
            told,
        }
    }
}
