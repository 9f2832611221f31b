//! Studies on their way into the node: sealed, registered, closed, and found again after a crash.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use dokuei_keys::id::SiteId;
use dokuei_keys::secret::{Secret32, StorageKey};
use dokuei_node::deidentify::sealed::Copying;
use dokuei_node::deidentify::{Method, Options, Regions, Secret};
use dokuei_node::disk::Room;
use dokuei_node::index::catalogue::Catalogue;
use dokuei_node::parcels::{OpenedObject, Parcels};
use dokuei_node::pixels::{Decoders, Plan};
use dokuei_node::store::{Change, Rows, Store};
use dokuei_node::studies::import::import;
use dokuei_node::studies::intake::StudyIntake;
use dokuei_node::studies::register::{Register, RegisterError};
use dokuei_node::studies::study::Study;

const SITE: SiteId = SiteId::from_bytes([7; 32]);
const SERIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/ct-3slice");

fn storage() -> StorageKey {
    StorageKey::from_secret(Secret32::from_bytes([9; 32]))
}

fn open(folder: &Path) -> Register {
    let store = Store::open(&folder.join("store.redb")).unwrap();
    let parcels = Parcels::open(folder.join("parcels")).unwrap();
    Register::open(SITE, parcels, store, storage(), Catalogue::default()).unwrap()
}

fn take_in(register: &Register, folder: &Path, path: &str) -> (usize, usize, String) {
    let intake = StudyIntake::new(register.clone(), Room::under(folder));
    let imported = import(&intake, Path::new(path)).unwrap();
    let study = imported.studies.first().cloned().unwrap_or_default();
    (imported.taken, imported.skipped.len(), study)
}

#[test]
fn files_become_a_sealed_study_and_what_is_no_image_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (taken, skipped, uid) = take_in(&register, folder.path(), SERIES);
    assert_eq!(
        (taken, skipped),
        (3, 1),
        "three slices and the notice beside them"
    );
    let parcels = register.parcels_of(&uid);
    assert_eq!(parcels.len(), 1);
    let reference = register.close(&parcels[0]).unwrap();
    assert_eq!(reference.objects, 3);
    let key = register.key(&parcels[0]).unwrap();
    let manifest = register
        .parcels()
        .open_manifest(&key, &reference, SITE)
        .unwrap();
    for entry in &manifest.objects {
        let opened =
            OpenedObject::open(register.parcels(), &key, parcels[0], SITE, entry.slot).unwrap();
        assert_eq!(opened.length(), entry.length);
        assert_eq!(opened.verify().unwrap(), entry.digest);
    }
}

#[test]
fn a_dicom_file_that_is_refused_is_told_from_a_file_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let whole = std::fs::read(Path::new(SERIES).join("01.dcm")).unwrap();
    std::fs::write(files.join("1.dcm"), &whole).unwrap();
    std::fs::write(files.join("2.dcm"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(files.join("3.txt"), "no image").unwrap();
    let intake = StudyIntake::new(register.clone(), Room::under(folder.path()));
    let imported = import(&intake, &files).unwrap();
    assert_eq!((imported.taken, imported.refused), (1, 1));
    let foreign: Vec<_> = imported.skipped.iter().map(|one| one.is_foreign).collect();
    assert_eq!(foreign, [false, true]);
    let patients = &imported.patients[&imported.studies[0]];
    assert_eq!((patients.len(), patients[0].count), (1, 1));
    assert_eq!(patients[0].files, ["1.dcm"]);
    let parcel = register.parcels_of(&imported.studies[0])[0];
    assert_eq!(
        register.look(&parcel, |study| study.patients().len()),
        Some(1)
    );
}

#[test]
fn a_copy_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let parcel = register.parcels_of(&uid)[0];
    let (options, secret) = (Options::default(), Secret::from_bytes([3; 32]));
    let method = Method {
        options: &options,
        secret: &secret,
        site: SITE,
        said: None,
        regions: &Regions::default(),
        decoders: &Decoders::new(Plan::this_program()),
    };
    let intake = StudyIntake::new(register.clone(), Room::under(folder.path()));
    let copying = || {
        let begun = Copying::begin(&register, &parcel, "a test", method);
        begun.ok().flatten().unwrap()
    };
    let whole = copying();
    let slots = register.parcels().slots(&parcel).unwrap();
    let last = register.parcels().file_of(&parcel, *slots.last().unwrap());
    let aside = folder.path().join("aside");
    std::fs::rename(&last, &aside).unwrap();
    assert!(whole.seal(&intake).is_err());
    let copy = method.study(&uid);
    assert!(register.parcels_of(&copy).is_empty());
    std::fs::rename(&aside, &last).unwrap();
    assert!(copying().seal(&intake).is_ok());
    // What was copied before stays when another attempt breaks off.
    let again = copying();
    std::fs::rename(&last, &aside).unwrap();
    assert!(again.seal(&intake).is_err());
    let left = register.parcels_of(&copy);
    let objects = register.look(&left[0], |study| study.objects.len());
    assert_eq!((left.len(), objects), (1, Some(3)));
}

#[test]
fn the_same_files_again_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let (taken, _, _) = take_in(&register, folder.path(), SERIES);
    assert_eq!(taken, 3, "each is here");
    let parcel = register.parcels_of(&uid)[0];
    assert_eq!(register.look(&parcel, |study| study.objects.len()), Some(3));
    assert_eq!(
        register.parcels().slots(&parcel).unwrap().len(),
        3,
        "no second copy is left"
    );
}

#[test]
fn a_complete_study_that_is_sent_again_makes_no_second_one() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    register.close(&register.parcels_of(&uid)[0]).unwrap();
    let (taken, _, _) = take_in(&register, folder.path(), SERIES);
    assert_eq!(taken, 3, "each is here");
    assert_eq!(register.parcels_of(&uid).len(), 1);
    let mut listed = 0;
    register.outlines(|_| listed += 1);
    assert_eq!(listed, 1);
    let folders = |register: &Register| {
        let folders = std::fs::read_dir(folder.path().join("parcels")).unwrap();
        let below = folders.map(|above| std::fs::read_dir(above.unwrap().path()).unwrap());
        assert_eq!(register.parcels_of(&uid).len(), 1);
        below.flatten().count()
    };
    assert_eq!(
        folders(&register),
        2,
        "a place was made for what might come"
    );
    assert_eq!(register.close_quiet(u64::MAX).unwrap(), 0);
    assert_eq!(folders(&register), 1, "and is given up when nothing came");
    drop(register);
    assert_eq!(folders(&open(folder.path())), 1);
}

#[test]
fn an_arriving_study_survives_a_crash_and_half_an_object_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let parcel = register.parcels_of(&uid)[0];
    let before = register
        .look(&parcel, |study| study.images_digest())
        .unwrap();
    // What a crash leaves of a fourth object: a file that ends early.
    let whole = std::fs::read(register.parcels().file_of(&parcel, 3)).unwrap();
    std::fs::write(
        register.parcels().file_of(&parcel, 4),
        &whole[..whole.len() / 2],
    )
    .unwrap();
    drop(register);
    let register = open(folder.path());
    assert_eq!(
        register.look(&parcel, |study| study.images_digest()),
        Some(before)
    );
    assert_eq!(register.parcels().slots(&parcel).unwrap(), [1, 2, 3]);
    assert_eq!(register.close(&parcel).unwrap().objects, 3);
}

#[test]
fn an_object_that_cannot_be_read_at_start_is_not_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let parcel = register.parcels_of(&uid)[0];
    let file = register.parcels().file_of(&parcel, 2);
    drop(register);
    // What leads back to itself cannot be opened, whoever asks.
    let away = folder.path().join("away");
    std::fs::rename(&file, &away).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let store = Store::open(&folder.path().join("store.redb")).unwrap();
    let parcels = Parcels::open(folder.path().join("parcels")).unwrap();
    assert!(matches!(
        Register::open(SITE, parcels, store, storage(), Catalogue::default()),
        Err(RegisterError::Disk(_))
    ));
    std::fs::remove_file(&file).unwrap();
    std::fs::rename(&away, &file).unwrap();
    let register = open(folder.path());
    assert_eq!(register.look(&parcel, |study| study.objects.len()), Some(3));
}

#[test]
fn files_prepared_for_objects_to_come_go_when_none_come() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let parcel = register.parcels_of(&uid)[0];
    let files = |register: &Register| {
        let folder = register.parcels().folder_of(&parcel);
        std::fs::read_dir(folder).unwrap().count()
    };
    assert!(files(&register) > 3, "some are prepared");
    assert_eq!(register.parcels().slots(&parcel).unwrap(), [1, 2, 3]);
    drop(register);
    let register = open(folder.path());
    assert_eq!(files(&register), 3, "a start removes them");
    let another = format!("{SERIES}/01.dcm");
    take_in(&register, folder.path(), &another);
    assert!(
        files(&register) > 3,
        "and prepares others when it needs some"
    );
    register.close(&parcel).unwrap();
    assert_eq!(files(&register), 4, "three objects and their list");
}

#[test]
fn objects_that_come_while_their_study_is_closed_are_not_lost() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let register = open(folder.path());
        let done = AtomicBool::new(false);
        let uid = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    register.close_quiet(u64::MAX).ok();
                }
            });
            let (taken, _, uid) = take_in(&register, folder.path(), SERIES);
            done.store(true, Ordering::Relaxed);
            assert_eq!(taken, 3);
            uid
        });
        let count = |register: &Register| -> usize {
            let parcels = register.parcels_of(&uid).into_iter();
            parcels
                .map(|parcel| register.look(&parcel, |study| study.objects.len()).unwrap())
                .sum()
        };
        assert_eq!(count(&register), 3);
        drop(register);
        assert_eq!(count(&open(folder.path())), 3);
    }
}

#[test]
fn late_images_begin_a_parcel_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let one = format!("{SERIES}/01.dcm");
    let (_, _, uid) = take_in(&register, folder.path(), &one);
    register.close(&register.parcels_of(&uid)[0]).unwrap();
    take_in(&register, folder.path(), SERIES);
    let parcels = register.parcels_of(&uid);
    assert_eq!(parcels.len(), 2);
    let counts: Vec<_> = parcels
        .iter()
        .map(|parcel| register.look(parcel, |study| study.objects.len()).unwrap())
        .collect();
    assert_eq!(counts, [1, 2], "the first slice is not taken twice");
}

#[test]
fn a_study_that_was_put_away_leaves_what_it_was_about_and_nothing_to_open() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let parcel = register.parcels_of(&uid)[0];
    register.put_away(&parcel).unwrap();
    let kept = register.look(&parcel, |study| study.objects.len());
    assert_eq!(kept, Some(3), "it is not even closed");
    let manifest = register.close(&parcel).unwrap();
    let about = |register: &Register| {
        register.look(&parcel, |study| {
            let images = study.images_digest();
            (study.uid.clone(), images, study.manifest.clone())
        })
    };
    let before = about(&register);
    for _ in 0..2 {
        register.put_away(&parcel).unwrap();
        register.parcels().remove(&parcel).unwrap();
    }
    drop(register);
    let store = Store::open(&folder.path().join("store.redb")).unwrap();
    let mut change = Change::default();
    let key = parcel.as_bytes().to_vec();
    change.removals.push((Rows::ContentKeys, key));
    store.commit(change).unwrap();
    drop(store);
    let register = open(folder.path());
    assert_eq!(about(&register), before);
    assert_eq!(before.unwrap().2, Some(manifest));
    assert!(register.key(&parcel).is_none());
    assert!(!register.parcels().folder_of(&parcel).exists());
    let (taken, _, _) = take_in(&register, folder.path(), SERIES);
    assert_eq!(taken, 3, "the same images can come again");
    assert_eq!(register.parcels_of(&uid).len(), 2);
}

#[test]
fn a_flipped_bit_in_a_sealed_object_is_never_served_as_good() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let parcel = register.parcels_of(&uid)[0];
    let key = register.key(&parcel).unwrap();
    let path = register.parcels().file_of(&parcel, 1);
    let good = std::fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        let opened = OpenedObject::open(register.parcels(), &key, parcel, SITE, 1)
            .and_then(OpenedObject::verify);
        assert!(opened.is_err(), "byte {at}");
    }
}

#[test]
fn nothing_readable_lies_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let parcel = register.parcels_of(&uid)[0];
    register.close(&parcel).unwrap();
    let name = register
        .look(&parcel, |study| {
            study
                .attributes
                .value(dicom_dictionary_std::tags::PATIENT_ID)
                .map(<[u8]>::to_vec)
        })
        .flatten()
        .unwrap();
    let secrets = [uid.as_bytes(), name.trim_ascii()];
    let mut files = vec![folder.path().to_owned()];
    let mut looked_at = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        looked_at += 1;
        for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
            assert!(
                !bytes.windows(secret.len()).any(|window| window == *secret),
                "{}",
                path.display()
            );
        }
    }
    assert!(looked_at >= 5, "database, manifest and three objects");
}

#[test]
fn a_row_moved_to_another_place_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    take_in(&register, folder.path(), SERIES);
    drop(register);
    let store = Store::open(&folder.path().join("store.redb")).unwrap();
    let (key, row) = store.rows(Rows::Studies).unwrap().remove(0);
    assert!(storage().open_row(Rows::Studies.name(), &key, &row).is_ok());
    assert!(
        storage()
            .open_row(Rows::Granted.name(), &key, &row)
            .is_err()
    );
}

fn class_of(register: &Register, instance: &str) -> Option<String> {
    let held = register.held_object(instance).unwrap();
    held.map(|object| object.class)
}

#[test]
fn objects_of_closed_studies_are_found_by_their_uid_alone_and_what_an_earlier_version_wrote_is_listed()
 {
    let folder = tempfile::tempdir().unwrap();
    let register = open(folder.path());
    let (_, _, uid) = take_in(&register, folder.path(), SERIES);
    let parcel = register.parcels_of(&uid)[0];
    let first = |study: &Study| {
        (
            study.objects[0].sop_instance.clone(),
            study.objects[0].sop_class.clone(),
        )
    };
    let (instance, class) = register.look(&parcel, first).unwrap();
    assert!(
        class_of(&register, &instance).as_ref() == Some(&class),
        "while it arrives"
    );
    register.close(&parcel).unwrap();
    assert!(class_of(&register, &instance).as_ref() == Some(&class));
    assert!(class_of(&register, "1.2.3").is_none());
    let head = register.head(&parcel).unwrap().unwrap();
    assert!((head.objects, head.study.objects.len()) == (3, 0) && head.bytes > 0);
    drop(register);

    let store = Store::open(&folder.path().join("store.redb")).unwrap();
    let mut change = Change::default();
    for rows in [Rows::Heads, Rows::Instances] {
        let keys = store.rows(rows).unwrap().into_iter();
        change.removals.extend(keys.map(|(key, _)| (rows, key)));
    }
    assert_eq!(change.removals.len(), 4, "one study, three objects");
    store.commit(change).unwrap();
    drop(store);
    let register = open(folder.path());
    assert!(class_of(&register, &instance) == Some(class));
    assert!(register.head(&parcel).unwrap() == Some(head));
    assert_eq!(register.parcels_of(&uid), [parcel]);
    let before = register.look(&parcel, |study| study.objects.len());
    assert_eq!(before, Some(3));

    register.put_away(&parcel).unwrap();
    assert!(class_of(&register, &instance).is_none());
    let (taken, _, _) = take_in(&register, folder.path(), SERIES);
    assert_eq!((taken, register.parcels_of(&uid).len()), (3, 2));
    assert!(register.remove(&parcel).unwrap() && !register.remove(&parcel).unwrap());
    assert_eq!(register.parcels_of(&uid).len(), 1);
}
