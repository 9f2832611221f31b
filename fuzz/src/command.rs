//! The command set of a message (`dicom/dimse`).

use dokuei_node::dicom::dimse::acknowledged;

/// Bytes of an answer: its numbers, two UIDs of 64 characters, and the heads of all of them.
const ANSWER: usize = 512;

/// Whatever can be read can be answered, briefly, and the answer can be read.
pub fn check(data: &[u8]) {
    let Ok(answer) = acknowledged(data) else {
        return;
    };
    assert!(answer.len() <= ANSWER);
    let again = acknowledged(&answer).unwrap_or_else(|why| panic!("written, but not read: {why}"));
    // What an answer repeats of its request is of requests alone.
    assert!(again.len() <= answer.len());
}
