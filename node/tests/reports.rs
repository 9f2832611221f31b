//! A report from its signing to its verification by a file alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use dokuei_keys::delegation::{PersonRole, Revocation};
use dokuei_keys::id::{PersonId, SiteId};
use dokuei_keys::secret::{Secret32, StorageKey};
use dokuei_keys::signing::SigningKey;
use dokuei_keys::time::UnixSeconds;
use dokuei_node::chance::chance;
use dokuei_node::disk::Room;
use dokuei_node::parcels::Parcels;
use dokuei_node::reports::bundle::Bundle;
use dokuei_node::reports::compose::{Composed, Draft, Signers, compose};
use dokuei_node::reports::file::{self, Finding};
use dokuei_node::reports::rendering::encapsulated;
use dokuei_node::reports::subject::Subject;
use dokuei_node::reports::verify::{NotAuthentic, check_revocations, verify};
use dokuei_node::site::keys::SiteKeys;
use dokuei_node::site::people::{self, NewPerson};
use dokuei_node::site::{SiteFolder, passphrase};
use dokuei_node::store::Store;
use dokuei_node::studies::import::import;
use dokuei_node::studies::intake::{StudyIntake, now};
use dokuei_node::studies::register::Register;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::service::NextVersion;
use dokuei_protocol::time::Timestamp;

const SERIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/ct-3slice");

/// A final report on the fixture, composed as a reading site composes it.
fn bundle() -> Bundle {
    let home = tempfile::tempdir().unwrap();
    let folder = SiteFolder::new(home.path());
    std::fs::create_dir_all(folder.keys_folder()).unwrap();
    let at = UnixSeconds(now() / 1000);
    let (keys, _root) = SiteKeys::create("架空大学病院", at, &mut chance()).unwrap();
    let secret = passphrase::create(&folder, &mut chance()).unwrap();
    let new = NewPerson {
        name: "架空 花子",
        role: PersonRole::Reader,
        licence: "123456",
    };
    let person = people::enrol(&folder, &keys, &new, &secret, at, &mut chance()).unwrap();
    let author = people::unlock(&folder, &person.id, &secret).unwrap();
    assert_eq!(PersonId::from(author.public()), person.id);

    let store = Store::open(&home.path().join("store.redb")).unwrap();
    let parcels = Parcels::open(folder.parcels()).unwrap();
    let storage = StorageKey::from_secret(Secret32::from_bytes([3; 32]));
    let register =
        Register::open(SiteId::from_bytes([1; 32]), parcels.clone(), store, storage).unwrap();
    let intake = StudyIntake::new(register.clone(), Room::under(home.path()));
    let uid = import(&intake, Path::new(SERIES))
        .unwrap()
        .studies
        .remove(0);
    let parcel = register.parcels_of(&uid)[0];
    let images = register.close(&parcel).unwrap();
    let subject = register
        .look(&parcel, |study| {
            Subject::of(study, "架空診療所", "架空大学病院")
        })
        .unwrap();
    let draft = Draft {
        case: CaseId::from_bytes([5; 32]),
        status: ReportStatus::Final,
        next: NextVersion {
            version: 1,
            predecessor: None,
            images,
        },
        requester: SiteId::from_bytes([1; 32]),
        subject,
        text: "【所見】肝に明らかな占拠性病変を認めません。\n【診断】異常なし。".to_owned(),
        attachment: None,
        at: Timestamp(now()),
        offset_minutes: 540,
    };
    let site = keys.site_key();
    let signers = Signers {
        author: &author,
        delegation: &person.delegation,
        site: &site,
        certificate: keys.certificate(),
    };
    let Composed { issue, kept } = compose(draft, &signers, &parcels).unwrap();
    kept.bundle(&parcels, &issue.key).unwrap()
}

#[test]
fn a_report_verifies_by_itself_and_says_what_it_is_about() {
    let bytes = bundle().to_bytes();
    let verdict = file::verify(&bytes);
    assert_eq!(verdict.findings, []);
    let authentic = verdict.authentic.unwrap();
    assert_eq!(authentic.author.name, "架空 花子");
    assert_eq!(authentic.site.name, "架空大学病院");
    assert_eq!(
        (authentic.subject.series, authentic.subject.objects),
        (1, 3)
    );
    assert!(authentic.pdf.starts_with(b"%PDF-"));
}

#[test]
fn a_report_signed_after_the_revocation_of_a_key_behind_it_does_not_count() {
    let authentic = verify(&bundle(), None).unwrap();
    let signed = authentic.countersigned.seconds();
    assert!(signed >= authentic.report.at.seconds());
    let revoked = |key, since| Revocation {
        site: authentic.site.site,
        revoked: key,
        since,
    };
    let later = UnixSeconds(signed.0 + 1);
    let author = authentic.author.id.key().unwrap();
    for key in [author, authentic.site.key, authentic.site.root] {
        let refused = check_revocations(&authentic, &[revoked(key, signed)]);
        assert_eq!(refused, Err(NotAuthentic::Revoked));
        let before = check_revocations(&authentic, &[revoked(key, later)]);
        assert_eq!(before, Ok(()), "it was signed while the key counted");
    }
    let elsewhere = Revocation {
        site: SiteId::from_bytes([9; 32]),
        ..revoked(author, signed)
    };
    let another = SigningKey::from_seed(Secret32::from_bytes([9; 32])).public();
    let others = [elsewhere, revoked(another, signed)];
    assert_eq!(check_revocations(&authentic, &others), Ok(()));
}

#[test]
fn whoever_has_an_authors_key_does_not_backdate_past_the_countersignature() {
    let mut authentic = verify(&bundle(), None).unwrap();
    let author = authentic.author.id.key().unwrap();
    let since = authentic.report.at.seconds();
    authentic.report.at = Timestamp((since.0 - 86_400) * 1000);
    let revocation = Revocation {
        site: authentic.site.site,
        revoked: author,
        since,
    };
    let refused = check_revocations(&authentic, &[revocation]);
    assert_eq!(refused, Err(NotAuthentic::Revoked));
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    let bytes = bundle().to_bytes();
    for at in (0..bytes.len()).step_by(bytes.len() / 400) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let verdict = file::verify(&changed);
        assert!(verdict.authentic.is_none(), "byte {at} of {}", bytes.len());
        assert!(verdict.findings.iter().any(Finding::is_wrong), "byte {at}");
    }
    assert!(file::verify(&bytes[..bytes.len() - 1]).authentic.is_none());
    assert!(file::verify(b"").authentic.is_none());
}

#[test]
fn each_part_is_bound_to_the_others() {
    let (one, other) = (bundle(), bundle());
    let swapped = |change: &dyn Fn(&mut Bundle)| {
        let mut bundle = one.clone();
        change(&mut bundle);
        verify(&bundle, None).map(|_| ())
    };
    assert_eq!(swapped(&|_| {}), Ok(()));
    assert_eq!(
        swapped(&|bundle| bundle.pdf.clone_from(&other.pdf)),
        Err(NotAuthentic::Pdf)
    );
    assert_eq!(
        swapped(&|bundle| bundle.delegation.clone_from(&other.delegation)),
        Err(NotAuthentic::Author)
    );
    assert_eq!(
        swapped(&|bundle| bundle.certificate.clone_from(&other.certificate)),
        Err(NotAuthentic::Author)
    );
    assert_eq!(
        swapped(&|bundle| bundle.countersignature.clone_from(&other.countersignature)),
        Err(NotAuthentic::Countersignature)
    );
    assert_eq!(
        swapped(&|bundle| bundle.report.clone_from(&other.report)),
        Err(NotAuthentic::Author)
    );
}

#[test]
fn the_dicom_object_of_a_report_verifies_and_shows_what_was_changed_around_it() {
    let bundle = bundle();
    let authentic = verify(&bundle, None).unwrap();
    let object = encapsulated(
        &authentic.report,
        authentic.id,
        &authentic.subject,
        &bundle,
        &authentic.pdf,
    )
    .unwrap();
    let verdict = file::verify(&object.data_set);
    assert_eq!(verdict.findings, []);
    assert!(verdict.authentic.is_some());
    let again = encapsulated(
        &authentic.report,
        authentic.id,
        &authentic.subject,
        &bundle,
        &authentic.pdf,
    )
    .unwrap();
    assert_eq!(
        again.data_set, object.data_set,
        "the same report is the same object"
    );

    let name = authentic
        .subject
        .attributes
        .value(dicom_dictionary_std::tags::PATIENT_ID)
        .unwrap();
    let at = object
        .data_set
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    let mut other_patient = object.data_set.clone();
    other_patient[at] ^= 1;
    let verdict = file::verify(&other_patient);
    assert!(
        verdict.authentic.is_some(),
        "what was signed is still what was signed"
    );
    assert_eq!(verdict.findings, [Finding::ObjectChanged(at)]);
}

#[test]
fn the_images_of_a_report_are_recognised() {
    let bytes = bundle().to_bytes();
    let same = file::verify_with_images(&bytes, Path::new(SERIES)).unwrap();
    assert_eq!(same.findings, []);
    let one = file::verify_with_images(&bytes, &Path::new(SERIES).join("01.dcm")).unwrap();
    assert_eq!(one.findings, [Finding::OtherImages]);
}
