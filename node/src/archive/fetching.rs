//! Studies that the archive is asked to send here, one after the other, on a thread of its own: what has come is known by
//! what lies here, not by what the archive says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use tokio_util::sync::CancellationToken;

use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::{Level, Model};
use crate::dicom::scu::{Destination, Retrieved, ScuFault, retrieve};

/// Retrievals in a row that broke off, after which the rest is left: each may have taken its whole time.
const BREAKS_IN_A_ROW: usize = 2;
/// Status of a C-MOVE to an entity that the archive does not know (PS3.4 section C.4.2.1.5).
const UNKNOWN_TO_IT: u16 = 0xA801;

/// A study to fetch.
pub struct Wish {
    /// Study Instance UID.
    pub uid: String,
    /// Objects it has, if the archive says.
    pub objects: Option<u32>,
}

/// What came of one. Its UID leads to a patient: no `Debug`.
#[derive(Clone)]
pub struct Fetched {
    /// Study Instance UID.
    pub uid: String,
    /// Objects it has, if the archive says.
    pub objects: Option<u32>,
    /// What the archive said; none until it has.
    pub ended: Option<Result<Retrieved, Ended>>,
}

/// Why a study was not fetched.
#[derive(Clone)]
pub enum Ended {
    /// The archive could not be asked, or did not do it.
    Fault(ScuFault),
    /// It was not tried after those before it, or the node stops.
    NotTried,
}

/// The studies that are fetched, and those of the last time. Clones share them.
#[derive(Clone, Default)]
pub struct Fetching(Arc<Mutex<Work>>);

#[derive(Default)]
struct Work {
    under_way: bool,
    studies: Vec<Fetched>,
}

impl Fetching {
    /// What is or was fetched, in order, and whether that goes on.
    pub fn standing(&self) -> (Vec<Fetched>, bool) {
        let work = self.lock();
        (work.studies.clone(), work.under_way)
    }

    /// Begins to have `archive` send studies to us, each over an association of its own, until `stop`. Answers false when
    /// others are under way: archives allow few associations, and one patient's studies are soon here.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn begin(
        &self,
        archive: Destination,
        wishes: Vec<Wish>,
        stop: CancellationToken,
    ) -> std::io::Result<bool> {
        {
            let mut work = self.lock();
            if work.under_way {
                return Ok(false);
            }
            let studies = wishes.into_iter().map(|wish| Fetched {
                uid: wish.uid,
                objects: wish.objects,
                ended: None,
            });
            *work = Work {
                under_way: true,
                studies: studies.collect(),
            };
        }
        let fetching = self.clone();
        let thread = std::thread::Builder::new().name("fetching".to_owned());
        let spawned = thread.spawn(move || {
            // Also when the thread ends otherwise.
            let _over = Over(&fetching);
            fetching.run(&archive, &stop);
        });
        if spawned.is_err() {
            self.lock().under_way = false;
        }
        spawned.map(|_| true)
    }

    fn run(&self, archive: &Destination, stop: &CancellationToken) {
        let uids: Vec<String> = self.lock().studies.iter().map(|s| s.uid.clone()).collect();
        let mut breaks = 0;
        for (at, uid) in uids.iter().enumerate() {
            let ended = if breaks >= BREAKS_IN_A_ROW || stop.is_cancelled() {
                Err(Ended::NotTried)
            } else {
                fetch_study(archive, uid, &|| !stop.is_cancelled()).map_err(Ended::Fault)
            };
            match &ended {
                Ok(_) => breaks = 0,
                // About this study alone.
                Err(Ended::Fault(ScuFault::Failed(status))) if *status != UNKNOWN_TO_IT => {
                    breaks = 0;
                }
                // Who does not know us will not for the next one either.
                Err(Ended::Fault(fault)) if !fault.may_pass() => breaks = BREAKS_IN_A_ROW,
                Err(Ended::Fault(_)) => breaks += 1,
                Err(Ended::NotTried) => {}
            }
            if let Err(Ended::Fault(fault)) = &ended {
                tracing::warn!(target: "dokuei::archive", "a study was not fetched from the archive: {fault}");
            }
            if let Some(study) = self.lock().studies.get_mut(at) {
                study.ended = Some(ended);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Over<'a>(&'a Fetching);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way = false;
    }
}

/// Has `archive` send one study to us, as long as it is `wanted`.
///
/// # Errors
/// As of [`retrieve`].
pub fn fetch_study(
    archive: &Destination,
    uid: &str,
    wanted: &dyn Fn() -> bool,
) -> Result<Retrieved, ScuFault> {
    let mut identifier = DataSet::default();
    identifier.put_text(tags::STUDY_INSTANCE_UID, VR::UI, uid);
    retrieve(
        archive,
        Model::StudyRoot,
        Level::Study,
        &identifier,
        &archive.calling_ae,
        wanted,
    )
}
