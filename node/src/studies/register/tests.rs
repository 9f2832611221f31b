//! What becomes of objects whose UID is here already, and of what a crash leaves of them; and that nobody waits for the disk
//! of others.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_keys::id::SiteId;
use dokuei_keys::secret::{Secret32, StorageKey};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Register;
use crate::chance::chance;
use crate::clock::now;
use crate::dicom::dataset::{DataSet, write};
use crate::dicom::dimse::StoreFailure;
use crate::dicom::scanner::Encoding;
use crate::dicom::scp::ObjectWriter as _;
use crate::dicom::uid::Uid;
use crate::disk::Room;
use crate::index::catalogue::Catalogue;
use crate::parcels::{ObjectHead, Parcels, SealingObject};
use crate::pixels::{Decoders, Plan};
use crate::store::{Change, Rows, Store};
use crate::studies::intake::StudyIntake;
use crate::studies::quarantine::{KEPT, Why};
use crate::studies::settling::settle;
use crate::transcoding::Transcoder;

const SITE: SiteId = SiteId::from_bytes([7; 32]);
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// A register in a folder of its own.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) store: Store,
    pub(crate) register: Register,
}

fn open(folder: TempDir) -> Site {
    let store = Store::open(&folder.path().join("store.redb")).ok().unwrap();
    let parcels = Parcels::open(folder.path().join("parcels")).unwrap();
    let storage = StorageKey::from_secret(Secret32::from_bytes([9; 32]));
    let register = Register::open(SITE, parcels, store.clone(), storage, Catalogue::default());
    Site {
        folder,
        store,
        register: register.ok().unwrap(),
    }
}

pub(crate) fn site() -> Site {
    open(tempfile::tempdir().unwrap())
}

impl Site {
    /// The same after a restart.
    fn reopened(self) -> Site {
        drop((self.store, self.register));
        open(self.folder)
    }

    pub(crate) fn intake(&self) -> StudyIntake {
        StudyIntake::new(self.register.clone(), Room::under(self.folder.path()))
    }

    /// Sends an object that says this of itself.
    pub(crate) fn send(&self, study: &str, instance: &str, said: &str) -> Result<(), StoreFailure> {
        send(&self.intake(), study, instance, said)
    }

    fn close(&self, study: &str) {
        for parcel in self.register.parcels_of(study) {
            self.register.close(&parcel).ok().unwrap();
        }
    }

    /// Why what is set aside is, and with which other study's UID.
    pub(crate) fn aside(&self) -> Vec<(Why, Option<String>)> {
        let all = self.register.quarantine().all().into_iter();
        all.map(|(_, kept)| (kept.why, kept.other_study)).collect()
    }

    pub(crate) fn objects_of(&self, study: &str) -> usize {
        let parcels = self.register.parcels_of(study).into_iter();
        let counted = parcels.map(|parcel| {
            let count = self.register.look(&parcel, |study| study.objects.len());
            count.unwrap()
        });
        counted.sum()
    }
}

/// Waits until something is so.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never was");
        thread::yield_now();
    }
}

fn send(intake: &StudyIntake, study: &str, instance: &str, said: &str) -> Result<(), StoreFailure> {
    let object = object(study, instance, said);
    send_object(intake, (EXPLICIT, Encoding::ExplicitLittle), &object)
}

/// Sends an object in a transfer syntax.
pub(crate) fn send_object(
    intake: &StudyIntake,
    (syntax, encoding): (&str, Encoding),
    object: &DataSet,
) -> Result<(), StoreFailure> {
    let mut arriving = Box::new(intake.object(ObjectHead {
        transfer_syntax: syntax.to_owned(),
        ..head(object.code(tags::SOP_INSTANCE_UID))
    })?);
    arriving.write(&write(object, encoding))?;
    arriving.commit()
}

/// A transcoder, whose runtime must live as long, with a thread that tells it the time. Its decoders decode nothing: this program is not theirs.
pub(crate) fn transcoder() -> (Runtime, Transcoder) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    let decoders = Decoders::new(Plan::this_program());
    let transcoder = Transcoder::new(decoders, runtime.handle().clone());
    (runtime, transcoder)
}

fn head(instance: &str) -> ObjectHead {
    ObjectHead {
        sop_class: CT.to_owned(),
        sop_instance: instance.to_owned(),
        transfer_syntax: EXPLICIT.to_owned(),
    }
}

pub(crate) fn object(study: &str, instance: &str, said: &str) -> DataSet {
    let mut set = DataSet::default();
    set.put_text(tags::SOP_CLASS_UID, VR::UI, CT);
    set.put_text(tags::SOP_INSTANCE_UID, VR::UI, instance);
    set.put_text(tags::STUDY_DESCRIPTION, VR::LO, said);
    set.put_text(tags::STUDY_INSTANCE_UID, VR::UI, study);
    set.put_text(tags::SERIES_INSTANCE_UID, VR::UI, &format!("{study}.1"));
    set
}

#[test]
fn one_uid_in_two_studies_is_noticed_whether_the_first_arrives_or_is_closed() {
    for is_closed in [false, true] {
        let site = site();
        site.send("1.1", "1.9", "the first").unwrap();
        if is_closed {
            site.close("1.1");
        }
        let refused = site.send("1.2", "1.9", "the second").unwrap_err();
        assert_eq!(refused.status().code(), 0x0111);
        assert_eq!(
            refused.comment(),
            Some("same SOP Instance UID is in another study")
        );
        // Again, and it is still set aside once.
        assert!(site.send("1.2", "1.9", "the second").is_err());
        let of_the_first = [(Why::Study, Some("1.1".to_owned()))];
        assert_eq!(site.aside(), of_the_first);
        assert_eq!((site.objects_of("1.1"), site.objects_of("1.2")), (1, 0));
        let held = site.register.held_object("1.9").ok().flatten().unwrap();
        assert_eq!(held.study, "1.1");
        // Both studies are in question, and the first one's own object is the same as ever.
        let quarantine = site.register.quarantine();
        assert_eq!(
            [quarantine.count_of("1.1"), quarantine.count_of("1.2")],
            [1; 2]
        );
        site.send("1.1", "1.9", "the first").unwrap();
        site.send("1.2", "1.10", "another one").unwrap();
        let site = site.reopened();
        assert_eq!(site.aside(), of_the_first);
        assert_eq!((site.objects_of("1.1"), site.objects_of("1.2")), (1, 1));
    }
}

#[test]
fn a_uid_is_free_again_when_its_study_is_gone() {
    let site = site();
    site.send("1.1", "1.9", "x").unwrap();
    site.close("1.1");
    let parcel = site.register.parcels_of("1.1")[0];
    assert!(site.register.remove(&parcel).unwrap());
    site.send("1.2", "1.9", "x").unwrap();
    let parcel = site.register.parcels_of("1.2")[0];
    assert!(site.register.remove(&parcel).unwrap(), "it still arrives");
    site.send("1.3", "1.9", "x").unwrap();
    site.close("1.3");
    site.register
        .put_away(&site.register.parcels_of("1.3")[0])
        .unwrap();
    site.send("1.4", "1.9", "x").unwrap();
    assert!(site.aside().is_empty());
}

#[test]
fn of_studies_that_share_a_uid_since_an_earlier_version_the_first_is_not_shadowed() {
    let site = site();
    site.send("1.1", "1.9", "x").unwrap();
    site.close("1.1");
    let first = site.register.parcels_of("1.1")[0];
    let begun = now();
    while now() == begun {
        std::hint::spin_loop();
    }
    // The index as if the object had never been listed: an earlier version asked only within a study.
    let rows = site.store.rows(Rows::Instances).unwrap();
    let mut unlisted = Change::default();
    for (key, _) in &rows {
        unlisted.removals.push((Rows::Instances, key.clone()));
    }
    site.store.commit(unlisted).unwrap();
    site.send("1.2", "1.9", "y").unwrap();
    site.close("1.2");
    let mut listed = Change::default();
    for (key, row) in rows {
        listed.puts.push((Rows::Instances, key, row));
    }
    site.store.commit(listed).unwrap();
    let held = site.register.held_object("1.9").ok().flatten().unwrap();
    assert!(held.parcel == first);
    // Each of them is here, and is the same when it comes again.
    site.send("1.1", "1.9", "x").unwrap();
    site.send("1.2", "1.9", "y").unwrap();
    assert!(site.send("1.2", "1.9", "z").is_err());
    assert_eq!(site.aside(), [(Why::Content, None)]);
}

#[test]
fn two_studies_with_one_uid_at_once_leave_one_object_and_one_aside() {
    for _ in 0..10 {
        let site = site();
        let intake = site.intake();
        let sent = std::thread::scope(|scope| {
            let sending = ["1.1", "1.2"].map(|study| {
                let intake = &intake;
                scope.spawn(move || send(intake, study, "1.9", "x").is_ok())
            });
            sending.map(|one| one.join().unwrap())
        });
        assert_eq!(sent.iter().filter(|taken| **taken).count(), 1);
        assert_eq!(site.objects_of("1.1") + site.objects_of("1.2"), 1);
        assert_eq!(site.aside().len(), 1);
    }
}

/// Puts an object where a crash leaves what was sealed and not registered: in the next slot of an
/// arriving study.
fn left_behind(site: &Site, instance: &str, said: &str, study: &str) {
    let written = (EXPLICIT, Encoding::ExplicitLittle);
    left_behind_as(site, instance, (said, written), study);
}

fn left_behind_as(
    site: &Site,
    instance: &str,
    (said, (syntax, encoding)): (&str, (&str, Encoding)),
    study: &str,
) {
    let uid: Uid = study.parse().unwrap();
    let place = site.register.place(&uid, 0).ok().unwrap();
    let parcels = site.register.parcels();
    let (key, parcel, slot) = (&place.key, place.parcel, place.slot);
    let sealing = SealingObject::begin(parcels, key, parcel, SITE, slot, &mut chance());
    let mut sealing = sealing.unwrap();
    let head = ObjectHead {
        transfer_syntax: syntax.to_owned(),
        ..head(instance)
    };
    sealing.write(&head.to_bytes()).unwrap();
    let object = write(&object(study, instance, said), encoding);
    sealing.write(&object).unwrap();
    sealing.finish().unwrap();
}

#[test]
fn what_a_crash_leaves_under_a_known_uid_is_compared_and_never_dropped() {
    let mut site = site();
    site.send("1.1", "1.8", "closed").unwrap();
    site.close("1.1");
    site.send("1.1", "1.9", "x").unwrap();
    site.send("1.2", "1.10", "x").unwrap();
    // In this study, in a closed part of it, and in another study; each the same and another one.
    for (instance, said, study) in [
        ("1.9", "x", "1.1"),
        ("1.9", "y", "1.1"),
        ("1.8", "closed", "1.1"),
        ("1.8", "another", "1.1"),
        ("1.9", "z", "1.2"),
        ("1.11", "new", "1.2"),
    ] {
        left_behind(&site, instance, said, study);
    }
    for _ in 0..2 {
        site = site.reopened();
        let mut aside = site.aside();
        aside.sort_unstable_by_key(|(why, _)| *why as u8);
        let elsewhere = (Why::Study, Some("1.1".to_owned()));
        assert_eq!(
            aside,
            [(Why::Content, None), (Why::Content, None), elsewhere]
        );
        assert_eq!((site.objects_of("1.1"), site.objects_of("1.2")), (2, 2));
    }
}

#[test]
fn what_a_crash_leaves_in_another_coding_is_let_go_once_it_can_be_compared() {
    let mut site = site();
    site.send("1.1", "1.9", "x").unwrap();
    let implicit = ("1.2.840.10008.1.2", Encoding::ImplicitLittle);
    left_behind_as(&site, "1.9", ("x", implicit), "1.1");
    left_behind_as(&site, "1.9", ("y", implicit), "1.1");
    site = site.reopened();
    assert_eq!(site.aside(), [(Why::Content, None), (Why::Content, None)]);
    let (_runtime, transcoder) = transcoder();
    assert_eq!(settle(&site.intake()).ok(), Some(0));
    let intake = site.intake().comparing(transcoder);
    assert_eq!(settle(&intake).ok(), Some(1));
    assert_eq!((site.aside().len(), site.objects_of("1.1")), (1, 1));
    assert_eq!(settle(&intake).ok(), Some(0));
    // Set aside when it could not be compared, and sent again when it can.
    let sent = |intake: &StudyIntake| send_object(intake, implicit, &object("1.1", "1.9", "x"));
    assert!(sent(&site.intake()).is_err() && site.aside().len() == 2);
    assert!(sent(&intake).is_ok() && site.aside().len() == 1);
    assert_eq!(site.objects_of("1.1"), 1);
}

#[test]
fn what_a_crash_leaves_when_no_more_is_set_aside_stays_beside_its_study() {
    let mut site = site();
    for number in 0..=KEPT {
        let sent = site.send("1.1", "1.9", &number.to_string());
        assert_eq!(sent.is_ok(), number == 0);
    }
    // What nobody keeps is not said to be set aside, and its studies are in question.
    site.send("1.2", "1.10", "x").unwrap();
    let refused = site.send("1.2", "1.9", "x").unwrap_err();
    let comment = "same SOP Instance UID; not kept: too many are set aside";
    assert_eq!(refused.comment(), Some(comment));
    let quarantine = site.register.quarantine();
    let counted = ["1.1", "1.2", "1.3"].map(|study| quarantine.count_of(study));
    assert_eq!((counted, site.objects_of("1.2")), ([KEPT + 1, 1, 0], 1));
    left_behind(&site, "1.9", "one more", "1.1");
    site = site.reopened();
    let folder = site
        .register
        .parcels()
        .folder_of(&site.register.parcels_of("1.1")[0]);
    let aside = std::fs::read_dir(folder).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension()
            .is_some_and(|extension| extension == "aside")
    });
    assert_eq!((aside.count(), site.aside().len()), (1, KEPT));
}

#[test]
fn objects_of_other_studies_do_not_wait_for_one_that_is_begun_or_closed() {
    let site = site();
    site.send("1.1", "1.1.1", "x").unwrap();
    site.send("1.2", "1.2.1", "x").unwrap();
    let (register, intake) = (&site.register, site.intake());
    let parcel = register.parcels_of("1.2")[0];
    thread::scope(|scope| {
        let waiting = site.store.stalled(|| {
            // Two of one new study: the second waits for the first.
            let begun = ["1.3.1", "1.3.2"].map(|instance| {
                let intake = &intake;
                scope.spawn(move || send(intake, "1.3", instance, "x").is_ok())
            });
            let closed = [0; 2].map(|_| scope.spawn(|| register.close(&parcel).ok()));
            until(|| {
                let all = register.lock();
                let is_closing = all.arriving.of(&parcel).unwrap().closing;
                is_closing && all.beginning.contains("1.3")
            });
            site.send("1.1", "1.1.2", "x").unwrap();
            assert_eq!(site.objects_of("1.1"), 2);
            assert!(site.send("1.1", "1.1.2", "x").is_ok());
            assert!(register.held_object("1.2.1").ok().flatten().is_some());
            (begun, closed)
        });
        let (begun, closed) = waiting;
        assert!(begun.map(|one| one.join().unwrap()) == [true; 2]);
        let [one, other] = closed.map(|one| one.join().unwrap().unwrap());
        assert!(one == other, "it was closed once");
    });
    assert_eq!((site.objects_of("1.2"), site.objects_of("1.3")), (1, 2));
    assert_eq!(site.register.parcels_of("1.3").len(), 1);
}

#[test]
fn objects_of_other_studies_do_not_wait_for_files_that_are_prepared() {
    let site = site();
    site.send("1.1", "1.1.1", "x").unwrap();
    for number in 1..9 {
        site.send("1.2", &format!("1.2.{number}"), "x").unwrap();
    }
    // The ninth needs more files, and one of them cannot be opened until somebody reads what is written there.
    let (register, intake) = (&site.register, site.intake());
    let parcel = register.parcels_of("1.2")[0];
    let gate = register.parcels().file_of(&parcel, 12);
    assert!(
        Command::new("mkfifo")
            .arg(&gate)
            .status()
            .unwrap()
            .success()
    );
    thread::scope(|scope| {
        let ninth = scope.spawn(|| send(&intake, "1.2", "1.2.9", "x").is_ok());
        until(|| register.parcels().file_of(&parcel, 11).exists());
        // Of the same study one more waits for the same files.
        let tenth = scope.spawn(|| send(&intake, "1.2", "1.2.10", "x").is_ok());
        site.send("1.1", "1.1.2", "x").unwrap();
        site.send("1.3", "1.3.1", "x").unwrap();
        assert!(register.close(&parcel).is_err(), "one is still writing");
        assert!(!ninth.is_finished());
        drop(std::fs::File::open(&gate).unwrap());
        assert!(ninth.join().unwrap() && tenth.join().unwrap());
    });
    std::fs::remove_file(&gate).unwrap();
    assert_eq!((site.objects_of("1.1"), site.objects_of("1.2")), (2, 10));
}

#[test]
fn a_study_whose_beginning_fails_is_begun_by_the_next_object() {
    let site = site();
    let folder = site.folder.path().join("parcels");
    let aside = site.folder.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    assert!(site.send("1.1", "1.1.1", "x").is_err());
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    site.send("1.1", "1.1.1", "x").unwrap();
    assert_eq!(site.objects_of("1.1"), 1);
}

#[test]
fn nobody_waits_for_an_object_that_is_set_aside() {
    let site = site();
    site.send("1.1", "1.9", "x").unwrap();
    site.send("1.2", "1.2.1", "x").unwrap();
    let (quarantine, intake) = (site.register.quarantine(), site.intake());
    thread::scope(|scope| {
        let refused = site.store.stalled(|| {
            let refused = scope.spawn(|| send(&intake, "1.2", "1.9", "x").is_err());
            // Its studies are in question before it is written down.
            until(|| quarantine.count_of("1.1") == 1);
            assert!(quarantine.has("1.9") && quarantine.all().is_empty());
            // Whether the first is kept is not known yet: nothing is said of the same.
            let same = site.send("1.2", "1.9", "x").unwrap_err();
            assert_eq!(same.status().code(), 0xA700);
            site.send("1.1", "1.10", "x").unwrap();
            refused
        });
        assert!(refused.join().unwrap());
    });
    let name = quarantine.all()[0].0;
    thread::scope(|scope| {
        site.store.stalled(|| {
            scope.spawn(|| quarantine.discard(&name).ok().unwrap());
            site.send("1.1", "1.11", "x").unwrap();
            until(|| quarantine.all().is_empty());
            assert_eq!(quarantine.count_of("1.2"), 1);
            // What comes while the same is on its way out is kept for itself.
            scope.spawn(|| send(&intake, "1.2", "1.9", "x").unwrap_err());
            until(|| quarantine.count_of("1.2") == 2);
        });
    });
    assert_eq!((quarantine.all().len(), site.objects_of("1.1")), (1, 3));
    assert!(quarantine.all()[0].0 != name);
}
