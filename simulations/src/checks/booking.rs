//! At most one booked reader per case; and nothing is granted to anybody else.

use std::collections::BTreeMap;

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, ReaderEvent, RequesterEvent};

use super::Violation;
use crate::chronicle::Fact;

const RULE: &str = "booking";

/// Who is booked, from what requesters signed.
#[derive(Default)]
pub(crate) struct Booking {
    booked: BTreeMap<CaseId, SiteId>,
    proposed: BTreeMap<DocumentId, Word>,
}

/// What a proposal means for a booking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Quoted,
    Released,
    Other,
}

impl Booking {
    /// Takes a fact.
    ///
    /// # Errors
    /// When a second reader is booked, or a reader that promised nothing, or a grant goes elsewhere.
    pub(crate) fn observe(&mut self, site: SiteId, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::ProposalReceived(id, proposal) => {
                let word = match &proposal.event {
                    ReaderEvent::Quoted(_) => Word::Quoted,
                    ReaderEvent::Released(_) => Word::Released,
                    ReaderEvent::Declined(_)
                    | ReaderEvent::Received(_)
                    | ReaderEvent::Claimed(_)
                    | ReaderEvent::Reported(_) => Word::Other,
                };
                self.proposed.insert(*id, word);
                Ok(())
            }
            Fact::LinkMade(_, link) if link.requester == site => self.link(link),
            _ => Ok(()),
        }
    }

    fn link(&mut self, link: &Link) -> Result<(), Violation> {
        let booked = self.booked.get(&link.case).copied();
        let says = |what: &str| {
            let (case, reader) = (link.case, link.reader);
            Err(Violation::new(
                RULE,
                format!("{case:?} with {reader:?}: {what}"),
            ))
        };
        match &link.event {
            RequesterEvent::Booked(quote) => {
                if let Some(other) = booked {
                    return says(&format!("booked while {other:?} is booked"));
                }
                if self.proposed.get(quote) != Some(&Word::Quoted) {
                    return says("booked without a quote");
                }
                self.booked.insert(link.case, link.reader);
            }
            RequesterEvent::Granted(_) if booked != Some(link.reader) => {
                return says("granted without a booking");
            }
            RequesterEvent::Offered(_) if booked.is_some() => {
                return says("offered while somebody is booked");
            }
            RequesterEvent::Withdrawn(_) if booked == Some(link.reader) => {
                self.booked.remove(&link.case);
            }
            RequesterEvent::Admitted(id)
                if self.proposed.get(id) == Some(&Word::Released)
                    && booked == Some(link.reader) =>
            {
                self.booked.remove(&link.case);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{CLINIC, OTHER, READER, link, proposal, quote};
    use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};

    fn told(facts: &[Fact]) -> Result<(), Violation> {
        let mut booking = Booking::default();
        facts
            .iter()
            .try_for_each(|fact| booking.observe(CLINIC, fact))
    }

    #[test]
    fn a_second_booked_reader_is_noticed() {
        let quotes = [proposal(1, READER, quote()), proposal(2, OTHER, quote())];
        let one = link(
            READER,
            RequesterEvent::Booked(DocumentId::from_bytes([1; 32])),
        );
        let two = link(
            OTHER,
            RequesterEvent::Booked(DocumentId::from_bytes([2; 32])),
        );
        let [first, second] = quotes;
        assert!(told(&[first.clone(), second.clone(), one.clone()]).is_ok());
        assert!(told(&[first.clone(), second.clone(), one.clone(), two.clone()]).is_err());
        let back = link(
            READER,
            RequesterEvent::Withdrawn(WithdrawalReason::NotNeeded),
        );
        assert!(told(&[first, second, one, back, two]).is_ok());
    }

    #[test]
    fn a_release_frees_and_only_an_admitted_one() {
        let released = proposal(3, READER, ReaderEvent::Released(ReleaseReason::ShiftEnded));
        let facts = [
            proposal(1, READER, quote()),
            proposal(2, OTHER, quote()),
            link(
                READER,
                RequesterEvent::Booked(DocumentId::from_bytes([1; 32])),
            ),
            released,
            link(
                OTHER,
                RequesterEvent::Booked(DocumentId::from_bytes([2; 32])),
            ),
        ];
        assert!(told(&facts).is_err());
        let mut admitted = facts.to_vec();
        let admission = RequesterEvent::Admitted(DocumentId::from_bytes([3; 32]));
        admitted.insert(4, link(READER, admission));
        assert!(told(&admitted).is_ok());
    }

    #[test]
    fn a_booking_without_a_quote_and_a_grant_without_a_booking_are_noticed() {
        let unasked = RequesterEvent::Booked(DocumentId::from_bytes([9; 32]));
        assert!(told(&[link(READER, unasked)]).is_err());
        assert!(told(&[link(READER, crate::checks::forged::granted())]).is_err());
    }
}
