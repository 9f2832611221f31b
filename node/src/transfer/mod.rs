//! Moving parcels between partners: serving ranges of what lies here, fetching what is missing.

pub mod earlier;
mod gathered;
pub mod marks;
pub mod progress;
pub mod receive;
pub mod serve;
mod sink;

pub use sink::{Content, Listed};
