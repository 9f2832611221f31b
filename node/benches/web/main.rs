//! How quickly studies are found and handed out over DICOMweb, beside Orthanc with its DICOMweb plugin, in one run.
//!
//! `cargo bench -p dokuei-node --bench web [-- --studies N] [--alone]` prints a Markdown table. Both archives hold the
//! same objects, and are asked the same; they take turns, request by request, so that whatever else the
//! machine does falls on both. N small studies (10,000 without a number) lie beside one CT of 500 slices. The peer gets all of them over
//! C-STORE, dokuei the CT alone: small studies lie in its data folder before it is started, put there by its own intake.
//! `--alone` leaves the peer out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step ends the benchmark"
)]

mod archives;
mod cancel;
mod client;
mod small;
#[path = "../study/mod.rs"]
mod study;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use archives::Archive;
use client::Client;
use study::MadeStudy;

/// Slices of the large study.
const SLICES: u64 = 500;
/// Small studies, unless told otherwise.
const STUDIES: u64 = 10_000;
/// How often each request is made to each archive, one client.
const REQUESTS: usize = 100;
/// How often the long ones are.
const LONG_REQUESTS: usize = 15;
/// Clients at once.
const CLIENTS: usize = 8;
/// How long they ask.
const CROWD: Duration = Duration::from_secs(4);

/// One row of the table.
struct Asked {
    what: &'static str,
    /// The path below the root; `{}` stands for a number from 1 that changes.
    path: String,
    accept: &'static str,
    times: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = words.iter().position(|word| word == "--studies");
    let studies = number
        .and_then(|at| words.get(at + 1)?.parse().ok())
        .unwrap_or(STUDIES);
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let large = MadeStudy::new(1, SLICES, 0);
    let mut archives = vec![archives::dokuei(place.path(), studies)];
    let is_alone = words.iter().any(|word| word == "--alone");
    let peer = (!is_alone).then(|| archives::orthanc(place.path()));
    match peer.flatten() {
        Some(orthanc) => archives.push(orthanc),
        None if is_alone => {}
        None => println!("Orthanc or its DICOMweb plugin is not installed.\n"),
    }
    for archive in &archives {
        let begun = Instant::now();
        archives::send_large(archive, &large);
        if archive.name != "dokuei" {
            archives::send_small(archive, studies);
        }
        println!(
            "{} took in what was sent to it in {:.0} s",
            archive.name,
            begun.elapsed().as_secs_f64()
        );
    }
    println!(
        "\n| request | archive | p50 ms | p99 ms | {CLIENTS} clients: requests/s | MB/s | × |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|");
    for asked in rows(&large) {
        row(&archives, &asked);
    }
    if studies > 1_000 {
        cancel::table(&archives);
    }
    for archive in &archives {
        println!(
            "\n{}: at most {:.0} MiB",
            archive.name,
            archives::peak_mebibytes(archive)
        );
    }
}

fn rows(large: &MadeStudy) -> [Asked; 9] {
    let study = &large.uid;
    let series = format!("studies/{study}/series/{study}.0.0");
    let json = "application/dicom+json";
    let parts = "multipart/related; type=application/octet-stream; transfer-syntax=*";
    let asked = |what, path, accept, times| Asked {
        what,
        path,
        accept,
        times,
    };
    [
        asked(
            "study list, 101 of them",
            "studies?limit=101&offset=0&includefield=00081030%2C00080060".to_owned(),
            json,
            REQUESTS,
        ),
        asked(
            "studies of a name",
            "studies?limit=101&PatientName=*7%7B%7D*".replace("%7B%7D", "{}"),
            json,
            REQUESTS,
        ),
        asked(
            "studies of a patient's ID",
            "studies?limit=101&PatientID=P{}".to_owned(),
            json,
            REQUESTS,
        ),
        asked(
            "studies of a day with none",
            "studies?limit=101&StudyDate=19010101-19010131".to_owned(),
            json,
            REQUESTS,
        ),
        asked(
            "studies of a modality with none",
            "studies?limit=101&ModalitiesInStudy=XA".to_owned(),
            json,
            REQUESTS,
        ),
        asked(
            "metadata of 500 slices",
            format!("{series}/metadata"),
            json,
            LONG_REQUESTS,
        ),
        asked(
            "one instance",
            format!("{series}/instances/{study}.{{}}"),
            "multipart/related; type=\"application/dicom\"; transfer-syntax=*",
            REQUESTS,
        ),
        asked(
            "one frame",
            format!("{series}/instances/{study}.{{}}/frames/1"),
            parts,
            REQUESTS,
        ),
        asked(
            "a whole study",
            format!("studies/{study}"),
            "multipart/related; type=\"application/dicom\"; transfer-syntax=*",
            5,
        ),
    ]
}

fn row(archives: &[Archive], asked: &Asked) {
    let mut clients: Vec<Client> = archives
        .iter()
        .map(|one| Client::new(one.web, one.token.as_deref()))
        .collect();
    let mut taken: Vec<Vec<f64>> = archives.iter().map(|_| Vec::new()).collect();
    for round in 0..asked.times {
        for (at, archive) in archives.iter().enumerate() {
            let begun = Instant::now();
            let bytes = clients[at].get(&path(archive, asked, round), asked.accept);
            let took = begun.elapsed().as_secs_f64() * 1000.0;
            assert!(
                bytes > 0,
                "{} answers {} with nothing",
                archive.name,
                asked.what
            );
            taken[at].push(took);
        }
    }
    let crowds: Vec<(f64, f64)> = archives
        .iter()
        .map(|archive| crowd(archive, asked))
        .collect();
    let theirs = crowds.last().map_or(f64::NAN, |crowd| crowd.0);
    for (at, archive) in archives.iter().enumerate() {
        let times = &mut taken[at];
        times.sort_by(f64::total_cmp);
        let of = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        let (requests, megabytes) = crowds[at];
        println!(
            "| {} | {} | {:.1} | {:.1} | {requests:.0} | {megabytes:.0} | {:.1} |",
            asked.what,
            archive.name,
            of(0.5),
            of(0.99),
            requests / theirs
        );
    }
}

fn path(archive: &Archive, asked: &Asked, round: usize) -> String {
    let number = (round as u64 % SLICES) + 1;
    format!(
        "{}/{}",
        archive.root,
        asked.path.replace("{}", &number.to_string())
    )
}

/// Requests and megabytes a second of clients that ask all at once.
fn crowd(archive: &Archive, asked: &Asked) -> (f64, f64) {
    let begun = Instant::now();
    let counts: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || ask_on(archive.web, archive, asked, number)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let requests: usize = counts.iter().map(|count| count.0).sum();
    let bytes: usize = counts.iter().map(|count| count.1).sum();
    (requests as f64 / seconds, bytes as f64 / seconds / 1e6)
}

fn ask_on(web: SocketAddr, archive: &Archive, asked: &Asked, number: usize) -> (usize, usize) {
    let mut client = Client::new(web, archive.token.as_deref());
    let (begun, mut requests, mut bytes) = (Instant::now(), 0, 0);
    while begun.elapsed() < CROWD {
        bytes += client.get(&path(archive, asked, number * 61 + requests), asked.accept);
        requests += 1;
    }
    (requests, bytes)
}
