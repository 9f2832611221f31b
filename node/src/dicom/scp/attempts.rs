//! The objects of one C-MOVE on their way: what may yet come off is tried again as often as the route says, what has
//! arrived or was refused for good never.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::holdings::{Route, Selected};
use crate::dicom::dimse::message::Originator;
use crate::dicom::pdu::LinkFault;
use crate::dicom::scu::{Delivery, Destination, Ended, Outcome, Outgoing, ScuFault, store_for};

/// How long one C-MOVE goes on trying. Whoever asked waits for its end, and an attempt holds one of few threads; a
/// route may be patient for hours.
const PERSISTENCE: Duration = Duration::from_secs(600);

/// What is still to be delivered.
pub(super) struct Load {
    left: Vec<Left>,
}

/// An object that has not arrived.
struct Left {
    /// Its place in the selection.
    index: u64,
    object: Selected,
    /// How the last attempt at it failed.
    failed: Option<Delivery>,
}

impl Load {
    pub(super) fn new(selected: Vec<Selected>) -> Load {
        let left = (0..).zip(selected).map(|(index, object)| Left {
            index,
            object,
            failed: None,
        });
        Load {
            left: left.collect(),
        }
    }

    /// Delivers over `route` as long as `is_wanted` and `report` goes on. Each object that had its turn is reported
    /// once, when nothing more will become of it; the others are covered by how it ended.
    pub(super) fn deliver(
        mut self,
        (route, originator): (&dyn Route, &Originator),
        is_wanted: &dyn Fn() -> bool,
        report: &mut dyn FnMut(Outcome) -> ControlFlow<()>,
    ) -> Ended {
        let begun = Instant::now();
        let is_heard = Cell::new(true);
        let goes_on = || is_wanted() && is_heard.get() && begun.elapsed() < PERSISTENCE;
        let mut report = |outcome: Outcome| {
            if report(outcome).is_break() {
                is_heard.set(false);
            }
        };
        let mut last = None;
        let ended = route.attempt(&goes_on, &mut |destination| {
            let tried = self.attempt((destination, originator), &goes_on, &mut report);
            last = tried.as_ref().err().cloned();
            tried
        });
        for left in self.left {
            if let Some(delivery) = left.failed {
                report(Outcome {
                    index: left.index,
                    sop_instance: left.object.sop_instance().to_owned(),
                    delivery,
                    brought_into: None,
                });
            }
        }
        match (ended, last) {
            // The time was over, and nobody else ended it.
            (Ended::Cancelled, Some(fault)) if is_wanted() && is_heard.get() => {
                Ended::GaveUp(fault)
            }
            (ended, _) => ended,
        }
    }

    /// One attempt at all that is left; an error when something is left after it.
    fn attempt(
        &mut self,
        (destination, originator): (&Destination, &Originator),
        goes_on: &dyn Fn() -> bool,
        report: &mut dyn FnMut(Outcome),
    ) -> Result<(), ScuFault> {
        let places: Vec<u64> = self.left.iter().map(|left| left.index).collect();
        let mut failed: Vec<Option<Delivery>> = vec![None; places.len()];
        let mut settled = vec![false; places.len()];
        let objects = self.left.iter_mut();
        let objects = objects.map(|left| Box::new(&mut *left.object) as Box<dyn Outgoing + '_>);
        let summary = store_for(destination, originator, objects, &mut |outcome| {
            let at = outcome.index as usize;
            match outcome.delivery {
                Delivery::NotAttempted => {}
                ref delivery if delivery.may_retry() => failed[at] = Some(outcome.delivery),
                _ => {
                    settled[at] = true;
                    let index = places[at];
                    report(Outcome { index, ..outcome });
                }
            }
            match goes_on() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        for (left, failed) in self.left.iter_mut().zip(failed) {
            left.failed = failed.or(left.failed.take());
        }
        let mut settled = settled.into_iter();
        self.left.retain(|_| !settled.next().unwrap_or(false));
        match (summary.ended, self.left.first()) {
            (_, None) => Ok(()),
            (Ended::GaveUp(fault), _) => Err(fault),
            (Ended::Complete | Ended::Cancelled, Some(left)) => Err(fault_of(left)),
        }
    }
}

/// Why an object is left although its destination was not given up.
fn fault_of(left: &Left) -> ScuFault {
    match &left.failed {
        Some(Delivery::Refused { status, .. }) => ScuFault::Failed(*status),
        Some(Delivery::Interrupted(fault)) => ScuFault::Link(Arc::clone(fault)),
        // It was broken off before its turn.
        Some(_) | None => LinkFault::Closed.into(),
    }
}
