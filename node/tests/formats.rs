//! What this crate alone puts into bytes: rows of the store, and what it seals for other sites. When one of these
//! snapshots changes, the number in its name must change with it, and the old form must still be read.
//!
//! Each snapshot begins with the name of what it shows: a table, or a form. `tests/tidy.rs` asks for one of each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use dokuei_keys::cbor;
use dokuei_keys::id::{Digest, DocumentId, ObjectDigest, ParcelId, PersonId, PrekeyId, SiteId};
use dokuei_keys::secret::{ContentKey, Secret32, StorageKey};
use dokuei_keys::signed::Document;
use dokuei_node::chance::chance;
use dokuei_node::deidentify::Secret;
use dokuei_node::deidentify::pseudonyms::{Original, PURPOSE_VERSION, Purpose};
use dokuei_node::dicom::header::Header;
use dokuei_node::dicom::part10::scan_file;
use dokuei_node::index::catalogue::Catalogue;
use dokuei_node::parcels::{ObjectHead, SealedObject};
use dokuei_node::reports::bundle::{Bundle, MAGIC, Predecessor};
use dokuei_node::reports::kept::KeptReport;
use dokuei_node::reports::subject::Subject;
use dokuei_node::runtime::kept::KeptSecret;
use dokuei_node::store::{Change, Rows, Store};
use dokuei_node::studies::attributes::RawAttribute;
use dokuei_node::studies::granted::GrantedStudies;
use dokuei_node::studies::patient::Patient;
use dokuei_node::studies::study::Study;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::{Countersignature, Report, ReportStatus};
use dokuei_protocol::effect::KeptPrekey;
use dokuei_protocol::log::entry::{ENTRY_VERSION, Entry};
use dokuei_protocol::record::Record;
use dokuei_protocol::study::manifest::{Manifest, ManifestEntry, ManifestReference, ObjectClass};
use dokuei_protocol::time::Timestamp;
use minicbor::data::Type;
use minicbor::{Decoder, Encode};

const FIXTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/ct-3slice/01.dcm"
);
const AT: Timestamp = Timestamp(1_800_000_000_000);

/// CBOR in diagnostic notation (RFC 8949 section 8).
fn shown(decoder: &mut Decoder<'_>) -> String {
    match decoder.datatype().unwrap() {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64().unwrap().to_string(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64().unwrap().to_string(),
        Type::Null => decoder.null().map(|()| "null".to_owned()).unwrap(),
        Type::String => format!("{:?}", decoder.str().unwrap()),
        Type::Bytes => format!("h'{}'", hex(decoder.bytes().unwrap())),
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

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
fn studies_of_this_site() {
    let mut closed = study();
    closed.manifest = Some(reference());
    check("studies-1", closed);
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
    let granted = GrantedStudies::open(store, storage, Catalogue::default())
        .ok()
        .unwrap();
    assert!(granted.study(case) == Some(row.1));
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
fn the_head_of_an_object() {
    let head = ObjectHead {
        sop_class: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
        sop_instance: "1.2.3.4".to_owned(),
        transfer_syntax: "1.2.840.10008.1.2.1".to_owned(),
    };
    check_text("object-head-1", &hex(&head.to_bytes()));
}

#[test]
fn a_manifest() {
    let entry = ManifestEntry {
        slot: 1,
        length: 9_000,
        digest: ObjectDigest::from_bytes([3; 32]),
        series: 0,
        class: ObjectClass::Image,
    };
    let manifest = Manifest {
        parcel: parcel(),
        site: clinic(),
        commitment: Digest::from_bytes([5; 32]),
        objects: vec![entry],
    };
    check("manifest-1", manifest);
}

fn kind_of<T: Document>() -> String {
    format!("{};v={}", T::KIND, T::VERSION)
}

#[test]
fn a_report_and_its_countersignature() {
    let report = Report {
        case: CaseId::from_bytes([12; 32]),
        version: 2,
        status: ReportStatus::Addendum,
        predecessor: Some(DocumentId::from_bytes([13; 32])),
        author: PersonId::from_bytes([14; 32]),
        reader: SiteId::from_bytes([15; 32]),
        requester: clinic(),
        images: reference(),
        at: AT,
        offset_minutes: 540,
        subject: vec![0xa0].into(),
        text: "異常なし".to_owned(),
        attachment: Some(Digest::from_bytes([16; 32])),
    };
    check(&kind_of::<Report>(), report);
    let countersignature = Countersignature {
        report: DocumentId::from_bytes([17; 32]),
        delegation: DocumentId::from_bytes([18; 32]),
        pdf: Digest::from_bytes([19; 32]),
        pdf_length: 60_000,
        at: AT,
    };
    check(&kind_of::<Countersignature>(), countersignature);
}

#[test]
fn whom_a_report_is_about() {
    let subject = Subject::of(&study(), "架空診療所", "架空大学病院");
    check("report-subject-1", subject);
}

#[test]
fn a_report_in_one_file() {
    let bundle = Bundle {
        certificate: vec![1].into(),
        delegation: vec![2].into(),
        report: vec![3].into(),
        countersignature: vec![4].into(),
        pdf: Some(vec![5].into()),
        predecessors: Vec::new(),
    };
    let bytes = bundle.to_bytes();
    let text = shown(&mut Decoder::new(&bytes[MAGIC.len()..]));
    let name = String::from_utf8_lossy(MAGIC);
    check_text(name.trim_end(), &text);
}
