//! What sites agree on: partners, cases, reports, and the one service that decides.
//!
//! Everything that happens is a [`record::Record`], and only [`service::Service`] decides. It is
//! given what happened and the time, and gives back what to write down and what to do. There is no
//! clock, disk, socket or runtime in here, and nothing that identifies a person examined: types hold
//! digests and sealed bytes.

#![warn(missing_docs)]

mod beside;
pub mod case;
pub mod effect;
pub mod input;
pub mod limits;
pub mod log;
pub mod outbox;
pub mod partner;
pub mod record;
pub mod service;
pub mod state;
pub mod study;
pub mod time;
