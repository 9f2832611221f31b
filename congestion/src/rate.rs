//! What the line delivers.

/// Rounds that are remembered: a line that becomes slower is believed after so many.
const ROUNDS: usize = 10;

/// The delivered rates of the last rounds, in bytes a second.
#[derive(Clone)]
pub(crate) struct Rate {
    rounds: [f64; ROUNDS],
    next: usize,
}

impl Rate {
    /// Nothing was delivered yet.
    pub(crate) fn new() -> Rate {
        Rate {
            rounds: [0.0; ROUNDS],
            next: 0,
        }
    }

    /// Takes the rate of one round.
    pub(crate) fn note(&mut self, rate: f64) {
        self.rounds[self.next % ROUNDS] = rate;
        self.next = (self.next + 1) % ROUNDS;
    }

    /// The greatest one remembered.
    pub(crate) fn most(&self) -> f64 {
        self.rounds.iter().fold(0.0, |most, rate| most.max(*rate))
    }
}
