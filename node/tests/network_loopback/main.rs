//! Two or three nodes' networks in one process, on loopback.

#![allow(
    clippy::unwrap_used,
    reason = "what clippy.toml allows in tests, for what tests share"
)]

mod abuse;
mod bulk;
mod connecting;
mod delivering;
mod objects;
mod outsiders;
mod pairing;
mod site;
mod ways;
