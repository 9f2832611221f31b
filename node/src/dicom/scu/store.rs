//! Sends a sequence of objects over as few associations as they need.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind, Read};
use std::iter::{Enumerate, Fuse};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::association::{Answer, Association, Pair};
use super::sending::SendFault;
use super::{Brought, Delivery, Destination, Ended, Outcome, ScuFault, Summary, Transcoding};
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

    /// The transfer syntax in which it is kept, whatever it is brought into.
    fn kept_in(&self) -> &str {
        self.transfer_syntax()
    }

    /// Its Study Instance UID, where it is known.
    fn study(&self) -> Option<&str> {
        None
    }

    /// The data set's bytes, without preamble and meta group, from their begin; every call begins anew.
    ///
    /// # Errors
    /// The object cannot be read.
    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>>;
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

    fn kept_in(&self) -> &str {
        (**self).kept_in()
    }

    fn study(&self) -> Option<&str> {
        (**self).study()
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
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
        transcoding: destination.transcoding.as_deref(),
        is_ready,
        met: Vec::new(),
        queue: VecDeque::new(),
        report,
        cancelled: false,
        summary: Summary {
            stored: 0,
            transcoded: 0,
            not_stored: 0,
            associations: 0,
            ended: Ended::Complete,
        },
        buffer: Vec::new(),
    };
    let ended = sending.run(destination);
    while let Some(queued) = sending.queue.pop_front() {
        sending.tell(&queued, Delivery::NotAttempted, None);
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

/// How an object may go over an association.
enum Fit {
    /// On this context: as it is kept, or brought into this transfer syntax.
    Goes(u8, Option<&'static str>),
    /// In no form.
    Refused,
    /// It was not asked.
    Unknown,
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
    /// Who brings them into what the destination takes.
    transcoding: Option<&'a dyn Transcoding>,
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
            self.tell(&queued, Delivery::Unreadable(Arc::new(why)), None);
        }
        None
    }

    /// The pairs to propose: the first 128 different ones in the queue, then those met before, each with those into which
    /// its objects can be brought, so that what was asked of one is answered for all of its forms.
    fn pairs(&self) -> Vec<Pair> {
        let mut seen = BTreeSet::new();
        let mut pairs = Vec::new();
        let wanted = self.queue.iter().map(|queued| &queued.pair);
        let mut last = None;
        for pair in wanted.chain(&self.met) {
            // Objects of a kind come one behind the other.
            if last.replace(pair) == Some(pair) {
                continue;
            }
            let others = self.ways(pair).iter().map(|into| Pair {
                sop_class: pair.sop_class.clone(),
                transfer_syntax: (*into).to_owned(),
            });
            let forms = std::iter::once(pair.clone()).chain(others);
            let fresh: Vec<Pair> = forms.filter(|form| !seen.contains(form)).collect();
            if pairs.len() + fresh.len() > CONTEXT_LIMIT {
                break;
            }
            seen.extend(fresh.iter().cloned());
            pairs.extend(fresh);
        }
        pairs
    }

    /// The transfer syntaxes into which objects of a pair can be brought.
    fn ways(&self, pair: &Pair) -> &'static [&'static str] {
        let transcoding = self.transcoding;
        transcoding.map_or(&[], |transcoding| transcoding.ways(&pair.transfer_syntax))
    }

    /// How objects of a pair may go over this association: as they are kept if they may.
    fn fit(&self, association: &Association, pair: &Pair) -> Fit {
        match association.answer(pair) {
            Some(Answer::Accepted(context)) => return Fit::Goes(context, None),
            Some(Answer::Refused) => {}
            None => return Fit::Unknown,
        }
        let mut ways = self.ways(pair).iter();
        let brought = ways.find_map(|into| {
            let form = Pair {
                sop_class: pair.sop_class.clone(),
                transfer_syntax: (*into).to_owned(),
            };
            match association.answer(&form) {
                Some(Answer::Accepted(context)) => Some(Fit::Goes(context, Some(*into))),
                Some(Answer::Refused) | None => None,
            }
        });
        brought.unwrap_or(Fit::Refused)
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
            let (context, into) = match self.fit(&association, &queued.pair) {
                Fit::Goes(context, into) => (context, into),
                Fit::Refused => {
                    let Pair {
                        sop_class,
                        transfer_syntax,
                    } = queued.pair.clone();
                    let refused = Delivery::NotAccepted {
                        sop_class,
                        transfer_syntax,
                    };
                    self.tell(&queued, refused, None);
                    continue;
                }
                Fit::Unknown => {
                    passed_over.push_back(queued);
                    continue;
                }
            };
            match self.send_one(&mut association, (context, into), &mut queued) {
                Ok(status) => self.tell(&queued, judge_store_status(status).into(), into),
                Err(SendFault::Unreadable(why)) => {
                    let unread = Delivery::unread(&queued.pair.transfer_syntax, why);
                    self.tell(&queued, unread, None);
                }
                Err(SendFault::CutShort(why)) => {
                    let unread = Delivery::unread(&queued.pair.transfer_syntax, why);
                    self.tell(&queued, unread, None);
                    break Leg::CutShort;
                }
                Err(SendFault::Link(fault)) => {
                    let fault = Arc::new(fault);
                    let interrupted = Delivery::Interrupted(Arc::clone(&fault));
                    self.tell(&queued, interrupted, None);
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
        (context, into): (u8, Option<&'static str>),
        queued: &mut Queued<'o>,
    ) -> Result<u16, SendFault> {
        let (originator, buffer) = (self.originator, &mut self.buffer);
        let object = &mut *queued.object;
        match into.zip(self.transcoding) {
            Some((into, by)) => {
                let mut brought = Brought {
                    object,
                    into,
                    by,
                    is_wanted: &|| true,
                };
                association.store(context, originator, &mut brought, buffer)
            }
            None => association.store(context, originator, object, buffer),
        }
    }

    /// Count and report what became of an object, and into what it was brought for that.
    fn tell(&mut self, queued: &Queued<'o>, delivery: Delivery, into: Option<&'static str>) {
        let brought_into = into.filter(|_| delivery.is_stored());
        if delivery.is_stored() {
            self.summary.stored += 1;
            self.summary.transcoded += u64::from(brought_into.is_some());
        } else {
            self.summary.not_stored += 1;
        }
        let outcome = Outcome {
            index: queued.index,
            sop_instance: queued.object.sop_instance().to_owned(),
            delivery,
            brought_into,
        };
        if (self.report)(outcome).is_break() {
            self.cancelled = true;
        }
    }
}
