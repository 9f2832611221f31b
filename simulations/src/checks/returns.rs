//! Which cases were given back after they were booked, and not because their requester asked for that, in the order in which their requesters committed
//! it: the times in the documents do not tell, for clocks jump.

use std::collections::BTreeSet;

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{ReaderEvent, RequesterEvent};

use crate::chronicle::Fact;

/// The cases that wait to be offered again.
#[derive(Default)]
pub(crate) struct Returns {
    releases: BTreeSet<DocumentId>,
    given_back: BTreeSet<(SiteId, CaseId)>,
    cancelled: BTreeSet<(SiteId, CaseId)>,
}

impl Returns {
    /// Takes a fact that `site` committed.
    pub(crate) fn observe(&mut self, site: SiteId, fact: &Fact) {
        match fact {
            Fact::ProposalReceived(id, proposal)
                if matches!(proposal.event, ReaderEvent::Released(_)) =>
            {
                self.releases.insert(*id);
            }
            Fact::CancelMade(_, cancel) => {
                self.cancelled.insert((site, cancel.case));
            }
            Fact::LinkMade(_, link) => match link.event {
                RequesterEvent::Offered(_) => {
                    self.cancelled.remove(&(site, link.case));
                }
                RequesterEvent::Booked(_) | RequesterEvent::Withdrawn(_) => {
                    self.given_back.remove(&(site, link.case));
                }
                RequesterEvent::Admitted(id)
                    if self.releases.contains(&id) && !self.is_cancelled(site, link.case) =>
                {
                    self.given_back.insert((site, link.case));
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Whether the reader of a site's case was asked to stop, and the case was not offered since.
    pub(crate) fn is_cancelled(&self, site: SiteId, case: CaseId) -> bool {
        self.cancelled.contains(&(site, case))
    }

    /// Whether a site's case was given back, and nobody booked since.
    pub(crate) fn is_given_back(&self, site: SiteId, case: CaseId) -> bool {
        self.given_back.contains(&(site, case))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{CLINIC, READER, case, document, link, made};
    use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};

    #[test]
    fn what_was_given_back_waits_until_it_is_taken_back() {
        let mut returns = Returns::default();
        let Fact::ProposalMade(id, proposal) =
            made(4, READER, ReaderEvent::Released(ReleaseReason::ShiftEnded))
        else {
            panic!("a proposal");
        };
        returns.observe(CLINIC, &Fact::ProposalReceived(id, proposal));
        assert!(!returns.is_given_back(CLINIC, case()));
        returns.observe(CLINIC, &link(READER, RequesterEvent::Admitted(document(9))));
        assert!(!returns.is_given_back(CLINIC, case()));
        returns.observe(CLINIC, &link(READER, RequesterEvent::Admitted(id)));
        assert!(returns.is_given_back(CLINIC, case()));
        let withdrawn = RequesterEvent::Withdrawn(WithdrawalReason::NotNeeded);
        returns.observe(CLINIC, &link(READER, withdrawn));
        assert!(!returns.is_given_back(CLINIC, case()));
    }
}
