//! The receiving and sending sides against each other, dcmtk, dicom-ul and hostile peers.
//! Loopback only.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod dcmtk;
mod folder;
mod given_up;
mod house;
mod memory;
mod moody;
mod object;
mod raw;
mod shelf;

mod archive;
mod commit;
mod crowd;
mod hostile;
mod library;
mod persistence;
mod priors;
mod protected;
mod query;
mod receive;
mod retrieve;
mod send;
mod send_to_dcmtk;
mod transcoded;
mod trouble;
