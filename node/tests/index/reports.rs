//! Reports as objects of their study.

use std::io::Read as _;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_keys::id::ParcelId;
use dokuei_keys::secret::ContentKey;
use dokuei_node::chance::chance;
use dokuei_node::entities::{Domain, Scope};
use dokuei_node::index::holdings::{Level, Selection};
use dokuei_node::outputs::encapsulated::{
    self, EncapsulatedInput, EncapsulatedPdf, RawElement, encapsulate,
};
use dokuei_node::outputs::view::ReportStatus;
use dokuei_node::parcels::ObjectHead;
use dokuei_node::reports::objects::Made;
use dokuei_node::store::{Change, Rows};
use dokuei_node::studies::attributes::Attributes;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::time::Timestamp;

use crate::site::{FIRST, SITE, Site, reopened, site, storage};

/// A version of a report on a study, made into an object as both sites make it.
fn report(attributes: &Attributes, version: u32, status: ReportStatus) -> EncapsulatedPdf {
    let originals: Vec<RawElement> = attributes
        .raw()
        .map(|(tag, value)| RawElement {
            tag: encapsulated::Tag(tag.group(), tag.element()),
            value: value.to_vec(),
        })
        .chain([RawElement {
            tag: encapsulated::Tag(0x0020, 0x000D),
            value: FIRST.study.as_bytes().to_vec(),
        }])
        .collect();
    encapsulate(&EncapsulatedInput {
        originals: &originals,
        sources: &[],
        predecessors: &[],
        status,
        version,
        report_digest: &format!("{version} {status:?}"),
        signed_at: "2025-01-01T12:00:00+09:00",
        pdf: b"%PDF-1.7 as good as one",
        bundle: b"signed",
    })
    .unwrap()
}

/// Keeps one as both sites do, in a parcel of its own. Gives back its SOP Instance UID.
fn keep(
    site: &Site,
    attributes: &Attributes,
    (parcel, version): (u8, u32),
    status: ReportStatus,
) -> String {
    let case = CaseId::from_bytes([4; 32]);
    let parcel = ParcelId::from_bytes([parcel; 32]);
    let key = ContentKey::from_rng(&mut chance());
    site.register.parcels().create(&parcel).unwrap();
    let wrapped = storage().wrap_content_key(&parcel, &key, &mut chance());
    let row = Change::put(Rows::ContentKeys, parcel.as_bytes(), wrapped.unwrap());
    site.store.commit(row).unwrap();
    let object = report(attributes, version, status);
    let made = Made {
        parcel,
        institution: SITE,
        attributes,
        at: Timestamp(1_800_000_000_000 + u64::from(version)),
        object: &object,
    };
    let kept = |_| site.reports.keep((case, version), &made, &key).is_ok();
    // What is done twice is done once.
    assert!([1, 2].into_iter().all(kept));
    object.sop_instance_uid
}

/// The reports at every level, for those who may see them and for others.
fn look(site: &Site, instance: &str) {
    let study = site.find(Level::Study, &[]).unwrap().remove(0);
    assert_eq!(study.code(tags::MODALITIES_IN_STUDY), "CT\\DOC");
    assert_eq!(study.code(tags::NUMBER_OF_STUDY_RELATED_INSTANCES), "4");
    let modality = (tags::MODALITY, VR::CS, "DOC");
    let series = site.find(Level::Series, &[modality]).unwrap();
    let said: Vec<String> = series
        .iter()
        .map(|one| one.text(tags::SERIES_DESCRIPTION))
        .collect();
    assert_eq!(said.len(), 3);
    assert!(said[0].contains("速報 第1版") && said[2].contains("訂正 第3版"));
    let one = (tags::SOP_INSTANCE_UID, VR::UI, instance);
    let found = site.find(Level::Instance, &[one]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].code(tags::PATIENT_ID), FIRST.id);
    let selection = Selection {
        study: FIRST.study.to_owned(),
        instance: Some(instance.to_owned()),
        ..Selection::default()
    };
    let here = site.holdings.instances(&Scope::All, &selection);
    let mut opened = site.holdings.open(&here[0]).unwrap().unwrap();
    let head = ObjectHead::read(&mut opened).unwrap().unwrap();
    assert!(head.sop_instance == instance && head.sop_class == here[0].sop_class);
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).unwrap();
    assert_eq!(blake3::hash(&bytes).as_bytes(), here[0].content.as_bytes());
    let mut metadata = Vec::new();
    let described = site.holdings.metadata(&Scope::All, &selection).unwrap();
    let count = described.unwrap().write("", &mut metadata).unwrap();
    assert!(count == 1 && String::from_utf8(metadata).unwrap().contains(instance));
    let elsewhere = Scope::Domain(Domain {
        institution: SITE,
        issuer: "B".to_owned(),
    });
    assert!(site.holdings.instances(&elsewhere, &selection).is_empty());
}

#[test]
fn reports_are_objects_of_their_study_for_whoever_may_see_it() {
    let site = site();
    site.take(&FIRST);
    let parcel = site.register.parcels_of(FIRST.study)[0];
    let attributes = site
        .register
        .look(&parcel, |study| study.attributes.clone())
        .unwrap();
    keep(&site, &attributes, (21, 1), ReportStatus::Preliminary);
    let instance = keep(&site, &attributes, (22, 2), ReportStatus::Final);
    // Another object of the same version takes its place.
    let replaced = keep(&site, &attributes, (23, 3), ReportStatus::Addendum);
    let newest = keep(&site, &attributes, (24, 3), ReportStatus::Corrected);
    assert_ne!(replaced, newest);

    look(&site, &instance);
    // The images go when their time is over; the reports stay, of the same patient.
    site.register.close(&parcel).unwrap();
    let site = reopened(site);
    look(&site, &instance);
    site.register.put_away(&parcel).unwrap();
    let study = site.find(Level::Study, &[]).unwrap().remove(0);
    assert_eq!(study.code(tags::NUMBER_OF_STUDY_RELATED_INSTANCES), "3");
    assert_eq!(study.code(tags::PATIENT_ID), FIRST.id);
}
