//! Counts bytes, and how fast they come lately.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Seconds a rate is the mean of: longer than the pauses of a slow disk, shorter than people wait.
const SECONDS: usize = 4;

/// A counter of bytes.
pub(crate) struct Meter(Mutex<State>);

struct State {
    total: u64,
    start: Instant,
    /// The second that counts last, from the start.
    second: u64,
    /// What came in that second, and in those before it: by their number modulo the length.
    lately: [u64; SECONDS + 1],
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(State {
            total: 0,
            start: now,
            second: 0,
            lately: [0; SECONDS + 1],
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes.
    pub(crate) fn add(&self, bytes: u64, now: Instant) {
        let mut state = self.state();
        let place = state.go_to(now);
        state.total = state.total.saturating_add(bytes);
        state.lately[place] = state.lately[place].saturating_add(bytes);
    }

    /// All bytes so far.
    pub(super) fn total(&self) -> u64 {
        self.state().total
    }

    /// Bytes a second, over the last four whole seconds.
    pub(crate) fn rate(&self, now: Instant) -> u64 {
        let mut state = self.state();
        let place = state.go_to(now);
        let all: u64 = state.lately.iter().sum();
        (all - state.lately[place]) / SECONDS as u64
    }
}

impl State {
    /// Empties the seconds that went by, and returns the place of this one.
    fn go_to(&mut self, now: Instant) -> usize {
        let passed: Duration = now.saturating_duration_since(self.start);
        let second = passed.as_secs().max(self.second);
        let places = self.lately.len() as u64;
        for gone in self.second + 1..=second.min(self.second + places) {
            self.lately[(gone % places) as usize] = 0;
        }
        self.second = second;
        (second % places) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_mean_of_the_last_whole_seconds() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let meter = Meter::new(start);
        assert_eq!(meter.rate(start), 0);
        for second in 0..10 {
            meter.add(600, at(second * 1000));
            meter.add(400, at(second * 1000 + 999));
        }
        assert_eq!(meter.rate(at(10_000)), 1000);
        assert_eq!(meter.rate(at(12_500)), 500);
        assert_eq!(meter.rate(at(14_000)), 0);
        meter.add(8000, at(100_000));
        assert_eq!(meter.rate(at(101_000)), 2000);
        assert_eq!(meter.rate(at(90_000)), 2000, "time does not go back");
        assert_eq!(meter.total(), 18_000);
    }
}
