//! Moving parcels between partners: serving ranges of what lies here, fetching what is missing.

pub(crate) mod asking;
pub mod counts;
pub mod earlier;
mod gathered;
pub mod given;
#[cfg(test)]
mod hostile;
pub mod known;
pub mod moving;
pub mod precedence;
pub mod progress;
pub mod receive;
mod resuming;
pub mod serve;
mod sink;
mod taking;
#[cfg(test)]
mod tests;

pub use sink::{Content, Listed};
