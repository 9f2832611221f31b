//! Every phase against every event: what is not in these tables cannot happen.

use dokuei_keys::envelope::{ENC, Suite, WRAPPED, WrappedKey};
use dokuei_keys::id::{Digest, DocumentId, PersonId, PrekeyId};
use dokuei_protocol::case::event::{
    CaseOffer, CustodyReceipt, DeclineReason, Grant, Quote, ReaderEvent, ReleaseReason,
    RequesterEvent, WithdrawalReason,
};
use dokuei_protocol::case::phase::{Ending, Offered, OutOfPlace, Phase};
use dokuei_protocol::case::report::{ReportIssued, ReportStatus};
use dokuei_protocol::case::terms::{CaseTerms, Modality, Priority, Specialty};
use dokuei_protocol::time::Timestamp;

use crate::kit::{parcel, report_id};

const QUOTE: DocumentId = DocumentId::from_bytes([7; 32]);
const OTHER: DocumentId = DocumentId::from_bytes([8; 32]);

fn offer() -> CaseOffer {
    CaseOffer {
        terms: CaseTerms {
            modality: Modality::Ct,
            specialty: Specialty::Chest,
            priority: Priority::Routine,
            objects: 3,
            bytes: 1_000_000,
            due: Timestamp(9),
            addition_to: None,
        },
        agreement: OTHER,
        until: Timestamp(5),
    }
}

fn grant() -> Grant {
    Grant {
        manifest: parcel(1).0,
        key: WrappedKey {
            suite: Suite::XWingHkdfSha256ChaCha20Poly1305,
            prekey: PrekeyId::from_bytes([1; 32]),
            enc: [0; ENC],
            ciphertext: [0; WRAPPED],
        },
    }
}

fn receipt() -> CustodyReceipt {
    let manifest = grant().manifest;
    CustodyReceipt {
        manifest: Digest::of(&dokuei_keys::cbor::encode(&manifest)),
        objects: manifest.objects,
        bytes: manifest.bytes,
    }
}

fn issued(version: u32, status: ReportStatus) -> ReaderEvent {
    ReaderEvent::Reported(Box::new(ReportIssued {
        version,
        status,
        predecessor: (version > 1).then(|| report_id(version - 1)),
        report: report_id(version),
        author: PersonId::from_bytes([3; 32]),
        grant: grant(),
    }))
}

fn requester_events() -> Vec<(&'static str, RequesterEvent)> {
    vec![
        ("offer", RequesterEvent::Offered(offer())),
        ("book", RequesterEvent::Booked(QUOTE)),
        ("book-other", RequesterEvent::Booked(OTHER)),
        ("grant", RequesterEvent::Granted(Box::new(grant()))),
        ("deliver-1", RequesterEvent::Delivered(1)),
        ("deliver-9", RequesterEvent::Delivered(9)),
        ("acknowledge-1", RequesterEvent::Acknowledged(1)),
        ("reject-1", RequesterEvent::ReportRejected(1)),
        ("close", RequesterEvent::Closed),
        (
            "withdraw",
            RequesterEvent::Withdrawn(WithdrawalReason::NotNeeded),
        ),
        ("expire", RequesterEvent::Expired),
        ("not-choose", RequesterEvent::NotChosen),
        ("admit", RequesterEvent::Admitted(QUOTE)),
        ("not-admit", RequesterEvent::NotAdmitted(QUOTE)),
    ]
}

fn reader_events() -> Vec<(&'static str, ReaderEvent)> {
    let quote = Quote {
        due: Timestamp(8),
        until: Timestamp(4),
    };
    let wrong = CustodyReceipt {
        objects: 2,
        ..receipt()
    };
    vec![
        ("quote", ReaderEvent::Quoted(quote)),
        ("decline", ReaderEvent::Declined(DeclineReason::Full)),
        ("receive", ReaderEvent::Received(receipt())),
        ("receive-less", ReaderEvent::Received(wrong)),
        ("claim", ReaderEvent::Claimed(PersonId::from_bytes([3; 32]))),
        ("release", ReaderEvent::Released(ReleaseReason::ShiftEnded)),
        ("preliminary-1", issued(1, ReportStatus::Preliminary)),
        ("final-1", issued(1, ReportStatus::Final)),
        ("final-2", issued(2, ReportStatus::Final)),
        ("addendum-2", issued(2, ReportStatus::Addendum)),
        ("addendum-3", issued(3, ReportStatus::Addendum)),
        ("preliminary-2", issued(2, ReportStatus::Preliminary)),
    ]
}

/// The phase after some steps from the offer, each named as in the tables.
fn after(steps: &[&str]) -> Phase {
    let first = Phase::Offered(Offered { offer: offer() });
    steps.iter().fold(first, |phase, step| {
        let mine = reader_events().into_iter().find(|(name, _)| name == step);
        let next = match mine {
            Some((_, event)) => phase.after_reader(QUOTE, &event),
            None => {
                let events = requester_events();
                let (_, event) = events.iter().find(|(name, _)| name == step).unwrap();
                phase.after_requester(event)
            }
        };
        next.unwrap_or_else(|OutOfPlace| panic!("{step} is possible"))
    })
}

fn phases() -> Vec<(&'static str, Phase)> {
    let way: [&str; 9] = [
        "quote",
        "book",
        "grant",
        "receive",
        "claim",
        "final-1",
        "deliver-1",
        "acknowledge-1",
        "close",
    ];
    let at = |steps: usize| after(&way[..steps]);
    let preliminary = after(&[
        "quote",
        "book",
        "grant",
        "receive",
        "claim",
        "preliminary-1",
    ]);
    let rejected = after(&[
        "quote", "book", "grant", "receive", "claim", "final-1", "reject-1",
    ]);
    vec![
        ("offered", at(0)),
        ("quoted", at(1)),
        ("booked", at(2)),
        ("handing-over", at(3)),
        ("received", at(4)),
        ("claimed", at(5)),
        ("final", at(6)),
        ("delivered", at(7)),
        ("acknowledged", at(8)),
        ("closed", at(9)),
        ("preliminary", preliminary),
        ("report-rejected", rejected),
        ("declined", after(&["decline"])),
        ("withdrawn", after(&["withdraw"])),
        ("expired", after(&["expire"])),
        ("not-chosen", after(&["not-choose"])),
        ("released", after(&["quote", "book", "release"])),
    ]
}

const REQUESTER: &[(&str, &str, &str)] = &[
    ("offered", "withdraw", "withdrawn"),
    ("offered", "expire", "expired"),
    ("offered", "not-choose", "not-chosen"),
    ("quoted", "book", "booked"),
    ("quoted", "withdraw", "withdrawn"),
    ("quoted", "expire", "expired"),
    ("quoted", "not-choose", "not-chosen"),
    ("booked", "grant", "handing-over"),
    ("booked", "withdraw", "withdrawn"),
    ("handing-over", "withdraw", "withdrawn"),
    ("received", "withdraw", "withdrawn"),
    ("preliminary", "deliver-1", "preliminary"),
    ("preliminary", "reject-1", "report-rejected"),
    ("final", "deliver-1", "delivered"),
    ("final", "reject-1", "report-rejected"),
    ("delivered", "acknowledge-1", "acknowledged"),
    ("acknowledged", "close", "closed"),
    ("declined", "offer", "offered"),
    ("withdrawn", "offer", "offered"),
    ("expired", "offer", "offered"),
    ("not-chosen", "offer", "offered"),
    ("released", "offer", "offered"),
];

const READER: &[(&str, &str, &str)] = &[
    ("offered", "quote", "quoted"),
    ("offered", "decline", "declined"),
    ("quoted", "decline", "declined"),
    ("booked", "release", "released"),
    ("handing-over", "receive", "received"),
    ("handing-over", "release", "released"),
    ("received", "claim", "claimed"),
    ("received", "release", "released"),
    ("claimed", "release", "released"),
    ("claimed", "preliminary-1", "preliminary"),
    ("claimed", "final-1", "final"),
    ("preliminary", "preliminary-2", "preliminary"),
    ("preliminary", "final-2", "final"),
    ("final", "addendum-2", "final"),
    ("delivered", "addendum-2", "final"),
    ("acknowledged", "addendum-2", "final"),
    ("closed", "addendum-2", "final"),
];

fn expected(
    table: &[(&str, &str, &'static str)],
    phase: &str,
    event: &str,
) -> Result<&'static str, OutOfPlace> {
    let line = table
        .iter()
        .find(|(from, by, _)| (*from, *by) == (phase, event));
    line.map(|(_, _, to)| *to).ok_or(OutOfPlace)
}

#[test]
fn what_a_requester_may_say_in_each_phase() {
    for (name, phase) in phases() {
        assert_eq!(phase.code(), name);
        for (event, said) in requester_events() {
            let next = phase.clone().after_requester(&said).map(|next| next.code());
            assert_eq!(next, expected(REQUESTER, name, event), "{event} in {name}");
        }
    }
}

#[test]
fn what_a_reader_may_say_in_each_phase() {
    for (name, phase) in phases() {
        for (event, said) in reader_events() {
            let next = phase
                .clone()
                .after_reader(QUOTE, &said)
                .map(|next| next.code());
            assert_eq!(next, expected(READER, name, event), "{event} in {name}");
        }
    }
}

#[test]
fn who_is_booked_holds_a_grant_and_is_over() {
    let booked = [
        "booked",
        "handing-over",
        "received",
        "claimed",
        "preliminary",
        "final",
        "delivered",
        "acknowledged",
        "report-rejected",
        "closed",
    ];
    let over = [
        "closed",
        "declined",
        "withdrawn",
        "expired",
        "not-chosen",
        "released",
    ];
    for (name, phase) in phases() {
        assert_eq!(phase.is_booked(), booked.contains(&name), "{name}");
        assert_eq!(
            phase.grant().is_some(),
            booked[1..].contains(&name),
            "{name}"
        );
        assert_eq!(phase.is_over(), over.contains(&name), "{name}");
    }
}

#[test]
fn an_ending_keeps_its_reason() {
    assert_eq!(
        after(&["decline"]),
        Phase::Ended(Ending::Declined(DeclineReason::Full))
    );
    let released = after(&["quote", "book", "release"]);
    assert_eq!(
        released,
        Phase::Ended(Ending::Released(ReleaseReason::ShiftEnded))
    );
}
