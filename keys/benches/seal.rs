//! What sealing and opening cost beside the bare cipher, over the same bytes in one run.
//!
//! `cargo bench -p dokuei-keys` prints a table: medians, one thread, memory that exists already. "bare" is
//! AES-256-GCM over the same chunks under one key that is there already; sealing adds key derivation and the commitment. "vec" appends to a vector (`push`), which clears what it grows
//! by; "slice" fills a buffer (`push_into`). The aim is at most 1.3 times the bare cost.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and a failed step ends it"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use dokuei_keys::sealed::{CHUNK, HEADER, sealed_len};
use dokuei_keys::{ContentKey, Opener, ParcelId, SealContext, Sealer, Secret32, SiteId};

const KIB: usize = 1024;
const SIZES: [(usize, &str); 3] = [
    (64 * KIB, "64 KiB"),
    (KIB * KIB, "1 MiB"),
    (64 * KIB * KIB, "64 MiB"),
];
/// Rounds a median is taken of.
const ROUNDS: usize = 11;
/// Each round repeats a small size until this many bytes, so that the clock's own cost does not show.
const BYTES_A_ROUND: usize = 64 * KIB * KIB;

fn main() {
    println!("GB/s, median of {ROUNDS}; ratio = time of seal and open beside the bare cipher's\n");
    println!(
        "| size | seal vec | seal slice | bare seal | open vec | open slice | bare open | ratio vec | ratio slice |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (size, name) in SIZES {
        let [seal, seal_slice, bare_seal, open, open_slice, bare_open] = measure(size);
        let rate = |time: Duration| size as f64 / time.as_secs_f64() / 1e9;
        let ratio = |ours: Duration| ours.as_secs_f64() / (bare_seal + bare_open).as_secs_f64();
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.3} | {:.3} |",
            rate(seal),
            rate(seal_slice),
            rate(bare_seal),
            rate(open),
            rate(open_slice),
            rate(bare_open),
            ratio(seal + open),
            ratio(seal_slice + open_slice),
        );
    }
}

const STEPS: [fn(&mut Work); 6] = [
    Work::seal,
    Work::seal_slice,
    Work::bare_seal,
    Work::open,
    Work::open_slice,
    Work::bare_open,
];

/// Median times of [`STEPS`] for `size` bytes, taken in turns within each round.
fn measure(size: usize) -> [Duration; STEPS.len()] {
    let mut work = Work::new(size);
    let repeats = BYTES_A_ROUND / size;
    let mut times: [Vec<Duration>; STEPS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (step, times) in STEPS.iter().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..repeats {
                step(&mut work);
            }
            times.push(start.elapsed() / u32::try_from(repeats).unwrap());
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}

struct Work {
    key: ContentKey,
    context: SealContext,
    cipher: LessSafeKey,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    opened: Vec<u8>,
    bare: Vec<u8>,
    bare_tags: Vec<Tag>,
}

impl Work {
    fn new(size: usize) -> Self {
        // Any bytes do: neither cipher looks at them.
        let plain: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
        let mut work = Self {
            key: ContentKey::from_secret(Secret32::from_bytes([1; 32])),
            context: SealContext {
                parcel: ParcelId::from_bytes([2; 32]),
                site: SiteId::from_bytes([3; 32]),
                slot: 0,
            },
            cipher: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[4; 32]).unwrap()),
            sealed: Vec::with_capacity(usize::try_from(sealed_len(size as u64)).unwrap()),
            opened: vec![0; size],
            bare: vec![0; size],
            bare_tags: Vec::with_capacity(size / CHUNK + 1),
            plain,
        };
        work.seal();
        work.bare_seal();
        for open in [Self::open, Self::open_slice] {
            work.opened.fill(0);
            open(&mut work);
            assert!(work.opened == work.plain);
        }
        work.bare_open();
        assert!(work.opened == work.plain);
        work
    }

    fn seal(&mut self) {
        self.sealed.clear();
        let (mut sealer, header) = Sealer::new(&self.key, &self.context, [5; 24]);
        self.sealed.extend_from_slice(&header);
        sealer
            .push(black_box(&self.plain), &mut self.sealed)
            .unwrap();
        sealer.finish(&mut self.sealed).unwrap();
        black_box(&self.sealed);
    }

    fn open(&mut self) {
        self.opened.clear();
        let (header, body) = black_box(&self.sealed)
            .split_first_chunk::<HEADER>()
            .unwrap();
        let mut opener = Opener::new(&self.key, &self.context, header).unwrap();
        opener.push(body, &mut self.opened).unwrap();
        opener.finish(&mut self.opened).unwrap();
        black_box(&self.opened);
    }

    /// Header, whole chunks and the last chunk, into a buffer of the right length.
    fn seal_slice(&mut self) {
        let (mut sealer, header) = Sealer::new(&self.key, &self.context, [5; 24]);
        self.sealed[..HEADER].copy_from_slice(&header);
        let written = sealer
            .push_into(black_box(&self.plain), &mut self.sealed[HEADER..])
            .unwrap();
        self.sealed.truncate(HEADER + written);
        sealer.finish(&mut self.sealed).unwrap();
        black_box(&self.sealed);
    }

    fn open_slice(&mut self) {
        let (header, body) = black_box(&self.sealed)
            .split_first_chunk::<HEADER>()
            .unwrap();
        let mut opener = Opener::new(&self.key, &self.context, header).unwrap();
        let written = opener.push_into(body, &mut self.opened).unwrap();
        self.opened.truncate(written);
        opener.finish(&mut self.opened).unwrap();
        black_box(&self.opened);
    }

    fn bare_seal(&mut self) {
        self.bare_tags.clear();
        let pieces = self.plain.chunks(CHUNK).zip(self.bare.chunks_mut(CHUNK));
        for (plain, place) in pieces {
            place.copy_from_slice(black_box(plain));
            let nonce = Nonce::assume_unique_for_key([6; 12]);
            let tag = self
                .cipher
                .seal_in_place_separate_tag(nonce, Aad::empty(), place);
            self.bare_tags.push(tag.unwrap());
        }
        black_box(&self.bare);
    }

    fn bare_open(&mut self) {
        let pieces = self.bare.chunks(CHUNK).zip(self.opened.chunks_mut(CHUNK));
        for ((sealed, place), tag) in pieces.zip(&self.bare_tags) {
            let nonce = Nonce::assume_unique_for_key([6; 12]);
            self.cipher
                .open_separate_gather(nonce, Aad::empty(), black_box(sealed), tag.as_ref(), place)
                .unwrap();
        }
        black_box(&self.opened);
    }
}
