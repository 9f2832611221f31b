//! Objects per second taken in from `storescu` with its default options, over loopback.
//!
//! `cargo bench -p dokuei-node --bench intake` prints a Markdown table. Each run starts a receiver with an empty data
//! folder, sends one study by one or four `storescu` processes at once, and takes the time from their start to their
//! end; what the receiver then says it has must be all of it. Receivers take turns, so that whatever else the machine
//! does falls on all of them; the disk alone, doing nothing but what must be durable, takes its turn too. Words after `--` choose the receivers whose name contains one of them.

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

use measured::{children_seconds, forget_peak, median, peak_mebibytes, processor_seconds};
use objects::{Files, KINDS};
use receivers::{MAKES, Make, is_installed};

/// Images of a study.
const IMAGES: usize = 500;
/// Images for a peer, which takes some twenty of them a second.
const PEER_IMAGES: usize = 100;
/// Each cell is the median of so many runs; of a peer, one.
const RUNS: usize = 5;
/// Associations at once. The study lies in as many folders as the largest number.
const ASSOCIATIONS: [usize; 3] = [1, 4, 8];

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
        "{IMAGES} images ({PEER_IMAGES} to the peers), {RUNS} runs (peers: 1); {}\n",
        measured::machine()
    );
    println!(
        "| images | associations | receiver | before it answers | images/s, median (best) | MB/s | × storescp | CPU ms/image: receiver, storescu | peak MiB |"
    );
    println!("|---|--:|---|---|--:|--:|--:|--:|--:|");
    for kind in &KINDS {
        let most = ASSOCIATIONS[ASSOCIATIONS.len() - 1];
        let files = |count: usize, name: &str| {
            let place = place.path().join(kind.name).join(name);
            objects::write(kind, count, most, &place).unwrap()
        };
        let table = Table {
            kind: kind.name,
            all: files(IMAGES, "all"),
            few: files(PEER_IMAGES, "few"),
            place: place.path(),
        };
        for associations in ASSOCIATIONS {
            table.rows(associations);
        }
    }
}

/// The rows of one kind of images.
struct Table<'a> {
    kind: &'static str,
    all: Files,
    /// For the peers.
    few: Files,
    place: &'a Path,
}

impl Table<'_> {
    /// The rows of one number of associations.
    fn rows(&self, associations: usize) {
        let makes: Vec<&Make> = MAKES.iter().filter(|make| is_wanted(make.name)).collect();
        let mut runs: Vec<Vec<Run>> = makes.iter().map(|_| Vec::new()).collect();
        let mut disk = Vec::new();
        for round in 0..RUNS {
            for (make, runs) in makes.iter().zip(&mut runs) {
                let present = make.program.is_none_or(is_installed);
                if present && (round == 0 || !make.is_peer) {
                    runs.push(run(make, associations, self.files(make), self.place));
                }
            }
            disk.push(disk::seconds(&self.all, associations, self.place));
        }
        let storescp = makes
            .iter()
            .zip(&runs)
            .find(|(make, runs)| make.program == Some("storescp") && !runs.is_empty());
        let storescp = storescp.map(|(make, runs)| self.rate(self.files(make), seconds(runs)).0);
        for (make, runs) in makes.iter().zip(&runs) {
            self.row(make, associations, runs, storescp);
        }
        let rate = self.rate(&self.all, disk);
        println!(
            "| {} | {associations} | the disk alone (a new file and its folder synced) | durable | {:.0} ({:.0}) | {:.0} | | | |",
            self.kind,
            rate.0,
            rate.1,
            megabytes(&self.all, rate.0)
        );
    }

    fn row(&self, make: &Make, associations: usize, runs: &[Run], storescp: Option<f64>) {
        let begun = format!(
            "| {} | {associations} | {} | {} |",
            self.kind, make.name, make.promise
        );
        if runs.is_empty() {
            println!("{begun} not installed | | | | |");
            return;
        }
        let files = self.files(make);
        let (rate, best) = self.rate(files, seconds(runs));
        let ratio = storescp.map_or(String::new(), |storescp| format!("{:.0}", rate / storescp));
        let of = |value: fn(&Run) -> f64| median(runs.iter().map(value).collect());
        let each = |seconds: f64| seconds * 1000.0 / files.count as f64;
        println!(
            "{begun} {rate:.0} ({best:.0}) | {:.0} | {ratio} | {:.2}, {:.2} | {:.0} |",
            megabytes(files, rate),
            each(of(|run| run.receiver_seconds)),
            each(of(|run| run.sender_seconds)),
            of(|run| run.peak_mebibytes),
        );
    }

    fn files(&self, make: &Make) -> &Files {
        if make.is_peer { &self.few } else { &self.all }
    }

    /// Images a second in the middle run and in the best one.
    fn rate(&self, files: &Files, seconds: Vec<f64>) -> (f64, f64) {
        let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let count = files.count as f64;
        (count / median(seconds), count / best)
    }
}

fn seconds(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.seconds).collect()
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
    // What was written before is not to be written back now.
    rustix::fs::sync();
    let receiver = (make.start)(&folder);
    let process = receiver.process().unwrap_or_else(std::process::id);
    forget_peak(process);
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
