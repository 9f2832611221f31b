//! The doors of a node: the ports on which application entities, browsers and DICOMweb clients call, and who may.

use std::path::Path;
use std::sync::Arc;

use crate::archive::Archiver;
use crate::audit::Audit;
use crate::audit::queries::Told;
use crate::commitments::{Debts, Delivering};
use crate::config::Config;
use crate::config::reach::is_of_the_house;
use crate::dicom::scp::{
    Accept, Answers, Called, Calling, Destinations, Scp, ScpConfig, Services, TlsDoor,
};
use crate::dicom::scu::Transcoding;
use crate::dicomweb::access::Access;
use crate::dicomweb::{Web, WebServer};
use crate::entities::{Entities, Means, title};
use crate::language::{Explain, Failure};
use crate::runtime::ports::Ports;
use crate::runtime::start::failed;
use crate::site::SiteFolder;
use crate::site::keys::SiteKeys;
use crate::store::Store;
use crate::studies::intake::StudyIntake;
use crate::tls::{self, Identity};
use crate::viewer::Viewer;
use crate::worklist::Worklist;

/// Where others come in: modalities and workstations, browsers and DICOMweb clients.
pub(super) struct Doors {
    /// Who may call over DICOM, and where to send.
    pub(super) entities: Entities,
    /// The DICOM ports.
    pub(super) scp: Scp,
    /// What storage commitment owes is delivered as long as this lives.
    pub(super) delivering: Delivering,
    /// Who may come in by the web.
    pub(super) access: Access,
    /// The cases as worklists see them.
    pub(super) worklist: Worklist,
    /// The web server, where there is one.
    pub(super) web_server: Option<WebServer>,
}

impl Doors {
    /// Opens all of them.
    ///
    /// # Errors
    /// When a row is damaged, a file cannot be used, or a port cannot be listened on.
    pub(super) fn open(
        (folder, config, keys): (&SiteFolder, &Config, &SiteKeys),
        store: &Store,
        (ports, intake, audit): (&Ports, &Arc<StudyIntake>, &Audit),
    ) -> Result<Doors, Failure> {
        let transcoding: Arc<dyn Transcoding> = Arc::new(ports.transcoder.clone());
        let entities = open_entities(folder, (config, keys), store, transcoding)?;
        let (services, delivering) = open_services(keys, store, &entities, (ports, audit))?;
        let scp = start_scp(folder, config, &entities, Arc::clone(intake), services)?;
        let access = Access::open(store.clone(), keys.storage().duplicate());
        let access = access.map_err(|error| failed(&error as &dyn Explain))?;
        let worklist = Worklist::open(store, || keys.storage().duplicate(), ports.site);
        let worklist = worklist.map_err(|error| failed(&error as &dyn Explain))?;
        let served = (ports, intake, audit, &worklist);
        let web_server = start_web(config, folder, &access, served)?;
        Ok(Doors {
            entities,
            scp,
            delivering,
            access,
            worklist,
            web_server,
        })
    }
}

/// Opens the register. What this node shows of itself over TLS is read with it.
///
/// # Errors
/// When a row is damaged, or certificate or key cannot be used.
fn open_entities(
    folder: &SiteFolder,
    (config, keys): (&Config, &SiteKeys),
    store: &Store,
    transcoding: Arc<dyn Transcoding>,
) -> Result<Entities, Failure> {
    let read = |at: &Path| folder.path().join(at);
    let identity = config
        .dicom_tls
        .as_ref()
        .map(|tls| Identity::read(&read(&tls.certificate), &read(&tls.key)).map(Arc::new));
    let means = Means {
        ae_title: title(&config.ae_title)?,
        open_intake: config.open_intake,
        identity: identity.transpose()?,
        transcoding: Some(transcoding),
    };
    Entities::open(store.clone(), keys.storage().duplicate(), means)
}

/// What registered callers are offered beside sending, and the delivery of what storage commitment owes them.
///
/// # Errors
/// When the store fails, or the system has no thread.
fn open_services(
    keys: &SiteKeys,
    store: &Store,
    entities: &Entities,
    (ports, audit): (&Ports, &Audit),
) -> Result<(Services, Delivering), Failure> {
    let debts = Debts::open(store.clone(), keys.storage().duplicate())
        .map_err(|error| failed(&error as &dyn Explain))?;
    let destinations: Arc<dyn Destinations> = Arc::new(entities.clone());
    let delivering = debts
        .deliver(Arc::clone(&destinations))
        .map_err(|error| failed(&error as &dyn Explain))?;
    let answers = ports.archiver.as_ref().and_then(Archiver::answers);
    let services = Services {
        holdings: Some(Arc::new(Told::new(ports.holdings.clone(), audit.clone()))),
        destinations: Some(destinations),
        commitments: Some(Arc::new(debts)),
        answers: answers.map(|asked| Arc::new(asked) as Arc<dyn Answers>),
        transcoding: Some(Arc::new(ports.transcoder.clone())),
    };
    Ok((services, delivering))
}

/// Starts to listen.
///
/// # Errors
/// When a port cannot be listened on, or an authority's file cannot be used.
fn start_scp(
    folder: &SiteFolder,
    config: &Config,
    entities: &Entities,
    intake: Arc<StudyIntake>,
    services: Services,
) -> Result<Scp, Failure> {
    let accept = Accept {
        called: if config.called_ae_check {
            Called::Ours
        } else {
            Called::Any
        },
        calling: Calling::Registered(entities.clone()),
        private_classes: config.private_classes.clone(),
    };
    let scp = ScpConfig {
        address: config.dicom_listen,
        tls: tls_door(folder, config, entities)?,
        ae_title: title(&config.ae_title)?,
        accept,
        limits: Default::default(),
    };
    if !is_of_the_house(config.dicom_listen.ip()) {
        let at = config.dicom_listen;
        tracing::warn!(target: "dokuei::dicom", %at, "DICOM may be reached from outside here: only a firewall keeps strangers from sending images");
    }
    if entities.is_open() {
        tracing::warn!(target: "dokuei::dicom", "no DICOM caller is registered: every device of the house may send images; register them with 'dokuei dicom caller add'");
    }
    let scp = Scp::serve(scp, intake, services).map_err(|error| failed(&error as &dyn Explain))?;
    if let (Some(at), Some(identity)) = (scp.tls_addr(), entities.identity()) {
        let fingerprint = tls::fingerprint_text(&identity.fingerprint());
        tracing::info!(target: "dokuei::dicom", %at, fingerprint, "DICOM over TLS");
    }
    Ok(scp)
}

fn tls_door(
    folder: &SiteFolder,
    config: &Config,
    entities: &Entities,
) -> Result<Option<TlsDoor>, Failure> {
    let (Some(tls), Some(identity)) = (&config.dicom_tls, entities.identity()) else {
        return Ok(None);
    };
    let client_ca = tls.client_ca.as_ref().map(|at| folder.path().join(at));
    let registered = entities.clone();
    let pinned = Box::new(move |shown: &[u8; 32]| registered.is_pinned(shown));
    Ok(Some(TlsDoor {
        address: tls.listen,
        config: tls::server(identity, client_ca.as_deref(), pinned)?,
    }))
}

fn start_web(
    config: &Config,
    folder: &SiteFolder,
    access: &Access,
    (ports, intake, audit, worklist): (&Ports, &Arc<StudyIntake>, &Audit, &Worklist),
) -> Result<Option<WebServer>, Failure> {
    let known = access.clone();
    let pinned = Box::new(move |print: &[u8; 32]| known.knows_certificate(print));
    let start = |listen| {
        WebServer::start(&config.web, listen, folder.path(), pinned, |hosts| {
            let parts = (Arc::clone(intake), audit.clone());
            let pages = (worklist.clone(), Viewer::of(folder.path()));
            Web::new(access.clone(), hosts, ports, parts, pages)
        })
    };
    config.web.listen.map(start).transpose()
}
