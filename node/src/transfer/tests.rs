//! Packs from one site's disk to another's, with what can go wrong in between.

mod ahead;
mod known;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_compression::Effort;
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::commitment;
use dokuei_keys::secret::{ContentKey, Secret32, StorageKey};
use dokuei_protocol::study::manifest::{Manifest, ManifestEntry, ManifestReference, ObjectClass};
use dokuei_protocol::study::plan::PACK;
use tempfile::TempDir;

use super::Content;
use super::counts::Counts;
use super::known::Known;
use super::progress::Progress;
use super::sink::{Arriving, TransferSink};
use crate::chance::chance;
use crate::dicom::dataset::{DataSet, write};
use crate::dicom::scanner::Encoding;
use crate::network::{ParcelSink as _, Part, RangeOutcome, RangeRequest, Refusal};
use crate::packs::PackMaker;
use crate::parcels::{ObjectHead, Parcels, SealingObject};
use crate::store::{Change, Rows, Store};

pub(super) const PARCEL: ParcelId = ParcelId::from_bytes([1; 32]);
pub(super) const SITE: SiteId = SiteId::from_bytes([2; 32]);
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// A site that has sealed a parcel, and one that fetches it.
pub(super) struct Pair {
    here: TempDir,
    there: TempDir,
    pub(super) maker: PackMaker,
    pub(super) key: ContentKey,
    pub(super) manifest: Manifest,
    pub(super) reference: ManifestReference,
    pub(super) content: Content,
}

pub(super) fn pair(content: Content, objects: &[Vec<u8>]) -> Pair {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let parcels = Parcels::open(there.path().join("parcels")).unwrap();
    parcels.create(&PARCEL).unwrap();
    let key = ContentKey::from_secret(Secret32::from_bytes([3; 32]));
    let slots = 1..objects.len() as u32 + 1;
    parcels.prepare(&PARCEL, slots.clone()).unwrap();
    let seal = |(slot, bytes): (u32, &Vec<u8>)| {
        let sealing = SealingObject::begin(&parcels, &key, PARCEL, SITE, slot, &mut chance());
        let mut sealing = sealing.unwrap();
        sealing.write(bytes).unwrap();
        let sealed = sealing.finish().unwrap();
        ManifestEntry {
            slot,
            length: sealed.length,
            digest: sealed.digest,
            series: 0,
            class: ObjectClass::Image,
        }
    };
    let manifest = Manifest {
        parcel: PARCEL,
        site: SITE,
        commitment: commitment(&key, &PARCEL),
        objects: slots.zip(objects).map(seal).collect(),
    };
    let reference = parcels
        .seal_manifest(&key, &manifest, &mut chance())
        .unwrap();
    let store = Store::open(&there.path().join("store.redb")).ok().unwrap();
    let storage = StorageKey::from_secret(Secret32::from_bytes([4; 32]));
    let wrapped = storage
        .wrap_content_key(&PARCEL, &key, &mut chance())
        .unwrap();
    let change = Change::put(Rows::ContentKeys, PARCEL.as_bytes(), wrapped);
    store.commit(change).ok().unwrap();
    Pair {
        maker: PackMaker::new(parcels, SITE, (store, storage)),
        here,
        there,
        key,
        manifest,
        reference,
        content,
    }
}

impl Pair {
    pub(super) fn here(&self) -> Parcels {
        let parcels = Parcels::open(self.here.path().to_owned()).unwrap();
        parcels.create(&PARCEL).unwrap();
        parcels
    }

    /// The receiving end, as it stands after a start.
    fn sink(&self) -> (TransferSink, Arc<Progress>) {
        self.sink_beside(None)
    }

    /// The same beside what lies there already.
    fn sink_beside(&self, known: Option<Arc<Known>>) -> (TransferSink, Arc<Progress>) {
        let parcels = self.here();
        let counts = Counts::open(&parcels.folder_of(&PARCEL)).unwrap();
        let arriving = Arriving {
            parcels,
            site: SITE,
            key: self.key.duplicate(),
            content: self.content,
            room: None,
            listed: None,
            onward: None,
            known,
        };
        let progress = Arc::new(Progress::default());
        let sink = TransferSink::new(
            arriving,
            self.manifest.clone(),
            counts,
            Arc::clone(&progress),
        );
        sink.take_up().unwrap();
        sink.open_waiting().unwrap();
        (sink, progress)
    }

    pub(super) fn pack(&self, range: &RangeRequest) -> Vec<u8> {
        let Part::Pack(number, effort) = range.part else {
            panic!("packs are asked for");
        };
        let made = self.maker.make(PARCEL, number, effort);
        made.ok().unwrap().unwrap().sealed
    }

    /// Answers a request, at most so many bytes of it.
    fn answer(&self, sink: &TransferSink, range: &RangeRequest, most: usize) {
        let bytes = self.pack(range);
        let rest = &bytes[range.offset as usize..];
        let given = &rest[..rest.len().min(most)];
        for (at, piece) in (range.offset..).step_by(9_999).zip(given.chunks(9_999)) {
            sink.write(range, at, piece).unwrap();
        }
        if given.len() == rest.len() {
            let length = rest.len() as u64;
            assert!(length <= range.length);
            sink.finished(range, RangeOutcome::Complete { length })
                .unwrap();
        }
    }

    /// Compares what lies here with what was sealed there.
    pub(super) fn assert_same(&self, objects: &[Vec<u8>]) {
        for (entry, object) in self.manifest.objects.iter().zip(objects) {
            let (key, slot) = (&self.key, entry.slot);
            let opened =
                self.here()
                    .open_whole(key, PARCEL, SITE, slot, entry.length, entry.digest);
            assert!(opened.ok().unwrap() == *object, "slot {slot}");
        }
        let left: Vec<String> = std::fs::read_dir(self.here().folder_of(&PARCEL))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("pack"))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }
}

pub(super) fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&[seed])
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// Objects of all sizes, among them some that take several packs.
pub(super) fn objects() -> Vec<Vec<u8>> {
    let lengths = [0, 1, 700_000, 400_000, 3 * PACK as usize + 5, 9, 70_000];
    let all = lengths.into_iter().zip(0..);
    all.map(|(length, seed)| noise(length, seed)).collect()
}

pub(super) fn image(instance: &str, study: &str) -> Vec<u8> {
    let class = "1.2.840.10008.5.1.4.1.1.2";
    let mut data_set = DataSet::default();
    for (tag, uid) in [
        (tags::SOP_CLASS_UID, class),
        (tags::SOP_INSTANCE_UID, instance),
        (tags::STUDY_INSTANCE_UID, study),
        (tags::SERIES_INSTANCE_UID, "1.2.3.5"),
    ] {
        data_set.put_text(tag, VR::UI, uid);
    }
    for (tag, value) in [
        (tags::ROWS, 64),
        (tags::COLUMNS, 80),
        (tags::BITS_ALLOCATED, 16),
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        data_set.put_short(tag, value);
    }
    let sample = |at: usize| (1000 + at % 80 * 3 + at / 80 + at * at % 5) as u16;
    let samples: Vec<u8> = (0..64 * 80)
        .flat_map(|at| sample(at).to_le_bytes())
        .collect();
    data_set.put_bytes(tags::PIXEL_DATA, VR::OW, samples);
    let head = ObjectHead {
        sop_class: class.to_owned(),
        sop_instance: instance.to_owned(),
        transfer_syntax: EXPLICIT.to_owned(),
    };
    let mut object = head.to_bytes();
    object.extend(write(&data_set, Encoding::ExplicitLittle));
    object
}

#[test]
fn objects_of_all_sizes_arrive_in_any_order_of_their_packs() {
    for effort in [Effort::Fast, Effort::Dense] {
        let objects = objects();
        let pair = pair(Content::Opaque, &objects);
        let (sink, progress) = pair.sink();
        let mut missing = sink.missing(effort).unwrap();
        missing.reverse();
        for range in &missing {
            pair.answer(&sink, range, usize::MAX);
        }
        assert!(sink.missing(effort).unwrap().is_empty() && !sink.is_damaged());
        let bytes = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!(bytes(&progress.bytes), bytes(&progress.total));
        assert_eq!(bytes(&progress.again), 0);
        assert!(sink.into_verified(0).is_some());
        pair.assert_same(&objects);
    }
}

#[test]
fn what_is_here_of_a_pack_is_not_sent_again_after_a_restart() {
    let objects = objects();
    let pair = pair(Content::Opaque, &objects);
    let mut received = BTreeMap::new();
    let mut restarts = 0;
    loop {
        let (sink, progress) = pair.sink();
        let missing = sink.missing(Effort::Dense).unwrap();
        assert_eq!(progress.again.load(Ordering::Relaxed), 0);
        if missing.is_empty() {
            break;
        }
        restarts += 1;
        // The first ends early, the last goes on a little.
        pair.answer(&sink, &missing[0], 300_000);
        if let [_, .., last] = &missing[..] {
            pair.answer(&sink, last, 1_000);
        }
        received.extend(
            missing
                .iter()
                .map(|range| (range.part, pair.pack(range).len())),
        );
    }
    assert!(restarts > 10);
    let counts = Counts::open(&pair.here().folder_of(&PARCEL)).unwrap();
    let sum: usize = received.values().sum();
    assert_eq!(counts.cost().received, sum as u64);
    pair.assert_same(&objects);
}

#[test]
fn packs_go_on_with_the_effort_that_they_were_begun_with() {
    let objects = objects();
    let pair = pair(Content::Opaque, &objects);
    let (sink, _) = pair.sink();
    let begun = sink.missing(Effort::Fast).unwrap();
    pair.answer(&sink, &begun[0], 5_000);
    pair.answer(&sink, &begun[1], usize::MAX);
    let (sink, progress) = pair.sink();
    let missing = sink.missing(Effort::Dense).unwrap();
    assert_eq!(progress.again.load(Ordering::Relaxed), 0);
    let first = missing.iter().find(|range| range.part == begun[0].part);
    assert_eq!(first.map(|range| range.offset), Some(5_000));
    let others = missing.iter().filter(|range| range.offset == 0);
    assert!(
        others
            .clone()
            .all(|range| matches!(range.part, Part::Pack(_, Effort::Dense)))
    );
    assert_eq!(
        (others.count(), missing.len()),
        (begun.len() - 2, begun.len() - 1)
    );
    for range in &missing {
        pair.answer(&sink, range, usize::MAX);
    }
    pair.assert_same(&objects);
}

#[test]
fn a_pack_that_was_changed_is_asked_for_again() {
    let objects = objects();
    let pair = pair(Content::Opaque, &objects);
    let (sink, _) = pair.sink();
    for range in &sink.missing(Effort::Dense).unwrap() {
        let mut bytes = pair.pack(range);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        sink.write(range, 0, &bytes).unwrap();
        let length = bytes.len() as u64;
        sink.finished(range, RangeOutcome::Complete { length })
            .unwrap();
    }
    assert!(sink.is_damaged());
    let missing = sink.missing(Effort::Dense).unwrap();
    assert!(missing.iter().all(|range| range.offset == 0));
    for range in &missing {
        pair.answer(&sink, range, usize::MAX);
    }
    assert!(!sink.is_damaged() && sink.into_verified(0).is_some());
    pair.assert_same(&objects);
}

#[test]
fn a_pack_that_goes_on_as_another_one_is_begun_again() {
    let objects = objects();
    let pair = pair(Content::Opaque, &objects);
    let (sink, _) = pair.sink();
    let first = sink.missing(Effort::Dense).unwrap()[0];
    sink.write(&first, 0, &[7; 5_000]).unwrap();
    let (sink, _) = pair.sink();
    let goes_on = sink.missing(Effort::Dense).unwrap();
    assert_eq!(goes_on[0].offset, 5_000);
    for range in &goes_on {
        pair.answer(&sink, range, usize::MAX);
    }
    // The partner is not to blame.
    assert!(!sink.is_damaged());
    let again = sink.missing(Effort::Dense).unwrap();
    assert_eq!(again, [first]);
    pair.answer(&sink, &again[0], usize::MAX);
    pair.assert_same(&objects);
}

#[test]
fn genuine_packs_of_other_objects_than_the_manifest_says_are_not_taken() {
    let objects = objects();
    let mut pair = pair(Content::Opaque, &objects);
    for entry in &mut pair.manifest.objects {
        entry.digest = dokuei_keys::id::ObjectDigest::from_bytes([7; 32]);
    }
    let (sink, progress) = pair.sink();
    let missing = sink.missing(Effort::Dense).unwrap();
    for range in &missing {
        pair.answer(&sink, range, usize::MAX);
    }
    assert!(sink.is_damaged());
    assert_eq!(sink.missing(Effort::Dense).unwrap().len(), missing.len());
    let received = progress.received.load(Ordering::Relaxed);
    assert_eq!(progress.again.load(Ordering::Relaxed), received);
    let here = pair.here();
    let is_there = |entry: &ManifestEntry| here.file_of(&PARCEL, entry.slot).exists();
    assert!(!pair.manifest.objects.iter().any(is_there));
}

#[test]
fn an_object_that_cannot_be_read_holds_no_other_up() {
    let objects = objects();
    let pair = pair(Content::Opaque, &objects);
    let lies = pair.maker.parcels().file_of(&PARCEL, 3);
    let aside = pair.there.path().join("aside");
    std::fs::rename(&lies, &aside).unwrap();
    let (sink, progress) = pair.sink();
    for range in &sink.missing(Effort::Dense).unwrap() {
        pair.answer(&sink, range, usize::MAX);
    }
    let missing = sink.missing(Effort::Dense).unwrap();
    assert_eq!(missing.len(), 1);
    assert_eq!(progress.objects.load(Ordering::Relaxed), objects.len() - 1);
    std::fs::rename(&aside, &lies).unwrap();
    pair.answer(&sink, &missing[0], usize::MAX);
    assert!(sink.into_verified(0).is_some());
    pair.assert_same(&objects);
}

#[test]
fn a_medium_brings_objects_as_the_network_does() {
    let objects = objects();
    let pair = pair(Content::Opaque, &objects);
    let (here, there) = (pair.here(), pair.maker.parcels());
    let carried = here.carried(&PARCEL);
    std::fs::create_dir_all(&carried).unwrap();
    let copy = |slot: u32, to: &Path| std::fs::copy(there.file_of(&PARCEL, slot), to).unwrap();
    for slot in [2, 3, 5] {
        copy(slot, &carried.join(slot.to_string()));
    }
    // One is another, one is cut short.
    copy(2, &carried.join("4"));
    std::fs::write(carried.join("7"), b"short").unwrap();
    let (sink, progress) = pair.sink();
    assert_eq!(progress.objects.load(Ordering::Relaxed), 3);
    assert!(!carried.exists());
    for range in &sink.missing(Effort::Dense).unwrap() {
        pair.answer(&sink, range, usize::MAX);
    }
    pair.assert_same(&objects);
}

#[test]
fn refusals_are_told_apart() {
    let pair = pair(Content::Opaque, &objects());
    let (sink, _) = pair.sink();
    let missing = sink.missing(Effort::Dense).unwrap();
    sink.write(&missing[0], 0, b"begun").unwrap();
    for refusal in [Refusal::Later, Refusal::Missing] {
        sink.finished(&missing[0], RangeOutcome::Refused(refusal))
            .unwrap();
    }
    assert!(!sink.not_permitted());
    assert_eq!(sink.missing(Effort::Dense).unwrap(), missing);
    sink.finished(&missing[0], RangeOutcome::Refused(Refusal::Refused))
        .unwrap();
    assert!(sink.not_permitted());
}

#[test]
fn images_arrive_small_and_as_they_were() {
    let images: Vec<Vec<u8>> = (1..=40)
        .map(|number| image(&format!("1.2.3.4.{number}"), "1.2.3"))
        .collect();
    let pair = pair(Content::Study, &images);
    let (sink, _) = pair.sink();
    let missing = sink.missing(Effort::Dense).unwrap();
    assert_eq!(missing.len(), 1);
    let whole: usize = images.iter().map(Vec::len).sum();
    assert!(pair.pack(&missing[0]).len() < whole / 4);
    pair.answer(&sink, &missing[0], usize::MAX);
    assert!(!sink.is_mixed());
    let study = sink.into_verified(5).unwrap().unwrap();
    assert_eq!((study.uid.as_str(), study.objects.len()), ("1.2.3", 40));
    pair.assert_same(&images);
}

#[test]
fn images_of_two_studies_and_what_is_no_image_are_noticed() {
    let mixed = [image("1.2.3.4.1", "1.2.3"), image("1.2.3.4.2", "1.2.4")];
    for (objects, mixed, damaged) in [(mixed.to_vec(), true, false), (objects(), false, true)] {
        let pair = pair(Content::Study, &objects);
        let (sink, _) = pair.sink();
        for range in &sink.missing(Effort::Fast).unwrap() {
            pair.answer(&sink, range, usize::MAX);
        }
        assert_eq!((sink.is_mixed(), sink.is_damaged()), (mixed, damaged));
        assert!(sink.into_verified(0).is_none());
    }
}
