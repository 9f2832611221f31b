//! Documents that partners have not confirmed, and what becomes of a case when one is refused.

use dokuei_keys::id::{DocumentId, SiteId};

use crate::case::CaseId;
use crate::case::cancel::Told;
use crate::state::{Contradiction, State};
use crate::time::Timestamp;

/// What a document is about: those of one case go in their order, others by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    /// A key of this site that is revoked.
    Keys,
    /// An agreement.
    Agreement,
    /// A case.
    Case(CaseId),
    /// The request to stop reading a case: it stands beside the chain, and holds nothing of it up.
    Cancel(CaseId),
    /// The priors of a case: beside the chain as well, in their own order.
    Priors(CaseId),
}

/// A document that a partner has not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The document.
    pub id: DocumentId,
    /// What it is about.
    pub matter: Matter,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl State {
    /// Puts a document at the end of a partner's queue.
    pub(crate) fn post(&mut self, to: SiteId, id: DocumentId, matter: Matter, bytes: &[u8]) {
        self.outbox.entry(to).or_default().push_back(Outgoing {
            id,
            matter,
            bytes: bytes.to_vec(),
        });
    }

    pub(crate) fn document_confirmed(
        &mut self,
        site: &SiteId,
        id: DocumentId,
    ) -> Result<(), Contradiction> {
        let queue = self.outbox.get_mut(site).ok_or(Contradiction)?;
        let confirmed = queue.iter().find(|outgoing| outgoing.id == id);
        let matter = confirmed.map(|outgoing| outgoing.matter);
        queue.retain(|outgoing| outgoing.id != id);
        match matter {
            Some(Matter::Cancel(case)) => self.cancel_told(case, id, Told::Told),
            Some(Matter::Priors(case)) => self.priors_told(case, id, Told::Told),
            Some(Matter::Keys | Matter::Agreement | Matter::Case(_)) | None => {}
        }
        Ok(())
    }

    fn cancel_told(&mut self, case: CaseId, id: DocumentId, told: Told) {
        let request = self.requests.get_mut(&case);
        let cancel = request.and_then(|request| request.cancel.as_mut());
        if let Some(cancel) = cancel.filter(|cancel| cancel.document == id) {
            cancel.told = told;
        }
    }

    /// A refused proposal does not count any more, so that people and the node can go on from where
    /// the case stood. A refused link tears its chain: whatever follows it can never be taken.
    pub(crate) fn document_refused(
        &mut self,
        site: &SiteId,
        id: DocumentId,
        at: Timestamp,
    ) -> Result<(), Contradiction> {
        let queue = self.outbox.get_mut(site).ok_or(Contradiction)?;
        let Some(place) = queue.iter().position(|outgoing| outgoing.id == id) else {
            return Ok(());
        };
        let Some(matter) = queue.remove(place).map(|outgoing| outgoing.matter) else {
            return Ok(());
        };
        let case = match matter {
            Matter::Case(case) => case,
            Matter::Cancel(case) => {
                self.cancel_told(case, id, Told::Refused);
                return Ok(());
            }
            Matter::Priors(case) => {
                self.priors_told(case, id, Told::Refused);
                return Ok(());
            }
            Matter::Keys | Matter::Agreement => return Ok(()),
        };
        let request = self.requests.get_mut(&case);
        if let Some(thread) = request.and_then(|request| request.threads.get_mut(site)) {
            thread.tear();
            let mut position = 0;
            queue.retain(|outgoing| {
                position += 1;
                let follows = outgoing.matter == matter && position > place;
                let beside = [Matter::Cancel(case), Matter::Priors(case)];
                !follows && !beside.contains(&outgoing.matter)
            });
        } else if let Some(reading) = self.readings.get_mut(&case)
            && reading.thread.requester() == *site
        {
            reading.refused(id, at);
        }
        Ok(())
    }
}
