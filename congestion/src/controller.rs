//! The controller: what a connection tells it, and the window that follows.

use std::time::Duration;

use crate::look::{Look, Looks, depth};
use crate::loss::Loss;
use crate::queue::{Queue, Seen};
use crate::rate::Rate;
use crate::round::Round;
use crate::start::Start;
use crate::steady::{Sight, Steady};

/// Packets in flight before anything is known. Three times what RFC 9002 begins with: it saves half
/// a second over 300 ms, and on a line of 2 Mbit/s it is 190 ms, paced over a round trip.
const INITIAL_PACKETS: u64 = 32;
/// Packets in flight at least (RFC 9002 §7.2).
const LEAST_PACKETS: u64 = 2;
/// Packets in flight at least during a look: with fewer, acknowledgements are delayed.
const LOOK_PACKETS: u64 = 4;
/// Bytes in flight at most: 1 s of a line of 1 Gbit/s.
const MOST_WINDOW: u64 = 128 << 20;
/// A transfer of r bytes a second keeps √(QUEUE · r) bytes in the queue: at 100 Mbit/s 100 kB or
/// 8 ms, at 2 Mbit/s ten packets, at 1 Gbit/s 2.5 ms. Two with the same queue have the same rate.
const QUEUE: f64 = 800.0;
/// Seconds of the line that may always be in flight: within one machine or room the two ends wait
/// for each other's threads and timers, which looks like a queue and is none.
const LEAST_TIME: f64 = 0.004;
/// Full lines in flight at most, and packets besides, so that acknowledgements in a bunch, which
/// look like a fast line, do not let the window run away.
const MOST_LINES: f64 = 2.0;
const MOST_PACKETS: u64 = 10;
/// The same in the beginning, when the rate is that of a round ago; besides are the first packets.
const MOST_LINES_START: f64 = 4.0;
/// The part of the wanted queue that is none.
const NONE: f64 = 0.25;
/// Rounds without a queue after which what is lost was not lost by a full one.
const CALM_ROUNDS: u32 = 3;
/// The part of the wanted queue within which the line counts as empty, and its bounds in seconds.
const NEAR: (f64, f64, f64) = (0.125, 0.000_2, 0.005);
/// The part of the wanted queue that a look may find.
const SMALL: f64 = 0.5;

/// What the controller is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Twice as much each round trip, until a queue forms.
    Start,
    /// Keeping a small queue.
    Steady,
    /// Sending less for a moment, to see the line empty.
    Look,
}

/// What the controller takes the line to be.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// What it is doing.
    pub phase: Phase,
    /// The shortest round trip of the last 15 s; none before the first acknowledgement.
    pub base: Option<Duration>,
    /// The shortest round trip of the last round; none before it.
    pub rtt: Option<Duration>,
    /// What the line delivers, in bytes a second.
    pub rate: f64,
    /// The part of the packets that is lost without a full queue, 0 to 1.
    pub usual_loss: f64,
    /// Bytes that may be in flight.
    pub window: u64,
}

#[derive(Clone)]
enum Doing {
    Start(Box<Start>),
    Steady,
    Look(Look),
}

/// Decides how many bytes one connection may have in flight. It reads no clock: times are since
/// any moment, the same one in all calls.
#[derive(Clone)]
pub struct Controller {
    mtu: u64,
    window: f64,
    cap: Option<u64>,
    smoothed: Duration,
    doing: Doing,
    queue: Queue,
    looks: Looks,
    steady: Steady,
    rate: Rate,
    loss: Loss,
    round: Round,
    rtt: Option<Duration>,
    calm: u32,
}

impl Controller {
    /// A controller for a connection that begins now, with datagrams of `mtu` bytes.
    pub fn new(now: Duration, mtu: u16) -> Controller {
        let mtu = u64::from(mtu.max(1));
        Controller {
            mtu,
            window: (INITIAL_PACKETS * mtu) as f64,
            cap: None,
            smoothed: Duration::ZERO,
            doing: Doing::Start(Box::new(Start::new(now))),
            queue: Queue::new(now),
            looks: Looks::new(),
            steady: Steady::new(),
            rate: Rate::new(),
            loss: Loss::new(),
            round: Round::new(now),
            rtt: None,
            calm: 0,
        }
    }

    /// The most that may be sent, in bytes a second; none for no bound. It may change at any time.
    /// Two packets a round trip are sent whatever it is: who wants less over a short way has to
    /// write less. Where round trips are shorter than timers, less than the cap is sent.
    pub fn set_cap(&mut self, cap: Option<u64>) {
        self.cap = cap;
    }

    /// Datagrams have another size from now on.
    pub fn on_mtu_update(&mut self, mtu: u16) {
        self.mtu = u64::from(mtu.max(1));
    }

    /// Bytes that may be in flight before anything is known.
    pub fn initial_window(&self) -> u64 {
        INITIAL_PACKETS * self.mtu
    }

    /// Bytes that may be in flight.
    pub fn window(&self) -> u64 {
        let mut window = (self.window as u64).min(MOST_WINDOW);
        if let Some(cap) = self.cap
            && self.smoothed > Duration::ZERO
        {
            // One more packet, as a sender stops before the window is full.
            let line = (cap as f64 * self.smoothed.as_secs_f64()) as u64;
            window = window.min(line.saturating_add(self.mtu));
        }
        window.max(LEAST_PACKETS * self.mtu)
    }

    /// What it takes the line to be, for people to read.
    pub fn view(&self) -> View {
        View {
            phase: match self.doing {
                Doing::Start(_) => Phase::Start,
                Doing::Steady => Phase::Steady,
                Doing::Look(_) => Phase::Look,
            },
            base: self.queue.base(),
            rtt: self.rtt,
            rate: self.rate.most(),
            usual_loss: self.loss.usual(),
            window: self.window(),
        }
    }

    /// A packet of `bytes` that was sent at `sent` is acknowledged. `app_limited` says that the
    /// sender had nothing more to send, `smoothed` is the connection's smoothed round trip.
    pub fn on_ack(
        &mut self,
        now: Duration,
        sent: Duration,
        bytes: u64,
        app_limited: bool,
        smoothed: Duration,
    ) {
        self.smoothed = smoothed;
        // A window that the cap keeps from being used says as little as a sender without bytes.
        let limited = app_limited || (self.window as u64) > self.window();
        let rtt = now.saturating_sub(sent);
        self.round.note(now, sent, bytes, limited);
        self.queue.note(rtt);
        let base = self.queue.base().unwrap_or(rtt);
        match &mut self.doing {
            Doing::Steady => {}
            Doing::Look(look) => look.note(sent, rtt, base),
            Doing::Start(start) => {
                start.note(now, rtt, bytes, base, self.mtu);
                if start.is_over() {
                    self.end_start();
                } else if !limited {
                    self.window += bytes as f64;
                    self.clamp();
                }
            }
        }
    }

    /// All packets of one acknowledgement were told, and `in_flight` bytes are on their way still.
    pub fn on_end_acks(&mut self, now: Duration, in_flight: u64) {
        if let Doing::Look(look) = &mut self.doing
            && in_flight as f64 <= self.window
        {
            look.is_low(now);
        }
        if self.round.over {
            self.end_round(now);
        }
        self.clamp();
    }

    /// `lost` bytes are lost, or were marked on their way (ECN) when it is zero. `persistent` says
    /// that nothing has come through for long (RFC 9002 §7.6).
    pub fn on_congestion_event(&mut self, now: Duration, persistent: bool, lost: u64) {
        self.round.lose(lost);
        if persistent {
            // The way may be another one now; what may be sent and what it loses stay.
            let begun = Controller::new(now, u16::try_from(self.mtu).unwrap_or(u16::MAX));
            *self = Controller {
                cap: self.cap,
                smoothed: self.smoothed,
                loss: self.loss.clone(),
                ..begun
            };
        } else if self.round.marked || self.is_hopeless(&self.round) {
            self.end_start();
        }
    }

    /// Ends the beginning; the window becomes what the line was measured to hold.
    fn end_start(&mut self) {
        let Doing::Start(start) = &self.doing else {
            return;
        };
        let line = start.rate().max(self.rate.most()) * self.quiet();
        self.window = line.clamp(self.window / 2.0, self.window);
        self.doing = Doing::Steady;
        self.steady.wait(None);
        self.calm = 0;
    }

    fn end_round(&mut self, now: Duration) {
        let round = std::mem::replace(&mut self.round, Round::new(now));
        let elapsed = now.saturating_sub(round.began).as_secs_f64();
        self.rtt = Some(round.rtt);
        let looking = matches!(self.doing, Doing::Look(_));
        let rate = if elapsed > 0.0 {
            round.acked as f64 / elapsed
        } else {
            0.0
        };
        if rate > self.rate.most() || !round.limited && !looking {
            self.rate.note(rate);
        }
        let near = (NEAR.0 * self.target()).clamp(NEAR.1, NEAR.2);
        let near = Duration::from_secs_f64(near);
        let seen = self.queue.end_round(now, &round, near);
        let full = self.is_full(&round, seen.queue) || round.marked;
        match &self.doing {
            Doing::Start(_) => {}
            Doing::Look(look) => {
                if let Some(found) = look.found() {
                    let look = look.clone();
                    self.end_look(now, &look, found);
                }
            }
            Doing::Steady => {
                self.queue.relax(&round, elapsed);
                if full {
                    self.queue.overflow(&round);
                }
                let sight = self.sight(&round, rate, seen.queue, full);
                self.window = self.steady.follow(self.window, &sight);
                if !round.limited {
                    self.look_if_due(now, &seen);
                }
            }
        }
        self.queue.remember(&round);
    }

    /// Whether a round's losses show a full queue.
    fn is_full(&mut self, round: &Round, queue: f64) -> bool {
        let (packets, lost) = self.packets(round);
        if queue >= NONE * self.target() || self.steady.is_paused() {
            self.calm = 0;
            return self.loss.is_full(packets, lost);
        }
        self.calm = self.calm.saturating_add(1);
        if self.calm >= CALM_ROUNDS {
            self.loss.learn(packets, lost);
        }
        false
    }

    fn sight(&self, round: &Round, rate: f64, queue: f64, full: bool) -> Sight {
        Sight {
            rtt: round.rtt.as_secs_f64(),
            queue,
            target: self.queue.within(self.target()),
            line: self.rate.most() * self.quiet(),
            delivered: rate * self.quiet(),
            limited: round.limited,
            full,
            hopeless: self.is_hopeless(round),
        }
    }

    /// Begins a look when the line was not seen for long, when somebody new seems to be there, or
    /// when another one looks.
    fn look_if_due(&mut self, now: Duration, seen: &Seen) {
        let Some(base) = self.queue.base() else {
            return;
        };
        let target = self.queue.within(self.target());
        let before_high = self.steady.before_high();
        let lower = seen.fell > target / 8.0;
        let emptied = seen.last > 0.5 * target && seen.queue < 0.5 * seen.last;
        let reason = before_high.is_some() || lower || emptied;
        let out_of_turn = reason && self.looks.is_allowed(now, base);
        if !out_of_turn && !self.looks.is_due(now, base, self.queue.seen()) {
            return;
        }
        // What is taken back for somebody new is given again if it was for nothing.
        let saved = before_high.filter(|_| out_of_turn).unwrap_or(self.window);
        self.doing = Doing::Look(Look::new(saved, seen.queue));
        let quiet = self.quiet();
        let part = depth(quiet, seen.queue.max(self.target()));
        let low = part * self.rate.most() * quiet;
        self.window = low.max((LOOK_PACKETS * self.mtu) as f64).min(self.window);
    }

    fn end_look(&mut self, now: Duration, look: &Look, found: Duration) {
        let queue = found.saturating_sub(self.queue.quiet()).as_secs_f64();
        let small = SMALL * self.queue.within(self.target());
        // Back in two steps: all at once would fill a short queue.
        let line = self.rate.most() * self.quiet();
        self.window = look.saved.min(line).max(self.window);
        self.steady.wait(Some(look.saved));
        let foreign = self.looks.is_foreign(now, look, queue, small);
        self.queue.looked(now, found, foreign, small);
        self.doing = Doing::Steady;
    }

    /// Seconds of queue that a transfer with this window keeps.
    fn target(&self) -> f64 {
        let rtt = self.rtt.map_or(0.0, |rtt| rtt.as_secs_f64());
        let rate = if rtt > 0.0 { self.window / rtt } else { 0.0 };
        (QUEUE / rate.max(self.mtu as f64)).sqrt()
    }

    /// The round trip without this transfer's own queue, in seconds.
    fn quiet(&self) -> f64 {
        self.queue.quiet().as_secs_f64()
    }

    /// How many packets a round has told of, and how many of them were lost.
    fn packets(&self, round: &Round) -> (f64, f64) {
        let lost = round.lost as f64 / self.mtu as f64;
        (round.acked as f64 / self.mtu as f64 + lost, lost)
    }

    fn is_hopeless(&self, round: &Round) -> bool {
        let (packets, lost) = self.packets(round);
        Loss::is_hopeless(packets, lost)
    }

    fn clamp(&mut self) {
        let mtu = self.mtu as f64;
        let measured = self.rate.most();
        let (lines, rate, packets) = match &self.doing {
            Doing::Start(start) => (
                MOST_LINES_START,
                measured.max(start.rate()),
                INITIAL_PACKETS,
            ),
            Doing::Steady | Doing::Look(_) => (MOST_LINES, measured, MOST_PACKETS),
        };
        let mut most = MOST_WINDOW as f64;
        if rate > 0.0 {
            let rtt = self.rtt.map_or(0.0, |rtt| rtt.as_secs_f64());
            most = most.min(lines * rate * rtt.max(self.quiet()) + packets as f64 * mtu);
        }
        let mut least = LEAST_PACKETS as f64 * mtu;
        if matches!(self.doing, Doing::Steady) {
            least = least.max(measured * LEAST_TIME);
        }
        self.window = self.window.min(most).max(least).min(MOST_WINDOW as f64);
    }
}
