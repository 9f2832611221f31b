//! Where fetched packs go: into a file each, and when one is whole, through its opening, from which objects come.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_compression::{Decoder, Effort};
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::{PackContext, SealContext, open_pack};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::study::manifest::{Manifest, ManifestEntry};
use dokuei_protocol::study::plan::{Piece, TransferPlan};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::archive::StoringAhead;
use crate::disk::Room;
use crate::network::{ParcelSink, Part, RangeOutcome, RangeRequest, Refusal};
use crate::packs;
use crate::parcels::{OpenError, Parcels, ScannedObject};
use crate::studies::arrived::Verified;
use crate::studies::granted::GrantedStudies;
use crate::studies::study::Study;
use crate::transfer::counts::{Counts, remove};
use crate::transfer::gathered::Gathered;
use crate::transfer::known::Known;
use crate::transfer::progress::Progress;
use crate::transfer::taking::{Taken, Taking};

/// What a parcel holds, and so what its objects are looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// DICOM objects.
    Study,
    /// Something that only its reader understands.
    Opaque,
}

/// A parcel that arrives: where to, from whom, under which key, and what it holds.
pub(crate) struct Arriving {
    pub(crate) parcels: Parcels,
    pub(crate) site: SiteId,
    pub(crate) key: ContentKey,
    pub(crate) content: Content,
    /// Room on the disk, where it stops at a reserve.
    pub(crate) room: Option<Room>,
    /// Where verified objects are listed at once.
    pub(crate) listed: Option<Listed>,
    /// Where verified objects go at once.
    pub(crate) onward: Option<Arc<StoringAhead>>,
    /// Where objects of it may lie already.
    pub(crate) known: Option<Arc<Known>>,
}

/// Where the objects of a study can be found and opened while the others are on their way.
#[derive(Clone)]
pub struct Listed {
    /// The granted studies.
    pub granted: GrantedStudies,
    /// The case that it is granted for.
    pub case: CaseId,
}

/// The receiving end of one transfer.
pub(crate) struct TransferSink {
    pub(super) arriving: Arriving,
    pub(crate) manifest: Manifest,
    pub(super) counts: Counts,
    pub(super) progress: Arc<Progress>,
    state: Mutex<State>,
    /// How many requests were answered, or will not be.
    settled: watch::Sender<usize>,
    /// Not in use, with the room they work in.
    decoders: Mutex<Vec<Decoder>>,
    /// Nothing more is taken: the transfer gives up its place.
    pub(super) gives_way: CancellationToken,
}

pub(super) struct State {
    pub(super) plan: TransferPlan,
    pub(super) verified: BTreeSet<usize>,
    /// Packs that are here whole and not opened yet; the most useful is the last.
    pub(super) waiting: Vec<(u32, Effort)>,
    gathered: Gathered,
    damaged: bool,
    mixed: bool,
    not_permitted: bool,
}

impl TransferSink {
    pub(crate) fn new(
        arriving: Arriving,
        manifest: Manifest,
        counts: Counts,
        progress: Arc<Progress>,
    ) -> TransferSink {
        let plan = TransferPlan::new(&manifest);
        progress.total.store(plan.total_bytes(), Ordering::Relaxed);
        progress
            .objects_total
            .store(manifest.objects.len(), Ordering::Relaxed);
        let state = State {
            plan,
            verified: BTreeSet::new(),
            waiting: Vec::new(),
            gathered: Gathered::new(manifest.parcel),
            damaged: false,
            mixed: false,
            not_permitted: false,
        };
        TransferSink {
            arriving,
            manifest,
            counts,
            progress,
            state: Mutex::new(state),
            settled: watch::Sender::new(0),
            decoders: Mutex::default(),
            gives_way: CancellationToken::new(),
        }
    }

    /// How many requests were answered, or will not be, as it grows.
    pub(super) fn settled(&self) -> watch::Receiver<usize> {
        self.settled.subscribe()
    }

    /// What was verified, once everything is: of a study, what its headers say.
    pub(crate) fn into_verified(self, at: u64) -> Option<Option<Study>> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (state.verified.len() == self.manifest.objects.len()).then(|| state.gathered.study(at))
    }

    /// Whether packs are here that are not opened yet.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Whether there are objects of more than one study.
    pub(crate) fn is_mixed(&self) -> bool {
        self.lock().mixed
    }

    /// Whether something arrived whole that is not what the manifest says, and has not come right since.
    pub(crate) fn is_damaged(&self) -> bool {
        self.lock().damaged
    }

    /// Whether the partner does not hand the parcel out.
    pub(crate) fn not_permitted(&self) -> bool {
        self.lock().not_permitted
    }

    /// Opens what a file holds of a pack.
    pub(super) fn open(&self, pack: u32, file: &PathBuf) -> Result<Vec<u8>, OpenError> {
        let context = PackContext {
            parcel: self.manifest.parcel,
            site: self.arriving.site,
            pack,
        };
        let sealed = std::fs::read(file).map_err(OpenError::Disk)?;
        Ok(open_pack(&self.arriving.key, &context, &sealed)?)
    }

    /// A pack is here whole: its objects are taken out, or it waits until the others are here that its object is in. One that
    /// was continued and does not open says nothing of what the partner makes: it may make another one by now.
    pub(super) fn pack_came(&self, pack: u32, effort: Effort, continued: bool) -> io::Result<()> {
        let name = packs::name(effort);
        let file = self
            .arriving
            .parcels
            .pack_of(&self.manifest.parcel, pack, name);
        let length = file.metadata()?.len();
        let content = match self.open(pack, &file) {
            Ok(content) => content,
            Err(OpenError::Disk(error)) => return Err(error),
            Err(OpenError::Damaged) => {
                self.lock().damaged |= !continued;
                return remove(&file);
            }
        };
        let pieces: Vec<Piece> = self.lock().plan.pieces(pack).collect();
        if pieces.iter().all(|piece| piece.is_whole) {
            let Some(objects) = self.unpack(&content, &pieces) else {
                self.lock().damaged = true;
                return remove(&file);
            };
            let mut are_here = objects.iter().all(Option::is_some);
            if are_here {
                self.hold(pack);
            }
            for (piece, bytes) in pieces.iter().zip(objects) {
                if let Some(bytes) = bytes {
                    are_here &= self.take(piece.position, |taking| taking.push(&bytes))?;
                }
            }
            if are_here {
                self.counts.accept(length)?;
            }
            return remove(&file);
        }
        drop(content);
        for position in self.hold(pack) {
            self.take_from_packs(position)?;
        }
        Ok(())
    }

    /// Notes a pack as here; gives the objects that are complete by it.
    fn hold(&self, pack: u32) -> Vec<usize> {
        let mut state = self.lock();
        let completed = state.plan.hold(pack);
        let held = state.plan.held_bytes();
        self.progress.hold(held);
        completed
    }

    fn unpack(&self, content: &[u8], pieces: &[Piece]) -> Option<Vec<Option<Vec<u8>>>> {
        let lengths: Vec<usize> = pieces.iter().map(|piece| piece.length as usize).collect();
        let decoders = || self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut decoder = decoders().pop().unwrap_or_else(Decoder::new);
        let unpacked = packs::unpack(content, &lengths, &mut decoder);
        // One for each stream at the most.
        decoders().push(decoder);
        unpacked.ok()
    }

    /// Takes a long object out of the packs that hold its pieces.
    fn take_from_packs(&self, position: usize) -> io::Result<()> {
        let packs = self.lock().plan.packs_of(position);
        let mut files = Vec::new();
        for (pack, _, file) in self.packs()? {
            if packs.contains(&pack) {
                files.push((pack, file));
            }
        }
        files.sort();
        let is_here = self.take(position, |taking| {
            for (pack, file) in &files {
                let pieces: Vec<Piece> = self.lock().plan.pieces(*pack).collect();
                let content = match self.open(*pack, file) {
                    Err(OpenError::Disk(error)) => return Err(error),
                    content => content.ok(),
                };
                // Without all of it the object is another, which is found at its end.
                let objects = content.and_then(|content| self.unpack(&content, &pieces));
                for bytes in objects.into_iter().flatten().flatten() {
                    taking.push(&bytes)?;
                }
            }
            Ok(())
        })?;
        for (_, file) in &files {
            if is_here {
                self.counts.accept(file.metadata()?.len())?;
            }
            remove(file)?;
        }
        Ok(())
    }

    /// Takes an object, whose bytes `push` gives; whether it is here then. If it is not what the manifest says it is asked
    /// for again; if it is, it goes on to the archive.
    ///
    /// # Errors
    /// When this node's disk fails: that says nothing about what the partner sent.
    pub(super) fn take(
        &self,
        position: usize,
        push: impl FnOnce(&mut Taking) -> io::Result<()>,
    ) -> io::Result<bool> {
        let Some(entry) = self.manifest.objects.get(position) else {
            return Ok(false);
        };
        if self.lock().verified.contains(&position) {
            return Ok(true);
        }
        let Arriving {
            parcels,
            site,
            key,
            content,
            onward,
            ..
        } = &self.arriving;
        let keep = onward
            .as_ref()
            .is_some_and(|on| on.wants(position) && on.has_room(entry.length));
        let place = SealContext {
            parcel: self.manifest.parcel,
            site: *site,
            slot: entry.slot,
        };
        let keep = keep.then_some(entry.length);
        let mut taking = Taking::begin((parcels, key), place, *content, keep)?;
        push(&mut taking)?;
        match taking.finish(entry)? {
            Taken::Genuine(scanned) => {
                self.verified(position, entry, scanned.map(|scanned| *scanned));
                Ok(true)
            }
            Taken::Other => {
                let mut state = self.lock();
                state.damaged = true;
                state.plan.discard_object(position);
                let held = state.plan.held_bytes();
                self.progress.hold(held);
                Ok(false)
            }
        }
    }

    /// An object is on disk and what the manifest says.
    pub(super) fn verified(
        &self,
        position: usize,
        entry: &ManifestEntry,
        scanned: Option<ScannedObject>,
    ) {
        let mut state = self.lock();
        let mut go_on = None;
        match scanned {
            Some(scanned) if !state.gathered.is_of_it(&scanned.header) => {
                state.mixed = true;
                return;
            }
            Some(scanned) => {
                let (header, content) = (&scanned.header, scanned.content);
                state.gathered.add(position, entry, header, content);
                self.list(entry, &scanned);
                if let Some(known) = &self.arriving.known {
                    known.came(header.study().as_str());
                }
                go_on = Some((scanned.head, scanned.data_set));
            }
            None => {}
        }
        state.verified.insert(position);
        let verified = state.verified.len();
        if verified == self.manifest.objects.len() {
            state.damaged = false;
        }
        drop(state);
        self.progress.objects.store(verified, Ordering::Relaxed);
        if let (Some(onward), Some((head, data_set))) = (&self.arriving.onward, go_on)
            && onward.wants(position)
        {
            onward.offer(position, entry.slot, head, data_set);
        }
    }

    fn list(&self, entry: &ManifestEntry, scanned: &ScannedObject) {
        let Some(listed) = &self.arriving.listed else {
            return;
        };
        let object = Verified {
            parcel: self.manifest.parcel,
            entry,
            header: &scanned.header,
            content: scanned.content,
            of: u32::try_from(self.manifest.objects.len()).unwrap_or(u32::MAX),
        };
        listed
            .granted
            .came(listed.case, self.arriving.site, &object);
    }

    /// Whether the disk is full but for the reserve.
    pub(super) fn has_no_room(&self) -> bool {
        let room = self.arriving.room.as_ref();
        room.is_some_and(|room| !room.is_left())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file of the pack that a request is for; none for a request of another kind.
fn file_of(
    parcels: &Parcels,
    parcel: &ParcelId,
    range: &RangeRequest,
) -> Option<(u32, Effort, PathBuf)> {
    match range.part {
        Part::Pack(pack, effort) => {
            let file = parcels.pack_of(parcel, pack, packs::name(effort));
            Some((pack, effort, file))
        }
        Part::Object(_) => None,
    }
}

impl ParcelSink for TransferSink {
    fn write(&self, range: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.gives_way.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // The reserve is for what must go on: without records nothing that arrives could be kept.
        if self.has_no_room() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let Some((_, _, file)) = file_of(&self.arriving.parcels, &self.manifest.parcel, range)
        else {
            return Ok(());
        };
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(file)?;
        file.write_all_at(bytes, at)?;
        let cost = self.counts.receive(bytes.len() as u64)?;
        self.progress
            .received
            .store(cost.received, Ordering::Relaxed);
        Ok(())
    }

    fn finished(&self, range: &RangeRequest, outcome: RangeOutcome) -> io::Result<()> {
        let asked = file_of(&self.arriving.parcels, &self.manifest.parcel, range);
        let Some((pack, effort, file)) = asked else {
            return Ok(());
        };
        self.settled.send_modify(|settled| *settled += 1);
        match outcome {
            // No pack is empty.
            RangeOutcome::Complete { length: 0 } if range.offset == 0 => {
                self.lock().damaged = true;
                remove(&file)
            }
            RangeOutcome::Complete { .. } => self.pack_came(pack, effort, range.offset > 0),
            // What is here of it is not what the partner makes now.
            RangeOutcome::Refused(Refusal::Missing) => remove(&file),
            RangeOutcome::Refused(Refusal::Later) => Ok(()),
            RangeOutcome::Refused(Refusal::Refused) => {
                self.lock().not_permitted = true;
                Ok(())
            }
        }
    }

    /// Whoever asks must not wait for them.
    fn lost(&self, ranges: u64) {
        let lost = usize::try_from(ranges).unwrap_or(usize::MAX);
        self.settled
            .send_modify(|settled| *settled = settled.saturating_add(lost));
    }
}
