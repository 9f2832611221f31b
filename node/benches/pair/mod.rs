//! Two sites on loopback, as they run in the field: a node each as a process of the built binary, an
//! archive each as another process. Both read what the other sends.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dokuei_node::control::client::ask;
use dokuei_node::control::request::{Request, SendStudy};
use dokuei_node::dicom::dimse::StoreFailure;
use dokuei_node::dicom::pacs::Pacs;
use dokuei_node::dicom::scp::{
    Accept, Caller, Incoming, Intake, Limits, ObjectWriter, Scp, ScpConfig,
};
use dokuei_node::site::SiteFolder;
use serde_json::Value;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1800);
const LOOK: Duration = Duration::from_millis(20);
/// The first argument of this program when it is to be an archive.
const ARCHIVE: &str = "--archive";
/// In place of a folder: an archive that only counts.
const COUNTS: &str = "-";

/// A site.
pub(crate) struct Site {
    /// Its name.
    pub(crate) name: String,
    /// Its data folder.
    pub(crate) folder: SiteFolder,
    /// Where its archive keeps files.
    pub(crate) kept: PathBuf,
    /// Where its node takes DICOM objects.
    pub(crate) dicom: (String, u16),
    node: Child,
    archive: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What an archive was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Different objects.
    pub(crate) objects: u64,
    /// Bytes of data sets, whatever came twice included.
    pub(crate) bytes: u64,
    /// Objects that came again.
    pub(crate) again: u64,
}

impl Site {
    /// Makes and starts a site below `place`. `keeps`: its archive writes files; else it counts.
    pub(crate) fn open(place: &Path, name: &str, title: &str, keeps: bool) -> Site {
        let home = place.join(name);
        let (folder, kept) = (SiteFolder::new(home.join("data")), home.join("pacs"));
        std::fs::create_dir_all(&home).unwrap();
        let what = if keeps {
            kept.as_os_str()
        } else {
            COUNTS.as_ref()
        };
        let mut archive = Command::new(std::env::current_exe().unwrap())
            .arg(ARCHIVE)
            .arg(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = archive.stdin.take().unwrap();
        let mut answers = BufReader::new(archive.stdout.take().unwrap());
        let port = line(&mut answers);
        let config = home.join("init.toml");
        std::fs::write(&config, configuration(name, title, &port)).unwrap();
        let made = dokuei()
            .arg("init")
            .arg(folder.path())
            .args(["--name", name, "--config"])
            .arg(&config)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let log = File::create(home.join("node.log")).unwrap();
        let node = dokuei()
            .arg("run")
            .arg(folder.path())
            .arg("--stop-with-stdin")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut site = Site {
            name: name.to_owned(),
            folder,
            kept,
            dicom: Default::default(),
            node,
            archive,
            orders,
            answers,
        };
        let status = until("the node answers", || {
            ask(&site.folder, Request::Status).ok()
        });
        let port = status["dicom"]["port"].as_u64().unwrap() as u16;
        site.dicom = (status["dicom"]["host"].as_str().unwrap().to_owned(), port);
        site
    }

    /// The node's process.
    pub(crate) fn node(&self) -> u32 {
        self.node.id()
    }

    /// The archive's process.
    pub(crate) fn archive(&self) -> u32 {
        self.archive.id()
    }

    /// Asks the node.
    pub(crate) fn ask(&self, request: Request) -> Value {
        match ask(&self.folder, request) {
            Ok(answer) => answer,
            Err(failure) => panic!("{}: {}", self.name, failure.message),
        }
    }

    /// How many files the archive holds.
    pub(crate) fn files(&self) -> u64 {
        let entries = std::fs::read_dir(&self.kept).unwrap();
        let is_file = |name: &std::ffi::OsStr| name.as_encoded_bytes().ends_with(b".dcm");
        entries
            .filter(|entry| is_file(&entry.as_ref().unwrap().file_name()))
            .count() as u64
    }

    /// What an archive that counts was sent.
    pub(crate) fn counted(&mut self) -> Counted {
        self.orders.write_all(b"count\n").unwrap();
        let answer = line(&mut self.answers);
        let mut figures = answer.split(' ').map(|figure| figure.parse().unwrap());
        let mut next = || figures.next().unwrap();
        Counted {
            objects: next(),
            bytes: next(),
            again: next(),
        }
    }

    /// Asks the other site to read a study, as a person does. Answers the case.
    pub(crate) fn hand_over(&self, uid: &str, to: &Site) -> String {
        let output = dokuei()
            .args(["study", "send", uid, "--to", &to.name])
            .args(["--now", "--json", "--dir"])
            .arg(self.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["cases"][0]["case"].as_str().unwrap().to_owned()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.node.stdin.take());
        let _ = self.node.wait();
        let _ = self.archive.kill();
        let _ = self.archive.wait();
    }
}

/// Pairs two sites and waits until each sees what the other reads.
pub(crate) fn pair(one: &Site, other: &Site) {
    let addresses = Vec::new();
    let invitation = other.ask(Request::PartnerInvite {
        addresses,
        pseudonyms: false,
    });
    let code = invitation["code"].as_str().unwrap().to_owned();
    one.ask(Request::PartnerAccept { code });
    for site in [one, other] {
        until("both sites are ready", || {
            let partner = site.ask(Request::PartnerList)[0].take();
            let known = ["capacity", "agreement"]
                .iter()
                .all(|what| !partner[what].is_null());
            (known && partner["connected"] == true && partner["key_to_seal_for"] == true)
                .then_some(())
        });
    }
}

/// Looks until there is something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Is an archive when this process was started to be one, and does not come back then.
pub(crate) fn archive_if_asked() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(ARCHIVE) {
        return;
    }
    let place = arguments.next().unwrap();
    let counting = Arc::new(Counting::default());
    let intake: Arc<dyn Intake> = if place == COUNTS {
        counting.clone()
    } else {
        Arc::new(Pacs::open(Path::new(&place), false).unwrap())
    };
    let config = ScpConfig {
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        ae_title: "PACS".parse().unwrap(),
        accept: Accept::default(),
        limits: Limits::default(),
    };
    let scp = Scp::start(config, intake).unwrap();
    println!("{}", scp.local_addr().port());
    for _ in std::io::stdin().lines() {
        let (counted, _) = &*counting.0.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{} {} {}", counted.objects, counted.bytes, counted.again);
    }
    std::process::exit(0);
}

/// Counts objects, keeps nothing but their names.
#[derive(Default)]
struct Counting(Mutex<(Counted, BTreeSet<String>)>);

struct Arriving<'a> {
    counting: &'a Counting,
    name: String,
    bytes: u64,
}

impl Intake for Counting {
    fn begin(&self, object: Incoming<'_>) -> Result<Box<dyn ObjectWriter + '_>, StoreFailure> {
        Ok(Box::new(Arriving {
            counting: self,
            name: object.sop_instance.to_owned(),
            bytes: 0,
        }))
    }

    fn echo(&self, _: &Caller) -> bool {
        true
    }
}

impl ObjectWriter for Arriving<'_> {
    fn write(&mut self, data: &[u8]) -> Result<(), StoreFailure> {
        self.bytes += data.len() as u64;
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), StoreFailure> {
        let (counted, names) = &mut *self
            .counting
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counted.bytes += self.bytes;
        match names.insert(self.name) {
            true => counted.objects += 1,
            false => counted.again += 1,
        }
        Ok(())
    }
}

/// Asks a node, through the library, to have a study read.
pub(crate) fn send_request(uid: &str, to: &Site) -> Request {
    Request::StudySend(SendStudy {
        study: uid.to_owned(),
        to: vec![to.name.clone()],
        priority: "routine".to_owned(),
        specialty: "general".to_owned(),
        hours: 24,
        now: true,
        all: false,
        despite_skipped: false,
        region: None,
        laterality: None,
        despite_check: None,
        pseudonymous: false,
        pixels_seen: false,
    })
}

fn line(from: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn dokuei() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dokuei"));
    command.env("DOKUEI_LANG", "en");
    command
}

fn configuration(name: &str, title: &str, archive: &str) -> String {
    let slot = |modality: &str| {
        format!(
            "[[reading.capacity]]\nmodality = \"{modality}\"\nspecialty = \"general\"\npriority = \"stat\"\nper_day = 1000\nhours = 48\n\n"
        )
    };
    format!(
        "version = 1\n\n[site]\nname = \"{name}\"\n\n[network]\nlisten = [\"127.0.0.1:0\"]\n\n\
         [dicom]\nlisten = \"127.0.0.1:0\"\nae_title = \"{title}\"\nquiet_seconds = 3600\n\n\
         [archive]\nhost = \"127.0.0.1\"\nport = {archive}\nae_title = \"PACS\"\n\n[reading]\n{}",
        ["CT", "OT"].map(slot).concat()
    )
}
