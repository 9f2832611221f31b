//! How far each transfer is, for whoever looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dokuei_protocol::case::CaseId;

/// How far one transfer is.
#[derive(Default)]
pub struct Progress {
    /// Bytes of the packs that are here, before they were compressed.
    pub bytes: AtomicU64,
    /// Bytes of the whole, likewise.
    pub total: AtomicU64,
    /// Bytes that were received over the network, by earlier runs of the node too.
    pub received: AtomicU64,
    /// Of these, how many were received more than once, or in vain.
    pub again: AtomicU64,
    /// Objects that are here and verified.
    pub objects: AtomicUsize,
    /// Objects of the whole.
    pub objects_total: AtomicUsize,
    /// Objects that the archive holds.
    pub stored: AtomicUsize,
    /// Of these, those that it took in another transfer syntax than they were sealed in.
    pub transcoded: AtomicUsize,
}

/// A look at a [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// Bytes of the packs that are here, before they were compressed.
    pub bytes: u64,
    /// Bytes of the whole, likewise.
    pub bytes_total: u64,
    /// Bytes that were received over the network, by earlier runs of the node too while the transfer lasts.
    pub bytes_received: u64,
    /// Of these, how many were received more than once, or in vain: what a broken transfer cost. Counted
    /// whenever missing bytes are asked for, and at the end.
    pub bytes_again: u64,
    /// Objects that are here and verified.
    pub objects: usize,
    /// Objects of the whole.
    pub objects_total: usize,
    /// Objects that the archive holds.
    pub stored: usize,
    /// Of these, those that it took in another transfer syntax than they were sealed in.
    pub transcoded: usize,
}

/// Every transfer of this run. Clones share it.
#[derive(Clone, Default)]
pub struct Transfers(Arc<Mutex<BTreeMap<CaseId, Arc<Progress>>>>);

impl Transfers {
    /// A transfer begins, or goes on.
    pub fn begin(&self, case: CaseId) -> Arc<Progress> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(case).or_default())
    }

    /// A received study goes to the archive, which has some of it already, and some of that transcoded.
    pub fn begin_storing(
        &self,
        case: CaseId,
        objects: usize,
        (stored, transcoded): (usize, usize),
    ) -> Arc<Progress> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = all.entry(case).or_default();
        progress.objects.store(objects, Ordering::Relaxed);
        progress.objects_total.store(objects, Ordering::Relaxed);
        progress.stored.store(stored, Ordering::Relaxed);
        progress.transcoded.store(transcoded, Ordering::Relaxed);
        Arc::clone(progress)
    }

    /// How far a transfer is, if it ran since the start.
    pub fn standing(&self, case: &CaseId) -> Option<Standing> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(case).map(|progress| Standing {
            bytes: progress.bytes.load(Ordering::Relaxed),
            bytes_total: progress.total.load(Ordering::Relaxed),
            bytes_received: progress.received.load(Ordering::Relaxed),
            bytes_again: progress.again.load(Ordering::Relaxed),
            objects: progress.objects.load(Ordering::Relaxed),
            objects_total: progress.objects_total.load(Ordering::Relaxed),
            stored: progress.stored.load(Ordering::Relaxed),
            transcoded: progress.transcoded.load(Ordering::Relaxed),
        })
    }
}
