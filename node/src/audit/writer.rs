//! Makes messages of events and records, and keeps them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::event::{Alert, Event, Kind, Outcome};
use super::records::{Records, Remembered};
use super::spool::{Draft, Spool};
use super::{Source, message};

/// Events that are kept in one transaction.
const BATCH: usize = 256;
/// Log entries that are looked through at a time: each says two things at most.
const ENTRIES: u64 = 64;
/// How long the writer waits before it looks by itself: for room in the spool, and for what a full channel swallowed.
const LOOK: Duration = Duration::from_secs(1);

/// What the writer is told.
pub(super) enum Note {
    /// Something happened.
    Event(Box<Event>),
    /// There are new records.
    Look,
    /// Keep what there is, and end.
    Stop,
}

pub(super) struct Writer {
    pub(super) notes: Receiver<Note>,
    /// Events that found no room in the channel, since they were last counted.
    pub(super) lost: Arc<AtomicU64>,
    /// The length of the log.
    pub(super) head: Arc<AtomicU64>,
    pub(super) spool: Arc<Spool>,
    pub(super) source: Source,
    pub(super) records: Records,
    pub(super) remembered: Remembered,
}

impl Writer {
    pub(super) fn run(self) {
        let mut stopping = false;
        while !stopping {
            let mut events = Vec::new();
            match self.notes.recv_timeout(LOOK) {
                Ok(note) => stopping = take(note, &mut events),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while !stopping && events.len() < BATCH {
                match self.notes.try_recv() {
                    Ok(note) => stopping = take(note, &mut events),
                    Err(_) => break,
                }
            }
            self.keep(events);
            while !stopping && self.follow() {}
        }
    }

    /// Keeps noted events, and first how many are missing.
    fn keep(&self, events: Vec<Event>) {
        let ledger = self.spool.ledger();
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let missing = ledger.dropped + lost;
        let told = missing > 0 && self.spool.has_room(1);
        let gap = told.then(|| gap(missing));
        let drafts: Vec<Draft> = gap
            .into_iter()
            .chain(events)
            .map(|event| self.draft(&event))
            .collect();
        if drafts.is_empty() {
            self.lost.fetch_add(lost, Ordering::Relaxed);
            return;
        }
        let untold = if told { 0 } else { missing };
        if let Err(error) = self
            .spool
            .add(&self.source.host, &drafts, (ledger.records, untold))
        {
            let count = drafts.len();
            tracing::error!(target: "dokuei::audit", count, "audit messages cannot be kept: {error}");
            let noted = (count - usize::from(told)) as u64;
            self.lost.fetch_add(lost + noted, Ordering::Relaxed);
        }
    }

    /// Follows the log by some entries, if there are any and there is room. Whether there may be more.
    fn follow(&self) -> bool {
        let ledger = self.spool.ledger();
        let ahead = self
            .head
            .load(Ordering::Acquire)
            .saturating_sub(ledger.records);
        if ahead == 0 || !self.spool.has_room(2 * ENTRIES as usize) {
            return false;
        }
        let (next, events) =
            self.records
                .events(ledger.records, ENTRIES.min(ahead), &self.remembered);
        if next == ledger.records {
            return false;
        }
        let drafts: Vec<Draft> = events.iter().map(|event| self.draft(event)).collect();
        let kept = self
            .spool
            .add(&self.source.host, &drafts, (next, ledger.dropped));
        if let Err(error) = &kept {
            tracing::error!(target: "dokuei::audit", "audit messages of the log wait: {error}");
        }
        kept.is_ok()
    }

    fn draft(&self, event: &Event) -> Draft {
        Draft {
            at: event.at,
            outcome: event.outcome,
            document: message::document(event, &self.source),
        }
    }
}

/// Takes a note; whether it was the last.
fn take(note: Note, events: &mut Vec<Event>) -> bool {
    match note {
        Note::Event(event) => events.push(*event),
        Note::Look => {}
        Note::Stop => return true,
    }
    false
}

fn gap(missing: u64) -> Event {
    let alert = Kind::Alert {
        what: Alert::RecordingStopped,
        by: None,
        about: "dokuei".to_owned(),
        description: format!("{missing} audit messages were dropped because too many waited"),
    };
    Event::now(alert).with(Outcome::Serious)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dokuei_keys::id::SiteId;
    use dokuei_keys::secret::{Secret32, StorageKey};
    use dokuei_protocol::case::CaseId;

    use super::*;
    use crate::audit::records::{Case, Cases, Stopping};
    use crate::index::catalogue::Catalogue;
    use crate::parcels::Parcels;
    use crate::store::Store;
    use crate::studies::granted::GrantedStudies;
    use crate::studies::register::Register;

    struct NoCases;

    impl Cases for NoCases {
        fn case(&self, _: CaseId, _: Option<SiteId>) -> Result<Case, Stopping> {
            Err(Stopping)
        }
    }

    fn writer(folder: &Path) -> Writer {
        let store = Store::open(&folder.join("store.redb")).unwrap();
        let storage = || StorageKey::from_secret(Secret32::from_bytes([7; 32]));
        let parcels = Parcels::open(folder.join("parcels")).unwrap();
        let site = SiteId::from_bytes([2; 32]);
        let catalogue = Catalogue::default();
        let records = Records {
            store: store.clone(),
            cases: Box::new(NoCases),
            register: Register::open(site, parcels, store.clone(), storage(), catalogue.clone())
                .unwrap(),
            granted: GrantedStudies::open(store.clone(), storage(), catalogue, Arc::default())
                .unwrap(),
            archive: None,
        };
        Writer {
            notes: std::sync::mpsc::sync_channel(1).1,
            lost: Arc::default(),
            head: Arc::default(),
            spool: Arc::new(Spool::open(store, storage(), 0).unwrap()),
            source: Source::here("A", "DOKUEI"),
            records,
            remembered: Remembered::default(),
        }
    }

    fn codes(writer: &Writer) -> Vec<&'static str> {
        let known = ["110133", "110120", "110121"];
        let of = |message: Vec<u8>| {
            let text = String::from_utf8(message).unwrap();
            known.into_iter().find(|code| text.contains(code)).unwrap()
        };
        let (_, messages) = writer.spool.batch().unwrap();
        messages.into_iter().map(of).collect()
    }

    #[test]
    fn how_many_are_missing_is_a_message_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        writer.keep(Vec::new());
        assert!(codes(&writer).is_empty());
        writer.keep(vec![Event::now(Kind::ApplicationStarted)]);
        writer.lost.store(3, Ordering::Relaxed);
        writer.keep(vec![Event::now(Kind::ApplicationStopped)]);
        assert_eq!(codes(&writer), ["110120", "110133", "110121"]);
        assert_eq!(writer.spool.standing(), (3, 0));
        assert_eq!(writer.lost.load(Ordering::Relaxed), 0);
        // It is told once.
        writer.keep(vec![Event::now(Kind::ApplicationStarted)]);
        assert_eq!(codes(&writer).len(), 4);
    }
}
