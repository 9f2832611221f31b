//! Scenarios: what two or three sites live through together, told with a small kit on a virtual
//! clock and a perfect wire.

mod kit;

mod candidates;
mod declining;
mod documents;
mod formats;
mod pairing;
mod partners;
mod phases;
mod prekeys;
mod reading;
mod reporting;
mod restarting;
mod returning;
mod waiting;
mod withdrawing;
