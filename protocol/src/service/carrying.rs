//! A case that is carried on a medium while the line is down: its documents and its sealed study go by hand, and it
//! goes on as if they had come over the network.

use dokuei_keys::id::SiteId;

use crate::case::CaseId;
use crate::case::phase::Phase;
use crate::effect::{Answer, CannotDo};
use crate::input::Job;
use crate::outbox::Matter;
use crate::service::{Service, Turn};
use crate::study::manifest::ManifestReference;

/// What goes on the medium.
pub struct Cargo {
    /// Who is to read it.
    pub reader: SiteId,
    /// The sealed study.
    pub manifest: ManifestReference,
    /// The documents that the reader has not confirmed, in their order.
    pub documents: Vec<Vec<u8>>,
}

impl Service {
    /// What of a case goes on a medium for the reader that holds its key, or will hold it with these documents.
    ///
    /// # Errors
    /// [`CannotDo`] when the study is not on its way, or this node cannot know whether its data is an older copy: as
    /// over the network, nothing goes out to a partner that has not said since the start what it holds of this site.
    pub fn cargo(&self, case: CaseId) -> Result<Cargo, CannotDo> {
        let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
        let thread = request.booked().ok_or(CannotDo::NotNow)?;
        let Phase::HandingOver(on_its_way) = thread.phase() else {
            return Err(CannotDo::NotNow);
        };
        let reader = thread.reader();
        if self.halt().is_some() || !self.told.contains(&reader) {
            return Err(CannotDo::NotHeard);
        }
        let queue = self.state.outbox.get(&reader).into_iter().flatten();
        let of_case = queue.filter(|outgoing| outgoing.matter == Matter::Case(case));
        Ok(Cargo {
            reader,
            manifest: on_its_way.grant.manifest.clone(),
            documents: of_case.map(|outgoing| outgoing.bytes.clone()).collect(),
        })
    }

    /// Takes what a medium brought: the documents as if they had come over the network, and then the study, which is
    /// fetched from where the node has put it, whether or not its partner is connected.
    pub(crate) fn take_cargo(
        &mut self,
        turn: &mut Turn,
        from: SiteId,
        case: CaseId,
        documents: &[Vec<u8>],
    ) -> Result<Answer, CannotDo> {
        let node = self.partner_in_force(from).ok_or(CannotDo::NoPartner)?.node;
        for document in documents {
            // What each is worth is seen from where the case stands then.
            self.document_arrived(turn, node, document);
        }
        let reading = self.state.readings.get(&case).ok_or(CannotDo::NoCase)?;
        let is_awaited = reading.thread.requester() == from
            && matches!(reading.thread.phase(), Phase::HandingOver(_))
            && !reading.arrived;
        if !is_awaited {
            return Err(CannotDo::NotNow);
        }
        self.carried.insert(case);
        let job = Job::ReceiveStudy(case);
        if self.attempts.get(&job).is_some_and(|at| !at.running) {
            self.attempts.remove(&job);
        }
        Ok(Answer::Done)
    }
}
