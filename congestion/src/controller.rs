//! The controller.

use std::time::Duration;

use crate::base::Base;
use crate::look::Look;
use crate::loss::Loss;
use crate::rate::Rate;
use crate::round::Round;
use crate::start::Start;

const INITIAL_PACKETS: u64 = 32;
const LEAST_PACKETS: u64 = 2;
const MOST_WINDOW: u64 = 128 << 20;
/// q0: a flow keeps sqrt(q0 * rate) bytes in the queue.
const QUEUE: f64 = 800.0;
const GAIN: f64 = 0.4;
const STEP: f64 = 0.25;
const MOST_SPEED: f64 = 0.125;
const FIRST_SPEED: f64 = 1.0 / 32.0;
const LOOK_EVERY: Duration = Duration::from_secs(3);
const LOOK_ROUNDS: u32 = 20;
const LOOK_DEPTH: f64 = 0.6;
const FOREIGN: f64 = 0.6;
const REMEMBERED: Duration = Duration::from_secs(15);

/// What the controller is doing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Phase {
    /// Doubling until a queue forms.
    Start,
    /// Keeping a small queue.
    Steady,
    /// Sending less for a moment, to see the empty line.
    Look,
}

/// What the controller believes.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub phase: Phase,
    pub base: Option<Duration>,
    pub rtt: Option<Duration>,
    pub rate: f64,
    pub usual_loss: f64,
    pub window: u64,
}

#[derive(Clone)]
pub struct Controller {
    mtu: u64,
    window: f64,
    cap: Option<u64>,
    smoothed: Duration,
    start: Option<Start>,
    look: Option<Look>,
    base: Base,
    rate: Rate,
    loss: Loss,
    round: Round,
    last_rtt: Option<Duration>,
    last_queue: f64,
    speed: f64,
    hold: u32,
    room: f64,
    high: u32,
    failed: u32,
    last_longest: Duration,
    restore: f64,
    floor: Duration,
    last_base: Duration,
    before: f64,
    queue_before: f64,
    calm: u32,
    looked: Option<Duration>,
}

impl Controller {
    pub fn new(now: Duration, mtu: u16) -> Controller {
        let mtu = u64::from(mtu.max(1));
        Controller {
            mtu,
            window: (INITIAL_PACKETS * mtu) as f64,
            cap: None,
            smoothed: Duration::ZERO,
            start: Some(Start::new(now)),
            look: None,
            base: Base::new(now),
            rate: Rate::new(),
            loss: Loss::new(),
            round: Round::new(now),
            last_rtt: None,
            last_queue: 0.0,
            speed: 0.0,
            hold: 0,
            room: f64::INFINITY,
            high: 0,
            failed: 0,
            last_longest: Duration::ZERO,
            restore: 0.0,
            floor: Duration::ZERO,
            last_base: Duration::MAX,
            before: 0.0,
            queue_before: 0.0,
            calm: 0,
            looked: None,
        }
    }

    pub fn set_cap(&mut self, cap: Option<u64>) {
        self.cap = cap;
    }

    pub fn on_mtu_update(&mut self, mtu: u16) {
        self.mtu = u64::from(mtu.max(1));
    }

    pub fn initial_window(&self) -> u64 {
        INITIAL_PACKETS * self.mtu
    }

    pub fn window(&self) -> u64 {
        let least = LEAST_PACKETS * self.mtu;
        let mut window = (self.window as u64).min(MOST_WINDOW);
        if let Some(cap) = self.cap
            && self.smoothed > Duration::ZERO
        {
            window = window.min((cap as f64 * self.smoothed.as_secs_f64()) as u64);
        }
        window.max(least)
    }

    pub fn view(&self) -> View {
        View {
            phase: if self.start.is_some() {
                Phase::Start
            } else if self.look.is_some() {
                Phase::Look
            } else {
                Phase::Steady
            },
            base: self.base.get(),
            rtt: self.last_rtt,
            rate: self.rate.most(),
            usual_loss: self.loss.usual(),
            window: self.window(),
        }
    }

    pub fn on_ack(
        &mut self,
        now: Duration,
        sent: Duration,
        bytes: u64,
        app_limited: bool,
        smoothed: Duration,
    ) {
        self.smoothed = smoothed;
        let rtt = now.saturating_sub(sent);
        self.round.note(now, sent, bytes, app_limited);
        self.base.note(rtt);
        let base = self.base.get().unwrap_or(rtt);
        if let Some(look) = &mut self.look {
            look.note(sent, rtt, base);
        }
        if let Some(start) = &mut self.start {
            start.note(now, rtt, bytes, base, self.mtu);
            if start.is_over(base) {
                self.end_start();
            } else if !app_limited {
                self.window += bytes as f64;
            }
        }
    }

    pub fn on_end_acks(&mut self, now: Duration, in_flight: u64) {
        if let Some(look) = &mut self.look
            && in_flight as f64 <= self.window
        {
            look.is_low(now);
        }
        if self.round.over {
            self.end_round(now);
        }
        self.clamp();
    }

    pub fn on_congestion_event(&mut self, now: Duration, persistent: bool, lost: u64) {
        self.round.lost = self.round.lost.saturating_add(lost);
        if persistent {
            *self = Controller {
                cap: self.cap,
                smoothed: self.smoothed,
                loss: self.loss.clone(),
                ..Controller::new(now, self.mtu as u16)
            };
        } else if self.start.is_some() && Loss::is_hopeless(self.packets(&self.round), self.packets_lost(&self.round)) {
            self.end_start();
        }
    }

    fn packets(&self, round: &Round) -> f64 {
        round.acked.saturating_add(round.lost) as f64 / self.mtu as f64
    }

    fn packets_lost(&self, round: &Round) -> f64 {
        round.lost as f64 / self.mtu as f64
    }

    /// Seconds of queue that a flow of this rate keeps.
    fn target(&self) -> f64 {
        let rtt = self.last_rtt.map_or(0.0, |rtt| rtt.as_secs_f64());
        let rate = if rtt > 0.0 { self.window / rtt } else { 0.0 };
        (QUEUE / rate.max(self.mtu as f64)).sqrt()
    }

    fn bounded(&self) -> f64 {
        1.0 / (1.0 / self.target() + 1.0 / self.room)
    }

    /// The round trip without what is this controller's to answer for.
    fn quiet(&self) -> Duration {
        self.base.get().unwrap_or_default().max(self.floor)
    }

    fn base_seconds(&self) -> f64 {
        self.quiet().as_secs_f64()
    }

    fn near(&self) -> Duration {
        Duration::from_secs_f64((self.target() / 8.0).clamp(0.000_2, 0.005))
    }

    fn end_start(&mut self) {
        let Some(start) = self.start.take() else { return };
        let full = start.rate().max(self.rate.most()) * self.base_seconds();
        self.window = full.clamp(self.window / 2.0, self.window);
        self.hold = 2;
        self.speed = 0.0;
        self.calm = 0;
    }

    fn end_round(&mut self, now: Duration) {
        let round = std::mem::replace(&mut self.round, Round::new(now));
        let elapsed = now.saturating_sub(round.began).as_secs_f64();
        let Some(base) = self.base.get() else { return };
        self.last_rtt = Some(round.rtt);
        let rate = if elapsed > 0.0 { round.acked as f64 / elapsed } else { 0.0 };
        if rate > self.rate.most() || (!round.limited && self.look.is_none()) {
            self.rate.note(rate);
        }
        self.base.age(now, REMEMBERED.max(base * 60));
        self.base.note_round(now, round.rtt, self.near());
        let quiet = self.quiet();
        let fell = if self.last_base < Duration::MAX { self.last_base.as_secs_f64() - quiet.as_secs_f64() } else { 0.0 };
        self.room = (self.room + fell).max(0.001);
        self.last_base = quiet;
        let queue = round.rtt.saturating_sub(quiet).as_secs_f64();
        let low = queue < self.target() / 4.0;
        self.calm = if low { self.calm.saturating_add(1) } else { 0 };
        let (packets, lost) = (self.packets(&round), self.packets_lost(&round));
        let full = if low {
            if self.calm >= 3 {
                self.loss.learn(packets, lost);
            }
            false
        } else {
            self.loss.is_full(packets, lost)
        };
        if self.look.is_some() {
            self.look_on(now);
        } else if self.start.is_none() {
            self.floor = self.floor.min(round.rtt);
            self.room *= 1.0 + 0.05 * elapsed;
            self.follow(&round, queue, full);
            self.look_out(now, base, queue, round.limited, fell);
        }
        if std::env::var("TRACE").is_ok() { eprintln!("{:.3} w {:.0} q {:.2} T {:.2} s {:.2} lost {lost} of {packets:.0} usual {:.4} full {full} {:?} rate {:.2} base {:.1} ", now.as_secs_f64(), self.window/1e3, queue*1e3, self.target()*1e3, self.room, self.loss.usual(), self.view().phase, rate/1e6, base.as_secs_f64()*1e3); }
        self.last_queue = queue;
        self.last_longest = round.longest;
    }

    fn follow(&mut self, round: &Round, queue: f64, full: bool) {
        let line = self.rate.most() * self.base_seconds();
        if full {
            let longest = round.longest.max(self.last_longest).saturating_sub(self.quiet());
            self.room = self.room.min((0.8 * longest.as_secs_f64()).max(0.001));
        }
        if self.hold > 0 {
            self.hold -= 1;
            if self.restore > 0.0 {
                self.window = self.restore;
                self.restore = 0.0;
            }
            return;
        }
        if Loss::is_hopeless(self.packets(round), self.packets_lost(round)) {
            self.window = (self.window * 0.85).min(line.max(self.window * 0.5));
            self.hold = 1;
            self.speed = 0.0;
            return;
        }
        if full {
            self.window = (self.window * 0.85).max(self.window.min(line * 0.95));
            self.hold = 1;
            self.speed = 0.0;
            return;
        }
        let target = self.bounded();
        let rtt = round.rtt.as_secs_f64().max(1e-6);
        let change = GAIN * (target - queue) / rtt;
        if queue > target {
            self.speed = 0.0;
            self.window *= 1.0 + change.max(-STEP);
        } else if !round.limited {
            self.speed = if queue < target / 4.0 {
                (self.speed * 2.0).max(FIRST_SPEED).min(MOST_SPEED).min(2.0 * target / rtt)
            } else {
                0.0
            };
            self.window *= 1.0 + change.max(self.speed).min(STEP);
        }
        if queue > 1.25 * target {
            if self.high == 0 {
                self.before = self.window;
            }
            self.high += 1;
        } else {
            self.high = 0;
        }
    }

    fn look_out(&mut self, now: Duration, base: Duration, queue: f64, limited: bool, fell: f64) {
        let every = LOOK_EVERY.max(base * LOOK_ROUNDS);
        let due = now.saturating_sub(self.base.seen()) >= if self.looked.is_none() { every / 6 } else { every };
        let may = self.looked.is_none_or(|last| now.saturating_sub(last) >= every / 3);
        let worried = self.high >= 3 && may;
        let target = self.bounded();
        let lower = fell > target / 8.0;
        let dip = (lower || self.last_queue > 0.5 * target && queue < 0.5 * self.last_queue) && may;
        if limited || !(due || worried || dip) {
            return;
        }
        self.look = Some(Look::new(if worried { self.before } else { self.window }));
        self.queue_before = queue;
        let quiet = self.base_seconds();
        let low = self.rate.most() * (quiet - 2.0 * queue.max(self.target())).max(LOOK_DEPTH * quiet);
        self.window = low.max(4.0 * self.mtu as f64).min(self.window);
    }

    fn look_on(&mut self, now: Duration) {
        let Some(found) = self.look.as_ref().and_then(Look::found) else { return };
        let Some(look) = self.look.take() else { return };
        let queue = found.saturating_sub(self.quiet()).as_secs_f64();
        let half = 0.5 * self.bounded();
        self.restore = look.saved;
        self.window = look.saved.min(self.rate.most() * self.base_seconds()).max(self.window);
        self.failed = if queue > half { self.failed + 1 } else { 0 };
        let foreign = queue > half && queue > FOREIGN * self.queue_before;
        let base = self.base.get().unwrap_or_default();
        if foreign || self.failed >= 2 {
            self.floor = found;
            self.failed = 0;
        } else if found.saturating_sub(base).as_secs_f64() < half {
            self.floor = Duration::ZERO;
        } else {
            self.floor = self.floor.min(found);
        }
        self.base.looked(now);
        self.looked = Some(now);
        self.high = 0;
        self.hold = 2;
        self.speed = 0.0;
    }

    fn clamp(&mut self) {
        let mtu = self.mtu as f64;
        let rate = self.rate.most();
        let rtt = self.last_rtt.map_or(0.0, |rtt| rtt.as_secs_f64());
        let mut most = MOST_WINDOW as f64;
        if rate > 0.0 && self.start.is_none() {
            most = most.min(2.0 * rate * rtt.max(self.base_seconds()) + 10.0 * mtu);
        }
        self.window = self.window.min(most).max(LEAST_PACKETS as f64 * mtu);
    }
}
