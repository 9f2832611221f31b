//! From the first C-STORE at the clinic until the hospital's archive holds every object: how long,
//! where the time goes, what it costs.
//!
//! `cargo bench -p dokuei-node --bench clinic_to_pacs` makes a CT study of 500 slices for each run,
//! sends it with `storescu` and its default options, asks the hospital to read it with `dokuei study
//! send` the moment `storescu` has ended, and watches the archive's folder. Two nodes and two archives
//! as processes on loopback. Prints Markdown tables; asserts no time. `-- --runs N --slices N`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dokuei_node::control::request::Request;
use pair::{Site, archive_if_asked, pair, until};
use process::{ended, peak_mib, processor_seconds};
use study::MadeStudy;

mod pair;
mod process;
mod study;

const RUNS: u64 = 5;
const SLICES: u64 = 500;
/// How often the archive's folder is looked at: listing thousands of names takes a processor's time that is missing elsewhere.
const LOOK: Duration = Duration::from_millis(25);

/// One figure of a run, in seconds.
type Seconds = fn(&Run) -> f64;

/// One run, in seconds and seconds of processor time.
#[derive(Clone, Default)]
struct Run {
    megabytes: f64,
    intake: f64,
    booking: f64,
    transfer: f64,
    archive: f64,
    whole: f64,
    /// When the archive had its first object, from the first C-STORE.
    first: f64,
    /// `storescu`, clinic, hospital, archive.
    processor: [f64; 4],
}

fn main() {
    archive_if_asked();
    let (runs, slices) = (argument("--runs", RUNS), argument("--slices", SLICES));
    let place = tempfile::tempdir().unwrap();
    let clinic = Site::open(place.path(), "clinic", "CLINIC", true);
    let hospital = Site::open(place.path(), "hospital", "HOSPITAL", true);
    pair(&clinic, &hospital);
    let mut done: Vec<Run> = Vec::new();
    for seed in 1..=runs {
        let study = MadeStudy::new(seed, slices, 0);
        // Nothing is removed before the end: file systems take their time over new files after that.
        let files = study
            .write(&place.path().join(format!("files-{seed}")))
            .unwrap();
        // What an earlier run left to be written is not this one's.
        Command::new("sync").status().unwrap();
        done.push(one(&study, &files, &clinic, &hospital));
        eprintln!("run {seed}: {:.2} s", done.last().unwrap().whole);
    }
    done.sort_by(|one, other| one.whole.total_cmp(&other.whole));
    print(&done, slices, [&clinic, &hospital]);
}

fn one(study: &MadeStudy, files: &std::path::Path, clinic: &Site, hospital: &Site) -> Run {
    let before = hospital.files();
    let spent = || [clinic.node(), hospital.node(), hospital.archive()].map(processor_seconds);
    let spent_before = spent();
    let (begun, begun_at) = (Instant::now(), clock());
    let mut scanner = Command::new("storescu")
        .args(["+sd", &clinic.dicom.0, &clinic.dicom.1.to_string()])
        .arg(files)
        .stdin(Stdio::null())
        .spawn()
        .expect("dcmtk's storescu is needed");
    let (status, scanner_seconds) = ended(&mut scanner).unwrap();
    assert!(status.success());
    let intake = begun.elapsed().as_secs_f64();
    let case = clinic.hand_over(&study.uid, hospital);
    let mut first = None;
    while hospital.files() < before + study.objects() {
        if first.is_none() && hospital.files() > before {
            first = Some(begun.elapsed().as_secs_f64());
        }
        assert!(
            begun.elapsed() < Duration::from_secs(600),
            "it does not arrive"
        );
        std::thread::sleep(LOOK);
    }
    let whole = begun.elapsed().as_secs_f64();
    let spent_after = spent();
    let show = || Request::CaseShow { case: case.clone() };
    let view = until("the receipt", || {
        let view = clinic.ask(show());
        (view["phase"] == "received").then_some(view)
    });
    let moment = |what: &str| {
        let timeline = view["timeline"].as_array().unwrap().iter();
        let at = timeline.rev().find(|one| one["what"] == what).unwrap()["at"].as_u64();
        at.unwrap() as f64 / 1000.0 - begun_at
    };
    let (granted, received) = (moment("granted"), moment("received"));
    let [a, b, c] = [0, 1, 2].map(|at: usize| spent_after[at] - spent_before[at]);
    Run {
        megabytes: study.bytes() as f64 / 1e6,
        intake,
        booking: granted - intake,
        transfer: received - granted,
        archive: (whole - received).max(0.0),
        whole,
        first: first.unwrap_or(whole),
        processor: [scanner_seconds, a, b, c],
    }
}

fn print(runs: &[Run], slices: u64, sites: [&Site; 2]) {
    let median = &runs[runs.len() / 2];
    let best = &runs[0];
    println!(
        "CT of {slices} slices, {:.0} MB; {} runs\n",
        best.megabytes,
        runs.len()
    );
    println!(
        "| from the first C-STORE to the hospital's archive | best s | MB/s | median s | MB/s |"
    );
    println!("|---|---|---|---|---|");
    let stages: [(&str, Seconds); 5] = [
        ("intake (`storescu` begins … ends)", |run| run.intake),
        ("booking (… the key is granted)", |run| run.booking),
        ("transfer (… the receipt is here)", |run| run.transfer),
        ("archive (what is left of storing then)", |run| run.archive),
        ("**whole**", |run| run.whole),
    ];
    for (name, of) in stages {
        let rate = |run: &Run| run.megabytes / of(run);
        let (b, m) = (best, median);
        println!(
            "| {name} | {:.2} | {:.0} | {:.2} | {:.0} |",
            of(b),
            rate(b),
            of(m),
            rate(m)
        );
    }
    println!(
        "\nThe archive had its first object after {:.2} s (median run).\n",
        median.first
    );
    println!("| process | CPU-s (median run) | peak resident MiB |\n|---|---|---|");
    let names = [
        "`storescu`",
        "clinic's node",
        "hospital's node",
        "hospital's archive",
    ];
    let peaks = [
        None,
        Some(sites[0].node()),
        Some(sites[1].node()),
        Some(sites[1].archive()),
    ];
    for ((name, seconds), peak) in names.iter().zip(median.processor).zip(peaks) {
        let peak = peak.map_or("–".to_owned(), |pid| format!("{:.0}", peak_mib(pid)));
        println!("| {name} | {seconds:.2} | {peak} |");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let spent: f64 = median.processor.iter().sum();
    println!(
        "\nTogether {spent:.2} CPU-s in {:.2} s on {cores} cores: {:.0} % of what the cores have.",
        median.whole,
        100.0 * spent / (cores * median.whole)
    );
}

fn argument(name: &str, otherwise: u64) -> u64 {
    let given = std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1);
    given.map_or(otherwise, |number| number.parse().unwrap())
}

/// Seconds since the epoch.
fn clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}
