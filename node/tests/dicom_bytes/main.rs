//! DICOM bytes from outside: what is refused, what is carried, what is read of it.
//!
//! The files under `tests/data/dicom` are other projects' or made for this one; each folder has a
//! NOTICE that says so.

#![cfg(test)]

mod broken;
mod charset_examples;
mod charset_files;
mod charset_limits;
mod dataset;
mod deflated;
mod files;
mod hostile;
mod identity;
mod mutations;
mod nesting;
mod objects;
mod part10;
mod pixels;
mod structure;
