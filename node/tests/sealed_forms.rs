//! What this crate seals for other sites, and what it writes into files. When one of these snapshots changes, the number
//! in its name must change with it, and the old form must still be read.
//!
//! Each snapshot begins with the name of what it shows. `tests/tidy.rs` asks for one of each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod diagnostic;

use diagnostic::{hex, shown};
use dokuei_keys::cbor;
use dokuei_keys::id::{Digest, DocumentId, ObjectDigest, ParcelId, PersonId, SiteId};
use dokuei_keys::signed::Document;
use dokuei_node::parcels::ObjectHead;
use dokuei_node::reports::bundle::{Bundle, MAGIC};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::{Countersignature, Report, ReportStatus};
use dokuei_protocol::study::manifest::{Manifest, ManifestEntry, ManifestReference, ObjectClass};
use dokuei_protocol::time::Timestamp;
use minicbor::{Decoder, Encode};

const AT: Timestamp = Timestamp(1_800_000_000_000);

fn check(name: &str, content: impl Encode<()>) {
    let bytes = cbor::encode(&content);
    check_text(name, &shown(&mut Decoder::new(&bytes)));
}

fn check_text(name: &str, text: &str) {
    let file = name.replace(";v=", "-");
    insta::assert_snapshot!(file, format!("{name}\n{text}"));
}

fn parcel() -> ParcelId {
    ParcelId::from_bytes([1; 32])
}

fn clinic() -> SiteId {
    SiteId::from_bytes([2; 32])
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
