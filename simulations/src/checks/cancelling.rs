//! A reader is asked to stop once for each booking, while it reads, and only by who asked it to read.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{ReaderEvent, RequesterEvent};

use super::Violation;
use crate::chronicle::Fact;

const RULE: &str = "cancelling";

/// Who reads, and who was asked to stop.
#[derive(Default)]
pub(crate) struct Cancelling {
    claims: BTreeSet<DocumentId>,
    /// Who reads a case, and whether it was asked to stop.
    reading: BTreeMap<CaseId, (SiteId, bool)>,
    made: BTreeSet<DocumentId>,
}

impl Cancelling {
    /// Takes a fact.
    ///
    /// # Errors
    /// When somebody who does not read is asked to stop, or is asked twice, or was not asked by who is said to have.
    pub(crate) fn observe(&mut self, site: SiteId, fact: &Fact) -> Result<(), Violation> {
        let wrong = |what: String| Err(Violation::new(RULE, what));
        match fact {
            Fact::ProposalReceived(id, proposal) => {
                if matches!(proposal.event, ReaderEvent::Claimed(_)) {
                    self.claims.insert(*id);
                }
            }
            Fact::LinkMade(_, link) => match &link.event {
                RequesterEvent::Admitted(id) if self.claims.contains(id) => {
                    self.reading.insert(link.case, (link.reader, false));
                }
                RequesterEvent::Offered(_) | RequesterEvent::Closed => {
                    self.reading.remove(&link.case);
                }
                _ => {}
            },
            Fact::CancelMade(id, cancel) => match self.reading.get_mut(&cancel.case) {
                Some((reader, asked)) if *reader == cancel.reader && !*asked => {
                    *asked = true;
                    self.made.insert(*id);
                }
                other => return wrong(format!("{site:?} asks to stop: {other:?}")),
            },
            Fact::CancelReceived(id, cancel)
                if !self.made.contains(id) || cancel.reader != site =>
            {
                return wrong(format!("{site:?} was not asked to stop"));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{CLINIC, READER, case, document, link, proposal};
    use dokuei_keys::id::PersonId;
    use dokuei_protocol::case::cancel::CancelRequest;
    use dokuei_protocol::case::event::WithdrawalReason;
    use dokuei_protocol::time::Timestamp;

    fn cancel() -> CancelRequest {
        CancelRequest {
            case: case(),
            requester: CLINIC,
            reader: READER,
            follows: document(1),
            at: Timestamp(0),
            reason: WithdrawalReason::NotNeeded,
        }
    }

    #[test]
    fn asking_who_does_not_read_or_twice_is_noticed() {
        let mut rule = Cancelling::default();
        let made = Fact::CancelMade(document(5), cancel());
        assert!(rule.observe(CLINIC, &made).is_err());
        let claim = ReaderEvent::Claimed(PersonId::from_bytes([7; 32]));
        for fact in [
            proposal(3, READER, claim),
            link(READER, RequesterEvent::Admitted(document(3))),
        ] {
            assert!(rule.observe(CLINIC, &fact).is_ok());
        }
        let received = Fact::CancelReceived(document(5), cancel());
        assert!(rule.observe(READER, &received).is_err());
        assert!(rule.observe(CLINIC, &made).is_ok());
        assert!(rule.observe(CLINIC, &made).is_err());
        assert!(rule.observe(READER, &received).is_ok());
        assert!(rule.observe(CLINIC, &received).is_err());
    }
}
