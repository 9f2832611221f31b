//! The renderings of a report, looked at with the programs people use: poppler for PDF, dcmtk for
//! DICOM. `./tests/run` installs both.

#![allow(
    clippy::unwrap_used,
    reason = "what a test builds its input with may fail the test"
)]

mod encapsulated;
mod own_pdf;
mod pdf;
mod sample;
