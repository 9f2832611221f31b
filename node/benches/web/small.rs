//! Small studies, and a data folder that is full of them.

use std::io::{self, Cursor, Read};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{DataSet, write};
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::dicom::scp::ObjectWriter as _;
use dokuei_node::dicom::scu::Outgoing;
use dokuei_node::disk::Room;
use dokuei_node::index::catalogue::Catalogue;
use dokuei_node::index::holdings::Holdings;
use dokuei_node::index::preparing::Preparing;
use dokuei_node::media::Imports;
use dokuei_node::parcels::{ObjectHead, Parcels};
use dokuei_node::reports::objects::ReportObjects;
use dokuei_node::site::{SiteFolder, keys::SiteKeys, passphrase};
use dokuei_node::store::{Rows, Store};
use dokuei_node::studies::granted::GrantedStudies;
use dokuei_node::studies::intake::StudyIntake;
use dokuei_node::studies::register::Register;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
/// A file system in memory, where the thousand small waits for a disk cost nothing.
const MEMORY: &str = "/dev/shm";
const HEADERS: Duration = Duration::from_secs(600);

/// Fills the data folder of a site that does not run with the studies `1..=studies`. Each goes through the intake, is closed and gets
/// its headers, all by the node's own code, in a copy of the folder that lies in memory; then the copy is moved to its place.
pub(crate) fn fill(folder: &Path, studies: u64) {
    let memory = tempfile::tempdir_in(MEMORY).expect("a file system in memory is needed");
    copy(folder, memory.path());
    let site = SiteFolder::new(memory.path());
    let passphrase = passphrase::find(&site, None).ok().unwrap();
    let keys = SiteKeys::open(&site, &passphrase).ok().unwrap();
    let storage = || keys.storage().duplicate();
    let store = Store::open(&site.database()).ok().unwrap();
    let parcels = Parcels::open(site.parcels()).unwrap();
    let catalogue = Catalogue::default();
    let own = keys.site_certificate().ok().unwrap().site;
    let register = Register::open(own, parcels, store.clone(), storage(), catalogue.clone());
    let register = register.unwrap();
    let bell = Arc::default();
    let granted = GrantedStudies::open(store.clone(), storage(), catalogue.clone(), bell);
    let imports = Imports::open(store.clone(), storage()).unwrap();
    let kept = (store.clone(), storage());
    let reports = ReportObjects::open(kept, register.parcels().clone(), catalogue.clone());
    let studies_here = (register.clone(), granted.unwrap(), reports.unwrap());
    let holdings = Holdings::new(studies_here, (store.clone(), storage()), catalogue, imports);
    let preparing = Preparing::start(holdings, store.clone(), register.bell()).unwrap();
    let intake = StudyIntake::new(register.clone(), Room::under(memory.path()));
    let share = |first: u64| {
        for number in (first..=studies).step_by(2) {
            let small = Small::new(number);
            take(&intake, &small);
            let parcel = register.parcels_of(&small.study)[0];
            register.close(&parcel).unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| share(1));
        scope.spawn(|| share(2));
    });
    let deadline = Instant::now() + HEADERS;
    while store.count(Rows::Headerless).unwrap() > 0 {
        assert!(Instant::now() < deadline, "headers are not written");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop((preparing, intake, register, store));
    copy(memory.path(), folder);
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .arg(from.join("."))
        .arg(to)
        .status();
    assert!(copied.unwrap().success());
}

fn take(intake: &StudyIntake, small: &Small) {
    let head = ObjectHead {
        sop_class: CT.to_owned(),
        sop_instance: small.instance.clone(),
        transfer_syntax: small.transfer_syntax().to_owned(),
    };
    let mut arriving = Box::new(intake.object(head).ok().unwrap());
    assert!(arriving.write(&small.bytes).is_ok() && arriving.commit().is_ok());
}

/// A study of one image of four pixels.
pub(crate) struct Small {
    study: String,
    instance: String,
    bytes: Vec<u8>,
}

impl Small {
    pub(crate) fn new(number: u64) -> Small {
        let study = format!("2.25.9{number:018}");
        let instance = format!("{study}.1.1");
        let mut set = DataSet::default();
        set.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        set.put_text(tags::SOP_CLASS_UID, VR::UI, CT);
        set.put_text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
        let day = 1 + number % 28;
        set.put_text(
            tags::STUDY_DATE,
            VR::DA,
            &format!("2025{:02}{day:02}", 1 + number % 12),
        );
        set.put_text(
            tags::STUDY_TIME,
            VR::TM,
            &format!("{:02}{:02}00", number % 24, number % 60),
        );
        set.put_text(tags::ACCESSION_NUMBER, VR::SH, &format!("A{number}"));
        set.put_text(tags::MODALITY, VR::CS, "CT");
        set.put_text(tags::STUDY_DESCRIPTION, VR::LO, "頭部 CT");
        set.put_text(
            tags::PATIENT_NAME,
            VR::PN,
            &format!("Phantom^N{number}=模擬^{number}=もぎ^{number}"),
        );
        set.put_text(tags::PATIENT_ID, VR::LO, &format!("P{number}"));
        set.put_text(tags::PATIENT_BIRTH_DATE, VR::DA, "19500401");
        set.put_text(tags::PATIENT_SEX, VR::CS, "O");
        set.put_text(tags::STUDY_INSTANCE_UID, VR::UI, &study);
        set.put_text(tags::SERIES_INSTANCE_UID, VR::UI, &format!("{study}.1"));
        set.put_text(tags::INSTANCE_NUMBER, VR::IS, "1");
        set.put_short(tags::SAMPLES_PER_PIXEL, 1);
        set.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        for (tag, value) in [
            (tags::ROWS, 2),
            (tags::COLUMNS, 2),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 16),
        ] {
            set.put_short(tag, value);
        }
        set.put_short(tags::HIGH_BIT, 15);
        set.put_short(tags::PIXEL_REPRESENTATION, 0);
        set.put_bytes(tags::PIXEL_DATA, VR::OW, vec![0; 8]);
        Small {
            study,
            instance,
            bytes: write(&set, Encoding::ExplicitLittle),
        }
    }
}

impl Outgoing for Small {
    fn sop_class(&self) -> &str {
        CT
    }

    fn sop_instance(&self) -> &str {
        &self.instance
    }

    fn transfer_syntax(&self) -> &str {
        "1.2.840.10008.1.2.1"
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Cursor::new(&self.bytes)))
    }
}
