//! One site with what it holds, and objects as a modality sends them.

use std::ops::ControlFlow;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_keys::id::SiteId;
use dokuei_keys::secret::{Secret32, StorageKey};
use dokuei_node::dicom::dataset::{self, DataSet};
use dokuei_node::dicom::matching::Keys;
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::dicom::scp::ObjectWriter as _;
use dokuei_node::disk::Room;
use dokuei_node::entities::Scope;
use dokuei_node::index::catalogue::Catalogue;
use dokuei_node::index::find::Found;
use dokuei_node::index::holdings::{FindError, Holdings, Level, Selection};
use dokuei_node::index::series::Lacking;
use dokuei_node::media::Imports;
use dokuei_node::parcels::{ObjectHead, Parcels};
use dokuei_node::reports::objects::ReportObjects;
use dokuei_node::store::Store;
use dokuei_node::studies::granted::GrantedStudies;
use dokuei_node::studies::intake::StudyIntake;
use dokuei_node::studies::persons::Persons;
use dokuei_node::studies::register::Register;

pub(crate) const SITE: SiteId = SiteId::from_bytes([7; 32]);
pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";

pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) catalogue: Catalogue,
    pub(crate) register: Register,
    pub(crate) granted: GrantedStudies,
    pub(crate) holdings: Holdings,
    pub(crate) imports: Imports,
    pub(crate) persons: Persons,
    pub(crate) reports: ReportObjects,
}

pub(crate) fn storage() -> StorageKey {
    StorageKey::from_secret(Secret32::from_bytes([9; 32]))
}

pub(crate) fn open(folder: tempfile::TempDir) -> Site {
    let store = Store::open(&folder.path().join("store.redb")).unwrap();
    let parcels = Parcels::open(folder.path().join("parcels")).unwrap();
    let catalogue = Catalogue::default();
    let register =
        Register::open(SITE, parcels, store.clone(), storage(), catalogue.clone()).unwrap();
    let granted =
        GrantedStudies::open(store.clone(), storage(), catalogue.clone(), register.bell())
            .ok()
            .unwrap();
    let imports = Imports::open(store.clone(), storage()).ok().unwrap();
    let kept = (store.clone(), storage());
    let reports = ReportObjects::open(kept, register.parcels().clone(), catalogue.clone())
        .ok()
        .unwrap();
    let persons = Persons::open(SITE, (store.clone(), storage()), catalogue.clone())
        .ok()
        .unwrap();
    let holdings = Holdings::new(
        (register.clone(), granted.clone(), reports.clone()),
        (store.clone(), storage()),
        catalogue.clone(),
        imports.clone(),
    );
    Site {
        folder,
        store,
        catalogue,
        register,
        granted,
        holdings,
        imports,
        persons,
        reports,
    }
}

/// The same site after a restart.
pub(crate) fn reopened(site: Site) -> Site {
    let Site {
        folder,
        store,
        register,
        granted,
        holdings,
        imports,
        persons,
        reports,
        ..
    } = site;
    drop((
        store, register, granted, holdings, imports, persons, reports,
    ));
    open(folder)
}

pub(crate) fn site() -> Site {
    open(tempfile::tempdir().unwrap())
}

/// An object with a few attributes, through the intake.
pub(crate) struct Object<'a> {
    pub(crate) study: &'a str,
    pub(crate) series: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) id: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) date: &'a str,
    pub(crate) birth_date: &'a str,
}

impl Site {
    pub(crate) fn intake(&self) -> StudyIntake {
        StudyIntake::new(self.register.clone(), Room::under(self.folder.path()))
    }

    pub(crate) fn take(&self, object: &Object<'_>) {
        let mut set = DataSet::default();
        set.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        set.put_text(tags::SOP_CLASS_UID, VR::UI, CT);
        set.put_text(tags::SOP_INSTANCE_UID, VR::UI, object.instance);
        set.put_text(tags::STUDY_DATE, VR::DA, object.date);
        set.put_text(tags::MODALITY, VR::CS, "CT");
        set.put_text(
            tags::PATIENT_NAME,
            VR::PN,
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        );
        set.put_text(tags::PATIENT_ID, VR::LO, object.id);
        set.put_text(tags::ISSUER_OF_PATIENT_ID, VR::LO, object.issuer);
        set.put_text(tags::PATIENT_BIRTH_DATE, VR::DA, object.birth_date);
        set.put_text(tags::STUDY_INSTANCE_UID, VR::UI, object.study);
        set.put_text(tags::SERIES_INSTANCE_UID, VR::UI, object.series);
        self.take_bytes(
            object.instance,
            &dataset::write(&set, Encoding::ExplicitLittle),
        );
    }

    /// A data set in Explicit VR Little Endian, as a device wrote it.
    pub(crate) fn take_bytes(&self, instance: &str, bytes: &[u8]) {
        let head = ObjectHead {
            sop_class: CT.to_owned(),
            sop_instance: instance.to_owned(),
            transfer_syntax: EXPLICIT.to_owned(),
        };
        let intake = self.intake();
        let mut arriving = Box::new(intake.object(head).ok().unwrap());
        for piece in bytes.chunks(1 << 20) {
            assert!(arriving.write(piece).is_ok());
        }
        assert!(arriving.commit().is_ok());
    }

    pub(crate) fn find(
        &self,
        level: Level,
        keys: &[(Tag, VR, &str)],
    ) -> Result<Vec<DataSet>, FindError> {
        let mut identifier = DataSet::default();
        identifier.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        for (tag, vr, value) in keys {
            identifier.put_text(*tag, *vr, value);
        }
        let keys = Keys::read(&identifier).unwrap();
        let mut found = Vec::new();
        self.holdings.find(&Scope::All, level, &keys, &mut |one| {
            if let Found::Match(known, _) = one {
                found.push(known);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The metadata of a study, and what is lacking of it.
    pub(crate) fn metadata(&self, study: &str) -> (Vec<serde_json::Value>, Lacking) {
        let selection = Selection {
            study: study.to_owned(),
            ..Selection::default()
        };
        let metadata = self.holdings.metadata(&Scope::All, &selection).unwrap();
        let metadata = metadata.unwrap();
        let lacking = metadata.lacking();
        let mut out = b"[".to_vec();
        let count = metadata.write("/dicom-web", &mut out).unwrap();
        out.push(b']');
        let all: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(all.len(), count);
        (all, lacking)
    }
}

pub(crate) const FIRST: Object<'static> = Object {
    study: "1.2.1",
    series: "1.2.1.1",
    instance: "1.2.1.1.1",
    id: "123",
    issuer: "A",
    date: "20250101",
    birth_date: "19700101",
};
