//! How the command line speaks to the running node: one line of JSON each way over loopback, with a
//! token that only the owner of the data folder can read.

pub mod client;
pub mod request;
pub mod server;

pub(crate) mod answers;
mod cases;
mod partners;
mod people;
mod reports;
mod studies;

use serde::{Deserialize, Serialize};

/// Longest request line: a report with the largest PDF, in base 64.
pub const REQUEST_BYTES: u64 = 48 * 1024 * 1024;
/// Longest answer line: a report bundle with its PDF, in base 64.
pub const ANSWER_BYTES: u64 = 256 * 1024 * 1024;

/// What the control file says.
#[derive(Serialize, Deserialize)]
pub struct ControlFile {
    /// Where the node listens.
    pub address: String,
    /// What a request must carry.
    pub token: String,
    /// The node's process.
    pub pid: u32,
}
