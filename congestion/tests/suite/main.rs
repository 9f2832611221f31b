//! The controller on simulated lines, and whatever else it may be told.

#[path = "../line/mod.rs"]
mod line;

mod alone;
mod calls;
mod sharing;

/// Runs on the same line with other chance.
const SEEDS: [u64; 3] = [1, 2, 3];
