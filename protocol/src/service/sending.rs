//! Which documents go out now: a bounded number to each partner at once, those of each case in their
//! order. One that was put off holds up its own case and nothing else.

use std::collections::{BTreeSet, VecDeque};

use dokuei_keys::id::{DocumentId, SiteId};

use crate::input::{Job, Trouble};
use crate::limits;
use crate::outbox::{Matter, Outgoing};
use crate::service::Service;
use crate::service::jobs::Attempt;

impl Service {
    /// The documents to hand over now to partners that are connected.
    pub(super) fn sendings(&self) -> Vec<Job> {
        let queues = self.state.outbox.iter();
        let reachable = queues.filter(|(site, _)| self.is_connected(**site).is_some());
        reachable
            .flat_map(|(site, queue)| self.sendings_to(*site, queue))
            .collect()
    }

    fn sendings_to(&self, site: SiteId, queue: &VecDeque<Outgoing>) -> Vec<Job> {
        let under_way = self.sends_to(site).filter(|(_, attempt)| attempt.running);
        let free = limits::SENDING_WINDOW.saturating_sub(under_way.count());
        let urgent = |outgoing: &&Outgoing| outgoing.matter == Matter::Keys;
        let first = queue.iter().filter(urgent);
        let rest = queue.iter().filter(|outgoing| !urgent(outgoing));
        let (mut due, mut held_up) = (Vec::new(), BTreeSet::new());
        for outgoing in first.chain(rest) {
            if due.len() == free {
                break;
            }
            let (job, matter) = (Job::Send(site, outgoing.id), outgoing.matter);
            match self.attempts.get(&job) {
                Some(attempt) if attempt.running => {}
                Some(attempt) if attempt.waits(self.now) => {
                    held_up.insert(matter);
                }
                Some(_) | None => {
                    if matter == Matter::Keys || !held_up.contains(&matter) {
                        due.push(job);
                    }
                }
            }
        }
        due
    }

    fn sends_to(&self, site: SiteId) -> impl Iterator<Item = (&Job, &Attempt)> {
        let [first, last] = [[0; 32], [0xff; 32]].map(DocumentId::from_bytes);
        let all = Job::Send(site, first)..=Job::Send(site, last);
        self.attempts.range(all)
    }

    /// Forgets attempts to send what is not to be sent any more.
    pub(super) fn forget_unqueued(&mut self) {
        let jobs = self.attempts.keys();
        let sites: BTreeSet<SiteId> = jobs
            .filter_map(|job| match job {
                Job::Send(site, _) => Some(*site),
                _ => None,
            })
            .collect();
        let queues = sites.iter().filter_map(|site| self.state.outbox.get(site));
        let queued: BTreeSet<DocumentId> = queues.flatten().map(|next| next.id).collect();
        self.attempts.retain(|job, attempt| match job {
            Job::Send(_, id) => attempt.running || queued.contains(id),
            _ => true,
        });
    }

    /// What a queued document is about.
    pub(super) fn matter_of(&self, site: SiteId, id: DocumentId) -> Option<Matter> {
        let mut queue = self.state.outbox.get(&site)?.iter();
        queue
            .find(|outgoing| outgoing.id == id)
            .map(|outgoing| outgoing.matter)
    }

    /// A document has arrived: what the partner had put off of the same case may have waited for it,
    /// and is sent again at once. So are the oldest few of the others: the partner may have had a
    /// reason that is gone.
    pub(super) fn hurry(&mut self, partner: SiteId, arrived: Option<Matter>) {
        let Some(queue) = self.state.outbox.get(&partner) else {
            return;
        };
        let mut others = 0;
        for outgoing in queue {
            let job = Job::Send(partner, outgoing.id);
            let put_off = self.attempts.get(&job).is_some_and(|attempt| {
                !attempt.running && attempt.trouble == Some(Trouble::PartnerBusy)
            });
            if !put_off {
                continue;
            }
            if Some(outgoing.matter) != arrived {
                others += 1;
                if others > limits::SENDING_WINDOW {
                    continue;
                }
            }
            self.attempts.remove(&job);
        }
    }
}
