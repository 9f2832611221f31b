//! What a process has used: processor time and memory, as the kernel counts them.

#![allow(dead_code)]

use std::process::{Child, ExitStatus};
use std::time::Duration;

/// The kernel counts processor time in hundredths of a second (proc(5), `sysconf(_SC_CLK_TCK)` on Linux).
const TICKS_PER_SECOND: f64 = 100.0;
/// Pause between two looks at a process that is about to end.
const LOOK: Duration = Duration::from_millis(1);

/// Processor seconds of a process so far, user and system (proc(5), fields 14 and 15 of `stat`).
pub(crate) fn processor_seconds(pid: u32) -> f64 {
    let fields = after_name(pid);
    let ticks = fields.iter().skip(11).take(2);
    ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS_PER_SECOND
}

/// The most memory a process ever held, in MiB (proc(5), `VmHWM`).
pub(crate) fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// Waits for a process and says what processor time it took.
pub(crate) fn ended(child: &mut Child) -> std::io::Result<(ExitStatus, f64)> {
    // What has ended and was not waited for still has its figures.
    while after_name(child.id())
        .first()
        .is_some_and(|state| state != "Z")
    {
        std::thread::sleep(LOOK);
    }
    let seconds = processor_seconds(child.id());
    Ok((child.wait()?, seconds))
}

fn after_name(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().map(str::to_owned).collect()
}
