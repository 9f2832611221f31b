//! Objects that lie here already, in another parcel that both sites have had.

use std::pin::pin;
use std::task::{Context, Waker};

use dokuei_keys::secret::Secret32;

use super::*;
use crate::transfer::known::{KnownObject, KnownParcel, Shelves};

const EARLIER: ParcelId = ParcelId::from_bytes([8; 32]);
const STUDY: &str = "1.2.3";

fn earlier_key() -> ContentKey {
    ContentKey::from_secret(Secret32::from_bytes([9; 32]))
}

/// A shelf with one parcel, sealed by the same site under another key.
#[derive(Clone)]
struct Shelf(Vec<KnownObject>);

impl Shelf {
    fn holding(pair: &Pair, objects: &[Vec<u8>]) -> Shelf {
        let parcels = pair.here();
        parcels.create(&EARLIER).unwrap();
        let slots = 1..objects.len() as u32 + 1;
        parcels.prepare(&EARLIER, slots.clone()).unwrap();
        let seal = |(slot, bytes): (u32, &Vec<u8>)| {
            let key = earlier_key();
            let sealing = SealingObject::begin(&parcels, &key, EARLIER, SITE, slot, &mut chance());
            let mut sealing = sealing.unwrap();
            sealing.write(bytes).unwrap();
            let length = sealing.finish().unwrap().length;
            KnownObject {
                slot,
                length,
                class: ObjectClass::Image,
            }
        };
        Shelf(slots.zip(objects).map(seal).collect())
    }

    fn known(&self) -> Arc<Known> {
        Arc::new(Known::new(Box::new(self.clone())))
    }
}

impl Shelves for Shelf {
    fn parcels_of(&self, uid: &str) -> Vec<ParcelId> {
        (uid == STUDY).then_some(EARLIER).into_iter().collect()
    }

    fn parcel(&self, parcel: &ParcelId) -> Option<KnownParcel> {
        (*parcel == EARLIER).then(|| KnownParcel {
            parcel: EARLIER,
            site: SITE,
            key: earlier_key(),
            objects: self.0.clone(),
        })
    }
}

fn is_found(sink: &TransferSink) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(sink.known_found()).poll(&mut context).is_ready()
}

fn bytes_received(progress: &Progress) -> u64 {
    progress.received.load(Ordering::Relaxed)
}

fn images(numbers: std::ops::RangeInclusive<u32>) -> Vec<Vec<u8>> {
    numbers
        .map(|number| image(&format!("1.2.3.4.{number}"), STUDY))
        .collect()
}

#[test]
fn a_study_that_comes_again_with_more_moves_what_is_new() {
    let again = images(1..=200);
    let pair = pair(Content::Study, &again);
    let shelf = Shelf::holding(&pair, &again[..192]);
    let (sink, progress) = pair.sink_beside(Some(shelf.known()));
    // Nothing says yet which study it is.
    sink.take_known().unwrap();
    let all = sink.missing(Effort::Dense).unwrap();
    assert!(!is_found(&sink) && all.len() == 4);
    pair.answer(&sink, &all[0], usize::MAX);
    assert!(is_found(&sink));
    sink.take_known().unwrap();
    assert!(!is_found(&sink));
    assert_eq!(progress.known.load(Ordering::Relaxed), 128);
    assert_eq!(progress.objects.load(Ordering::Relaxed), 192);
    let missing = sink.missing(Effort::Dense).unwrap();
    assert_eq!(missing, all[3..]);
    pair.answer(&sink, &missing[0], usize::MAX);
    assert!(!sink.is_damaged() && sink.missing(Effort::Dense).unwrap().is_empty());
    let packs = [&all[0], &all[3]].map(|range| pair.pack(range).len() as u64);
    assert_eq!(bytes_received(&progress), packs.iter().sum::<u64>());
    assert_eq!(progress.again.load(Ordering::Relaxed), 0);
    let study = sink.into_verified(5).unwrap().unwrap();
    assert_eq!(study.objects.len(), 200);
    pair.assert_same(&again);
}

#[test]
fn a_study_that_is_expected_is_taken_before_anything_is_asked_for() {
    let mut again = objects();
    // Longer than what stays in memory.
    again.push(noise(5 * PACK as usize, 99));
    let pair = pair(Content::Opaque, &again);
    let known = Shelf::holding(&pair, &again).known();
    known.came(STUDY);
    let (sink, progress) = pair.sink_beside(Some(known));
    // Of an earlier run a part of a pack is here.
    let missing = sink.missing(Effort::Dense).unwrap();
    pair.answer(&sink, &missing[1], 1_000);
    sink.take_known().unwrap();
    assert!(sink.missing(Effort::Dense).unwrap().is_empty());
    assert_eq!(progress.known.load(Ordering::Relaxed), again.len());
    assert_eq!(progress.again.load(Ordering::Relaxed), 1_000);
    assert!(sink.into_verified(0).is_some());
    pair.assert_same(&again);
}

#[test]
fn what_was_taken_is_there_after_a_restart() {
    let again = images(1..=70);
    let pair = pair(Content::Study, &again);
    let known = Shelf::holding(&pair, &again[..64]).known();
    known.came(STUDY);
    let (sink, _) = pair.sink_beside(Some(known));
    sink.take_known().unwrap();
    assert_eq!(sink.missing(Effort::Dense).unwrap().len(), 1);
    // The other parcel may be gone by then.
    let (sink, progress) = pair.sink();
    assert_eq!(progress.objects.load(Ordering::Relaxed), 64);
    let missing = sink.missing(Effort::Dense).unwrap();
    assert_eq!(missing.len(), 1);
    pair.answer(&sink, &missing[0], usize::MAX);
    pair.assert_same(&again);
}

#[test]
fn what_lies_here_and_is_another_costs_nothing_but_a_look() {
    let new = images(101..=170);
    let pair = pair(Content::Study, &new);
    // Of the same study and as long; then one that is gone, one that is cut short and one that was changed.
    let mut lies = images(301..=320);
    lies.extend_from_slice(&new[..3]);
    let shelf = Shelf::holding(&pair, &lies);
    let here = pair.here();
    std::fs::remove_file(here.file_of(&EARLIER, 21)).unwrap();
    std::fs::write(here.file_of(&EARLIER, 22), b"short").unwrap();
    let changed = here.file_of(&EARLIER, 23);
    let mut bytes = std::fs::read(&changed).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&changed, bytes).unwrap();
    let known = shelf.known();
    known.came(STUDY);
    let (sink, progress) = pair.sink_beside(Some(known));
    sink.take_known().unwrap();
    assert_eq!(progress.known.load(Ordering::Relaxed), 0);
    let missing = sink.missing(Effort::Dense).unwrap();
    assert_eq!(missing.len(), 2);
    for range in &missing {
        pair.answer(&sink, range, usize::MAX);
    }
    assert!(!sink.is_damaged());
    pair.assert_same(&new);
}

#[test]
fn a_few_late_images_are_not_looked_for_among_all_others() {
    let late = images(101..=103);
    let pair = pair(Content::Study, &late);
    let mut lies = images(301..=340);
    lies.push(late[0].clone());
    let mut lies = Shelf::holding(&pair, &lies).0;
    let known = |objects: &[KnownObject]| {
        let known = Shelf(objects.to_vec()).known();
        known.came(STUDY);
        let (sink, progress) = pair.sink_beside(Some(known));
        sink.take_known().unwrap();
        progress.known.load(Ordering::Relaxed)
    };
    assert!(
        lies.iter()
            .all(|object| object.length == late[0].len() as u64)
    );
    assert_eq!(known(&lies), 0);
    // Whatever cannot be one of them is not opened, and counts for nothing.
    for object in &mut lies[..40] {
        object.class = ObjectClass::Localizer;
    }
    assert_eq!(known(&lies), 1);
}

#[test]
fn without_a_shelf_nothing_is_looked_for() {
    let pair = pair(Content::Study, &images(1..=2));
    let (sink, progress) = pair.sink();
    let missing = sink.missing(Effort::Fast).unwrap();
    pair.answer(&sink, &missing[0], usize::MAX);
    sink.take_known().unwrap();
    assert!(!is_found(&sink) && progress.known.load(Ordering::Relaxed) == 0);
}
