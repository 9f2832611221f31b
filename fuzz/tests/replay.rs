//! Every promise of every reader, on the seeds, on the corpora that fuzzing left, and on damaged copies of both: the same
//! damage in each run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dokuei_fuzz::{TARGETS, Target};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Damaged copies for each target: some seconds altogether without optimisation. Fuzzing makes millions; where there is
/// no fuzzer, [`MORE`] names another number.
const DAMAGED: usize = 400;
/// The variable of the environment that does.
const MORE: &str = "DOKUEI_DAMAGED";
/// Times that one copy is damaged, at most.
const TIMES: usize = 6;
/// Longest file of a corpus, and how many there may be: they are part of the repository.
const CORPUS_BYTES: u64 = 8 * 1024;
const CORPUS_FILES: usize = 60;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn corpus(target: &Target) -> Vec<PathBuf> {
    let folder = home().join("corpus").join(target.name);
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Names the input whose check panicked.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the promise was broken on {}", self.0);
        }
    }
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let mut inputs: Vec<(String, Vec<u8>)> = Vec::new();
    for (seed, number) in (target.seeds)().into_iter().zip(1..) {
        inputs.push((format!("seed {number}"), seed));
    }
    for path in corpus(target) {
        inputs.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    assert!(!inputs.is_empty());
    for (name, input) in &inputs {
        let _named = Named(name.clone());
        (target.check)(input);
    }
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let more = std::env::var(MORE).ok();
    let count = more.map_or(DAMAGED, |more| more.parse().unwrap());
    for number in 0..count {
        let (name, input) = &inputs[number % inputs.len()];
        let damaged = damaged(&mut chance, input);
        let _named = Named(format!("{name}, damaged in copy {number}"));
        (target.check)(&damaged);
    }
}

fn damaged(chance: &mut ChaCha8Rng, input: &[u8]) -> Vec<u8> {
    let mut below = |end: usize| (chance.next_u64() % end.max(1) as u64) as usize;
    let mut bytes = input.to_vec();
    for _ in 0..=below(TIMES) {
        let at = below(bytes.len());
        match below(6) {
            _ if bytes.is_empty() => bytes.push(below(256) as u8),
            0 => bytes[at] ^= 1 << below(8),
            1 => bytes[at] = below(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let end = (at + 1 + below(32)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let again = bytes[at..(at + 1 + below(64)).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                // Numbers that lengths like to overflow with.
                let number = [0, 0x7F, 0x80, 0xFF][below(4)];
                let end = (at + 1 + below(4)).min(bytes.len());
                bytes[at..end].fill(number);
            }
        }
    }
    bytes
}

#[test]
fn every_target_has_a_program_a_corpus_and_a_test() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    let listed = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(home().join(folder)).unwrap();
        let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries.map(|entry| name(entry.unwrap().path())).collect()
    };
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    assert_eq!(listed("libfuzzer/fuzz_targets"), names);
    assert_eq!(listed("corpus"), names);
    let manifest = fs::read_to_string(home().join("libfuzzer/Cargo.toml")).unwrap();
    let test = fs::read_to_string(home().join("tests/replay.rs")).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(test.contains(&format!("replay(\"{name}\")")), "{name}");
    }
}

#[test]
fn corpora_are_small() {
    for target in &TARGETS {
        let files = corpus(target);
        assert!(files.len() <= CORPUS_FILES, "{}", target.name);
        for file in files {
            assert!(
                fs::metadata(&file).unwrap().len() <= CORPUS_BYTES,
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn command_sets() {
    replay("command");
}

#[test]
fn compressed_pixels() {
    replay("compressed");
}

#[test]
fn data_sets() {
    replay("dataset");
}

#[test]
fn directories() {
    replay("dicomdir");
}

#[test]
fn images() {
    replay("image");
}

#[test]
fn data_sets_in_json() {
    replay("json");
}

#[test]
fn queries() {
    replay("matching");
}

#[test]
fn multipart_bodies() {
    replay("multipart");
}

#[test]
fn packs() {
    replay("pack");
}

#[test]
fn documents_of_readers() {
    replay("pdf");
}

#[test]
fn streams_of_pdus() {
    replay("pdu");
}

#[test]
fn requests_to_decoders() {
    replay("pixels");
}

#[test]
fn files() {
    replay("scanner");
}

#[test]
fn texts() {
    replay("text");
}

#[test]
fn packages_of_the_viewer() {
    replay("viewer");
}

#[test]
fn heads_of_requests() {
    replay("web");
}

#[test]
fn archives() {
    replay("zip");
}
