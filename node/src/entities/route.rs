//! The way to a destination: tried as often as it says, and not at all while it is dead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Entities;
use super::breaker::Breaker;
use super::destination::{Destination, Retry};
use crate::dicom::pdu::AeTitle;
use crate::dicom::scp::{self, Destinations};
use crate::dicom::scu::{self, Ended, ScuFault};
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// How often a pause between two attempts comes back to see whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// The way to a destination.
#[derive(Clone)]
pub struct Route {
    /// What people here call it.
    pub name: String,
    /// How it is called; while it is dead, whoever does is told so at once.
    pub destination: scu::Destination,
    retry: Retry,
    breaker: Arc<Breaker>,
}

/// A destination was not reached.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RouteFault {
    /// Every attempt failed; how the last one did.
    Failed(ScuFault),
    /// Who wanted to send gave up.
    GivenUp,
}

impl Explain for RouteFault {
    fn message(&self) -> Message {
        match self {
            RouteFault::Failed(fault) => fault.message(),
            RouteFault::GivenUp => say!("送信をやめました", "the sending was given up"),
        }
    }
}

displayed_in_english!(RouteFault);

impl Route {
    pub(super) fn new(
        destination: Destination,
        mut called: scu::Destination,
        breaker: Arc<Breaker>,
    ) -> Route {
        called.breaker = Some(Arc::clone(&breaker));
        Route {
            name: destination.name,
            destination: called,
            retry: destination.retry,
            breaker,
        }
    }

    /// Tries `work` as often as the destination says, with its pauses, as long as `is_wanted`. Blocks; a fault that
    /// another attempt would not mend ends it.
    ///
    /// # Errors
    /// [`RouteFault`].
    pub fn attempt<T>(
        &self,
        is_wanted: &dyn Fn() -> bool,
        work: &mut dyn FnMut(&scu::Destination) -> Result<T, ScuFault>,
    ) -> Result<T, RouteFault> {
        let mut failed = 0;
        loop {
            if !is_wanted() {
                return Err(RouteFault::GivenUp);
            }
            let done = self.breaker.admit().and_then(|()| self.once(work));
            let fault = match done {
                Ok(done) => return Ok(done),
                Err(fault) => fault,
            };
            // Who comes to a dead destination is told; who is trying already goes on at its pace.
            let comes_late = failed == 0 && matches!(fault, ScuFault::Dead { .. });
            if comes_late || !fault.may_pass() {
                return Err(RouteFault::Failed(fault));
            }
            failed += 1;
            let Some(pause) = self.retry.pause_after(failed) else {
                return Err(RouteFault::Failed(fault));
            };
            let (_, left) = self.standing();
            wait(pause.max(left.unwrap_or_default()), is_wanted);
        }
    }

    /// One attempt, of which the breaker is told.
    fn once<T>(
        &self,
        work: &mut dyn FnMut(&scu::Destination) -> Result<T, ScuFault>,
    ) -> Result<T, ScuFault> {
        // Counted here, where an answer that never comes is a miss as well.
        let uncounted = scu::Destination {
            breaker: None,
            ..self.destination.clone()
        };
        let done = work(&uncounted);
        match &done {
            // It answered, and will again: out of room is not dead.
            Err(ScuFault::Failed(_)) => self.breaker.reached(),
            Err(fault) if fault.may_pass() => self.breaker.missed(Instant::now()),
            // It answered, whatever it said.
            Ok(_) | Err(_) => self.breaker.reached(),
        }
        done
    }

    /// Attempts in a row that did not reach it, and how long it is left alone.
    pub fn standing(&self) -> (u32, Option<Duration>) {
        self.breaker.standing(Instant::now())
    }

    /// It was reached by other means, a test: it is used again at once.
    pub fn reached(&self) {
        self.breaker.reached();
    }
}

impl Destinations for Entities {
    fn named(&self, title: &AeTitle) -> Option<Arc<dyn scp::Route>> {
        let route = self.destination_by_ae(title.as_str())?;
        Some(Arc::new(route))
    }
}

impl scp::Route for Route {
    fn destination(&self) -> &scu::Destination {
        &self.destination
    }

    fn attempt(
        &self,
        is_wanted: &dyn Fn() -> bool,
        work: &mut dyn FnMut(&scu::Destination) -> Result<(), ScuFault>,
    ) -> Ended {
        match Route::attempt(self, is_wanted, work) {
            Ok(()) => Ended::Complete,
            Err(RouteFault::GivenUp) => Ended::Cancelled,
            Err(RouteFault::Failed(fault)) => Ended::GaveUp(fault),
        }
    }
}

fn wait(pause: Duration, is_wanted: &dyn Fn() -> bool) {
    let until = Instant::now() + pause;
    while is_wanted() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(LOOK));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::dicom::pdu::{LinkFault, Rejection, RejectionReason};
    use crate::language::assert_explained;

    fn route(attempts: u8) -> Route {
        let destination = Destination {
            name: "PACS".to_owned(),
            host: "192.0.2.1".to_owned(),
            port: 104,
            ae_title: "PACS".to_owned(),
            tls: None,
            retry: Retry { attempts, pause: 0 },
        };
        let called = destination.called(&"US".parse().unwrap(), None).unwrap();
        Route::new(destination, called, Arc::default())
    }

    fn tried(route: &Route, mut faults: Vec<ScuFault>) -> (usize, Result<(), RouteFault>) {
        let mut count = 0;
        let result = route.attempt(&|| true, &mut |_| {
            count += 1;
            faults.pop().map_or(Ok(()), Err)
        });
        (count, result)
    }

    fn closed() -> ScuFault {
        LinkFault::Closed.into()
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
        let (count, result) = tried(&route(3), vec![closed(), closed()]);
        assert!(count == 3 && result.is_ok());
        let (count, result) = tried(&route(2), vec![closed(), closed()]);
        assert!(count == 2 && matches!(result, Err(RouteFault::Failed(_))));
        let never = ScuFault::Rejected(Rejection::permanent(RejectionReason::CalledAeTitle));
        let (count, _) = tried(&route(3), vec![never]);
        assert_eq!(count, 1);
        let now = ScuFault::Rejected(Rejection::transient(RejectionReason::LocalLimit));
        let (count, _) = tried(&route(3), vec![now]);
        assert_eq!(count, 2);
    }

    #[test]
    fn a_dead_destination_holds_nobody_up() {
        let route = route(3);
        let (_, result) = tried(&route, vec![closed(); 3]);
        assert!(matches!(result, Err(RouteFault::Failed(_))));
        let (count, result) = tried(&route.clone(), Vec::new());
        let dead = matches!(
            result,
            Err(RouteFault::Failed(ScuFault::Dead { failed: 3, .. }))
        );
        assert!(count == 0 && dead);
        route.reached();
        assert_eq!(tried(&route, Vec::new()).0, 1);
    }

    #[test]
    fn who_is_trying_when_it_dies_waits_for_it() {
        let (route, tried, left) = (route(5), Cell::new(0), Cell::new(10));
        let is_wanted = || {
            left.set(left.get() - 1);
            left.get() >= 0
        };
        let result: Result<(), _> = route.attempt(&is_wanted, &mut |_| {
            tried.set(tried.get() + 1);
            Err(closed())
        });
        assert!(matches!(result, Err(RouteFault::GivenUp)));
        assert_eq!(tried.get(), 3);
    }

    #[test]
    fn a_pause_ends_when_nobody_wants_it_any_more() {
        let (mut route, left) = (route(2), Cell::new(2));
        route.retry.pause = 600;
        let is_wanted = || {
            left.set(left.get() - 1);
            left.get() >= 0
        };
        let result: Result<(), _> = route.attempt(&is_wanted, &mut |_| Err(closed()));
        assert!(matches!(result, Err(RouteFault::GivenUp)));
    }

    #[test]
    fn pauses_double_up_to_their_bound() {
        let retry = Retry {
            attempts: 20,
            pause: 5,
        };
        let seconds = |failed| retry.pause_after(failed).map(|pause| pause.as_secs());
        assert_eq!(
            [1, 2, 3, 19].map(seconds),
            [Some(5), Some(10), Some(20), Some(600)]
        );
        assert_eq!(seconds(20), None);
    }

    #[test]
    fn every_fault_is_told_in_both_languages() {
        let all = [RouteFault::Failed(closed()), RouteFault::GivenUp];
        assert_explained(all.iter().map(|fault| fault as &dyn Explain));
    }
}
