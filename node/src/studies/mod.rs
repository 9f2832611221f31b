//! The studies that lie here: those that modalities sent, and those that partners granted. What
//! search needs is in memory, opened at start from sealed rows; the objects are parcels.

pub mod attributes;
pub mod granted;
pub mod identity;
pub mod import;
pub mod intake;
pub mod patient;
pub mod person;
pub mod persons;
pub mod quarantine;
pub mod register;
pub mod seen;
pub mod study;
