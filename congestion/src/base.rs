//! The round trip of the empty line.

use std::time::Duration;

/// Parts of the time that is remembered; when one is over, the oldest is forgotten.
const PARTS: usize = 8;

/// The smallest round trip of the last while, and when the line was last seen that empty.
#[derive(Clone)]
pub(crate) struct Base {
    parts: [Duration; PARTS],
    began: Duration,
    seen: Duration,
}

impl Base {
    /// Nothing was measured yet.
    pub(crate) fn new(now: Duration) -> Base {
        Base {
            parts: [Duration::MAX; PARTS],
            began: now,
            seen: now,
        }
    }

    /// Takes one round trip.
    pub(crate) fn note(&mut self, rtt: Duration) {
        self.parts[0] = self.parts[0].min(rtt);
    }

    /// Takes the shortest of a round. `near` is how much longer than the smallest one it may be and
    /// still show the empty line.
    pub(crate) fn note_round(&mut self, now: Duration, rtt: Duration, near: Duration) {
        if rtt <= self.least().saturating_add(near) {
            self.seen = now;
        }
    }

    /// Forgets what is older than `remembered`.
    pub(crate) fn age(&mut self, now: Duration, remembered: Duration) {
        // A part in which nothing was measured stays open, so that something is always remembered.
        let over = now.saturating_sub(self.began) >= remembered / PARTS as u32;
        if over && self.parts[0] < Duration::MAX {
            self.began = now;
            self.parts.rotate_right(1);
            self.parts[0] = Duration::MAX;
        }
    }

    /// The line was looked at, and what was found is near the smallest round trip, or not.
    pub(crate) fn looked(&mut self, now: Duration) {
        self.seen = now;
    }

    /// The smallest round trip; none before the first measurement.
    pub(crate) fn get(&self) -> Option<Duration> {
        let least = self.least();
        (least < Duration::MAX).then_some(least)
    }

    /// When the line was last as empty as that, or was looked at.
    pub(crate) fn seen(&self) -> Duration {
        self.seen
    }

    fn least(&self) -> Duration {
        self.parts.iter().min().copied().unwrap_or(Duration::MAX)
    }
}
