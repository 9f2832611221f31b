//! The audit trail of a running node: what it is opened with, and what it follows.

use dokuei_protocol::service::Service;
use tokio::runtime::Handle;

use crate::audit::event::Who;
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
