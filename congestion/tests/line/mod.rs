//! A line on a virtual clock: one queue in front of one rate, with delay, losses, jitter and
//! outages by seed; transfers through it, and another program's ping. Packets are not reordered.
#![allow(dead_code, reason = "the tests and the benchmark each use a part")]

mod chance;
mod cubic;
mod pacer;
mod receiver;
mod recovery;
mod sender;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use chance::Chance;
use cubic::Cubic;
use dokuei_congestion::Controller;
pub(crate) use sender::Sender;
use sender::{Algorithm, MTU};

/// IP and UDP headers.
const HEADERS: u64 = 28;
const MS: f64 = 1e6;

/// What the line is like. Times are milliseconds unless said.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    /// Mbit/s, headers included.
    pub(crate) rate: f64,
    /// One way, without the queue.
    pub(crate) delay: f64,
    /// Bytes that wait before the rate; what comes then is dropped.
    pub(crate) queue: f64,
    /// The part of packets lost by chance, in each direction.
    pub(crate) loss: f64,
    /// Either way of `delay`, uniformly.
    pub(crate) jitter: f64,
    /// Seconds between which nothing passes.
    pub(crate) outage: (f64, f64),
    /// Seconds between which the way back takes so many milliseconds more.
    pub(crate) back: (f64, f64, f64),
    /// Packets arrive together, at multiples of so many milliseconds; 0: each by itself.
    pub(crate) bunches: f64,
    /// What is above the rate is dropped, and nothing waits: `queue` is the burst that is let through.
    pub(crate) policed: bool,
    /// From this second on, the rate is this one.
    pub(crate) change: (f64, f64),
}

impl Line {
    /// A line with a queue of 50 ms, at least 64 kB.
    pub(crate) fn new(rate: f64, rtt: f64) -> Line {
        Line {
            rate,
            delay: rtt / 2.0,
            queue: (rate * 1e6 / 8.0 * 0.05).max(64e3),
            loss: 0.0,
            jitter: 0.0,
            bunches: 0.0,
            policed: false,
            outage: (f64::INFINITY, f64::INFINITY),
            back: (f64::INFINITY, f64::INFINITY, 0.0),
            change: (f64::INFINITY, 0.0),
        }
    }

    /// With so many percent of loss.
    pub(crate) fn losing(self, percent: f64) -> Line {
        Line {
            loss: percent / 100.0,
            ..self
        }
    }

    /// Bytes of payload a second at best.
    pub(crate) fn best(&self) -> f64 {
        self.rate * 1e6 / 8.0 * (MTU - 32) as f64 / (MTU + HEADERS) as f64
    }
}

enum Event {
    Wake(usize),
    Arrives(usize, u64),
    AckDue(usize),
    Acked(usize, Vec<u64>),
    Ping,
}

/// Orders events by time, then by when they were noted.
struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    noted: u64,
}

impl Agenda {
    fn note(&mut self, at: u64, event: Event) {
        let place = self.free.pop().unwrap_or(self.events.len());
        if place == self.events.len() {
            self.events.push(None);
        }
        self.events[place] = Some(event);
        self.heap.push(Reverse((at, self.noted, place)));
        self.noted += 1;
    }

    fn next(&mut self, last: u64) -> Option<(u64, Event)> {
        if self.heap.peek()?.0.0 > last {
            return None;
        }
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        Some((at, self.events[place].take()?))
    }
}

/// One run.
pub(crate) struct World {
    line: Line,
    chance: Chance,
    agenda: Agenda,
    now: u64,
    busy_until: u64,
    last_out: Vec<u64>,
    last_back: Vec<u64>,
    pub(crate) senders: Vec<Sender>,
    /// When each ping was sent and how long it took, in milliseconds; none is lost.
    pub(crate) pings: Vec<(f64, Option<f64>)>,
}

impl World {
    /// An empty line.
    pub(crate) fn new(line: Line, seed: u64) -> World {
        let heap = BinaryHeap::new();
        let agenda = Agenda {
            heap,
            events: Vec::new(),
            free: Vec::new(),
            noted: 0,
        };
        let mut world = World {
            line,
            chance: Chance::new(seed),
            agenda,
            now: 0,
            busy_until: 0,
            last_out: Vec::new(),
            last_back: Vec::new(),
            senders: Vec::new(),
            pings: Vec::new(),
        };
        world.agenda.note(0, Event::Ping);
        world
    }

    /// A transfer of ours: megabytes, and when it begins in seconds.
    pub(crate) fn ours(&mut self, megabytes: f64, begins: f64) -> usize {
        let controller = Controller::new(Duration::from_secs_f64(begins), MTU as u16);
        self.add(
            Algorithm::Ours(Box::new(controller)),
            megabytes,
            begins,
            0.0,
        )
    }

    /// A transfer of ours to a partner who is so many milliseconds further away, there and back.
    pub(crate) fn ours_further(&mut self, megabytes: f64, begins: f64, further: f64) -> usize {
        let controller = Controller::new(Duration::from_secs_f64(begins), MTU as u16);
        self.add(
            Algorithm::Ours(Box::new(controller)),
            megabytes,
            begins,
            further / 2.0,
        )
    }

    /// From now on a transfer of ours may not be faster than so many bytes a second.
    pub(crate) fn cap(&mut self, which: usize, cap: Option<u64>) {
        if let Algorithm::Ours(controller) = &mut self.senders[which].algorithm {
            controller.set_cap(cap);
        }
    }

    /// Somebody else's.
    pub(crate) fn cubic(&mut self, megabytes: f64, begins: f64) -> usize {
        self.add(
            Algorithm::Cubic(Box::new(Cubic::new(MTU))),
            megabytes,
            begins,
            0.0,
        )
    }

    fn add(&mut self, algorithm: Algorithm, megabytes: f64, begins: f64, further: f64) -> usize {
        let begins = (begins * 1e9) as u64;
        let size = (megabytes * 1e6) as u64;
        let further = (further * MS) as u64;
        self.senders
            .push(Sender::new(algorithm, size, begins, further));
        self.last_out.push(0);
        self.last_back.push(0);
        let which = self.senders.len() - 1;
        self.agenda.note(begins, Event::Wake(which));
        which
    }

    /// Runs until all transfers have ended, or so many seconds are over.
    pub(crate) fn run(&mut self, seconds: f64) -> &mut World {
        let last = (seconds * 1e9) as u64;
        while !self.senders.iter().all(|sender| sender.ends.is_some()) {
            let Some((at, event)) = self.agenda.next(last) else {
                self.now = last;
                break;
            };
            self.now = at;
            self.happen(event);
        }
        self
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ping => self.ping(),
            Event::Wake(which) => {
                self.senders[which].wake = None;
                self.senders[which].woken(self.now);
                self.send(which);
            }
            Event::Arrives(which, number) => {
                let receiver = &mut self.senders[which].receiver;
                if receiver.take(self.now, number) {
                    self.answer(which);
                } else if let Some(due) = receiver.due() {
                    self.agenda.note(due, Event::AckDue(which));
                }
            }
            Event::AckDue(which) => {
                let due = self.senders[which].receiver.due();
                if due.is_some_and(|due| due <= self.now) {
                    self.answer(which);
                }
            }
            Event::Acked(which, numbers) => {
                self.senders[which].acknowledged(self.now, &numbers);
                self.send(which);
            }
        }
    }

    fn send(&mut self, which: usize) {
        while let Some((number, bytes)) = self.senders[which].next(self.now) {
            let further = self.senders[which].further;
            match self.cross(bytes + HEADERS) {
                Ok(at) => {
                    let at = (at + further).max(self.last_out[which]);
                    self.last_out[which] = at;
                    self.agenda.note(at, Event::Arrives(which, number));
                }
                Err(Why::Full) => self.senders[which].dropped += 1,
                Err(Why::Chance) => {}
            }
        }
        let sender = &mut self.senders[which];
        if let Some(due) = sender.due() {
            let due = due.max(self.now + 1);
            if sender.wake.is_none_or(|wake| wake > due) {
                sender.wake = Some(due);
                self.agenda.note(due, Event::Wake(which));
            }
        }
    }

    fn answer(&mut self, which: usize) {
        let lost = self.is_out() || self.chance.part() < self.line.loss;
        let Some(numbers) = self.senders[which].receiver.acknowledge(lost) else {
            return;
        };
        let at = self.now + self.way_back() + self.senders[which].further;
        let at = at.max(self.last_back[which]);
        self.last_back[which] = at;
        self.agenda.note(at, Event::Acked(which, numbers));
    }

    fn is_out(&self) -> bool {
        let now = self.now as f64 / 1e9;
        (self.line.outage.0..self.line.outage.1).contains(&now)
    }

    fn way(&mut self) -> u64 {
        let jitter = self.line.jitter * (2.0 * self.chance.part() - 1.0);
        ((self.line.delay + jitter).max(0.0) * MS) as u64
    }

    fn way_back(&mut self) -> u64 {
        let now = self.now as f64 / 1e9;
        let (from, to, more) = self.line.back;
        let more = if (from..to).contains(&now) { more } else { 0.0 };
        self.way() + (more * MS) as u64
    }

    /// When a packet that is sent now arrives, if it does.
    fn cross(&mut self, bytes: u64) -> Result<u64, Why> {
        if self.is_out() {
            return Err(Why::Chance);
        }
        let changed = self.now as f64 / 1e9 >= self.line.change.0;
        let rate = if changed {
            self.line.change.1
        } else {
            self.line.rate
        };
        let per_byte = 8e3 / rate;
        let waiting = self.busy_until.saturating_sub(self.now);
        if waiting as f64 / per_byte + bytes as f64 > self.line.queue {
            return Err(Why::Full);
        }
        self.busy_until = self.busy_until.max(self.now) + (bytes as f64 * per_byte) as u64;
        if self.chance.part() < self.line.loss {
            return Err(Why::Chance);
        }
        let leaves = if self.line.policed {
            self.now
        } else {
            self.busy_until
        };
        let arrives = leaves + self.way();
        let together = (self.line.bunches * MS) as u64;
        Ok(arrives.div_ceil(together.max(1)) * together.max(1))
    }

    /// 64 bytes of another program, every 25 ms.
    fn ping(&mut self) {
        let sent = self.now as f64 / MS;
        let there = self.cross(64 + HEADERS);
        let back = self.way_back();
        let lost = self.is_out() || self.chance.part() < self.line.loss;
        let took = there
            .ok()
            .filter(|_| !lost)
            .map(|at| (at + back - self.now) as f64 / MS);
        self.pings.push((sent / 1e3, took));
        self.agenda.note(self.now + 25_000_000, Event::Ping);
    }

    /// The round trips of pings sent between two seconds, sorted.
    pub(crate) fn pings_in(&self, from: f64, to: f64) -> Vec<f64> {
        let within = self
            .pings
            .iter()
            .filter(|ping| (from..to).contains(&ping.0));
        let mut took: Vec<f64> = within.filter_map(|ping| ping.1).collect();
        took.sort_by(f64::total_cmp);
        took
    }

    /// The time that has passed, in seconds.
    pub(crate) fn now(&self) -> f64 {
        self.now as f64 / 1e9
    }

    /// Megabytes a second of one transfer, from its begin to its end.
    pub(crate) fn goodput(&self, which: usize) -> f64 {
        self.senders[which].goodput(self.now) / 1e6
    }
}

enum Why {
    Full,
    Chance,
}

/// The value below which so many percent of sorted ones lie; 0 when there is none.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}
