//! We query and retrieve: from dcmtk's `dcmqrscp`, from ourselves, and from archives that misbehave.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{self, DataSet};
use dokuei_node::dicom::dimse::{Level, Model};
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::dicom::scu::{Destination, Found, ScuFault, echo, find, retrieve};

use crate::dcmtk;
use crate::folder::Folder;
use crate::memory::{self, Memory, PATIENCE};
use crate::object::*;
use crate::query::STUDY_ROOT_FIND;
use crate::raw;
use crate::send::{destination, impatient};
use crate::shelf::{self, STUDY, Shelf, identifier};

/// A running `dcmqrscp` that knows one entity to send to.
struct Archive {
    child: Child,
    destination: Destination,
    _folder: Folder,
}

impl Archive {
    fn start(reader: SocketAddr) -> Self {
        let folder = Folder::new();
        let storage = folder.path().join("ARCHIVE");
        std::fs::create_dir(&storage).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = format!(
            "NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n\
             HostTable BEGIN\nreader = (CLINIC, localhost, {})\nHostTable END\n\
             VendorTable BEGIN\nVendorTable END\n\
             AETable BEGIN\nARCHIVE {} RW (100, 1024mb) ANY\nAETable END\n",
            reader.port(),
            storage.to_str().unwrap()
        );
        let at = folder.path().join("dcmqrscp.cfg");
        std::fs::write(&at, config).unwrap();
        let child = Command::new("dcmqrscp")
            .arg("-c")
            .arg(&at)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut to = destination(([127, 0, 0, 1], port).into());
        to.called_ae = "ARCHIVE".parse().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() || echo(&to).is_err() {
            assert!(begun.elapsed() < PATIENCE, "dcmqrscp does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Archive {
            child,
            destination: to,
            _folder: folder,
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// All matches, at most `most`.
fn ask(to: &Destination, keys: &DataSet, most: usize) -> Result<(Vec<DataSet>, Found), ScuFault> {
    let mut all = Vec::new();
    let found = find(to, Model::StudyRoot, Level::Study, keys, most, &mut |one| {
        all.push(one);
        ControlFlow::Continue(())
    })?;
    Ok((all, found))
}

fn of_patient() -> DataSet {
    identifier(
        "STUDY",
        &[
            (tags::PATIENT_ID, VR::LO, "P-1 "),
            (tags::PATIENT_NAME, VR::PN, ""),
            (tags::STUDY_INSTANCE_UID, VR::UI, ""),
        ],
    )
}

#[test]
fn an_archive_is_asked_for_studies_and_sends_them_here() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let archive = Archive::start(scp.local_addr());
    let objects: Vec<Object> = (0..7).map(|n| Object::new(CT, EXPLICIT, n, 32)).collect();
    let files = Folder::new();
    for object in &objects {
        object.write_file(files.path());
    }
    let port = archive.destination.port;
    let ran = dcmtk::storescu(
        ([127, 0, 0, 1], port).into(),
        &["-aec", "ARCHIVE"],
        files.path(),
    );
    assert!(ran.success, "{}", ran.output);
    let (found, ended) = ask(&archive.destination, &of_patient(), 100).unwrap();
    assert_eq!((found.len(), ended), (1, Found::All));
    assert_eq!(found[0].code(tags::STUDY_INSTANCE_UID), STUDY);
    assert_eq!(found[0].text(tags::PATIENT_NAME), "PHANTOM^HEAD");
    let wanted = identifier("STUDY", &[(tags::STUDY_INSTANCE_UID, VR::UI, STUDY)]);
    let fetch = |title: &str| {
        let to = title.parse().unwrap();
        let (model, level) = (Model::StudyRoot, Level::Study);
        retrieve(&archive.destination, model, level, &wanted, &to, &|| true)
    };
    let retrieved = fetch("CLINIC").unwrap();
    assert_eq!((retrieved.status, retrieved.completed), (0, 7));
    memory.assert_kept(&objects);
    let fault = fetch("NOBODY").unwrap_err();
    assert!(matches!(fault, ScuFault::Failed(0xA801)), "{fault}");
}

#[test]
fn an_archive_that_has_more_than_is_wanted_is_cancelled() {
    let (scp, shelf, _) = shelf::start(Shelf {
        studies: 100_000,
        ..Shelf::default()
    });
    let to = destination(scp.local_addr());
    let (found, ended) = ask(&to, &of_patient(), 10).unwrap();
    assert_eq!((found.len(), ended), (10, Found::Some));
    let told = shelf.found.load(std::sync::atomic::Ordering::Relaxed);
    assert!(told < 100_000, "{told}");
}

/// An archive that accepts the query's context and then sends `bytes`, `times` over.
fn liar(bytes: Vec<u8>, times: usize) -> Destination {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = impatient(listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use dicom_ul::association::server::ServerAssociationOptions;
        use std::io::Write;
        let options = ServerAssociationOptions::new()
            .ae_title("DOKUEI")
            .with_abstract_syntax(STUDY_ROOT_FIND);
        let (socket, _) = listener.accept().unwrap();
        let mut raw = socket.try_clone().unwrap();
        let mut association = options.establish(socket).unwrap();
        let _request = association.receive();
        for _ in 0..times {
            if raw.write_all(&bytes).is_err() {
                return;
            }
        }
        // Until the other side leaves.
        while association.receive().is_ok() {}
    });
    to
}

fn response(status: u16, has_data_set: bool) -> Vec<u8> {
    let kind: u16 = if has_data_set { 1 } else { 0x0101 };
    let command = raw::command(&[
        (0x0100, &[0x20, 0x80]),
        (0x0120, &[1, 0]),
        (0x0800, &kind.to_le_bytes()),
        (0x0900, &status.to_le_bytes()),
    ]);
    raw::data(1, true, true, &command)
}

#[test]
fn archives_that_misbehave_are_left() {
    let keys = of_patient();
    let with = |data_set: &[u8]| {
        let mut bytes = response(0xFF00, true);
        bytes.extend(raw::data(1, false, true, data_set));
        bytes
    };
    let one = dataset::write(&of_patient(), Encoding::ExplicitLittle);
    // One that never ends is asked no further.
    let (found, ended) = ask(&liar(with(&one), 1_000_000), &keys, 50).unwrap();
    assert_eq!((found.len(), ended), (50, Found::Some));
    // Garbage, a match without a data set, silence, and a failure.
    let fault = |bytes: Vec<u8>| ask(&liar(bytes, 1), &keys, 50).err().unwrap().to_string();
    assert!(fault(with(&[0xFF; 40])).contains("cannot be read"));
    assert!(fault(response(0xFF00, false)).contains("no data set"));
    let silence = fault(Vec::new());
    assert!(silence.contains("response"), "{silence}");
    assert!(fault(response(0xA700, false)).contains("A700"));
    let mut endless = response(0xFF00, true);
    for _ in 0..17 {
        endless.extend(raw::data(1, false, false, &[0; 64 * 1024]));
    }
    assert!(fault(endless).contains("1 MiB"));
}
