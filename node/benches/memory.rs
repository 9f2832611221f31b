//! How much memory a node holds during four transfers of large studies at once: it sends two and receives two.
//!
//! `cargo bench -p dokuei-node --bench memory` has two nodes on loopback take in two studies each (of 2.5 GiB: CT
//! slices, and one multi-frame object of half a GiB), send them to the other, and put what arrives into an
//! archive that counts and keeps nothing. Prints the most memory each process ever held, which must not be above
//! 256 MiB. `-- --mib N` for another size of what each takes in. Needs four times the size on disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ops::ControlFlow;
use std::time::Instant;

use dokuei_node::control::request::Request;
use dokuei_node::dicom::scu::{Destination, Outgoing, Timeouts, store};
use pair::{Counted, Site, archive_if_asked, pair, until};
use process::{peak_mib, processor_seconds};
use study::MadeStudy;

mod pair;
mod process;
mod study;

const MIB: u64 = 5 * 1024;
/// Studies that each site sends at once, which are as many as one receives from one partner at once.
const STUDIES: u64 = 2;
/// The most that a node may ever hold.
const MOST_MIB: f64 = 256.0;
/// A CT slice with its header is half a MiB and a little.
const SLICES_PER_MIB: u64 = 2;

fn main() {
    archive_if_asked();
    let size = std::env::args()
        .skip_while(|argument| argument != "--mib")
        .nth(1);
    let mib: u64 = size.map_or(MIB, |number| number.parse().unwrap()) / STUDIES;
    // One object of a fifth of it: half a GiB of 2.5.
    let frames = (mib / 5 * SLICES_PER_MIB) as u32;
    let slices = (mib - mib / 5) * SLICES_PER_MIB;
    let place = tempfile::tempdir().unwrap();
    let mut sites = [("east", "EAST"), ("west", "WEST")]
        .map(|(name, title)| Site::open(place.path(), name, title, false));
    pair(&sites[0], &sites[1]);
    let idle = [0, 1].map(|site: usize| peak_mib(sites[site].node()));
    let studies = [0, 1].map(|site| made(site, slices, frames));
    let objects: u64 = studies[0].iter().map(MadeStudy::objects).sum();
    let bytes: u64 = studies[0].iter().map(MadeStudy::bytes).sum();
    println!(
        "{objects} objects in {STUDIES} studies, {:.2} GB each way; two nodes on loopback\n",
        bytes as f64 / 1e9
    );
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (site, studies) in sites.iter().zip(&studies) {
            scope.spawn(|| studies.iter().for_each(|study| take_in(site, study)));
        }
    });
    let taken = begun.elapsed().as_secs_f64();
    let after_intake = [0, 1].map(|site: usize| peak_mib(sites[site].node()));
    let begun = Instant::now();
    let cases = [(0, 1), (1, 0)].map(|(from, to): (usize, usize)| {
        let send = |study: &MadeStudy| sites[from].hand_over(&study.uid, &sites[to]);
        studies[from].iter().map(send).collect::<Vec<String>>()
    });
    for site in &mut sites {
        until("the studies are in the other's archive", || {
            (site.counted().objects == objects).then_some(())
        });
    }
    let sent = begun.elapsed().as_secs_f64();
    for (site, cases) in sites.iter().zip(&cases) {
        receipts(site, cases);
    }
    println!(
        "| node | peak resident MiB: idle | after intake | after sending and receiving | CPU-s |\n|---|---|---|---|---|"
    );
    for (at, site) in sites.iter_mut().enumerate() {
        let (peak, seconds) = (peak_mib(site.node()), processor_seconds(site.node()));
        println!(
            "| {} | {:.0} | {:.0} | **{peak:.0}** | {seconds:.0} |",
            site.name, idle[at], after_intake[at]
        );
        assert!(peak <= MOST_MIB, "{} held {peak:.0} MiB", site.name);
        let expected = Counted {
            objects,
            bytes,
            again: 0,
        };
        assert_eq!(site.counted(), expected, "the archive has each object once");
    }
    println!(
        "\nIntake {taken:.0} s ({:.0} MB/s of both), both ways {sent:.0} s ({:.0} MB/s of both).",
        2.0 * bytes as f64 / 1e6 / taken,
        2.0 * bytes as f64 / 1e6 / sent
    );
}

/// The studies of a site.
fn made(site: u64, slices: u64, frames: u32) -> Vec<MadeStudy> {
    let seeds = site * STUDIES..(site + 1) * STUDIES;
    let studies = seeds.map(|seed| MadeStudy::new(seed + 1, slices, frames));
    studies.collect()
}

fn receipts(site: &Site, cases: &[String]) {
    for case in cases {
        let show = || Request::CaseShow { case: case.clone() };
        until("the receipt", || {
            (site.ask(show())["phase"] == "received").then_some(())
        });
    }
}

fn take_in(site: &Site, study: &MadeStudy) {
    let destination = Destination {
        host: site.dicom.0.clone(),
        port: site.dicom.1,
        called_ae: "DOKUEI".parse().unwrap(),
        calling_ae: "SCANNER".parse().unwrap(),
        timeouts: Timeouts::default(),
        tls: None,
        breaker: None,
        transcoding: None,
    };
    let objects = (0..study.objects()).map(|n| Box::new(study.object(n)) as Box<dyn Outgoing>);
    let summary = store(&destination, objects, &mut |outcome| {
        assert!(outcome.delivery.is_stored(), "{}", outcome.delivery);
        ControlFlow::Continue(())
    });
    assert_eq!(summary.stored, study.objects());
}
