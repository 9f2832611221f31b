//! Keeps everybody from waiting for a destination that is dead.
//!
//! After [`FAILURES`] attempts in a row that did not reach it, a destination counts as dead: whoever wants to send there
//! is told so at once. When the pause is over one attempt is let through; if it fails, the pause doubles.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dicom::scu::ScuFault;

/// Failed attempts in a row: one can be chance, and an archive that restarts costs two.
const FAILURES: u32 = 3;
/// The first pause: shorter than a person takes to notice and mend it.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause: what is mended is used again within ten minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// How a destination has been lately.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<Standing>);

#[derive(Debug, Default)]
struct Standing {
    failed: u32,
    /// Until when nobody tries.
    until: Option<Instant>,
}

impl Standing {
    /// How long nobody tries after the last failure.
    fn pause(&self) -> Duration {
        let doublings = self.failed.saturating_sub(FAILURES).min(8);
        FIRST_PAUSE
            .saturating_mul(1 << doublings)
            .min(LONGEST_PAUSE)
    }
}

impl Breaker {
    /// Asks to try.
    ///
    /// # Errors
    /// [`ScuFault::Dead`] while it is left alone.
    pub(crate) fn admit(&self) -> Result<(), ScuFault> {
        let now = Instant::now();
        self.enter(now).map_err(|left| ScuFault::Dead {
            failed: self.standing(now).0,
            seconds: left.as_secs().max(1),
        })
    }

    /// Who is let through after a pause keeps everybody else out for another; or how long nobody tries yet.
    fn enter(&self, now: Instant) -> Result<(), Duration> {
        let mut standing = self.lock();
        match standing.until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                standing.until = Some(now + standing.pause());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// It was reached.
    pub(crate) fn reached(&self) {
        *self.lock() = Standing::default();
    }

    /// It was not reached.
    pub(crate) fn missed(&self, now: Instant) {
        let mut standing = self.lock();
        standing.failed = standing.failed.saturating_add(1);
        if standing.failed >= FAILURES {
            standing.until = Some(now + standing.pause());
        }
    }

    /// Attempts in a row that failed, and how long nobody tries yet.
    pub(crate) fn standing(&self, now: Instant) -> (u32, Option<Duration>) {
        let standing = self.lock();
        let left = standing.until.map(|until| until - now.min(until));
        (standing.failed, left.filter(|left| !left.is_zero()))
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        // Two numbers: a panic elsewhere leaves them usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_destination_is_left_alone_for_longer_and_longer() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            assert_eq!(breaker.enter(now), Ok(()));
            breaker.missed(now);
        }
        assert_eq!(breaker.enter(now), Err(FIRST_PAUSE));
        now += FIRST_PAUSE;
        assert_eq!(breaker.enter(now), Ok(()));
        assert_eq!(breaker.enter(now), Err(FIRST_PAUSE), "one at a time");
        breaker.missed(now);
        assert_eq!(breaker.enter(now), Err(FIRST_PAUSE * 2));
        for _ in 0..20 {
            now += LONGEST_PAUSE;
            assert_eq!(breaker.enter(now), Ok(()));
            breaker.missed(now);
        }
        assert_eq!(breaker.enter(now), Err(LONGEST_PAUSE));
        now += LONGEST_PAUSE;
        assert_eq!(breaker.enter(now), Ok(()));
        breaker.reached();
        assert_eq!(breaker.standing(now), (0, None));
        assert_eq!(breaker.enter(now), Ok(()));
    }
}
