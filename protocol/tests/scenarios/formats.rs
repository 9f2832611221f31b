//! The bytes between sites and in the log. Both are for ever: when one of these snapshots changes,
//! the version of that document or of the log's entries must change with it, and the old form must
//! still be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dokuei_keys::id::{Digest, ParcelId};
use dokuei_keys::secret::Secret32;
use dokuei_keys::signed;
use dokuei_keys::signing::SigningKey;
use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};
use dokuei_protocol::case::priors::PriorRefusal;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::effect::{Answer, Effect};
use dokuei_protocol::input::{Command, Job, Outcome};
use dokuei_protocol::limits;
use dokuei_protocol::log::entry::Entry;
use dokuei_protocol::partner::agreement::{Agreement, Naming};
use dokuei_protocol::time::Span;
use minicbor::Decoder;
use minicbor::data::Type;

use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

/// Byte strings longer than this are shown by length and digest.
const SHOWN: usize = 32;

/// CBOR in diagnostic notation (RFC 8949 section 8), long byte strings cut short, signed documents
/// taken apart.
fn shown(decoder: &mut Decoder<'_>) -> String {
    match decoder.datatype().unwrap() {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64().unwrap().to_string(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64().unwrap().to_string(),
        Type::Bool => decoder.bool().unwrap().to_string(),
        Type::Null => decoder.null().map(|()| "null".to_owned()).unwrap(),
        Type::String => format!("{:?}", decoder.str().unwrap()),
        Type::Bytes => bytes_shown(decoder.bytes().unwrap()),
        Type::Array => {
            let count = decoder.array().unwrap().unwrap();
            let items: Vec<_> = (0..count).map(|_| shown(decoder)).collect();
            format!("[{}]", items.join(", "))
        }
        Type::Map => {
            let count = decoder.map().unwrap().unwrap();
            let item = |_| format!("{}: {}", shown(decoder), shown(decoder));
            let items: Vec<_> = (0..count).map(item).collect();
            format!("{{{}}}", items.join(", "))
        }
        other => panic!("{other} is outside the profile"),
    }
}

fn bytes_shown(bytes: &[u8]) -> String {
    if let Ok(header) = signed::peek(bytes) {
        return format!(
            "<{};v={}, {} bytes>",
            header.kind,
            header.version,
            bytes.len()
        );
    }
    let shown = &bytes[..bytes.len().min(8)];
    let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    match bytes.len() {
        0..=8 => format!("h'{hex}'"),
        9..=SHOWN => format!("h'{hex}..' ({} bytes)", bytes.len()),
        long => format!("h'{hex}..' ({long} bytes, sha256 {})", short(bytes)),
    }
}

fn short(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()[..16].to_owned()
}

/// The payload of a COSE_Sign1.
fn payload(document: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(document);
    decoder.array().unwrap();
    decoder.bytes().unwrap();
    decoder.map().unwrap();
    decoder.bytes().unwrap().to_vec()
}

/// The hospital proposes agreements to the clinic, of both versions that are written, and one of which its node knows
/// nothing.
fn agree(world: &mut World) {
    let hospital = world.id(HOSPITAL);
    // Signed by the scenario, so that the acceptance is of nothing for the hospital's node, and refused there.
    let unknown = Agreement {
        proposer: hospital,
        accepter: world.id(CLINIC),
        from: world.now,
        until: world.now.after(Span::DAY),
        retention_days: 7,
        sequence: 1,
        naming: Naming::Identified,
    };
    let unknown = world.sites[HOSPITAL].sign(unknown);
    world.hand_over(HOSPITAL, CLINIC, unknown);
    let accepted = world.ask(CLINIC, Command::AcceptAgreement(hospital));
    assert_eq!(accepted, Ok(Answer::Done));
    let proposed = Command::ProposeAgreement {
        site: world.id(CLINIC),
        retention_days: 7,
        naming: Naming::Pseudonymous,
    };
    assert_eq!(world.ask(HOSPITAL, proposed), Ok(Answer::Done));
    let accepted = world.ask(CLINIC, Command::AcceptAgreement(hospital));
    assert_eq!(accepted, Ok(Answer::Done));
}

/// Three sites that live through everything a version of the protocol can say.
fn chronicle() -> World {
    use ReportStatus::{Addendum, Final, Preliminary};
    let mut world = World::trio();
    let read = world.open_for(&[HOSPITAL, UNIVERSITY]);
    for status in [Preliminary, Final, Addendum] {
        assert_eq!(world.report(HOSPITAL, read, status), Ok(Answer::Done));
    }
    assert_eq!(world.acknowledge(read, 3), Ok(Answer::Done));
    let released = world.bring_to_reader(HOSPITAL);
    let release = Command::Release(released, ReleaseReason::ImageQuality);
    assert_eq!(world.ask(HOSPITAL, release), Ok(Answer::Done));
    let declined = world.open_as(Modality::Mr, &[HOSPITAL]);
    assert!(declined.is_ok());
    world.cut(CLINIC, HOSPITAL);
    let expired = world.open(HOSPITAL);
    world.sleep(limits::OFFER);
    world.mend(CLINIC, HOSPITAL);
    assert_eq!(world.phase(HOSPITAL, expired), "expired");
    let rejected = world.bring_to_reader(HOSPITAL);
    world.hold = |effect| matches!(effect, Effect::ReceiveReport { .. });
    assert_eq!(
        world.report(HOSPITAL, rejected, ReportStatus::Final),
        Ok(Answer::Done)
    );
    world.held.clear();
    world.hold = |_| false;
    world.end_job(CLINIC, Job::ReceiveReport(rejected, 1), Outcome::Impossible);
    let withdrawn = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, withdrawn), Ok(Answer::Done));
    let withdraw = Command::Withdraw(withdrawn, WithdrawalReason::SentInError);
    assert_eq!(world.ask(CLINIC, withdraw), Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    let cancelled = world.bring_to_reader(HOSPITAL);
    assert_eq!(world.claim(HOSPITAL, cancelled), Ok(Answer::Done));
    let cancel = Command::Withdraw(cancelled, WithdrawalReason::ReadElsewhere);
    assert_eq!(world.ask(CLINIC, cancel), Ok(Answer::Done));
    let sealed = world.bring_to_reader(HOSPITAL);
    world.cut(CLINIC, HOSPITAL);
    world.sleep(limits::PREKEY_USABLE);
    let kept = world.report(HOSPITAL, sealed, ReportStatus::Final);
    assert_eq!(kept, Ok(Answer::Done));
    world.mend(CLINIC, HOSPITAL);
    let hospital = world.id(HOSPITAL);
    agree(&mut world);
    let pseudonymous = world.open_named(Naming::Pseudonymous, HOSPITAL);
    assert!(pseudonymous.is_ok());
    world.renew(HOSPITAL, false);
    let gone = SigningKey::from_seed(Secret32::from_bytes([7; 32]));
    let revoked = Command::RevokePerson(gone.public().into());
    assert_eq!(world.ask(HOSPITAL, revoked), Ok(Answer::Done));
    assert_eq!(
        world.ask(CLINIC, Command::RemovePartner(hospital)),
        Ok(Answer::Done)
    );
    let commit = Command::Commit([ParcelId::from_bytes([9; 32])].into());
    assert_eq!(world.ask(CLINIC, commit), Ok(Answer::Done));
    world
}

/// Two sites that say everything there is to say of priors.
fn chronicle_of_priors() -> World {
    let (mut world, case) = crate::priors::offered(3);
    let asked = world.ask(HOSPITAL, Command::AskPriors(case, vec![1, 2]));
    assert_eq!(asked, Ok(Answer::Done));
    crate::priors::find(&mut world, case, 1, Ok(&[101, 102]));
    crate::priors::find(&mut world, case, 2, Err(PriorRefusal::NotSamePatient));
    world.settle();
    let withdraw = Command::Withdraw(case, WithdrawalReason::NotNeeded);
    assert_eq!(world.ask(CLINIC, withdraw), Ok(Answer::Done));
    world.settle();
    world
}

#[test]
fn the_log_of_a_site() {
    let world = chronicle();
    let mut text = String::new();
    for site in &world.sites {
        writeln!(text, "{}", site.name).unwrap();
        for bytes in &site.entries {
            let entry: Entry = minicbor::decode(bytes).unwrap();
            let code = entry.record.code();
            writeln!(
                text,
                "{:3} {code} {} bytes {}",
                entry.sequence,
                bytes.len(),
                short(bytes)
            )
            .unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn one_entry_of_each_kind() {
    let worlds = [chronicle(), chronicle_of_priors()];
    let mut kinds = BTreeMap::new();
    let sites = worlds.iter().flat_map(|world| &world.sites);
    for bytes in sites.flat_map(|site| &site.entries) {
        let entry: Entry = minicbor::decode(bytes).unwrap();
        kinds
            .entry(entry.record.code())
            .or_insert_with(|| shown(&mut Decoder::new(bytes)));
    }
    let lines: Vec<_> = kinds
        .into_iter()
        .map(|(kind, text)| format!("{kind}\n    {text}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn one_document_of_each_kind_and_event() {
    let world = chronicle();
    let own = world.sites.iter().flat_map(|site| {
        let own = site.service.state().own.clone();
        let prekey = own.prekey.map(|(bytes, _)| bytes);
        let capacity = own.capacity.map(|(bytes, _)| bytes);
        let address = own.address.map(|(bytes, _)| bytes);
        [address, capacity, prekey].into_iter().flatten()
    });
    let mut kinds = BTreeMap::new();
    let priors = chronicle_of_priors();
    let sent = world.sent.iter().map(|(_, _, bytes)| bytes.clone());
    let of_priors = priors.sent.iter().map(|(_, _, bytes)| bytes.clone());
    for bytes in sent.chain(own).chain(of_priors) {
        let header = signed::peek(&bytes).unwrap();
        let content = payload(&bytes);
        let text = shown(&mut Decoder::new(&content));
        let name = format!("{};v={}", header.kind, header.version);
        kinds
            .entry((name, event_of(&header.kind, &content)))
            .or_insert(text);
    }
    let lines: Vec<_> = kinds
        .into_iter()
        .map(|((name, event), text)| format!("{name}{event}\n    {text}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// The number of the event of a link (field 6), proposal (field 5) or answer about a prior (field 7).
fn event_of(kind: &str, content: &[u8]) -> String {
    let field = match kind {
        "link" => 6,
        "prior-answer" => 7,
        "proposal" => 5,
        _ => return String::new(),
    };
    let mut decoder = Decoder::new(content);
    for _ in 0..decoder.map().unwrap().unwrap() {
        if decoder.u64().unwrap() == field {
            decoder.array().unwrap();
            return format!(", event {:2}", decoder.u64().unwrap());
        }
        decoder.skip().unwrap();
    }
    panic!("{kind} has an event");
}

#[test]
fn what_the_sync_protocol_says() {
    use dokuei_keys::id::SiteId;
    use dokuei_protocol::partner::announcement::{SyncAnswer, SyncRequest};
    use dokuei_protocol::partner::notice::{Notice, Renewal};
    let request = SyncRequest {
        address: Some(3),
        capacity: None,
        prekey: Some(1_800_000_000),
        certificate: Some(1),
        revocations: Some(Digest::of(b"ids")),
        taken: Some(vec![4, 5].into()),
    };
    let answer = SyncAnswer {
        announcements: vec![vec![1, 2, 3].into()],
        notice: Some(Notice {
            site: SiteId::from_bytes([1; 32]),
            renewal: Some(Renewal {
                certificate: vec![6].into(),
                node: vec![7].into(),
            }),
            revocations: vec![vec![8].into()],
        }),
    };
    let bytes = [
        dokuei_keys::cbor::encode(&request),
        dokuei_keys::cbor::encode(&answer),
    ];
    let lines = bytes.map(|bytes| shown(&mut Decoder::new(&bytes)));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_is_said_of_packs_that_are_ready() {
    use dokuei_protocol::study::ahead::ReadyPacks;
    let ready = ReadyPacks {
        parcel: ParcelId::from_bytes([9; 32]),
        packs: 70_000,
    };
    let bytes = ready.to_bytes();
    assert_eq!(ReadyPacks::from_bytes(&bytes), Some(ready));
    for end in 0..bytes.len() {
        assert_eq!(ReadyPacks::from_bytes(&bytes[..end]), None);
    }
    insta::assert_snapshot!(shown(&mut Decoder::new(&bytes)), @"{0: h'0909090909090909..' (32 bytes), 1: 70000}");
}
