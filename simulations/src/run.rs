//! Running seeds, and telling what came of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dokuei_keys::id::Digest;
use dokuei_protocol::time::Span;

use crate::checks::Violation;
use crate::tally::Tally;
use crate::world::{World, since_start};

/// What came of one seed.
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// What was counted.
    pub tally: Tally,
    /// The digest over everything that happened; none when the run broke off.
    pub trace: Option<Digest>,
    lasted: Span,
    violation: Option<Violation>,
}

impl Verdict {
    /// Whether every rule held.
    pub fn is_good(&self) -> bool {
        self.violation.is_none()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, lasted) = (self.seed, since_start(self.lasted));
        match (&self.violation, self.trace) {
            (None, Some(trace)) => write!(f, "seed {seed}: well, {lasted}, trace {trace}"),
            (None, None) => write!(f, "seed {seed}: well, {lasted}"),
            (Some(violation), _) => write!(
                f,
                "seed {seed}: VIOLATION at {lasted} of {violation}\n  again: cargo run --release -p dokuei-simulations -- --seed {seed}"
            ),
        }
    }
}

/// Runs one seed. When `loud`, it tells what happens as it happens. A panic inside is a violation too.
pub fn run(seed: u64, loud: bool) -> Verdict {
    let ending = catch_unwind(AssertUnwindSafe(|| World::new(seed, loud).map(World::run)));
    let broken = |violation| Verdict {
        seed,
        tally: Tally::default(),
        trace: None,
        lasted: Span::default(),
        violation: Some(violation),
    };
    match ending {
        Ok(Ok(ending)) => Verdict {
            seed,
            tally: ending.tally,
            trace: Some(ending.trace.digest()),
            lasted: ending.lasted,
            violation: ending.violation,
        },
        Ok(Err(violation)) => broken(violation),
        Err(_) => broken(Violation::new(
            "panic",
            "the run panicked; the message is above",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_seeds_hold_every_rule() {
        for seed in 0..12 {
            let verdict = run(seed, false);
            assert!(verdict.is_good(), "{verdict}");
        }
    }

    #[test]
    fn the_same_seed_leaves_the_same_trace() {
        let (one, two) = (run(3, false), run(3, false));
        assert!(one.trace.is_some());
        assert_eq!(one.trace, two.trace);
        assert_eq!(one.tally, two.tally);
        assert_ne!(one.trace, run(4, false).trace);
    }
}
