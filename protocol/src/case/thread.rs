//! The chain of one case with one reader, and the phase it folds to.

use std::collections::BTreeSet;

use dokuei_keys::id::{DocumentId, SiteId};

use crate::case::CaseId;
use crate::case::event::{Link, Proposal, ReaderEvent, RequesterEvent};
use crate::case::phase::{Offered, OutOfPlace, Phase};
use crate::limits;
use crate::time::Timestamp;

/// One line of a case's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, by the requester's clock.
    pub at: Timestamp,
    /// The word for it, as programs read it.
    pub what: &'static str,
}

/// How a link lies to the chain that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// It is held already.
    Held,
    /// It is the next one.
    Next,
    /// One before it has not arrived.
    Ahead,
    /// Another link is held in its place, or it names another predecessor: the requester
    /// contradicts itself.
    Contradicts,
}

/// The chain of one case with one reader. Both sides hold one and fold it alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    case: CaseId,
    requester: SiteId,
    reader: SiteId,
    chain: Vec<DocumentId>,
    /// Where in the chain the newest offer lies.
    round: usize,
    phase: Phase,
    pending: Vec<(DocumentId, Proposal)>,
    /// Proposals that the requester's node refused. It may have taken one before it refused it.
    refused: Vec<(DocumentId, Proposal)>,
    /// Whether the reader's node refused a link.
    torn: bool,
    answered: BTreeSet<DocumentId>,
    timeline: Vec<Happening>,
}

impl Thread {
    /// The thread that a first link opens.
    ///
    /// # Errors
    /// [`OutOfPlace`] when the link is not the first of a chain or offers nothing.
    pub fn open(id: DocumentId, link: &Link) -> Result<Thread, OutOfPlace> {
        let RequesterEvent::Offered(offer) = &link.event else {
            return Err(OutOfPlace);
        };
        if link.sequence != 0 || link.previous.is_some() {
            return Err(OutOfPlace);
        }
        Ok(Thread {
            case: link.case,
            requester: link.requester,
            reader: link.reader,
            chain: vec![id],
            round: 0,
            phase: Phase::Offered(Offered {
                offer: offer.clone(),
            }),
            pending: Vec::new(),
            refused: Vec::new(),
            torn: false,
            answered: BTreeSet::new(),
            timeline: vec![Happening {
                at: link.at,
                what: "offered",
            }],
        })
    }

    /// The case.
    pub fn case(&self) -> CaseId {
        self.case
    }

    /// The site that asks.
    pub fn requester(&self) -> SiteId {
        self.requester
    }

    /// The site that was asked.
    pub fn reader(&self) -> SiteId {
        self.reader
    }

    /// The settled phase: what the chain folds to.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The ids of the chain's links, oldest first.
    pub fn chain(&self) -> &[DocumentId] {
        &self.chain
    }

    /// What happened, oldest first.
    pub fn timeline(&self) -> &[Happening] {
        &self.timeline
    }

    /// The newest link.
    pub fn head(&self) -> DocumentId {
        self.chain[self.chain.len() - 1]
    }

    /// Whether the chain may grow.
    pub fn has_room(&self) -> bool {
        (self.chain.len() as u32) < limits::CHAIN_LINKS
    }

    /// Whether the chain may grow by an answer to one more proposal.
    pub fn has_room_for_proposal(&self) -> bool {
        let proposed = (self.chain.len() + self.pending.len()) as u32;
        proposed + limits::CHAIN_RESERVE < limits::CHAIN_LINKS
    }

    /// Whether the chain may grow by an offer and a whole reading after it.
    pub fn has_room_for_offer(&self) -> bool {
        (self.chain.len() as u32) + limits::CHAIN_READING < limits::CHAIN_LINKS
    }

    /// Proposals that no link has answered.
    pub fn pending(&self) -> &[(DocumentId, Proposal)] {
        &self.pending
    }

    /// Whether this proposal is held, answered or not: it takes effect at most once.
    pub fn knows(&self, proposal: DocumentId) -> bool {
        let mut open = self.pending.iter().chain(&self.refused);
        self.answered.contains(&proposal) || open.any(|(id, _)| *id == proposal)
    }

    /// The phase the chain will fold to if every pending proposal that fits is admitted: what the
    /// reader's own next step goes by.
    pub fn expected(&self) -> Phase {
        self.pending
            .iter()
            .filter(|(_, proposal)| self.is_of_this_round(proposal))
            .fold(self.phase.clone(), |phase, (id, proposal)| {
                let kept = phase.clone();
                phase.after_reader(*id, &proposal.event).unwrap_or(kept)
            })
    }

    /// Whether a proposal fits the settled phase.
    pub fn admits(&self, id: DocumentId, proposal: &Proposal) -> bool {
        self.is_of_this_round(proposal)
            && self.phase.clone().after_reader(id, &proposal.event).is_ok()
    }

    /// Whether a proposal was made in sight of the newest offer. One that speaks of an earlier offer
    /// or booking says nothing of this one.
    fn is_of_this_round(&self, proposal: &Proposal) -> bool {
        self.is_in_sight(proposal.follows)
    }

    /// Whether what names this link as the newest was said in sight of the newest offer.
    pub fn is_in_sight(&self, follows: DocumentId) -> bool {
        self.chain[self.round..].contains(&follows)
    }

    /// Keeps a proposal until a link answers it.
    pub fn propose(&mut self, id: DocumentId, proposal: Proposal) {
        self.pending.push((id, proposal));
    }

    /// Notes that the requester's node refused a proposal: nothing is expected of it any more. Should
    /// a link admit it nevertheless, that counts.
    pub fn refuse(&mut self, id: DocumentId) {
        let place = self.pending.iter().position(|(pending, _)| *pending == id);
        if let Some(place) = place {
            self.refused.push(self.pending.remove(place));
        }
        if self.refused.len() > limits::PENDING_PROPOSALS {
            let (oldest, _) = self.refused.remove(0);
            self.answered.insert(oldest);
        }
    }

    /// Notes that the reader's node refused a link: it takes none that follows.
    pub fn tear(&mut self) {
        self.torn = true;
    }

    /// Whether the reader's node refused a link.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// How a link lies to this chain.
    pub fn position(&self, id: DocumentId, link: &Link) -> Position {
        let (at, length) = (link.sequence as usize, self.chain.len());
        if at < length {
            return if self.chain[at] == id {
                Position::Held
            } else {
                Position::Contradicts
            };
        }
        if at > length {
            return Position::Ahead;
        }
        if link.previous == Some(self.head()) {
            Position::Next
        } else {
            Position::Contradicts
        }
    }

    /// Appends the next link.
    ///
    /// # Errors
    /// [`OutOfPlace`] when the link does not follow, or its event does not fit; nothing changes.
    pub fn append(&mut self, id: DocumentId, link: &Link) -> Result<(), OutOfPlace> {
        if self.position(id, link) != Position::Next || !self.has_room() {
            return Err(OutOfPlace);
        }
        let (phase, what) = match &link.event {
            RequesterEvent::Admitted(document) => {
                let (_, proposal) = self
                    .pending
                    .iter()
                    .chain(&self.refused)
                    .find(|(pending, _)| pending == document)
                    .filter(|(_, proposal)| self.is_of_this_round(proposal))
                    .ok_or(OutOfPlace)?;
                (
                    self.phase
                        .clone()
                        .after_reader(*document, &proposal.event)?,
                    reader_word(&proposal.event),
                )
            }
            RequesterEvent::NotAdmitted(_) => (self.phase.clone(), "not-admitted"),
            event => (
                self.phase.clone().after_requester(event)?,
                requester_word(event),
            ),
        };
        if let RequesterEvent::Admitted(document) | RequesterEvent::NotAdmitted(document) =
            &link.event
        {
            self.pending.retain(|(pending, _)| pending != document);
            self.refused.retain(|(refused, _)| refused != document);
            self.answered.insert(*document);
        }
        if matches!(link.event, RequesterEvent::Offered(_)) {
            self.round = self.chain.len();
        }
        self.phase = phase;
        self.chain.push(id);
        self.timeline.push(Happening { at: link.at, what });
        Ok(())
    }
}

fn requester_word(event: &RequesterEvent) -> &'static str {
    match event {
        RequesterEvent::Offered(_) => "offered",
        RequesterEvent::Admitted(_) => "admitted",
        RequesterEvent::NotAdmitted(_) => "not-admitted",
        RequesterEvent::Booked(_) => "booked",
        RequesterEvent::Granted(_) => "granted",
        RequesterEvent::Delivered(_) => "delivered",
        RequesterEvent::Acknowledged(_) => "acknowledged",
        RequesterEvent::ReportRejected(_) => "report-rejected",
        RequesterEvent::Closed => "closed",
        RequesterEvent::Withdrawn(_) => "withdrawn",
        RequesterEvent::Expired => "expired",
        RequesterEvent::NotChosen => "not-chosen",
    }
}

fn reader_word(event: &ReaderEvent) -> &'static str {
    match event {
        ReaderEvent::Quoted(_) => "quoted",
        ReaderEvent::Declined(_) => "declined",
        ReaderEvent::Received(_) => "received",
        ReaderEvent::Claimed(_) => "claimed",
        ReaderEvent::Released(_) => "released",
        ReaderEvent::Reported(issued) => issued.status.code(),
    }
}
