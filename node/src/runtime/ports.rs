//! What the jobs of studies and reports work with.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use dokuei_keys::id::{NodeId, ParcelId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::Grant;
use dokuei_protocol::case::terms::Priority;
use dokuei_protocol::effect::Shared;
use dokuei_protocol::input::{Command, Outcome, Trouble};
use dokuei_protocol::limits;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ahead::Coming;
use crate::archive::{ArchiveError, Archiver, Confirmed, Storing, StoringAhead};
use crate::disk::Room;
use crate::index::holdings::Holdings;
use crate::language::Explain as _;
use crate::media::Imports;
use crate::network::{FetchError, Network};
use crate::priors::Turns;
use crate::reports::objects::ReportObjects;
use crate::reports::reception::{self, IssuedReport, ReceptionError};
use crate::runtime::desk::Desk;
use crate::runtime::troubles::Troubles;
use crate::store::Store;
use crate::studies::granted::GrantedStudies;
use crate::studies::persons::Persons;
use crate::studies::register::{Register, RegisterError};
use crate::transcoding::Transcoder;
use crate::transfer::counts::Counts;
use crate::transfer::moving::{Movements, Source};
use crate::transfer::precedence::{Precedence, Underway};
use crate::transfer::progress::{Progress, Transfers};
use crate::transfer::receive::{ReceiveError, Receiving};
use crate::transfer::{Content, Listed};

/// Studies that are received at once; others wait for their turn. Each holds up to 20 MiB (four streams
/// of five blocks, their windows, and what waits for the archive), and two of four streams are what a
/// partner serves.
const RECEIVING: usize = 3;
/// Of these, as many may come from one partner: its slow line does not keep the others' studies waiting.
const RECEIVING_FROM_ONE: usize = 2;

/// Emergencies that are received at once beside these: they wait for nobody's turn but each other's.
const RECEIVING_STAT: usize = 2;
/// Of these, as many may come from one partner: they share its line, and the first is here sooner.
const RECEIVING_STAT_FROM_ONE: usize = 1;

/// Studies that are put into the archive at once after they arrived: archives allow few associations, and one that
/// does not answer holds its thread for two minutes.
const STORING: usize = 2;

/// Turns of each partner for emergencies (true) and for others; there are no more partners than the protocol allows.
type OfOne = BTreeMap<(SiteId, bool), Arc<Semaphore>>;

/// Studies on their way to the archive while they arrive. Clones share them.
#[derive(Clone)]
pub struct Arriving {
    turns: Arc<Semaphore>,
    of_one: Arc<Mutex<OfOne>>,
    stat: Arc<Semaphore>,
    precedence: Precedence,
    storing: Arc<Semaphore>,
    onward: Arc<Mutex<BTreeMap<CaseId, Arc<StoringAhead>>>>,
    /// Who may ask the archive for earlier studies now.
    pub(crate) priors: Arc<Turns>,
}

impl Default for Arriving {
    fn default() -> Arriving {
        Arriving {
            turns: Arc::new(Semaphore::new(RECEIVING)),
            of_one: Arc::default(),
            stat: Arc::new(Semaphore::new(RECEIVING_STAT)),
            precedence: Precedence::default(),
            storing: Arc::new(Semaphore::new(STORING)),
            onward: Arc::default(),
            priors: Arc::default(),
        }
    }
}

impl Arriving {
    /// Which transfers go first.
    pub fn precedence(&self) -> Precedence {
        self.precedence.clone()
    }

    fn turns_of(&self, site: SiteId, is_stat: bool) -> Arc<Semaphore> {
        let most = match is_stat {
            true => RECEIVING_STAT_FROM_ONE,
            false => RECEIVING_FROM_ONE,
        };
        let mut of_one = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = of_one
            .entry((site, is_stat))
            .or_insert_with(|| Arc::new(Semaphore::new(most)));
        Arc::clone(turns)
    }

    /// Waits until a study may be received. It is under way as long as what this gives is held.
    async fn turn(
        &self,
        from: SiteId,
        priority: Priority,
        progress: &Progress,
    ) -> (Vec<OwnedSemaphorePermit>, Underway) {
        progress.awaits_place.store(true, Ordering::Relaxed);
        let is_stat = priority == Priority::Stat;
        let all = if is_stat { &self.stat } else { &self.turns };
        // Turns end only with the node.
        let own = self.turns_of(from, is_stat).acquire_owned().await.ok();
        let waiting = self.precedence.wait(from);
        let shared = Arc::clone(all).acquire_owned().await.ok();
        drop(waiting);
        progress.awaits_place.store(false, Ordering::Relaxed);
        let held = own.into_iter().chain(shared).collect();
        // Not before: whoever waits for a turn must not hold up those that have it.
        (held, self.precedence.enter(from, priority))
    }

    fn take(&self, case: CaseId) -> Option<Arc<StoringAhead>> {
        self.onward
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&case)
    }

    fn put(&self, case: CaseId, onward: Arc<StoringAhead>) {
        self.onward
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(case, onward);
    }
}

/// The ports of one node.
pub struct Ports {
    /// This site.
    pub site: SiteId,
    /// The studies of this site's modalities.
    pub register: Register,
    /// The studies that partners granted.
    pub granted: GrantedStudies,
    /// The DICOM objects of reports, signed here or received.
    pub reports: ReportObjects,
    /// Finding all of them.
    pub holdings: Holdings,
    /// The receipts of imports from media.
    pub imports: Imports,
    /// Whose studies are that are of somebody else than their images name.
    pub persons: Persons,
    /// The store.
    pub store: Store,
    /// What rows are sealed under.
    pub storage: StorageKey,
    /// The network.
    pub network: Network,
    /// This site's archive, if it has one.
    pub archiver: Option<Archiver>,
    /// Brings objects into transfer syntaxes that others take.
    pub transcoder: Transcoder,
    /// Room on the disk.
    pub room: Room,
    /// What is on its way.
    pub transfers: Transfers,
    /// What is on its way and goes to the archive at once.
    pub arriving: Arriving,
    /// What comes ahead of grants.
    pub coming: Coming,
    /// Why the last attempts failed.
    pub troubles: Troubles,
}

impl Ports {
    /// What is on its way.
    pub fn movements(&self) -> Movements {
        Movements {
            transfers: self.transfers.clone(),
            granted: self.granted.clone(),
            network: self.network.clone(),
            room: self.room.clone(),
            precedence: self.arriving.precedence.clone(),
        }
    }

    /// From now on the log says for which studies this site answered to those who asked it to keep them. Needs a tokio
    /// runtime.
    pub(super) fn promise_by(&self, desk: &Desk) {
        let (desk, runtime) = (desk.clone(), Handle::current());
        // Asked from the threads of associations.
        let promise = move |parcels| {
            let promised = runtime.block_on(desk.command(Command::Commit(parcels)));
            matches!(promised, Ok(Ok(_)))
        };
        self.holdings.promise_by(Box::new(promise));
    }

    /// Fetches and verifies a granted study.
    pub async fn receive_study(
        self: Arc<Self>,
        (case, priority): (CaseId, Priority),
        from: SiteId,
        node: NodeId,
        granted: (Grant, ContentKey),
        shared: Shared,
    ) -> Outcome {
        let study = self.study((case, priority), from, node, granted, shared);
        match study.await {
            Ok(()) => {
                self.troubles.clear(&case);
                Outcome::Done
            }
            Err(error) => {
                self.troubles.note(case, error.message());
                let outcome = outcome_of(&error);
                if outcome == Outcome::Impossible {
                    drop(self.arriving.take(case));
                    self.granted.abandon(case);
                }
                let stored = self
                    .transfers
                    .standing(&case)
                    .map_or(0, |standing| standing.stored);
                if outcome == Outcome::Impossible && stored > 0 {
                    tracing::error!(target: "dokuei::transfer", %case, stored, "a study that did not arrive whole is in the archive in part: {error}");
                } else {
                    tracing::warn!(target: "dokuei::transfer", %case, "a study could not be received: {error}");
                }
                outcome
            }
        }
    }

    async fn study(
        &self,
        (case, priority): (CaseId, Priority),
        from: SiteId,
        node: NodeId,
        (grant, key): (Grant, ContentKey),
        shared: Shared,
    ) -> Result<(), ReceiveError> {
        let progress = self.transfers.begin(case);
        progress.comes_from(Source {
            site: from,
            node,
            priority,
        });
        let (_turns, underway) = self.arriving.turn(from, priority, &progress).await;
        if !self.room.is_left() {
            tokio::task::block_in_place(|| self.coming.make_room())?;
        }
        if !self.room.is_left() {
            return Err(ReceiveError::Disk(io::ErrorKind::StorageFull.into()));
        }
        let onward = tokio::task::block_in_place(|| self.onward(case, from, &grant, &key))?;
        let receiving = Receiving {
            network: self.network.clone(),
            parcels: self.register.parcels().clone(),
            from,
            node,
            manifest: grant.manifest,
            content: Content::Study,
            key,
            progress,
            onward: onward.clone(),
            known: tokio::task::block_in_place(|| self.holdings.shared(from, shared)),
            room: Some(self.room.clone()),
            underway: Some(underway),
            ahead: Some(self.coming.clone()),
            listed: Some(Listed {
                granted: self.granted.clone(),
                case,
            }),
        };
        let received = receiving.run().await;
        if let Some(onward) = onward {
            onward.close();
        }
        let received = received?;
        tokio::task::block_in_place(|| {
            self.granted
                .keep(case, from, received.study.ok_or(ReceiveError::Incomplete)?)?;
            Ok(Counts::remove(&received.folder)?)
        })
    }

    /// Begins to put a study into the archive while it arrives, when there is an archive.
    fn onward(
        &self,
        case: CaseId,
        from: SiteId,
        grant: &Grant,
        key: &ContentKey,
    ) -> io::Result<Option<Arc<StoringAhead>>> {
        let Some(archiver) = self.archiver.clone() else {
            return Ok(None);
        };
        let parcels = self.register.parcels().clone();
        let parcel = grant.manifest.parcel;
        parcels.create(&parcel)?;
        // The manifest is not here yet, and is refused when it has more.
        let objects = (grant.manifest.objects as usize).min(limits::OBJECTS);
        // An earlier attempt may still be sending: what the archive confirms to it counts here too.
        let before = self.arriving.take(case);
        let confirmed = match before
            .as_ref()
            .and_then(|before| before.confirmed_of(&parcel))
        {
            Some(confirmed) => confirmed,
            None => Arc::new(Confirmed::open(&parcels.folder_of(&parcel), objects)?),
        };
        let storing = Storing {
            archiver,
            parcel,
            site: from,
            key: key.duplicate(),
            confirmed,
            parcels,
            progress: self.transfers.begin(case),
        };
        let onward = Arc::new(StoringAhead::begin(storing, before)?);
        self.arriving.put(case, Arc::clone(&onward));
        Ok(Some(onward))
    }

    /// Puts a received study into the archive.
    pub async fn store_study(
        self: Arc<Self>,
        case: CaseId,
        from: SiteId,
        grant: Grant,
        key: ContentKey,
    ) -> Outcome {
        let Some(archiver) = self.archiver.clone() else {
            return Outcome::Failed(Trouble::NoArchive);
        };
        let Some(study) = self.granted.study(case) else {
            return Outcome::Failed(Trouble::Disk);
        };
        let parcels = self.register.parcels().clone();
        let (onward, transfers) = (self.arriving.take(case), self.transfers.clone());
        let parcel = grant.manifest.parcel;
        // Turns end only with the node.
        let _turn = self.arriving.storing.acquire().await;
        let stored = tokio::task::spawn_blocking(move || {
            if let Some(onward) = onward {
                onward.finish();
            }
            let objects = study.objects.len();
            let confirmed = Confirmed::open(&parcels.folder_of(&parcel), objects);
            let confirmed = confirmed.map_err(|_| ArchiveError::Unreadable)?;
            let held = (confirmed.count(), confirmed.transcoded());
            let progress = transfers.begin_storing(case, objects, held);
            archiver.store_study(&parcels, &key, from, &study, &confirmed, &progress)?;
            let transcoded = confirmed.transcoded();
            if transcoded > 0 {
                tracing::info!(target: "dokuei::archive", %case, transcoded, objects, "a study is in the archive, objects of it uncompressed: it does not accept their transfer syntax");
            }
            Ok::<(), ArchiveError>(())
        })
        .await;
        match stored {
            Ok(Ok(())) => {
                self.troubles.clear(&case);
                Outcome::Done
            }
            Ok(Err(error)) => {
                tracing::warn!(target: "dokuei::archive", %case, "{error}");
                self.troubles.note(case, error.message());
                archive_outcome(&error)
            }
            Err(_) => Outcome::Failed(Trouble::Disk),
        }
    }

    /// Removes what lies here of a study whose key is destroyed.
    pub async fn remove_study(self: Arc<Self>, case: CaseId, parcel: ParcelId) -> Outcome {
        let removed = tokio::task::spawn_blocking(move || -> Result<(), RegisterError> {
            // What was on its way to the archive holds the key as well.
            if let Some(onward) = self.arriving.take(case) {
                onward.give_up();
            }
            self.troubles.clear(&case);
            self.granted.forget(case)?;
            self.register.put_away(&parcel)?;
            Ok(self.register.parcels().remove(&parcel)?)
        });
        match removed.await {
            Ok(Ok(())) => Outcome::Done,
            Ok(Err(error)) => {
                tracing::warn!(target: "dokuei::studies", %case, "a study whose time is over could not be removed: {error}");
                Outcome::Failed(Trouble::Disk)
            }
            Err(_) => Outcome::Failed(Trouble::Disk),
        }
    }

    /// Fetches a report version, verifies it, and puts it into the archive.
    pub async fn receive_report(self: Arc<Self>, report: IssuedReport, key: ContentKey) -> Outcome {
        match reception::receive(&self, &report, key).await {
            Ok(()) => {
                self.troubles.clear(&report.case);
                Outcome::Done
            }
            Err(error) => {
                let (case, version) = (report.case, report.issued.version);
                self.troubles.note(case, error.message());
                tracing::warn!(target: "dokuei::report", %case, version, "a report could not be received: {error}");
                match error {
                    ReceptionError::Receive(error) => outcome_of(&error),
                    ReceptionError::NotAuthentic(_) => Outcome::Impossible,
                    ReceptionError::Archive(error) => archive_outcome(&error),
                    ReceptionError::NoArchive => Outcome::Failed(Trouble::NoArchive),
                    ReceptionError::Disk(_) => Outcome::Failed(Trouble::Disk),
                }
            }
        }
    }
}

fn archive_outcome(error: &ArchiveError) -> Outcome {
    Outcome::Failed(match error {
        ArchiveError::Unreachable(_) | ArchiveError::NotCommitted(_) => Trouble::ArchiveUnreachable,
        ArchiveError::Refused(_) => Trouble::ArchiveRefused,
        ArchiveError::Unreadable => Trouble::Disk,
    })
}

fn outcome_of(error: &ReceiveError) -> Outcome {
    match error {
        ReceiveError::Damaged(_) => Outcome::Impossible,
        ReceiveError::NotPermitted => Outcome::Failed(Trouble::NotPermitted),
        ReceiveError::Network(FetchError::Sink(_)) => Outcome::Failed(Trouble::Disk),
        ReceiveError::Network(_) | ReceiveError::Slow | ReceiveError::Incomplete => {
            Outcome::Failed(Trouble::PartnerUnreachable)
        }
        ReceiveError::Disk(_) => Outcome::Failed(Trouble::Disk),
    }
}
