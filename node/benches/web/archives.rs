//! The archives that are compared, and what they are filled with.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dokuei_node::dicom::scu::{self, Destination, Outgoing, Timeouts};
use serde_json::{Value, json};

use crate::small::{self, Small};
use crate::study::MadeStudy;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dokuei");
const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
const START: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// Associations over which small studies are sent at once.
const SENDERS: u64 = 4;

/// A running archive. Dropped, it ends.
pub(crate) struct Archive {
    pub(crate) name: &'static str,
    pub(crate) web: SocketAddr,
    pub(crate) root: &'static str,
    pub(crate) token: Option<String>,
    dimse: SocketAddr,
    process: Child,
}

impl Archive {
    /// Where it takes C-STORE and C-FIND.
    pub(crate) fn destination(&self) -> Destination {
        Destination {
            host: self.dimse.ip().to_string(),
            port: self.dimse.port(),
            called_ae: "ANY".parse().unwrap(),
            calling_ae: "BENCH".parse().unwrap(),
            timeouts: Timeouts::default(),
            tls: None,
            breaker: None,
            transcoding: None,
        }
    }
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

/// The built program with a data folder of its own, in which so many small studies lie.
pub(crate) fn dokuei(place: &Path, studies: u64) -> Archive {
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
    let filled = Instant::now();
    small::fill(&folder, studies);
    let seconds = filled.elapsed().as_secs_f64();
    let begun = Instant::now();
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
    println!(
        "dokuei: {studies} studies prepared in {seconds:.0} s; it answers {:.1} s after its start",
        begun.elapsed().as_secs_f64()
    );
    let token = ask(&["dicom", "token", "add", "bench", "--scope", "all"]).unwrap();
    let caller = ["dicom", "caller", "add", "BENCH", "--address", "127.0.0.1"];
    ask(&[&caller[..], &["--may", "store,query"]].concat()).unwrap();
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
        "DicomAlwaysAllowFind": true, "StableAge": 5, "AuthenticationEnabled": false,
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

/// Sends the large study.
pub(crate) fn send_large(archive: &Archive, large: &MadeStudy) {
    let slices =
        (0..large.objects()).map(|number| Box::new(large.object(number)) as Box<dyn Outgoing>);
    send(archive, slices);
}

/// Sends so many small studies.
pub(crate) fn send_small(archive: &Archive, studies: u64) {
    std::thread::scope(|scope| {
        for first in 1..=SENDERS {
            scope.spawn(move || {
                let numbers = (first..=studies).step_by(SENDERS as usize);
                send(
                    archive,
                    numbers.map(|number| Box::new(Small::new(number)) as Box<dyn Outgoing>),
                );
            });
        }
    });
}

fn send<'a>(archive: &Archive, objects: impl Iterator<Item = Box<dyn Outgoing + 'a>>) {
    let mut refused = 0;
    let sent = scu::store(&archive.destination(), objects, &mut |outcome| {
        refused += usize::from(!outcome.delivery.is_stored());
        ControlFlow::Continue(())
    });
    assert!(
        refused == 0 && matches!(sent.ended, scu::Ended::Complete),
        "{}: {refused} refused",
        archive.name
    );
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
