//! The node a hospital runs: the only crate that touches the world.

pub mod dicom;
