//! What is to happen when. Two things at the same moment happen in the order in which they were put down.

use std::collections::BTreeMap;

use dokuei_protocol::effect::DocumentAnswer;
use dokuei_protocol::time::Timestamp;

/// Names an exchange or job of a node's process; never used twice.
pub(crate) type Token = u64;

/// Something that is to happen.
pub(crate) enum Event {
    /// A site asked to be woken.
    Wake { site: usize, generation: u64 },
    /// A message arrives.
    Arrive(Message),
    /// An exchange has lasted too long.
    Timeout { site: usize, token: Token },
    /// Two nodes try to connect.
    Dial { a: usize, b: usize },
    /// A node notices that a connection is there, or gone.
    Notice {
        site: usize,
        peer: usize,
        epoch: u32,
        up: bool,
    },
    /// A study's manifest is asked for.
    Begin { site: usize, token: Token },
    /// A pack of a study arrives, or does not.
    Pack {
        site: usize,
        token: Token,
        stream: u16,
        pack: Option<u32>,
        lost: bool,
    },
    /// A report arrives.
    Report { site: usize, token: Token },
    /// The archive answers.
    Shelve { site: usize, token: Token },
    /// A study's objects are removed.
    Clear { site: usize, token: Token },
    /// A node stops.
    Stop(usize),
    /// A node starts.
    Start(usize),
    /// A line breaks.
    Cut(usize, usize),
    /// It is mended.
    Mend(usize, usize),
    /// A clock jumps.
    Jump(usize),
    /// An archive goes down.
    ArchiveDown(usize),
    /// It comes back.
    ArchiveUp(usize),
    /// People look at their lists and act.
    Look(usize),
    /// Priors are listed, or one is found; or not.
    Priors { site: usize, token: Token },
    /// A study is to be read.
    Open(usize),
    /// Two people make their sites partners.
    Pair { inviter: usize, accepter: usize },
    /// The code is typed in.
    Accept {
        inviter: usize,
        accepter: usize,
        secret: String,
    },
    /// A partner is removed.
    Remove { site: usize, partner: usize },
    /// Faults stop.
    Calm,
    /// Everybody is looked at, to see whether all has come to rest.
    Review,
}

/// A message between two nodes.
pub(crate) struct Message {
    /// Who sent it.
    pub(crate) from: usize,
    /// To whom.
    pub(crate) to: usize,
    /// The connection it was sent over; none for the calls of strangers.
    pub(crate) epoch: Option<u32>,
    /// The sender's, or for an answer the asker's, name for the exchange.
    pub(crate) token: Token,
    /// What it says.
    pub(crate) body: Body,
}

/// What a message says.
#[derive(Clone)]
pub(crate) enum Body {
    /// A document.
    Document { bytes: Vec<u8>, copy: Copy },
    /// The answer to one.
    Answer(DocumentAnswer),
    /// A question for announcements.
    SyncAsk(Vec<u8>),
    /// The answer to one.
    SyncAnswer(Option<Vec<u8>>),
    /// A stranger's call.
    Call(Vec<u8>),
    /// The answer to one.
    CallAnswer(Option<Vec<u8>>),
}

/// Where a document comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copy {
    /// Its sender.
    Original,
    /// The network, a second time.
    Double,
    /// Somebody who changed it, or who is not its sender.
    Forged,
}

/// The agenda.
#[derive(Default)]
pub(crate) struct Agenda {
    events: BTreeMap<(Timestamp, u64), Event>,
    count: u64,
}

impl Agenda {
    /// Puts something down.
    pub(crate) fn put(&mut self, at: Timestamp, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    /// The next thing to happen.
    pub(crate) fn next(&mut self) -> Option<(Timestamp, Event)> {
        let ((at, _), event) = self.events.pop_first()?;
        Some((at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_of_time_then_of_putting_down() {
        let mut agenda = Agenda::default();
        for (at, site) in [(5, 0), (3, 1), (5, 2), (4, 3)] {
            agenda.put(Timestamp(at), Event::Stop(site));
        }
        let order = std::iter::from_fn(|| match agenda.next() {
            Some((_, Event::Stop(site))) => Some(site),
            _ => None,
        });
        assert_eq!(order.collect::<Vec<_>>(), [1, 3, 0, 2]);
    }
}
