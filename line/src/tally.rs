//! What has been counted of one way of a line.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::packet::{Packet, Protocol};

/// Why a packet did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// By chance.
    Loss,
    /// The queue was full.
    Queue,
    /// The line was down.
    Outage,
    /// It was UDP, which does not get through.
    Udp,
    /// It was longer than what gets through.
    Longer,
    /// The device at the end did not take it.
    Refused,
}

/// The names of what was dropped, in the order in which it is counted.
const DROPS: [(Drop, &str); 6] = [
    (Drop::Loss, "loss"),
    (Drop::Queue, "queue"),
    (Drop::Outage, "outage"),
    (Drop::Udp, "udp"),
    (Drop::Longer, "longer"),
    (Drop::Refused, "refused"),
];

/// Packets and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How many packets.
    pub packets: u64,
    /// How many bytes, IP headers included.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, packet: &Packet) {
        self.packets += 1;
        self.bytes += packet.len();
    }

    fn json(self) -> Value {
        json!({ "packets": self.packets, "bytes": self.bytes })
    }
}

/// The counters of one way, from its start on.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// What was given to it.
    pub offered: Count,
    /// What came out at its end.
    pub delivered: Count,
    /// How long packets waited before the first of their bits was sent.
    pub waited: Spread,
    /// How much later than they should packets came out. This tells how true the line was: a machine
    /// with too much to do delivers late.
    pub late: Spread,
    /// The most that waited at once, in bytes.
    pub queued_most: u64,
    by_protocol: [Count; 4],
    dropped: [Count; 6],
}

impl Tally {
    /// A packet was given to this way.
    pub fn offer(&mut self, packet: &Packet) {
        self.offered.add(packet);
    }

    /// A packet came out.
    pub fn deliver(&mut self, packet: &Packet, late: Duration) {
        self.delivered.add(packet);
        self.late.add(late);
        let places = Protocol::ALL.iter().zip(&mut self.by_protocol);
        for ((protocol, _), count) in places {
            if *protocol == packet.protocol() {
                count.add(packet);
            }
        }
    }

    /// A packet did not come out.
    pub fn drop(&mut self, packet: &Packet, reason: Drop) {
        for ((known, _), count) in DROPS.iter().zip(&mut self.dropped) {
            if *known == reason {
                count.add(packet);
            }
        }
    }

    /// What came out of one protocol.
    pub fn of(&self, protocol: Protocol) -> Count {
        let mut places = Protocol::ALL.iter().zip(&self.by_protocol);
        let found = places.find(|((known, _), _)| *known == protocol);
        found.map_or(Count::default(), |(_, count)| *count)
    }

    /// What was dropped for one reason.
    pub fn dropped(&self, reason: Drop) -> Count {
        let mut places = DROPS.iter().zip(&self.dropped);
        let found = places.find(|((known, _), _)| *known == reason);
        found.map_or(Count::default(), |(_, count)| *count)
    }

    /// All of it for a report.
    pub fn json(&self) -> Value {
        let by_protocol = Protocol::ALL.iter().zip(&self.by_protocol);
        let by_protocol = by_protocol.map(|((_, name), count)| ((*name).to_owned(), count.json()));
        let dropped = DROPS.iter().zip(&self.dropped);
        let dropped = dropped.map(|((_, name), count)| ((*name).to_owned(), count.json()));
        json!({
            "offered": self.offered.json(),
            "delivered": self.delivered.json(),
            "delivered_by_protocol": Value::Object(Map::from_iter(by_protocol)),
            "dropped": Value::Object(Map::from_iter(dropped)),
            "queue_bytes_most": self.queued_most,
            "queue_ms": self.waited.json(),
            "late_ms": self.late.json(),
        })
    }
}

/// Steps of a spread: with [`STEP`] they reach from 10 µs to 40 s.
const STEPS: usize = 160;
/// The first step's end.
const FIRST: Duration = Duration::from_micros(10);
/// How much longer each step is than the one before.
const STEP: f64 = 1.1;

/// Many times, as their mean, most, and shares to within a tenth.
#[derive(Debug, Clone)]
pub struct Spread {
    steps: [u64; STEPS],
    count: u64,
    sum: Duration,
    most: Duration,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread {
            steps: [0; STEPS],
            count: 0,
            sum: Duration::ZERO,
            most: Duration::ZERO,
        }
    }
}

impl Spread {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        let step = if time <= FIRST {
            0
        } else {
            (time.as_secs_f64() / FIRST.as_secs_f64()).log(STEP).ceil() as usize
        };
        self.steps[step.min(STEPS - 1)] += 1;
        self.count += 1;
        self.sum += time;
        self.most = self.most.max(time);
    }

    /// The longest.
    pub fn most(&self) -> Duration {
        self.most
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        self.sum.div_f64(self.count.max(1) as f64)
    }

    /// A time that so large a share does not exceed; it may be a tenth too long.
    pub fn share(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (step, count) in self.steps.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return FIRST.mul_f64(STEP.powi(step as i32)).min(self.most);
            }
        }
        self.most
    }

    fn json(&self) -> Value {
        let milliseconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        json!({
            "mean": milliseconds(self.mean()),
            "p50": milliseconds(self.share(0.5)),
            "p95": milliseconds(self.share(0.95)),
            "most": milliseconds(self.most),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_true_to_a_tenth() {
        let mut spread = Spread::default();
        assert_eq!(spread.share(0.5), Duration::ZERO);
        for milliseconds in 1..=100 {
            spread.add(Duration::from_millis(milliseconds));
        }
        for (share, milliseconds) in [(0.5, 50.0), (0.95, 95.0), (1.0, 100.0)] {
            let found = spread.share(share).as_secs_f64() * 1e3;
            assert!(
                (milliseconds..milliseconds * 1.1).contains(&found),
                "{found}"
            );
        }
        assert_eq!(spread.mean(), Duration::from_micros(50_500));
        spread.add(Duration::from_secs(1000));
        assert_eq!(
            spread.share(1.0),
            FIRST.mul_f64(STEP.powi(STEPS as i32 - 1))
        );
    }
}
