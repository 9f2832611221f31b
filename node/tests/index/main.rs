//! Finding what lies here: from objects as a modality sends them to answers at every level.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lacking;
mod reports;
mod sharing;
mod site;
mod waiting;

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::entities::Scope;
use dokuei_node::index::holdings::{FindError, Level, Selection};
use dokuei_node::index::preparing::Preparing;
use dokuei_node::index::series::Lacking;
use dokuei_node::media::{ImportedStudy, MediaImport, Standing};
use dokuei_node::parcels::ObjectHead;
use dokuei_node::store::Rows;
use dokuei_node::studies::identity::Identity;
use dokuei_node::studies::import::import;
use dokuei_node::studies::patient::Patient;
use dokuei_node::studies::person::Person;

use site::{FIRST, Object, SITE, Site, reopened, site};

const SERIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/ct-3slice");

#[test]
fn a_series_of_a_scanner_is_found_at_every_level_and_opened() {
    let site = site();
    let imported = import(&site.intake(), Path::new(SERIES)).unwrap();
    let uid = &imported.studies[0];
    let study = &site.find(Level::Study, &[]).unwrap()[0];
    assert_eq!(study.code(tags::STUDY_INSTANCE_UID), uid);
    assert_eq!(study.code(tags::NUMBER_OF_STUDY_RELATED_INSTANCES), "3");
    let by_study = [(tags::STUDY_INSTANCE_UID, VR::UI, uid.as_str())];
    let series = site.find(Level::Series, &by_study).unwrap();
    assert_eq!(series.len(), 1);
    assert_eq!(
        series[0].code(tags::NUMBER_OF_SERIES_RELATED_INSTANCES),
        "3"
    );
    assert_eq!(series[0].code(tags::SOP_INSTANCE_UID), "");
    let instances = site.find(Level::Instance, &by_study).unwrap();
    assert_eq!(instances.len(), 3);
    assert!(instances.iter().all(|one| one.short(tags::ROWS).is_some()));
    let wanted = instances[1].code(tags::SOP_INSTANCE_UID);
    let one = site.find(
        Level::Instance,
        &[by_study[0], (tags::SOP_INSTANCE_UID, VR::UI, wanted)],
    );
    assert_eq!(one.unwrap().len(), 1);

    let selection = Selection {
        study: uid.clone(),
        ..Selection::default()
    };
    let here = site.holdings.instances(&Scope::All, &selection);
    assert_eq!(here.len(), 3);
    let mut opened = site.holdings.open(&here[0]).unwrap().unwrap();
    assert!(ObjectHead::read(&mut opened).unwrap().is_some());
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).unwrap();
    assert_eq!(blake3::hash(&bytes).as_bytes(), here[0].content.as_bytes());
}

#[test]
fn metadata_is_the_same_while_a_study_arrives_when_it_is_closed_and_after_a_restart() {
    let site = site();
    let imported = import(&site.intake(), Path::new(SERIES)).unwrap();
    let uid = &imported.studies[0];
    let metadata = |site: &Site| {
        let (all, lacking) = site.metadata(uid);
        assert_eq!((all.len(), lacking), (3, Lacking::default()));
        all
    };
    let arriving = metadata(&site);
    let pixels = arriving[0]["7FE00010"]["BulkDataURI"].as_str().unwrap();
    let instance = arriving[0]["00080018"]["Value"][0].as_str().unwrap();
    assert!(
        pixels.starts_with("/dicom-web/studies/") && pixels.contains(instance),
        "{pixels}"
    );
    let parcel = site.register.parcels_of(uid)[0];
    site.register.close(&parcel).unwrap();
    assert_eq!(metadata(&site), arriving, "closed");
    assert_eq!(metadata(&site), arriving, "kept");
    let lies = site.register.parcels().folder_of(&parcel);
    for file in ["headers-2-0", "metadata-2-0"] {
        let sealed = std::fs::read(lies.join(file)).unwrap_or_default();
        let name = b"ISO_IR";
        assert!(
            sealed.windows(name.len()).all(|bytes| bytes != name),
            "{file}"
        );
        std::fs::write(lies.join(file), b"damaged").unwrap();
    }
    assert_eq!(
        metadata(&reopened(site)),
        arriving,
        "damaged, and read again"
    );
}

#[test]
fn headers_are_written_when_a_study_is_closed_and_after_a_restart() {
    let site = site();
    site.take(&FIRST);
    let close = |study: &str| {
        let parcel = site.register.parcels_of(study)[0];
        site.register.close(&parcel).unwrap();
        site.register
            .parcels()
            .folder_of(&parcel)
            .join("headers-2-0")
    };
    let store = site.store.clone();
    let waiting = || store.count(Rows::Headerless).unwrap();
    let until_written = || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while waiting() > 0 {
            assert!(Instant::now() < deadline, "the headers are not written");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let first = close(FIRST.study);
    assert!(
        waiting() == 1 && !first.exists(),
        "as when a node stops now"
    );
    let start = || {
        let (holdings, store) = (site.holdings.clone(), site.store.clone());
        Preparing::start(holdings, store, site.register.bell()).unwrap()
    };
    let preparing = start();
    until_written();
    assert!(first.is_file());
    site.take(&Object {
        study: "1.2.9",
        series: "1.2.9.1",
        instance: "1.2.9.1.1",
        ..FIRST
    });
    let second = close("1.2.9");
    until_written();
    assert!(second.is_file(), "the bell rang");
    drop(preparing);
}

#[test]
fn one_id_of_two_issuers_is_two_people() {
    let site = site();
    site.take(&FIRST);
    site.take(&Object {
        study: "1.2.2",
        series: "1.2.2.1",
        instance: "1.2.2.1.1",
        issuer: "B",
        date: "20250202",
        ..FIRST
    });
    let id = (tags::PATIENT_ID, VR::LO, "123");
    let alone = site.find(Level::Study, &[id]);
    assert!(matches!(alone, Err(FindError::SeveralIssuers)));
    let of_b = site.find(
        Level::Study,
        &[id, (tags::ISSUER_OF_PATIENT_ID, VR::LO, "B")],
    );
    let of_b = of_b.unwrap();
    assert_eq!(of_b.len(), 1);
    assert_eq!(of_b[0].code(tags::STUDY_INSTANCE_UID), "1.2.2");
    assert_eq!(site.find(Level::Patient, &[]).unwrap().len(), 2);
    let newest = &site.find(Level::Study, &[]).unwrap()[0];
    assert_eq!(newest.code(tags::STUDY_DATE), "20250202");
}

/// FIRST's patient as a hospital names them that gives no issuer, in one of three studies.
fn unissued(study: &'static str, birth_date: &'static str) -> Object<'static> {
    Object {
        study,
        instance: study,
        issuer: "",
        birth_date,
        ..FIRST
    }
}

#[test]
fn an_id_that_nobody_issued_is_one_persons_only_with_name_and_birth_date() {
    let site = site();
    for (study, birth_date) in [
        ("1.3.1", "19700101"),
        ("1.3.2", "19700101"),
        ("1.3.3", "19991231"),
    ] {
        site.take(&unissued(study, birth_date));
    }
    let id = (tags::PATIENT_ID, VR::LO, "123");
    let patients = site.find(Level::Patient, &[id]).unwrap();
    let mut studies: Vec<(&str, &str)> = patients
        .iter()
        .map(|patient| {
            (
                patient.code(tags::PATIENT_BIRTH_DATE),
                patient.code(tags::NUMBER_OF_PATIENT_RELATED_STUDIES),
            )
        })
        .collect();
    studies.sort_unstable();
    assert_eq!(studies, [("19700101", "2"), ("19991231", "1")]);
    // Without a birth date nobody can tell: each is a person of its own.
    site.take(&unissued("1.3.4", ""));
    site.take(&unissued("1.3.5", ""));
    assert_eq!(site.find(Level::Patient, &[id]).unwrap().len(), 4);
}

#[test]
fn a_study_is_of_whom_a_person_said_it_is() {
    let site = site();
    site.take(&FIRST);
    site.take(&Object {
        study: "1.4",
        instance: "1.4.1",
        birth_date: "19991231",
        ..FIRST
    });
    let of_b = Person::said(
        SITE,
        &Patient {
            id: "77".to_owned(),
            issuer: "B".to_owned(),
        },
        &Identity::of(&site.holdings.attributes(&Scope::All, "1.4").unwrap()),
    );
    let studies = |site: &Site, id: &str| {
        let id = (tags::PATIENT_ID, VR::LO, id);
        let found = site.find(Level::Study, &[id]).unwrap();
        let uids = found
            .iter()
            .map(|study| study.code(tags::STUDY_INSTANCE_UID).to_owned());
        uids.collect::<Vec<_>>()
    };
    assert_eq!(studies(&site, "123").len(), 2);
    assert!(site.persons.attribute("1.4", Some(of_b)).is_ok());
    let check = |site: &Site| {
        assert_eq!(studies(site, "123"), [FIRST.study]);
        assert_eq!(studies(site, "77"), ["1.4"]);
        let found = site.find(Level::Patient, &[]).unwrap();
        let mut ids: Vec<&str> = found.iter().map(|one| one.code(tags::PATIENT_ID)).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["123", "77"]);
    };
    check(&site);
    let site = reopened(site);
    check(&site);
    // What it says itself is unchanged, and is heard again when nobody says otherwise.
    assert!(site.persons.attribute("1.4", None).is_ok());
    assert_eq!(studies(&site, "123").len(), 2);
    // Alone, whatever its ID.
    let alone = Person::of_study(SITE, "1.4");
    assert!(site.persons.attribute("1.4", Some(alone)).is_ok());
    assert_eq!(site.find(Level::Patient, &[]).unwrap().len(), 2);
}

#[test]
fn names_are_found_in_any_group_and_spelling() {
    let site = site();
    site.take(&FIRST);
    for name in ["YAMADA*", "山田*", "ﾔﾏﾀﾞ*", "やまだ^たろう"] {
        let found = site.find(Level::Study, &[(tags::PATIENT_NAME, VR::PN, name)]);
        assert_eq!(found.unwrap().len(), 1, "{name}");
    }
    let other = site.find(Level::Study, &[(tags::PATIENT_NAME, VR::PN, "田中*")]);
    assert!(other.unwrap().is_empty());
}

#[test]
fn late_images_are_of_their_study_and_a_removed_one_is_gone() {
    let site = site();
    site.take(&FIRST);
    let parcel = site.register.parcels_of(FIRST.study)[0];
    site.register.close(&parcel).unwrap();
    site.take(&Object {
        instance: "1.2.1.1.2",
        ..FIRST
    });
    let counted = |site: &Site| {
        let found = site.find(Level::Study, &[]).unwrap();
        let count = found.first().map(|study| {
            study
                .code(tags::NUMBER_OF_STUDY_RELATED_INSTANCES)
                .to_owned()
        });
        (found.len(), count.unwrap_or_default())
    };
    assert_eq!(counted(&site), (1, "2".to_owned()));
    site.register.put_away(&parcel).unwrap();
    assert_eq!(counted(&site), (1, "1".to_owned()));
}

/// In how many answers of each kind the first object's study is.
fn shown(site: &Site) -> [usize; 4] {
    let selection = Selection {
        study: FIRST.study.to_owned(),
        ..Selection::default()
    };
    [
        site.find(Level::Study, &[]).unwrap().len(),
        site.holdings.studies(&Scope::All, 10, |_| true).len(),
        site.holdings.with_uid(&Scope::All, FIRST.study).len(),
        site.holdings.instances(&Scope::All, &selection).len(),
    ]
}

#[test]
fn a_pseudonymous_copy_is_nowhere() {
    let site = site();
    site.take(&FIRST);
    assert_eq!(shown(&site), [1; 4]);
    site.holdings.hide(FIRST.study);
    assert_eq!(shown(&site), [0; 4]);
    assert!(!site.register.parcels_of(FIRST.study).is_empty());
}

#[test]
fn a_study_of_which_it_is_undecided_whose_it_is_is_nowhere() {
    let site = site();
    site.take(&FIRST);
    assert_eq!(shown(&site), [1; 4]);
    let mut import = MediaImport::begun(0, "disc".to_owned());
    let study = ImportedStudy::begun(FIRST.study, Standing::Held, Vec::new());
    import.studies.push(study);
    assert!(site.imports.keep(import).is_ok());
    assert_eq!(shown(&site), [0; 4]);
}
