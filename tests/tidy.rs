//! The house rules, applied to this repository.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dokuei_tests::crates::Crates;
use dokuei_tests::messages::messages;
use dokuei_tests::rules::{self, File};
use dokuei_tests::snapshots;

/// Functions that may be longer than the rule, each with its reason.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

/// What is sealed for other sites or kept in files, and is no signed document.
const FORMS: &[&str] = &[
    "object-head-1",
    "manifest-1",
    "report-subject-1",
    "dokuei-report-1",
    "dokuei-case-1",
    "priors-list-1",
];

/// What touches the world: clocks, sockets, disks, runtimes, and DICOM.
const WORLDLY: &[&str] = &[
    "tokio",
    "tokio-*",
    "async-*",
    "smol",
    "futures-executor",
    "mio",
    "socket2",
    "rustix",
    "libp2p",
    "libp2p-*",
    "quinn",
    "quinn-*",
    "rustls",
    "hyper",
    "axum",
    "redb",
    "dicom-*",
    "jiff",
    "tempfile",
    "dokuei-node",
];
/// Sources of chance that a crate would take from the system by itself.
const SYSTEM_CHANCE: &[&str] = &["getrandom", "rand"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The repository's files that are text. Without version control it is all that is not built.
fn files() -> Vec<(String, String)> {
    let listed = output(
        "git",
        &[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
    );
    let paths = listed.split('\0').filter(|path| !path.is_empty());
    let text = |path: &str| Some((path.to_owned(), fs::read_to_string(root().join(path)).ok()?));
    let files: Vec<_> = paths.filter_map(text).collect();
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

fn every(rust_only: bool, rule: impl Fn(&File<'_>) -> Vec<String>) {
    let files = files();
    let chosen = files
        .iter()
        .filter(|(path, _)| !rust_only || path.ends_with(".rs"));
    let wrong: Vec<_> = chosen
        .flat_map(|(path, text)| rule(&File { path, text }))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn crates() -> Crates {
    let version = output("rustc", &["-vV"]);
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let arguments = [
        "metadata",
        "--format-version",
        "1",
        "--offline",
        "--filter-platform",
        host,
    ];
    let answer = output(env!("CARGO"), &arguments);
    let crates = Crates::read(&serde_json::from_str(&answer).unwrap()).unwrap();
    for name in [
        "dokuei-keys",
        "dokuei-compression",
        "dokuei-protocol",
        "dokuei-congestion",
        "dokuei-node",
        "dokuei-simulations",
        "dokuei-line",
    ] {
        assert!(crates.has(name), "{name} is not in the workspace");
    }
    crates
}

#[test]
fn keys_and_protocol_do_not_reach_the_world() {
    let crates = crates();
    for name in ["dokuei-keys", "dokuei-protocol"] {
        assert_eq!(
            crates.forbidden(name, WORLDLY),
            Vec::<String>::new(),
            "{name}"
        );
        let uses = crates.uses(name);
        let chance: Vec<_> = SYSTEM_CHANCE
            .iter()
            .filter(|source| uses.contains(**source))
            .collect();
        assert!(
            chance.is_empty(),
            "{name} takes chance from the system: {chance:?}"
        );
    }
    assert!(!crates.reaches("dokuei-keys").contains("dokuei-protocol"));
    // The rule can see: the node does reach them.
    assert!(crates.forbidden("dokuei-node", WORLDLY).len() > 5);
}

#[test]
fn compression_reaches_neither_the_world_nor_us() {
    let ours = ["dokuei-*"];
    let forbidden: Vec<&str> = WORLDLY.iter().chain(&ours).copied().collect();
    let reached = crates().forbidden("dokuei-compression", &forbidden);
    assert_eq!(reached, Vec::<String>::new());
}

#[test]
fn congestion_reaches_nothing() {
    assert!(crates().reaches("dokuei-congestion").is_empty());
}

#[test]
fn simulations_never_reach_the_node() {
    let forbidden = crates().forbidden(
        "dokuei-simulations",
        &["dokuei-node", "libp2p", "redb", "dicom-*"],
    );
    assert_eq!(forbidden, Vec::<String>::new());
}

#[test]
fn the_line_knows_nothing_of_the_product_and_the_product_nothing_of_it() {
    let crates = crates();
    assert_eq!(
        crates.forbidden("dokuei-line", &["dokuei-*"]),
        Vec::<String>::new()
    );
    for name in ["dokuei-keys", "dokuei-protocol", "dokuei-node"] {
        assert!(!crates.reaches(name).contains("dokuei-line"), "{name}");
    }
}

#[test]
fn files_and_functions_are_short() {
    every(true, |file| rules::sizes(file, LONG_FUNCTIONS));
}

#[test]
fn nothing_is_left_unfinished() {
    every(true, rules::unfinished);
}

#[test]
fn peer_ids_stay_in_the_network() {
    every(true, rules::peer_ids);
}

#[test]
fn every_message_says_the_same_in_both_languages() {
    every(true, messages);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    every(false, rules::absolute_paths);
}

#[test]
fn bytes_between_sites_and_at_rest_have_snapshots() {
    let files = files();
    let files: Vec<File<'_>> = files
        .iter()
        .map(|(path, text)| File { path, text })
        .collect();
    let wrong: Vec<_> = files.iter().filter_map(snapshots::decided).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));

    let of = |folder: &'static str| {
        files
            .iter()
            .filter(move |file| file.path.starts_with(folder))
    };
    let sources = of("keys/src/").chain(of("protocol/src/"));
    let documents: Vec<_> = sources.clone().flat_map(snapshots::documents).collect();
    let defined: usize = sources.map(snapshots::defines_documents).sum();
    assert_eq!(documents.len(), defined, "a document's kind was not found");
    let records: Vec<_> = of("protocol/src/record.rs")
        .flat_map(snapshots::records)
        .collect();
    let tables: Vec<_> = of("node/src/store/tables.rs")
        .flat_map(snapshots::tables)
        .collect();
    assert!(documents.len() > 10 && records.len() > 10 && tables.len() > 5);

    let forms = FORMS.iter().map(|form| (*form).to_owned());
    let kinds: Vec<_> = documents
        .into_iter()
        .chain(records)
        .chain(tables)
        .chain(forms)
        .collect();
    let kept = files.iter().filter(|file| file.path.ends_with(".snap"));
    let kept: Vec<_> = kept
        .map(|file| File {
            path: file.path,
            text: file.text,
        })
        .collect();
    let wrong = snapshots::missing(&kinds, &kept);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_is_on_the_map() {
    let files = files();
    let map = files
        .iter()
        .find(|(path, _)| path == "docs/ARCHITECTURE.md");
    let (_, map) = map.expect("docs/ARCHITECTURE.md is the map of the modules");
    let modules: BTreeSet<_> = files
        .iter()
        .filter_map(|(path, _)| rules::module(path))
        .collect();
    let wrong = rules::map(map, &Vec::from_iter(modules));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
