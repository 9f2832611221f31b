//! An emulated line: network namespaces whose packets are queued, paced, delayed and lost as a
//! clinic's line would, so that anybody can repeat what is measured about transfers.
//!
//! [`direction`] decides what happens to each packet, with the time as an argument; [`lab`] makes the
//! namespaces and carries packets between them. Nothing of the product depends on this crate.

pub mod amount;
mod carrier;
mod device;
pub mod direction;
pub mod lab;
pub mod measure;
pub mod namespace;
mod network;
pub mod order;
pub mod packet;
pub mod settings;
pub mod site;
pub mod tally;
