//! What this process holds in memory, so that a full node lets nobody else in.

use std::time::Duration;

use tokio::time::Instant;

/// Reading the figure costs some 20 µs; a handshake costs a hundred times that, so this often is free.
const READ_EVERY: Duration = Duration::from_millis(250);

/// Compares the resident memory with a limit, reading it at most every 250 ms.
pub(super) struct Memory {
    max: u64,
    read: Option<(Instant, bool)>,
}

impl Memory {
    pub(super) fn new(max: u64) -> Self {
        Self { max, read: None }
    }

    /// Whether the process is over its limit.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        match self.read {
            Some((at, full)) if now.duration_since(at) < READ_EVERY => full,
            Some(_) | None => {
                let full = resident_bytes().is_some_and(|bytes| bytes > self.max);
                self.read = Some((now, full));
                full
            }
        }
    }
}

/// Resident bytes of this process; `None` where the system does not say (proc(5), `VmRSS`, in KiB).
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_knows_its_size() {
        let now = Instant::now();
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(Memory::new(1).is_full(now));
        assert!(!Memory::new(u64::MAX).is_full(now));
    }

    #[test]
    fn the_figure_is_kept_for_a_moment() {
        let now = Instant::now();
        let mut memory = Memory::new(u64::MAX);
        assert!(!memory.is_full(now));
        memory.max = 0;
        assert!(!memory.is_full(now + READ_EVERY / 2));
    }
}
