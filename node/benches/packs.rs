//! How small whole series become in packs, headers and sealing included, and how fast packs are made.
//!
//! ```text
//! cargo bench -p dokuei-node --bench packs                       a CT that was made up
//! cargo bench -p dokuei-node --bench packs -- --dicom FOLDER     each folder below it that holds DICOM files is a row
//! ```
//! Each series goes through the intake into a data folder of its own and is closed; then every pack of its plan is made as for a
//! transfer, by one thread. Beside: zstd -3 over all files, one behind the other. Prints a table, and fails where a pack, opened
//! again, does not hold what was taken in.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use dokuei_compression::{Decoder, Effort};
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::{PackContext, open_pack};
use dokuei_keys::secret::StorageKey;
use dokuei_node::dicom::part10::scan_file;
use dokuei_node::dicom::scp::ObjectWriter as _;
use dokuei_node::disk::Room;
use dokuei_node::index::catalogue::Catalogue;
use dokuei_node::packs::{Made, PackMaker, unpack};
use dokuei_node::parcels::{ObjectHead, Parcels};
use dokuei_node::site::{SiteFolder, keys::SiteKeys, passphrase};
use dokuei_node::store::{Rows, Store};
use dokuei_node::studies::intake::StudyIntake;
use dokuei_node::studies::register::Register;
use rustix::time::{ClockId, clock_gettime};
use study::MadeStudy;

mod study;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dokuei");
/// Slices of the CT that is made up.
const SLICES: u64 = 64;
/// Folders below one another that are looked into.
const DEPTH: u32 = 8;
/// The level of zstd beside which packs are shown: its default.
const LEVEL: i32 = 3;

/// What became of a series.
struct Packed {
    bytes: u64,
    seconds: f64,
    packs: u32,
}

fn main() {
    println!(
        "| series | objects | MB | zstd -3 | dense | MB/s | fast | MB/s | packs |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    let given = std::env::args_os()
        .skip_while(|word| word != "--dicom")
        .nth(1);
    let Some(folder) = given.map(PathBuf::from) else {
        let place = tempfile::tempdir().unwrap();
        let made = MadeStudy::new(1, SLICES, 0).write(&place.path().join("made"));
        return row("CT that was made up", &files(&made.unwrap()));
    };
    let mut folders = vec![folder.clone()];
    below(&folder, DEPTH, &mut folders);
    for one in folders {
        let name = one.strip_prefix(&folder).unwrap().display().to_string();
        row(&name, &files(&one));
    }
}

/// The folders below one, in order.
fn below(folder: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let folders: BTreeSet<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    for one in folders {
        found.push(one.clone());
        if depth > 0 {
            below(&one, depth - 1, found);
        }
    }
}

/// The files that lie in a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files: BTreeSet<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.into_iter().collect()
}

/// One series in a line; none where no file is an object of DICOM.
fn row(name: &str, files: &[PathBuf]) {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("data");
    let site = SiteFolder::new(folder.clone());
    let made = Command::new(PROGRAM)
        .args(["init", "--name", "Bench"])
        .arg(&folder)
        .output();
    assert!(made.unwrap().status.success());
    let passphrase = passphrase::find(&site, None).ok().unwrap();
    let keys = SiteKeys::open(&site, &passphrase).ok().unwrap();
    let own = keys.site_certificate().ok().unwrap().site;
    let storage = || keys.storage().duplicate();
    let store = Store::open(&site.database()).ok().unwrap();
    let parcels = Parcels::open(site.parcels()).unwrap();
    let catalogue = Catalogue::default();
    let register = Register::open(own, parcels.clone(), store.clone(), storage(), catalogue);
    let register = register.ok().unwrap();
    let intake = StudyIntake::new(register.clone(), Room::under(&folder));
    let (mut studies, mut taken) = (BTreeSet::new(), BTreeMap::new());
    for object in files.iter().filter_map(|file| take(&intake, file)) {
        studies.insert(object.study);
        // One that comes again is not kept twice.
        taken.entry(object.instance).or_insert(object.bytes);
    }
    let Some(objects) = Some(taken.len()).filter(|objects| *objects > 0) else {
        return;
    };
    let parcels_of = |uid: &String| register.parcels_of(uid);
    let all: Vec<ParcelId> = studies.iter().flat_map(parcels_of).collect();
    for parcel in &all {
        register.close(parcel).ok().unwrap();
    }
    let maker = PackMaker::new(parcels, own, (store.clone(), storage()));
    let whole = taken.values().flatten().copied().collect::<Vec<u8>>();
    let beside = zstd::bulk::compress(&whole, LEVEL).unwrap().len();
    for effort in [Effort::Dense, Effort::Fast] {
        let mut opening = Opening {
            site: own,
            store: store.clone(),
            storage: storage(),
            decoder: Decoder::new(),
            objects: BTreeMap::new(),
        };
        for (parcel, number, made) in packs_of(&maker, &all, effort) {
            opening.take(parcel, number, &made);
        }
        opening.compare(name, &taken);
    }
    let ratio = |bytes: u64| whole.len() as f64 / bytes as f64;
    let rate = |packed: &Packed| whole.len() as f64 / 1e6 / packed.seconds;
    // Once before it counts: files and code are read then.
    let [_, dense, fast] =
        [Effort::Fast, Effort::Dense, Effort::Fast].map(|effort| made_of(&maker, &all, effort));
    println!(
        "| {name} | {objects} | {:.1} | {:.3} | {:.3} | {:.0} | {:.3} | {:.0} | {} |",
        whole.len() as f64 / 1e6,
        ratio(beside as u64),
        ratio(dense.bytes),
        rate(&dense),
        ratio(fast.bytes),
        rate(&fast),
        dense.packs
    );
}

/// An object that was taken in.
struct Object {
    study: String,
    instance: String,
    bytes: Vec<u8>,
}

/// Takes in a file as a modality's object; none when it is no object.
fn take(intake: &StudyIntake, file: &Path) -> Option<Object> {
    let mut bytes = std::fs::read(file).unwrap();
    let scanned = scan_file(bytes.as_slice(), Some(bytes.len() as u64)).ok()?;
    let head = ObjectHead {
        sop_class: scanned.header.sop_class().as_str().to_owned(),
        sop_instance: scanned.header.sop_instance().as_str().to_owned(),
        transfer_syntax: scanned.meta.transfer_syntax.uid().as_str().to_owned(),
    };
    let set = bytes.split_off(scanned.data_set_offset as usize);
    let mut arriving = Box::new(intake.object(head).ok()?);
    arriving.write(&set).ok()?;
    arriving.commit().ok()?;
    Some(Object {
        study: scanned.header.study().as_str().to_owned(),
        instance: scanned.header.sop_instance().as_str().to_owned(),
        bytes: set,
    })
}

/// Makes every pack of these parcels.
fn packs_of<'a>(
    maker: &'a PackMaker,
    parcels: &'a [ParcelId],
    effort: Effort,
) -> impl Iterator<Item = (ParcelId, u32, Made)> + 'a {
    parcels.iter().flat_map(move |parcel| {
        (0..).map_while(move |number| {
            let made = maker.make(*parcel, number, effort).ok()??;
            Some((*parcel, number, made))
        })
    })
}

/// How small and how fast that is.
fn made_of(maker: &PackMaker, parcels: &[ParcelId], effort: Effort) -> Packed {
    let begun = processor_seconds();
    let (mut bytes, mut packs) = (0, 0);
    for (_, _, made) in packs_of(maker, parcels, effort) {
        bytes += made.sealed.len() as u64;
        packs += 1;
    }
    Packed {
        bytes,
        seconds: processor_seconds() - begun,
        packs,
    }
}

/// What packs hold, opened as their receiver does.
struct Opening {
    site: SiteId,
    store: Store,
    storage: StorageKey,
    decoder: Decoder,
    objects: BTreeMap<(ParcelId, u32), Vec<u8>>,
}

impl Opening {
    fn take(&mut self, parcel: ParcelId, pack: u32, made: &Made) {
        let wrapped = self.store.row(Rows::ContentKeys, parcel.as_bytes());
        let wrapped = wrapped.ok().flatten().unwrap();
        let key = self.storage.unwrap_content_key(&parcel, &wrapped);
        let context = PackContext {
            parcel,
            site: self.site,
            pack,
        };
        let content = open_pack(&key.ok().unwrap(), &context, &made.sealed);
        let pieces: Vec<_> = made.plan.pieces(pack).collect();
        let lengths: Vec<usize> = pieces.iter().map(|piece| piece.length as usize).collect();
        let bytes = unpack(&content.ok().unwrap(), &lengths, &mut self.decoder);
        for (piece, bytes) in pieces.iter().zip(bytes.unwrap()) {
            let object = self.objects.entry((parcel, piece.slot)).or_default();
            assert_eq!(object.len() as u64, piece.offset);
            object.extend_from_slice(&bytes.unwrap());
        }
    }

    /// Fails where other data sets came out than were taken in, which are told by their SOP Instance UIDs.
    fn compare(&self, series: &str, taken: &BTreeMap<String, Vec<u8>>) {
        let opened = self.objects.values().map(|object| {
            let mut set = object.as_slice();
            let head = ObjectHead::read(&mut set).unwrap().unwrap();
            (head.sop_instance, set)
        });
        let opened: BTreeMap<String, &[u8]> = opened.collect();
        let is_same = |(instance, set): (&String, &Vec<u8>)| opened[instance] == set.as_slice();
        assert_eq!(opened.len(), taken.len(), "{series}");
        assert!(taken.iter().all(is_same), "{series}: other bytes come out");
    }
}

/// Seconds of processor time of this thread.
fn processor_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}
