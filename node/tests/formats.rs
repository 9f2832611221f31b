//! What this crate alone puts into bytes: rows of the store, and what it seals for other sites. When one of these
//! snapshots changes, the number in its name must change with it, and the old form must still be read.
//!
//! Each snapshot begins with the name of what it shows: a table, or a form. `tests/tidy.rs` asks for one of each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod diagnostic;
mod media_forms;

use std::path::Path;
use std::sync::Arc;

use diagnostic::{hex, shown};
use dokuei_keys::cbor;
use dokuei_keys::id::{Digest, DocumentId, ObjectDigest, ParcelId, PrekeyId, SiteId};
use dokuei_keys::secret::{ContentKey, Secret32, StorageKey};
use dokuei_node::audit::Ledger;
use dokuei_node::chance::chance;
use dokuei_node::commitments::{Debt, Judged};
use dokuei_node::deidentify::Secret;
use dokuei_node::deidentify::pseudonyms::{Original, PURPOSE_VERSION, Purpose};
use dokuei_node::dicom::header::Header;
use dokuei_node::dicom::part10::scan_file;
use dokuei_node::dicomweb::access::{Credential, Kind};
use dokuei_node::entities::scope::{Domain, Scope};
use dokuei_node::entities::{Caller, Destination, Retry};
use dokuei_node::index::catalogue::Catalogue;
use dokuei_node::media::CaseFile;
use dokuei_node::parcels::SealedObject;
use dokuei_node::priors;
use dokuei_node::reports::bundle::Predecessor;
use dokuei_node::reports::kept::KeptReport;
use dokuei_node::reports::subject::Subject;
use dokuei_node::runtime::kept::KeptSecret;
use dokuei_node::store::{Change, Rows, Store};
use dokuei_node::studies::attributes::RawAttribute;
use dokuei_node::studies::granted::GrantedStudies;
use dokuei_node::studies::head::Head;
use dokuei_node::studies::instances;
use dokuei_node::studies::patient::Patient;
use dokuei_node::studies::quarantine::{Quarantined, Why};
use dokuei_node::studies::seen::{Place, Seen, Side, Text};
use dokuei_node::studies::study::Study;
use dokuei_node::tls::Trust;
use dokuei_node::worklist::kept::{Said, Subscription};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::effect::KeptPrekey;
use dokuei_protocol::log::entry::{ENTRY_VERSION, Entry};
use dokuei_protocol::record::Record;
use dokuei_protocol::study::manifest::ManifestReference;
use dokuei_protocol::time::Timestamp;
use minicbor::{Decoder, Encode};

const FIXTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/ct-3slice/01.dcm"
);
const AT: Timestamp = Timestamp(1_800_000_000_000);

fn check(name: &str, content: impl Encode<()>) {
    let bytes = cbor::encode(&content);
    check_text(name, &shown(&mut Decoder::new(&bytes)));
}

fn check_text(name: &str, text: &str) {
    let file = name.replace(";v=", "-");
    insta::assert_snapshot!(file, format!("{name}\n{text}"));
}

fn header() -> Header {
    let bytes = std::fs::read(Path::new(FIXTURE)).unwrap();
    scan_file(bytes.as_slice(), Some(bytes.len() as u64))
        .unwrap()
        .header
}

fn parcel() -> ParcelId {
    ParcelId::from_bytes([1; 32])
}

fn clinic() -> SiteId {
    SiteId::from_bytes([2; 32])
}

fn study() -> Study {
    let header = header();
    let mut study = Study::begun(parcel(), header.study().as_str(), AT.0);
    let sealed = SealedObject {
        length: 9_000,
        digest: ObjectDigest::from_bytes([3; 32]),
    };
    study.add(&header, 1, sealed, Digest::from_bytes([4; 32]), AT.0);
    // Nothing that a file says of anybody stands in a snapshot.
    let invented = [RawAttribute {
        group: 0x0010,
        element: 0x0010,
        value: b"TEST^FORM ".to_vec().into(),
    }];
    study.attributes = minicbor::decode(&cbor::encode(&invented)).unwrap();
    // As it was before the check before sending: such rows are still read.
    study.objects[0].seen = None;
    study
}

fn reference() -> ManifestReference {
    ManifestReference {
        parcel: parcel(),
        commitment: Digest::from_bytes([5; 32]),
        digest: ObjectDigest::from_bytes([6; 32]),
        length: 200,
        objects: 1,
        bytes: 9_000,
    }
}

#[test]
fn a_study_that_mixes_patients() {
    let mut mixed = study();
    mixed.others = vec![Patient {
        id: "OTHER".to_owned(),
        issuer: "ISSUER".to_owned(),
    }];
    check("studies-1-mixed", mixed);
}

#[test]
fn a_study_with_what_the_check_needs() {
    let mut seen = study();
    seen.objects[0].seen = Some(Seen {
        place: Some(Place {
            position: [-1_500, 0, 2_000],
            orientation: [1_000_000, 0, 0, 0, 1_000_000, 0],
        }),
        acquisition: Some(1),
        in_acquisition: Some(2),
        in_series: Some(3),
        in_study: Some(4),
        series_in_study: Some(5),
        side: Some(Side::Left),
        body_part: Some("KNEE".to_owned()),
        text: Some(Text::Likely),
    });
    check("studies-1-seen", seen);
}

#[test]
fn a_case_on_a_medium() {
    let file = CaseFile {
        case: CaseId::from_bytes([12; 32]),
        requester: clinic(),
        reader: SiteId::from_bytes([15; 32]),
        parcel: parcel(),
        documents: vec![vec![1, 2].into()],
    };
    let bytes = file.to_bytes();
    let magic = b"dokuei-case-1\n";
    let text = shown(&mut Decoder::new(bytes.strip_prefix(magic).unwrap()));
    check_text("dokuei-case-1", &text);
}

#[test]
fn objects_that_are_set_aside() {
    let kept = Quarantined {
        version: 1,
        parcel: parcel(),
        slot: 7,
        key: vec![5; 3].into(),
        study: "1.2.3".to_owned(),
        sop_instance: "1.2.3.4".to_owned(),
        content: Digest::from_bytes([4; 32]),
        at: AT.0,
        why: Why::Content,
        other_study: None,
    };
    check("quarantine-1", &kept);
    let elsewhere = Quarantined {
        why: Why::Study,
        other_study: Some("1.2.5".to_owned()),
        ..kept
    };
    check("quarantine-1-elsewhere", elsewhere);
}

#[test]
fn studies_of_this_site() {
    let mut closed = study();
    closed.manifest = Some(reference());
    check("heads-1", Head::of(&closed, None));
    check("granted-heads-1", Head::of(&closed, Some(clinic())));
    let storage = StorageKey::from_secret(Secret32::from_bytes([10; 32]));
    let (key, slot) = instances::rows(&storage, &closed).next().unwrap();
    check_text("instances-1", &format!("{} {}", hex(&key), hex(&slot)));
    check_text("headerless-1", &hex(parcel().as_bytes()));
    check("studies-1", closed);
}

#[test]
fn how_far_the_audit_trail_has_come() {
    let ledger = Ledger {
        next: 7,
        records: 40,
        dropped: 1,
    };
    check("audit-1", ledger);
}

#[test]
fn studies_of_partners() {
    let (case, row) = (CaseId::from_bytes([12; 32]), (clinic(), study()));
    check("granted-1", &row);
    // And this is what is read.
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("store.redb")).unwrap();
    let storage = StorageKey::from_secret(Secret32::from_bytes([10; 32]));
    let (table, plain) = (Rows::Granted, cbor::encode(&row));
    let sealed = storage.seal_row(table.name(), case.as_bytes(), &plain, &mut chance());
    let change = Change::put(table, case.as_bytes(), sealed.unwrap());
    store.commit(change).unwrap();
    let granted = GrantedStudies::open(store, storage, Catalogue::default(), Arc::default())
        .ok()
        .unwrap();
    assert!(granted.study(case).as_deref() == Some(&row.1));
}

#[test]
fn callers() {
    let caller = |certificate, scope| Caller {
        name: "CT 1".to_owned(),
        ae_title: "CT1".to_owned(),
        networks: vec!["192.0.2.7/32".to_owned(), "10.0.0.0/8".to_owned()],
        certificate,
        may_store: true,
        may_query: false,
        scope,
    };
    let domain = Domain {
        institution: clinic(),
        issuer: "ISSUER".to_owned(),
    };
    let rows = [
        caller(None, Scope::All),
        caller(Some([22; 32]), Scope::Own),
        caller(None, Scope::Domain(domain)),
    ];
    check("callers-1", rows);
}

#[test]
fn destinations() {
    let destination = |tls| Destination {
        name: "PACS".to_owned(),
        host: "pacs.example".to_owned(),
        port: 104,
        ae_title: "ARC".to_owned(),
        tls,
        retry: Retry::default(),
    };
    let rows = [
        destination(None),
        destination(Some(Trust::Fingerprint([23; 32]))),
        destination(Some(Trust::Authority(vec![vec![24].into()]))),
    ];
    check("destinations-1", rows);
}

#[test]
fn who_comes_in_by_the_web() {
    let domain = Scope::Domain(Domain {
        institution: clinic(),
        issuer: "ISSUER".to_owned(),
    });
    let made = |kind, scope| {
        let mut credential = Credential::new(kind, "VIEWER", scope, [25; 32]);
        credential.made = AT.0;
        credential
    };
    let rows = [
        made(Kind::Token, Scope::All),
        made(Kind::Certificate, Scope::Own),
        made(Kind::Account, domain),
        made(Kind::Invitation, Scope::Own)
            .working(true)
            .storing(true),
    ];
    check("web-access-1", rows);
}

#[test]
fn reports() {
    let object = Predecessor {
        series: "1.2.3".to_owned(),
        instance: "1.2.3.4".to_owned(),
    };
    let kept = KeptReport {
        parcel: parcel(),
        site: clinic(),
        length: 60_000,
        digest: ObjectDigest::from_bytes([7; 32]),
        object: Some(object),
    };
    check("reports-1", kept);
}

#[test]
fn objects_of_reports() {
    check("report-objects-1", (clinic(), study()));
}

#[test]
fn what_storage_commitment_owes() {
    let judged = |number: u8, failure| Judged {
        sop_class: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
        sop_instance: format!("1.2.3.{number}"),
        failure,
    };
    let debt = Debt {
        to: "MODALITY".to_owned(),
        transaction: "1.2.3".to_owned(),
        instances: vec![judged(1, None), judged(2, Some(0x0112))],
        since: AT.0,
    };
    check("commitments-1", debt);
}

#[test]
fn purposes_of_deidentification() {
    let purpose = Purpose {
        version: PURPOSE_VERSION,
        purpose: "a register".to_owned(),
        secret: Secret::from_bytes([22; 32]),
    };
    check("purposes-1", purpose);
}

#[test]
fn the_way_back_from_a_pseudonym() {
    let attributes = study().attributes;
    let mut original = Original::new(
        "a register",
        "P0123456789AB".to_owned(),
        "1.2.3",
        attributes,
    );
    original.note("1.2.3.4");
    check("pseudonyms-1", original);
}

#[test]
fn prekeys() {
    let kept = KeptPrekey {
        id: PrekeyId::from_bytes([8; 32]),
        published: AT,
        secret: Secret32::from_bytes([9; 32]),
    };
    check("prekeys-1", KeptSecret::of(&kept));
}

/// The bytes are random; those of fixed chance are a snapshot of the crate `keys`.
#[test]
fn content_keys() {
    let storage = StorageKey::from_secret(Secret32::from_bytes([10; 32]));
    let key = ContentKey::from_secret(Secret32::from_bytes([11; 32]));
    let row = storage
        .wrap_content_key(&parcel(), &key, &mut chance())
        .unwrap();
    let text = format!("version {}, {} bytes", row[0], row.len());
    check_text("content-keys-1", &text);
}

/// One entry; those of each kind are a snapshot of the crate `protocol`.
#[test]
fn records() {
    let entry = Entry {
        version: ENTRY_VERSION,
        sequence: 7,
        previous: Digest::from_bytes([20; 32]),
        at: AT,
        record: Record::DocumentConfirmed(clinic(), DocumentId::from_bytes([21; 32])),
    };
    check("records-1", entry);
}

#[test]
fn whom_a_report_is_about() {
    let subject = Subject::of(&study(), "架空診療所", "架空大学病院");
    check("report-subject-1", subject);
}

#[test]
fn earlier_studies_that_go_with_a_case() {
    let entry = priors::Entry {
        uid: "1.2.3".to_owned(),
        date: "20240101".to_owned(),
        time: "101500".to_owned(),
        modalities: "CT SR".to_owned(),
        region: "CHEST".to_owned(),
        description: "胸部CT".to_owned(),
        objects: Some(500),
        here: 2,
        report: true,
    };
    let list = priors::List {
        archive: priors::ArchiveAsked::Failed,
        unsure: 1,
        more: false,
        entries: vec![entry],
    };
    check("priors-list-1", list);
}

#[test]
fn what_clients_said_of_a_workitem() {
    let said = Said {
        uid: Some("1.2.3".to_owned()),
        transaction: Some("1.2.4".to_owned()),
        attributes: Some(br#"{"00741204":{"vr":"LO","Value":["CT"]}}"#.to_vec().into()),
        ..Said::default()
    };
    check("workitems-1", said);
}

#[test]
fn a_subscription() {
    let mut subscription = Subscription::new("worklist\nRIS", "1.2.840.10008.5.1.4.34.5.1");
    subscription.filter = Some("00741000=COMPLETED".to_owned());
    subscription.deletion_lock = true;
    subscription.suspended = Some(AT.0);
    check("subscriptions-1", subscription);
}
