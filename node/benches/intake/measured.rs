//! Time, processor time and the machine, as the kernel says them.

use std::fs;

/// The kernel counts processor time in hundredths of a second (proc(5), `sysconf(_SC_CLK_TCK)` on Linux).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds of a process so far, user and system, with its children that have ended (proc(5), fields 14 to 17
/// of `stat`).
pub(crate) fn processor_seconds(process: u32) -> f64 {
    fields(process, 11, 4)
}

/// Processor seconds of the ended children of this process.
pub(crate) fn children_seconds() -> f64 {
    fields(std::process::id(), 13, 2)
}

fn fields(process: u32, skip: usize, take: usize) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(skip)
        .take(take)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// Forgets the most memory that a process held so far (proc(5), `clear_refs`): a node that starts derives a key.
pub(crate) fn forget_peak(process: u32) {
    // Where it cannot be forgotten, the start is in the figure.
    let _kept = fs::write(format!("/proc/{process}/clear_refs"), "5");
}

/// The most memory a process held since then, in MiB (proc(5), `VmHWM`).
pub(crate) fn peak_mebibytes(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Processors, and how many were wanted in the last minute.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores, load {load} before")
}
