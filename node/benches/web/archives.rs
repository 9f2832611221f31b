//! The archives that are compared, and what they are filled with.

use std::io::{self, Cursor, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{DataSet, write};
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::dicom::scu::{self, Destination, Outgoing, Timeouts};
use serde_json::{Value, json};

use crate::study::MadeStudy;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dokuei");
const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const START: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// Small studies sent without a pause, and the pause: dokuei takes 1,000 arriving studies, each for its quiet second.
const PORTION: u64 = 400;
const BETWEEN: Duration = Duration::from_millis(1500);

/// A running archive. Dropped, it ends.
pub(crate) struct Archive {
    pub(crate) name: &'static str,
    pub(crate) web: SocketAddr,
    pub(crate) root: &'static str,
    pub(crate) token: Option<String>,
    dimse: SocketAddr,
    process: Child,
}

impl Drop for Archive {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if self.name != "dokuei" {
            let _ended = self.process.kill();
        }
        let _ended = self.process.wait();
    }
}

/// The most memory that an archive's process held, in MiB.
pub(crate) fn peak_mebibytes(archive: &Archive) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", archive.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .trim()
        .parse()
        .unwrap();
    kib / 1024.0
}

/// The built program with a data folder of its own.
pub(crate) fn dokuei(place: &Path) -> Archive {
    let (folder, config) = (place.join("data"), place.join("init.toml"));
    let text = "version = 1\n[site]\nname = \"Bench\"\n[network]\nlisten = [\"127.0.0.1:0\"]\n\
        [dicom]\nlisten = \"127.0.0.1:0\"\nquiet_seconds = 1\n[web]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&config, text).unwrap();
    let made = Command::new(PROGRAM)
        .args(["init", "--name", "Bench", "--config"])
        .args([&config, &folder])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let log = std::fs::File::create(place.join("node.log")).unwrap();
    let process = Command::new(PROGRAM)
        .args(["run", "--stop-with-stdin"])
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let ask = |words: &[&str]| -> Option<Value> {
        let answer = Command::new(PROGRAM)
            .args(words)
            .args(["--json", "--dir"])
            .arg(&folder)
            .output()
            .unwrap();
        serde_json::from_slice(&answer.stdout).ok()
    };
    let port = |value: &Value| {
        Some(SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            value["port"].as_u64()? as u16,
        )))
    };
    let (dimse, web) = until("dokuei answers", || {
        let status = ask(&["status"])?;
        port(&status["dicom"]).zip(port(&status["web"]))
    });
    let token = ask(&["dicom", "token", "add", "bench", "--scope", "all"]).unwrap();
    Archive {
        name: "dokuei",
        web,
        root: "/dicom-web",
        token: token["token"].as_str().map(str::to_owned),
        dimse,
        process,
    }
}

/// Orthanc with its DICOMweb plugin; none where it is not installed.
pub(crate) fn orthanc(place: &Path) -> Option<Archive> {
    if !Path::new(PLUGIN).is_file() {
        return None;
    }
    let free = || {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let (dimse, web) = (free(), free());
    let config = place.join("orthanc.json");
    let text = json!({
        "StorageDirectory": place.join("storage"), "IndexDirectory": place.join("index"),
        "DicomPort": dimse.port(), "HttpPort": web.port(), "Plugins": [PLUGIN],
        "DicomWeb": { "Enable": true, "Root": "/dicom-web/" },
        "StableAge": 5, "AuthenticationEnabled": false,
    });
    std::fs::write(&config, text.to_string()).unwrap();
    let process = Command::new("Orthanc")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    until("Orthanc listens", || {
        TcpStream::connect(dimse)
            .ok()
            .zip(TcpStream::connect(web).ok())
    });
    Some(Archive {
        name: "Orthanc",
        web,
        root: "/dicom-web",
        token: None,
        dimse,
        process,
    })
}

/// Sends the large study and `studies` small ones, in portions: an archive may bound how many studies arrive at once.
pub(crate) fn fill(archive: &Archive, large: &MadeStudy, studies: u64) {
    let slices =
        (0..large.objects()).map(|number| Box::new(large.object(number)) as Box<dyn Outgoing>);
    send(archive, slices);
    for from in (1..=studies).step_by(PORTION as usize) {
        let numbers = from..=studies.min(from + PORTION - 1);
        send(
            archive,
            numbers.map(|number| Box::new(Small::new(number)) as Box<dyn Outgoing>),
        );
        std::thread::sleep(BETWEEN);
    }
}

fn send<'a>(archive: &Archive, objects: impl Iterator<Item = Box<dyn Outgoing + 'a>>) {
    let destination = Destination {
        host: archive.dimse.ip().to_string(),
        port: archive.dimse.port(),
        called_ae: "ANY".parse().unwrap(),
        calling_ae: "BENCH".parse().unwrap(),
        timeouts: Timeouts::default(),
        tls: None,
        breaker: None,
        transcoding: None,
    };
    let mut refused = 0;
    let sent = scu::store(&destination, objects, &mut |outcome| {
        refused += usize::from(!outcome.delivery.is_stored());
        ControlFlow::Continue(())
    });
    assert!(
        refused == 0 && matches!(sent.ended, scu::Ended::Complete),
        "{}: {refused} refused",
        archive.name
    );
}

/// A study of one image of four pixels.
struct Small {
    instance: String,
    bytes: Vec<u8>,
}

impl Small {
    fn new(number: u64) -> Small {
        let instance = format!("2.25.9{number:018}.1.1");
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
        set.put_text(
            tags::STUDY_INSTANCE_UID,
            VR::UI,
            &format!("2.25.9{number:018}"),
        );
        set.put_text(
            tags::SERIES_INSTANCE_UID,
            VR::UI,
            &format!("2.25.9{number:018}.1"),
        );
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

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + START;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(LOOK);
    }
}
