//! Asks the archive to answer for what it took (storage commitment): only then does a study count as
//! stored, and may be dropped here when its time is over.
//!
//! The answer comes over the association that asked, or over one that the archive opens to this node.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand_core::Rng as _;

use super::{ArchiveError, Confirmed};
use crate::chance::chance;
use crate::dicom::dimse::{Committed, Reference, Verdict};
use crate::dicom::scp::{Answers, Caller};
use crate::dicom::scu::{Destination, request_commitment};
use crate::dicom::uid::Uid;
use crate::language::Explain as _;
use crate::say;
use crate::studies::study::Study;

/// Objects in one request: some 300 KB, which archives take.
const PORTION: usize = 2_000;

/// How long the association stays for the answer. Archives that answer over it do so at once.
const STAY: Duration = Duration::from_secs(10);

/// How long the answer over another association is waited for, before the study is tried again by and by.
const PATIENCE: Duration = Duration::from_secs(120);

/// Requests whose answers are waited for. Clones share them.
#[derive(Clone, Default)]
pub struct Asked(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// By transaction, and its answer once it is here; as many as studies are put away at once.
    waiting: Mutex<BTreeMap<String, Option<Committed>>>,
    changed: Condvar,
}

impl Asked {
    /// Ask `destination` to answer for a study. What it does not have is forgotten in `confirmed`, so that it is sent
    /// again.
    ///
    /// # Errors
    /// [`ArchiveError`] when it does not answer for every object.
    pub(super) fn commit(
        &self,
        destination: &Destination,
        study: &Study,
        confirmed: &Confirmed,
    ) -> Result<(), ArchiveError> {
        let references: Vec<Reference> = study
            .objects
            .iter()
            .map(|object| Reference {
                sop_class: object.sop_class.clone(),
                sop_instance: object.sop_instance.clone(),
            })
            .collect();
        let mut missing = 0_usize;
        for portion in references.chunks(PORTION) {
            let committed = self.ask(destination, portion)?;
            missing += forget_missing(&committed, portion, study, confirmed);
        }
        if missing == 0 {
            return Ok(());
        }
        Err(ArchiveError::NotCommitted(say!(
            "{missing} 件を保管していないと答えました。送り直します",
            "it does not keep {missing} objects, which are sent again"
        )))
    }

    fn ask(
        &self,
        destination: &Destination,
        portion: &[Reference],
    ) -> Result<Committed, ArchiveError> {
        let mut random = [0; 16];
        chance().fill_bytes(&mut random);
        let transaction = Uid::derived(random).as_str().to_owned();
        // Before it is asked: the answer may be here first.
        self.waiting().insert(transaction.clone(), None);
        let asked = request_commitment(destination, &transaction, portion, STAY);
        let answer = match asked {
            Ok(Some(committed)) => Ok(committed),
            Ok(None) => self.wait(&transaction).ok_or_else(|| {
                ArchiveError::NotCommitted(say!(
                    "保管確認の答えが届きません。PACS からこのノードの AE タイトルとポートに接続できることを確認してください",
                    "its answer did not come: can it reach this node's AE title and port?"
                ))
            }),
            Err(fault) => Err(ArchiveError::NotCommitted(fault.message())),
        };
        self.waiting().remove(&transaction);
        answer
    }

    fn wait(&self, transaction: &str) -> Option<Committed> {
        let until = Instant::now() + PATIENCE;
        let mut waiting = self.waiting();
        loop {
            if let Some(Some(committed)) = waiting.get(transaction) {
                return Some(committed.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = self.0.changed.wait_timeout(waiting, left);
            (waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, Option<Committed>>> {
        // Every change is one entry: a panic elsewhere leaves it whole.
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers for Asked {
    fn heard(&self, _caller: &Caller, committed: Committed) -> bool {
        let mut waiting = self.waiting();
        // Only who was asked knows the transaction: it is drawn by lot.
        let Some(answer) = waiting.get_mut(&committed.transaction) else {
            return false;
        };
        *answer = Some(committed);
        self.0.changed.notify_all();
        true
    }
}

/// Forget what of a portion the archive does not say it keeps; how many that are.
fn forget_missing(
    committed: &Committed,
    portion: &[Reference],
    study: &Study,
    confirmed: &Confirmed,
) -> usize {
    let kept: BTreeMap<&str, &str> = committed
        .verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Kept)
        .map(|(reference, _)| {
            (
                reference.sop_instance.as_str(),
                reference.sop_class.as_str(),
            )
        })
        .collect();
    let positions: BTreeMap<&str, usize> = study
        .objects
        .iter()
        .enumerate()
        .map(|(position, object)| (object.sop_instance.as_str(), position))
        .collect();
    let is_missing =
        |one: &&Reference| kept.get(one.sop_instance.as_str()) != Some(&one.sop_class.as_str());
    let missing: Vec<&Reference> = portion.iter().filter(is_missing).collect();
    for one in &missing {
        let position = positions.get(one.sop_instance.as_str());
        if let Some(Err(error)) = position.map(|position| confirmed.forget(*position)) {
            tracing::warn!(target: "dokuei::archive", "what the archive does not keep cannot be noted: {error}");
        }
    }
    missing.len()
}
