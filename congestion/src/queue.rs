//! What is known of the queue in front of the line.

use std::time::Duration;

use crate::base::Base;
use crate::round::Round;

/// How long the shortest round trip is remembered: several looks, so that one that failed does not matter.
const REMEMBERED: Duration = Duration::from_secs(15);
/// The same in round trips.
const REMEMBERED_TRIPS: u32 = 60;
/// The part of what fits into the queue that is counted on: bursts need the rest.
const USABLE: f64 = 0.8;
/// The least that a queue is taken to hold, in seconds: a burst of ten packets at 100 Mbit/s.
const LEAST_ROOM: f64 = 0.001;
/// By which part more is believed to fit into the queue, each second, until it overflows again.
const REGAINED: f64 = 0.05;

/// The queue, as the round trips tell. Queues are seconds of waiting.
#[derive(Clone)]
pub(crate) struct Queue {
    base: Base,
    /// The round trip with what is not this transfer's queue; zero when there is no such thing.
    floor: Duration,
    /// What fits into it; infinite until it overflows.
    room: f64,
    /// What `quiet` was a round ago.
    before: Option<Duration>,
    /// The queue a round ago.
    last: f64,
    /// The longest round trip of the round before.
    longest: Duration,
}

/// What a round says of the queue, in seconds.
pub(crate) struct Seen {
    /// The queue now.
    pub(crate) queue: f64,
    /// The queue a round ago.
    pub(crate) last: f64,
    /// By how much the empty round trip is less than it was thought.
    pub(crate) fell: f64,
}

impl Queue {
    /// Nothing was measured yet.
    pub(crate) fn new(now: Duration) -> Queue {
        Queue {
            base: Base::new(now),
            floor: Duration::ZERO,
            room: f64::INFINITY,
            before: None,
            last: 0.0,
            longest: Duration::ZERO,
        }
    }

    /// Takes one round trip.
    pub(crate) fn note(&mut self, rtt: Duration) {
        self.base.note(rtt);
    }

    /// The shortest round trip remembered; none before the first one.
    pub(crate) fn base(&self) -> Option<Duration> {
        self.base.get()
    }

    /// When the line was last seen empty or looked at.
    pub(crate) fn seen(&self) -> Duration {
        self.base.seen()
    }

    /// The round trip without this transfer's own queue.
    pub(crate) fn quiet(&self) -> Duration {
        self.base.get().unwrap_or_default().max(self.floor)
    }

    /// Takes a round. `near` is a queue that is as good as none.
    pub(crate) fn end_round(&mut self, now: Duration, round: &Round, near: Duration) -> Seen {
        let base = self.base.get().unwrap_or_default();
        let remembered = REMEMBERED.max(base.saturating_mul(REMEMBERED_TRIPS));
        self.base.age(now, remembered);
        self.base.note_round(now, round.rtt, near);
        let quiet = self.quiet();
        let before = self.before.replace(quiet).unwrap_or(quiet);
        let fell = before.as_secs_f64() - quiet.as_secs_f64();
        // What fits was measured from there.
        self.room = (self.room + fell).max(LEAST_ROOM);
        let queue = round.rtt.saturating_sub(quiet).as_secs_f64();
        let last = std::mem::replace(&mut self.last, queue);
        Seen { queue, last, fell }
    }

    /// Time has passed with packets in flight as usual.
    pub(crate) fn relax(&mut self, round: &Round, elapsed: f64) {
        self.floor = self.floor.min(round.rtt);
        self.room *= 1.0 + REGAINED * elapsed;
    }

    /// It overflowed in this round or the one before.
    pub(crate) fn overflow(&mut self, round: &Round) {
        let longest = round.longest.max(self.longest);
        let queue = longest.saturating_sub(self.quiet()).as_secs_f64();
        self.room = self.room.min((USABLE * queue).max(LEAST_ROOM));
    }

    /// The round is over, and all that depends on it was done.
    pub(crate) fn remember(&mut self, round: &Round) {
        self.longest = round.longest;
    }

    /// The queue that a transfer keeps which would keep `wanted` if there was room without end. It
    /// stays below the room, and one that wants more than another still keeps more, so that they
    /// come to equal shares.
    pub(crate) fn within(&self, wanted: f64) -> f64 {
        1.0 / (1.0 / wanted + 1.0 / self.room)
    }

    /// A look has found this round trip, and whether it is another's doing. `small` is a queue
    /// that is as good as none.
    pub(crate) fn looked(&mut self, now: Duration, found: Duration, foreign: bool, small: f64) {
        let base = self.base.get().unwrap_or_default();
        if foreign {
            self.floor = found;
        } else if found.saturating_sub(base).as_secs_f64() < small {
            self.floor = Duration::ZERO;
        } else {
            self.floor = self.floor.min(found);
        }
        self.base.looked(now);
    }
}
