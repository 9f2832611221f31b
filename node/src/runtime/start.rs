//! Starting a node, and stopping it.

use std::fs::File;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dokuei_keys::secret::Secret32;
use dokuei_protocol::input::Command;
use dokuei_protocol::service::Service;
use dokuei_protocol::time::Timestamp;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::ahead::{Coming, Ready};
use crate::archive::{Archiver, Fetching};
use crate::audit::Audit;
use crate::chance::chance;
use crate::clock::now;
use crate::commitments::Delivering;
use crate::config::Config;
use crate::control::answers::{cannot_do, stopping};
use crate::control::socket;
use crate::deidentify::pseudonyms::Pseudonyms;
use crate::dicom::scp::Scp;
use crate::dicomweb::WebServer;
use crate::dicomweb::access::Access;
use crate::disk::Room;
use crate::entities::Entities;
use crate::index::catalogue::Catalogue;
use crate::index::holdings::Holdings;
use crate::index::preparing::Preparing;
use crate::language::{Explain, Failure};
use crate::media::Imports;
use crate::network::{BulkPort, Network, NetworkConfig, Started};
use crate::packs::PackMaker;
use crate::parcels::Parcels;
use crate::pixels::{Decoders, Plan};
use crate::reports::listing::list_missing;
use crate::reports::objects::ReportObjects;
use crate::runtime::absences::Absences;
use crate::runtime::desk::{Loop, desk};
use crate::runtime::dispatch::{Dispatch, Permits, Tickets};
use crate::runtime::door::Doors;
use crate::runtime::follow::follow;
use crate::runtime::hands::Hands;
use crate::runtime::kept::restore;
use crate::runtime::ports::{Arriving, Ports};
use crate::runtime::trail;
use crate::runtime::troubles::Troubles;
use crate::say;
use crate::site::keys::SiteKeys;
use crate::site::prekeys::PrekeyKey;
use crate::site::{SiteFolder, notices, passphrase, prekeys};
use crate::store::Store;
use crate::studies::granted::GrantedStudies;
use crate::studies::intake::StudyIntake;
use crate::studies::persons::Persons;
use crate::studies::register::Register;
use crate::transcoding::Transcoder;
use crate::transfer::earlier;
use crate::transfer::progress::Transfers;
use crate::transfer::serve::ParcelShelf;

/// What a stop grants to saying goodbye to partners: the words leave at once, and a partner that is gone
/// does not answer in any time.
const GOODBYES: Duration = Duration::from_millis(500);

/// A running node.
pub struct Node {
    /// What requests are worked with.
    hands: Arc<Hands>,
    /// Where partners connect.
    pub listening: Vec<SocketAddr>,
    /// Where modalities connect.
    pub dicom: SocketAddr,
    /// Where browsers and DICOMweb clients connect.
    pub web: Option<SocketAddr>,
    /// Who may come in by the web.
    pub access: Access,
    /// Where they connect over TLS, if anywhere.
    pub dicom_tls: Option<SocketAddr>,
    /// Who may call over DICOM, and where to send.
    pub entities: Entities,
    /// Studies that the archive is asked to send here.
    pub fetching: Fetching,
    /// Which partners went, and when.
    pub absences: Absences,
    /// Cancelled when the loop has ended, whatever the reason: the node decides nothing any more.
    pub ended: CancellationToken,
    /// When this node started.
    pub started: Timestamp,
    scp: Mutex<Option<Scp>>,
    web_server: Mutex<Option<WebServer>>,
    _delivering: Delivering,
    _preparing: Preparing,
    _lock: File,
}

/// A node is worked with like the parts of it that are shared.
impl Deref for Node {
    type Target = Hands;

    fn deref(&self) -> &Hands {
        &self.hands
    }
}

/// Starts the node of a data folder. Needs a tokio runtime.
///
/// # Errors
/// One sentence: what is wrong, with what, and what to do.
pub fn start(folder: SiteFolder, passphrase_file: Option<&Path>) -> Result<Arc<Node>, Failure> {
    let (lock, config, keys) = open_site(&folder, passphrase_file)?;
    let store = Store::open(&folder.database())?;
    let (service, prekeys) = open_service(&folder, &config, &keys, &store)?;

    let incomplete = service.incomplete();
    let (permits, ready) = (Permits::default(), Ready::default());
    let given = (&permits, &ready);
    let (ports, started) = connect(&folder, (&config, &keys), &store, given)?;
    list_earlier(&ports, incomplete);
    let audit = trail::open(&config, &folder, &ports, &service)?;
    let intake = Arc::new(intake(&ports, &audit));
    crate::studies::settling::start(&intake);
    let served = (&*ports, &intake, &audit);
    let doors = Doors::open((&folder, &config, &keys), &store, served)?;

    let (desk, inbox) = desk();
    ports.promise_by(&desk);
    let tickets = Tickets::default();
    let dispatch = Dispatch {
        desk: desk.clone(),
        runtime: Handle::current(),
        tickets: tickets.clone(),
        permits,
        network: started.network,
        ports: Arc::clone(&ports),
    };
    let work = Loop {
        storage: keys.storage().duplicate(),
        prekeys: prekeys.key,
        service,
        store,
        dispatch,
        inbox,
        audit: audit.clone(),
        grown: doors.worklist.grown(),
    };
    let ended = work.start().map_err(|error| failed(&error))?;
    trail::start(&audit, &config, &ports, &desk).map_err(|error| failed(&error))?;
    let preparing = list(&ports)?;
    let hands = Arc::new(Hands {
        folder,
        config,
        keys,
        desk,
        ports,
        intake,
        audit,
    });
    let absences = follow(&hands, (started.events, ready), tickets);
    doors.worklist.attach(&hands, ended.clone());
    Ok(Arc::new(Node {
        dicom: doors.scp.local_addr(),
        web: doors.web_server.as_ref().map(WebServer::address),
        access: doors.access,
        dicom_tls: doors.scp.tls_addr(),
        entities: doors.entities,
        listening: started.listening,
        fetching: Fetching::default(),
        absences,
        ended,
        hands,
        started: Timestamp(now()),
        scp: Mutex::new(Some(doors.scp)),
        web_server: Mutex::new(doors.web_server),
        _delivering: doors.delivering,
        _preparing: preparing,
        _lock: lock,
    }))
}

/// What takes studies in: watched by auditors, and by those who decide about media.
fn intake(ports: &Ports, audit: &Audit) -> StudyIntake {
    StudyIntake::new(ports.register.clone(), ports.room.clone())
        .audited(audit.clone())
        .comparing(ports.transcoder.clone())
        .witnessed(ports.imports.witness())
}

/// Lists what an earlier run left of studies that are not here whole, beside everything else.
fn list_earlier(ports: &Ports, incomplete: Vec<earlier::Incomplete>) {
    let (parcels, granted) = (ports.register.parcels().clone(), ports.granted.clone());
    tokio::task::spawn_blocking(move || earlier::list_all(&parcels, &granted, incomplete));
}

/// Lists what is not listed yet, beside everything else.
fn list(ports: &Arc<Ports>) -> Result<Preparing, Failure> {
    let unlisted = Arc::clone(ports);
    tokio::task::spawn_blocking(move || list_missing(&unlisted));
    let (holdings, store) = (ports.holdings.clone(), ports.store.clone());
    Preparing::start(holdings, store, ports.register.bell()).map_err(|error| failed(&error))
}

/// Takes the folder for this process, and reads and opens what is in it.
fn open_site(
    folder: &SiteFolder,
    passphrase_file: Option<&Path>,
) -> Result<(File, Config, SiteKeys), Failure> {
    let lock = folder.lock()?;
    // A node whose lock file was removed, or lies on a file system without locks, still answers.
    if socket::connect(folder.path()).is_ok() {
        return Err(folder.already_running());
    }
    let config = Config::read(&folder.config())?;
    let passphrase = passphrase::find(folder, passphrase_file)?;
    let keys = SiteKeys::open(folder, &passphrase)?;
    config.check_name(&keys.site_certificate()?.name, &folder.config())?;
    Ok((lock, config, keys))
}

/// The service as the log says it stands, and what prekeys lie under.
fn open_service(
    folder: &SiteFolder,
    config: &Config,
    keys: &SiteKeys,
    store: &Store,
) -> Result<(Service, PrekeyKey), Failure> {
    let seed = Secret32::from_rng(&mut chance());
    let mut service = Service::new(keys.identity()?, config.quoting, &seed);
    let archive = config.archive.as_ref();
    if archive.is_some_and(|archive| archive.commitment) {
        service.await_archive();
    }
    let prekeys = prekeys::open(folder, &mut chance())?;
    restore(&mut service, store, keys.storage(), &prekeys)?;
    Ok((service, prekeys))
}

/// Starts the network, and opens what jobs work with.
fn connect(
    folder: &SiteFolder,
    (config, keys): (&Config, &SiteKeys),
    store: &Store,
    (permits, ready): (&Permits, &Ready),
) -> Result<(Arc<Ports>, Started), Failure> {
    let parcels = Parcels::open(folder.parcels())
        .map_err(|error| crate::site::unusable(&folder.parcels(), &error))?;
    let sealed = (store.clone(), keys.storage().duplicate());
    let packs = PackMaker::new(parcels.clone(), keys.site_certificate()?.site, sealed);
    let transfers = Transfers::default();
    let shelf = ParcelShelf::new(packs, permits, &transfers.given).with_ready(ready);
    let started = start_network(config, keys, shelf)?;
    let places = (parcels, Room::under(folder.path()), transfers);
    let ports = open_ports(config, keys, store, places, started.network.clone())?;
    Ok((Arc::new(ports), started))
}

fn start_network(config: &Config, keys: &SiteKeys, shelf: ParcelShelf) -> Result<Started, Failure> {
    let seed = Zeroizing::new(*keys.node_seed().expose());
    let mut network = NetworkConfig::new(seed, config.listen.clone());
    network.bulk_port = config.bulk_port.map_or(BulkPort::Next, BulkPort::Number);
    network.caps = config.caps.clone();
    network.parcels = Some(Arc::new(shelf));
    Network::start(network).map_err(|error| failed(&error))
}

fn open_ports(
    config: &Config,
    keys: &SiteKeys,
    store: &Store,
    (parcels, room, transfers): (Parcels, Room, Transfers),
    network: Network,
) -> Result<Ports, Failure> {
    let site = keys.site_certificate()?.site;
    let storage = || keys.storage().duplicate();
    let catalogue = Catalogue::default();
    let register = Register::open(site, parcels, store.clone(), storage(), catalogue.clone())
        .map_err(|error| failed(&error))?;
    let listed = (catalogue.clone(), register.bell());
    let granted = GrantedStudies::open(store.clone(), storage(), listed.0, listed.1)
        .map_err(|error| failed(&error))?;
    let kept = (store.clone(), storage());
    let reports = ReportObjects::open(kept, register.parcels().clone(), catalogue.clone())
        .map_err(|error| failed(&error))?;
    let persons = Persons::open(site, (store.clone(), storage()), catalogue.clone())
        .map_err(|error| failed(&error))?;
    let imports = Imports::open(store.clone(), storage()).map_err(|error| failed(&error))?;
    let holdings = Holdings::new(
        (register.clone(), granted.clone(), reports.clone()),
        (store.clone(), storage()),
        catalogue,
        imports.clone(),
    );
    let transcoder = Transcoder::new(Decoders::new(Plan::this_program()), Handle::current());
    let archiver = config.archive.as_ref().and_then(|archive| {
        let archiver = Archiver::new(archive, &config.ae_title)?;
        Some(match archive.transcode {
            true => archiver.transcoding(Arc::new(transcoder.clone())),
            false => archiver,
        })
    });
    let storage_key = storage();
    let pseudonyms = Pseudonyms {
        store,
        storage: &storage_key,
    };
    let copies = pseudonyms.studies().map_err(|error| failed(&error))?;
    copies.iter().for_each(|uid| holdings.hide(uid));
    let arriving = Arriving::default();
    let places = (register.parcels().clone(), room.clone());
    Ok(Ports {
        site,
        coming: Coming::new(network.clone(), places, arriving.precedence()),
        register,
        granted,
        reports,
        holdings,
        imports,
        persons,
        store: store.clone(),
        storage: storage_key,
        network,
        archiver,
        transcoder,
        room,
        transfers,
        arriving,
        troubles: Troubles::default(),
    })
}

impl Node {
    /// Says what the configuration says: where this node is reached, and what it reads.
    ///
    /// # Errors
    /// When the node is stopping, or a notice of this site's own keys is damaged.
    pub async fn announce(&self) -> Result<(), Failure> {
        for notice in notices::all(&self.folder)? {
            if notice.site == self.ports.site {
                let taken = self.desk.command(Command::TakeNotice(Box::new(notice)));
                let taken = taken.await.map_err(|_| stopping())?;
                if let Err(error) = taken {
                    tracing::error!(target: "dokuei::keys", "a notice of this site's own keys is not taken: {error}");
                }
            }
        }
        for command in [
            Command::AnnounceAddresses(self.addresses()),
            Command::AnnounceCapacity(self.config.capacity.clone()),
        ] {
            let answer = self.desk.command(command).await.map_err(|_| stopping())?;
            answer.map_err(|cannot| cannot_do(&cannot))?;
        }
        Ok(())
    }

    /// Where partners reach this node: as configured, else where it listens, unless that is every
    /// address of the machine.
    pub fn addresses(&self) -> Vec<String> {
        if !self.config.announce.is_empty() {
            return self.config.announce.clone();
        }
        self.listening
            .iter()
            .filter(|address| !address.ip().is_unspecified())
            .map(ToString::to_string)
            .collect()
    }

    /// Stops: connections closed, associations ended. Whatever is under way continues at the next
    /// start: every step was committed before it took effect.
    pub async fn stop(&self) {
        let scp = self
            .scp
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let receiving = async {
            if let Some(scp) = scp {
                // A worker that failed has nothing left to stop.
                let _ = tokio::task::spawn_blocking(move || scp.stop()).await;
            }
        };
        let web = self
            .web_server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let serving = async {
            if let Some(web) = web {
                web.stop().await;
            }
        };
        let goodbyes = tokio::time::timeout(GOODBYES, self.ports.network.stop());
        // Whoever has not heard by then notices by itself; the ports are free when the process ends.
        let (_heard, (), ()) = tokio::join!(goodbyes, receiving, serving);
        // Last of all: it tells what modalities had sent when their associations ended.
        let audit = self.audit.clone();
        let _ = tokio::task::spawn_blocking(move || audit.stop()).await;
    }
}

pub(super) fn failed(error: &dyn Explain) -> Failure {
    Failure::new(
        "start-failed",
        say!(
            "ノードを開始できません: {why}。",
            "The node cannot be started: {why}.";
            why = error.message()
        ),
    )
}
