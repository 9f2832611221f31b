//! Many sites that run the real protocol on a virtual clock, with everything going wrong that a seed
//! can think of, checked after every step; then nothing goes wrong any more, and everything must come
//! to rest.
//!
//! The simulated node does what a node must: it commits the records and secrets of a step in one
//! transaction, then performs the effects; after a start it replays, restores and resumes. Keys, seals
//! of keys and signatures are real; the content of parcels is only its length and digest.

#![warn(missing_docs)]

mod archive;
mod chance;
mod checks;
mod chronicle;
mod parcel;
pub mod run;
mod store;
pub mod tally;
mod trace;
mod weather;
mod world;
