//! What sealing and opening cost beside the bare cipher, over the same bytes in one run.
//!
//! `cargo bench -p dokuei-keys` prints a table: medians, one thread, buffers that exist already. "bare" is one
//! ChaCha20-Poly1305 message over all bytes, from one buffer into another; "sealed" adds key derivation, 16 KiB
//! chunks with a tag each, and the commitment. The aim is at most 1.3 times the bare cost.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and a failed step ends it"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Nonce};
use dokuei_keys::sealed::{HEADER, sealed_len};
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
    println!(
        "{:>8} {:>26} {:>26} {:>17}",
        "", "seal", "open", "seal + open"
    );
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "size", "GB/s", "bare", "ratio", "GB/s", "bare", "ratio", "GB/s", "ratio"
    );
    for (size, name) in SIZES {
        let [seal, bare_seal, open, bare_open] = measure(size);
        let rate = |time: Duration| size as f64 / time.as_secs_f64() / 1e9;
        let ratio = |ours: Duration, bare: Duration| ours.as_secs_f64() / bare.as_secs_f64();
        println!(
            "{name:>8} {:>8.2} {:>8.2} {:>8.3} {:>8.2} {:>8.2} {:>8.3} {:>8.2} {:>8.3}",
            rate(seal),
            rate(bare_seal),
            ratio(seal, bare_seal),
            rate(open),
            rate(bare_open),
            ratio(open, bare_open),
            rate((seal + open) / 2),
            ratio(seal + open, bare_seal + bare_open),
        );
    }
}

/// Median times for `size` bytes: seal, bare seal, open, bare open, taken in turns within each round.
fn measure(size: usize) -> [Duration; 4] {
    let mut work = Work::new(size);
    let repeats = BYTES_A_ROUND / size;
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let steps: [fn(&mut Work); 4] = [Work::seal, Work::bare_seal, Work::open, Work::bare_open];
        for (step, times) in steps.into_iter().zip(&mut times) {
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
    cipher: ChaCha20Poly1305,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    opened: Vec<u8>,
    bare: Vec<u8>,
    bare_tag: chacha20poly1305::Tag,
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
            cipher: ChaCha20Poly1305::new(&Key::from([4; 32])),
            sealed: Vec::with_capacity(usize::try_from(sealed_len(size as u64)).unwrap()),
            opened: vec![0; size],
            bare: vec![0; size],
            bare_tag: chacha20poly1305::Tag::default(),
            plain,
        };
        work.seal();
        work.bare_seal();
        work.open();
        assert!(work.opened == work.plain);
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

    fn bare_seal(&mut self) {
        let buffer = InOutBuf::new(black_box(self.plain.as_slice()), &mut self.bare).unwrap();
        let nonce = Nonce::from([6; 12]);
        self.bare_tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &[], buffer)
            .unwrap();
        black_box(&self.bare);
    }

    fn bare_open(&mut self) {
        let buffer = InOutBuf::new(black_box(self.bare.as_slice()), &mut self.opened).unwrap();
        let nonce = Nonce::from([6; 12]);
        self.cipher
            .decrypt_inout_detached(&nonce, &[], buffer, &self.bare_tag)
            .unwrap();
        black_box(&self.opened);
    }
}
