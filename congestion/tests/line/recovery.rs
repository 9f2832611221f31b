//! What is in flight, what is lost, and the round trip (RFC 9002, in quinn-proto's order).

use std::collections::VecDeque;

const MS: u64 = 1_000_000;
/// Packets sent later and acknowledged after which one is lost.
const LATER: u64 = 3;

/// One packet on its way.
pub(crate) struct Packet {
    pub(crate) sent: u64,
    pub(crate) bytes: u64,
    pub(crate) payload: u64,
    flying: bool,
}

/// What was found lost at once.
pub(crate) struct Lost {
    pub(crate) bytes: u64,
    pub(crate) payload: u64,
    pub(crate) packets: u64,
    pub(crate) last_sent: u64,
    pub(crate) persistent: bool,
}

/// The packets of one sender. Times are nanoseconds.
#[derive(Default)]
pub(crate) struct Recovery {
    packets: VecDeque<Packet>,
    first: u64,
    pub(crate) in_flight: u64,
    largest: Option<u64>,
    last_sent: u64,
    pub(crate) smoothed: Option<u64>,
    latest: u64,
    variation: u64,
    first_after_sample: Option<u64>,
    tries: u32,
    loss_due: Option<u64>,
}

impl Recovery {
    /// The smoothed round trip, 333 ms before there is one.
    pub(crate) fn rtt(&self) -> u64 {
        self.smoothed.unwrap_or(333 * MS)
    }

    fn timeout(&self) -> u64 {
        let variation = if self.smoothed.is_some() {
            self.variation
        } else {
            333 * MS / 2
        };
        self.rtt() + (4 * variation).max(MS) + 25 * MS
    }

    /// Sends a packet and gives its number.
    pub(crate) fn send(&mut self, now: u64, bytes: u64, payload: u64) -> u64 {
        self.packets.push_back(Packet {
            sent: now,
            bytes,
            payload,
            flying: true,
        });
        self.in_flight += bytes;
        self.last_sent = now;
        self.first + self.packets.len() as u64 - 1
    }

    /// Takes an acknowledged packet out; none when it is none of those in flight.
    pub(crate) fn acknowledge(&mut self, number: u64) -> Option<(u64, u64, u64)> {
        let packet = self
            .packets
            .get_mut(number.checked_sub(self.first)? as usize)?;
        if !std::mem::replace(&mut packet.flying, false) {
            return None;
        }
        self.in_flight -= packet.bytes;
        Some((packet.sent, packet.bytes, packet.payload))
    }

    /// Takes the round trip of an acknowledgement's largest packet. Called before `find_lost`.
    pub(crate) fn measure(&mut self, now: u64, largest: u64, sent: u64) {
        self.tries = 0;
        if self.largest.is_some_and(|before| before >= largest) {
            return;
        }
        self.largest = Some(largest);
        let rtt = now - sent;
        self.latest = rtt;
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variation = rtt / 2;
                self.first_after_sample = Some(self.first + self.packets.len() as u64);
            }
            Some(smoothed) => {
                self.variation = (3 * self.variation + smoothed.abs_diff(rtt)) / 4;
                self.smoothed = Some((7 * smoothed + rtt) / 8);
            }
        }
    }

    /// Takes out what is lost by now.
    pub(crate) fn find_lost(&mut self, now: u64, by_ack: bool) -> Option<Lost> {
        let largest = self.largest?;
        let delay = (self.rtt().max(self.latest) * 9 / 8).max(MS);
        let period = self.timeout() * 3;
        let mut lost = Lost {
            bytes: 0,
            payload: 0,
            packets: 0,
            last_sent: 0,
            persistent: false,
        };
        let mut since: Option<u64> = None;
        self.loss_due = None;
        let below = largest.saturating_sub(self.first) as usize;
        for (at, packet) in self.packets.iter_mut().take(below).enumerate() {
            if !packet.flying {
                since = None;
                continue;
            }
            let number = self.first + at as u64;
            if now - packet.sent < delay && largest < number + LATER {
                let due = packet.sent + delay;
                self.loss_due = Some(self.loss_due.map_or(due, |other| other.min(due)));
                since = None;
                continue;
            }
            packet.flying = false;
            lost.bytes += packet.bytes;
            lost.payload += packet.payload;
            lost.packets += 1;
            lost.last_sent = packet.sent;
            if by_ack {
                match since {
                    Some(since) => lost.persistent |= packet.sent - since > period,
                    None if self.first_after_sample.is_some_and(|first| first < number) => {
                        since = Some(packet.sent);
                    }
                    None => {}
                }
            }
        }
        self.in_flight -= lost.bytes;
        while self.packets.front().is_some_and(|packet| !packet.flying) {
            self.packets.pop_front();
            self.first += 1;
        }
        (lost.packets > 0).then_some(lost)
    }

    /// When something is to be done without an acknowledgement.
    pub(crate) fn due(&self) -> Option<u64> {
        if self.in_flight == 0 {
            return None;
        }
        let probe = self.last_sent + self.timeout() * (1 << self.tries.min(10));
        Some(self.loss_due.unwrap_or(probe))
    }

    /// Whether what is due now is to probe, as nothing was heard for long.
    pub(crate) fn probes(&mut self, now: u64) -> bool {
        let due = self.due().is_some_and(|due| due <= now) && self.loss_due.is_none();
        self.tries += u32::from(due);
        due
    }
}
