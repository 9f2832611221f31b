//! Writes the seeds of one target into a folder, each under its number.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;

use dokuei_fuzz::TARGETS;

fn main() {
    let mut words = std::env::args().skip(1);
    let usage = "usage: seeds TARGET FOLDER";
    let (name, folder) = (words.next().expect(usage), words.next().expect(usage));
    let target = TARGETS.iter().find(|target| target.name == name);
    let seeds = (target.expect("a target that there is").seeds)();
    let folder = PathBuf::from(folder);
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
    }
}
