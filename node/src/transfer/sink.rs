//! Where fetched bytes go: into the object's file, and when an object is complete, through its
//! verification.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::{Digest, ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::study::manifest::Manifest;
use dokuei_protocol::study::plan::{Placement, TransferPlan};

use crate::dicom::header::Header;
use crate::network::{ParcelSink, RangeOutcome, RangeRequest, Refusal};
use crate::parcels::{OpenedObject, Parcels};
use crate::studies::register::scan_object;
use crate::transfer::marks::Marks;
use crate::transfer::progress::Progress;

/// What a parcel holds, and so what its objects are looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// DICOM objects.
    Study,
    /// Something that only its reader understands.
    Opaque,
}

/// An object that was verified. Of a DICOM object, what its header says and the BLAKE3 of its data
/// set.
pub(crate) type Verified = Option<(Header, Digest)>;

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
    state: Mutex<State>,
}

struct State {
    plan: TransferPlan,
    asked: BTreeMap<(u32, u64), u32>,
    verified: BTreeMap<u32, Verified>,
    damaged: Option<u32>,
    not_permitted: bool,
}

impl TransferSink {
    pub(crate) fn new(
        parcels: Parcels,
        site: SiteId,
        key: ContentKey,
        manifest: Manifest,
        content: Content,
        marks: Marks,
        progress: Arc<Progress>,
    ) -> TransferSink {
        let plan = TransferPlan::new(&manifest);
        progress.total.store(plan.total_bytes(), Ordering::Relaxed);
        progress
            .objects_total
            .store(manifest.objects.len(), Ordering::Relaxed);
        let state = State {
            plan,
            asked: BTreeMap::new(),
            verified: BTreeMap::new(),
            damaged: None,
            not_permitted: false,
        };
        TransferSink {
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
        let segments = self.lock().plan.segments();
        let mut complete = Vec::new();
        for index in self.marks.held(segments)? {
            complete.extend(self.lock().plan.hold(index));
        }
        complete
            .into_iter()
            .try_for_each(|object| self.verify(&object))
    }

    /// Everything that is missing.
    pub(crate) fn missing(&self) -> Vec<RangeRequest> {
        let mut state = self.lock();
        state.plan.stream_lost(0);
        state.asked.clear();
        let mut missing = Vec::new();
        while let Some(segment) = state.plan.ask(0) {
            state
                .asked
                .insert((segment.slot, segment.offset), segment.index);
            missing.push(RangeRequest {
                parcel: self.parcel.to_bytes(),
                slot: segment.slot,
                offset: segment.offset,
                length: segment.length,
            });
        }
        missing
    }

    /// The objects with their headers, once every one of them is verified.
    pub(crate) fn into_verified(self) -> Option<BTreeMap<u32, Verified>> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (state.verified.len() == self.manifest.objects.len()).then_some(state.verified)
    }

    /// The slot of an object that arrived whole and is not what the manifest says.
    pub(crate) fn damaged(&self) -> Option<u32> {
        self.lock().damaged
    }

    /// Whether the partner does not hand the parcel out.
    pub(crate) fn not_permitted(&self) -> bool {
        self.lock().not_permitted
    }

    /// Opens a complete object and compares it with the manifest; if it differs it is asked for again.
    fn verify(&self, object: &Placement) -> io::Result<()> {
        let expected = self
            .manifest
            .objects
            .iter()
            .find(|entry| entry.slot == object.slot)
            .map(|entry| (entry.length, entry.digest));
        let opened = OpenedObject::open(
            &self.parcels,
            &self.key,
            self.parcel,
            self.site,
            object.slot,
        )
        .ok();
        let verified = opened.and_then(|mut opened| {
            let length = opened.length();
            let (verified, digest) = match self.content {
                Content::Study => (Some(scan_object(&mut opened)?), opened.digest()?),
                Content::Opaque => (None, opened.verify().ok()?),
            };
            (expected == Some((length, digest))).then_some(verified)
        });
        let mut state = self.lock();
        match verified {
            Some(verified) => {
                state.verified.insert(object.slot, verified);
                self.progress
                    .objects
                    .store(state.verified.len(), Ordering::Relaxed);
            }
            None => {
                state.damaged = Some(object.slot);
                state.plan.discard_object(object.slot);
                let (first, count) = object.segments();
                (first..first + count).try_for_each(|segment| self.marks.discard(segment))?;
            }
        }
        self.progress
            .bytes
            .store(state.plan.held_bytes(), Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ParcelSink for TransferSink {
    fn write(&self, range: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.parcels.file_of(&self.parcel, range.slot);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.write_all_at(bytes, at)
    }

    fn finished(&self, range: &RangeRequest, outcome: RangeOutcome) -> io::Result<()> {
        let complete = match outcome {
            RangeOutcome::Complete { length } if length == range.length => {
                let mut state = self.lock();
                let Some(index) = state.asked.remove(&(range.slot, range.offset)) else {
                    return Ok(());
                };
                let complete = state.plan.hold(index);
                self.progress
                    .bytes
                    .store(state.plan.held_bytes(), Ordering::Relaxed);
                drop(state);
                self.marks.hold(index)?;
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
