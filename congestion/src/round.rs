//! What one round trip has shown.

use std::time::Duration;

/// From the sending of a packet until something sent after it is acknowledged.
#[derive(Clone)]
pub(crate) struct Round {
    /// When it began.
    pub(crate) began: Duration,
    /// Bytes acknowledged in it.
    pub(crate) acked: u64,
    /// Bytes found lost in it.
    pub(crate) lost: u64,
    /// Its shortest round trip.
    pub(crate) rtt: Duration,
    /// Its longest one.
    pub(crate) longest: Duration,
    /// Whether a packet was marked on its way.
    pub(crate) marked: bool,
    /// Whether the sender had too little to send in it.
    pub(crate) limited: bool,
    /// Whether something sent in it was acknowledged.
    pub(crate) over: bool,
}

impl Round {
    /// A round that begins now.
    pub(crate) fn new(now: Duration) -> Round {
        Round {
            began: now,
            acked: 0,
            lost: 0,
            rtt: Duration::MAX,
            longest: Duration::ZERO,
            marked: false,
            limited: false,
            over: false,
        }
    }

    /// Takes one acknowledged packet.
    pub(crate) fn note(&mut self, now: Duration, sent: Duration, bytes: u64, limited: bool) {
        self.acked = self.acked.saturating_add(bytes);
        let rtt = now.saturating_sub(sent);
        self.rtt = self.rtt.min(rtt);
        self.longest = self.longest.max(rtt);
        self.limited |= limited;
        self.over |= sent >= self.began && now > self.began;
    }

    /// Takes bytes that were found lost; none of them when a packet was marked.
    pub(crate) fn lose(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_add(bytes);
        self.marked |= bytes == 0;
    }
}
