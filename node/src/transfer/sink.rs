//! Where fetched bytes go: into the object's file, and when an object is complete, through its
//! verification.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::{Digest, ParcelId, SiteId};
use dokuei_keys::sealed::SEALED_CHUNK;
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::study::manifest::{Manifest, ManifestEntry};
use dokuei_protocol::study::plan::{Placement, Segment, TransferPlan};

use crate::archive::StoringAhead;
use crate::dicom::header::Header;
use crate::disk::Room;
use crate::network::{ParcelSink, RangeOutcome, RangeRequest, Refusal};
use crate::parcels::{OpenError, OpenedObject, Parcels, scan};
use crate::studies::arrived::Verified;
use crate::studies::granted::GrantedStudies;
use crate::studies::study::Study;
use crate::transfer::gathered::Gathered;
use crate::transfer::marks::{Claim, Marks};
use crate::transfer::progress::Progress;

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
    pub(crate) room: Option<Room>,
    pub(crate) listed: Option<Listed>,
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
    pub(crate) parcels: Parcels,
    pub(crate) parcel: ParcelId,
    pub(crate) site: SiteId,
    pub(crate) key: ContentKey,
    pub(crate) manifest: Manifest,
    pub(crate) content: Content,
    pub(crate) marks: Marks,
    pub(crate) progress: Arc<Progress>,
    /// Room on the disk, where it stops at a reserve.
    room: Option<Room>,
    /// Where verified objects go at once.
    onward: Option<Arc<StoringAhead>>,
    /// Where they are listed at once.
    listed: Option<Listed>,
    /// Positions in the manifest by slot.
    positions: BTreeMap<u32, usize>,
    state: Mutex<State>,
}

struct State {
    plan: TransferPlan,
    /// Segments by the slot and offset of the range that was asked for.
    asked: BTreeMap<(u32, u64), Segment>,
    /// Segments that are here in part: chunks from their beginning.
    begun: BTreeMap<u32, u8>,
    verified: BTreeSet<usize>,
    gathered: Gathered,
    damaged: Option<u32>,
    mixed: bool,
    not_permitted: bool,
}

impl TransferSink {
    pub(crate) fn new(
        parcel: Arriving,
        manifest: Manifest,
        marks: Marks,
        progress: Arc<Progress>,
        onward: Option<Arc<StoringAhead>>,
    ) -> TransferSink {
        let Arriving {
            parcels,
            site,
            key,
            content,
            room,
            listed,
        } = parcel;
        let plan = TransferPlan::new(&manifest);
        progress.total.store(plan.total_bytes(), Ordering::Relaxed);
        progress
            .objects_total
            .store(manifest.objects.len(), Ordering::Relaxed);
        let state = State {
            plan,
            asked: BTreeMap::new(),
            begun: BTreeMap::new(),
            verified: BTreeSet::new(),
            gathered: Gathered::new(manifest.parcel),
            damaged: None,
            mixed: false,
            not_permitted: false,
        };
        let slots = manifest.objects.iter().map(|entry| entry.slot);
        TransferSink {
            room,
            positions: slots.enumerate().map(|(at, slot)| (slot, at)).collect(),
            onward,
            listed,
            parcels,
            parcel: manifest.parcel,
            site,
            key,
            manifest,
            content,
            marks,
            progress,
            state: Mutex::new(state),
        }
    }

    /// Takes up what an earlier run left: whatever its marks claim is verified, object by object.
    pub(crate) fn take_up(&self) -> io::Result<()> {
        let mut complete = Vec::new();
        for (index, claim) in (0..).zip(self.marks.claims()?) {
            let mut state = self.lock();
            match claim {
                Claim::Whole => complete.extend(state.plan.hold(index)),
                Claim::Chunks(0) => {}
                Claim::Chunks(chunks) => drop(state.begun.insert(index, chunks)),
            }
        }
        complete
            .into_iter()
            .try_for_each(|object| self.verify(&object))?;
        self.count(0)
    }

    /// Counts received bytes; the count survives this process.
    fn count(&self, more: u64) -> io::Result<()> {
        let received = self.marks.count(more)?;
        self.progress.received.store(received, Ordering::Relaxed);
        Ok(())
    }

    /// What was received by now and is not held was received in vain. True while nothing is under way.
    fn settle(&self, held: u64) {
        let received = self.progress.received.load(Ordering::Relaxed);
        let again = received.saturating_sub(held);
        self.progress.again.store(again, Ordering::Relaxed);
    }

    /// Everything that is missing.
    pub(crate) fn missing(&self) -> Vec<RangeRequest> {
        let mut state = self.lock();
        let state = &mut *state;
        state.plan.stream_lost(0);
        state.asked.clear();
        let mut missing = Vec::new();
        let mut held = state.plan.held_bytes();
        while let Some(segment) = state.plan.ask(0) {
            let chunks = state.begun.get(&segment.index).copied().unwrap_or(0);
            let mut here = u64::from(chunks) * SEALED_CHUNK as u64;
            if here >= segment.length {
                // A mark that cannot be.
                here = 0;
            }
            held += here;
            let offset = segment.offset + here;
            state.asked.insert((segment.slot, offset), segment);
            missing.push(RangeRequest {
                parcel: self.parcel.to_bytes(),
                slot: segment.slot,
                offset,
                length: segment.length - here,
            });
        }
        self.settle(held);
        missing
    }

    /// Notes how far a segment is on disk, by whole chunks, so that a break costs at most one again.
    fn reach(&self, range: &RangeRequest, end: u64) -> io::Result<()> {
        let mut state = self.lock();
        let Some(segment) = state.asked.get(&(range.slot, range.offset)).copied() else {
            return Ok(());
        };
        let chunks = end.saturating_sub(segment.offset) / SEALED_CHUNK as u64;
        let chunks = u8::try_from(chunks).unwrap_or(u8::MAX);
        let known = state.begun.insert(segment.index, chunks);
        drop(state);
        if known == Some(chunks) || chunks == 0 {
            return Ok(());
        }
        self.marks.reach(segment.index, chunks)
    }

    /// What was verified, once everything is: of a study, what its headers say.
    pub(crate) fn into_verified(self, at: u64) -> Option<Option<Study>> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (state.verified.len() == self.manifest.objects.len()).then(|| state.gathered.study(at))
    }

    /// Whether there are objects of more than one study.
    pub(crate) fn is_mixed(&self) -> bool {
        self.lock().mixed
    }

    /// The slot of an object that arrived whole and is not what the manifest says.
    pub(crate) fn damaged(&self) -> Option<u32> {
        self.lock().damaged
    }

    /// Whether the partner does not hand the parcel out.
    pub(crate) fn not_permitted(&self) -> bool {
        self.lock().not_permitted
    }

    fn open(&self, slot: u32) -> Result<OpenedObject, OpenError> {
        OpenedObject::open(&self.parcels, &self.key, self.parcel, self.site, slot)
    }

    /// Opens a complete object and compares it with the manifest. If it differs it is asked for again;
    /// if not, it goes on to the archive.
    ///
    /// # Errors
    /// When this node's disk fails: that says nothing about what the partner sent.
    fn verify(&self, object: &Placement) -> io::Result<()> {
        let Some(position) = self.positions.get(&object.slot).copied() else {
            return Ok(());
        };
        let entry = &self.manifest.objects[position];
        let onward = self.onward.as_ref();
        let genuine = self.open(object.slot).and_then(|mut opened| {
            let length = opened.length();
            let keep = || onward.is_some_and(|on| on.wants(position) && on.has_room(length));
            let (scanned, digest) = match self.content {
                Content::Study => (scan(&mut opened, keep())?, opened.digest()),
                Content::Opaque => (None, Some(opened.verify()?)),
            };
            let whole = scanned.is_some() || self.content == Content::Opaque;
            let same = length == entry.length && digest == Some(entry.digest);
            Ok((whole && same).then_some(scanned))
        });
        let genuine = match genuine {
            Err(OpenError::Damaged) => None,
            Err(OpenError::Disk(error)) => return Err(error),
            Ok(genuine) => genuine,
        };
        let mut state = self.lock();
        let mut go_on = None;
        match genuine {
            Some(Some(scanned)) if !state.gathered.is_of_it(&scanned.header) => state.mixed = true,
            Some(scanned) => {
                state.verified.insert(position);
                state.damaged.take_if(|slot| *slot == object.slot);
                if let Some(scanned) = scanned {
                    let (header, content) = (&scanned.header, scanned.content);
                    state.gathered.add(position, entry, header, content);
                    self.list(entry, header, content);
                    go_on = Some((scanned.head, scanned.data_set));
                }
                let verified = state.verified.len();
                self.progress.objects.store(verified, Ordering::Relaxed);
            }
            None => {
                state.damaged = Some(object.slot);
                state.plan.discard_object(object.slot);
                let (first, count) = object.segments();
                for segment in first..first + count {
                    state.begun.remove(&segment);
                    self.marks.discard(segment)?;
                }
            }
        }
        let held = state.plan.held_bytes();
        drop(state);
        self.progress.bytes.store(held, Ordering::Relaxed);
        if let (Some(onward), Some((head, data_set))) = (&self.onward, go_on)
            && onward.wants(position)
        {
            onward.offer(position, object.slot, head, data_set);
        }
        Ok(())
    }

    fn list(&self, entry: &ManifestEntry, header: &Header, content: Digest) {
        let Some(listed) = &self.listed else {
            return;
        };
        let object = Verified {
            parcel: self.parcel,
            entry,
            header,
            content,
            of: u32::try_from(self.manifest.objects.len()).unwrap_or(u32::MAX),
        };
        listed.granted.came(listed.case, self.site, &object);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ParcelSink for TransferSink {
    fn write(&self, range: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()> {
        // The reserve is for what must go on: without records nothing that arrives could be kept.
        if self.room.as_ref().is_some_and(|room| !room.is_left()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let path = self.parcels.file_of(&self.parcel, range.slot);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.write_all_at(bytes, at)?;
        self.reach(range, at + bytes.len() as u64)?;
        self.count(bytes.len() as u64)
    }

    fn finished(&self, range: &RangeRequest, outcome: RangeOutcome) -> io::Result<()> {
        let complete = match outcome {
            RangeOutcome::Complete { length } if length == range.length => {
                let mut state = self.lock();
                let Some(segment) = state.asked.remove(&(range.slot, range.offset)) else {
                    return Ok(());
                };
                state.begun.remove(&segment.index);
                let complete = state.plan.hold(segment.index);
                self.progress
                    .bytes
                    .store(state.plan.held_bytes(), Ordering::Relaxed);
                drop(state);
                self.marks.hold(segment.index)?;
                complete
            }
            RangeOutcome::Complete { .. }
            | RangeOutcome::Refused(Refusal::Later | Refusal::Missing) => None,
            RangeOutcome::Refused(Refusal::Refused) => {
                self.lock().not_permitted = true;
                None
            }
        };
        complete.map_or(Ok(()), |object| self.verify(&object))
    }
}
