//! The audit trail in the form of the ecosystem: messages of PS3.15 §A.5 over syslog with TLS (§A.6), for the site's own
//! audit record repository. It names patients, and is the site's own: it goes nowhere but where the configuration says.
//!
//! ```text
//! note(event) ──► bounded channel ─┐
//! committed records ───────────────┴► writer ──► spool (sealed rows, bounded) ──► sender ──► collector
//! ```
//!
//! [`Audit::note`] costs a push onto a channel and fails nobody. Records are not noted: the writer reads them from the log
//! ([`records`]), so none is missed. When the spool is full, records wait in the log, and other events are dropped and
//! counted; the count is a message itself.

pub mod associations;
mod codes;
pub mod event;
mod message;
mod participants;
pub mod queries;
pub mod rate;
pub mod records;
mod sender;
mod spool;
mod syslog;
mod tls;
mod writer;
mod xml;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dokuei_keys::secret::StorageKey;
use dokuei_protocol::case::CaseId;

use crate::config::audit::AuditConfig;
use crate::language::{Failure, Message};
use crate::store::Store;
use event::{Event, Kind, Subject};
use records::{Records, Remembered};
use sender::{Sender, Trouble};
use spool::Spool;
use writer::{Note, Writer};

pub use spool::Ledger;

/// Events that may wait for the writer, which takes some milliseconds for as many as there are. More are dropped and
/// counted.
const NOTES: usize = 4_096;
/// How long a stop waits for the last messages to reach the collector. What does not goes at the next start.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Who reports.
#[derive(Clone, Debug)]
pub struct Source {
    /// The reporting node's name at its site.
    pub id: String,
    /// The site's name.
    pub site_name: String,
    /// The node's AE title.
    pub ae_title: String,
    /// The machine's name.
    pub host: String,
    /// The process, as the operating system numbers it.
    pub process: String,
}

impl Source {
    /// This process, on this machine.
    #[must_use]
    pub fn here(site_name: &str, ae_title: &str) -> Source {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim().to_owned();
        Source {
            id: format!("dokuei@{host}"),
            site_name: site_name.to_owned(),
            ae_title: ae_title.to_owned(),
            host,
            process: std::process::id().to_string(),
        }
    }
}

/// A handle to the trail. Clones are handles to the same; one of a site without `[audit]` keeps nothing.
#[derive(Clone, Default)]
pub struct Audit(Option<Arc<Trail>>);

struct Trail {
    notes: SyncSender<Note>,
    lost: Arc<AtomicU64>,
    head: Arc<AtomicU64>,
    spool: Arc<Spool>,
    trouble: Trouble,
    remembered: Remembered,
    host: String,
    unstarted: Mutex<Option<Unstarted>>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// What the threads need until they start.
struct Unstarted {
    notes: Receiver<Note>,
    source: Source,
    sender: Sender,
}

/// How the trail is.
pub struct Standing {
    /// Messages that wait for the collector.
    pub waiting: u64,
    /// Messages that were lost, since that was last told to the collector.
    pub dropped: u64,
    /// What keeps them from going, if anything.
    pub trouble: Option<Message>,
}

impl Audit {
    /// Opens the trail of a site. Nothing goes out before [`Audit::start`]. `records` is the length of the log: a site that
    /// begins a trail begins it there. Names of files begin in `folder`.
    ///
    /// # Errors
    /// One sentence, when a certificate or the spool cannot be used.
    pub fn open(
        config: Option<&AuditConfig>,
        folder: &Path,
        (store, storage): (Store, StorageKey),
        source: Source,
        records: u64,
    ) -> Result<Audit, Failure> {
        let Some(config) = config else {
            return Ok(Audit::default());
        };
        let spool = Arc::new(Spool::open(store, storage, records)?);
        let trouble = Trouble::default();
        let sender = Sender {
            host: config.host.clone(),
            port: config.port,
            tls: tls::towards(config, folder)?,
            spool: Arc::clone(&spool),
            trouble: trouble.clone(),
        };
        let (notes, receiver) = sync_channel(NOTES);
        let unstarted = Unstarted {
            notes: receiver,
            source,
            sender,
        };
        Ok(Audit(Some(Arc::new(Trail {
            notes,
            lost: Arc::default(),
            head: Arc::new(AtomicU64::new(records)),
            spool,
            trouble,
            remembered: Remembered::default(),
            host: format!("{}:{}", config.host, config.port),
            unstarted: Mutex::new(Some(unstarted)),
            threads: Mutex::default(),
        }))))
    }

    /// Starts the threads that write and send.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(&self, records: Records) -> std::io::Result<()> {
        let Some(trail) = &self.0 else {
            return Ok(());
        };
        let unstarted = trail
            .unstarted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(unstarted) = unstarted else {
            return Ok(());
        };
        let writer = Writer {
            notes: unstarted.notes,
            lost: Arc::clone(&trail.lost),
            head: Arc::clone(&trail.head),
            spool: Arc::clone(&trail.spool),
            source: unstarted.source,
            records,
            remembered: trail.remembered.clone(),
        };
        let sender = unstarted.sender;
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let writing = thread("audit-writer").spawn(move || writer.run())?;
        let sending = thread("audit-sender").spawn(move || sender.run())?;
        *trail.threads.lock().unwrap_or_else(PoisonError::into_inner) = vec![writing, sending];
        self.note(Event::now(Kind::ApplicationStarted));
        Ok(())
    }

    /// Whether there is a trail: who would have to work for an event asks first.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Notes an event. Never waits and never fails: what finds no room is counted.
    pub fn note(&self, event: Event) {
        if let Some(trail) = &self.0
            && trail.notes.try_send(Note::Event(Box::new(event))).is_err()
        {
            trail.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The log has `length` entries now: the writer looks for what they say.
    pub fn records_grew(&self, length: u64) {
        if let Some(trail) = &self.0 {
            trail.head.store(length, Ordering::Release);
            // A full channel has it look anyway.
            let _ = trail.notes.try_send(Note::Look);
        }
    }

    /// Keeps in mind whose study a case is about, for records that are yet to be told.
    pub fn remember(&self, case: CaseId, subject: Subject) {
        if let Some(trail) = &self.0 {
            trail.remembered.put(case, subject);
        }
    }

    /// How the trail is, if there is one.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let trail = self.0.as_ref()?;
        let (waiting, dropped) = trail.spool.standing();
        let dropped = dropped + trail.lost.load(Ordering::Relaxed);
        Some(Standing {
            waiting,
            dropped,
            trouble: trail
                .trouble
                .get()
                .map(|why| sender::waiting(&trail.host, waiting, &why)),
        })
    }

    /// Notes that the node stops, keeps what was noted, and gives the sender [`LAST_WORDS`]. Blocks that long at most, and
    /// as long as the disk takes.
    pub fn stop(&self) {
        let Some(trail) = &self.0 else {
            return;
        };
        self.note(Event::now(Kind::ApplicationStopped));
        let mut threads = {
            let mut threads = trail.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        // Behind everything that was noted. A writer that has ended has nothing left to keep.
        let _ = trail.notes.send(Note::Stop);
        if !threads.is_empty() {
            let _ = threads.remove(0).join();
        }
        trail.spool.close();
        let until = Instant::now() + LAST_WORDS;
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
