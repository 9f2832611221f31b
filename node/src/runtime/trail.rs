//! The audit trail of a running node: what it is opened with, and what it follows.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use dokuei_protocol::effect::{SecretChange, Step};
use dokuei_protocol::log::entry::Entry;
use dokuei_protocol::record::Record;
use dokuei_protocol::service::Service;
use tokio::runtime::Handle;

use crate::audit::event::{Alert, Event, Kind, Outcome, Subject, Who};
use crate::audit::records::Records;
use crate::audit::{Audit, Source};
use crate::config::Config;
use crate::language::Failure;
use crate::runtime::desk::Desk;
use crate::runtime::ports::Ports;
use crate::site::SiteFolder;

/// Opens the trail that the configuration asks for. A site that begins one begins it at the present end of the log.
///
/// # Errors
/// One sentence, when a certificate or what waits in the store cannot be used.
pub fn open(
    config: &Config,
    folder: &SiteFolder,
    ports: &Ports,
    service: &Service,
) -> Result<Audit, Failure> {
    let source = Source::here(&config.site_name, &config.ae_title);
    let kept = (ports.store.clone(), ports.storage.duplicate());
    let records = service.state().head().length;
    Audit::open(config.audit.as_ref(), folder.path(), kept, source, records)
}

/// Starts it: from now on it follows the records.
///
/// # Errors
/// When no thread can be had.
pub fn start(audit: &Audit, config: &Config, ports: &Ports, desk: &Desk) -> std::io::Result<()> {
    let archive = config.archive.as_ref().map(|archive| Who::Entity {
        title: archive.ae_title.clone(),
        host: archive.host.clone(),
    });
    audit.start(Records {
        store: ports.store.clone(),
        desk: desk.clone(),
        runtime: Handle::current(),
        register: ports.register.clone(),
        granted: ports.granted.clone(),
        archive,
    })
}

/// Keeps in mind whose study a step destroys: its row may be gone when the trail comes to the record.
pub fn remember(audit: &Audit, ports: &Ports, step: &Step) {
    let destroys = |change: &SecretChange| matches!(change, SecretChange::DestroyContentKey(_));
    if !audit.is_kept() || !step.secrets.iter().any(destroys) {
        return;
    }
    for bytes in &step.records {
        let Ok(Record::StudyKeyDestroyed(case)) =
            minicbor::decode::<Entry>(bytes).map(|entry| entry.record)
        else {
            continue;
        };
        if let Some(study) = ports.granted.study(case) {
            audit.remember(case, Subject::of(&study));
        }
    }
}

/// Nodes without leave that called, told to the trail at a bounded rate: whoever can connect can cause them.
pub struct Strangers {
    audit: Audit,
    since: Instant,
    count: u64,
}

impl Strangers {
    /// Alerts of one [`Strangers::WINDOW`]: as many as notices of DICOM connections.
    const MOST: u64 = 100;
    const WINDOW: Duration = Duration::from_secs(60);

    /// Tells this trail.
    pub fn new(audit: Audit) -> Strangers {
        Strangers {
            audit,
            since: Instant::now(),
            count: 0,
        }
    }

    /// One called and was turned away.
    pub fn came(&mut self, from: IpAddr, why: &str) {
        let mut before = 0;
        if self.since.elapsed() >= Strangers::WINDOW {
            before = self.count.saturating_sub(Strangers::MOST);
            (self.since, self.count) = (Instant::now(), 0);
        }
        self.count += 1;
        if self.count > Strangers::MOST {
            return;
        }
        let mut description = format!("a node was turned away: {why}");
        if before > 0 {
            description.push_str(&format!(" ({before} more before it are not listed)"));
        }
        let alert = Kind::Alert {
            what: Alert::NodeAuthentication,
            by: None,
            about: from.to_string(),
            description,
        };
        self.audit.note(Event::now(alert).with(Outcome::Minor));
    }
}
