//! What the images are sent to: this program, others that hospitals use, and nothing at all.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dokuei_node::dicom::dimse::StoreFailure;
use dokuei_node::dicom::scp::{
    Accept, Caller, Incoming, Intake, Limits, ObjectWriter, Scp, ScpConfig,
};
use serde_json::Value;

/// How long a receiver may take to listen.
const START: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// Receives images.
pub(crate) trait Receiver {
    /// Where.
    fn address(&self) -> SocketAddr;
    /// Its process; none when it is this one.
    fn process(&self) -> Option<u32>;
    /// How many objects it says it has.
    fn stored(&self) -> usize;
}

/// A kind of receiver.
pub(crate) struct Make {
    /// As the table says it.
    pub(crate) name: &'static str,
    /// What it promises before it answers.
    pub(crate) promise: &'static str,
    /// Whether it is one of the others, which are slow and are sent fewer images.
    pub(crate) is_peer: bool,
    /// The program that must be installed.
    pub(crate) program: Option<&'static str>,
    /// Starts one with its data in a folder.
    pub(crate) start: fn(&Path) -> Box<dyn Receiver>,
}

/// All kinds, in the order of the table.
pub(crate) const MAKES: [Make; 4] = [
    Make {
        name: "dokuei",
        promise: "sealed, durable",
        is_peer: false,
        program: None,
        start: |folder| Box::new(Dokuei::start(folder)),
    },
    Make {
        name: "network alone (bytes thrown away)",
        promise: "nothing",
        is_peer: false,
        program: None,
        start: |_| Box::new(Discarding::start()),
    },
    Make {
        name: "dcmtk storescp",
        promise: "a plain file, not durable",
        is_peer: true,
        program: Some("storescp"),
        start: |folder| Box::new(Peer::storescp(folder)),
    },
    Make {
        name: "Orthanc",
        promise: "a plain file, durable",
        is_peer: true,
        program: Some("Orthanc"),
        start: |folder| Box::new(Peer::orthanc(folder)),
    },
];

/// Whether a program can be found.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The built program with a data folder of its own. Its node stops when its standard input ends.
struct Dokuei {
    folder: PathBuf,
    node: Child,
    address: SocketAddr,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_dokuei");

const CONFIGURATION: &str = "version = 1\n\n[site]\nname = \"Bench\"\n\n[network]\nlisten = [\"127.0.0.1:0\"]\n\n\
    [dicom]\nlisten = \"127.0.0.1:0\"\nae_title = \"DOKUEI\"\nquiet_seconds = 3600\n\n\
    [archive]\nhost = \"127.0.0.1\"\nport = 9\nae_title = \"PACS\"\n";

impl Dokuei {
    fn start(place: &Path) -> Dokuei {
        let (folder, config) = (place.join("data"), place.join("init.toml"));
        std::fs::write(&config, CONFIGURATION).unwrap();
        let made = Command::new(PROGRAM)
            .args(["init", "--name", "Bench", "--config"])
            .args([&config, &folder])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "dokuei init: {said}");
        let log = std::fs::File::create(place.join("node.log")).unwrap();
        let node = Command::new(PROGRAM)
            .args(["run", "--stop-with-stdin"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut dokuei = Dokuei {
            folder,
            node,
            address: (Ipv4Addr::LOCALHOST, 0).into(),
        };
        let pid = dokuei.node.id();
        dokuei.address = until("dokuei answers", || {
            let status = dokuei.ask(&["status"])?;
            let port = status["dicom"]["port"].as_u64()?;
            (status["pid"] == pid).then(|| (Ipv4Addr::LOCALHOST, port as u16).into())
        });
        dokuei
    }

    fn ask(&self, command: &[&str]) -> Option<Value> {
        let answer = Command::new(PROGRAM)
            .args(command)
            .arg("--json")
            .arg("--dir")
            .arg(&self.folder)
            .output()
            .unwrap();
        serde_json::from_slice(&answer.stdout).ok()
    }
}

impl Receiver for Dokuei {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Option<u32> {
        Some(self.node.id())
    }

    fn stored(&self) -> usize {
        let studies = self.ask(&["study", "list"]).unwrap();
        let objects = studies.as_array().into_iter().flatten();
        objects
            .filter_map(|study| study["objects"].as_u64())
            .sum::<u64>() as usize
    }
}

impl Drop for Dokuei {
    fn drop(&mut self) {
        drop(self.node.stdin.take());
        let _ended = self.node.wait();
    }
}

/// This program's receiving side alone, in this process.
struct Discarding {
    scp: Option<Scp>,
    discarded: Arc<Discarded>,
    address: SocketAddr,
}

#[derive(Default)]
struct Discarded(AtomicUsize);

struct Discard<'d>(&'d Discarded);

impl Intake for Discarded {
    fn begin(&self, _: Incoming<'_>) -> Result<Box<dyn ObjectWriter + '_>, StoreFailure> {
        Ok(Box::new(Discard(self)))
    }

    fn echo(&self, _: &Caller) -> bool {
        true
    }
}

impl ObjectWriter for Discard<'_> {
    fn write(&mut self, _: &[u8]) -> Result<(), StoreFailure> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), StoreFailure> {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Discarding {
    fn start() -> Discarding {
        let config = ScpConfig {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: None,
            ae_title: "DOKUEI".parse().unwrap(),
            accept: Accept::default(),
            limits: Limits::default(),
        };
        let discarded = Arc::<Discarded>::default();
        let scp = Scp::start(config, discarded.clone()).unwrap();
        let address = scp.local_addr();
        Discarding {
            scp: Some(scp),
            discarded,
            address,
        }
    }
}

impl Receiver for Discarding {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Option<u32> {
        None
    }

    fn stored(&self) -> usize {
        self.discarded.0.load(Ordering::Relaxed)
    }
}

impl Drop for Discarding {
    fn drop(&mut self) {
        if let Some(scp) = self.scp.take() {
            scp.stop();
        }
    }
}

/// Another program that receives.
struct Peer {
    process: Child,
    address: SocketAddr,
    count: Box<dyn Fn() -> usize>,
}

impl Peer {
    /// `storescp` with its defaults, one process for each association.
    fn storescp(place: &Path) -> Peer {
        let address = free();
        let folder = place.to_owned();
        let process = quiet("storescp")
            .args(["--fork", "--output-directory"])
            .arg(&folder)
            .arg(address.port().to_string())
            .spawn()
            .unwrap();
        Peer::listening(process, address, move || {
            std::fs::read_dir(&folder).unwrap().count()
        })
    }

    /// Orthanc with its defaults and a folder of its own; what it has is asked over HTTP.
    fn orthanc(place: &Path) -> Peer {
        let (address, web) = (free(), free());
        let config = place.join("orthanc.json");
        let text = serde_json::json!({
            "StorageDirectory": place.join("storage"), "IndexDirectory": place.join("index"),
            "DicomPort": address.port(), "HttpPort": web.port(),
        });
        std::fs::write(&config, text.to_string()).unwrap();
        let process = quiet("Orthanc").arg(&config).spawn().unwrap();
        Peer::listening(process, address, move || instances(web))
    }

    fn listening(process: Child, address: SocketAddr, count: impl Fn() -> usize + 'static) -> Peer {
        let peer = Peer {
            process,
            address,
            count: Box::new(count),
        };
        until("the peer listens", || TcpStream::connect(address).ok());
        peer
    }
}

impl Receiver for Peer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }

    fn stored(&self) -> usize {
        (self.count)()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// An address that nobody listens on at the moment.
fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// `CountInstances` of Orthanc's statistics.
fn instances(web: SocketAddr) -> usize {
    let mut connection = TcpStream::connect(web).unwrap();
    connection
        .write_all(b"GET /statistics HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let statistics: Value = serde_json::from_str(body).unwrap();
    statistics["CountInstances"].as_u64().unwrap() as usize
}

/// Looks until there is something.
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
