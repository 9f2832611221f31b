//! Every phase of a case, and the state of its workitem: tests.

use dokuei_keys::envelope::{ENC, Suite, WRAPPED, WrappedKey};
use dokuei_keys::id::{Digest, DocumentId, ObjectDigest, ParcelId, PersonId, PrekeyId};
use dokuei_protocol::case::event::{
    CaseOffer, CustodyReceipt, Grant, Quote, ReaderEvent, ReleaseReason, RequesterEvent,
};
use dokuei_protocol::case::phase::{Offered, Phase};
use dokuei_protocol::case::report::{ReportIssued, ReportStatus};
use dokuei_protocol::case::terms::{CaseTerms, Modality, Priority, Specialty};
use dokuei_protocol::study::manifest::ManifestReference;
use dokuei_protocol::time::Timestamp;

use super::state::State;

const QUOTE: DocumentId = DocumentId::from_bytes([7; 32]);

fn grant() -> Grant {
    Grant {
        manifest: ManifestReference {
            parcel: ParcelId::from_bytes([1; 32]),
            commitment: Digest::from_bytes([5; 32]),
            digest: ObjectDigest::from_bytes([6; 32]),
            length: 200,
            objects: 1,
            bytes: 9_000,
        },
        key: WrappedKey {
            suite: Suite::XWingHkdfSha256ChaCha20Poly1305,
            prekey: PrekeyId::from_bytes([1; 32]),
            enc: [0; ENC],
            ciphertext: [0; WRAPPED],
        },
    }
}

fn offered() -> Phase {
    Phase::Offered(Offered {
        offer: CaseOffer {
            terms: CaseTerms {
                modality: Modality::Ct,
                specialty: Specialty::Chest,
                priority: Priority::Routine,
                objects: 1,
                bytes: 9_000,
                due: Timestamp(9),
                addition_to: None,
            },
            agreement: DocumentId::from_bytes([8; 32]),
            until: Timestamp(5),
        },
    })
}

fn proposed(phase: Phase, event: &ReaderEvent) -> Phase {
    phase.after_reader(QUOTE, event).unwrap()
}

fn linked(phase: Phase, event: &RequesterEvent) -> Phase {
    phase.after_requester(event).unwrap()
}

fn issued(version: u32, status: ReportStatus) -> ReaderEvent {
    let id = |version: u32| DocumentId::from_bytes([version as u8; 32]);
    ReaderEvent::Reported(Box::new(ReportIssued {
        version,
        status,
        predecessor: (version > 1).then(|| id(version - 1)),
        report: id(version),
        author: PersonId::from_bytes([3; 32]),
        grant: grant(),
    }))
}

#[test]
fn every_phase_has_its_state() {
    let mut seen = Vec::new();
    let mut note = |phase: &Phase| seen.push((phase.code(), State::of(phase).term()));
    let offered = offered();
    note(&offered);
    let quote = Quote {
        due: Timestamp(8),
        until: Timestamp(4),
    };
    let quoted = proposed(offered, &ReaderEvent::Quoted(quote));
    note(&quoted);
    let booked = linked(quoted, &RequesterEvent::Booked(QUOTE));
    note(&booked);
    let on_its_way = linked(booked, &RequesterEvent::Granted(Box::new(grant())));
    note(&on_its_way);
    let receipt = CustodyReceipt::of(&grant().manifest);
    let received = proposed(on_its_way, &ReaderEvent::Received(receipt));
    note(&received);
    let claimed = proposed(
        received,
        &ReaderEvent::Claimed(PersonId::from_bytes([3; 32])),
    );
    note(&claimed);
    note(&proposed(
        claimed.clone(),
        &ReaderEvent::Released(ReleaseReason::ShiftEnded),
    ));
    let preliminary = proposed(claimed, &issued(1, ReportStatus::Preliminary));
    note(&preliminary);
    let signed = proposed(preliminary, &issued(2, ReportStatus::Final));
    note(&signed);
    let rejected = linked(signed.clone(), &RequesterEvent::ReportRejected(2));
    note(&rejected);
    let delivered = linked(signed, &RequesterEvent::Delivered(2));
    note(&delivered);
    let acknowledged = linked(delivered, &RequesterEvent::Acknowledged(2));
    note(&acknowledged);
    let closed = linked(acknowledged, &RequesterEvent::Closed);
    note(&closed);
    let wanted = [
        ("offered", "SCHEDULED"),
        ("quoted", "SCHEDULED"),
        ("booked", "SCHEDULED"),
        ("handing-over", "SCHEDULED"),
        ("received", "SCHEDULED"),
        ("claimed", "IN PROGRESS"),
        ("released", "CANCELED"),
        ("preliminary", "IN PROGRESS"),
        ("final", "COMPLETED"),
        // The report did not verify, and the preliminary is the newest that stands. The step was completed.
        ("preliminary", "COMPLETED"),
        ("delivered", "COMPLETED"),
        ("acknowledged", "COMPLETED"),
        ("closed", "COMPLETED"),
    ];
    assert_eq!(seen, wanted);
    // A version after the end is a workitem of its own, and leaves this one as it is.
    let added = proposed(closed, &issued(3, ReportStatus::Addendum));
    assert_eq!(State::of(&added), State::Completed);
}
