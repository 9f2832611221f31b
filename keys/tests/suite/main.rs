//! What this crate promises, from outside: published vectors, refusals, properties, bytes on the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is a failed test"
)]

mod at_rest;
mod delegation;
mod documents;
mod envelope;
mod framing;
mod hex;
mod packs;
mod pairing;
mod properties;
mod published;
mod recipes;
mod sample;
mod sealed;
mod wire;
