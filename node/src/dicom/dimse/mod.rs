//! DIMSE messages (PS3.7): how both sides read them, command sets, their statuses, the information models of query and
//! retrieve, and which abstract syntaxes belong to which service.

pub(crate) mod command;
pub(crate) mod commitment;
mod element;
mod failure;
pub(crate) mod message;
mod query;
pub(crate) mod reader;
mod service;
pub(crate) mod status;

pub use commitment::{Committed, Reference, Verdict};
pub use failure::{QueryFailure, QueryStatus};
pub use message::acknowledged;
pub use query::{Level, Looked, Model};
pub use service::{COMMITMENT, COMMITMENT_INSTANCE, Service, VERIFICATION};
pub use status::{StatusMeaning, StoreFailure, StoreStatus, judge_store_status};
