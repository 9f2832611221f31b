//! What lies here, and finding it: the one source of answers for C-FIND, C-MOVE, C-GET, QIDO-RS and
//! WADO-RS.
//!
//! [`catalogue`] knows every study in memory, by what its first object said. [`headers`] knows what
//! every object said, read from the sealed objects and kept beside them, sealed under the same key:
//! whoever destroys a study's key destroys this too. [`holdings`] answers queries from both. [`series`] says what of an
//! answer cannot be shown, [`metadata`] is counted before it is written.
//!
//! A study is known by its institution and its UID, a patient by institution, issuer and ID: the same
//! ID at two institutions is two people.

pub mod answers;
pub mod catalogue;
mod complaints;
mod entry;
pub mod find;
pub mod headers;
pub mod holdings;
pub mod metadata;
pub mod preparing;
pub mod series;
mod services;
mod sharing;
mod words;
