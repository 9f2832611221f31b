//! Application entities: who may call this node over DICOM, and where it sends. Rows of the store, sealed, held in
//! memory; clones share them.

mod breaker;
mod caller;
mod destination;
mod permission;
mod route;
pub mod scope;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use dokuei_keys::secret::StorageKey;

use crate::config::reach::is_of_the_house;
use crate::dicom::pdu::AeTitle;
use crate::dicom::scu::Transcoding;
use crate::language::Failure;
use crate::say;
use crate::store::{Rows, SealedRows, Store};
use crate::tls::Identity;

pub use breaker::Breaker;
pub use caller::{Caller, NETWORKS};
pub(crate) use caller::{invalid, title};
pub use destination::{ATTEMPTS, Destination, PAUSE_SECONDS, Retry};
pub use permission::{Permission, Refusal};
pub use route::{Route, RouteFault};
pub use scope::{Domain, Scope};

/// Callers that are kept: every device of a large hospital, and each association looks through them.
pub const CALLERS: usize = 1024;
/// Destinations that are kept.
pub const DESTINATIONS: usize = 256;

/// The entities of one node. Clones share them.
#[derive(Clone)]
pub struct Entities(Arc<Shared>);

struct Shared {
    callers: SealedRows<Caller>,
    destinations: SealedRows<Destination>,
    means: Means,
    /// Never held while the disk is waited for: each association asks.
    held: RwLock<Held>,
    /// Held while something is added or removed: one change after the other.
    changing: Mutex<()>,
    breakers: Mutex<BTreeMap<String, Arc<Breaker>>>,
}

/// As whom this node calls, and whom it lets in unasked.
pub struct Means {
    /// This node's AE title.
    pub ae_title: AeTitle,
    /// Whether devices of the house may send while no caller is registered.
    pub open_intake: bool,
    /// What this node shows of itself to destinations that ask for a certificate.
    pub identity: Option<Arc<Identity>>,
    /// Who brings objects into transfer syntaxes that destinations take.
    pub transcoding: Option<Arc<dyn Transcoding>>,
}

#[derive(Default)]
struct Held {
    callers: BTreeMap<String, Caller>,
    destinations: BTreeMap<String, Destination>,
}

impl std::fmt::Debug for Entities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entities").finish_non_exhaustive()
    }
}

impl Entities {
    /// Opens the rows.
    ///
    /// # Errors
    /// When one cannot be read or opened.
    pub fn open(store: Store, storage: StorageKey, means: Means) -> Result<Entities, Failure> {
        let mut held = Held::default();
        let storage = Arc::new(storage);
        let callers: SealedRows<Caller> =
            SealedRows::new(Rows::Callers, store.clone(), Arc::clone(&storage));
        let destinations: SealedRows<Destination> =
            SealedRows::new(Rows::Destinations, store, storage);
        for (_, caller) in callers.all().map_err(|_| damaged())? {
            held.callers.insert(caller.name.clone(), caller);
        }
        for (_, destination) in destinations.all().map_err(|_| damaged())? {
            held.destinations
                .insert(destination.name.clone(), destination);
        }
        Ok(Entities(Arc::new(Shared {
            callers,
            destinations,
            means,
            held: RwLock::new(held),
            changing: Mutex::new(()),
            breakers: Mutex::default(),
        })))
    }

    /// Whether somebody who calls is let in, and what they may do then. `certificate`: the fingerprint (SHA-256) of
    /// the one that they showed and proved over TLS.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(
        &self,
        calling: &AeTitle,
        address: IpAddr,
        certificate: Option<[u8; 32]>,
    ) -> Result<Permission, Refusal> {
        let held = self.held();
        if held.callers.is_empty() {
            return self.admit_unasked(address);
        }
        let titled = held.callers.values();
        let mut titled = titled
            .filter(|caller| caller.ae_title == calling.as_str())
            .peekable();
        titled.peek().ok_or(Refusal::UnknownTitle)?;
        let here: Vec<&Caller> = titled.filter(|caller| caller.calls_from(address)).collect();
        if here.is_empty() {
            return Err(Refusal::WrongAddress);
        }
        let proven = |caller: &&&Caller| certificate.is_some() && caller.certificate == certificate;
        let unpinned = |caller: &&&Caller| caller.certificate.is_none();
        let found = here.iter().find(proven);
        match found.or_else(|| here.iter().find(unpinned)) {
            Some(caller) => Ok(caller.permission()),
            None => {
                Err(
                    certificate.map_or(Refusal::NoCertificate, |shown| Refusal::WrongCertificate {
                        shown,
                    }),
                )
            }
        }
    }

    /// What happens while no caller is registered: a clinic's scanner works on the first day.
    fn admit_unasked(&self, address: IpAddr) -> Result<Permission, Refusal> {
        if !self.0.means.open_intake {
            Err(Refusal::IntakeClosed)
        } else if !is_of_the_house(address) {
            Err(Refusal::NotOfTheHouse)
        } else {
            Ok(Permission::to_send())
        }
    }

    /// Whether everybody of the house may send: no caller is registered, and the configuration lets them.
    pub fn is_open(&self) -> bool {
        self.0.means.open_intake && self.held().callers.is_empty()
    }

    /// What this node shows of itself over TLS.
    pub fn identity(&self) -> Option<&Identity> {
        self.0.means.identity.as_deref()
    }

    /// Whether a caller is registered with this certificate.
    pub fn is_pinned(&self, certificate: &[u8; 32]) -> bool {
        let held = self.held();
        let mut pinned = held.callers.values().filter_map(|one| one.certificate);
        pinned.any(|pinned| pinned == *certificate)
    }

    /// Every caller, by name.
    pub fn callers(&self) -> Vec<Caller> {
        self.held().callers.values().cloned().collect()
    }

    /// Every destination, by name.
    pub fn destinations(&self) -> Vec<Destination> {
        self.held().destinations.values().cloned().collect()
    }

    /// The destination with this name.
    pub fn destination(&self, name: &str) -> Option<Route> {
        let found = self.held().destinations.get(name.trim()).cloned();
        found.and_then(|found| self.route(found))
    }

    /// The destination with this AE title: a C-MOVE names it so, and storage commitment answers to it.
    pub fn destination_by_ae(&self, ae_title: &str) -> Option<Route> {
        let held = self.held();
        let mut all = held.destinations.values();
        let found = all.find(|one| one.ae_title == ae_title.trim()).cloned();
        drop(held);
        found.and_then(|found| self.route(found))
    }

    fn route(&self, destination: Destination) -> Option<Route> {
        let means = &self.0.means;
        let breaker = Arc::clone(
            lock(&self.0.breakers)
                .entry(destination.name.clone())
                .or_default(),
        );
        let mut called = destination.called(&means.ae_title, means.identity.as_deref())?;
        called.transcoding = means.transcoding.clone();
        Some(Route::new(destination, called, breaker))
    }

    /// Registers a caller.
    ///
    /// # Errors
    /// What is wrong with it, that it could be taken for another, that there are too many, or the store's.
    pub fn add_caller(&self, caller: Caller) -> Result<Caller, Failure> {
        let caller = caller.checked()?;
        let _changing = lock(&self.0.changing);
        self.must_be_another_caller(&caller)?;
        self.0.callers.put(caller.name.as_bytes(), &caller)?;
        let mut held = self.held_to_change();
        held.callers.insert(caller.name.clone(), caller.clone());
        Ok(caller)
    }

    fn must_be_another_caller(&self, caller: &Caller) -> Result<(), Failure> {
        let held = self.held();
        must_be_new(&caller.name, held.callers.contains_key(&caller.name))?;
        must_fit(held.callers.len(), CALLERS)?;
        if let Some(other) = held.callers.values().find(|one| one.overlaps(caller)) {
            let (name, title) = (&other.name, &caller.ae_title);
            return Err(Failure::new(
                "entity-ambiguous",
                say!(
                    "「{name}」も同じ AE タイトル {title} で同じアドレスから接続します。どちらか区別できないため登録しませんでした。",
                    "'{name}' calls as {title} from the same address too, so the two could not be told apart. Nothing was registered."
                ),
            ));
        }
        Ok(())
    }

    /// Adds a destination.
    ///
    /// # Errors
    /// What is wrong with it, that another has its AE title, that there are too many, or the store's.
    pub fn add_destination(&self, destination: Destination) -> Result<Destination, Failure> {
        let destination = destination.checked()?;
        let _changing = lock(&self.0.changing);
        self.must_be_another_destination(&destination)?;
        let rows = &self.0.destinations;
        rows.put(destination.name.as_bytes(), &destination)?;
        let mut held = self.held_to_change();
        held.destinations
            .insert(destination.name.clone(), destination.clone());
        Ok(destination)
    }

    fn must_be_another_destination(&self, destination: &Destination) -> Result<(), Failure> {
        let held = self.held();
        must_be_new(
            &destination.name,
            held.destinations.contains_key(&destination.name),
        )?;
        must_fit(held.destinations.len(), DESTINATIONS)?;
        let title = &destination.ae_title;
        if let Some(other) = held
            .destinations
            .values()
            .find(|one| one.ae_title == *title)
        {
            let name = &other.name;
            return Err(Failure::new(
                "entity-ambiguous",
                say!(
                    "AE タイトル {title} は「{name}」が使っています。C-MOVE は AE タイトルで送り先を選ぶため、登録しませんでした。",
                    "'{name}' has the AE title {title} already, and a C-MOVE chooses by it. Nothing was added."
                ),
            ));
        }
        Ok(())
    }

    /// Removes a caller; associations that are open go on. Without the last one everybody of the house is let in, where
    /// the configuration says so: that must be meant, and `opens` says that it is.
    ///
    /// # Errors
    /// That there is none, that it opens the intake, or the store's.
    pub fn remove_caller(&self, name: &str, opens: bool) -> Result<Caller, Failure> {
        let _changing = lock(&self.0.changing);
        let (found, count) = {
            let held = self.held();
            let found = held.callers.get(name.trim()).cloned();
            (found, held.callers.len())
        };
        let found = found.ok_or_else(|| no_caller(name))?;
        if count == 1 && self.0.means.open_intake && !opens {
            return Err(would_open(&found.name));
        }
        self.0.callers.remove([&found.name])?;
        self.held_to_change().callers.remove(&found.name);
        Ok(found)
    }

    /// Removes a destination; what is on its way there goes on.
    ///
    /// # Errors
    /// That there is none, or the store's.
    pub fn remove_destination(&self, name: &str) -> Result<Destination, Failure> {
        let _changing = lock(&self.0.changing);
        let found = self.held().destinations.get(name.trim()).cloned();
        let found = found.ok_or_else(|| no_destination(name))?;
        self.0.destinations.remove([&found.name])?;
        self.held_to_change().destinations.remove(&found.name);
        lock(&self.0.breakers).remove(&found.name);
        Ok(found)
    }

    // Each change is a single insert or remove, so a panic elsewhere leaves the maps whole.
    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_to_change(&self) -> std::sync::RwLockWriteGuard<'_, Held> {
        self.0.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn damaged() -> Failure {
    Failure::new(
        "store-damaged",
        say!(
            "データベースの DICOM 装置・送り先の行が壊れています。データフォルダをバックアップから復元してください。",
            "A row of DICOM callers or destinations in the database is damaged. Restore the data folder from a backup."
        ),
    )
}

fn must_be_new(name: &str, is_there: bool) -> Result<(), Failure> {
    if !is_there {
        return Ok(());
    }
    Err(Failure::new(
        "entity-exists",
        say!(
            "「{name}」は既に登録されています。変更するには、いったん remove で消してから登録し直してください。",
            "'{name}' is registered already. To change it, remove it and add it again."
        ),
    ))
}

fn must_fit(count: usize, most: usize) -> Result<(), Failure> {
    if count < most {
        return Ok(());
    }
    Err(Failure::new(
        "too-many-entities",
        say!(
            "登録は {most} 件までです。使わないものを消してください。",
            "At most {most} are kept. Remove those that are not used."
        ),
    ))
}

/// That without this caller everybody of the house could send.
fn would_open(name: &str) -> Failure {
    Failure::new(
        "opens-intake",
        say!(
            "「{name}」は最後の装置です。消すと院内のどの装置からも受信するようになるため、消しませんでした。それでよければ --despite-open-intake を付け、そうでなければ先に dokuei.toml の [dicom] で open_intake = false にして再起動してください。",
            "'{name}' is the last caller. Without it any device of the house may send, so it was not removed. If that is meant, give --despite-open-intake; else set open_intake = false under [dicom] in dokuei.toml and restart first."
        ),
    )
}

/// That no caller has this name.
fn no_caller(name: &str) -> Failure {
    Failure::new(
        "no-caller",
        say!(
            "「{name}」という装置は登録されていません。「dokuei dicom caller list」で確認してください。",
            "No caller is named '{name}'. See 'dokuei dicom caller list'."
        ),
    )
}

/// That no destination has this name.
pub fn no_destination(name: &str) -> Failure {
    Failure::new(
        "no-destination",
        say!(
            "「{name}」という送り先は登録されていません。「dokuei dicom destination list」で確認してください。",
            "No destination is named '{name}'. See 'dokuei dicom destination list'."
        ),
    )
}

#[cfg(test)]
mod tests;
