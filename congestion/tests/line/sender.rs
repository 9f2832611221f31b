//! One transfer: sends as quinn does, with this crate's controller or with CUBIC.

use std::time::Duration;

use dokuei_congestion::Controller;

use super::cubic::Cubic;
use super::pacer::Pacer;
use super::receiver::Receiver;
use super::recovery::{Lost, Recovery};

/// Bytes of one datagram, and how many of them are the sender's own.
pub(crate) const MTU: u64 = 1452;
const PAYLOAD: u64 = MTU - 32;
/// Time that one number of `delivered` is for.
pub(crate) const SLICE: u64 = 100_000_000;

/// Who decides how much is in flight.
pub(crate) enum Algorithm {
    Ours(Box<Controller>),
    Cubic(Box<Cubic>),
}

/// One transfer and its other end. Times are nanoseconds.
pub(crate) struct Sender {
    pub(crate) algorithm: Algorithm,
    pub(crate) begins: u64,
    pub(crate) ends: Option<u64>,
    /// Longer one-way delay than the line's.
    pub(crate) further: u64,
    pub(crate) receiver: Receiver,
    pub(crate) recovery: Recovery,
    pacer: Pacer,
    /// Bytes that are not in flight and have not arrived.
    left: u64,
    size: u64,
    arrived: u64,
    limited: bool,
    probes: u32,
    paced: Option<u64>,
    /// The wake-up that is in the agenda.
    pub(crate) wake: Option<u64>,
    /// Bytes acknowledged in each `SLICE`.
    pub(crate) delivered: Vec<u64>,
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) dropped: u64,
}

fn time(nanoseconds: u64) -> Duration {
    Duration::from_nanos(nanoseconds)
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

impl Sender {
    /// A transfer of `size` bytes that begins at `begins`.
    pub(crate) fn new(algorithm: Algorithm, size: u64, begins: u64, further: u64) -> Sender {
        Sender {
            algorithm,
            begins,
            ends: None,
            further,
            receiver: Receiver::default(),
            recovery: Recovery::default(),
            pacer: Pacer::new(begins, MTU),
            left: size,
            size,
            arrived: 0,
            limited: false,
            probes: 0,
            paced: None,
            wake: None,
            delivered: Vec::new(),
            packets: 0,
            lost: 0,
            dropped: 0,
        }
    }

    fn window(&self) -> u64 {
        match &self.algorithm {
            Algorithm::Ours(controller) => controller.window(),
            Algorithm::Cubic(cubic) => cubic.window(),
        }
    }

    /// The next packet that may be sent now: its number and bytes.
    pub(crate) fn next(&mut self, now: u64) -> Option<(u64, u64)> {
        self.paced = None;
        if self.ends.is_some() {
            return None;
        }
        if self.left == 0 && self.probes == 0 {
            self.limited = true;
            return None;
        }
        self.limited = false;
        if self.probes == 0 {
            let window = self.window();
            if self.recovery.in_flight + MTU >= window {
                return None;
            }
            if let Some(at) = self.pacer.wait(now, self.recovery.rtt(), MTU, window) {
                // A runtime's timers count whole milliseconds.
                self.paced = Some(at.div_ceil(1_000_000) * 1_000_000);
                return None;
            }
        }
        self.probes = self.probes.saturating_sub(1);
        let payload = self.left.min(PAYLOAD);
        self.left -= payload;
        let bytes = payload + MTU - PAYLOAD;
        self.pacer.take(bytes);
        self.packets += 1;
        Some((self.recovery.send(now, bytes, payload), bytes))
    }

    /// An acknowledgement came.
    pub(crate) fn acknowledged(&mut self, now: u64, numbers: &[u64]) {
        let mut largest = None;
        let rtt = self.recovery.rtt();
        for number in numbers {
            let Some((sent, bytes, payload)) = self.recovery.acknowledge(*number) else {
                continue;
            };
            largest = Some((*number, sent));
            self.arrived += payload;
            self.deliver(now, payload);
            match &mut self.algorithm {
                Algorithm::Ours(controller) => {
                    controller.on_ack(time(now), time(sent), bytes, self.limited, time(rtt));
                }
                Algorithm::Cubic(cubic) => {
                    let (now, sent) = (seconds(now), seconds(sent));
                    cubic.on_ack(now, sent, bytes as f64, self.limited, seconds(rtt));
                }
            }
        }
        let Some((number, sent)) = largest else {
            return;
        };
        if let Algorithm::Ours(controller) = &mut self.algorithm {
            controller.on_end_acks(time(now), self.recovery.in_flight);
        }
        self.recovery.measure(now, number, sent);
        if let Some(lost) = self.recovery.find_lost(now, true) {
            self.lost(now, &lost);
        }
        if self.arrived >= self.size {
            self.ends = Some(now);
        }
    }

    fn deliver(&mut self, now: u64, payload: u64) {
        let slice = (now / SLICE) as usize;
        if self.delivered.len() <= slice {
            self.delivered.resize(slice + 1, 0);
        }
        self.delivered[slice] += payload;
    }

    fn lost(&mut self, now: u64, lost: &Lost) {
        self.left += lost.payload;
        self.lost += lost.packets;
        match &mut self.algorithm {
            Algorithm::Ours(controller) => {
                controller.on_congestion_event(time(now), lost.persistent, lost.bytes);
            }
            Algorithm::Cubic(cubic) => {
                cubic.on_loss(seconds(now), seconds(lost.last_sent), lost.persistent);
            }
        }
    }

    /// A timer ran out.
    pub(crate) fn woken(&mut self, now: u64) {
        if self.recovery.probes(now) {
            self.probes = 2;
        } else if self.recovery.due().is_some_and(|due| due <= now)
            && let Some(lost) = self.recovery.find_lost(now, false)
        {
            self.lost(now, &lost);
        }
    }

    /// When to wake next.
    pub(crate) fn due(&self) -> Option<u64> {
        if self.ends.is_some() {
            return None;
        }
        [self.recovery.due(), self.paced]
            .into_iter()
            .flatten()
            .min()
    }

    /// Bytes a second from begin to end, or to `now` when it has not ended.
    pub(crate) fn goodput(&self, now: u64) -> f64 {
        let until = self.ends.unwrap_or(now);
        self.arrived as f64 / seconds(until.saturating_sub(self.begins).max(1))
    }

    /// Bytes a second in a part of the run, in seconds.
    pub(crate) fn goodput_in(&self, from: f64, to: f64) -> f64 {
        let slice = |at: f64| (at * 1e9 / SLICE as f64) as usize;
        let slices = self.delivered.iter().skip(slice(from));
        let bytes: u64 = slices.take(slice(to) - slice(from)).sum();
        bytes as f64 / (to - from)
    }

    /// The part of its packets that was found lost.
    pub(crate) fn lost_part(&self) -> f64 {
        self.lost as f64 / self.packets.max(1) as f64
    }

    /// The part of its packets that found the queue full.
    pub(crate) fn dropped_part(&self) -> f64 {
        self.dropped as f64 / self.packets.max(1) as f64
    }
}
