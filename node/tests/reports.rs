//! A report from its signing to its verification by a file alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use dokuei_keys::delegation::{PersonRole, Revocation};
use dokuei_keys::id::{DocumentId, PersonId, SiteId};
use dokuei_keys::secret::{Secret32, StorageKey};
use dokuei_keys::signed::{Signed, recorded};
use dokuei_keys::signing::SigningKey;
use dokuei_keys::time::UnixSeconds;
use dokuei_node::chance::chance;
use dokuei_node::clock::now;
use dokuei_node::dicom::part10::{IMPLEMENTATION_VERSION, file_head};
use dokuei_node::dicom::uid::{
    ENCAPSULATED_PDF_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN, IMPLEMENTATION_CLASS, Uid,
};
use dokuei_node::disk::Room;
use dokuei_node::index::catalogue::Catalogue;
use dokuei_node::language::Failure;
use dokuei_node::parcels::Parcels;
use dokuei_node::reports::bundle::Bundle;
use dokuei_node::reports::compose::{Composed, Draft, Signers, compose};
use dokuei_node::reports::file::{self, Finding, Unlike};
use dokuei_node::reports::rendering::encapsulated;
use dokuei_node::reports::subject::Subject;
use dokuei_node::reports::verify::{NotAuthentic, check_revocations, verify};
use dokuei_node::site::keys::SiteKeys;
use dokuei_node::site::people::{self, NewPerson, Person};
use dokuei_node::site::{SiteFolder, passphrase};
use dokuei_node::store::Store;
use dokuei_node::studies::import::import;
use dokuei_node::studies::intake::StudyIntake;
use dokuei_node::studies::register::Register;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::{Countersignature, Report, ReportStatus};
use dokuei_protocol::service::NextVersion;
use dokuei_protocol::time::Timestamp;
use tempfile::TempDir;
use zeroize::Zeroizing;

const SERIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/ct-3slice");

/// A reading site and its people.
struct Hospital {
    home: TempDir,
    folder: SiteFolder,
    keys: SiteKeys,
    secret: Zeroizing<Vec<u8>>,
}

impl Hospital {
    fn new() -> Hospital {
        let home = tempfile::tempdir().unwrap();
        let folder = SiteFolder::new(home.path());
        std::fs::create_dir_all(folder.keys_folder()).unwrap();
        let at = UnixSeconds(now() / 1000);
        let (keys, _root) = SiteKeys::create("架空大学病院", at, &mut chance()).unwrap();
        let secret = passphrase::create(&folder, &mut chance()).unwrap();
        Hospital {
            home,
            folder,
            keys,
            secret,
        }
    }

    /// Somebody with a key.
    fn enrol(&self, role: PersonRole) -> (Person, SigningKey) {
        let at = UnixSeconds(now() / 1000);
        let new = NewPerson {
            name: "架空 花子",
            role,
            licence: "123456",
        };
        let (folder, secret) = (&self.folder, &self.secret);
        let person = people::enrol(folder, &self.keys, &new, secret, at, &mut chance()).unwrap();
        let key = people::unlock(folder, &person.id, secret).unwrap();
        assert_eq!(PersonId::from(key.public()), person.id);
        (person, key)
    }

    /// A final report on the fixture, composed as a reading site composes it.
    fn compose(&self, (person, author): &(Person, SigningKey)) -> Result<Bundle, Failure> {
        let home = self.home.path();
        let store = Store::open(&home.join("store.redb")).unwrap();
        let parcels = Parcels::open(self.folder.parcels()).unwrap();
        let storage = StorageKey::from_secret(Secret32::from_bytes([3; 32]));
        let register = Register::open(
            SiteId::from_bytes([1; 32]),
            parcels.clone(),
            store,
            storage,
            Catalogue::default(),
        )
        .unwrap();
        let intake = StudyIntake::new(register.clone(), Room::under(home));
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
        let site = self.keys.site_key();
        let signers = Signers {
            author,
            delegation: &person.delegation,
            site: &site,
            certificate: self.keys.certificate(),
        };
        let Composed { issue, kept } = compose(draft, &signers, &parcels)?;
        Ok(kept.bundle(&parcels, &issue.key).unwrap())
    }

    /// The same report as another person of this site would sign it, and the site countersign it.
    fn sign_as(&self, (person, key): &(Person, SigningKey), bundle: &Bundle) -> Bundle {
        let mut report: Report = recorded(&bundle.report).unwrap();
        report.author = person.id;
        let report = Signed::sign(report, key).unwrap();
        let mut countersignature: Countersignature = recorded(&bundle.countersignature).unwrap();
        countersignature.report = report.id();
        countersignature.delegation = DocumentId::of(&person.delegation);
        let countersignature = Signed::sign(countersignature, &self.keys.site_key()).unwrap();
        Bundle {
            delegation: person.delegation.clone().into(),
            report: report.bytes().to_vec().into(),
            countersignature: countersignature.bytes().to_vec().into(),
            ..bundle.clone()
        }
    }
}

const NO_READERS: [PersonRole; 3] = [
    PersonRole::AttendingDoctor,
    PersonRole::Technologist,
    PersonRole::Administrator,
];

fn bundle() -> Bundle {
    let hospital = Hospital::new();
    let reader = hospital.enrol(PersonRole::Reader);
    hospital.compose(&reader).ok().unwrap()
}

#[test]
fn who_is_no_reader_composes_no_report() {
    let hospital = Hospital::new();
    for role in NO_READERS {
        let refused = hospital.compose(&hospital.enrol(role)).err().unwrap();
        assert_eq!(refused.code, "not-a-reader", "{role:?}");
    }
}

#[test]
fn a_report_that_somebody_else_signed_is_refused_by_its_file_alone() {
    let hospital = Hospital::new();
    let bundle = hospital
        .compose(&hospital.enrol(PersonRole::Reader))
        .ok()
        .unwrap();
    let other_reader = hospital.sign_as(&hospital.enrol(PersonRole::Reader), &bundle);
    assert_eq!(file::verify(&other_reader.to_bytes()).findings, []);
    for role in NO_READERS {
        let signed = hospital.sign_as(&hospital.enrol(role), &bundle);
        assert_eq!(
            verify(&signed, None).err(),
            Some(NotAuthentic::NotAReader),
            "{role:?}"
        );
        let verdict = file::verify(&signed.to_bytes());
        assert!(verdict.authentic.is_none(), "{role:?}");
        let findings = [Finding::NotAuthentic(NotAuthentic::NotAReader)];
        assert_eq!(verdict.findings, findings, "{role:?}");
    }
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

/// The positions of all that has structure, and a sample of the printed form, of which one digest is signed.
fn sample(bytes: &[u8], pdf: &[u8]) -> Vec<usize> {
    let begin = bytes
        .windows(64)
        .position(|window| window == &pdf[..64])
        .unwrap();
    let end = begin + pdf.len();
    let inside = (begin + 64..end - 64).step_by(pdf.len() / 150);
    (0..begin + 64)
        .chain(inside)
        .chain(end - 64..bytes.len())
        .collect()
}

/// Changes each of these bytes in turn, one bit or the case of a letter, and has the file judged.
fn change_each(bytes: &[u8], positions: &[usize], judge: impl Fn(usize, &file::Verdict)) {
    let mut changed = bytes.to_vec();
    for &at in positions {
        for mask in [1 << (at % 8), 0x20] {
            changed[at] ^= mask;
            judge(at, &file::verify(&changed));
            changed[at] ^= mask;
        }
    }
}

#[test]
fn a_changed_byte_anywhere_in_a_bundle_is_found() {
    let bundle = bundle();
    let bytes = bundle.to_bytes();
    let positions = sample(&bytes, bundle.pdf.as_deref().unwrap());
    assert!(positions.len() > 1000);
    change_each(&bytes, &positions, |at, verdict| {
        assert!(verdict.authentic.is_none(), "byte {at}");
        assert!(verdict.findings.iter().any(Finding::is_wrong), "byte {at}");
    });
    assert!(file::verify(&bytes[..bytes.len() - 1]).authentic.is_none());
    assert!(
        file::verify(&[&bytes[..], &[0]].concat())
            .authentic
            .is_none()
    );
    assert!(file::verify(b"").authentic.is_none());
}

/// The DICOM file of a report, and its PDF.
fn dicom_file() -> (Vec<u8>, Vec<u8>) {
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
    let instance = Uid::parse(object.sop_instance_uid.as_bytes()).unwrap();
    let mut bytes = file_head(
        &ENCAPSULATED_PDF_STORAGE,
        &instance,
        &EXPLICIT_VR_LITTLE_ENDIAN,
    );
    bytes.extend_from_slice(&object.data_set);
    (bytes, authentic.pdf)
}

#[test]
fn a_changed_byte_anywhere_in_a_dicom_file_is_found() {
    let (bytes, pdf) = dicom_file();
    assert_eq!(file::verify(&bytes).findings, []);
    let positions = sample(&bytes, &pdf);
    assert!(positions.len() > 2000);
    change_each(&bytes, &positions, |at, verdict| {
        assert!(verdict.findings.iter().any(Finding::is_wrong), "byte {at}");
    });
    for changed in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0; 2]].concat()] {
        let verdict = file::verify(changed);
        assert!(verdict.findings.iter().any(Finding::is_wrong));
    }
}

#[test]
fn a_head_is_believed_to_be_exported_only_when_it_is_whole_and_right() {
    let (bytes, _) = dicom_file();
    let replaced = |pairs: &[(&[u8], &[u8])]| {
        let mut changed = bytes.clone();
        for (from, to) in pairs {
            assert_eq!(from.len(), to.len());
            let at = changed
                .windows(from.len())
                .position(|window| window == *from)
                .unwrap();
            changed[at..at + to.len()].copy_from_slice(to);
        }
        file::verify(&changed)
    };
    let class = IMPLEMENTATION_CLASS;
    let class = class.as_str().as_bytes();
    let other_class = [b"1.2", vec![b'3'; class.len() - 3].as_slice()].concat();
    let name = IMPLEMENTATION_VERSION.trim_end().as_bytes();
    let other_name = vec![b'X'; name.len()];
    let exported = [(class, &other_class[..]), (name, &other_name[..])];
    let verdict = replaced(&exported);
    assert_eq!(verdict.findings, [Finding::HeadRewritten]);
    assert!(verdict.authentic.is_some());
    // One of the two alone no program writes.
    assert!(replaced(&exported[..1]).findings[0].is_wrong());
    assert!(replaced(&exported[1..]).findings[0].is_wrong());
    // Another object's name in it.
    let begin = bytes.windows(4).position(|w| w == b"\x02\0\x03\0").unwrap() + 8;
    let length = usize::from(bytes[begin - 2]);
    let instance = &bytes[begin..begin + length];
    let mut other = instance.to_vec();
    other[length - 2] ^= 1;
    let foreign = [exported[0], exported[1], (instance, &other[..])];
    assert!(replaced(&foreign).findings[0].is_wrong());
}

#[test]
fn the_images_of_a_report_are_recognised() {
    let bytes = bundle().to_bytes();
    let same = file::verify_with_images(&bytes, Path::new(SERIES)).unwrap();
    let [Finding::SameImages(count)] = same.findings[..] else {
        panic!("{:?}", same.findings);
    };
    assert!(count > 1 && !same.findings[0].is_wrong());
    let one = file::verify_with_images(&bytes, &Path::new(SERIES).join("01.dcm")).unwrap();
    let unlike = Unlike {
        read: count,
        given: 1,
        missing: count as usize - 1,
        extra: 0,
    };
    assert_eq!(one.findings, [Finding::OtherImages(unlike)]);
    assert!(one.findings[0].is_wrong());
    // The same names around other content.
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(SERIES).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let changed = folder.path().join("01.dcm");
    let mut image = std::fs::read(&changed).unwrap();
    *image.last_mut().unwrap() ^= 1;
    std::fs::write(&changed, image).unwrap();
    let other = file::verify_with_images(&bytes, folder.path()).unwrap();
    let [Finding::OtherImages(unlike)] = other.findings[..] else {
        panic!("{:?}", other.findings);
    };
    assert_eq!((unlike.missing, unlike.extra), (0, 0));
    assert!(other.findings[0].message().en.contains("content"));
}

#[test]
fn a_pdf_alone_is_told_apart() {
    let verdict = file::verify(b"%PDF-1.7 and so on");
    let findings = [Finding::NotAuthentic(NotAuthentic::PdfAlone)];
    assert_eq!(verdict.findings, findings);
    assert!(
        verdict.authentic.is_none() && findings[0].message().en.contains("carries no signature")
    );
}
