//! DICOM: everything that reads, writes, receives or sends it.
//!
//! Bytes from outside meet [`scanner`] first, before any other parser sees them. It is bounded in
//! memory and time whatever the bytes are, and decides whether an object can be identified safely.
//! What it lets through is carried unchanged.

pub mod charset;
pub mod dataset;
pub(crate) mod date_time;
pub mod dimse;
pub mod header;
pub mod matching;
pub mod pacs;
pub mod part10;
pub mod pdu;
pub mod scanner;
pub mod scp;
pub mod scu;
pub mod uid;
