//! How long a peer may keep us waiting, and how slowly it may move bytes.

use std::time::{Duration, Instant};

use super::LinkFault;
use crate::language::{Explain, Message};
use crate::say;

/// How often a blocked read or write comes back to look at its deadline and at a requested stop.
/// A quarter of a second is invisible to people and costs four wake-ups a second per association.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// What an association was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The TCP connection.
    Connection,
    /// The association request or its answer.
    Negotiation,
    /// The next message.
    Message,
    /// The response to a request.
    Response,
    /// The reply to a release request.
    Release,
}

impl Explain for Phase {
    fn message(&self) -> Message {
        match self {
            Phase::Connection => say!("接続", "the connection"),
            Phase::Negotiation => {
                say!("アソシエーションの確立", "the association to be negotiated")
            }
            Phase::Message => say!("次のメッセージ", "the next message"),
            Phase::Response => say!("応答", "the response"),
            Phase::Release => say!("終了の応答", "the release"),
        }
    }
}

/// The slowest a peer may be inside a message: at least `bytes_per_second` on average over every
/// `window` spent waiting for it. Time spent in our own storage does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinimumRate {
    /// The stretch of waiting that is judged. Also bounds complete silence.
    pub window: Duration,
    /// Bytes per second of waiting.
    pub bytes_per_second: u64,
}

impl Default for MinimumRate {
    /// 2 KiB/s over 30 s: a quarter of an analogue modem line, and long enough for a modality that
    /// reads its next slice from a slow disk between command and data set.
    fn default() -> Self {
        MinimumRate {
            window: Duration::from_secs(30),
            bytes_per_second: 2048,
        }
    }
}

/// The bytes moved in the current window of waiting.
#[derive(Debug)]
pub(crate) struct Flow {
    rate: MinimumRate,
    waited: Duration,
    bytes: u64,
}

impl Flow {
    pub(crate) fn new(rate: MinimumRate) -> Self {
        Flow {
            rate,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    fn moved(&mut self, bytes: usize, waited: Duration) -> Result<(), LinkFault> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.waited = self.waited.saturating_add(waited);
        if self.waited < self.rate.window {
            return Ok(());
        }
        let seconds = self.waited.as_secs().max(1);
        let bytes = std::mem::take(&mut self.bytes);
        self.waited = Duration::ZERO;
        if bytes < self.rate.bytes_per_second.saturating_mul(seconds) {
            return Err(LinkFault::TooSlow { bytes, seconds });
        }
        Ok(())
    }
}

/// What bounds the present wait.
#[derive(Debug)]
pub(crate) enum Watch {
    /// All of it must be over at a point in time.
    Deadline {
        /// The point in time.
        at: Instant,
        /// What is waited for.
        phase: Phase,
        /// Whether a requested stop ends the wait early.
        stoppable: bool,
    },
    /// Inside a message: a minimum rate.
    Flow(Flow),
}

impl Watch {
    /// A deadline `limit` from now.
    pub(crate) fn within(limit: Duration, phase: Phase) -> Self {
        Watch::Deadline {
            at: far(limit),
            phase,
            stoppable: false,
        }
    }

    /// A deadline `limit` from now, with nothing under way that a stop would break.
    pub(crate) fn stoppable(limit: Duration, phase: Phase) -> Self {
        Watch::Deadline {
            at: far(limit),
            phase,
            stoppable: true,
        }
    }

    /// Inside a message.
    pub(crate) fn flow(rate: MinimumRate) -> Self {
        Watch::Flow(Flow::new(rate))
    }

    /// Account for one read or write: `bytes` moved (0 for a tick) after `waited`.
    pub(crate) fn moved(
        &mut self,
        bytes: usize,
        waited: Duration,
        stopping: bool,
    ) -> Result<(), LinkFault> {
        match self {
            Watch::Deadline {
                at,
                phase,
                stoppable,
            } => {
                if stopping && *stoppable {
                    Err(LinkFault::Stopping)
                } else if Instant::now() >= *at {
                    Err(LinkFault::TimedOut(*phase))
                } else {
                    Ok(())
                }
            }
            Watch::Flow(flow) => flow.moved(bytes, waited),
        }
    }
}

/// `limit` from now; a limit beyond the clock's range is a year.
fn far(limit: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(limit.min(YEAR)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: MinimumRate = MinimumRate {
        window: Duration::from_secs(10),
        bytes_per_second: 100,
    };

    #[test]
    fn a_peer_at_the_minimum_rate_passes_and_one_below_is_cut() {
        let mut flow = Flow::new(RATE);
        for _ in 0..100 {
            flow.moved(100, Duration::from_secs(1)).unwrap();
        }
        let mut slow = Flow::new(RATE);
        let cut = (0..11).find_map(|_| slow.moved(99, Duration::from_secs(1)).err());
        assert!(matches!(
            cut,
            Some(LinkFault::TooSlow {
                bytes: 990,
                seconds: 10
            })
        ));
    }

    #[test]
    fn bytes_of_one_window_do_not_pay_for_the_next() {
        let mut flow = Flow::new(RATE);
        flow.moved(1_000_000, Duration::from_secs(10)).unwrap();
        assert!(flow.moved(1, Duration::from_secs(10)).is_err());
    }

    #[test]
    fn a_stop_ends_only_the_wait_between_messages() {
        let hour = Duration::from_secs(3600);
        let tick = |mut w: Watch| w.moved(0, TICK, true);
        let between = tick(Watch::stoppable(hour, Phase::Message));
        assert!(matches!(between, Err(LinkFault::Stopping)));
        assert!(tick(Watch::within(hour, Phase::Response)).is_ok());
        assert!(tick(Watch::flow(RATE)).is_ok());
        let over = tick(Watch::within(Duration::ZERO, Phase::Release));
        assert!(matches!(over, Err(LinkFault::TimedOut(Phase::Release))));
    }
}
