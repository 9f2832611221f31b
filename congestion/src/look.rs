//! Sending less for a moment, to see the line without one's own queue.

use std::time::Duration;

/// One look.
#[derive(Clone)]
pub(crate) struct Look {
    /// The window before it, in bytes.
    pub(crate) saved: f64,
    /// Since when no more is in flight than its small window.
    low: Option<Duration>,
    /// The shortest round trip since then.
    least: Duration,
    over: bool,
}

/// How long the small window is kept at least: others of ours, who notice it a round trip later,
/// look at the same time, and only then all see the empty line.
const KEPT: Duration = Duration::from_millis(20);

impl Look {
    /// A look that begins.
    pub(crate) fn new(saved: f64) -> Look {
        Look {
            saved,
            low: None,
            least: Duration::MAX,
            over: false,
        }
    }

    /// No more is in flight than the small window.
    pub(crate) fn is_low(&mut self, now: Duration) {
        self.low.get_or_insert(now);
    }

    /// Takes an acknowledged packet.
    pub(crate) fn note(&mut self, sent: Duration, rtt: Duration, base: Duration) {
        let Some(low) = self.low else { return };
        if sent >= low {
            self.least = self.least.min(rtt);
        }
        self.over |= sent >= low.saturating_add(KEPT.max(base / 2));
    }

    /// The shortest round trip that was seen, when the look is over.
    pub(crate) fn found(&self) -> Option<Duration> {
        (self.over && self.least < Duration::MAX).then_some(self.least)
    }
}
