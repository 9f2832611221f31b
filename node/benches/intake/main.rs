//! Objects per second taken in from `storescu` with its default options, over loopback.
//!
//! `cargo bench -p dokuei-node --bench intake` prints a Markdown table. Each run starts a receiver with an empty data
//! folder, sends one study by one or four `storescu` processes at once, and takes the time from their start to their
//! end; what the receiver then says it has must be all of it. Receivers take turns, so that whatever else the machine
//! does falls on all of them. Words after `--` choose the receivers whose name contains one of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step ends the benchmark"
)]

mod disk;
mod measured;
mod objects;
mod receivers;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use measured::{children_seconds, median, peak_mebibytes, processor_seconds};
use objects::{Files, KINDS};
use receivers::{MAKES, Make, is_installed};

/// Images of a study.
const IMAGES: usize = 500;
/// Images for a peer, which takes some twenty of them a second.
const PEER_IMAGES: usize = 100;
/// Each cell is the median of so many runs; of a peer, one.
const RUNS: usize = 5;
/// Associations at once. The study lies in as many folders as the largest number.
const ASSOCIATIONS: [usize; 2] = [1, 4];

/// One run.
struct Run {
    seconds: f64,
    receiver_seconds: f64,
    sender_seconds: f64,
    peak_mebibytes: f64,
}

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    println!(
        "{IMAGES} images ({PEER_IMAGES} to the peers), median of {RUNS} runs (peers: 1); {}\n",
        measured::machine()
    );
    println!(
        "| images | associations | receiver | before it answers | images/s | MB/s | × storescp | CPU ms/image: receiver | storescu | peak MiB |"
    );
    println!("|---|--:|---|---|--:|--:|--:|--:|--:|--:|");
    for kind in &KINDS {
        let most = ASSOCIATIONS[ASSOCIATIONS.len() - 1];
        let files = |count: usize, name: &str| {
            objects::write(kind, count, most, &place.path().join(kind.name).join(name)).unwrap()
        };
        let (all, few) = (files(IMAGES, "all"), files(PEER_IMAGES, "few"));
        for associations in ASSOCIATIONS {
            rows(kind.name, associations, &all, &few, place.path());
            let synced = disk::objects_per_second(&all, associations, place.path());
            println!(
                "| {} | {associations} | disk alone (a file and its folder synced) | durable | {synced:.0} | {:.0} | | | | |",
                kind.name,
                megabytes(&all, synced)
            );
        }
    }
}

/// The rows of one kind of images and one number of associations.
fn rows(kind: &str, associations: usize, all: &Files, few: &Files, place: &Path) {
    let makes: Vec<&Make> = MAKES.iter().filter(|make| is_wanted(make.name)).collect();
    let mut runs: Vec<Vec<Run>> = makes.iter().map(|_| Vec::new()).collect();
    for round in 0..RUNS {
        for (make, runs) in makes.iter().zip(&mut runs) {
            let present = make.program.is_none_or(is_installed);
            if present && (round == 0 || !make.is_peer) {
                let files = if make.is_peer { few } else { all };
                runs.push(run(make, associations, files, place));
            }
        }
    }
    let rate = |make: &Make, runs: &[Run]| {
        let count = if make.is_peer { few.count } else { all.count };
        count as f64 / median(runs.iter().map(|run| run.seconds).collect())
    };
    let reference = makes.iter().zip(&runs).find_map(|(make, runs)| {
        (make.name == "dcmtk storescp" && !runs.is_empty()).then(|| rate(make, runs))
    });
    for (make, runs) in makes.iter().zip(&runs) {
        let begun = format!(
            "| {kind} | {associations} | {} | {} |",
            make.name, make.promise
        );
        if runs.is_empty() {
            println!("{begun} not installed | | | | | |");
            continue;
        }
        let files = if make.is_peer { few } else { all };
        let rate = rate(make, runs);
        let ratio = reference.map_or(String::new(), |peer| format!("{:.0}", rate / peer));
        let of = |value: fn(&Run) -> f64| median(runs.iter().map(value).collect());
        let each = |seconds: f64| seconds * 1000.0 / files.count as f64;
        println!(
            "{begun} {rate:.0} | {:.0} | {ratio} | {:.2} | {:.2} | {:.0} |",
            megabytes(files, rate),
            each(of(|run| run.receiver_seconds)),
            each(of(|run| run.sender_seconds)),
            of(|run| run.peak_mebibytes),
        );
    }
}

fn megabytes(files: &Files, rate: f64) -> f64 {
    rate * files.bytes as f64 / files.count as f64 / 1e6
}

fn is_wanted(name: &str) -> bool {
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

/// One receiver, started for this, and everything sent to it.
fn run(make: &Make, associations: usize, files: &Files, place: &Path) -> Run {
    // All folders stay until the end: on ext4, making files is slow for a minute after many were removed.
    let folder = tempfile::Builder::new()
        .prefix("receiver-")
        .disable_cleanup(true)
        .tempdir_in(place)
        .unwrap();
    let folder = folder.path().to_owned();
    let receiver = (make.start)(&folder);
    let process = receiver.process().unwrap_or_else(std::process::id);
    let (received, sent) = (processor_seconds(process), children_seconds());
    let begun = Instant::now();
    storescu(receiver.address(), files, associations);
    let seconds = begun.elapsed().as_secs_f64();
    let sender_seconds = children_seconds() - sent;
    let in_here = if receiver.process().is_none() {
        sender_seconds
    } else {
        0.0
    };
    let run = Run {
        seconds,
        receiver_seconds: processor_seconds(process) - received - in_here,
        sender_seconds,
        peak_mebibytes: peak_mebibytes(process),
    };
    assert_eq!(receiver.stored(), files.count, "{}", make.name);
    run
}

/// Sends all files with as many `storescu` processes at once.
fn storescu(to: std::net::SocketAddr, files: &Files, processes: usize) {
    let shares = files.shares.chunks(files.shares.len() / processes);
    let children: Vec<_> = shares
        .map(|share| {
            Command::new("storescu")
                .args(["+sd", &to.ip().to_string(), &to.port().to_string()])
                .args(share)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("dcmtk's storescu is needed")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}
