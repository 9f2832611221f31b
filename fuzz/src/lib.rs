//! What every reader of bytes from outside promises for any bytes, as functions over bytes. libFuzzer calls them with
//! what it finds (`fuzz/libfuzzer`, `fuzz/run`); `fuzz/tests/replay.rs` calls them on every build with the corpora and with
//! damaged copies of them.
//!
//! A broken promise is a panic. That nothing panics is one of the promises itself, and each target has others beside.

// Nothing here is part of the program: a promise is broken by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod command;
pub mod compressed;
pub mod dataset;
pub mod dicomdir;
pub mod image;
pub mod json;
pub mod matching;
pub mod multipart;
pub mod pack;
pub mod pdf;
pub mod pdu;
pub mod pixels;
pub mod scanner;
pub mod seeds;
pub mod text;
pub mod viewer;
pub mod web;
pub mod zip;

/// One reader, and what it promises.
pub struct Target {
    /// Its name: of its corpus, its dictionary, and its program for libFuzzer.
    pub name: &'static str,
    /// Checks its promises on these bytes.
    pub check: fn(&[u8]),
    /// What it is meant to read, and what it is known to refuse, beside its corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 17] = [
    Target {
        name: "command",
        check: command::check,
        seeds: seeds::commands,
    },
    Target {
        name: "compressed",
        check: compressed::check,
        seeds: compressed::seeds,
    },
    Target {
        name: "dataset",
        check: dataset::check,
        seeds: seeds::data_sets,
    },
    Target {
        name: "dicomdir",
        check: dicomdir::check,
        seeds: seeds::directories,
    },
    Target {
        name: "image",
        check: image::check,
        seeds: seeds::images,
    },
    Target {
        name: "json",
        check: json::check,
        seeds: seeds::json,
    },
    Target {
        name: "matching",
        check: matching::check,
        seeds: seeds::queries,
    },
    Target {
        name: "multipart",
        check: multipart::check,
        seeds: seeds::multiparts,
    },
    Target {
        name: "pack",
        check: pack::check,
        seeds: pack::seeds,
    },
    Target {
        name: "pdf",
        check: pdf::check,
        seeds: seeds::documents,
    },
    Target {
        name: "pdu",
        check: pdu::check,
        seeds: seeds::streams,
    },
    Target {
        name: "pixels",
        check: pixels::check,
        seeds: seeds::requests,
    },
    Target {
        name: "scanner",
        check: scanner::check,
        seeds: seeds::files,
    },
    Target {
        name: "text",
        check: text::check,
        seeds: seeds::texts,
    },
    Target {
        name: "viewer",
        check: viewer::check,
        seeds: seeds::packages,
    },
    Target {
        name: "web",
        check: web::check,
        seeds: seeds::addresses,
    },
    Target {
        name: "zip",
        check: zip::check,
        seeds: seeds::archives,
    },
];
