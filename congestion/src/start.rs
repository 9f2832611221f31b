//! The beginning, when the window doubles every round trip until a queue forms.

use std::time::Duration;

/// Packets in a row that tell of a queue: fewer would take some late ones for it.
const SAMPLES: u32 = 16;
/// The time over which they come, as a part of the empty round trip and at least: a thread that was
/// held up takes many of them at once.
const SPAN: (u32, Duration) = (8, Duration::from_millis(2));
/// A queue of an eighth of the empty round trip, within these bounds, ends the beginning: below, a
/// burst of ten packets of another one would; above, the queue of a usual line would be full.
const QUEUE: (Duration, Duration) = (Duration::from_millis(3), Duration::from_millis(12));
/// Packets over which the delivered rate is taken.
const PACKETS: u64 = 10;

/// What the last packets have shown.
#[derive(Clone)]
pub(crate) struct Start {
    /// Since when packets were late, and how many.
    late: Option<(Duration, u32)>,
    over: bool,
    since: Duration,
    bytes: u64,
    rate: f64,
}

impl Start {
    /// Nothing was acknowledged yet.
    pub(crate) fn new(now: Duration) -> Start {
        Start {
            late: None,
            over: false,
            since: now,
            bytes: 0,
            rate: 0.0,
        }
    }

    /// Takes an acknowledged packet.
    pub(crate) fn note(
        &mut self,
        now: Duration,
        rtt: Duration,
        bytes: u64,
        base: Duration,
        mtu: u64,
    ) {
        let most = (base / 8).clamp(QUEUE.0, QUEUE.1);
        self.late = (rtt.saturating_sub(base) > most).then(|| {
            let (began, count) = self.late.unwrap_or((now, 0));
            (began, count.saturating_add(1))
        });
        let span = SPAN.1.max(base / SPAN.0);
        self.over = self
            .late
            .is_some_and(|(began, count)| count >= SAMPLES && now.saturating_sub(began) >= span);
        self.bytes = self.bytes.saturating_add(bytes);
        let elapsed = now.saturating_sub(self.since);
        // A quarter of a round trip: long enough for acknowledgements that come in bunches.
        let least = (base / 4).max(Duration::from_millis(1));
        if elapsed >= least && self.bytes >= PACKETS * mtu {
            self.rate = self.bytes as f64 / elapsed.as_secs_f64();
            self.bytes = 0;
            self.since = now;
        }
    }

    /// Whether a queue has formed.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// What the line delivered last, in bytes a second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }
}
