//! The key of a study is destroyed when its case is over and the agreed days have passed, not before;
//! and nothing of it is left after.

use std::collections::BTreeMap;

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, Proposal, ReaderEvent, RequesterEvent};
use dokuei_protocol::case::request::Keeping;
use dokuei_protocol::partner::agreement::Agreement;
use dokuei_protocol::time::{Span, Timestamp};

use super::Violation;
use crate::chronicle::Fact;

const RULE: &str = "retention";

/// What a proposal does to a case when it is admitted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Ends,
    Reports,
}

/// How a case stands at one site.
#[derive(Clone, Copy)]
struct Standing {
    /// The agreement of its newest offer, by the reader it was made to.
    agreement: DocumentId,
    /// Since when it is over, and whether with a report.
    over: Option<(Timestamp, bool)>,
}

/// Cases and what was agreed about keeping their studies.
#[derive(Default)]
pub(crate) struct Retention {
    agreements: BTreeMap<(SiteId, DocumentId), Agreement>,
    proposals: BTreeMap<DocumentId, Turn>,
    cases: BTreeMap<(SiteId, CaseId, SiteId), Standing>,
}

impl Retention {
    /// Takes a fact that `site` committed at the moment `at` of its clock.
    ///
    /// # Errors
    /// When a key is destroyed while it may still be needed.
    pub(crate) fn observe(
        &mut self,
        site: SiteId,
        at: Timestamp,
        fact: &Fact,
    ) -> Result<(), Violation> {
        match fact {
            Fact::Proposed(id, agreement) => {
                self.agreements.insert((site, *id), agreement.clone());
            }
            Fact::Removed(other) => self.agreements.retain(|(by, _), agreement| {
                *by != site || (agreement.proposer != *other && agreement.accepter != *other)
            }),
            Fact::ProposalMade(id, proposal) | Fact::ProposalReceived(id, proposal) => {
                self.proposed(*id, proposal);
            }
            Fact::LinkMade(_, link) | Fact::LinkReceived(_, link) => self.linked(site, at, link),
            Fact::StudyKeyDestroyed(case) => return self.destroyed(site, at, *case),
            _ => {}
        }
        Ok(())
    }

    fn proposed(&mut self, id: DocumentId, proposal: &Proposal) {
        let turn = match &proposal.event {
            ReaderEvent::Declined(_) | ReaderEvent::Released(_) => Turn::Ends,
            ReaderEvent::Reported(_) => Turn::Reports,
            ReaderEvent::Quoted(_) | ReaderEvent::Received(_) | ReaderEvent::Claimed(_) => return,
        };
        self.proposals.insert(id, turn);
    }

    fn linked(&mut self, site: SiteId, at: Timestamp, link: &Link) {
        let place = (site, link.case, link.reader);
        if let RequesterEvent::Offered(offer) = &link.event {
            let agreement = offer.agreement;
            let over = None;
            self.cases.insert(place, Standing { agreement, over });
            return;
        }
        let Some(standing) = self.cases.get_mut(&place) else {
            return;
        };
        match &link.event {
            RequesterEvent::Closed => standing.over = Some((at, true)),
            RequesterEvent::Withdrawn(_) | RequesterEvent::Expired | RequesterEvent::NotChosen => {
                standing.over = Some((at, false));
            }
            RequesterEvent::Admitted(id) => match self.proposals.get(id) {
                Some(Turn::Ends) => standing.over = Some((at, false)),
                Some(Turn::Reports) => standing.over = None,
                None => {}
            },
            _ => {}
        }
    }

    fn destroyed(&self, site: SiteId, at: Timestamp, case: CaseId) -> Result<(), Violation> {
        let wrong = |what: &str| Violation::new(RULE, format!("{site:?}, {case:?}: {what}"));
        let mine = self.cases.iter();
        let mut over = mine.filter(|((by, of, _), _)| *by == site && *of == case);
        let closed = over.clone().find(|(_, standing)| {
            let over = standing.over;
            over.is_some_and(|(_, reported)| reported)
        });
        let (since, agreement) = match (closed, over.next()) {
            (Some((_, standing)), _) => (standing.over, Some(standing.agreement)),
            (None, Some(((_, _, reader), standing))) if *reader == site => (standing.over, None),
            _ => {
                return Err(wrong(
                    "the requester's key goes although there is no report",
                ));
            }
        };
        let Some((since, _)) = since else {
            return Err(wrong("a key goes although the case is open"));
        };
        let agreed = agreement.and_then(|id| self.agreements.get(&(site, id)));
        let days = agreed.map_or(0, |agreement| agreement.retention_days);
        if at < since.after(Span::DAY.times(u64::from(days))) {
            return Err(wrong("a key goes before its time"));
        }
        Ok(())
    }
}

/// What a site holds of the study of a case.
pub(crate) struct Holding {
    /// What it says.
    pub(crate) keeping: Keeping,
    /// Until when it says it keeps it.
    pub(crate) until: Option<Timestamp>,
    /// Whether its key is there.
    pub(crate) key: bool,
    /// Whether its objects are.
    pub(crate) objects: bool,
}

/// Checks at the end that what is said to be gone is gone, and that nothing is kept past its time.
///
/// # Errors
/// When something is left.
pub(crate) fn at_rest(holding: &Holding, now: Timestamp) -> Result<(), Violation> {
    let Holding {
        keeping,
        until,
        key,
        objects,
    } = holding;
    let wrong = |what: &str| Err(Violation::new(RULE, what));
    match keeping {
        // Whose moment is now is woken now.
        Keeping::Kept if until.is_some_and(|until| until < now) => {
            wrong("a study is kept past its time")
        }
        Keeping::Kept => Ok(()),
        Keeping::KeyDestroyed => wrong("the objects of a study do not go"),
        Keeping::Removed if *key || *objects => wrong("something is left of a study that is gone"),
        Keeping::Removed => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{
        CLINIC, READER, case, document, issued, link, made, offered, proposal,
    };
    use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};
    use dokuei_protocol::case::report::ReportStatus;
    use dokuei_protocol::partner::agreement::Naming;

    const DAY: Timestamp = Timestamp(Span::DAY.0);

    fn agreement(days: u16) -> Fact {
        let agreement = Agreement {
            proposer: CLINIC,
            accepter: READER,
            from: Timestamp(0),
            until: Timestamp(9),
            retention_days: days,
            naming: Naming::Identified,
            sequence: 0,
        };
        Fact::Proposed(document(200), agreement)
    }

    fn heard(event: RequesterEvent) -> Fact {
        let Fact::LinkMade(id, link) = link(READER, event) else {
            panic!("a link");
        };
        Fact::LinkReceived(id, link)
    }

    fn destroyed(site: SiteId, facts: &[Fact], at: Timestamp) -> bool {
        let mut retention = Retention::default();
        for fact in facts {
            retention.observe(site, Timestamp(0), fact).unwrap();
        }
        retention
            .observe(site, at, &Fact::StudyKeyDestroyed(case()))
            .is_ok()
    }

    #[test]
    fn a_closed_case_keeps_its_study_for_the_agreed_days() {
        let facts = [
            agreement(1),
            link(READER, offered()),
            link(READER, RequesterEvent::Closed),
        ];
        assert!(destroyed(CLINIC, &facts, DAY));
        assert!(!destroyed(CLINIC, &facts, Timestamp(DAY.0 - 1)));
        assert!(!destroyed(CLINIC, &facts[..2], DAY), "it is open");
        let facts = [
            agreement(1),
            heard(offered()),
            heard(RequesterEvent::Closed),
        ];
        assert!(destroyed(READER, &facts, DAY));
        assert!(!destroyed(READER, &facts, Timestamp(DAY.0 - 1)));
        let mut removed = facts.to_vec();
        removed.push(Fact::Removed(CLINIC));
        assert!(destroyed(READER, &removed, Timestamp(0)));
    }

    #[test]
    fn what_was_taken_back_goes_from_the_reader_and_not_from_the_requester() {
        let back = RequesterEvent::Withdrawn(WithdrawalReason::NotNeeded);
        assert!(destroyed(
            READER,
            &[heard(offered()), heard(back.clone())],
            DAY
        ));
        assert!(!destroyed(
            CLINIC,
            &[link(READER, offered()), link(READER, back)],
            DAY
        ));
        let release = ReaderEvent::Released(ReleaseReason::ShiftEnded);
        let admitted = heard(RequesterEvent::Admitted(document(3)));
        let facts = [heard(offered()), made(3, READER, release), admitted];
        assert!(destroyed(READER, &facts, DAY));
        assert!(!destroyed(READER, &facts[..2], DAY), "not admitted yet");
    }

    #[test]
    fn an_addendum_opens_it_again() {
        let facts = [
            agreement(0),
            link(READER, offered()),
            link(READER, RequesterEvent::Closed),
            proposal(4, READER, issued(2, ReportStatus::Addendum)),
            link(READER, RequesterEvent::Admitted(document(4))),
        ];
        assert!(destroyed(CLINIC, &facts[..4], DAY));
        assert!(!destroyed(CLINIC, &facts, DAY));
    }

    #[test]
    fn what_is_left_at_the_end_is_noticed() {
        let rests = |keeping, until, key, objects| {
            let holding = Holding {
                keeping,
                until,
                key,
                objects,
            };
            at_rest(&holding, Timestamp(5)).is_ok()
        };
        assert!(rests(Keeping::Kept, None, true, true));
        assert!(rests(Keeping::Kept, Some(Timestamp(6)), true, true));
        assert!(!rests(Keeping::Kept, Some(Timestamp(4)), true, true));
        assert!(!rests(Keeping::KeyDestroyed, None, false, true));
        assert!(rests(Keeping::Removed, None, false, false));
        assert!(!rests(Keeping::Removed, None, true, false));
        assert!(!rests(Keeping::Removed, None, false, true));
    }
}
