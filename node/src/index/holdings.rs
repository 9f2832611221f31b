//! Answers from what lies here: queries, selections, metadata.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, OnceLock};

use dokuei_keys::id::{Digest, ParcelId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};

use super::catalogue::{Catalogue, Entry, Portion, Stretch};
use super::complaints::Complaints;
use crate::entities::Scope;
use crate::media::Imports;
use crate::parcels::{OpenError, OpenedObject};
use crate::reports::objects::ReportObjects;
use crate::store::{Rows, Store};
use crate::studies::attributes::Attributes;
use crate::studies::granted::GrantedStudies;
use crate::studies::register::{HeldObject, Register, RegisterError};
use crate::studies::study::{Study, StudyObject};

pub use crate::dicom::dimse::Level;

/// Why a query is not answered.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// It asks for a patient by an ID alone, and that ID is several people's here: answering would mix
    /// them.
    #[error("a patient ID of several issuers was asked for without its issuer")]
    SeveralIssuers,
    /// What lies here cannot be read.
    #[error(transparent)]
    Unreadable(#[from] OpenError),
}

impl From<io::Error> for FindError {
    fn from(error: io::Error) -> FindError {
        FindError::Unreadable(error.into())
    }
}

/// Which objects: those of a study, or of one of its series, or one.
#[derive(Clone, Default)]
pub struct Selection {
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID; every series when absent.
    pub series: Option<String>,
    /// SOP Instance UID; every object when absent.
    pub instance: Option<String>,
}

/// One object. Has no `Debug`: its UIDs lead to a patient.
#[derive(Clone)]
pub struct Instance {
    /// Its parcel.
    pub parcel: ParcelId,
    /// The institution that sealed it and whose patient it is about.
    pub institution: SiteId,
    /// Its slot.
    pub slot: u32,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
    /// SOP Instance UID.
    pub sop_instance: String,
    /// SOP Class UID.
    pub sop_class: String,
    /// BLAKE3 of its data set.
    pub content: Digest,
    /// Number of its series in its parcel.
    pub series_number: u16,
}

/// What lies here. Clones share it.
#[derive(Clone)]
pub struct Holdings(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) register: Register,
    pub(super) granted: GrantedStudies,
    reports: ReportObjects,
    store: Store,
    storage: StorageKey,
    catalogue: Catalogue,
    imports: Imports,
    pub(super) site: SiteId,
    promise: OnceLock<Promise>,
    pub(super) complaints: Complaints,
}

/// Writes down that parts of studies are kept for whoever asked (storage commitment), whatever comes of their cases;
/// whether it did.
pub type Promise = Box<dyn Fn(BTreeSet<ParcelId>) -> bool + Send + Sync>;

impl Holdings {
    /// Answers from the register, the granted studies and the reports, as `catalogue` lists them; `imports` says of which studies
    /// a person has yet to decide whose they are: those are not shown.
    pub fn new(
        (register, granted, reports): (Register, GrantedStudies, ReportObjects),
        (store, storage): (Store, StorageKey),
        catalogue: Catalogue,
        imports: Imports,
    ) -> Holdings {
        let site = register.site();
        Holdings(Arc::new(Shared {
            register,
            granted,
            reports,
            store,
            storage,
            catalogue,
            imports,
            site,
            promise: OnceLock::new(),
            complaints: Complaints::default(),
        }))
    }

    /// Leaves a study of this site out of every answer: a copy that is read elsewhere under a pseudonym, of which the
    /// original is here.
    pub fn hide(&self, uid: &str) {
        self.0.catalogue.hide(uid);
    }

    /// The studies within a scope that `wanted` wants, newest first, `most` at the most; those of which it is undecided
    /// whose they are left out.
    pub fn studies(
        &self,
        scope: &Scope,
        most: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<Entry>> {
        self.studies_of(&Stretch::all(most), scope, wanted).found
    }

    /// The same of a stretch of them.
    pub(super) fn studies_of(
        &self,
        stretch: &Stretch<'_>,
        scope: &Scope,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Portion {
        let catalogue = &self.0.catalogue;
        catalogue.select((scope, self.0.site), stretch, self.shown(wanted))
    }

    /// The same of those one of whose words holds this text; nothing where they are too many to look at each.
    pub(super) fn studies_holding(
        &self,
        text: &str,
        scope: &Scope,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Option<Vec<Arc<Entry>>> {
        let catalogue = &self.0.catalogue;
        catalogue.holding((scope, self.0.site), text, self.shown(wanted))
    }

    fn shown(&self, wanted: impl Fn(&Entry) -> bool) -> impl Fn(&Entry) -> bool {
        let undecided = self.0.imports.undecided();
        let own = self.0.site;
        move |entry| {
            let is_decided = entry.key.institution != own || !undecided.contains(&*entry.key.uid);
            is_decided && wanted(entry)
        }
    }

    /// The studies with this UID, one for each institution that has it here, this site's own first; likewise.
    pub fn with_uid(&self, scope: &Scope, uid: &str) -> Vec<Arc<Entry>> {
        let own = self.0.site;
        let mut found = self.0.catalogue.with_uid(scope, own, uid);
        found.retain(|entry| {
            entry.key.institution != own || !self.0.imports.is_undecided(&entry.key.uid)
        });
        found
    }

    /// The objects of a selection within a scope, in the order in which they came; of an object that is
    /// here more than once, the first. A study that two institutions have here is this site's own, or
    /// else the first's: they are never mixed.
    pub fn instances(&self, scope: &Scope, selection: &Selection) -> Vec<Instance> {
        let Some(entry) = self.with_uid(scope, &selection.study).into_iter().next() else {
            return Vec::new();
        };
        self.selected(&entry, selection)
    }

    /// The objects of a selection in its study, likewise.
    pub(super) fn selected(&self, entry: &Entry, selection: &Selection) -> Vec<Instance> {
        self.objects_of(entry, |instance| is_selected(selection, instance))
    }

    /// The wanted objects of a study, likewise.
    pub(super) fn objects_of(
        &self,
        entry: &Entry,
        wanted: impl Fn(&Instance) -> bool,
    ) -> Vec<Instance> {
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for part in &entry.parts {
            let objects = self.look(&part.parcel, |study| {
                let named = study
                    .objects
                    .iter()
                    .map(|object| named(entry, study, object));
                named
                    .filter(|instance| wanted(instance))
                    .collect::<Vec<_>>()
            });
            let objects = objects.unwrap_or_default().into_iter();
            all.extend(objects.filter(|instance| seen.insert(instance.sop_instance.clone())));
        }
        all
    }

    /// Opens an object: what is read is its data set. None when its time here is over.
    ///
    /// # Errors
    /// When it is damaged or the disk fails.
    pub fn open(&self, instance: &Instance) -> Result<Option<OpenedObject>, OpenError> {
        let Some(key) = self.key(&instance.parcel)? else {
            return Ok(None);
        };
        let parcels = self.0.register.parcels();
        let (parcel, site, slot) = (instance.parcel, instance.institution, instance.slot);
        match OpenedObject::open(parcels, &key, parcel, site, slot) {
            Err(OpenError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(opened?.undigested())),
        }
    }

    /// The content key of a parcel; none when it is destroyed.
    ///
    /// # Errors
    /// When the store fails or the row is damaged.
    pub fn key(&self, parcel: &ParcelId) -> Result<Option<ContentKey>, OpenError> {
        let wrapped = self.0.store.row(Rows::ContentKeys, parcel.as_bytes());
        let wrapped = wrapped.map_err(|error| OpenError::Disk(io::Error::other(error)))?;
        let unwrapped = wrapped.map(|wrapped| self.0.storage.unwrap_content_key(parcel, &wrapped));
        unwrapped.transpose().map_err(OpenError::from)
    }

    /// What the first object of a study said of it and its patient; none when it is not shown.
    pub fn attributes(&self, scope: &Scope, uid: &str) -> Option<Attributes> {
        let entry = self.with_uid(scope, uid).into_iter().next()?;
        Some(entry.attributes.clone())
    }

    /// Where an object lies that this site holds itself; none when it does not, or does not show it within this scope, or
    /// when another object came under its UID.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn held(
        &self,
        scope: &Scope,
        sop_instance: &str,
    ) -> Result<Option<HeldObject>, RegisterError> {
        let register = &self.0.register;
        let Some(held) = register.held_object(sop_instance)? else {
            return Ok(None);
        };
        let own = self.0.site;
        let mut shown = self.with_uid(scope, &held.study).into_iter();
        let is_shown = shown.any(|entry| entry.key.institution == own);
        let is_alone = !register.quarantine().has(sop_instance);
        Ok(Some(held).filter(|_| is_shown && is_alone))
    }

    /// From now on `promise` writes down that these parts of studies are kept; whether it did. It may block.
    pub fn promise_by(&self, promise: Promise) {
        // Set once, when the node starts.
        let _ = self.0.promise.set(promise);
    }

    /// Writes down that these parts of studies are kept; whether that was done.
    pub(super) fn promise(&self, parcels: BTreeSet<ParcelId>) -> bool {
        parcels.is_empty() || self.0.promise.get().is_some_and(|promise| promise(parcels))
    }

    pub(super) fn look<T>(&self, parcel: &ParcelId, look: impl Fn(&Study) -> T) -> Option<T> {
        self.0
            .register
            .look(parcel, &look)
            .or_else(|| self.0.granted.look(parcel, &look))
            .or_else(|| self.0.reports.look(parcel, &look))
    }
}

fn named(entry: &Entry, study: &Study, object: &StudyObject) -> Instance {
    let series = study.series.get(usize::from(object.series));
    Instance {
        parcel: study.parcel,
        institution: entry.key.institution,
        slot: object.slot,
        study: study.uid.clone(),
        series: series.map(|series| series.uid.clone()).unwrap_or_default(),
        sop_instance: object.sop_instance.clone(),
        sop_class: object.sop_class.clone(),
        content: object.content,
        series_number: object.series,
    }
}

fn is_selected(selection: &Selection, instance: &Instance) -> bool {
    let is = |wanted: &Option<String>, uid: &str| wanted.as_deref().is_none_or(|one| one == uid);
    is(&selection.series, &instance.series) && is(&selection.instance, &instance.sop_instance)
}
