//! What has come of a study that is on its way from a partner: objects that were verified and are durable soon, in the
//! order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{Digest, ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::study::manifest::ManifestEntry;

use crate::dicom::header::Header;
use crate::parcels::SealedObject;
use crate::studies::study::Study;

/// Studies of which parts are shown. Three arrive at a time; what is left are transfers that stopped. Beyond these the one
/// that came first is not shown until its transfer goes on, which reads again what is here.
const SHOWN: usize = 64;

/// The studies on their way, by case.
#[derive(Default)]
pub(super) struct Arrived(BTreeMap<CaseId, Part>);

/// What has come of one.
pub(super) struct Part {
    pub(super) from: SiteId,
    pub(super) study: Study,
    slots: BTreeSet<u32>,
    /// Objects of the whole.
    of: u32,
}

/// One object that was verified.
pub struct Verified<'a> {
    /// The parcel.
    pub parcel: ParcelId,
    /// What the manifest says of it.
    pub entry: &'a ManifestEntry,
    /// Its header.
    pub header: &'a Header,
    /// BLAKE3 of its data set.
    pub content: Digest,
    /// Objects of the whole study.
    pub of: u32,
}

impl Part {
    /// Objects that are not here.
    pub(super) fn awaited(&self) -> u32 {
        let here = u32::try_from(self.study.objects.len()).unwrap_or(u32::MAX);
        self.of.saturating_sub(here)
    }
}

impl Arrived {
    /// Adds an object, and gives what has come of its study; nothing when it was counted before. Also what is not shown any
    /// more, if one had to go.
    pub(super) fn add(
        &mut self,
        case: CaseId,
        from: SiteId,
        object: &Verified<'_>,
        at: u64,
    ) -> (Option<&Part>, Option<Part>) {
        let mut gone = None;
        if self.0.len() >= SHOWN && !self.0.contains_key(&case) {
            let oldest = self.0.iter().min_by_key(|(_, part)| part.study.last_at);
            let oldest = oldest.map(|(case, _)| *case);
            gone = oldest.and_then(|case| self.remove(&case));
        }
        let part = self.0.entry(case).or_insert_with(|| Part {
            from,
            study: Study::begun(object.parcel, object.header.study().as_str(), at),
            slots: BTreeSet::new(),
            of: object.of,
        });
        if !part.slots.insert(object.entry.slot) {
            return (None, gone);
        }
        let sealed = SealedObject {
            length: object.entry.length,
            digest: object.entry.digest,
        };
        let slot = object.entry.slot;
        part.study
            .add(object.header, slot, sealed, object.content, at);
        (Some(part), gone)
    }

    pub(super) fn of(&self, case: &CaseId) -> Option<&Part> {
        self.0.get(case)
    }

    /// The part that lies in a parcel.
    pub(super) fn in_parcel(&self, parcel: &ParcelId) -> Option<(&CaseId, &Part)> {
        self.0.iter().find(|(_, part)| part.study.parcel == *parcel)
    }

    /// Every one, with its case.
    pub(super) fn all(&self) -> impl Iterator<Item = (&CaseId, &Part)> {
        self.0.iter()
    }

    /// Removes one.
    pub(super) fn remove(&mut self, case: &CaseId) -> Option<Part> {
        self.0.remove(case)
    }
}
