//! What of a parcel is still missing, and what to ask for next.
//!
//! The plan is a value: the node executes it, writes down which segments it has, and after a crash
//! restores the plan from the manifest and those marks. A segment is at most one MiB of one
//! object's sealed bytes; of one that a break cut, what is on disk by then is not asked for again.

use dokuei_keys::sealed;

use crate::study::manifest::Manifest;

/// Sealed bytes of one full segment: 64 sealed chunks, about one MiB. Small enough that a broken
/// stream loses little, large enough that a round trip per segment does not count.
pub const SEGMENT: u64 = 64 * sealed::SEALED_CHUNK as u64;

/// A range of one object's sealed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// Position in the plan, which is also the position of its mark.
    pub index: u32,
    /// The object's slot.
    pub slot: u32,
    /// First byte within the sealed object.
    pub offset: u64,
    /// Number of bytes, from one to [`SEGMENT`].
    pub length: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Missing,
    Asked(u16),
    Held,
}

/// Where one object lies in the plan and in the parcel file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The object's slot.
    pub slot: u32,
    /// Bytes of plaintext.
    pub length: u64,
    /// First byte of its sealed form in the parcel file.
    pub position: u64,
    /// Bytes of its sealed form.
    pub sealed: u64,
    first: u32,
    count: u32,
}

impl Placement {
    /// The object's segments: index of the first, and how many.
    pub fn segments(&self) -> (u32, u32) {
        (self.first, self.count)
    }
}

/// The plan of one transfer.
pub struct TransferPlan {
    objects: Vec<Placement>,
    marks: Vec<Mark>,
    next: usize,
    held_bytes: u64,
    total_bytes: u64,
}

impl TransferPlan {
    /// Plans the objects of `manifest`, in its order, laid one behind the other in the parcel file.
    pub fn new(manifest: &Manifest) -> TransferPlan {
        let mut objects = Vec::with_capacity(manifest.objects.len());
        let (mut position, mut first) = (0u64, 0u32);
        for entry in &manifest.objects {
            let sealed = sealed::sealed_len(entry.length);
            let count = u32::try_from(sealed.div_ceil(SEGMENT)).unwrap_or(u32::MAX);
            objects.push(Placement {
                slot: entry.slot,
                length: entry.length,
                position,
                sealed,
                first,
                count,
            });
            position += sealed;
            first += count;
        }
        TransferPlan {
            objects,
            marks: vec![Mark::Missing; first as usize],
            next: 0,
            held_bytes: 0,
            total_bytes: position,
        }
    }

    /// The objects in manifest order.
    pub fn objects(&self) -> &[Placement] {
        &self.objects
    }

    /// Sealed bytes of the whole parcel.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Sealed bytes that are held.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Number of segments.
    pub fn segments(&self) -> u32 {
        self.marks.len() as u32
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.held_bytes == self.total_bytes
    }

    /// The next missing segment, now asked for on `stream`; none when all is held or asked for.
    pub fn ask(&mut self, stream: u16) -> Option<Segment> {
        while let Some(mark) = self.marks.get(self.next) {
            if *mark == Mark::Missing {
                self.marks[self.next] = Mark::Asked(stream);
                return self.segment(self.next as u32);
            }
            self.next += 1;
        }
        None
    }

    /// Notes that the segment is on disk. Returns the object that it completed, if it did.
    /// A segment that is held already, or outside the plan, changes nothing.
    pub fn hold(&mut self, index: u32) -> Option<Placement> {
        let segment = self.segment(index)?;
        if self.marks[index as usize] == Mark::Held {
            return None;
        }
        self.marks[index as usize] = Mark::Held;
        self.held_bytes += segment.length;
        let object = self.object_of(index)?;
        self.is_held(&object).then_some(object)
    }

    /// Forgets a segment that turned out to be damaged, so that it is asked for again.
    pub fn discard(&mut self, index: u32) {
        if let (Some(segment), Some(Mark::Held)) =
            (self.segment(index), self.marks.get(index as usize))
        {
            self.held_bytes -= segment.length;
            self.release(index as usize);
        }
    }

    /// Forgets every segment of one object whose content did not match its digest.
    pub fn discard_object(&mut self, slot: u32) {
        let Some(object) = self
            .objects
            .iter()
            .find(|object| object.slot == slot)
            .copied()
        else {
            return;
        };
        for index in object.first..object.first + object.count {
            self.discard(index);
        }
    }

    /// A stream broke: what was asked for on it is missing again.
    pub fn stream_lost(&mut self, stream: u16) {
        for index in 0..self.marks.len() {
            if self.marks[index] == Mark::Asked(stream) {
                self.release(index);
            }
        }
    }

    /// Whether all segments of an object are held.
    pub fn is_held(&self, object: &Placement) -> bool {
        let range = object.first as usize..(object.first + object.count) as usize;
        self.marks[range].iter().all(|mark| *mark == Mark::Held)
    }

    /// The segment with this index.
    pub fn segment(&self, index: u32) -> Option<Segment> {
        let object = self.object_of(index)?;
        let offset = u64::from(index - object.first) * SEGMENT;
        let length = SEGMENT.min(object.sealed - offset);
        Some(Segment {
            index,
            slot: object.slot,
            offset,
            length,
        })
    }

    /// The object a segment belongs to.
    pub fn object_of(&self, index: u32) -> Option<Placement> {
        let at = self
            .objects
            .partition_point(|object| object.first + object.count <= index);
        self.objects.get(at).copied()
    }

    fn release(&mut self, index: usize) {
        self.marks[index] = Mark::Missing;
        self.next = self.next.min(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::manifest::{ManifestEntry, ObjectClass};
    use dokuei_keys::id::{Digest, ObjectDigest, ParcelId, SiteId};
    use proptest::prelude::*;

    fn manifest(lengths: &[u64]) -> Manifest {
        let objects = lengths
            .iter()
            .enumerate()
            .map(|(at, length)| ManifestEntry {
                slot: at as u32 + 1,
                length: *length,
                digest: ObjectDigest::from_bytes([at as u8; 32]),
                series: 0,
                class: ObjectClass::Image,
            })
            .collect();
        Manifest {
            parcel: ParcelId::from_bytes([1; 32]),
            site: SiteId::from_bytes([2; 32]),
            commitment: Digest::from_bytes([3; 32]),
            objects,
        }
    }

    #[test]
    fn every_byte_is_asked_for_once_and_in_order() {
        let mut plan = TransferPlan::new(&manifest(&[0, 25_000, 3_000_000]));
        let mut covered = 0;
        let mut completed = Vec::new();
        while let Some(segment) = plan.ask(0) {
            covered += segment.length;
            completed.extend(plan.hold(segment.index).map(|object| object.slot));
        }
        assert_eq!(covered, plan.total_bytes());
        assert_eq!(completed, [1, 2, 3]);
        assert!(plan.is_complete());
    }

    #[test]
    fn a_lost_stream_gives_back_only_what_was_asked_on_it() {
        let mut plan = TransferPlan::new(&manifest(&[3_000_000]));
        let first = plan.ask(0).unwrap();
        let second = plan.ask(1).unwrap();
        plan.hold(second.index);
        plan.stream_lost(0);
        plan.stream_lost(1);
        assert_eq!(plan.ask(2), Some(first));
        assert_eq!(plan.ask(2).map(|segment| segment.index), Some(2));
    }

    #[test]
    fn a_damaged_object_is_fetched_again() {
        let mut plan = TransferPlan::new(&manifest(&[10, 2_000_000]));
        while let Some(segment) = plan.ask(0) {
            plan.hold(segment.index);
        }
        plan.discard_object(2);
        assert!(!plan.is_complete());
        let again: Vec<u32> = std::iter::from_fn(|| plan.ask(0))
            .map(|segment| segment.slot)
            .collect();
        assert_eq!(again, [2, 2]);
    }

    proptest! {
        #[test]
        fn any_sequence_of_losses_ends_complete(lengths in proptest::collection::vec(0u64..4_000_000, 1..12), losses in proptest::collection::vec((0u16..4, any::<bool>()), 0..64)) {
            let mut plan = TransferPlan::new(&manifest(&lengths));
            for (stream, lost) in losses {
                match plan.ask(stream) {
                    Some(_) if lost => plan.stream_lost(stream),
                    Some(segment) => { plan.hold(segment.index); }
                    None => break,
                }
            }
            for stream in 0..4 { plan.stream_lost(stream); }
            let mut held = plan.held_bytes();
            while let Some(segment) = plan.ask(9) {
                held += segment.length;
                plan.hold(segment.index);
            }
            prop_assert!(plan.is_complete());
            prop_assert_eq!(held, plan.total_bytes());
        }
    }
}
