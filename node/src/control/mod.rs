//! How the command line speaks to the running node: one line of JSON each way over a Unix socket in
//! the data folder. The system says who is at the other end; there is no token.

pub mod client;
pub mod request;
pub mod sent;
pub mod server;
pub mod socket;

mod access;
pub(crate) mod answers;
mod caller;
mod carrying;
mod case_priors;
pub(crate) mod cases;
mod checking;
mod deidentify;
mod dicom;
mod endings;
mod keys;
mod media;
mod partners;
pub(crate) mod people;
mod priors;
mod pseudonymous;
mod quarantine;
mod reports;
pub(crate) mod sending;
mod status;
mod studies;
mod whose;

/// Longest request line: a report with the largest PDF, in base 64.
pub const REQUEST_BYTES: u64 = 48 * 1024 * 1024;
/// Longest request line of which many may be under way: everything but a report with a PDF.
const LIGHT_REQUEST_BYTES: u64 = 64 * 1024;
/// Longest answer line: a report bundle with its PDF, in base 64.
pub const ANSWER_BYTES: u64 = 256 * 1024 * 1024;
