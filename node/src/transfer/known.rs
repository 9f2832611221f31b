//! What of a study that arrives lies here already, in another parcel that this site and the partner have both had: it is
//! taken from there, and its packs are not asked for.
//!
//! No list of digests is kept for that, and none is sent. A manifest's digests are keyed from the content key of its
//! parcel: whoever was granted it can tell whether an object that lies here is one of the list by opening it and computing
//! its digest under that key, and nobody else can. Where to look follows from the study that the first objects are of, or
//! from the earlier case that the partner named.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::sync::atomic::Ordering;

use dokuei_keys::id::{ObjectDigest, ParcelId, SiteId};
use dokuei_keys::sealed::{ObjectHasher, object_digest_key};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::study::manifest::ObjectClass;
use tokio::sync::watch;

use crate::parcels::{OpenError, OpenedObject};
use crate::transfer::counts::remove;
use crate::transfer::sink::{State, TransferSink};

/// Of what is missing, so many times as many bytes may be opened here in vain. Opening is far faster than a line: at worst
/// this costs a part of the time that fetching takes, as when a few late images are looked for among a thousand others.
const VAIN: u64 = 4;

/// An object that is no longer stays in memory between its digest and its sealing; any other is opened twice.
const KEPT: u64 = 4 * 1024 * 1024;

/// The studies that this site and one partner have both had.
pub trait Shelves: Send + Sync {
    /// Parcels with objects of this study.
    fn parcels_of(&self, uid: &str) -> Vec<ParcelId>;

    /// One of them; none when it is gone.
    fn parcel(&self, parcel: &ParcelId) -> Option<KnownParcel>;
}

/// A parcel that lies here.
pub struct KnownParcel {
    /// Its name.
    pub parcel: ParcelId,
    /// Who sealed it.
    pub site: SiteId,
    /// Its content key.
    pub key: ContentKey,
    /// Its objects.
    pub objects: Vec<KnownObject>,
}

/// An object in it.
#[derive(Clone, Copy)]
pub struct KnownObject {
    /// Its slot.
    pub slot: u32,
    /// Bytes of plaintext.
    pub length: u64,
    /// What it is.
    pub class: ObjectClass,
}

/// Where objects of one study that arrives may lie already. Holds a study's UID: no `Debug`.
pub struct Known {
    shelves: Box<dyn Shelves>,
    look: watch::Sender<Look>,
}

#[derive(Default)]
struct Look {
    /// The study that was looked for last.
    uid: Option<String>,
    /// The parcels of it that are still to be looked through.
    parcels: Vec<ParcelId>,
}

impl Known {
    /// Looks in `shelves`, as soon as it is known which study arrives.
    pub fn new(shelves: Box<dyn Shelves>) -> Known {
        let look = watch::Sender::default();
        Known { shelves, look }
    }

    /// An object of this study is expected, or is here.
    pub fn came(&self, uid: &str) {
        if self.look.borrow().uid.as_deref() == Some(uid) {
            return;
        }
        let parcels = self.shelves.parcels_of(uid);
        self.look.send_modify(|look| {
            let uid = Some(uid.to_owned());
            *look = Look { uid, parcels };
        });
    }

    /// Waits until there is something to look through.
    pub async fn found(&self) {
        let mut look = self.look.subscribe();
        // It ends with this, which waits for it.
        let _ = look.wait_for(|look| !look.parcels.is_empty()).await;
    }

    fn is_found(&self) -> bool {
        !self.look.borrow().parcels.is_empty()
    }

    fn take(&self) -> Vec<ParcelId> {
        let mut parcels = Vec::new();
        self.look.send_if_modified(|look| {
            parcels = mem::take(&mut look.parcels);
            false
        });
        parcels
    }
}

/// The objects of a manifest that are missing.
struct Missing {
    /// Positions in the manifest by their digests.
    positions: BTreeMap<ObjectDigest, Vec<usize>>,
    /// What an object must be like to be one of them.
    alike: BTreeSet<(u64, ObjectClass)>,
    /// Bytes that may still be opened in vain.
    vain: u64,
}

impl TransferSink {
    /// Takes what lies here of the parcel from where it lies. What cannot be read there is fetched. Nothing else runs on
    /// this sink meanwhile.
    ///
    /// # Errors
    /// As this node's disk says where objects are written.
    pub(super) fn take_known(&self) -> io::Result<()> {
        let Some(known) = &self.arriving.known else {
            return Ok(());
        };
        let parcels = known.take();
        if parcels.is_empty() {
            return Ok(());
        }
        let (mut missing, mut taken) = (self.missing_objects(), 0);
        for parcel in parcels {
            if let Some(parcel) = known.shelves.parcel(&parcel) {
                taken += self.take_from(&parcel, &mut missing)?;
            }
        }
        if taken == 0 {
            return Ok(());
        }
        self.hold_known()?;
        self.progress.known.fetch_add(taken, Ordering::Relaxed);
        let (parcel, of) = (self.manifest.parcel, self.manifest.objects.len());
        tracing::info!(target: "dokuei::transfer", %parcel, taken, of, "objects of a study lay here already");
        Ok(())
    }

    /// Waits until it turns out that some of the study may lie here already.
    pub(super) async fn known_found(&self) {
        match &self.arriving.known {
            Some(known) => known.found().await,
            None => std::future::pending().await,
        }
    }

    /// Whether something may lie here already that was not looked through.
    pub(super) fn is_known_found(&self) -> bool {
        let known = self.arriving.known.as_ref();
        known.is_some_and(|known| known.is_found())
    }

    fn missing_objects(&self) -> Missing {
        let state = self.lock();
        let mut missing = Missing {
            positions: BTreeMap::new(),
            alike: BTreeSet::new(),
            vain: 0,
        };
        for (position, entry) in self.manifest.objects.iter().enumerate() {
            if !state.verified.contains(&position) {
                let positions = missing.positions.entry(entry.digest).or_default();
                positions.push(position);
                missing.alike.insert((entry.length, entry.class));
                missing.vain = missing.vain.saturating_add(VAIN * entry.length);
            }
        }
        missing
    }

    /// Takes what one parcel has of the missing objects; how many these are.
    fn take_from(&self, known: &KnownParcel, missing: &mut Missing) -> io::Result<usize> {
        let mut taken = 0;
        for object in &known.objects {
            if missing.positions.is_empty() || missing.vain == 0 {
                break;
            }
            if !missing.alike.contains(&(object.length, object.class)) {
                continue;
            }
            // Gone meanwhile, or damaged: it is fetched.
            let Ok((digest, plain)) = self.known_digest(known, *object) else {
                continue;
            };
            let Some(positions) = missing.positions.remove(&digest) else {
                missing.vain = missing.vain.saturating_sub(object.length);
                continue;
            };
            if self.has_no_room() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            for position in positions {
                let is_here = self.take(position, |taking| match &plain {
                    Some(plain) => taking.push(plain),
                    None => {
                        let mut opened = self.open_known(known, *object)?;
                        while let Some(piece) = opened.piece()? {
                            taking.push(&piece)?;
                        }
                        Ok(())
                    }
                })?;
                taken += usize::from(is_here);
            }
        }
        Ok(taken)
    }

    fn open_known(&self, known: &KnownParcel, object: KnownObject) -> io::Result<OpenedObject> {
        let (parcels, key) = (&self.arriving.parcels, &known.key);
        let opened = OpenedObject::open(parcels, key, known.parcel, known.site, object.slot);
        let opened = opened.map_err(|error| match error {
            OpenError::Disk(error) => error,
            OpenError::Damaged => io::ErrorKind::InvalidData.into(),
        })?;
        // Each chunk's own seal is enough: what the object must be is said by the digest under the new key.
        match opened.length() == object.length {
            true => Ok(opened.undigested()),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The digest that an object which lies here has in the parcel that arrives, and its plaintext if that is short.
    fn known_digest(
        &self,
        known: &KnownParcel,
        object: KnownObject,
    ) -> io::Result<(ObjectDigest, Option<Vec<u8>>)> {
        let mut opened = self.open_known(known, object)?;
        let key = object_digest_key(&self.arriving.key, &self.manifest.parcel);
        let mut hasher = ObjectHasher::new(&key);
        let mut plain = (object.length <= KEPT).then(|| Vec::with_capacity(object.length as usize));
        while let Some(piece) = opened.piece()? {
            hasher.update(&piece);
            if let Some(plain) = &mut plain {
                plain.extend_from_slice(&piece);
            }
        }
        Ok((hasher.finish(), plain))
    }

    /// Notes the packs as here of which every object is, and removes what had come of them.
    fn hold_known(&self) -> io::Result<()> {
        let mut state = self.lock();
        let State { plan, verified, .. } = &mut *state;
        plan.hold_objects(|position| verified.contains(&position));
        self.progress.find(plan.held_bytes());
        drop(state);
        for (pack, _, file) in self.packs()? {
            let state = self.lock();
            let mut pieces = state.plan.pieces(pack);
            if pieces.all(|piece| state.verified.contains(&piece.position)) {
                remove(&file)?;
            }
        }
        Ok(())
    }
}
