//! How fast a bulk transfer may send.
#![doc = "A congestion controller as a value."]

mod base;
mod controller;
mod look;
mod loss;
mod rate;
mod round;
mod start;

pub use controller::{Controller, Phase, View};
