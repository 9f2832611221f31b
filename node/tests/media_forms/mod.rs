//! What is kept of media: the receipts of imports, and whose studies are.

use dokuei_keys::id::ParcelId;
use dokuei_node::media::{Decision, ImportedFile, ImportedStudy, MediaImport, Standing};
use dokuei_node::studies::identity::Identity;
use dokuei_node::studies::patient::Patient;
use dokuei_node::studies::person::Person;
use dokuei_node::studies::persons::{ATTRIBUTION_VERSION, Attribution};

use crate::{AT, check, clinic};

#[test]
fn receipts_of_imports() {
    let study = |standing| ImportedStudy {
        objects: 3,
        ..ImportedStudy::begun("1.2.3", standing, Vec::new())
    };
    let patient = Patient {
        id: "ID".to_owned(),
        issuer: "ISSUER".to_owned(),
    };
    let decided = |decision| Standing::Decided(decision, AT.0);
    let mut import = MediaImport::begun(AT.0, "somewhere".to_owned());
    (import.taken, import.refused, import.missing_count) = (3, 1, 1);
    import.missing = vec!["IMAGES/ONE".to_owned()];
    import.skipped = vec![ImportedFile {
        file: "README".to_owned(),
        ja: "理由".to_owned(),
        en: "why".to_owned(),
    }];
    import.studies = vec![
        study(Standing::Known),
        study(Standing::Matched("1.2.4".to_owned())),
        study(Standing::Held),
        study(decided(Decision::OfPatient(patient))),
        study(decided(Decision::AsItIs)),
        study(decided(Decision::Discarded)),
    ];
    check("imports-1", import);
}

#[test]
fn a_study_that_is_removed_and_one_that_was_here_before() {
    let mut import = MediaImport::begun(AT.0, "somewhere".to_owned());
    let before = vec![ParcelId::from_bytes([1; 32])];
    let mut sent = ImportedStudy::begun("1.2.4", Standing::Held, before);
    sent.also_sent = true;
    let discarding = ImportedStudy::begun("1.2.3", Standing::Discarding, Vec::new());
    import.studies = vec![discarding, sent];
    check("imports-1-open", import);
}

#[test]
fn whose_studies_are() {
    let patient = |issuer: &str| Patient {
        id: "ID".to_owned(),
        issuer: issuer.to_owned(),
    };
    let names = ["name".to_owned(), String::new(), String::new()];
    let named = Identity::named(patient(""), names, "19700101");
    let site = clinic();
    let persons = [
        ("persons-1", Person::said(site, &patient("ISSUER"), &named)),
        ("persons-1-named", Person::said(site, &patient(""), &named)),
        ("persons-1-alone", Person::of_study(site, "1.2.3")),
    ];
    for (name, person) in persons {
        let kept = Attribution {
            version: ATTRIBUTION_VERSION,
            study: "1.2.3".to_owned(),
            person,
        };
        check(name, kept);
    }
}
