//! Scenarios: what two or three sites live through together, told with a small kit on a virtual
//! clock and a perfect wire.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a scenario that cannot go on stops and says where"
)]

mod kit;

mod additions;
mod ahead;
mod arriving;
mod cancelling;
mod candidates;
mod carrying;
mod checking;
mod declining;
mod documents;
mod formats;
mod pairing;
mod partners;
mod phases;
mod prekeys;
mod prior_ends;
mod priors;
mod pseudonyms;
mod quoting;
mod readers;
mod reading;
mod refusing;
mod renewing;
mod reporting;
mod restarting;
mod restoring;
mod retention;
mod returning;
mod revoking;
mod room;
mod sealing;
mod sharing;
mod waiting;
mod withdrawing;
