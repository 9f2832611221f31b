//! What of a parcel is still missing, and what to ask for next.
//!
//! A parcel moves in packs: objects one behind the other in the order of their slots, in which they came, as many as make
//! about one MiB of plaintext, or a piece of one object that is longer. Both sides cut the parcel the same way, so a pack
//! needs no other name than its number, and while objects still come, all packs but the last are what they will be. Packs
//! are asked for in the order of the manifest: the one first that holds the most useful object. The plan is a value: the
//! node executes it, and after a crash restores it from the manifest and from what is on disk.

use std::ops::Range;

use crate::study::manifest::Manifest;

/// Plaintext bytes of a pack at the most: two slices of 512 × 512 pixels with their headers. Small enough that a pack is
/// soon here and costs little memory on both sides, large enough that what its objects have in common is said once.
pub const PACK: u64 = 1_152 * 1024;

/// Objects of a pack at the most: bounds what one pack costs whoever has many tiny objects.
pub const PACK_OBJECTS: usize = 64;

/// A part of an object, or all of it, in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The object's position in the manifest.
    pub position: usize,
    /// The object's slot.
    pub slot: u32,
    /// First byte within the object's plaintext.
    pub offset: u64,
    /// Bytes of plaintext.
    pub length: u64,
    /// Whether the object is all there.
    pub is_whole: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Missing,
    Asked(u16),
    Held,
}

/// Where a pack begins and ends.
#[derive(Clone, PartialEq, Eq)]
struct Cut {
    /// Places in the order of slots.
    objects: Range<usize>,
    /// First byte within the first object: other than zero only in a piece of a longer one.
    offset: u64,
    bytes: u64,
}

/// The plan of one transfer.
pub struct TransferPlan {
    /// Slot and length of each object, the most useful first.
    objects: Vec<(u32, u64)>,
    /// Positions of the objects, in the order of their slots.
    by_slot: Vec<usize>,
    /// Where each object stands there.
    places: Vec<usize>,
    packs: Vec<Cut>,
    marks: Vec<Mark>,
    /// The packs, the most useful first.
    order: Vec<u32>,
    /// How many of these are known not to be missing.
    next: usize,
    held_bytes: u64,
    total_bytes: u64,
}

/// Cuts objects of these lengths into packs.
fn cut(lengths: impl Iterator<Item = u64>) -> Vec<Cut> {
    let mut packs: Vec<Cut> = Vec::new();
    let mut may_join = false;
    for (position, length) in lengths.enumerate() {
        let objects = position..position + 1;
        if length > PACK {
            let pieces = (0..length.div_ceil(PACK)).map(|index| Cut {
                objects: objects.clone(),
                offset: index * PACK,
                bytes: PACK.min(length - index * PACK),
            });
            packs.extend(pieces);
            may_join = false;
            continue;
        }
        match packs.last_mut().filter(|last| {
            may_join && last.bytes + length <= PACK && last.objects.len() < PACK_OBJECTS
        }) {
            Some(last) => {
                last.objects.end = objects.end;
                last.bytes += length;
            }
            None => packs.push(Cut {
                objects,
                offset: 0,
                bytes: length,
            }),
        }
        may_join = true;
    }
    packs
}

impl TransferPlan {
    /// Plans the objects of `manifest`.
    pub fn new(manifest: &Manifest) -> TransferPlan {
        let objects = manifest.objects.iter();
        TransferPlan::of(objects.map(|entry| (entry.slot, entry.length)).collect())
    }

    /// Plans objects by their slots and lengths, the most useful first; no two have one slot.
    pub fn of(objects: Vec<(u32, u64)>) -> TransferPlan {
        let mut by_slot: Vec<usize> = (0..objects.len()).collect();
        by_slot.sort_unstable_by_key(|position| objects[*position].0);
        let mut places = vec![0; objects.len()];
        for (place, position) in by_slot.iter().enumerate() {
            places[*position] = place;
        }
        let packs = cut(by_slot.iter().map(|position| objects[*position].1));
        let best = |pack: &u32| {
            let cut = &packs[*pack as usize];
            let best = by_slot[cut.objects.clone()].iter().min();
            (best.copied(), *pack)
        };
        let mut order: Vec<u32> = (0..packs.len() as u32).collect();
        order.sort_by_cached_key(best);
        TransferPlan {
            total_bytes: objects.iter().map(|(_, length)| length).sum(),
            objects,
            by_slot,
            places,
            marks: vec![Mark::Missing; packs.len()],
            packs,
            order,
            next: 0,
            held_bytes: 0,
        }
    }

    /// Number of objects.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    /// Plaintext bytes of the whole parcel.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Plaintext bytes of the packs that are held.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Number of packs.
    pub fn packs(&self) -> u32 {
        self.packs.len() as u32
    }

    /// The packs, the most useful first.
    pub fn by_use(&self) -> &[u32] {
        &self.order
    }

    /// Plaintext bytes of a pack; none outside the plan.
    pub fn bytes(&self, pack: u32) -> Option<u64> {
        self.packs.get(pack as usize).map(|cut| cut.bytes)
    }

    /// What is in a pack, in order; nothing outside the plan.
    pub fn pieces(&self, pack: u32) -> impl Iterator<Item = Piece> {
        let cut = self.packs.get(pack as usize);
        let places = cut.map_or(0..0, |cut| cut.objects.clone());
        let only = cut
            .filter(|cut| cut.objects.len() == 1)
            .map(|cut| (cut.offset, cut.bytes));
        places.filter_map(move |place| {
            let position = *self.by_slot.get(place)?;
            let (slot, whole) = *self.objects.get(position)?;
            let (offset, length) = only.unwrap_or((0, whole));
            Some(Piece {
                position,
                slot,
                offset,
                length,
                is_whole: length == whole,
            })
        })
    }

    /// The packs that hold parts of the object at a position of the manifest.
    pub fn packs_of(&self, position: usize) -> Range<u32> {
        let Some(place) = self.places.get(position) else {
            return 0..0;
        };
        let first = self.packs.partition_point(|cut| cut.objects.end <= *place);
        let after = self
            .packs
            .partition_point(|cut| cut.objects.start <= *place);
        first as u32..after as u32
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.marks.iter().all(|mark| *mark == Mark::Held)
    }

    /// Whether a pack is held.
    pub fn is_held(&self, pack: u32) -> bool {
        self.marks.get(pack as usize) == Some(&Mark::Held)
    }

    /// The most useful of the missing packs, now asked for on `stream`; none when all is held or asked for.
    pub fn ask(&mut self, stream: u16) -> Option<u32> {
        while let Some(pack) = self.order.get(self.next) {
            let mark = &mut self.marks[*pack as usize];
            if *mark == Mark::Missing {
                *mark = Mark::Asked(stream);
                return Some(*pack);
            }
            self.next += 1;
        }
        None
    }

    /// Notes a missing pack as asked for on `stream`: whether it was missing.
    pub fn reserve(&mut self, pack: u32, stream: u16) -> bool {
        let mark = self.marks.get_mut(pack as usize);
        match mark.filter(|mark| **mark == Mark::Missing) {
            Some(mark) => {
                *mark = Mark::Asked(stream);
                true
            }
            None => false,
        }
    }

    /// Notes that a pack is here. Gives the positions of the objects that it completed. A pack that is held already, or
    /// outside the plan, changes nothing.
    pub fn hold(&mut self, pack: u32) -> Vec<usize> {
        let (Some(mark), Some(cut)) = (
            self.marks.get_mut(pack as usize),
            self.packs.get(pack as usize),
        ) else {
            return Vec::new();
        };
        if *mark == Mark::Held {
            return Vec::new();
        }
        *mark = Mark::Held;
        self.held_bytes += cut.bytes;
        let positions = self.by_slot[cut.objects.clone()].iter().copied();
        let completed = positions.filter(|position| {
            let mut packs = self.packs_of(*position);
            packs.all(|pack| self.is_held(pack))
        });
        completed.collect()
    }

    /// Notes the packs as here that hold only objects of which `is_here` says so.
    pub fn hold_objects(&mut self, is_here: impl Fn(usize) -> bool) {
        for pack in 0..self.packs() {
            if self.pieces(pack).all(|piece| is_here(piece.position)) {
                self.hold(pack);
            }
        }
    }

    /// Forgets a pack that turned out to be of no use, so that it is asked for again.
    pub fn discard(&mut self, pack: u32) {
        if let (Some(cut), true) = (self.packs.get(pack as usize), self.is_held(pack)) {
            self.held_bytes -= cut.bytes;
            self.release(pack as usize);
        }
    }

    /// Forgets every pack of one object whose content did not match its digest.
    pub fn discard_object(&mut self, position: usize) {
        for pack in self.packs_of(position) {
            self.discard(pack);
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

    fn release(&mut self, index: usize) {
        self.marks[index] = Mark::Missing;
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::manifest::{ManifestEntry, ObjectClass};
    use dokuei_keys::id::{Digest, ObjectDigest, ParcelId, SiteId};
    use proptest::prelude::*;

    fn plan(lengths: &[u64]) -> TransferPlan {
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
        TransferPlan::new(&Manifest {
            parcel: ParcelId::from_bytes([1; 32]),
            site: SiteId::from_bytes([2; 32]),
            commitment: Digest::from_bytes([3; 32]),
            objects,
        })
    }

    fn slices(plan: &TransferPlan) -> Vec<Vec<(u32, u64, u64)>> {
        let of = |pack| {
            let pieces = plan.pieces(pack);
            pieces
                .map(|piece| (piece.slot, piece.offset, piece.length))
                .collect()
        };
        (0..plan.packs()).map(of).collect()
    }

    #[test]
    fn small_objects_share_a_pack_and_long_ones_have_several() {
        let plan = plan(&[0, 500_000, 600_000, 700_000, PACK, 2 * PACK + 5, 9]);
        let expected = vec![
            vec![(1, 0, 0), (2, 0, 500_000), (3, 0, 600_000)],
            vec![(4, 0, 700_000)],
            vec![(5, 0, PACK)],
            vec![(6, 0, PACK)],
            vec![(6, PACK, PACK)],
            vec![(6, 2 * PACK, 5)],
            vec![(7, 0, 9)],
        ];
        assert_eq!(slices(&plan), expected);
        assert_eq!(plan.packs_of(5), 3..6);
        assert_eq!(plan.packs_of(0), 0..1);
        assert_eq!(plan.bytes(0), Some(1_100_000));
        let whole = |pack| plan.pieces(pack).all(|piece| piece.is_whole);
        assert!(whole(0) && whole(2) && !whole(3) && !whole(5));
        assert_eq!((plan.pieces(7).count(), plan.bytes(7)), (0, None));
    }

    #[test]
    fn a_pack_never_holds_more_objects_than_stated() {
        let plan = plan(&[3; 2 * PACK_OBJECTS + 1]);
        let counts: Vec<usize> = (0..3).map(|pack| plan.pieces(pack).count()).collect();
        assert_eq!(counts, [PACK_OBJECTS, PACK_OBJECTS, 1]);
    }

    #[test]
    fn packs_are_asked_for_once_in_order_and_complete_their_objects() {
        let mut plan = plan(&[0, 25_000, 3 * PACK]);
        let mut completed = Vec::new();
        while let Some(pack) = plan.ask(0) {
            completed.extend(plan.hold(pack));
            assert_eq!(plan.hold(pack), Vec::<usize>::new());
        }
        assert_eq!(completed, [0, 1, 2]);
        assert!(plan.is_complete());
        assert_eq!(plan.held_bytes(), plan.total_bytes());
    }

    #[test]
    fn a_lost_stream_gives_back_only_what_was_asked_on_it() {
        let mut plan = plan(&[3 * PACK]);
        let (first, second) = (plan.ask(0).unwrap(), plan.ask(1).unwrap());
        plan.hold(second);
        plan.stream_lost(0);
        plan.stream_lost(1);
        assert_eq!(plan.ask(2), Some(first));
        assert_eq!(plan.ask(2), Some(2));
    }

    #[test]
    fn packs_are_cut_by_slots_and_asked_for_by_use() {
        let part = PACK / 2;
        // Came as 1 to 6; the fifth is of the most use, then the third.
        let mut plan = TransferPlan::of(vec![
            (5, part),
            (3, part),
            (1, part),
            (2, part),
            (4, part),
            (6, 2 * PACK),
        ]);
        let slots = |pack| {
            plan.pieces(pack)
                .map(|piece| piece.slot)
                .collect::<Vec<_>>()
        };
        let packs: Vec<Vec<u32>> = (0..plan.packs()).map(slots).collect();
        assert_eq!(packs, [vec![1, 2], vec![3, 4], vec![5], vec![6], vec![6]]);
        assert_eq!((plan.packs_of(0), plan.packs_of(3)), (2..3, 0..1));
        assert!(plan.reserve(1, 9) && !plan.reserve(1, 9) && !plan.reserve(7, 9));
        assert_eq!((plan.ask(0), plan.hold(2)), (Some(2), vec![0]));
        assert_eq!(plan.hold(1), [1, 4]);
        let rest: Vec<u32> = std::iter::from_fn(|| plan.ask(0)).collect();
        assert_eq!(rest, [0, 3, 4]);
    }

    #[test]
    fn while_objects_come_all_packs_but_the_last_stay_as_they_are() {
        let lengths = [3, 400_000, 700_000, PACK + 1, 5, 5, 2 * PACK, 1_000_000, 9];
        let coming = |count: u32| {
            let objects = (0..count).zip(lengths);
            slices(&TransferPlan::of(objects.collect()))
        };
        let whole = coming(lengths.len() as u32);
        for count in 1..lengths.len() as u32 {
            let by_then = coming(count);
            let stay = by_then.len() - 1;
            assert_eq!(by_then[..stay], whole[..stay], "{count}");
        }
    }

    #[test]
    fn a_damaged_object_is_fetched_again() {
        let mut plan = plan(&[10, 2 * PACK, 7]);
        while let Some(pack) = plan.ask(0) {
            plan.hold(pack);
        }
        plan.discard_object(1);
        assert!(!plan.is_complete());
        let again: Vec<u32> = std::iter::from_fn(|| plan.ask(0)).collect();
        assert_eq!(again, [1, 2]);
    }

    #[test]
    fn what_is_here_already_is_not_asked_for() {
        let mut plan = plan(&[10, 20, PACK, 2 * PACK]);
        plan.hold_objects(|position| [0, 3].contains(&position));
        let asked: Vec<u32> = std::iter::from_fn(|| plan.ask(0)).collect();
        assert_eq!(asked, [0, 1]);
        assert_eq!(plan.held_bytes(), 2 * PACK);
    }

    proptest! {
        #[test]
        fn packs_cover_every_byte_once(lengths in proptest::collection::vec(0u64..4_000_000, 1..80)) {
            let plan = plan(&lengths);
            let mut here = vec![0; lengths.len()];
            for pack in 0..plan.packs() {
                let pieces: Vec<Piece> = plan.pieces(pack).collect();
                prop_assert!(pieces.len() <= PACK_OBJECTS && !pieces.is_empty());
                let bytes: u64 = pieces.iter().map(|piece| piece.length).sum();
                prop_assert!(bytes <= PACK && plan.bytes(pack) == Some(bytes));
                for piece in pieces {
                    prop_assert_eq!(here[piece.position], piece.offset);
                    here[piece.position] += piece.length;
                    prop_assert!(plan.packs_of(piece.position).contains(&pack));
                    prop_assert_eq!(piece.is_whole, piece.length == lengths[piece.position]);
                }
            }
            // Two that follow each other make a whole one, unless a longer object lies between them.
            let most = 2 * plan.total_bytes() / PACK + lengths.len() as u64;
            prop_assert!(u64::from(plan.packs()) <= most);
            prop_assert_eq!(here, lengths);
        }

        #[test]
        fn any_sequence_of_losses_ends_complete(lengths in proptest::collection::vec(0u64..4_000_000, 1..12), losses in proptest::collection::vec((0u16..4, any::<bool>()), 0..64)) {
            let mut plan = plan(&lengths);
            for (stream, lost) in losses {
                match plan.ask(stream) {
                    Some(_) if lost => plan.stream_lost(stream),
                    Some(pack) => { plan.hold(pack); }
                    None => break,
                }
            }
            for stream in 0..4 { plan.stream_lost(stream); }
            while let Some(pack) = plan.ask(9) {
                plan.hold(pack);
            }
            prop_assert!(plan.is_complete());
            prop_assert_eq!(plan.held_bytes(), plan.total_bytes());
        }
    }
}
