//! Sends a sequence of objects over as few associations as they need.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind, Read};
use std::iter::{Enumerate, Fuse};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::association::{Answer, Association, Pair};
use super::sending::SendFault;
use super::{Delivery, Destination, Ended, Outcome, ScuFault, Summary};
use crate::dicom::dimse::judge_store_status;
use crate::dicom::dimse::message::Originator;
use crate::dicom::pdu::uid::is_uid;
use crate::dicom::pdu::{CONTEXT_LIMIT, LinkFault};

/// How many objects are looked ahead to learn which contexts to propose. Each is a few hundred
/// bytes of identifiers; the data sets stay where they are.
const LOOK_AHEAD: usize = 1024;

/// Associations lost in a row, without one object stored in between, before the destination is
/// given up. One object that a destination chokes on must not hold up those behind it.
const LOSSES_IN_A_ROW: usize = 3;

/// An object to send. Its UIDs must be of the grammar of PS3.5 section 9.1.
pub trait Outgoing {
    /// SOP Class UID.
    fn sop_class(&self) -> &str;
    /// SOP Instance UID.
    fn sop_instance(&self) -> &str;
    /// The transfer syntax its data set is encoded in.
    fn transfer_syntax(&self) -> &str;
    /// The data set's bytes, without preamble and meta group, from their begin; every call begins anew.
    ///
    /// # Errors
    /// The object cannot be read.
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>>;
}

impl<T: Outgoing + ?Sized> Outgoing for &mut T {
    fn sop_class(&self) -> &str {
        (**self).sop_class()
    }

    fn sop_instance(&self) -> &str {
        (**self).sop_instance()
    }

    fn transfer_syntax(&self) -> &str {
        (**self).transfer_syntax()
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        (**self).open()
    }
}

/// Send `objects` to `destination`, one C-STORE at a time, and `report` what became of each.
///
/// The source is read at most 1,024 objects ahead. When the destination is given up or `report`
/// breaks off, objects already taken from the source are reported as not attempted, and the rest
/// stays in the source. A destination is given up after any time-out, when no association can be
/// had, and after three associations lost in a row.
pub fn store<'o>(
    destination: &Destination,
    objects: impl Iterator<Item = Box<dyn Outgoing + 'o>>,
    report: &mut dyn FnMut(Outcome) -> ControlFlow<()>,
) -> Summary {
    store_arriving(destination, objects, &|| true, report)
}

/// The same for a source that may have to wait for its next object: `is_ready` says whether it has
/// one at this moment. What it has is sent without looking further ahead, over the association that
/// is open while it waits.
pub fn store_arriving<'o>(
    destination: &Destination,
    objects: impl Iterator<Item = Box<dyn Outgoing + 'o>>,
    is_ready: &dyn Fn() -> bool,
    report: &mut dyn FnMut(Outcome) -> ControlFlow<()>,
) -> Summary {
    send(destination, None, objects, is_ready, report)
}

/// The same for what a C-MOVE asked for.
pub(in crate::dicom) fn store_for<'o>(
    destination: &Destination,
    originator: &Originator,
    objects: impl Iterator<Item = Box<dyn Outgoing + 'o>>,
    report: &mut dyn FnMut(Outcome) -> ControlFlow<()>,
) -> Summary {
    send(destination, Some(originator), objects, &|| true, report)
}

fn send<'o>(
    destination: &Destination,
    originator: Option<&Originator>,
    objects: impl Iterator<Item = Box<dyn Outgoing + 'o>>,
    is_ready: &dyn Fn() -> bool,
    report: &mut dyn FnMut(Outcome) -> ControlFlow<()>,
) -> Summary {
    let mut sending = Sending {
        source: objects.enumerate().fuse(),
        originator,
        is_ready,
        met: Vec::new(),
        queue: VecDeque::new(),
        report,
        cancelled: false,
        summary: Summary {
            stored: 0,
            not_stored: 0,
            associations: 0,
            ended: Ended::Complete,
        },
        buffer: Vec::new(),
    };
    let ended = sending.run(destination);
    while let Some(queued) = sending.queue.pop_front() {
        sending.tell(&queued, Delivery::NotAttempted);
    }
    sending.summary.ended = ended;
    sending.summary
}

/// An object taken from the source.
struct Queued<'o> {
    index: u64,
    pair: Pair,
    object: Box<dyn Outgoing + 'o>,
}

/// How one association ended.
enum Leg {
    /// Released; objects it was not negotiated for may be left in the queue.
    Released,
    /// Aborted, since an object could not be read to its end here.
    CutShort,
    /// Lost.
    Lost(Arc<LinkFault>),
}

struct Sending<'a, 'o, I> {
    /// The caller's objects, numbered.
    source: Fuse<Enumerate<I>>,
    /// Whose C-MOVE they are sent for.
    originator: Option<&'a Originator>,
    is_ready: &'a dyn Fn() -> bool,
    /// Different pairs of the objects so far, at most 128: what an association proposes behind those
    /// it is opened for, since more of the same may come.
    met: Vec<Pair>,
    queue: VecDeque<Queued<'o>>,
    report: &'a mut dyn FnMut(Outcome) -> ControlFlow<()>,
    cancelled: bool,
    summary: Summary,
    buffer: Vec<u8>,
}

impl<'o, I> Sending<'_, 'o, I>
where
    I: Iterator<Item = Box<dyn Outgoing + 'o>>,
{
    fn run(&mut self, destination: &Destination) -> Ended {
        let mut losses = 0;
        loop {
            while self.queue.len() < LOOK_AHEAD
                && (self.queue.is_empty() || (self.is_ready)())
                && let Some(queued) = self.pull()
            {
                self.queue.push_back(queued);
            }
            if self.cancelled {
                return Ended::Cancelled;
            }
            if self.queue.is_empty() {
                return Ended::Complete;
            }
            let association = match Association::open(destination, self.pairs()) {
                Ok(association) => association,
                Err(fault) => return Ended::GaveUp(fault),
            };
            self.summary.associations += 1;
            let stored_before = self.summary.stored;
            let leg = self.send_over(association);
            if self.summary.stored > stored_before {
                losses = 0;
            }
            if let Leg::Lost(fault) = leg {
                losses += 1;
                let slow = matches!(*fault, LinkFault::TimedOut(_) | LinkFault::TooSlow { .. });
                if slow || losses >= LOSSES_IN_A_ROW {
                    return Ended::GaveUp(ScuFault::Link(fault));
                }
            }
        }
    }

    /// The next object of the source whose UIDs may be sent.
    fn pull(&mut self) -> Option<Queued<'o>> {
        while !self.cancelled {
            let (index, object) = self.source.next()?;
            let queued = Queued {
                index: index as u64,
                pair: Pair {
                    sop_class: object.sop_class().to_owned(),
                    transfer_syntax: object.transfer_syntax().to_owned(),
                },
                object,
            };
            let pair = &queued.pair;
            let uids = [
                &pair.sop_class,
                &pair.transfer_syntax,
                queued.object.sop_instance(),
            ];
            if uids.into_iter().all(is_uid) {
                if self.met.len() < CONTEXT_LIMIT && !self.met.contains(pair) {
                    self.met.push(pair.clone());
                }
                return Some(queued);
            }
            let why = io::Error::new(ErrorKind::InvalidData, "one of its UIDs is not a UID");
            self.tell(&queued, Delivery::Unreadable(Arc::new(why)));
        }
        None
    }

    /// The pairs to propose: the first 128 different ones in the queue, then those met before.
    fn pairs(&self) -> Vec<Pair> {
        let mut seen = BTreeSet::new();
        let wanted = self.queue.iter().map(|queued| &queued.pair);
        let wanted = wanted.chain(&self.met);
        let fresh = wanted.filter(|pair| seen.insert((*pair).clone()));
        fresh.take(CONTEXT_LIMIT).cloned().collect()
    }

    /// Send every object this association was negotiated for; the others stay in the queue.
    fn send_over(&mut self, mut association: Association) -> Leg {
        let mut passed_over = VecDeque::new();
        let leg = loop {
            if self.cancelled {
                break Leg::Released;
            }
            let next = match self.queue.pop_front() {
                // What this association is no good for does not wait for what has not come yet.
                None if passed_over.is_empty()
                    || passed_over.len() < LOOK_AHEAD && (self.is_ready)() =>
                {
                    self.pull()
                }
                queued => queued,
            };
            let Some(mut queued) = next else {
                break Leg::Released;
            };
            let context = match association.answer(&queued.pair) {
                Some(Answer::Accepted(context)) => context,
                Some(Answer::Refused) => {
                    let Pair {
                        sop_class,
                        transfer_syntax,
                    } = queued.pair.clone();
                    let refused = Delivery::NotAccepted {
                        sop_class,
                        transfer_syntax,
                    };
                    self.tell(&queued, refused);
                    continue;
                }
                None => {
                    passed_over.push_back(queued);
                    continue;
                }
            };
            match self.send_one(&mut association, context, &mut queued) {
                Ok(status) => self.tell(&queued, judge_store_status(status).into()),
                Err(SendFault::Unreadable(why)) => {
                    self.tell(&queued, Delivery::Unreadable(Arc::new(why)));
                }
                Err(SendFault::CutShort(why)) => {
                    self.tell(&queued, Delivery::Unreadable(Arc::new(why)));
                    break Leg::CutShort;
                }
                Err(SendFault::Link(fault)) => {
                    let fault = Arc::new(fault);
                    self.tell(&queued, Delivery::Interrupted(Arc::clone(&fault)));
                    break Leg::Lost(fault);
                }
            }
        };
        passed_over.append(&mut self.queue);
        self.queue = passed_over;
        match leg {
            Leg::Released => association.release(),
            Leg::CutShort | Leg::Lost(_) => association.abort(),
        }
        leg
    }

    fn send_one(
        &mut self,
        association: &mut Association,
        context: u8,
        queued: &mut Queued<'o>,
    ) -> Result<u16, SendFault> {
        let object = &mut *queued.object;
        association.store(context, self.originator, object, &mut self.buffer)
    }

    /// Count and report what became of an object.
    fn tell(&mut self, queued: &Queued<'o>, delivery: Delivery) {
        if delivery.is_stored() {
            self.summary.stored += 1;
        } else {
            self.summary.not_stored += 1;
        }
        let outcome = Outcome {
            index: queued.index,
            sop_instance: queued.object.sop_instance().to_owned(),
            delivery,
        };
        if (self.report)(outcome).is_break() {
            self.cancelled = true;
        }
    }
}
