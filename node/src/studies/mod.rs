//! The studies that lie here: those that modalities sent, and those that partners granted. A few
//! words of each are in memory; what it holds is read from sealed rows when somebody asks, and the objects are parcels.

pub mod arrived;
pub mod attributes;
pub mod bell;
pub mod granted;
pub mod head;
pub mod identity;
pub mod import;
pub mod instances;
pub mod intake;
pub mod likeness;
pub mod patient;
pub mod person;
pub mod persons;
pub mod quarantine;
pub mod register;
pub mod seen;
pub mod settling;
mod shelf;
pub mod study;
