//! What receipts note while they are written.

use std::thread;

use dokuei_keys::secret::Secret32;
use tempfile::TempDir;

use super::*;
use crate::studies::register::tests::until;

fn of_study(uid: &str) -> MediaImport {
    let mut import = MediaImport::begun(1, String::new());
    let study = ImportedStudy::begun(uid, Standing::Held, Vec::new());
    import.studies.push(study);
    import
}

fn opened() -> (TempDir, Store, Imports) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.redb")).ok().unwrap();
    let storage = StorageKey::from_secret(Secret32::from_bytes([9; 32]));
    let imports = Imports::open(store.clone(), storage).ok().unwrap();
    (folder, store, imports)
}

#[test]
fn what_is_sent_does_not_wait_for_receipts_that_are_written() {
    let (_folder, store, imports) = opened();
    imports.keep(of_study("1.1")).ok().unwrap();
    imports.keep(of_study("1.2")).ok().unwrap();
    assert!(imports.note_sent("1.2").unwrap());
    thread::scope(|scope| {
        let noted = store.stalled(|| {
            let noted = scope.spawn(|| imports.note_sent("1.1").unwrap());
            until(|| imports.changing.try_lock().is_err());
            // Of no medium, of one whose note is written, and of the one that is being written.
            assert!(imports.note_sent("1.3").unwrap() && imports.note_sent("1.2").unwrap());
            assert_eq!(imports.open_count(), 2);
            assert!(imports.is_undecided("1.1"));
            assert!(!noted.is_finished());
            noted
        });
        assert!(noted.join().unwrap());
    });
    assert!(imports.begin_to_discard("1.1").unwrap().is_none());
}

#[test]
fn what_is_sent_while_a_study_comes_on_a_medium_is_noted_as_sent() {
    let (_folder, store, imports) = opened();
    let name = imports.keep(MediaImport::begun(1, String::new()));
    let name = name.ok().unwrap();
    let waits = |imports: &Imports| imports.lock().may_be_confirmed("1.1").is_none();
    thread::scope(|scope| {
        let (stood, noted) = store.stalled(|| {
            let stood = scope.spawn(|| {
                // From when the parcels that are here before are looked up.
                let before = || Ok(vec![ParcelId::from_bytes([u8::from(waits(&imports)); 32])]);
                imports.stand(&name, ("1.1", Standing::Held), before)
            });
            until(|| imports.lock().coming.is_some());
            assert!(waits(&imports) && !imports.is_undecided("1.1"));
            let noted = scope.spawn(|| imports.note_sent("1.1").unwrap());
            // Of another study nobody waits.
            assert!(imports.note_sent("1.2").unwrap());
            assert!(!noted.is_finished());
            (stood, noted)
        });
        assert!(stood.join().unwrap().is_ok() && noted.join().unwrap());
    });
    let import = &imports.all()[0].1;
    assert!(import.studies[0].before == [ParcelId::from_bytes([1; 32])]);
    assert!(import.studies[0].also_sent);
    assert!(imports.begin_to_discard("1.1").unwrap().is_none());
}

#[test]
fn a_study_that_does_not_come_after_all_is_waited_for_no_longer() {
    let (_folder, _store, imports) = opened();
    let name = imports.keep(MediaImport::begun(1, String::new()));
    let failed = imports.stand(&name.ok().unwrap(), ("1.1", Standing::Held), || {
        Err(RegisterError::Arriving)
    });
    assert!(failed.is_err() && imports.note_sent("1.1").unwrap());
    assert!(!imports.is_undecided("1.1"));
}
