//! Signed reports: composing one at the reading site, receiving it at the requesting site, verifying
//! it anywhere.

pub mod bundle;
pub mod compose;
pub mod file;
pub mod kept;
pub mod listing;
pub mod objects;
pub mod reception;
pub mod rendering;
pub mod subject;
pub mod verify;
