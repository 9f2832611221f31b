//! Objects per second taken in from `storescu` with its default options, over loopback.
//!
//! `cargo bench -p dokuei-node --bench intake` prints a table of medians of three runs; each run
//! includes the start of the `storescu` process and its association. Rows: a discarding intake
//! (what the network part alone costs), the file archive without and with a sync per object, and
//! our own sending side in place of `storescu`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use dokuei_node::dicom::dimse::StoreFailure;
use dokuei_node::dicom::pacs::Pacs;
use dokuei_node::dicom::scp::{
    Accept, Caller, Incoming, Intake, Limits, ObjectWriter, Scp, ScpConfig,
};
use dokuei_node::dicom::scu::{Destination, Ended, Timeouts, store};
use object::{CT, EXPLICIT, MR, Object};

#[path = "../tests/dimse_peers/object.rs"]
#[allow(dead_code)]
mod object;

const OBJECTS: usize = 500;
const RUNS: usize = 3;

/// Counts objects and bytes, keeps nothing.
#[derive(Default)]
struct Discard {
    objects: AtomicU64,
    bytes: AtomicU64,
}

struct Counting<'d>(&'d Discard);

impl Intake for Discard {
    fn begin(&self, _object: Incoming<'_>) -> Result<Box<dyn ObjectWriter + '_>, StoreFailure> {
        Ok(Box::new(Counting(self)))
    }

    fn echo(&self, _caller: &Caller) -> bool {
        true
    }
}

impl ObjectWriter for Counting<'_> {
    fn write(&mut self, data: &[u8]) -> Result<(), StoreFailure> {
        self.0.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), StoreFailure> {
        self.0.objects.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A kind of object: its name, class, and side in pixels of 16 bits.
const KINDS: [(&str, &str, u16); 2] = [("CT 512 KiB", CT, 512), ("MR 25 KiB", MR, 112)];

fn main() {
    let root = std::env::temp_dir().join(format!("dokuei-intake-{}", std::process::id()));
    println!("{OBJECTS} objects, median of {RUNS} runs, loopback");
    println!("{:<34} {:>12} {:>10}", "", "objects/s", "MB/s");
    for (name, class, side) in KINDS {
        let objects: Vec<Object> = (0..OBJECTS)
            .map(|n| Object::new(class, EXPLICIT, n, side))
            .collect();
        let bytes: usize = objects.iter().map(|o| o.data_set.len()).sum();
        let folders = write(&objects, &root.join("objects"));
        let row = |what: &str, run: &dyn Fn()| report(&format!("{name}, {what}"), bytes, run);
        row("discarded", &|| discarded(&folders, 1));
        row("discarded, 4 associations", &|| discarded(&folders, 4));
        row("files", &|| {
            archived(&folders, &root.join("archive"), false)
        });
        row("files, synced", &|| {
            archived(&folders, &root.join("archive"), true)
        });
        row("discarded, own sender", &|| own_sender(&objects));
        std::fs::remove_dir_all(&root).unwrap();
    }
}

/// Print the median of several runs.
fn report(what: &str, bytes: usize, run: &dyn Fn()) {
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds[RUNS / 2];
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{what:<34} {:>12.0} {:>10.0}",
        OBJECTS as f64 / median,
        megabytes / median
    );
}

/// Write the objects into four folders, so that one to four senders share them.
fn write(objects: &[Object], root: &Path) -> Vec<PathBuf> {
    let quarters = objects.chunks(OBJECTS / 4).enumerate();
    quarters
        .map(|(n, quarter)| {
            let folder = root.join(n.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            for object in quarter {
                object.write_file(&folder);
            }
            folder
        })
        .collect()
}

fn start(intake: Arc<dyn Intake>) -> Scp {
    let config = ScpConfig {
        address: ([127, 0, 0, 1], 0).into(),
        ae_title: "DOKUEI".parse().unwrap(),
        accept: Accept::default(),
        limits: Limits::default(),
    };
    Scp::start(config, intake).unwrap()
}

/// Run `storescu` over the folders with as many processes at once.
fn storescu(to: SocketAddr, folders: &[PathBuf], processes: usize) {
    let children: Vec<_> = folders
        .chunks(folders.len().div_ceil(processes))
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

fn discarded(folders: &[PathBuf], processes: usize) {
    let discard = Arc::new(Discard::default());
    let scp = start(discard.clone());
    storescu(scp.local_addr(), folders, processes);
    assert_eq!(discard.objects.load(Ordering::Relaxed), OBJECTS as u64);
}

fn archived(folders: &[PathBuf], archive: &Path, sync: bool) {
    let pacs = Arc::new(Pacs::open(archive, sync).unwrap());
    let scp = start(pacs.clone());
    storescu(scp.local_addr(), folders, 1);
    assert_eq!(pacs.stored(), OBJECTS as u64);
    std::fs::remove_dir_all(archive).unwrap();
}

fn own_sender(objects: &[Object]) {
    let discard = Arc::new(Discard::default());
    let scp = start(discard.clone());
    let destination = Destination {
        host: scp.local_addr().ip().to_string(),
        port: scp.local_addr().port(),
        called_ae: "DOKUEI".parse().unwrap(),
        calling_ae: "CLINIC".parse().unwrap(),
        timeouts: Timeouts::default(),
    };
    let summary = store(
        &destination,
        objects.iter().map(Object::boxed),
        &mut |outcome| {
            assert!(outcome.delivery.is_stored(), "{}", outcome.delivery);
            ControlFlow::Continue(())
        },
    );
    assert!(matches!(summary.ended, Ended::Complete));
    assert_eq!(discard.objects.load(Ordering::Relaxed), OBJECTS as u64);
}
