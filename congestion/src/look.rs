//! Sending less for a moment, to see the line without one's own queue.

use std::time::Duration;

/// How long the line may go unseen. A look costs about 1 % of three seconds, and a transfer of some
/// seconds has to see it.
const EVERY: Duration = Duration::from_secs(3);
/// The same in round trips, for long ways: a look takes about three of them.
const EVERY_TRIPS: u32 = 20;
/// The first look comes after one part in so many of that time: what the beginning has measured was
/// measured beside others who were not known.
const FIRST: u32 = 6;
/// Looks out of turn come after one part in so many at the soonest, whatever others do.
const OUT_OF_TURN: u32 = 3;
/// The part of a full line that is kept in flight at least.
const LEAST: f64 = 0.6;
/// Queues by which less is in flight, so that one's own is gone: two, as the estimate is rough.
const QUEUES: f64 = 2.0;
/// How long the small window is kept at least: others of ours, who notice it a round trip later,
/// look at the same time, and only then all see the empty line.
const KEPT: Duration = Duration::from_millis(20);
/// The part of the queue before that is still there when it is not this transfer's.
const FOREIGN: f64 = 0.6;
/// Looks in a row that find a queue before it is believed to be another's.
const FAILED: u32 = 2;

/// One look.
#[derive(Clone)]
pub(crate) struct Look {
    /// The window before it, in bytes.
    pub(crate) saved: f64,
    /// The queue before it, in seconds.
    queue: f64,
    /// Since when no more is in flight than its small window.
    low: Option<Duration>,
    /// The shortest round trip since then.
    least: Duration,
    over: bool,
}

impl Look {
    /// A look that begins.
    pub(crate) fn new(saved: f64, queue: f64) -> Look {
        Look {
            saved,
            queue,
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

/// The part of a full line that may be in flight during a look, for an empty round trip and a
/// queue in seconds.
pub(crate) fn depth(quiet: f64, queue: f64) -> f64 {
    if quiet > 0.0 {
        (1.0 - QUEUES * queue / quiet).max(LEAST)
    } else {
        LEAST
    }
}

/// When to look, and what looking has told.
#[derive(Clone)]
pub(crate) struct Looks {
    last: Option<Duration>,
    failed: u32,
}

impl Looks {
    /// None yet.
    pub(crate) fn new() -> Looks {
        Looks {
            last: None,
            failed: 0,
        }
    }

    /// Whether the line was not seen for too long.
    pub(crate) fn is_due(&self, now: Duration, base: Duration, seen: Duration) -> bool {
        let wait = match self.last {
            Some(_) => every(base),
            None => every(base) / FIRST,
        };
        now.saturating_sub(seen) >= wait
    }

    /// Whether one may be taken out of turn.
    pub(crate) fn is_allowed(&self, now: Duration, base: Duration) -> bool {
        let wait = every(base) / OUT_OF_TURN;
        self.last
            .is_none_or(|last| now.saturating_sub(last) >= wait)
    }

    /// Takes the queue that a look has found, and says whether it is not this transfer's: it
    /// stays though less is sent. `small` is a queue that is as good as none.
    pub(crate) fn is_foreign(
        &mut self,
        now: Duration,
        look: &Look,
        queue: f64,
        small: f64,
    ) -> bool {
        self.last = Some(now);
        if queue <= small {
            self.failed = 0;
            return false;
        }
        self.failed += 1;
        let foreign = queue > FOREIGN * look.queue || self.failed >= FAILED;
        if foreign {
            self.failed = 0;
        }
        foreign
    }
}

fn every(base: Duration) -> Duration {
    EVERY.max(base.saturating_mul(EVERY_TRIPS))
}
