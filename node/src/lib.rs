//! The node a hospital runs. The only crate that touches the world: network, DICOM, disk, people.
//! It commits what `dokuei_protocol` decided and does what it is told; no decision about a case is
//! made in here.

pub mod ahead;
pub mod archive;
pub mod audit;
pub mod chance;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod commitments;
pub mod config;
pub mod control;
pub mod deidentify;
pub mod demo;
pub mod dicom;
pub mod dicomweb;
pub mod disk;
pub mod entities;
pub mod index;
pub mod language;
pub mod media;
pub mod network;
pub mod outputs;
pub mod packs;
pub mod parcels;
pub mod pixels;
pub mod priors;
pub mod reports;
pub mod runtime;
pub mod site;
pub mod store;
pub mod studies;
pub mod tls;
pub mod transcoding;
pub mod transfer;
pub mod viewer;
pub mod worklist;
