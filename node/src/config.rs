//! The configuration file: what was typed, checked once into what it means. Unknown keys are
//! refused with their line.

pub mod audit;
mod caps;
mod dicom;
mod problems;
pub mod reach;
mod template;
pub mod web;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use dokuei_protocol::case::terms::{Modality, Priority, Specialty};
use dokuei_protocol::limits;
use dokuei_protocol::partner::announcement::OfferSlot;
use dokuei_protocol::service::Quoting;
use serde::Deserialize;

use dicom::RawDicom;
pub use dicom::{CERTIFICATE, DicomTls, KEY};

use crate::config::audit::{AuditConfig, RawAudit};
use crate::config::caps::RawCap;
use crate::dicom::scp::PrivateClasses;
use crate::language::{Explain as _, Failure, Message};
use crate::network::Cap;
use crate::say;

pub use reach::is_host_and_port;
pub use template::template;

/// Name of the file in the data folder.
pub const FILE: &str = "dokuei.toml";
/// Form of the file. A higher one is of a later program.
pub const VERSION: u32 = 1;

/// The checked configuration of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// The institution's name.
    pub site_name: String,
    /// Where partners connect (QUIC on UDP and TLS on TCP, same port).
    pub listen: Vec<SocketAddr>,
    /// The port for bulk data, on the addresses of `listen`; `None` for the number behind that of the first.
    pub bulk_port: Option<u16>,
    /// At which hours how much of the line may be used to send studies.
    pub caps: Vec<Cap>,
    /// The name of the partner to which packs of studies go while they arrive, sealed, before they are sent.
    pub send_ahead_to: Option<String>,
    /// Where partners reach this node, `host:port`; empty when it only calls out.
    pub announce: Vec<String>,
    /// Where modalities and workstations connect.
    pub dicom_listen: SocketAddr,
    /// This node's AE title.
    pub ae_title: String,
    /// Whether `dicom_listen` may be an address that is reached from outside.
    pub dicom_public: bool,
    /// Whether senders must call this node by its AE title.
    pub called_ae_check: bool,
    /// Whether devices of the house may send while no caller is registered.
    pub open_intake: bool,
    /// The port for TLS, if there is one.
    pub dicom_tls: Option<DicomTls>,
    /// Which private SOP classes are taken.
    pub private_classes: PrivateClasses,
    /// A study is complete when nothing has arrived for this many seconds.
    pub quiet_seconds: u64,
    /// This site's archive.
    pub archive: Option<Archive>,
    /// What this site reads.
    pub capacity: Vec<OfferSlot>,
    /// Whether offers are answered by the capacity or by a person.
    pub quoting: Quoting,
    /// Days for which a reading side may keep a study after its case is closed.
    pub retention_days: u16,
    /// Where devices write into their pictures: a file in TOML, by its path from the data folder.
    pub regions: Option<PathBuf>,
    /// Where audit messages go.
    pub audit: Option<AuditConfig>,
    /// Where browsers and DICOMweb clients connect.
    pub web: web::Web,
}

/// A DICOM archive that takes what arrives here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Its AE title.
    pub ae_title: String,
    /// Whether it is asked to answer for what it took (storage commitment) before a study counts as stored.
    pub commitment: bool,
    /// Whether objects are brought into a transfer syntax that it takes when it does not take theirs; else they wait.
    pub transcode: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    site: RawSite,
    #[serde(default)]
    network: RawNetwork,
    #[serde(default)]
    dicom: RawDicom,
    archive: Option<RawArchive>,
    #[serde(default)]
    reading: RawReading,
    #[serde(default)]
    deidentify: RawDeidentify,
    audit: Option<RawAudit>,
    #[serde(default)]
    web: web::RawWeb,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSite {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawNetwork {
    listen: Vec<SocketAddr>,
    bulk_port: Option<u16>,
    announce: Vec<String>,
    send_ahead_to: Option<String>,
    cap: Vec<RawCap>,
}

impl Default for RawNetwork {
    fn default() -> RawNetwork {
        RawNetwork {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 4400))],
            bulk_port: None,
            announce: Vec::new(),
            send_ahead_to: None,
            cap: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArchive {
    host: String,
    port: u16,
    ae_title: String,
    #[serde(default)]
    commitment: bool,
    #[serde(default = "yes")]
    transcode: bool,
}

fn yes() -> bool {
    true
}

impl From<RawArchive> for Archive {
    fn from(raw: RawArchive) -> Archive {
        Archive {
            host: raw.host,
            port: raw.port,
            ae_title: raw.ae_title,
            commitment: raw.commitment,
            transcode: raw.transcode,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawReading {
    quoting: String,
    retention_days: u16,
    capacity: Vec<RawSlot>,
}

impl Default for RawReading {
    fn default() -> RawReading {
        RawReading {
            quoting: "automatic".to_owned(),
            retention_days: 90,
            capacity: Vec::new(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawDeidentify {
    regions: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlot {
    modality: String,
    specialty: String,
    priority: String,
    per_day: u16,
    hours: u16,
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// A sentence that names the file, the line or the key, and what is allowed.
    pub fn read(path: &Path) -> Result<Config, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let file = path.display();
            Failure::new(
                "config-unreadable",
                say!(
                    "設定ファイル {file} を読めません（{why}）。場所とアクセス権を確認してください。",
                    "The configuration file {file} cannot be read ({why}). Check the place and its permissions.";
                    why = error.message()
                ),
            )
        })?;
        Config::parse(&text, &path.display().to_string())
    }

    /// Checks the text of a configuration file; `file` names it in messages.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, file: &str) -> Result<Config, Failure> {
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].matches('\n').count() + 1
            });
            Failure::new(
                "config-invalid",
                say!(
                    "設定ファイル {file} の {line} 行目に誤りがあります: {what}。",
                    "The configuration file {file} is wrong in line {line}: {what}.";
                    what = problems::syntax(error.message())
                ),
            )
        })?;
        let config = checked(raw).map_err(|(key, problem)| {
            Failure::new(
                "config-invalid",
                say!(
                    "設定ファイル {file} の「{key}」が正しくありません: {problem}。",
                    "The configuration file {file} has a wrong value for '{key}': {problem}.";
                    problem = problem
                ),
            )
        })?;
        let meant = config.dicom_public;
        reach::check("dicom.listen", config.dicom_listen, meant, file)?;
        if let Some(tls) = &config.dicom_tls {
            // With an authority, strangers are turned away by their certificates.
            let meant = meant || tls.client_ca.is_some();
            reach::check("dicom.tls.listen", tls.listen, meant, file)?;
        }
        Ok(config)
    }

    /// A site has one name: partners see the one in its certificate, reports print it, and the
    /// configuration says it.
    ///
    /// # Errors
    /// When `certified`, the certificate's, is another; `file` names the configuration.
    pub fn check_name(&self, certified: &str, file: &Path) -> Result<(), Failure> {
        if self.site_name == certified {
            return Ok(());
        }
        let (name, file) = (&self.site_name, file.display());
        Err(Failure::new(
            "two-names",
            say!(
                "{file} の site.name は「{name}」ですが、施設証明書の名前は「{certified}」です。設定の site.name を証明書の名前に合わせてください。",
                "{file} calls the site '{name}', but its certificate says '{certified}'. Set site.name to the certificate's name."
            ),
        ))
    }
}

type Wrong = (&'static str, Message);

fn checked(raw: Raw) -> Result<Config, Wrong> {
    if raw.version != VERSION {
        return Err(("version", problems::version(raw.version)));
    }
    let name_is_fine = !raw.site.name.trim().is_empty()
        && raw.site.name.len() <= 128
        && !raw.site.name.chars().any(char::is_control);
    if !name_is_fine {
        return Err(("site.name", problems::name()));
    }
    if raw.network.listen.is_empty() {
        return Err(("network.listen", problems::no_address()));
    }
    let taken = |port: u16| port != 0 && raw.network.listen.iter().any(|at| at.port() == port);
    if raw.network.bulk_port.is_some_and(taken) {
        return Err(("network.bulk_port", problems::bulk_port()));
    }
    let addresses_fit = raw.network.announce.len() <= limits::ADDRESSES
        && raw
            .network
            .announce
            .iter()
            .all(|address| is_host_and_port(address));
    if !addresses_fit {
        return Err(("network.announce", problems::places(limits::ADDRESSES)));
    }
    ae_title("dicom.ae_title", &raw.dicom.ae_title)?;
    if !(1..=3600).contains(&raw.dicom.quiet_seconds) {
        return Err(("dicom.quiet_seconds", problems::seconds()));
    }
    if let Some(archive) = &raw.archive {
        ae_title("archive.ae_title", &archive.ae_title)?;
    }
    let capacity = raw
        .reading
        .capacity
        .iter()
        .map(slot)
        .collect::<Result<Vec<_>, _>>()?;
    if capacity.len() > limits::OFFER_SLOTS {
        return Err(("reading.capacity", problems::at_most(limits::OFFER_SLOTS)));
    }
    Ok(Config {
        site_name: raw.site.name.trim().to_owned(),
        listen: raw.network.listen,
        bulk_port: raw.network.bulk_port,
        caps: caps::caps(&raw.network.cap)?,
        announce: raw.network.announce,
        send_ahead_to: raw.network.send_ahead_to,
        dicom_listen: raw.dicom.listen,
        dicom_public: raw.dicom.public,
        called_ae_check: raw.dicom.called_ae_check,
        ae_title: raw.dicom.ae_title,
        open_intake: raw.dicom.open_intake,
        dicom_tls: raw.dicom.tls,
        private_classes: dicom::private_classes(raw.dicom.private_classes)?,
        quiet_seconds: raw.dicom.quiet_seconds,
        archive: raw.archive.map(Archive::from),
        capacity,
        quoting: quoting(&raw.reading.quoting)?,
        retention_days: raw.reading.retention_days,
        regions: raw.deidentify.regions,
        audit: raw.audit.map(audit::checked).transpose()?,
        web: web::checked(raw.web)?,
    })
}

fn quoting(word: &str) -> Result<Quoting, Wrong> {
    match word {
        "automatic" => Ok(Quoting::Automatic),
        "by-hand" => Ok(Quoting::ByHand),
        _ => {
            let known = problems::one_of(&["automatic", "by-hand"]);
            Err(("reading.quoting", known))
        }
    }
}

fn slot(raw: &RawSlot) -> Result<OfferSlot, Wrong> {
    let codes = |all: Vec<&str>| problems::one_of(&all);
    Ok(OfferSlot {
        modality: Modality::from_code(&raw.modality).ok_or_else(|| {
            (
                "reading.capacity.modality",
                codes(Modality::ALL.iter().map(|value| value.code()).collect()),
            )
        })?,
        specialty: Specialty::from_code(&raw.specialty).ok_or_else(|| {
            (
                "reading.capacity.specialty",
                codes(Specialty::ALL.iter().map(|value| value.code()).collect()),
            )
        })?,
        priority: Priority::from_code(&raw.priority).ok_or_else(|| {
            (
                "reading.capacity.priority",
                codes(Priority::ALL.iter().map(|value| value.code()).collect()),
            )
        })?,
        per_day: raw.per_day,
        hours: raw.hours,
    })
}

/// AE titles have 1–16 characters of the default repertoire without backslash and control
/// characters (PS3.5 §6.2).
fn ae_title(key: &'static str, title: &str) -> Result<(), Wrong> {
    let fits = (1..=16).contains(&title.trim().len())
        && title
            .bytes()
            .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\');
    if fits {
        Ok(())
    } else {
        Err((key, problems::title(title)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_both;

    #[test]
    fn the_template_is_a_valid_configuration() {
        let config = Config::parse(&template("架空診療所 \"A\""), "dokuei.toml").unwrap();
        assert_eq!(config.site_name, "架空診療所 \"A\"");
        assert_eq!(config.quiet_seconds, 60);
        assert!(config.archive.is_none());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let text = template("A").replace("quiet_seconds", "quite_seconds");
        let line = text
            .lines()
            .position(|line| line.starts_with("quite_seconds"))
            .unwrap()
            + 1;
        let failure = Config::parse(&text, "x.toml").unwrap_err();
        assert!(
            failure.message.en.contains(&format!("line {line}")),
            "{}",
            failure.message.en
        );
        assert!(failure.message.en.contains("quite_seconds"));
        assert!(failure.message.ja.contains("x.toml"));
    }

    #[test]
    fn a_second_name_is_refused_with_both() {
        let config = Config::parse(&template("架空診療所"), "x.toml").unwrap();
        assert_eq!(config.check_name("架空診療所", Path::new("x.toml")), Ok(()));
        let failure = config
            .check_name("架空医院", Path::new("x.toml"))
            .unwrap_err();
        for text in [&failure.message.ja, &failure.message.en] {
            assert!(
                ["架空診療所", "架空医院", "x.toml", "site.name"]
                    .iter()
                    .all(|word| text.contains(word)),
                "{text}"
            );
        }
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (from, to, key) in [
            ("version = 1", "version = 2", "version"),
            (
                "ae_title = \"DOKUEI\"",
                "ae_title = \"SEVENTEEN_LETTERS\"",
                "dicom.ae_title",
            ),
            (
                "quiet_seconds = 60",
                "quiet_seconds = 0",
                "dicom.quiet_seconds",
            ),
            (
                "quoting = \"automatic\"",
                "quoting = \"never\"",
                "reading.quoting",
            ),
            (
                "announce = []",
                "announce = [\"nowhere\"]",
                "network.announce",
            ),
            ("name = \"A\"", "name = \" \"", "site.name"),
            (
                "# bulk_port = 4401",
                "bulk_port = 4400",
                "network.bulk_port",
            ),
        ] {
            let text = template("A").replace(from, to);
            let failure = Config::parse(&text, "x.toml").unwrap_err();
            assert!(
                failure.message.en.contains(key),
                "{key}: {}",
                failure.message.en
            );
            assert_both(&failure.message);
        }
    }
}
