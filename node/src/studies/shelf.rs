//! Studies in the store, read when they are asked for, and the latest of them kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dokuei_keys::id::SiteId;
use dokuei_keys::secret::StorageKey;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::store::{Change, Rows, Store, sealed};
use crate::studies::head::Head;
use crate::studies::instances;
use crate::studies::register::RegisterError;
use crate::studies::study::{STUDY_VERSION, Study};

/// What the studies in memory may weigh together: an object has some 350 bytes, so 12 MiB, or one study that weighs
/// more alone.
const WEIGHT: usize = 32 * 1024;
/// Rows that are made before they are committed together.
const TOGETHER: usize = 10_000;
/// How often the log says how far listing is.
const SAID: Duration = Duration::from_secs(2);

/// What a study weighs besides its objects, in objects: its attributes and series.
const OF_STUDY: usize = 8;

/// One kind of rows that hold studies. Their keys are 32 bytes: a parcel, or a case.
pub(super) struct Shelf {
    store: Store,
    storage: Arc<StorageKey>,
    rows: Rows,
    lately: Mutex<Lately>,
}

/// What was asked for lately.
#[derive(Default)]
struct Lately {
    studies: BTreeMap<[u8; 32], (u64, Arc<Study>)>,
    weight: usize,
    /// Counts the questions: the study with the lowest was asked for longest ago.
    now: u64,
    /// Counts what was forgotten: what was read before that may be out of date.
    forgotten: u64,
}

impl Shelf {
    /// The studies in these rows: [`Rows::Studies`] or [`Rows::Granted`].
    pub(super) fn new(store: Store, storage: Arc<StorageKey>, rows: Rows) -> Shelf {
        Shelf {
            store,
            storage,
            rows,
            lately: Mutex::default(),
        }
    }

    /// One study; none when there is no such row.
    ///
    /// # Errors
    /// [`RegisterError`] when the row cannot be read or opened.
    pub(super) fn study(&self, key: &[u8; 32]) -> Result<Option<Arc<Study>>, RegisterError> {
        let forgotten = {
            let mut lately = self.lock();
            if let Some(study) = lately.ask(key) {
                return Ok(Some(study));
            }
            lately.forgotten
        };
        let Some((_, study)) = away_from_tasks(|| self.read(key))? else {
            return Ok(None);
        };
        let study = Arc::new(study);
        let mut lately = self.lock();
        if lately.forgotten == forgotten {
            lately.put(*key, Arc::clone(&study));
        }
        Ok(Some(study))
    }

    /// Forgets what is in memory of a study: its row is another one now, or gone.
    pub(super) fn forget(&self, key: &[u8; 32]) {
        let mut lately = self.lock();
        lately.forgotten += 1;
        lately.remove(key);
    }

    /// The rows in which the heads of these lie.
    pub(super) fn heads(&self) -> Rows {
        match self.rows {
            Rows::Granted => Rows::GrantedHeads,
            _ => Rows::Heads,
        }
    }

    /// Makes the heads of studies, and the index of their objects, where they are not in the store. Both are written
    /// with each study: there are as many heads as studies, or an earlier version of the program wrote the studies.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub(super) fn list(&self) -> Result<(), RegisterError> {
        let all = self.store.count(self.rows)?;
        if self.store.count(self.heads())? == all {
            return Ok(());
        }
        tracing::info!(target: "dokuei::studies", "{all} studies of an earlier version are listed, once");
        let (mut change, mut said) = (Change::default(), Instant::now());
        for (number, (key, _)) in self.store.sizes(self.rows)?.into_iter().enumerate() {
            let known = key.as_slice().try_into().map(|key| self.read(key));
            let known = known.map_err(|_| RegisterError::Damaged)??;
            let Some((from, study)) = known else {
                continue;
            };
            let head = Head::of(&study, from).seal(&self.storage, self.heads(), &key)?;
            change.puts.push((self.heads(), key, head));
            let is_whole = from.is_some() || study.manifest.is_some();
            if is_whole && study.removed.is_none() {
                let name = study.parcel.as_bytes().to_vec();
                change.puts.push((Rows::Headerless, name, Vec::new()));
            }
            if from.is_none() && study.manifest.is_some() {
                instances::put(&mut change, &self.storage, &study);
            }
            if change.puts.len() >= TOGETHER {
                self.store.commit(std::mem::take(&mut change))?;
            }
            if said.elapsed() > SAID {
                tracing::info!(target: "dokuei::studies", "{} of {all} studies are listed", number + 1);
                said = Instant::now();
            }
        }
        Ok(self.store.commit(change)?)
    }

    /// The study in a row, and who granted it.
    fn read(&self, key: &[u8; 32]) -> Result<Option<(Option<SiteId>, Study)>, RegisterError> {
        let Some(row) = self.store.row(self.rows, key)? else {
            return Ok(None);
        };
        let (from, study): (Option<SiteId>, Study) = match self.rows {
            Rows::Granted => {
                let (from, study) = sealed::open(&self.storage, self.rows, key, &row)?;
                (Some(from), study)
            }
            _ => (None, sealed::open(&self.storage, self.rows, key, &row)?),
        };
        if study.version != STUDY_VERSION {
            return Err(RegisterError::Damaged);
        }
        Ok(Some((from, study)))
    }

    /// A panic of another thread leaves at worst a study less in memory.
    fn lock(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lately {
    fn ask(&mut self, key: &[u8; 32]) -> Option<Arc<Study>> {
        self.now += 1;
        let (asked, study) = self.studies.get_mut(key)?;
        *asked = self.now;
        Some(Arc::clone(study))
    }

    fn put(&mut self, key: [u8; 32], study: Arc<Study>) {
        self.remove(&key);
        self.weight += weight(&study);
        self.studies.insert(key, (self.now, study));
        while self.weight > WEIGHT && self.studies.len() > 1 {
            let oldest = self.studies.iter().min_by_key(|(_, (asked, _))| *asked);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &[u8; 32]) {
        if let Some((_, study)) = self.studies.remove(key) {
            self.weight -= weight(&study);
        }
    }
}

fn weight(study: &Study) -> usize {
    OF_STUDY + study.objects.len()
}

/// Reads the disk. A worker of the runtime gives its other tasks away first; any other thread just waits.
fn away_from_tasks<T>(read: impl FnOnce() -> T) -> T {
    let runtime = Handle::try_current().map(|handle| handle.runtime_flavor());
    match runtime {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(read),
        _ => read(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::study::StudyObject;
    use dokuei_keys::id::{Digest, ObjectDigest, ParcelId};
    use dokuei_protocol::study::manifest::ObjectClass;

    fn object() -> StudyObject {
        StudyObject {
            slot: 1,
            sop_instance: String::new(),
            sop_class: String::new(),
            series: 0,
            length: 1,
            digest: ObjectDigest::from_bytes([1; 32]),
            content: Digest::from_bytes([1; 32]),
            class: ObjectClass::Image,
            number: None,
            seen: None,
        }
    }

    #[test]
    fn what_was_asked_for_longest_ago_goes_first() {
        let study = |number: u8, objects| {
            let mut study = Study::begun(ParcelId::from_bytes([number; 32]), "1.2.3", 0);
            study.objects = vec![object(); objects];
            Arc::new(study)
        };
        let mut lately = Lately::default();
        for number in 0..3 {
            lately.put([number; 32], study(number, WEIGHT / 4));
            lately.ask(&[0; 32]);
        }
        lately.put([3; 32], study(3, WEIGHT / 4));
        assert!(lately.ask(&[1; 32]).is_none() && lately.ask(&[0; 32]).is_some());
        lately.put([4; 32], study(4, WEIGHT * 2));
        assert_eq!(lately.studies.len(), 1);
        lately.remove(&[4; 32]);
        assert_eq!(lately.weight, 0);
    }
}
