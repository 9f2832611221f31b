//! The running node: the loop, what it performs, and how it starts and stops.

pub mod absences;
pub mod desk;
pub mod dispatch;
mod door;
mod follow;
pub mod hands;
pub mod kept;
pub mod memory;
pub mod ports;
pub mod start;
pub mod trail;
pub mod troubles;
