//! Answers from what lies here: queries, selections, metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use dicom_dictionary_std::tags;
use dokuei_keys::id::{Digest, ParcelId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};

use super::answers;
use super::catalogue::{Catalogue, Entry};
use super::headers::{Kind, Records, SeriesPlace, data_set};
use crate::dicom::dataset::{DataSet, json};
use crate::dicom::matching::Keys;
use crate::entities::Scope;
use crate::media::Imports;
use crate::parcels::{OpenError, OpenedObject};
use crate::store::{Rows, Store};
use crate::studies::attributes::Attributes;
use crate::studies::granted::GrantedStudies;
use crate::studies::register::Register;
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
pub struct Holdings(Arc<Shared>);

struct Shared {
    register: Register,
    granted: GrantedStudies,
    store: Store,
    storage: StorageKey,
    catalogue: Catalogue,
    imports: Imports,
    site: SiteId,
}

impl Holdings {
    /// Answers from the register and the granted studies, as `catalogue` lists them; `imports` says of which studies
    /// a person has yet to decide whose they are: those are not shown.
    pub fn new(
        (register, granted): (Register, GrantedStudies),
        (store, storage): (Store, StorageKey),
        catalogue: Catalogue,
        imports: Imports,
    ) -> Holdings {
        let site = register.site();
        Holdings(Arc::new(Shared {
            register,
            granted,
            store,
            storage,
            catalogue,
            imports,
            site,
        }))
    }

    /// The studies within a scope that `wanted` wants, newest first, `most` at the most; those of which it is undecided
    /// whose they are left out.
    pub fn studies(
        &self,
        scope: &Scope,
        most: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<Entry>> {
        let undecided = self.0.imports.undecided();
        let own = self.0.site;
        self.0.catalogue.select(scope, own, most, |entry| {
            let is_shown = entry.key.institution != own || !undecided.contains(&entry.key.uid);
            is_shown && wanted(entry)
        })
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

    /// Gives everything that is known of each match to `answer`, newest studies first, until that
    /// breaks off.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn find(
        &self,
        scope: &Scope,
        level: Level,
        keys: &Keys,
        answer: &mut dyn FnMut(DataSet) -> ControlFlow<()>,
    ) -> Result<(), FindError> {
        let (of_study, below) = keys.clone().partition(answers::is_of_study);
        let entries = self.entries(scope, &of_study)?;
        if level == Level::Patient {
            answers::patients(&entries, answer);
            return Ok(());
        }
        for entry in entries {
            let flow = match level {
                Level::Patient | Level::Study => {
                    let known = answers::study(&entry);
                    match below.match_with(&known) || level == Level::Study {
                        true => answer(known),
                        false => ControlFlow::Continue(()),
                    }
                }
                Level::Series => self.find_series(&entry, &below, answer)?,
                Level::Instance => self.find_instances(&entry, &below, answer)?,
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The studies whose patient and study attributes match.
    fn entries(&self, scope: &Scope, keys: &Keys) -> Result<Vec<Arc<Entry>>, FindError> {
        let uids = keys.uids(tags::STUDY_INSTANCE_UID);
        let found: Vec<Arc<Entry>> = match uids {
            Some(uids) => uids
                .iter()
                .flat_map(|uid| self.with_uid(scope, uid))
                .filter(|entry| keys.match_with(entry.as_ref()))
                .collect(),
            None => self.studies(scope, usize::MAX, |entry| keys.match_with(entry)),
        };
        let by_id_alone = keys.is_exact(tags::PATIENT_ID)
            && !keys.constrain_by(tags::ISSUER_OF_PATIENT_ID)
            && uids.is_none();
        let domains = || {
            found
                .iter()
                .map(|entry| entry.domain())
                .collect::<BTreeSet<_>>()
        };
        if by_id_alone && domains().len() > 1 {
            return Err(FindError::SeveralIssuers);
        }
        Ok(found)
    }

    fn find_series(
        &self,
        entry: &Entry,
        keys: &Keys,
        answer: &mut dyn FnMut(DataSet) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FindError> {
        for series in entry.series() {
            let listed = keys.uids(tags::SERIES_INSTANCE_UID);
            if listed.is_some_and(|uids| !uids.contains(&series.uid)) {
                continue;
            }
            let first = self.first_header(entry, &series.uid)?;
            let known = answers::series(entry, &series, first.unwrap_or_default());
            if keys.match_with(&known) && answer(known).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn find_instances(
        &self,
        entry: &Entry,
        keys: &Keys,
        answer: &mut dyn FnMut(DataSet) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FindError> {
        let listed = keys.uids(tags::SERIES_INSTANCE_UID);
        let mut seen = BTreeSet::new();
        for (place, series) in places(entry) {
            if listed.is_some_and(|uids| !uids.contains(&series)) {
                continue;
            }
            let pressed = self.pressed(entry, place, Kind::DataSets)?;
            for record in Records::new(&pressed)? {
                let mut known = data_set(&record?.1)?;
                answers::put_said(&mut known, entry);
                let is_new = seen.insert(known.code(tags::SOP_INSTANCE_UID).to_owned());
                if is_new && keys.match_with(&known) && answer(known).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn first_header(&self, entry: &Entry, series: &str) -> Result<Option<DataSet>, FindError> {
        for (place, _) in places(entry).filter(|(_, uid)| uid == series) {
            let pressed = self.pressed(entry, place, Kind::DataSets)?;
            if let Some(record) = Records::new(&pressed)?.next() {
                return Ok(Some(data_set(&record?.1)?));
            }
        }
        Ok(None)
    }

    /// The objects of a selection within a scope, in the order in which they came; of an object that is
    /// here more than once, the first. A study that two institutions have here is this site's own, or
    /// else the first's: they are never mixed.
    pub fn instances(&self, scope: &Scope, selection: &Selection) -> Vec<Instance> {
        let Some(entry) = self.with_uid(scope, &selection.study).into_iter().next() else {
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for part in &entry.parts {
            let objects = self.look(&part.parcel, |study| {
                let named = study
                    .objects
                    .iter()
                    .map(|object| named(&entry, study, object));
                named
                    .filter(|instance| is_selected(selection, instance))
                    .collect::<Vec<_>>()
            });
            let objects = objects.unwrap_or_default().into_iter();
            all.extend(objects.filter(|instance| seen.insert(instance.sop_instance.clone())));
        }
        all
    }

    /// Writes the metadata of a selection, one JSON object after another with commas between. `base`
    /// stands in front of `/studies/…` in its URIs. Returns how many objects there were.
    ///
    /// # Errors
    /// When something is damaged, or `out` takes no more.
    pub fn metadata(
        &self,
        scope: &Scope,
        selection: &Selection,
        base: &str,
        out: &mut dyn io::Write,
    ) -> Result<usize, FindError> {
        let instances = self.instances(scope, selection);
        let Some(entry) = self.with_uid(scope, &selection.study).into_iter().next() else {
            return Ok(0);
        };
        let mut written = 0;
        for (place, series) in places(&entry) {
            let wanted: Vec<&Instance> = instances
                .iter()
                .filter(|instance| instance.parcel == place.0 && instance.series_number == place.1)
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let pressed = self.pressed(&entry, place, Kind::Metadata)?;
            for record in Records::new(&pressed)? {
                let (slot, text) = record?;
                let Some(instance) = wanted.iter().find(|instance| instance.slot == slot) else {
                    continue;
                };
                if written > 0 {
                    out.write_all(b",")?;
                }
                let study = &selection.study;
                let own = &instance.sop_instance;
                let uri = format!("{base}/studies/{study}/series/{series}/instances/{own}");
                put_based(&text, &uri, out)?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// The pressed headers of a series in one parcel: kept ones, or read now, and kept when the parcel
    /// takes no more.
    fn pressed(
        &self,
        entry: &Entry,
        (parcel, series): (ParcelId, u16),
        kind: Kind,
    ) -> Result<Vec<u8>, FindError> {
        let Some(key) = self.key(&parcel)? else {
            return Ok(Vec::new());
        };
        let place = SeriesPlace {
            parcels: self.0.register.parcels(),
            parcel,
            site: entry.key.institution,
            key: &key,
            series,
        };
        if let Some(kept) = place.kept(kind) {
            return Ok(kept);
        }
        let slots = self.look(&parcel, |study| {
            let of_series = study
                .objects
                .iter()
                .filter(|object| object.series == series);
            let mut objects: Vec<&StudyObject> = of_series.collect();
            objects.sort_by_key(|object| (object.number, object.slot));
            let slots: Vec<u32> = objects.iter().map(|object| object.slot).collect();
            (slots, study.manifest.is_some())
        });
        let Some((slots, is_closed)) = slots else {
            return Ok(Vec::new());
        };
        let headers = place.read(&slots)?;
        if is_closed && let Err(error) = place.keep(&headers) {
            tracing::warn!(target: "dokuei::index", "headers are not kept and will be read again: {error}");
        }
        Ok(headers.of(kind))
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
            opened => opened.map(Some),
        }
    }

    /// The content key of a parcel; none when it is destroyed.
    ///
    /// # Errors
    /// When the store fails or the row is damaged.
    pub fn key(&self, parcel: &ParcelId) -> Result<Option<ContentKey>, OpenError> {
        if let Some(key) = self.0.register.key(parcel) {
            return Ok(Some(key));
        }
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

    /// The SOP classes of those of these instances that this site holds itself, by instance; the newest
    /// studies are looked at first, since it is asked soon after they came.
    pub fn classes_of(&self, mut wanted: BTreeSet<&str>) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let entries = self
            .0
            .catalogue
            .select(&Scope::Own, self.0.site, usize::MAX, |_| true);
        for part in entries.iter().flat_map(|entry| &entry.parts) {
            if wanted.is_empty() {
                break;
            }
            self.0.register.look(&part.parcel, |study| {
                for object in &study.objects {
                    if wanted.remove(object.sop_instance.as_str()) {
                        found.insert(object.sop_instance.clone(), object.sop_class.clone());
                    }
                }
            });
        }
        found
    }

    fn look<T>(&self, parcel: &ParcelId, look: impl Fn(&Study) -> T) -> Option<T> {
        self.0
            .register
            .look(parcel, &look)
            .or_else(|| self.0.granted.look(parcel, &look))
    }
}

/// Where the series of a study lie: parcel and number in it, with their UIDs.
fn places(entry: &Entry) -> impl Iterator<Item = ((ParcelId, u16), String)> + '_ {
    entry.parts.iter().flat_map(|part| {
        let numbered = (0..).zip(&part.series);
        numbered.map(|(number, series)| ((part.parcel, number), series.uid.clone()))
    })
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

/// Writes a JSON object with `uri` in the place of [`json::BASE`].
fn put_based(text: &[u8], uri: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let mut pieces = text.split(|byte| *byte == json::BASE);
    out.write_all(pieces.next().unwrap_or_default())?;
    for piece in pieces {
        out.write_all(uri.as_bytes())?;
        out.write_all(piece)?;
    }
    Ok(())
}
