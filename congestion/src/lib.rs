//! How fast a bulk transfer may send.
#![doc = "A congestion controller as a value."]

mod base;
mod controller;
mod look;
mod loss;
mod queue;
mod rate;
mod round;
mod start;
mod steady;

pub use controller::{Controller, Phase, View};
