//! The house rules as functions over text, so that each can be shown a house that breaks them. The
//! test `tidy` applies them to this repository; the folder `end_to_end` drives the built binary.

pub mod crates;
pub mod messages;
pub mod rules;
pub mod rust_source;
pub mod snapshots;
