//! What one way of a line is like, and what can be changed of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::amount::{self, AmountError, refused};

/// The least that a queue holds when nobody says what it is to hold, in bytes: some forty packets.
const QUEUE_LEAST: u64 = 64_000;
/// How long a queue is at the rate when nobody says so.
const QUEUE_TIME: Duration = Duration::from_millis(50);

/// How much waits in front of the rate before packets are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// 50 ms at the rate, and at least 64 kB.
    Usual,
    /// What the rate sends in this time.
    Time(Duration),
    /// So many bytes.
    Bytes(u64),
}

/// One way of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Bits a second, counted over whole IP packets. None: no limit, and no queue.
    pub rate: Option<u64>,
    /// How long a packet is on its way, after it has left the queue.
    pub delay: Duration,
    /// The delay is evenly spread by so much to both sides; no packet overtakes another.
    pub jitter: Duration,
    /// Which share of the packets is lost, each by itself.
    pub loss: f64,
    /// What waits in front of the rate.
    pub queue: Queue,
    /// Whether UDP gets through.
    pub udp: bool,
    /// The longest packet that gets through, in bytes; a longer one vanishes without a word.
    pub longest: Option<u64>,
}

impl Default for Settings {
    /// A way that does nothing to packets.
    fn default() -> Settings {
        Settings {
            rate: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            queue: Queue::Usual,
            udp: true,
            longest: None,
        }
    }
}

impl Settings {
    /// How long `bytes` take at the rate.
    pub fn sending(&self, bytes: u64) -> Duration {
        let nanoseconds = |rate: u64| u128::from(bytes) * 8_000_000_000 / u128::from(rate.max(1));
        let nanoseconds = self.rate.map_or(0, nanoseconds);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// How many bytes the rate sends in a time.
    pub fn sent_in(&self, time: Duration) -> u64 {
        let bytes = |rate: u64| u128::from(rate) * time.as_nanos() / 8_000_000_000;
        u64::try_from(self.rate.map_or(0, bytes)).unwrap_or(u64::MAX)
    }

    /// How many bytes may wait.
    pub fn queue_bytes(&self) -> u64 {
        match self.queue {
            Queue::Usual => self.sent_in(QUEUE_TIME).max(QUEUE_LEAST),
            Queue::Time(time) => self.sent_in(time),
            Queue::Bytes(bytes) => bytes,
        }
    }

    /// The settings for a report.
    pub fn json(&self) -> Value {
        json!({
            "rate_mbit": self.rate.map(|rate| rate as f64 / 1e6),
            "delay_ms": self.delay.as_secs_f64() * 1e3,
            "jitter_ms": self.jitter.as_secs_f64() * 1e3,
            "loss": self.loss,
            "queue_bytes": self.rate.map(|_| self.queue_bytes()),
            "udp": self.udp,
            "longest": self.longest,
        })
    }
}

/// One thing to be changed of one way.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// [`Settings::rate`]
    Rate(Option<u64>),
    /// [`Settings::delay`]
    Delay(Duration),
    /// [`Settings::jitter`]
    Jitter(Duration),
    /// [`Settings::loss`]
    Loss(f64),
    /// [`Settings::queue`]
    Queue(Queue),
    /// [`Settings::udp`]
    Udp(bool),
    /// [`Settings::longest`]
    Longest(Option<u64>),
    /// Nothing gets through for so long, beginning so long from now.
    Outage {
        /// How long from now it begins.
        after: Duration,
        /// How long it lasts.
        lasts: Duration,
    },
}

/// What may be changed, for who asks.
pub const CHANGES: &str =
    "rate, delay, jitter, loss, queue, udp, longest, outage (each with X, or X/Y for up and down)";

/// Reads one change of both ways: `rate 20mbit/100mbit`, `loss 2%`, `udp off`, `outage 3s` (from
/// now), `outage 10s+3s` (in ten seconds), `queue 64kb`, `longest 1400b`.
///
/// # Errors
/// When it is none of these.
pub fn change(name: &str, value: &str) -> Result<[Option<Change>; 2], AmountError> {
    let ways = match name {
        "rate" => amount::both(value, |text| amount::rate(text).map(Change::Rate))?,
        "delay" => amount::both(value, |text| amount::time(text).map(Change::Delay))?,
        "jitter" => amount::both(value, |text| amount::time(text).map(Change::Jitter))?,
        "loss" => amount::both(value, |text| amount::share(text).map(Change::Loss))?,
        "queue" => amount::both(value, |text| queue(text).map(Change::Queue))?,
        "udp" => amount::both(value, |text| switch(text).map(Change::Udp))?,
        "longest" => amount::both(value, |text| longest(text).map(Change::Longest))?,
        "outage" => amount::both(value, outage)?,
        other => return Err(refused(other, CHANGES)),
    };
    Ok(ways)
}

fn queue(text: &str) -> Result<Queue, AmountError> {
    let time = |text| amount::time(text).map(Queue::Time);
    match text {
        "usual" => Ok(Queue::Usual),
        text if text.ends_with('b') => amount::size(text).map(Queue::Bytes),
        text => time(text).map_err(|_| refused(text, "a queue such as 50ms, 64kb or usual")),
    }
}

fn switch(text: &str) -> Result<bool, AmountError> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        text => Err(refused(text, "on or off")),
    }
}

fn longest(text: &str) -> Result<Option<u64>, AmountError> {
    match text {
        "none" => Ok(None),
        text => amount::size(text).map(Some),
    }
}

fn outage(text: &str) -> Result<Change, AmountError> {
    let (after, lasts) = text.split_once('+').unwrap_or(("0", text));
    Ok(Change::Outage {
        after: amount::time(after)?,
        lasts: amount::time(lasts)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_follows_the_rate_unless_it_is_said_in_bytes() {
        let at = |rate, queue| {
            let rate = Some(rate);
            let settings = Settings {
                rate,
                queue,
                ..Settings::default()
            };
            settings.queue_bytes()
        };
        assert_eq!(at(100_000_000, Queue::Usual), 625_000);
        assert_eq!(at(1_000_000, Queue::Usual), 64_000);
        assert_eq!(
            at(80_000_000, Queue::Time(Duration::from_millis(10))),
            100_000
        );
        assert_eq!(at(80_000_000, Queue::Bytes(5)), 5);
    }

    #[test]
    fn changes_are_read_for_each_way() {
        let outage = |after, lasts| Change::Outage {
            after: Duration::from_secs(after),
            lasts: Duration::from_secs(lasts),
        };
        assert_eq!(change("loss", "2%/-"), Ok([Some(Change::Loss(0.02)), None]));
        assert_eq!(change("udp", "off").unwrap()[1], Some(Change::Udp(false)));
        assert_eq!(change("outage", "3s").unwrap()[0], Some(outage(0, 3)));
        assert_eq!(change("outage", "10s+3s").unwrap()[0], Some(outage(10, 3)));
        let queue = Change::Queue(Queue::Bytes(64_000));
        assert_eq!(change("queue", "64kb").unwrap()[0], Some(queue));
        for (name, value) in [
            ("speed", "1mbit"),
            ("udp", "no"),
            ("queue", "9"),
            ("outage", "+"),
        ] {
            assert!(change(name, value).is_err(), "{name} {value}");
        }
    }
}
