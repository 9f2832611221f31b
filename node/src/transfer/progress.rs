//! How far each transfer is, for whoever looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dokuei_protocol::case::CaseId;
use tokio::time::Instant;

use crate::network::Meter;
use crate::transfer::given::Given;
use crate::transfer::moving::Source;

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
    /// Of these, those that were taken from what lay here already.
    pub known: AtomicUsize,
    /// Objects of the whole.
    pub objects_total: AtomicUsize,
    /// Objects that the archive holds.
    pub stored: AtomicUsize,
    /// Of these, those that it took in another transfer syntax than they were sealed in.
    pub transcoded: AtomicUsize,
    /// As many studies as may be are received; this one waits for a place.
    pub awaits_place: AtomicBool,
    source: Mutex<Option<Source>>,
    meter: Meter,
}

impl Progress {
    /// It comes from there.
    pub(crate) fn comes_from(&self, source: Source) {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// Of the packs that are here, this is what there is now.
    pub(crate) fn hold(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        self.meter.add(bytes.saturating_sub(before), Instant::now());
    }

    /// The same where it was here before.
    pub(crate) fn find(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    fn standing(&self) -> Standing {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let bytes_total = self.total.load(Ordering::Relaxed);
        let bytes_per_second = self.meter.rate(Instant::now());
        Standing {
            bytes,
            bytes_total,
            bytes_received: self.received.load(Ordering::Relaxed),
            bytes_again: self.again.load(Ordering::Relaxed),
            bytes_per_second,
            seconds_left: seconds_left(bytes_total.saturating_sub(bytes), bytes_per_second),
            objects: self.objects.load(Ordering::Relaxed),
            objects_known: self.known.load(Ordering::Relaxed),
            objects_total: self.objects_total.load(Ordering::Relaxed),
            stored: self.stored.load(Ordering::Relaxed),
            transcoded: self.transcoded.load(Ordering::Relaxed),
        }
    }
}

/// Seconds that so many bytes take at this rate; none when nothing moves, and when there are none.
pub(super) fn seconds_left(bytes: u64, per_second: u64) -> Option<u64> {
    (bytes > 0 && per_second > 0).then(|| bytes.div_ceil(per_second))
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
    /// Of `bytes`, how many came in a second lately.
    pub bytes_per_second: u64,
    /// Seconds that the rest takes if it goes on like this; none while nothing comes, and when all is here.
    pub seconds_left: Option<u64>,
    /// Objects that are here and verified.
    pub objects: usize,
    /// Of these, those that lay here already, in another parcel, and were not fetched, since the node's start.
    pub objects_known: usize,
    /// Objects of the whole.
    pub objects_total: usize,
    /// Objects that the archive holds.
    pub stored: usize,
    /// Of these, those that it took in another transfer syntax than they were sealed in.
    pub transcoded: usize,
}

/// Every transfer of this run. Clones share it.
#[derive(Clone, Default)]
pub struct Transfers {
    here: Arc<Mutex<BTreeMap<CaseId, Arc<Progress>>>>,
    /// Those from here.
    pub given: Given,
}

impl Transfers {
    /// A transfer begins, or goes on.
    pub fn begin(&self, case: CaseId) -> Arc<Progress> {
        let mut all = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(case).or_default())
    }

    /// A received study goes to the archive, which has some of it already, and some of that transcoded.
    pub fn begin_storing(
        &self,
        case: CaseId,
        objects: usize,
        (stored, transcoded): (usize, usize),
    ) -> Arc<Progress> {
        let mut all = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = all.entry(case).or_default();
        progress.objects.store(objects, Ordering::Relaxed);
        progress.objects_total.store(objects, Ordering::Relaxed);
        progress.stored.store(stored, Ordering::Relaxed);
        progress.transcoded.store(transcoded, Ordering::Relaxed);
        Arc::clone(progress)
    }

    /// How far a transfer is, where it comes from, and whether it waits for a place, if it ran since the start.
    pub(crate) fn look(&self, case: &CaseId) -> Option<(Standing, Option<Source>, bool)> {
        let all = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = all.get(case)?;
        let source = *progress
            .source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let awaits_place = progress.awaits_place.load(Ordering::Relaxed);
        Some((progress.standing(), source, awaits_place))
    }

    /// How far a transfer is, if it ran since the start.
    pub fn standing(&self, case: &CaseId) -> Option<Standing> {
        let all = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(case).map(|progress| progress.standing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_its_time_only_while_something_moves() {
        assert_eq!(seconds_left(1_001, 100), Some(11));
        assert_eq!((seconds_left(5, 0), seconds_left(0, 5)), (None, None));
    }

    #[test]
    fn what_was_here_before_counts_for_no_rate() {
        let progress = Progress::default();
        progress.total.store(100, Ordering::Relaxed);
        progress.find(40);
        let standing = progress.standing();
        assert_eq!((standing.bytes, standing.bytes_per_second), (40, 0));
        assert_eq!(standing.seconds_left, None);
        progress.hold(50);
        progress.hold(30);
        assert_eq!(progress.standing().bytes, 30);
    }
}
