//! The audit trail of a running node: what it is opened with, and what it follows.

use std::net::IpAddr;

use dokuei_keys::id::SiteId;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::priors::lies_as;
use dokuei_protocol::effect::{SecretChange, Step};
use dokuei_protocol::log::entry::Entry;
use dokuei_protocol::record::Record;
use dokuei_protocol::service::Service;
use tokio::runtime::Handle;

use crate::audit::event::{Alert, Event, Kind, Outcome, Subject, Who};
use crate::audit::rate::{Rate, described};
use crate::audit::records::{Case, Cases, Records, Stopping};
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

/// Asks the service, from a thread that is none of the runtime's.
struct OfService {
    desk: Desk,
    runtime: Handle,
}

impl Cases for OfService {
    fn case(&self, case: CaseId, reader: Option<SiteId>) -> Result<Case, Stopping> {
        let asked = self.desk.ask(move |service| {
            let state = service.state();
            let reading = state.readings.get(&case);
            let requester = reading.map(|reading| reading.thread.requester());
            let partner = requester
                .or(reader)
                .and_then(|site| state.partners.get(&site));
            let request = state.requests.get(&case);
            Case {
                parcel: request.map(|request| request.manifest.parcel),
                requester,
                partner: partner
                    .map(|partner| partner.name.clone())
                    .unwrap_or_default(),
            }
        });
        self.runtime.block_on(asked).map_err(|_| Stopping)
    }
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
        cases: Box::new(OfService {
            desk: desk.clone(),
            runtime: Handle::current(),
        }),
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
        let name = match minicbor::decode::<Entry>(bytes).map(|entry| entry.record) {
            Ok(Record::StudyKeyDestroyed(case)) => case,
            Ok(Record::PriorKeyDestroyed(case, parcel)) => lies_as(case, parcel),
            _ => continue,
        };
        if let Some(study) = ports.granted.study(name) {
            audit.remember(name, Subject::of(&study));
        }
    }
}

/// Nodes without leave that called, told to the trail at a bounded rate: whoever can connect can cause them.
pub struct Strangers {
    audit: Audit,
    rate: Rate,
}

impl Strangers {
    /// Tells this trail.
    pub fn new(audit: Audit) -> Strangers {
        Strangers {
            audit,
            rate: Rate::default(),
        }
    }

    /// One called and was turned away.
    pub fn came(&mut self, from: IpAddr, why: &str) {
        let Some(before) = self.rate.admits() else {
            return;
        };
        let alert = Kind::Alert {
            what: Alert::NodeAuthentication,
            by: None,
            about: from.to_string(),
            description: described(&format!("a node was turned away: {why}"), before),
        };
        self.audit.note(Event::now(alert).with(Outcome::Minor));
    }
}
