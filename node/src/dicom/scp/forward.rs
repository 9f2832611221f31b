//! C-MOVE (PS3.4 section C.4.2): objects go to a destination that is registered here, as they are
//! stored.
//!
//! They are sent from a thread of their own, so that a slow destination keeps neither the answers nor
//! a cancel waiting. A destination that hangs is left to its time-outs, one that fails for now is tried
//! again as its route says; how many such threads there may be is bounded, in all and per destination.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::association::Association;
use super::attempts::Load;
use super::dispatch::Request;
use super::get::TOLD_EVERY;
use super::handing::Handing;
use super::holdings::{Recipient, Route, Selected};
use super::notice::{Notice, Operation};
use super::tally::Tally;
use crate::dicom::dimse::message::{Answer, Originator};
use crate::dicom::dimse::{Model, QueryFailure, QueryStatus};
use crate::dicom::pdu::{AeTitle, LinkFault};
use crate::dicom::scu::{Ended, Outcome};
use crate::language::Explain as _;

/// Threads that send for C-MOVEs at once. Each costs an association at both ends, and a read buffer.
const SENDERS: usize = 16;

/// Those to one destination: workstations take few associations.
const SENDERS_PER_DESTINATION: usize = 4;

/// Outcomes on their way from the sender's thread.
const REPORTS: usize = 64;

/// How often it is looked for a cancel while nothing is reported: well inside the 100 ms in which one is
/// obeyed.
const GLANCE: Duration = Duration::from_millis(20);

const UNKNOWN: QueryFailure = QueryFailure::new(
    QueryStatus::UnknownDestination,
    "the move destination is not registered at the node",
    "送り先（Move Destination）がこのノードに登録されていません",
);
const BUSY: QueryFailure = QueryFailure::new(
    QueryStatus::CannotPerform,
    "too many retrievals are under way: try again later",
    "同時に行われている転送が多すぎます。少し待ってからやり直してください",
);

/// How many threads send to which destination.
#[derive(Default)]
pub(super) struct Senders(Mutex<BTreeMap<AeTitle, usize>>);

/// Leave for one thread, given back when dropped.
struct Leave {
    senders: Arc<Senders>,
    title: AeTitle,
}

impl Senders {
    fn leave(self: &Arc<Self>, title: &AeTitle) -> Option<Leave> {
        // Every change is a single number: a panic elsewhere leaves it usable.
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = busy.get(title).copied().unwrap_or(0);
        if busy.values().sum::<usize>() >= SENDERS || here >= SENDERS_PER_DESTINATION {
            return None;
        }
        busy.insert(title.clone(), here + 1);
        Some(Leave {
            senders: Arc::clone(self),
            title: title.clone(),
        })
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut busy = self
            .senders
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match busy.get_mut(&self.title) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                busy.remove(&self.title);
            }
        }
    }
}

/// What the sender's thread tells.
enum Report {
    Outcome(Outcome),
    Ended(Ended),
}

impl Association<'_> {
    /// Send what the identifier names to the destination that the command names.
    pub(super) fn forward(&mut self, request: &Request<'_>, model: Model) -> Result<(), LinkFault> {
        let selected = self.select(request, model)?;
        let order = selected.and_then(|selected| {
            let (title, route) = self.route(request)?;
            let senders = &self.shared.senders;
            let leave = senders.leave(&title).ok_or(BUSY)?;
            Ok((selected, title, route, leave))
        });
        let (selected, title, route, leave) = match order {
            Ok(order) => order,
            Err(failure) => return self.refuse(request, Operation::Move, failure),
        };
        let tally = Tally::new(selected.iter().map(|one| one.sop_instance().to_owned()));
        let to = Recipient {
            host: route.destination().host.clone(),
            title,
        };
        let originator = Originator {
            title: request.caller.calling_ae.clone(),
            message_id: request.command.message_id.unwrap_or(0),
        };
        let cancelled = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = sync_channel(REPORTS);
        let order = Order {
            route,
            originator,
            selected,
            cancelled: Arc::clone(&cancelled),
            reports: sender,
            _leave: leave,
        };
        let holdings = self.shared.services.holdings.as_deref();
        let handing = Handing::begin(holdings, request.caller, to.clone(), &order.selected);
        let started = thread::Builder::new()
            .name("dicom-forward".to_owned())
            .spawn(move || order.run());
        if started.is_err() {
            return self.refuse(request, Operation::Move, BUSY);
        }
        let told = (tally, handing);
        let watched = self.watch(request, &to.title, told, &receiver, &cancelled);
        // Cancelled, cut or over: nobody waits for another attempt.
        cancelled.store(true, Ordering::Relaxed);
        watched
    }

    fn route(&self, request: &Request<'_>) -> Result<(AeTitle, Arc<dyn Route>), QueryFailure> {
        let title = request.command.move_destination.clone().ok_or(UNKNOWN)?;
        let known = self.shared.services.destinations.as_deref();
        let route = known.and_then(|known| known.named(&title));
        route.map(|route| (title, route)).ok_or(UNKNOWN)
    }

    /// Tell the peer how far it is, until it is over or cancelled.
    fn watch(
        &mut self,
        request: &Request<'_>,
        title: &AeTitle,
        (mut tally, mut handing): (Tally, Handing<'_>),
        reports: &Receiver<Report>,
        cancelled: &AtomicBool,
    ) -> Result<(), LinkFault> {
        let mut told = Instant::now();
        loop {
            match reports.recv_timeout(GLANCE) {
                Ok(Report::Outcome(outcome)) => {
                    let index = outcome.index as usize;
                    tally.note(index, &outcome.delivery);
                    if outcome.delivery.is_stored() {
                        handing.arrived(index);
                    }
                    if outcome.brought_into.is_some() {
                        tally.note_transcoded();
                    }
                }
                Ok(Report::Ended(Ended::GaveUp(fault))) => tally.give_up(fault.message()),
                Ok(Report::Ended(Ended::Complete | Ended::Cancelled))
                | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return self.conclude(request, title, &tally, false);
                }
            }
            if self.is_cancelled(request)? {
                cancelled.store(true, Ordering::Relaxed);
                return self.conclude(request, title, &tally, true);
            }
            if told.elapsed() >= TOLD_EVERY {
                self.answer(request, &tally.pending(), None)?;
                told = Instant::now();
            }
        }
    }

    /// The last response of a retrieval, and lines for the operator about what failed and what went otherwise than it
    /// is kept.
    pub(super) fn conclude(
        &mut self,
        request: &Request<'_>,
        to: &AeTitle,
        tally: &Tally,
        cancelled: bool,
    ) -> Result<(), LinkFault> {
        if let Some((failed, of, why)) = tally.failures() {
            self.shared.announce(&Notice::NotForwarded {
                caller: request.caller,
                to,
                failed,
                of,
                why,
            });
        }
        if let Some((transcoded, of)) = tally.transcoded() {
            self.shared.announce(&Notice::Transcoded {
                caller: request.caller,
                to,
                transcoded,
                of,
            });
        }
        let (answer, data_set) = tally.last(cancelled);
        let bytes = data_set.map(|data_set| request.open.encode(&data_set));
        self.answer(request, &answer, bytes.as_deref())
    }

    /// Answer a query or retrieval with a failure.
    pub(super) fn refuse(
        &mut self,
        request: &Request<'_>,
        operation: Operation,
        failure: QueryFailure,
    ) -> Result<(), LinkFault> {
        self.shared.announce(&Notice::QueryRefused {
            caller: request.caller,
            operation,
            failure,
        });
        let is_retrieval = operation != Operation::Find;
        let answer = Answer {
            status: failure.status().code(is_retrieval),
            comment: failure.comment(),
            offending: failure.offending().map(|tag| (tag.group(), tag.element())),
            ..Answer::default()
        };
        self.answer(request, &answer, None)
    }
}

/// What a sender's thread is to do.
struct Order {
    route: Arc<dyn Route>,
    originator: Originator,
    selected: Vec<Selected>,
    cancelled: Arc<AtomicBool>,
    reports: SyncSender<Report>,
    _leave: Leave,
}

impl Order {
    fn run(self) {
        let is_wanted = || !self.cancelled.load(Ordering::Relaxed);
        let ended = Load::new(self.selected).deliver(
            (&*self.route, &self.originator),
            &is_wanted,
            &mut |outcome| {
                // Nobody listens once the requestor has left.
                match self.reports.send(Report::Outcome(outcome)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            },
        );
        let _left = self.reports.send(Report::Ended(ended));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_destination_cannot_have_every_thread() {
        let senders = Arc::new(Senders::default());
        let title = |n: usize| format!("AE{n}").parse::<AeTitle>().unwrap();
        let mut leaves: Vec<_> = (0..SENDERS_PER_DESTINATION)
            .map(|_| senders.leave(&title(0)).unwrap())
            .collect();
        assert!(senders.leave(&title(0)).is_none());
        while leaves.len() < SENDERS {
            leaves.push(senders.leave(&title(leaves.len() / 4)).unwrap());
        }
        assert!(senders.leave(&title(99)).is_none());
        drop(leaves);
        assert!(senders.0.lock().unwrap().is_empty());
    }
}
