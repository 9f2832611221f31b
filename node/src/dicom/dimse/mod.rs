//! DIMSE messages (PS3.7): the command sets of C-ECHO and C-STORE, their statuses, and which
//! abstract syntaxes belong to which service.

pub(crate) mod command;
mod service;
mod status;

pub use service::{Service, VERIFICATION};
pub use status::{StatusMeaning, StoreFailure, StoreStatus, judge_store_status};
