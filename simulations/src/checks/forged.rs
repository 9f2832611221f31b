//! Facts that nobody lived through, to show that the rules notice them.

use dokuei_keys::envelope::{ENC, Suite, WRAPPED, WrappedKey};
use dokuei_keys::id::{Digest, DocumentId, ObjectDigest, ParcelId, PersonId, PrekeyId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{
    CaseOffer, CustodyReceipt, Grant, Link, Proposal, Quote, ReaderEvent, RequesterEvent,
};
use dokuei_protocol::case::report::{ReportIssued, ReportStatus};
use dokuei_protocol::case::terms::{CaseTerms, Modality, Priority, Specialty};
use dokuei_protocol::study::manifest::ManifestReference;
use dokuei_protocol::time::Timestamp;

use crate::chronicle::Fact;

pub(crate) const CLINIC: SiteId = SiteId::from_bytes([1; 32]);
pub(crate) const READER: SiteId = SiteId::from_bytes([2; 32]);
pub(crate) const OTHER: SiteId = SiteId::from_bytes([3; 32]);

pub(crate) fn document(number: u8) -> DocumentId {
    DocumentId::from_bytes([number; 32])
}

pub(crate) fn case() -> CaseId {
    CaseId::from_bytes([9; 32])
}

pub(crate) fn manifest() -> ManifestReference {
    ManifestReference {
        parcel: ParcelId::from_bytes([5; 32]),
        commitment: Digest::from_bytes([5; 32]),
        digest: ObjectDigest::from_bytes([5; 32]),
        length: 10,
        objects: 1,
        bytes: 10,
    }
}

pub(crate) fn granted() -> RequesterEvent {
    RequesterEvent::Granted(Box::new(grant()))
}

fn grant() -> Grant {
    Grant {
        manifest: manifest(),
        key: WrappedKey {
            suite: Suite::XWingHkdfSha256ChaCha20Poly1305,
            prekey: PrekeyId::from_bytes([6; 32]),
            enc: [0; ENC],
            ciphertext: [0; WRAPPED],
        },
    }
}

pub(crate) fn offered() -> RequesterEvent {
    RequesterEvent::Offered(CaseOffer {
        terms: CaseTerms {
            modality: Modality::Ct,
            specialty: Specialty::Chest,
            priority: Priority::Routine,
            objects: 1,
            bytes: 10,
            due: Timestamp(0),
            addition_to: None,
        },
        agreement: document(200),
        until: Timestamp(0),
    })
}

pub(crate) fn quote() -> ReaderEvent {
    ReaderEvent::Quoted(Quote {
        due: Timestamp(0),
        until: Timestamp(0),
    })
}

pub(crate) fn receipt() -> ReaderEvent {
    ReaderEvent::Received(CustodyReceipt::of(&manifest()))
}

pub(crate) fn issued(version: u32, status: ReportStatus) -> ReaderEvent {
    ReaderEvent::Reported(Box::new(ReportIssued {
        version,
        status,
        predecessor: None,
        report: document(100 + version as u8),
        author: PersonId::from_bytes([7; 32]),
        grant: grant(),
    }))
}

/// A link of the clinic to a reader; what its place in the chain is does not matter here.
pub(crate) fn link(reader: SiteId, event: RequesterEvent) -> Fact {
    placed(0, 0, None, reader, event)
}

/// A link with its number, place and predecessor.
pub(crate) fn placed(
    number: u8,
    sequence: u32,
    previous: Option<u8>,
    reader: SiteId,
    event: RequesterEvent,
) -> Fact {
    let link = Link {
        case: case(),
        requester: CLINIC,
        reader,
        sequence,
        previous: previous.map(document),
        at: Timestamp(0),
        event,
    };
    Fact::LinkMade(document(number), Box::new(link))
}

/// A proposal that reached the clinic.
pub(crate) fn proposal(number: u8, reader: SiteId, event: ReaderEvent) -> Fact {
    Fact::ProposalReceived(document(number), Box::new(proposed(reader, event)))
}

/// A proposal as its reader made it.
pub(crate) fn made(number: u8, reader: SiteId, event: ReaderEvent) -> Fact {
    Fact::ProposalMade(document(number), Box::new(proposed(reader, event)))
}

fn proposed(reader: SiteId, event: ReaderEvent) -> Proposal {
    Proposal {
        case: case(),
        requester: CLINIC,
        reader,
        follows: document(1),
        at: Timestamp(0),
        event,
    }
}

/// A link of one of several cases, as it reached its reader.
pub(crate) fn link_of(case: u8, sequence: u32, event: RequesterEvent) -> Fact {
    let Fact::LinkMade(id, mut link) = placed(0, sequence, None, READER, event) else {
        unreachable!("a link was placed");
    };
    link.case = CaseId::from_bytes([case; 32]);
    Fact::LinkReceived(id, link)
}

/// A proposal in one of several cases, as its reader made it.
pub(crate) fn made_of(case: u8, number: u8, event: ReaderEvent) -> Fact {
    let mut proposal = proposed(READER, event);
    proposal.case = CaseId::from_bytes([case; 32]);
    Fact::ProposalMade(document(number), Box::new(proposal))
}
