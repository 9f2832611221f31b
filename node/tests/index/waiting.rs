//! A search that finds nothing, for whoever waits for it.

use std::ops::ControlFlow;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_keys::id::ParcelId;
use dokuei_node::dicom::dataset::DataSet;
use dokuei_node::dicom::matching::Keys;
use dokuei_node::entities::Scope;
use dokuei_node::index::find::Found;
use dokuei_node::index::holdings::Level;
use dokuei_node::studies::study::{Series, Study};

use crate::site::{SITE, site};

#[test]
fn whoever_waits_for_what_is_not_there_is_looked_after() {
    let site = site();
    let mut study = Study::begun(ParcelId::from_bytes([1; 32]), "1.2.1", 0);
    study.series.push(Series {
        uid: "1.2.1.1".to_owned(),
        modality: "CT".to_owned(),
        number: None,
        description: Vec::new().into(),
        objects: 1,
    });
    for number in 0..5000 {
        study.uid = format!("1.2.{number}");
        site.catalogue.note(SITE, &study);
    }
    let search = |level, tag, most: usize| {
        let mut identifier = DataSet::default();
        identifier.put_text(tag, VR::LO, "NOBODY");
        let keys = Keys::read(&identifier).unwrap();
        let mut looks = 0;
        let mut answer = |found: Found<'_>| {
            assert!(matches!(found, Found::InVain));
            looks += 1;
            match looks < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        };
        let found = site.holdings.find(&Scope::All, level, &keys, &mut answer);
        assert!(found.is_ok());
        looks
    };
    for level in [Level::Patient, Level::Study, Level::Series, Level::Instance] {
        assert!(search(level, tags::STUDY_DESCRIPTION, usize::MAX) >= 4);
        assert_eq!(search(level, tags::STUDY_DESCRIPTION, 2), 2);
        // Numbers are looked up where those of all studies stand together.
        assert_eq!(search(level, tags::PATIENT_ID, usize::MAX), 0);
    }
}
