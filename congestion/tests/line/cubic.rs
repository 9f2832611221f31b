//! Somebody else's TCP: CUBIC (RFC 9438), for which any loss is a full queue.

const FACTOR: f64 = 0.7;
const SCALE: f64 = 0.4;

/// The window in bytes; times are seconds.
pub(crate) struct Cubic {
    mtu: f64,
    window: f64,
    threshold: f64,
    most: f64,
    reno: f64,
    epoch: Option<f64>,
    recovering_since: f64,
}

impl Cubic {
    /// Ten packets.
    pub(crate) fn new(mtu: u64) -> Cubic {
        let mtu = mtu as f64;
        Cubic {
            mtu,
            window: 10.0 * mtu,
            threshold: f64::INFINITY,
            most: 0.0,
            reno: 0.0,
            epoch: None,
            recovering_since: -1.0,
        }
    }

    /// Bytes that may be in flight.
    pub(crate) fn window(&self) -> u64 {
        self.window as u64
    }

    /// A packet was acknowledged.
    pub(crate) fn on_ack(&mut self, now: f64, sent: f64, bytes: f64, limited: bool, rtt: f64) {
        if limited || sent <= self.recovering_since {
            return;
        }
        if self.window < self.threshold {
            self.window += bytes;
            return;
        }
        let most = self.most.max(self.window);
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.most = most;
            self.reno = self.window;
            now
        });
        let distance = ((self.most - self.window.min(self.most)) / self.mtu / SCALE).cbrt();
        let zero = if self.most > 0.0 {
            self.most * (1.0 - FACTOR)
        } else {
            0.0
        };
        let zero = (zero / self.mtu / SCALE).cbrt().max(distance.min(0.0));
        let since = now - epoch + rtt - zero;
        let goal = self.most + SCALE * since.powi(3) * self.mtu;
        self.reno += 3.0 * (1.0 - FACTOR) / (1.0 + FACTOR) * self.mtu * bytes / self.window;
        let goal = goal.clamp(self.window, 1.5 * self.window);
        self.window += (goal - self.window) * bytes / self.window;
        self.window = self.window.max(self.reno);
    }

    /// Packets were lost, the latest of them sent at `sent`.
    pub(crate) fn on_loss(&mut self, now: f64, sent: f64, persistent: bool) {
        if persistent {
            self.threshold = self.window / 2.0;
            self.window = 2.0 * self.mtu;
            self.epoch = None;
            return;
        }
        if sent <= self.recovering_since {
            return;
        }
        self.recovering_since = now;
        self.epoch = None;
        self.most = if self.window < self.most {
            self.window * (1.0 + FACTOR) / 2.0
        } else {
            self.window
        };
        self.window = (self.window * FACTOR).max(2.0 * self.mtu);
        self.threshold = self.window;
    }
}
