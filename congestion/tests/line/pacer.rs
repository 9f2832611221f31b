//! Paces as quinn-proto 0.11 does (`connection/pacing.rs`): a bucket that fills at 1.25 windows a
//! round trip and holds 2 ms of it, from 10 to 256 packets.

/// The bucket. Times are nanoseconds.
pub(crate) struct Pacer {
    tokens: u64,
    filled: u64,
}

impl Pacer {
    /// A full bucket.
    pub(crate) fn new(now: u64, mtu: u64) -> Pacer {
        Pacer {
            tokens: 10 * mtu,
            filled: now,
        }
    }

    /// A packet was sent.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.tokens = self.tokens.saturating_sub(bytes);
    }

    /// When a packet of `mtu` bytes may be sent; none when it may be now.
    pub(crate) fn wait(&mut self, now: u64, rtt: u64, mtu: u64, window: u64) -> Option<u64> {
        let rtt = rtt.max(1);
        let capacity = (window as u128 * 2_000_000 / u128::from(rtt)) as u64;
        let capacity = capacity.clamp(10 * mtu, 256 * mtu);
        self.tokens = self.tokens.min(capacity);
        if self.tokens >= mtu {
            return None;
        }
        let rtts = (now - self.filled) as f64 / rtt as f64;
        self.tokens = (self.tokens + (window as f64 * 1.25 * rtts) as u64).min(capacity);
        self.filled = now;
        if self.tokens >= mtu {
            return None;
        }
        let unscaled = u128::from(rtt) * u128::from(capacity - self.tokens) / u128::from(window);
        Some(now + (unscaled as u64 / 5) * 4)
    }
}
