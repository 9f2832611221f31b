//! The controller.

use std::time::Duration;

use crate::base::Base;
use crate::loss::Loss;
use crate::rate::Rate;
use crate::round::Round;

const INITIAL_PACKETS: u64 = 32;
const LEAST_PACKETS: u64 = 2;
const MOST_WINDOW: u64 = 128 << 20;
/// q0: a flow keeps sqrt(q0 * rate) bytes in the queue.
const QUEUE: f64 = 800.0;
const GAIN: f64 = 0.4;
const STEP: f64 = 0.125;
const FIRST_SPEED: f64 = 1.0 / 32.0;
const LOSSY: f64 = 0.15;
const LOOK_EVERY: Duration = Duration::from_secs(3);
const LOOK_ROUNDS: u32 = 20;
const LOOK_DEPTH: f64 = 0.6;
const REMEMBERED: Duration = Duration::from_secs(15);
const PRESSED_ROUNDS: u32 = 4;

/// What the controller is doing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Phase {
    /// Doubling until a queue forms.
    Start,
    /// Keeping a small queue.
    Steady,
    /// Sending less for a moment, to see the empty line.
    Look,
    /// Beside others who fill the queue.
    Pressed,
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
struct Looking {
    /// The window before.
    saved: f64,
    /// Phase before.
    pressed: bool,
    /// Since when no more was in flight than the small window.
    low: Option<Duration>,
    /// Least round trip seen since then.
    rtt: Duration,
}

#[derive(Clone)]
pub struct Controller {
    mtu: u64,
    window: f64,
    cap: Option<u64>,
    smoothed: Duration,
    phase: Phase,
    looking: Option<Looking>,
    base: Base,
    rate: Rate,
    loss: Loss,
    round: Round,
    last_rtt: Option<Duration>,
    speed: f64,
    hold: u32,
    /// scale of the target, below 1 when the queue is shallow.
    shallow: f64,
    high: u32,
    before_high: f64,
    goal: f64,
    mark: (Duration, u64),
    quick: f64,
}

impl Controller {
    pub fn new(now: Duration, mtu: u16) -> Controller {
        let mtu = u64::from(mtu.max(1));
        Controller {
            mtu,
            window: (INITIAL_PACKETS * mtu) as f64,
            cap: None,
            smoothed: Duration::ZERO,
            phase: Phase::Start,
            looking: None,
            base: Base::new(now),
            rate: Rate::new(),
            loss: Loss::new(),
            round: Round::new(now),
            last_rtt: None,
            speed: 0.0,
            hold: 0,
            shallow: 1.0,
            high: 0,
            before_high: 0.0,
            goal: 0.0,
            mark: (now, 0),
            quick: 0.0,
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
            phase: self.phase,
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
        self.base.note(now, rtt, self.near());
        if let Some(looking) = &mut self.looking
            && looking.low.is_some_and(|low| sent >= low)
        {
            looking.rtt = looking.rtt.min(rtt);
        }
        if self.phase == Phase::Start && !app_limited {
            self.window += bytes as f64;
            self.measure_quickly(now, bytes);
            self.end_start_early();
            self.clamp();
        }
    }

    pub fn on_end_acks(&mut self, now: Duration, in_flight: u64) {
        if let Some(looking) = &mut self.looking
            && looking.low.is_none()
            && in_flight as f64 <= self.window
        {
            looking.low = Some(now);
        }
        if self.round.over {
            self.end_round(now);
        }
        self.clamp();
    }

    pub fn on_congestion_event(&mut self, now: Duration, persistent: bool, lost: u64) {
        self.round.lost = self.round.lost.saturating_add(lost);
        if persistent {
            self.window = (INITIAL_PACKETS * self.mtu) as f64;
            self.phase = Phase::Start;
            self.looking = None;
            self.base = Base::new(now);
            self.rate = Rate::new();
            self.round = Round::new(now);
            self.shallow = 1.0;
            self.quick = 0.0;
            self.mark = (now, 0);
        } else if self.phase == Phase::Start && self.is_losing() {
            self.end_start();
        }
    }

    fn is_losing(&self) -> bool {
        let packets = (self.round.acked + self.round.lost) as f64 / self.mtu as f64;
        let lost = self.round.lost as f64 / self.mtu as f64;
        lost > LOSSY * packets + 4.0
    }

    /// Seconds of queue that a flow of this rate keeps.
    fn target(&self) -> f64 {
        let rate = self.own_rate().max(self.mtu as f64);
        (QUEUE / rate).sqrt() * self.shallow
    }

    fn own_rate(&self) -> f64 {
        let rtt = self.last_rtt.map_or(0.0, |rtt| rtt.as_secs_f64());
        if rtt > 0.0 { self.window / rtt } else { 0.0 }
    }

    fn base_seconds(&self) -> f64 {
        self.base.get().map_or(0.0, |base| base.as_secs_f64())
    }

    fn near(&self) -> Duration {
        Duration::from_secs_f64((self.target() / 8.0).clamp(0.000_2, 0.005))
    }

    fn measure_quickly(&mut self, now: Duration, bytes: u64) {
        self.mark.1 += bytes;
        let elapsed = now.saturating_sub(self.mark.0);
        let enough = self.base.get().unwrap_or_default() / 4;
        if elapsed >= enough.max(Duration::from_millis(1)) && self.mark.1 >= 10 * self.mtu {
            self.quick = self.mark.1 as f64 / elapsed.as_secs_f64();
            self.mark = (now, 0);
        }
    }

    fn end_start_early(&mut self) {
        let Some(base) = self.base.get() else { return };
        let most = (base / 8).clamp(Duration::from_millis(4), Duration::from_millis(16));
        if self.round.samples >= 8 && self.round.rtt.saturating_sub(base) > most {
            self.end_start();
        }
    }

    fn end_start(&mut self) {
        let full = self.quick.max(self.rate.most()) * self.base_seconds();
        self.window = full.clamp(self.window / 2.0, self.window);
        self.phase = Phase::Steady;
        self.hold = 1;
        self.speed = 0.0;
    }

    fn end_round(&mut self, now: Duration) {
        let round = std::mem::replace(&mut self.round, Round::new(now));
        let elapsed = now.saturating_sub(round.began).as_secs_f64();
        let Some(base) = self.base.get() else { return };
        self.last_rtt = Some(round.rtt);
        let rate = if elapsed > 0.0 { round.acked as f64 / elapsed } else { 0.0 };
        if rate > self.rate.most() || (!round.limited && self.phase != Phase::Look) {
            self.rate.note(rate);
        }
        let packets = (round.acked + round.lost) as f64 / self.mtu as f64;
        let excess = self.loss.note(packets, round.lost as f64 / self.mtu as f64);
        self.base.age(now, REMEMBERED.max(base * 60));
        let queue = round.rtt.saturating_sub(base).as_secs_f64();
        match self.phase {
            Phase::Start => {}
            Phase::Look => self.look_on(now),
            Phase::Steady | Phase::Pressed => {
                self.follow(&round, queue, excess);
                self.look_out(now, base, queue, round.limited);
            }
        }
    }

    fn follow(&mut self, round: &Round, queue: f64, excess: bool) {
        let target = self.target();
        let full = self.rate.most() * self.base_seconds();
        if round.loss() > LOSSY {
            self.window = (self.window * 0.85).min(full.max(self.window * 0.5));
            self.hold = 1;
            self.speed = 0.0;
            return;
        }
        if self.hold > 0 {
            self.hold -= 1;
            return;
        }
        if self.phase == Phase::Pressed {
            self.press(queue, target, excess, round.limited);
            return;
        }
        if excess {
            self.shallow = (self.shallow * 0.7).max(0.1);
            self.window = (self.window * 0.85).max(full.min(self.window) * 0.9);
            self.hold = 1;
            self.speed = 0.0;
            return;
        }
        self.shallow = (self.shallow + 0.01).min(1.0);
        let rtt = round.rtt.as_secs_f64().max(1e-6);
        let change = GAIN * (target - queue) / rtt;
        if queue > target {
            self.speed = 0.0;
            self.window *= 1.0 + change.max(-STEP);
        } else if !round.limited {
            self.speed = if queue < target / 4.0 { (self.speed * 2.0).clamp(FIRST_SPEED, STEP) } else { 0.0 };
            self.window *= 1.0 + change.max(self.speed).min(STEP);
        }
        if queue > 2.0 * target {
            if self.high == 0 {
                self.before_high = self.window;
            }
            self.high += 1;
        } else {
            self.high = 0;
        }
    }

    fn press(&mut self, queue: f64, target: f64, excess: bool, limited: bool) {
        if queue < target {
            self.phase = Phase::Steady;
            self.high = 0;
        } else if excess {
            self.goal = self.window;
            self.window *= 0.7;
            self.hold = 1;
        } else if !limited {
            let mtu = self.mtu as f64;
            self.window += ((self.goal - self.window) / 8.0).max(mtu + self.window / 128.0);
        }
    }

    fn look_out(&mut self, now: Duration, base: Duration, _queue: f64, limited: bool) {
        let since = now.saturating_sub(self.base.seen());
        let due = since >= LOOK_EVERY.max(base * LOOK_ROUNDS);
        let worried = self.high >= PRESSED_ROUNDS && self.phase == Phase::Steady && since > Duration::from_secs(1);
        if limited || !(due || worried) {
            return;
        }
        let pressed = self.phase == Phase::Pressed;
        let saved = if self.high > 0 && !pressed { self.before_high } else { self.window };
        self.looking = Some(Looking { saved, pressed, low: None, rtt: Duration::MAX });
        self.phase = Phase::Look;
        let low = LOOK_DEPTH * self.rate.most() * base.as_secs_f64();
        self.window = low.max(4.0 * self.mtu as f64).min(self.window);
    }

    fn look_on(&mut self, now: Duration) {
        let Some(looking) = self.looking.clone() else { return };
        if looking.rtt == Duration::MAX {
            return;
        }
        self.looking = None;
        self.base.looked(now);
        let base = self.base_seconds();
        let queue = looking.rtt.as_secs_f64() - base;
        let target = self.target();
        self.window = looking.saved;
        self.phase = Phase::Steady;
        self.speed = 0.0;
        if queue > target && (self.high > 0 || looking.pressed) {
            self.phase = Phase::Pressed;
            self.goal = self.goal.max(looking.saved);
        }
        self.high = 0;
        self.hold = 1;
    }

    fn clamp(&mut self) {
        let mtu = self.mtu as f64;
        let rate = self.rate.most();
        let rtt = self.last_rtt.map_or(0.0, |rtt| rtt.as_secs_f64());
        let mut most = MOST_WINDOW as f64;
        if rate > 0.0 && self.phase != Phase::Start {
            most = most.min(2.0 * rate * rtt.max(self.base_seconds()) + 10.0 * mtu);
        }
        self.window = self.window.min(most).max(LEAST_PACKETS as f64 * mtu);
    }
}
