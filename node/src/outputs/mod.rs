//! Renderings of a signed report: a PDF for people and a DICOM Encapsulated PDF for the PACS.
//!
//! Both are pure functions of their input: no clock, no disk, no randomness, so the same report
//! gives the same bytes on every node and after every restart.

pub(crate) mod dates;
pub mod encapsulated;
pub mod pdf;
pub mod view;
