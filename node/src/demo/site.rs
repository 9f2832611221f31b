//! One site of the demonstration: its data folder, its node as a process, its archive.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::control::client::ask;
use crate::control::request::{AccessRequest, Request};
use crate::dicom::pacs::Pacs;
use crate::dicom::pdu::AeTitleError;
use crate::dicom::scp::{Accept, PrivateClasses, Scp, ScpConfig};
use crate::language::{Explain, Failure, Language, Message};
use crate::say;
use crate::site::{SiteFolder, unusable};

/// How long a node may take to start: key derivation and an empty database take a second.
const START: Duration = Duration::from_secs(60);
/// How long a step of the demonstration may take.
const STEP: Duration = Duration::from_secs(120);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Where a site takes DICOM objects.
pub(super) struct DicomAddress {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// AE title.
    pub ae_title: String,
}

impl DicomAddress {
    /// As people read it.
    pub(super) fn describe(&self) -> String {
        format!("{}@{}:{}", self.ae_title, self.host, self.port)
    }
}

/// A running site. Dropped, its node stops and its archive closes.
pub(super) struct DemoSite {
    /// The institution's name.
    pub name: String,
    /// `clinic` or `hospital`.
    pub role: &'static str,
    /// The node's data folder.
    pub folder: SiteFolder,
    /// The archive's folder.
    pub pacs_folder: PathBuf,
    /// Where the node takes DICOM objects.
    pub dicom: DicomAddress,
    /// Where browsers and DICOMweb clients connect: `http://host:port`.
    pub web: String,
    /// What lets a DICOMweb client in.
    pub token: String,
    /// Passphrase of the scripted reader.
    pub reader_passphrase: PathBuf,
    node: Child,
    archive: Option<Scp>,
}

impl DemoSite {
    /// Makes and starts a site below `place`. `capacity` is what it reads, as configuration lines.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn open(
        place: &Path,
        role: &'static str,
        name: &str,
        ae_title: &str,
        capacity: &str,
    ) -> Result<DemoSite, Failure> {
        let home = place.join(role);
        let folder = SiteFolder::new(home.join("data"));
        let pacs_folder = home.join("pacs");
        std::fs::create_dir_all(&home).map_err(|error| unusable(&home, &error))?;
        let (archive, archive_port) = open_archive(&pacs_folder)?;
        let config = home.join("init.toml");
        let text = configuration(name, ae_title, archive_port, capacity);
        std::fs::write(&config, text).map_err(|error| unusable(&config, &error))?;
        let log = home.join("node.log");
        if !folder.keys().exists() {
            init(&folder, name, &config)?;
        }
        let reader_passphrase = home.join("reader-passphrase");
        std::fs::write(&reader_passphrase, "demo-reader-passphrase\n")
            .map_err(|error| unusable(&reader_passphrase, &error))?;
        let node = run(&folder, &log)?;
        let mut site = DemoSite {
            name: name.to_owned(),
            role,
            folder,
            pacs_folder,
            dicom: DicomAddress {
                host: String::new(),
                port: 0,
                ae_title: ae_title.to_owned(),
            },
            web: String::new(),
            token: String::new(),
            reader_passphrase,
            node,
            archive: Some(archive),
        };
        site.wait_until_up(&log)?;
        site.token = site.new_token()?;
        Ok(site)
    }

    /// The node's process.
    pub(super) fn pid(&self) -> u32 {
        self.node.id()
    }

    /// Asks the node.
    ///
    /// # Errors
    /// What the node says.
    pub(super) fn ask(&self, request: Request) -> Result<Value, Failure> {
        ask(&self.folder, request)
    }

    /// A token that sees everything. One of an earlier demonstration in the same folder makes room for it.
    fn new_token(&self) -> Result<String, Failure> {
        let (kind, name) = ("token".to_owned(), "demo".to_owned());
        let remove = AccessRequest::Remove {
            kind,
            name: name.clone(),
        };
        match self.ask(Request::Access(remove)) {
            Err(failure) if failure.code != "no-such-name" => return Err(failure),
            Ok(_) | Err(_) => {}
        }
        let scope = "all".to_owned();
        let made = self.ask(Request::Access(AccessRequest::TokenAdd {
            name,
            scope,
            worklist: true,
            store: true,
        }))?;
        Ok(made["token"].as_str().unwrap_or_default().to_owned())
    }

    /// Asks the node until the answer is what is waited for.
    ///
    /// # Errors
    /// What the node says, or that it took too long, with what it was waiting for.
    pub(super) fn until(
        &self,
        what: &Message,
        mut request: impl FnMut() -> Request,
        mut is_there: impl FnMut(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let deadline = Instant::now() + STEP;
        loop {
            let answer = self.ask(request())?;
            if is_there(&answer) {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                let (name, seconds) = (&self.name, STEP.as_secs());
                return Err(Failure::new(
                    "demo-late",
                    say!(
                        "「{name}」で「{what}」を {seconds} 秒待ちましたが、進みません。",
                        "At '{name}', '{what}' has not happened within {seconds} seconds.";
                        what = what.clone()
                    ),
                ));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn wait_until_up(&mut self, log: &Path) -> Result<(), Failure> {
        let deadline = Instant::now() + START;
        let pid = u64::from(self.node.id());
        loop {
            if let Some(status) = self
                .ask(Request::Status)
                .ok()
                .filter(|status| status["pid"] == pid)
            {
                let dicom = &status["dicom"];
                self.dicom.host = dicom["host"].as_str().unwrap_or_default().to_owned();
                self.dicom.port = dicom["port"]
                    .as_u64()
                    .and_then(|port| u16::try_from(port).ok())
                    .unwrap_or_default();
                let web = &status["web"];
                self.web = format!(
                    "http://{}:{}",
                    web["host"].as_str().unwrap_or_default(),
                    web["port"]
                );
                return Ok(());
            }
            let ended = self.node.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > deadline {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let (name, last) = (&self.name, said.lines().last().unwrap_or_default());
                return Err(Failure::new(
                    "demo-node",
                    say!(
                        "「{name}」のノードが開始しません: {last}",
                        "The node of '{name}' does not start: {last}"
                    ),
                ));
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl DemoSite {
    /// Tells the node to stop: it does when its standard input ends.
    pub(super) fn tell_to_stop(&mut self) {
        drop(self.node.stdin.take());
    }
}

impl Drop for DemoSite {
    fn drop(&mut self) {
        // A node that does not stop in time is ended.
        self.tell_to_stop();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.node.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK);
        }
        let _ = self.node.kill();
        let _ = self.node.wait();
        if let Some(archive) = self.archive.take() {
            archive.stop();
        }
    }
}

fn open_archive(folder: &Path) -> Result<(Scp, u16), Failure> {
    let failed = |error: &dyn Explain| {
        Failure::new(
            "demo-archive",
            say!(
                "デモの PACS を開始できません: {why}。",
                "The demonstration's archive cannot be opened: {why}.";
                why = error.message()
            ),
        )
    };
    let pacs = Pacs::open(folder, false).map_err(|error| failed(&error))?;
    let config = ScpConfig {
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        ae_title: "PACS"
            .parse()
            .map_err(|error: AeTitleError| failed(&error))?,
        accept: Accept {
            private_classes: PrivateClasses::All,
            ..Accept::default()
        },
        limits: Default::default(),
    };
    let scp = Scp::start(config, Arc::new(pacs)).map_err(|error| failed(&error))?;
    let port = scp.local_addr().port();
    Ok((scp, port))
}

fn configuration(name: &str, ae_title: &str, archive_port: u16, capacity: &str) -> String {
    let name = toml::Value::String(name.to_owned());
    format!(
        "version = 1\n\n[site]\nname = {name}\n\n[network]\nlisten = [\"127.0.0.1:0\"]\n\n[dicom]\nlisten = \"127.0.0.1:0\"\nae_title = \"{ae_title}\"\nquiet_seconds = 5\n\n\
         [web]\nlisten = \"127.0.0.1:0\"\n\n[archive]\nhost = \"127.0.0.1\"\nport = {archive_port}\nae_title = \"PACS\"\n\n[reading]\n{capacity}"
    )
}

fn init(folder: &SiteFolder, name: &str, config: &Path) -> Result<(), Failure> {
    let output = program()?
        .arg("init")
        .arg(folder.path())
        .arg("--name")
        .arg(name)
        .arg("--config")
        .arg(config)
        .output();
    let output = output.map_err(|error| unusable(folder.path(), &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(
        "demo-init",
        say!(
            "「{name}」のデータフォルダを作れません: {said}",
            "The data folder of '{name}' cannot be made: {said}"
        ),
    ))
}

fn run(folder: &SiteFolder, log: &Path) -> Result<Child, Failure> {
    let to = File::create(log).map_err(|error| unusable(log, &error))?;
    let also = to.try_clone().map_err(|error| unusable(log, &error))?;
    let mut program = program()?;
    program
        .arg("run")
        .arg(folder.path())
        .arg("--stop-with-stdin")
        .stdin(Stdio::piped())
        .stdout(to)
        .stderr(also);
    program
        .spawn()
        .map_err(|error| unusable(folder.path(), &error))
}

fn program() -> Result<Command, Failure> {
    let mut program = std::env::current_exe()
        .map(Command::new)
        .map_err(|error| unusable(Path::new("dokuei"), &error))?;
    program.arg("--language").arg(Language::current().code());
    Ok(program)
}
