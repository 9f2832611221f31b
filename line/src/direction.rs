//! One way of a line as a value: the time is an argument, and packets come out when it is their time.
//!
//! ```text
//! offer ──► outage? ► udp? ► length? ──► queue ──► rate ──► outage? ► loss? ──► delay, jitter ──► out
//! ```
//! A packet that is lost by chance has used its time on the line. Order is kept throughout.

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::packet::{Packet, Protocol};
use crate::settings::{Change, Settings};
use crate::tally::{Drop, Tally};

/// Most bytes of one way that have left the queue and not arrived: 10 Gbit/s over 200 ms. What
/// comes on top counts as dropped by the queue.
pub const UNDER_WAY_MOST: u64 = 256 << 20;
/// Most outages that are still to come or to end; more than that is no plan but a mistake.
pub const OUTAGES_MOST: usize = 1000;

/// One way of a line. Times count from its start.
pub struct Direction {
    settings: Settings,
    /// Those that wait, with the time at which each came; the first is being sent.
    waiting: VecDeque<(Duration, Packet)>,
    waiting_bytes: u64,
    /// When the last bit of the first that waits is sent.
    sent_at: Duration,
    /// Those on their way, with the time at which each is to arrive.
    under_way: VecDeque<(Duration, Packet)>,
    under_way_bytes: u64,
    last_due: Duration,
    outages: Vec<(Duration, Duration)>,
    loss: ChaCha8Rng,
    jitter: ChaCha8Rng,
    tally: Tally,
}

impl Direction {
    /// A way whose chance follows from the seed and from which way it is: the same packets lose the
    /// same ones of them, whatever the jitter.
    pub fn new(settings: Settings, seed: u64, way: u64) -> Direction {
        let chance = |kind: u64| {
            let mut chance = ChaCha8Rng::seed_from_u64(seed);
            chance.set_stream(way * 2 + kind);
            chance
        };
        Direction {
            settings,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            sent_at: Duration::ZERO,
            under_way: VecDeque::new(),
            under_way_bytes: 0,
            last_due: Duration::ZERO,
            outages: Vec::new(),
            loss: chance(0),
            jitter: chance(1),
            tally: Tally::default(),
        }
    }

    /// What it is like.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What has been counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The device at the end did not take a packet that had come out.
    pub fn refused(&mut self, packet: &Packet) {
        self.tally.drop(packet, Drop::Refused);
    }

    /// A packet enters now.
    pub fn offer(&mut self, now: Duration, packet: Packet) {
        self.send_until(now);
        self.tally.offer(&packet);
        let longest = self.settings.longest;
        let reason = if self.is_down(now) {
            Some(Drop::Outage)
        } else if !self.settings.udp && packet.protocol() == Protocol::Udp {
            Some(Drop::Udp)
        } else if longest.is_some_and(|longest| packet.len() > longest) {
            Some(Drop::Longer)
        } else if !self.has_room(now, packet.len()) {
            Some(Drop::Queue)
        } else {
            None
        };
        if let Some(reason) = reason {
            self.tally.drop(&packet, reason);
            return;
        }
        if self.settings.rate.is_none() {
            self.leave(now, packet);
            return;
        }
        if self.waiting.is_empty() {
            self.sent_at = now + self.settings.sending(packet.len());
        }
        self.waiting_bytes += packet.len();
        self.waiting.push_back((now, packet));
        self.tally.queued_most = self.tally.queued_most.max(self.backlog(now));
    }

    /// Hands out what has arrived by now, in order.
    pub fn advance(&mut self, now: Duration, mut out: impl FnMut(Packet)) {
        self.send_until(now);
        while let Some((due, packet)) = self.under_way.pop_front_if(|(due, _)| *due <= now) {
            self.under_way_bytes -= packet.len();
            self.tally.deliver(&packet, now - due);
            out(packet);
        }
    }

    /// When [`Direction::advance`] has something to do again, at the earliest. None: not before
    /// another packet is offered.
    pub fn next(&self) -> Option<Duration> {
        // What is being sent arrives a whole delay later, so that nobody need wake for it before; it
        // may be lost, or be late by jitter, which then is found out.
        let least = self.settings.delay.saturating_sub(self.settings.jitter);
        match (self.under_way.front(), self.waiting.front()) {
            (Some((due, _)), _) => Some(*due),
            (None, Some(_)) => Some(self.sent_at + least),
            (None, None) => None,
        }
    }

    /// Changes one thing from now on. What is under way arrives as it would have; what is being
    /// sent goes on at the new rate. False when there are too many outages.
    pub fn change(&mut self, now: Duration, change: Change) -> bool {
        self.send_until(now);
        match change {
            Change::Rate(rate) => {
                let left = self.settings.sent_in(self.sent_at.saturating_sub(now));
                self.settings.rate = rate;
                self.sent_at = now + self.settings.sending(left);
            }
            Change::Delay(delay) => self.settings.delay = delay,
            Change::Jitter(jitter) => self.settings.jitter = jitter,
            Change::Loss(loss) => self.settings.loss = loss,
            Change::Queue(queue) => self.settings.queue = queue,
            Change::Udp(udp) => self.settings.udp = udp,
            Change::Longest(longest) => self.settings.longest = longest,
            Change::Outage { after, lasts } => {
                self.outages.retain(|(_, end)| *end > now);
                if self.outages.len() == OUTAGES_MOST {
                    return false;
                }
                self.outages.push((now + after, now + after + lasts));
            }
        }
        true
    }

    /// Sends what the rate has sent by now.
    fn send_until(&mut self, now: Duration) {
        while self.sent_at <= now {
            let Some((came, packet)) = self.waiting.pop_front() else {
                return;
            };
            let at = self.sent_at;
            self.waiting_bytes -= packet.len();
            let began = at.saturating_sub(self.settings.sending(packet.len()));
            self.tally.waited.add(began.saturating_sub(came));
            if let Some((_, next)) = self.waiting.front() {
                self.sent_at = at + self.settings.sending(next.len());
            }
            self.leave(at, packet);
        }
    }

    /// A packet's last bit was sent `at`.
    fn leave(&mut self, at: Duration, packet: Packet) {
        // Drawn for each packet, so that a change of the share changes nothing else.
        let drawn = fraction(&mut self.loss);
        if self.is_down(at) {
            self.tally.drop(&packet, Drop::Outage);
            return;
        }
        if drawn < self.settings.loss {
            self.tally.drop(&packet, Drop::Loss);
            return;
        }
        if self.under_way_bytes + packet.len() > UNDER_WAY_MOST {
            self.tally.drop(&packet, Drop::Queue);
            return;
        }
        let jitter = self.settings.jitter;
        let spread = if jitter.is_zero() {
            Duration::ZERO
        } else {
            jitter.mul_f64(2.0 * fraction(&mut self.jitter))
        };
        let due = (at + self.settings.delay + spread).saturating_sub(jitter);
        // None arrives before it was sent, or before the one that was sent before it.
        let due = due.max(at).max(self.last_due);
        self.last_due = due;
        self.under_way_bytes += packet.len();
        self.under_way.push_back((due, packet));
    }

    /// How many bytes are still to be sent.
    fn backlog(&self, now: Duration) -> u64 {
        let Some((_, first)) = self.waiting.front() else {
            return 0;
        };
        let left = self.settings.sent_in(self.sent_at.saturating_sub(now));
        self.waiting_bytes - first.len() + left.min(first.len())
    }

    /// Whether a packet may wait. One that finds nobody waiting is sent whatever the queue holds.
    fn has_room(&self, now: Duration, bytes: u64) -> bool {
        self.waiting.is_empty() || self.backlog(now) + bytes <= self.settings.queue_bytes()
    }

    fn is_down(&self, at: Duration) -> bool {
        let covers = |(from, to): &(Duration, Duration)| (*from..*to).contains(&at);
        self.outages.iter().any(covers)
    }
}

/// An even draw from 0 to below 1.
fn fraction(chance: &mut ChaCha8Rng) -> f64 {
    (chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests;
