//! The receipts of imports, and what people decided about studies whose patient was not certain. Holds patient data:
//! no `Debug`.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::ParcelId;
use dokuei_keys::secret::StorageKey;
use minicbor::{Decode, Encode};

use crate::chance::chance;
use crate::store::{Rows, SealedRows, Store};
use crate::studies::intake::Witness;
use crate::studies::patient::Patient;
use crate::studies::register::RegisterError;

/// Form of stored receipts.
const VERSION: u8 = 1;
/// Receipts that are kept; the oldest without an open question goes first. A clinic that takes ten discs a day has a
/// year of them.
const KEPT: usize = 4_000;

/// What became of one import.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MediaImport {
    /// The form's number.
    #[n(0)]
    version: u8,
    /// When, milliseconds since the epoch.
    #[n(1)]
    pub at: u64,
    /// Where the files lay.
    #[n(2)]
    pub place: String,
    /// Objects that are here now.
    #[n(3)]
    pub taken: u32,
    /// Files that were not taken although an object may be in them.
    #[n(4)]
    pub refused: u32,
    /// Files that were not taken.
    #[n(5)]
    pub skipped: Vec<ImportedFile>,
    /// Files that a DICOMDIR lists and that are not there, the first of these.
    #[n(6)]
    pub missing: Vec<String>,
    /// How many they are.
    #[n(7)]
    pub missing_count: u32,
    /// The studies.
    #[n(8)]
    pub studies: Vec<ImportedStudy>,
}

/// A file that was not taken.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ImportedFile {
    /// Its path below the place.
    #[n(0)]
    pub file: String,
    /// Why, in Japanese.
    #[n(1)]
    pub ja: String,
    /// Why, in English.
    #[n(2)]
    pub en: String,
}

/// A study that came on a medium.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ImportedStudy {
    /// Study Instance UID.
    #[n(0)]
    pub uid: String,
    /// Its objects in this import.
    #[n(1)]
    pub objects: u32,
    /// Whose it is.
    #[n(2)]
    pub standing: Standing,
    /// The parcels of it that were here before: what else there is came with the import.
    #[n(3)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub before: Vec<ParcelId>,
    /// While it was held, somebody else sent objects of it, and was told that they are kept.
    #[n(4)]
    #[cbor(default, skip_if = "std::ops::Not::not")]
    pub also_sent: bool,
}

impl ImportedStudy {
    /// A study of which nothing has come yet.
    pub fn begun(uid: &str, standing: Standing, before: Vec<ParcelId>) -> ImportedStudy {
        ImportedStudy {
            uid: uid.to_owned(),
            objects: 0,
            standing,
            before,
            also_sent: false,
        }
    }
}

/// Whether it is certain whose study it is.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Standing {
    /// It was here before, and not in question.
    #[n(0)]
    Known,
    /// Two identifiers agree with those of this study here.
    #[n(1)]
    Matched(#[n(0)] String),
    /// A person must say; it goes nowhere until then.
    #[n(2)]
    Held,
    /// A person has said.
    #[n(3)]
    Decided(#[n(0)] Decision, #[n(1)] u64),
    /// A person has said that it is to be removed, and not all of it is yet.
    #[n(4)]
    Discarding,
}

impl Standing {
    /// Whether it is undecided whose it is, or it is on its way out: it goes nowhere.
    pub fn is_open(&self) -> bool {
        matches!(self, Standing::Held | Standing::Discarding)
    }
}

/// What a person said.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Decision {
    /// It is of this patient of the site. Its attributes stay as they came.
    #[n(0)]
    OfPatient(#[n(0)] Patient),
    /// It is to be read as it is.
    #[n(1)]
    AsItIs,
    /// It was removed.
    #[n(2)]
    Discarded,
}

impl MediaImport {
    /// A receipt of nothing yet.
    pub fn begun(at: u64, place: String) -> MediaImport {
        MediaImport {
            version: VERSION,
            at,
            place,
            taken: 0,
            refused: 0,
            skipped: Vec::new(),
            missing: Vec::new(),
            missing_count: 0,
            studies: Vec::new(),
        }
    }

    /// Whether a person has still to say whose a study of it is.
    pub fn is_open(&self) -> bool {
        let mut studies = self.studies.iter();
        studies.any(|study| study.standing.is_open())
    }
}

/// The receipts, by names of their own. Clones share them.
#[derive(Clone)]
pub struct Imports {
    rows: SealedRows<MediaImport>,
    /// Never held while the disk is waited for: each object that is sent is looked up here.
    held: Arc<Mutex<Held>>,
    /// Held while receipts are changed: one change after the other.
    changing: Arc<Mutex<()>>,
}

/// Whoever has it is the only one that changes receipts.
type Changing<'a> = MutexGuard<'a, ()>;

#[derive(Default)]
struct Held {
    imports: BTreeMap<ParcelId, MediaImport>,
    /// The studies that receipts name, or named since the start: each object that is sent is looked up among these.
    studies: BTreeSet<String>,
    /// The study of which a receipt is about to say how it stands: at most one, of whoever changes receipts.
    coming: Option<String>,
}

/// Says that a receipt is about to say how a study stands, until it is dropped.
struct Coming<'a>(&'a Imports);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.lock().coming = None;
    }
}

impl Held {
    fn put(&mut self, name: ParcelId, import: MediaImport) {
        let studies = import.studies.iter().map(|study| study.uid.clone());
        self.studies.extend(studies);
        self.imports.insert(name, import);
    }

    /// The oldest receipt without an open question, when there are more than are kept.
    fn superfluous(&self) -> Option<ParcelId> {
        if self.imports.len() <= KEPT {
            return None;
        }
        let closed = self.imports.iter().filter(|(_, import)| !import.is_open());
        let oldest = closed.min_by_key(|(_, import)| import.at);
        oldest.map(|(name, _)| *name)
    }

    /// Whether a sender of a study may be told that its objects are kept; none when that is to be noted first.
    fn may_be_confirmed(&self, uid: &str) -> Option<bool> {
        if self.coming.as_deref() == Some(uid) {
            return None;
        }
        if !self.studies.contains(uid) {
            return Some(true);
        }
        let of_study = || self.open().filter(|study| study.uid == uid);
        if of_study().any(|study| study.standing == Standing::Discarding) {
            return Some(false);
        }
        of_study().all(|study| study.also_sent).then_some(true)
    }

    /// The studies of every receipt of which somebody has still to say whose they are.
    fn open(&self) -> impl Iterator<Item = &ImportedStudy> {
        let studies = self.imports.values().flat_map(|import| &import.studies);
        studies.filter(|study| study.standing.is_open())
    }
}

impl Imports {
    /// Opens the receipts.
    ///
    /// # Errors
    /// [`RegisterError`] when one cannot be opened.
    pub fn open(store: Store, storage: StorageKey) -> Result<Imports, RegisterError> {
        let mut held = Held::default();
        let rows: SealedRows<MediaImport> =
            SealedRows::new(Rows::Imports, store, Arc::new(storage));
        for (key, import) in rows.all()? {
            let name: [u8; 32] = key.try_into().map_err(|_| RegisterError::Damaged)?;
            if import.version != VERSION {
                return Err(RegisterError::Damaged);
            }
            held.put(ParcelId::from_bytes(name), import);
        }
        Ok(Imports {
            rows,
            held: Arc::new(Mutex::new(held)),
            changing: Arc::default(),
        })
    }

    /// Keeps a receipt under a new name.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn keep(&self, import: MediaImport) -> Result<ParcelId, RegisterError> {
        let _changing = self.changing();
        let name = ParcelId::from_rng(&mut chance());
        self.write(&name, &import)?;
        self.lock().put(name, import);
        loop {
            let oldest = self.lock().superfluous();
            let Some(oldest) = oldest else {
                return Ok(name);
            };
            self.rows.remove([oldest.as_bytes()])?;
            self.lock().imports.remove(&oldest);
        }
    }

    /// Changes a receipt. `change` must not ask for another one.
    ///
    /// # Errors
    /// [`RegisterError`]; it stays as it was.
    pub fn change(
        &self,
        name: &ParcelId,
        change: impl FnOnce(&mut MediaImport),
    ) -> Result<(), RegisterError> {
        self.change_one(&self.changing(), name, change)
    }

    /// Notes in a receipt how a study stands from now on, before more of it is taken in. `before` gives the parcels of it
    /// that were here before, and must not ask for another change. From before it is asked until all is noted nobody who
    /// sends objects of the study is told that they are kept: one that lands in a parcel which `before` does not give is
    /// noted as sent.
    ///
    /// # Errors
    /// [`RegisterError`], or what `before` fails with; the receipt stays as it was.
    pub fn stand(
        &self,
        name: &ParcelId,
        (uid, standing): (&str, Standing),
        before: impl FnOnce() -> Result<Vec<ParcelId>, RegisterError>,
    ) -> Result<(), RegisterError> {
        let changing = self.changing();
        self.lock().coming = Some(uid.to_owned());
        let _coming = Coming(self);
        let study = ImportedStudy::begun(uid, standing, before()?);
        self.change_one(&changing, name, |import| {
            import.studies.retain(|study| study.uid != uid);
            import.studies.push(study);
        })
    }

    fn change_one(
        &self,
        _: &Changing<'_>,
        name: &ParcelId,
        change: impl FnOnce(&mut MediaImport),
    ) -> Result<(), RegisterError> {
        let Some(mut changed) = self.lock().imports.get(name).cloned() else {
            return Ok(());
        };
        change(&mut changed);
        self.write(name, &changed)?;
        self.lock().put(*name, changed);
        Ok(())
    }

    /// Notes what a person said of a study, in every receipt that holds it.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn decide(&self, uid: &str, decision: &Decision, at: u64) -> Result<(), RegisterError> {
        self.change_open(&self.changing(), uid, |study| {
            study.standing = Standing::Decided(decision.clone(), at);
        })
    }

    /// Notes that a study is to be removed, from where on nothing else can be decided about it, and gives the parcels of it
    /// that were here before it came on a medium. None, and nothing is noted, when somebody else sent objects of it, too.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn begin_to_discard(&self, uid: &str) -> Result<Option<Vec<ParcelId>>, RegisterError> {
        let changing = self.changing();
        let before = {
            let held = self.lock();
            let open: Vec<&ImportedStudy> = held.open().filter(|study| study.uid == uid).collect();
            if open.iter().any(|study| study.also_sent) {
                return Ok(None);
            }
            // Of several discs the first: what came with it was here before the second.
            let mut before = open.iter().map(|study| study.before.clone());
            let first = before.next().unwrap_or_default();
            before.fold(first, |mut all, other| {
                all.retain(|parcel| other.contains(parcel));
                all
            })
        };
        self.change_open(&changing, uid, |study| {
            study.standing = Standing::Discarding
        })?;
        Ok(Some(before))
    }

    /// Hears of what is sent, for the intake.
    pub fn witness(&self) -> Witness {
        let imports = self.clone();
        Box::new(move |uid| imports.note_sent(uid))
    }

    /// Notes that somebody sent an object of this study, before they are told that it is kept. Says whether they may be:
    /// not while the study is being removed.
    ///
    /// # Errors
    /// [`RegisterError`]: then they may not be, either.
    pub fn note_sent(&self, uid: &str) -> Result<bool, RegisterError> {
        if let Some(may_be) = self.lock().may_be_confirmed(uid) {
            return Ok(may_be);
        }
        let changing = self.changing();
        // Somebody may have noted it, or begun to discard the study, meanwhile.
        if let Some(may_be) = self.lock().may_be_confirmed(uid) {
            return Ok(may_be);
        }
        self.change_open(&changing, uid, |study| study.also_sent = true)?;
        Ok(true)
    }

    /// Changes a study in every receipt where it is open.
    fn change_open(
        &self,
        _: &Changing<'_>,
        uid: &str,
        change: impl Fn(&mut ImportedStudy),
    ) -> Result<(), RegisterError> {
        let is_open = |study: &ImportedStudy| study.uid == uid && study.standing.is_open();
        let open: Vec<(ParcelId, MediaImport)> = {
            let held = self.lock();
            let imports = held.imports.iter();
            let open = imports.filter(|(_, import)| import.studies.iter().any(is_open));
            open.map(|(name, import)| (*name, import.clone())).collect()
        };
        for (name, mut import) in open {
            let studies = import.studies.iter_mut();
            studies.filter(|study| is_open(study)).for_each(&change);
            self.write(&name, &import)?;
            self.lock().put(name, import);
        }
        Ok(())
    }

    /// Whether a person has still to say whose this study is.
    pub fn is_undecided(&self, uid: &str) -> bool {
        let held = self.lock();
        held.studies.contains(uid) && held.open().any(|study| study.uid == uid)
    }

    /// The studies of which a person has yet to decide whose they are.
    pub fn undecided(&self) -> BTreeSet<String> {
        let held = self.lock();
        held.open().map(|study| study.uid.clone()).collect()
    }

    /// How many imports have a study of which somebody has still to say whose it is.
    pub fn open_count(&self) -> usize {
        let held = self.lock();
        let imports = held.imports.values();
        imports.filter(|import| import.is_open()).count()
    }

    /// Every receipt, oldest first.
    pub fn all(&self) -> Vec<(ParcelId, MediaImport)> {
        let held = self.lock();
        let mut all: Vec<_> = held
            .imports
            .iter()
            .map(|(name, import)| (*name, import.clone()))
            .collect();
        all.sort_by_key(|(_, import)| import.at);
        all
    }

    fn write(&self, name: &ParcelId, import: &MediaImport) -> Result<(), RegisterError> {
        Ok(self.rows.put(name.as_bytes(), import)?)
    }

    fn changing(&self) -> Changing<'_> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
