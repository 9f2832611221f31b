//! How soon a long C-FIND ends that is cancelled.

use std::ops::ControlFlow;
use std::time::Instant;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::DataSet;
use dokuei_node::dicom::dimse::{Level, Model};
use dokuei_node::dicom::scu::{self, Found};

use crate::archives::Archive;

/// How often each archive is asked, in turns.
const TIMES: usize = 50;
/// Answers after which it is cancelled.
const ANSWERS: usize = 100;
/// Answers that a query that is not cancelled has at most.
const LONG: usize = 1_000;

/// Prints what each archive does: the first answer, a thousand, and from the cancel to the end.
pub(crate) fn table(archives: &[Archive]) {
    println!(
        "\n| C-FIND, study level, without a key | archive | first answer ms: p50, p99 | {LONG} answers ms: p50 | from C-CANCEL to the released association ms: p50, p99 |"
    );
    println!("|---|---|--:|--:|--:|");
    let mut taken: Vec<[Vec<f64>; 3]> = archives.iter().map(|_| Default::default()).collect();
    for _ in 0..TIMES {
        for (archive, taken) in archives.iter().zip(&mut taken) {
            let (first, ended) = ask(archive, ANSWERS);
            taken[0].push(first);
            taken[2].push(ended);
        }
    }
    for (archive, taken) in archives.iter().zip(&mut taken) {
        for _ in 0..TIMES / 10 {
            let begun = Instant::now();
            ask(archive, LONG);
            taken[1].push(milliseconds(begun));
        }
    }
    for (archive, mut taken) in archives.iter().zip(taken) {
        taken
            .iter_mut()
            .for_each(|times| times.sort_by(f64::total_cmp));
        let of =
            |times: &[f64], part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        let [first, long, ended] = &taken;
        println!(
            "| cancelled after {ANSWERS} answers | {} | {:.1}, {:.1} | {:.1} | {:.1}, {:.1} |",
            archive.name,
            of(first, 0.5),
            of(first, 0.99),
            of(long, 0.5),
            of(ended, 0.5),
            of(ended, 0.99)
        );
    }
}

/// Asks for every study and cancels after so many answers: milliseconds to the first answer, and from the cancel on.
fn ask(archive: &Archive, answers: usize) -> (f64, f64) {
    let mut identifier = DataSet::default();
    for (tag, vr) in [
        (tags::STUDY_DATE, VR::DA),
        (tags::PATIENT_NAME, VR::PN),
        (tags::PATIENT_ID, VR::LO),
        (tags::STUDY_INSTANCE_UID, VR::UI),
    ] {
        identifier.put_text(tag, vr, "");
    }
    let begun = Instant::now();
    let (mut first, mut cancelled, mut count) = (None, None, 0);
    let found = scu::find(
        &archive.destination(),
        Model::StudyRoot,
        Level::Study,
        &identifier,
        usize::MAX,
        &mut |_| {
            first.get_or_insert_with(|| milliseconds(begun));
            count += 1;
            if count < answers {
                return ControlFlow::Continue(());
            }
            cancelled = Some(Instant::now());
            ControlFlow::Break(())
        },
    );
    assert!(
        matches!(found, Ok(Found::Some)),
        "{}: fewer studies than that",
        archive.name
    );
    (first.unwrap(), milliseconds(cancelled.unwrap()))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
