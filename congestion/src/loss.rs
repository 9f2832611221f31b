//! Which losses are chance and which are a full queue.

/// What a line may lose by itself before it is measured. In the first second nothing is known,
/// and a mobile line that loses 2 % by itself is no reason to stop.
const EXPECTED: f64 = 0.01;
/// How much of the estimate one round is at most; a window of a few packets says less.
const WEIGHT: f64 = 1.0 / 16.0;
/// Packets that make a round count fully.
const PACKETS: f64 = 100.0;
/// Deviations above the expected number that chance does not explain.
const DEVIATIONS: f64 = 3.0;
/// Packets above the expected number that are never taken for a sign.
const ALLOWED: f64 = 3.0;

/// What the line loses by itself.
#[derive(Clone)]
pub(crate) struct Loss {
    usual: f64,
}

impl Loss {
    /// Nothing was measured yet.
    pub(crate) fn new() -> Loss {
        Loss { usual: EXPECTED }
    }

    /// Takes the packets of one round, and says whether more of them were lost than the line
    /// loses by itself.
    pub(crate) fn note(&mut self, packets: f64, lost: f64) -> bool {
        if packets < 1.0 {
            return false;
        }
        let expected = packets * self.usual;
        let most = expected + DEVIATIONS * expected.sqrt() + ALLOWED;
        let excess = lost > most;
        let weight = WEIGHT * (packets / PACKETS).min(1.0);
        // What is beyond chance tells little of what is chance.
        self.usual += weight * (lost.min(most) / packets - self.usual);
        excess
    }

    /// The part that is lost without a full queue, 0 to 1.
    pub(crate) fn usual(&self) -> f64 {
        self.usual
    }
}
