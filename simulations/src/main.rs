//! `simulate`: runs seeds and says what came of them.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use dokuei_simulations::run::{Verdict, run};
use dokuei_simulations::tally::{Group, Tally};

/// Failing seeds that are told in full.
const TOLD_MOST: usize = 20;

/// Many sites on a virtual clock, with faults, checked after every step.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How many seeds to run; one when only a seed is given.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed; alone, this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Tell everything that happens, as it happens.
    #[arg(long)]
    tell: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let first = arguments.seed.unwrap_or_default();
    let count = match (arguments.seeds, arguments.seed) {
        (Some(count), _) => count,
        (None, Some(_)) => 1,
        (None, None) => 100,
    };
    let began = Instant::now();
    let verdicts = run_all(first, count, arguments.tell);
    let mut tally = Tally::default();
    for verdict in &verdicts {
        tally.merge(&verdict.tally);
    }
    tally.add(Group::Run, "seeds", count);
    let bad: Vec<&Verdict> = verdicts
        .iter()
        .filter(|verdict| !verdict.is_good())
        .collect();
    if let [only] = &verdicts[..] {
        println!("{only}");
    }
    print!("{tally}");
    println!("took     {:.1} s", began.elapsed().as_secs_f64());
    if bad.is_empty() {
        println!("every rule held");
        return ExitCode::SUCCESS;
    }
    for verdict in bad.iter().take(TOLD_MOST) {
        println!("{verdict}");
    }
    println!("{} of {count} seeds violate a rule", bad.len());
    ExitCode::FAILURE
}

/// Runs the seeds on every core. Each seed runs by itself, so the order does not matter.
fn run_all(first: u64, count: u64, tell: bool) -> Vec<Verdict> {
    let next = AtomicU64::new(first);
    let verdicts = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first.saturating_add(count) {
                        return;
                    }
                    let verdict = run(seed, tell);
                    if !verdict.is_good() {
                        let _ = writeln!(std::io::stderr(), "{verdict}");
                    }
                    verdicts
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(verdict);
                }
            });
        }
    });
    let mut verdicts = verdicts
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    verdicts.sort_by_key(|verdict| verdict.seed);
    verdicts
}
