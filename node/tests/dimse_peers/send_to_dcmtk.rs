//! We send to dcmtk's `storescp`.

use dokuei_node::dicom::scu::{Delivery, echo};

use crate::dcmtk::StoreScp;
use crate::folder::Folder;
use crate::object::*;
use crate::send::{destination, send};

/// Send one object of each transfer syntax to a `storescp` with `options`; answers which arrived,
/// byte for byte.
fn accepted(options: &[&str], syntaxes: &[&str]) -> Vec<bool> {
    let folder = Folder::new();
    // Bit preserving: what arrives is written as it came.
    let mut all = vec!["-B", "+uf"];
    all.extend_from_slice(options);
    let archive = StoreScp::start(&all, folder.path());
    let to = destination(([127, 0, 0, 1], archive.port).into());
    let objects: Vec<Object> = syntaxes
        .iter()
        .enumerate()
        .map(|(n, syntax)| Object::new(CT, syntax, n, 200))
        .collect();
    let (outcomes, summary) = send(&to, objects.iter().map(Object::boxed));
    assert_eq!(summary.associations, 1, "{:?}", summary.ended);
    assert_eq!(folder.names().len() as u64, summary.stored);
    let mut arrived = vec![false; objects.len()];
    for outcome in outcomes {
        let object = &objects[outcome.index as usize];
        match &outcome.delivery {
            Delivery::Stored => arrived[outcome.index as usize] = true,
            Delivery::NotAccepted {
                sop_class,
                transfer_syntax,
            } => {
                assert_eq!(
                    (sop_class, transfer_syntax),
                    (&object.sop_class, &object.transfer_syntax)
                );
            }
            other => panic!("{other}"),
        }
    }
    let files: Vec<Vec<u8>> = folder
        .names()
        .iter()
        .map(|name| data_set_of(&folder.path().join(name)))
        .collect();
    for (object, arrived) in objects.iter().zip(&arrived) {
        assert_eq!(
            files.contains(&object.data_set),
            *arrived,
            "{}",
            object.transfer_syntax
        );
    }
    arrived
}

const SYNTAXES: [&str; 4] = [IMPLICIT, EXPLICIT, JPEG_LOSSLESS, JPEG_2000];

#[test]
fn storescp_that_takes_implicit_only_gets_that() {
    assert_eq!(accepted(&["+xi"], &SYNTAXES), [true, false, false, false]);
}

#[test]
fn storescp_that_takes_uncompressed_gets_that() {
    assert_eq!(accepted(&["+xe"], &SYNTAXES), [true, true, false, false]);
    assert_eq!(accepted(&["+xs"], &SYNTAXES), [true, true, true, false]);
}

#[test]
fn storescp_that_takes_all_gets_all_in_its_small_pdus() {
    assert_eq!(accepted(&["+xa", "-pdu", "4096"], &SYNTAXES), [true; 4]);
    assert_eq!(accepted(&["+xa", "-pdu", "131072"], &SYNTAXES), [true; 4]);
}

#[test]
fn storescp_answers_an_echo() {
    let folder = Folder::new();
    let archive = StoreScp::start(&[], folder.path());
    echo(&destination(([127, 0, 0, 1], archive.port).into())).unwrap();
}

#[test]
fn an_archive_that_aborts_is_given_up_after_three_losses() {
    let folder = Folder::new();
    let archive = StoreScp::start(&["--abort-during"], folder.path());
    let to = destination(([127, 0, 0, 1], archive.port).into());
    let objects = (0..10).map(|n| Object::new(CT, EXPLICIT, n, 600).boxed());
    let (outcomes, summary) = send(&to, objects);
    assert_eq!(
        (summary.stored, summary.associations),
        (0, 3),
        "{:?}",
        summary.ended
    );
    let count =
        |wanted: fn(&Delivery) -> bool| outcomes.iter().filter(|o| wanted(&o.delivery)).count();
    assert_eq!(count(|d| matches!(d, Delivery::Interrupted(_))), 3);
    assert_eq!(count(|d| matches!(d, Delivery::NotAttempted)), 7);
    assert!(outcomes.iter().all(|o| o.delivery.may_retry()));
}
