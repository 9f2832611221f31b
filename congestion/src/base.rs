//! The round trip of the empty line.

use std::time::Duration;

/// Parts of the time that is remembered; when one is over, the oldest is forgotten.
const PARTS: usize = 8;

/// The smallest round trip of the last while, and when the line was last seen that empty.
#[derive(Clone)]
pub(crate) struct Base {
    parts: [Duration; PARTS],
    part_began: Duration,
    seen: Duration,
}

impl Base {
    /// Nothing was measured yet.
    pub(crate) fn new(now: Duration) -> Base {
        Base {
            parts: [Duration::MAX; PARTS],
            part_began: now,
            seen: now,
        }
    }

    /// Takes one round trip. `near` is how much longer than the smallest one it may be and still
    /// count as the empty line.
    pub(crate) fn note(&mut self, now: Duration, rtt: Duration, near: Duration) {
        if rtt <= self.get().unwrap_or(Duration::MAX).saturating_add(near) {
            self.seen = now;
        }
        self.parts[0] = self.parts[0].min(rtt);
    }

    /// Forgets what is older than `remembered`.
    pub(crate) fn age(&mut self, now: Duration, remembered: Duration) {
        // A part in which nothing was measured stays open, so that something is always remembered.
        let over = now.saturating_sub(self.part_began) >= remembered / PARTS as u32;
        if over && self.parts[0] < Duration::MAX {
            self.part_began = now;
            self.parts.rotate_right(1);
            self.parts[0] = Duration::MAX;
        }
    }

    /// The smallest round trip; none before the first measurement.
    pub(crate) fn get(&self) -> Option<Duration> {
        let least = self.parts.iter().min().copied();
        least.filter(|least| *least < Duration::MAX)
    }

    /// When the line was last as empty as that, or was said to have been looked at.
    pub(crate) fn seen(&self) -> Duration {
        self.seen
    }

    /// Says that the line was looked at, whatever was found.
    pub(crate) fn looked(&mut self, now: Duration) {
        self.seen = now;
    }
}
