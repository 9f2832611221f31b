//! The window from one round trip to the next, between looks.

/// The part of the way to the wanted queue that is taken each round. What a window does is seen a
/// round later, and with more than half it swings.
const GAIN: f64 = 0.4;
/// The most by which a window changes in a round.
const STEP: f64 = 0.25;
/// By which part a window grows in a round while there is no queue at all: first by this one, then
/// by twice as much from round to round, up to `FAST`.
const SLOW: f64 = 1.0 / 32.0;
const FAST: f64 = 1.0 / 8.0;
/// Wanted queues by which it overshoots at most then.
const OVERSHOOT: f64 = 2.0;
/// A queue below this part of the wanted one is none.
const NONE: f64 = 0.25;
/// A queue of so many wanted ones is more than this transfer's own doing.
const HIGH: f64 = 1.25;
/// Rounds of it before somebody new is suspected.
const HIGH_ROUNDS: u32 = 3;
/// What is left of a window after a full queue.
const LEFT: f64 = 0.85;
/// What is left at least when most is lost.
const LEFT_LEAST: f64 = 0.5;
/// The part of the line that is used at least after a full queue.
const USED: f64 = 0.95;
/// Rounds in which no more is tried after much was lost without a queue: the line drops what is
/// above some rate (a policer), and each try costs a part of a round.
const PAUSE: u32 = 32;

/// What one round has shown.
pub(crate) struct Sight {
    /// Its shortest round trip, in seconds.
    pub(crate) rtt: f64,
    /// The queue, in seconds.
    pub(crate) queue: f64,
    /// The queue that is wanted, in seconds.
    pub(crate) target: f64,
    /// Bytes in flight that fill the line without a queue.
    pub(crate) line: f64,
    /// Bytes a second that were delivered in it, times the round trip without a queue.
    pub(crate) delivered: f64,
    /// Whether the sender had too little to send.
    pub(crate) limited: bool,
    /// Whether the queue was full.
    pub(crate) full: bool,
    /// Whether so much was lost that sending on like this is of no use.
    pub(crate) hopeless: bool,
}

/// What follows from round to round.
#[derive(Clone)]
pub(crate) struct Steady {
    speed: f64,
    hold: u32,
    restore: Option<f64>,
    high: u32,
    before: f64,
    pause: u32,
}

impl Steady {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Steady {
        Steady {
            speed: 0.0,
            hold: 0,
            restore: None,
            high: 0,
            before: 0.0,
            pause: 0,
        }
    }

    /// Leaves the window alone for two rounds, in which what was lost before is found; after the
    /// first of them it becomes `restore`, if there is one.
    pub(crate) fn wait(&mut self, restore: Option<f64>) {
        self.hold = 2;
        self.speed = 0.0;
        self.high = 0;
        self.restore = restore;
    }

    /// The window before the queue became too long for several rounds; none when it did not.
    pub(crate) fn before_high(&self) -> Option<f64> {
        (self.high >= HIGH_ROUNDS).then_some(self.before)
    }

    /// Whether no more is tried for a while.
    pub(crate) fn is_paused(&self) -> bool {
        self.pause > 0
    }

    /// The window after a round, in bytes.
    pub(crate) fn follow(&mut self, window: f64, sight: &Sight) -> f64 {
        if self.hold > 0 {
            self.hold -= 1;
            return self.restore.take().unwrap_or(window);
        }
        if sight.hopeless || sight.full {
            self.hold = 1;
            self.speed = 0.0;
            if sight.hopeless && sight.queue < NONE * sight.target {
                self.pause = PAUSE;
                return sight.delivered.clamp(window * LEFT_LEAST, window * LEFT);
            }
            if sight.hopeless {
                return (window * LEFT).min(sight.line.max(window * LEFT_LEAST));
            }
            return (window * LEFT).max(window.min(sight.line * USED));
        }
        let window = window * (1.0 + self.change(sight));
        if sight.queue <= HIGH * sight.target {
            self.high = 0;
        } else {
            if self.high == 0 {
                self.before = window;
            }
            self.high = self.high.saturating_add(1);
        }
        window
    }

    /// By which part the window changes.
    fn change(&mut self, sight: &Sight) -> f64 {
        let rtt = sight.rtt.max(1e-6);
        let towards = GAIN * (sight.target - sight.queue) / rtt;
        if sight.queue > sight.target {
            self.speed = 0.0;
            return towards.max(-STEP);
        }
        if self.pause > 0 {
            self.pause -= 1;
            return 0.0;
        }
        if sight.limited {
            return 0.0;
        }
        self.speed = if sight.queue < NONE * sight.target {
            let most = FAST.min(OVERSHOOT * sight.target / rtt);
            (self.speed * 2.0).max(SLOW).min(most)
        } else {
            0.0
        };
        towards.max(self.speed).min(STEP)
    }
}
