//! Storing a study while it still arrives: each object goes to the archive as soon as it is verified.
//!
//! Verified means that it is what the manifest says, so whatever is fetched again after a crash is the
//! same bytes: at worst the archive is sent an object twice. What the archive did not take here stays
//! for the job that stores the study once it has arrived.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;

use crate::archive::{Archiver, Confirmed, Form, Sealed};
use crate::dicom::scu::{Ended, Outgoing};
use crate::parcels::{ObjectHead, Parcels};
use crate::transfer::progress::Progress;

/// Plaintext of one study that waits for the archive in memory: sixteen CT images. Beyond it objects
/// are opened again when their turn comes.
const AT_HAND: usize = 8 * 1024 * 1024;
/// Longest object that waits in memory.
const AT_HAND_EACH: u64 = 2 * 1024 * 1024;
/// Nothing came for so long: the association is released. Archives end idle ones after half a minute.
const IDLE: Duration = Duration::from_secs(5);

/// What storing needs.
pub struct Storing {
    /// The archive.
    pub archiver: Archiver,
    /// Where the sealed objects lie.
    pub parcels: Parcels,
    /// The study's parcel.
    pub parcel: ParcelId,
    /// Who sealed it.
    pub site: SiteId,
    /// Its content key.
    pub key: ContentKey,
    /// What the archive has of it.
    pub confirmed: Arc<Confirmed>,
    /// Where progress is shown.
    pub progress: Arc<Progress>,
}

/// A study on its way to the archive.
pub struct StoringAhead {
    parcel: ParcelId,
    confirmed: Arc<Confirmed>,
    waiting: Arc<Waiting>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Verified objects by position in the manifest; no more than the manifest has.
    ready: BTreeMap<usize, Verified>,
    /// Bytes of plaintext held, those being sent included.
    held: usize,
    /// No more will come.
    closed: bool,
}

struct Verified {
    slot: u32,
    head: ObjectHead,
    data_set: Option<Vec<u8>>,
}

impl StoringAhead {
    /// Begins, when `before` has ended: what an earlier attempt at the same study left.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn begin(storing: Storing, before: Option<Arc<StoringAhead>>) -> io::Result<StoringAhead> {
        let waiting = Arc::new(Waiting::default());
        let (shared, confirmed) = (Arc::clone(&waiting), Arc::clone(&storing.confirmed));
        let parcel = storing.parcel;
        let thread = std::thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || {
                if let Some(before) = before {
                    before.finish();
                }
                storing.run(&shared);
                shared.close();
            })?;
        Ok(StoringAhead {
            parcel,
            confirmed,
            waiting,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Whether the archive still needs an object.
    pub fn wants(&self, position: usize) -> bool {
        !self.confirmed.has(position) && !self.waiting.lock().closed
    }

    /// Whether an object of this length may wait in memory.
    pub fn has_room(&self, length: u64) -> bool {
        let state = self.waiting.lock();
        !state.closed && length <= AT_HAND_EACH && state.held + length as usize <= AT_HAND
    }

    /// An object was verified. `data_set` is its plaintext behind the head, when it may wait in memory.
    pub fn offer(&self, position: usize, slot: u32, head: ObjectHead, data_set: Option<Vec<u8>>) {
        let mut state = self.waiting.lock();
        if state.closed {
            return;
        }
        state.held += data_set.as_ref().map_or(0, Vec::len);
        let verified = Verified {
            slot,
            head,
            data_set,
        };
        state.ready.insert(position, verified);
        drop(state);
        self.waiting.changed.notify_all();
    }

    /// No more objects will come.
    pub fn close(&self) {
        self.waiting.close();
    }

    /// Waits until the object under way was sent; the others are not.
    pub fn give_up(&self) {
        self.waiting.give_up();
        self.finish();
    }

    /// What the archive has confirmed, when it is of this parcel.
    pub fn confirmed_of(&self, parcel: &ParcelId) -> Option<Arc<Confirmed>> {
        (self.parcel == *parcel).then(|| Arc::clone(&self.confirmed))
    }

    /// Waits until everything that came was sent, or the archive was given up.
    pub fn finish(&self) {
        self.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A thread that panicked has stored what it has noted, and nothing else depends on it.
            let _ = thread.join();
        }
    }
}

impl Drop for StoringAhead {
    fn drop(&mut self) {
        self.close();
    }
}

impl Waiting {
    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for an object, at most so long; whether there is one.
    fn wait(&self, patience: Option<Duration>) -> bool {
        let is_idle = |state: &mut State| state.ready.is_empty() && !state.closed;
        let state = match patience {
            None => self.changed.wait_while(self.lock(), is_idle),
            Some(patience) => {
                let waited = self
                    .changed
                    .wait_timeout_while(self.lock(), patience, is_idle);
                waited
                    .map(|(state, _)| state)
                    .map_err(|poisoned| std::sync::PoisonError::new(poisoned.into_inner().0))
            }
        };
        !state
            .unwrap_or_else(PoisonError::into_inner)
            .ready
            .is_empty()
    }

    /// Takes nothing more, and forgets what waits.
    fn give_up(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waited = std::mem::take(&mut state.ready);
        let bytes = waited
            .values()
            .map(|one| one.data_set.as_ref().map_or(0, Vec::len));
        state.held -= bytes.sum::<usize>();
    }

    fn has_one(&self) -> bool {
        !self.lock().ready.is_empty()
    }

    fn take(&self) -> Option<(usize, Verified)> {
        self.lock().ready.pop_first()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storing {
    fn run(&self, waiting: &Waiting) {
        let (progress, confirmed) = (&self.progress, &self.confirmed);
        progress.stored.store(confirmed.count(), Ordering::Relaxed);
        let transcoded = confirmed.transcoded();
        progress.transcoded.store(transcoded, Ordering::Relaxed);
        while waiting.wait(None) {
            let ended = self.send(waiting);
            if matches!(ended, Ended::GaveUp(_) | Ended::Cancelled) {
                // The job that stores the study tries again, and says why when it cannot.
                waiting.give_up();
                return;
            }
        }
    }

    /// Sends over one association, or a few, until nothing came for a while.
    fn send(&self, waiting: &Waiting) -> Ended {
        let sent = RefCell::new(Vec::new());
        let objects = std::iter::from_fn(|| {
            loop {
                waiting.wait(Some(IDLE));
                let (position, verified) = waiting.take()?;
                if !self.confirmed.has(position) {
                    sent.borrow_mut().push(position);
                    return Some(self.outgoing(waiting, verified));
                }
                waiting.lock().held -= verified.data_set.map_or(0, |bytes| bytes.len());
            }
        });
        let stored = |index: u64, form: Form| {
            let position = sent.borrow().get(index as usize).copied();
            if let Some(position) = position {
                note(&self.confirmed, (position, form), &self.progress);
            }
        };
        let is_ready = || waiting.has_one();
        self.archiver.send_arriving(objects, &is_ready, &stored)
    }

    fn outgoing<'a>(&'a self, waiting: &'a Waiting, verified: Verified) -> Box<dyn Outgoing + 'a> {
        match verified.data_set {
            Some(data_set) => Box::new(AtHand {
                head: verified.head,
                data_set,
                waiting,
            }),
            None => Box::new(Sealed {
                parcels: &self.parcels,
                key: &self.key,
                parcel: self.parcel,
                site: self.site,
                slot: verified.slot,
                head: verified.head,
            }),
        }
    }
}

/// Notes that the archive has an object, and in which form.
pub(super) fn note(confirmed: &Confirmed, (position, form): (usize, Form), progress: &Progress) {
    if let Err(error) = confirmed.note(position, form) {
        tracing::warn!(target: "dokuei::archive", "what the archive has confirmed cannot be noted: {error}");
    }
    progress.stored.fetch_add(1, Ordering::Relaxed);
    if form == Form::Transcoded {
        progress.transcoded.fetch_add(1, Ordering::Relaxed);
    }
}

/// An object whose plaintext waits in memory.
struct AtHand<'a> {
    head: ObjectHead,
    data_set: Vec<u8>,
    waiting: &'a Waiting,
}

impl Outgoing for AtHand<'_> {
    fn sop_class(&self) -> &str {
        &self.head.sop_class
    }

    fn sop_instance(&self) -> &str {
        &self.head.sop_instance
    }

    fn transfer_syntax(&self) -> &str {
        &self.head.transfer_syntax
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Cursor::new(&self.data_set)))
    }
}

impl Drop for AtHand<'_> {
    fn drop(&mut self) {
        self.waiting.lock().held -= self.data_set.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::chance;
    use crate::config::Archive;
    use crate::dicom::pacs::Pacs;
    use crate::dicom::scp::{Accept, Scp, ScpConfig};

    const CLASSES: [&str; 2] = ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"];

    struct Place {
        folder: tempfile::TempDir,
        pacs: Arc<Pacs>,
        scp: Option<Scp>,
        port: u16,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let pacs = Arc::new(Pacs::open(&folder.path().join("pacs"), false).unwrap());
        let config = ScpConfig {
            address: ([127, 0, 0, 1], 0).into(),
            tls: None,
            ae_title: "PACS".parse().unwrap(),
            accept: Accept::default(),
            limits: Default::default(),
        };
        let scp = Scp::start(config, pacs.clone()).unwrap();
        let port = scp.local_addr().port();
        Place {
            folder,
            pacs,
            scp: Some(scp),
            port,
        }
    }

    impl Place {
        fn begin(&self, objects: usize) -> StoringAhead {
            let parcel = ParcelId::from_bytes([1; 32]);
            let parcels = Parcels::open(self.folder.path().join("parcels")).unwrap();
            parcels.create(&parcel).unwrap();
            let archive = Archive {
                host: "127.0.0.1".to_owned(),
                port: self.port,
                ae_title: "PACS".to_owned(),
                commitment: false,
                transcode: true,
            };
            let confirmed = Confirmed::open(&parcels.folder_of(&parcel), objects).unwrap();
            let storing = Storing {
                archiver: Archiver::new(&archive, "NODE").unwrap(),
                parcels,
                parcel,
                site: SiteId::from_bytes([2; 32]),
                key: ContentKey::from_rng(&mut chance()),
                confirmed: Arc::new(confirmed),
                progress: Arc::default(),
            };
            StoringAhead::begin(storing, None).unwrap()
        }
    }

    fn offer(ahead: &StoringAhead, position: usize) {
        let head = ObjectHead {
            sop_class: CLASSES[position % 2].to_owned(),
            sop_instance: format!("2.25.{}", position + 1),
            transfer_syntax: "1.2.840.10008.1.2.1".to_owned(),
        };
        let bytes = vec![position as u8; 100_000];
        ahead.offer(position, position as u32 + 1, head, Some(bytes));
    }

    #[test]
    fn each_object_goes_once_as_it_comes_and_is_known_after_a_restart() {
        let place = place();
        let ahead = place.begin(8);
        for position in [0, 3, 1, 2] {
            offer(&ahead, position);
        }
        ahead.finish();
        assert_eq!(place.pacs.stored(), 4);
        assert_eq!(ahead.waiting.lock().held, 0);
        drop(ahead);
        let again = place.begin(8);
        assert!(!again.wants(3) && again.wants(4));
        (0..8).for_each(|position| offer(&again, position));
        again.finish();
        assert_eq!(place.pacs.stored(), 8);
        assert_eq!(again.confirmed.count(), 8);
        assert_eq!(again.waiting.lock().held, 0);
    }

    #[test]
    fn an_archive_that_is_away_gets_nothing_and_holds_up_nobody() {
        let mut place = place();
        place.scp.take().unwrap().stop();
        let ahead = place.begin(2);
        offer(&ahead, 0);
        ahead.finish();
        assert!(!ahead.wants(0) && !ahead.has_room(1));
        offer(&ahead, 1);
        assert_eq!(ahead.confirmed.count(), 0);
        assert_eq!(ahead.waiting.lock().held, 0);
    }

    #[test]
    fn memory_for_what_waits_is_bounded() {
        let waiting = Arc::new(Waiting::default());
        let folder = tempfile::tempdir().unwrap();
        let ahead = StoringAhead {
            parcel: ParcelId::from_bytes([1; 32]),
            confirmed: Arc::new(Confirmed::open(folder.path(), 200).unwrap()),
            waiting,
            thread: Mutex::new(None),
        };
        let mut held = 0;
        while ahead.has_room(100_000) {
            offer(&ahead, held);
            held += 1;
        }
        assert_eq!(held, AT_HAND / 100_000);
        assert!(!ahead.has_room(AT_HAND_EACH + 1));
    }
}
