//! How small pixels become, and how fast, beside zstd -3 over the same bytes in the same run.
//!
//! ```text
//! cargo bench -p dokuei-compression                        a chest CT of its own making
//! cargo bench -p dokuei-compression -- FILE-OR-FOLDER…     files of samples, NAME-512x512-16s.raw
//! ```
//! Of a file, the name says the samples of a row, the rows of a frame, the bits of a sample, and by letters behind them that
//! samples are signed (`s`), the most significant byte is first (`b`), or that they are of three colours (`c`). Speeds are of
//! one thread's processor time, the median of some passes, over memory that is there already; what comes back is compared.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads clocks and files, and a failed step ends it"
)]

mod chest;

use std::hint::black_box;
use std::path::{Path, PathBuf};

use dokuei_compression::{Decoder, Effort, Encoder, Layout};
use rustix::time::{ClockId, clock_gettime};

/// Passes that a median is taken of.
const PASSES: usize = 7;
/// Each pass repeats a small file until so many bytes, so that the clock's own cost does not show.
const BYTES_A_PASS: usize = 8 << 20;
/// What zstd takes at once: a CT image.
const PIECE: usize = 512 * 1024;

fn main() {
    println!(
        "MB/s of one thread, median of {PASSES}; beside = times the speed at which zstd -3 encodes the same\n"
    );
    println!(
        "| samples | MB | zstd -3 ratio | MB/s | dense ratio | encode | decode | beside | fast ratio | encode | decode | beside |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let paths = paths
        .into_iter()
        .filter(|path| path.to_str() != Some("--bench"));
    let mut files: Vec<PathBuf> = paths.flat_map(|path| files(&path)).collect();
    files.sort();
    if files.is_empty() {
        let (layout, bytes) = chest::study();
        row("chest CT of its own making", &bytes, &layout);
    }
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        match layout(name) {
            Some(layout) => row(name, &std::fs::read(&file).unwrap(), &layout),
            None => println!("| {name} | its name says no layout |"),
        }
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    match std::fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "raw"))
            .collect(),
        Err(_) => vec![path.to_path_buf()],
    }
}

/// What `NAME-512x512-16s` says.
fn layout(name: &str) -> Option<Layout> {
    let (rest, kind) = name.rsplit_once('-')?;
    let (width, rows) = rest.rsplit_once('-')?.1.split_once('x')?;
    let letters = kind.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let bits: u8 = kind.strip_suffix(letters)?.parse().ok()?;
    Some(Layout {
        width: width.parse().ok()?,
        rows: rows.parse().ok()?,
        bytes: bits / 8,
        colours: if letters.contains('c') { 3 } else { 1 },
        is_signed: letters.contains('s'),
        is_big_endian: letters.contains('b'),
    })
}

fn row(name: &str, bytes: &[u8], layout: &Layout) {
    let repeats = BYTES_A_PASS.div_ceil(bytes.len().max(1));
    let speed = |work: &mut dyn FnMut()| {
        let mut seconds: Vec<f64> = (0..PASSES).map(|_| pass(repeats, work)).collect();
        seconds.sort_by(f64::total_cmp);
        (bytes.len() * repeats) as f64 / seconds[PASSES / 2] / 1e6
    };
    let mut packer = zstd::bulk::Compressor::new(3).unwrap();
    let mut packed = vec![0; zstd::zstd_safe::compress_bound(PIECE)];
    let mut length = 0;
    let zstd = speed(&mut || {
        let pieces = bytes.chunks(PIECE);
        length = pieces
            .map(|piece| packer.compress_to_buffer(piece, &mut packed).unwrap())
            .sum();
    });
    let ratio = |length: usize| bytes.len() as f64 / length as f64;
    let megabytes = bytes.len() as f64 / 1e6;
    print!(
        "| {name} | {megabytes:.1} | {:.3} | {zstd:.0} |",
        ratio(length)
    );
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    for effort in [Effort::Dense, Effort::Fast] {
        let (mut coded, mut back) = (Vec::new(), Vec::new());
        let encode = speed(&mut || {
            coded.clear();
            encoder.encode(black_box(bytes), Some(layout), effort, &mut coded);
        });
        let decode = speed(&mut || {
            back.clear();
            decoder
                .decode(&mut black_box(coded.as_slice()), bytes.len(), &mut back)
                .unwrap();
        });
        assert!(back == bytes, "{name} came back as something else");
        let beside = [encode / zstd, decode / zstd];
        print!(
            " {:.3} | {encode:.0} | {decode:.0} | {:.2} / {:.2} |",
            ratio(coded.len()),
            beside[0],
            beside[1]
        );
    }
    println!();
}

/// Seconds of this thread that a work takes, so many times.
fn pass(repeats: usize, work: &mut dyn FnMut()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let begin = now();
    (0..repeats).for_each(|_| work());
    now() - begin
}
