//! How much memory a node holds while it sends a large study and receives another at once.
//!
//! `cargo bench -p dokuei-node --bench memory` has two nodes on loopback take in a study each (5 GiB: CT
//! slices, and one multi-frame object of 1 GiB), send it to the other, and put what arrives into an
//! archive that counts and keeps nothing. Prints the most memory each process ever held. `-- --mib N`
//! for another size. Needs four times the size on disk.

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
/// A CT slice with its header is half a MiB and a little.
const SLICES_PER_MIB: u64 = 2;

fn main() {
    archive_if_asked();
    let size = std::env::args()
        .skip_while(|argument| argument != "--mib")
        .nth(1);
    let mib: u64 = size.map_or(MIB, |number| number.parse().unwrap());
    // One object of a fifth of it: 1 GiB of 5.
    let frames = (mib / 5 * SLICES_PER_MIB) as u32;
    let slices = (mib - mib / 5) * SLICES_PER_MIB;
    let place = tempfile::tempdir().unwrap();
    let mut sites = [("east", "EAST"), ("west", "WEST")]
        .map(|(name, title)| Site::open(place.path(), name, title, false));
    pair(&sites[0], &sites[1]);
    let idle = [0, 1].map(|site: usize| peak_mib(sites[site].node()));
    let studies = [1, 2].map(|seed| MadeStudy::new(seed, slices, frames));
    let bytes = studies[0].bytes();
    println!(
        "{} objects, {:.2} GB each way; two nodes on loopback\n",
        studies[0].objects(),
        bytes as f64 / 1e9
    );
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (site, study) in sites.iter().zip(&studies) {
            scope.spawn(|| take_in(site, study));
        }
    });
    let taken = begun.elapsed().as_secs_f64();
    let after_intake = [0, 1].map(|site: usize| peak_mib(sites[site].node()));
    let begun = Instant::now();
    let cases = [(0, 1), (1, 0)]
        .map(|(from, to): (usize, usize)| sites[from].hand_over(&studies[from].uid, &sites[to]));
    for site in [0, 1] {
        until("the study is in the other's archive", || {
            (sites[1 - site].counted().objects == studies[site].objects()).then_some(())
        });
    }
    let sent = begun.elapsed().as_secs_f64();
    for (site, case) in sites.iter().zip(&cases) {
        let show = || Request::CaseShow { case: case.clone() };
        until("the receipt", || {
            (site.ask(show())["phase"] == "received").then_some(())
        });
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
        let expected = Counted {
            objects: studies[1 - at].objects(),
            bytes: studies[1 - at].bytes(),
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
