//! Priors go to who reads the case, for as long as they read, when they have asked for them, once for each time; and
//! never with a study under a pseudonym.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, ReaderEvent, RequesterEvent};
use dokuei_protocol::case::priors::{PriorAnswer, PriorGiven, PriorsOffer};
use dokuei_protocol::case::report::ReportStatus;

use super::Violation;
use crate::chronicle::Fact;

const RULE: &str = "priors";

/// What its requester has said of the priors of a case, in one booking.
#[derive(Default)]
struct Standing {
    /// Who reads.
    reader: Option<SiteId>,
    /// The newest offer, and how many it offers.
    offer: Option<(DocumentId, u16)>,
    /// How often each number was asked for and not answered yet.
    open: BTreeMap<u16, u32>,
    granted: BTreeSet<u16>,
    parcels: BTreeSet<ParcelId>,
}

/// The priors of every case, as its requester has said.
#[derive(Default)]
pub(crate) struct Priors {
    cases: BTreeMap<(SiteId, CaseId), Standing>,
    pseudonymous: BTreeSet<CaseId>,
    /// Proposals that end the reading of a case when they are admitted.
    ending: BTreeSet<DocumentId>,
}

impl Priors {
    /// Takes a fact that `site` committed.
    ///
    /// # Errors
    /// When a prior goes to whom it must not.
    pub(crate) fn observe(&mut self, site: SiteId, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::Pseudonymous(case) => {
                self.pseudonymous.insert(*case);
            }
            Fact::ProposalReceived(id, proposal) => {
                let ends = match &proposal.event {
                    ReaderEvent::Released(_) => true,
                    ReaderEvent::Reported(issued) => issued.status != ReportStatus::Preliminary,
                    _ => false,
                };
                if ends {
                    self.ending.insert(*id);
                }
            }
            Fact::LinkMade(_, link) => self.linked(site, link),
            Fact::CancelMade(_, cancel) => drop(self.cases.remove(&(site, cancel.case))),
            Fact::PriorsOffered(id, offer) => return self.offered(site, *id, offer),
            Fact::PriorsRequestReceived(_, request) => {
                let standing = self.cases.entry((site, request.case)).or_default();
                for number in &request.numbers {
                    *standing.open.entry(*number).or_default() += 1;
                }
            }
            Fact::PriorAnswered(answer) => return self.answered(site, answer),
            _ => {}
        }
        Ok(())
    }

    fn linked(&mut self, site: SiteId, link: &Link) {
        let place = (site, link.case);
        match &link.event {
            RequesterEvent::Granted(_) => {
                let reader = Some(link.reader);
                let standing = Standing {
                    reader,
                    ..Standing::default()
                };
                self.cases.insert(place, standing);
            }
            RequesterEvent::Admitted(id) if self.ending.contains(id) => {
                self.cases.remove(&place);
            }
            RequesterEvent::Withdrawn(_) => {
                self.cases.remove(&place);
            }
            _ => {}
        }
    }

    fn offered(
        &mut self,
        site: SiteId,
        id: DocumentId,
        offer: &PriorsOffer,
    ) -> Result<(), Violation> {
        let standing = self.cases.entry((site, offer.case)).or_default();
        let is_first = standing.offer.is_none();
        standing.offer = Some((id, offer.list.offered));
        let reads = standing.reader == Some(offer.reader);
        let named = !self.pseudonymous.contains(&offer.case);
        holds(reads && named && is_first, || {
            format!(
                "{site:?} offers priors of {:?} to who does not read it, or twice",
                offer.case
            )
        })
    }

    fn answered(&mut self, site: SiteId, answer: &PriorAnswer) -> Result<(), Violation> {
        let wrong = || {
            format!(
                "{site:?} answers for a prior of {:?} that nobody waits for",
                answer.case
            )
        };
        let Some(standing) = self.cases.get_mut(&(site, answer.case)) else {
            return Err(Violation::new(RULE, wrong()));
        };
        let is_offered = standing
            .offer
            .is_some_and(|(id, count)| id == answer.offer && (1..=count).contains(&answer.number));
        let asked = standing.open.remove(&answer.number).unwrap_or_default() > 0;
        let reads = standing.reader == Some(answer.reader);
        let PriorGiven::Granted(grants) = &answer.given else {
            return holds(is_offered && asked && reads, wrong);
        };
        let first = standing.granted.insert(answer.number);
        let parcels = grants.iter().map(|grant| grant.manifest.parcel);
        standing.parcels.extend(parcels);
        holds(is_offered && asked && reads && first, wrong)
    }

    /// Whether `site` may hand a parcel out to `other` as a prior.
    pub(crate) fn may_fetch(&self, site: SiteId, other: SiteId, parcel: ParcelId) -> bool {
        let mine = self.cases.iter().filter(|((by, _), _)| *by == site);
        let mut mine = mine.map(|(_, standing)| standing);
        mine.any(|standing| standing.reader == Some(other) && standing.parcels.contains(&parcel))
    }
}

fn holds(rule: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    match rule {
        true => Ok(()),
        false => Err(Violation::new(RULE, what())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{
        CLINIC, OTHER, READER, case, document, granted, issued, link, manifest, proposal,
    };
    use dokuei_protocol::case::event::WithdrawalReason;
    use dokuei_protocol::case::priors::{PriorList, PriorRefusal, PriorsRequest};
    use dokuei_protocol::time::Timestamp;

    fn offer(reader: SiteId) -> Fact {
        let offer = PriorsOffer {
            case: case(),
            requester: CLINIC,
            reader,
            follows: document(1),
            at: Timestamp(0),
            list: PriorList {
                offered: 2,
                sealed: vec![1].into(),
            },
        };
        Fact::PriorsOffered(document(50), Box::new(offer))
    }

    fn request(number: u16) -> Fact {
        let request = PriorsRequest {
            case: case(),
            requester: CLINIC,
            reader: READER,
            offer: document(50),
            at: Timestamp(0),
            sequence: 0,
            numbers: vec![number],
        };
        Fact::PriorsRequestReceived(document(51), request)
    }

    fn answer(number: u16, is_granted: bool) -> Fact {
        let RequesterEvent::Granted(grant) = granted() else {
            panic!("a grant");
        };
        let answer = PriorAnswer {
            case: case(),
            requester: CLINIC,
            reader: READER,
            offer: document(50),
            at: Timestamp(0),
            sequence: 0,
            number,
            given: match is_granted {
                true => PriorGiven::Granted(vec![*grant]),
                false => PriorGiven::Refused(PriorRefusal::NotSent),
            },
        };
        Fact::PriorAnswered(Box::new(answer))
    }

    fn told(facts: &[Fact]) -> Result<Priors, Violation> {
        let mut priors = Priors::default();
        for fact in facts {
            priors.observe(CLINIC, fact)?;
        }
        Ok(priors)
    }

    #[test]
    fn what_goes_was_offered_and_asked_for_once_by_who_reads() {
        let grant = link(READER, granted());
        let all = [grant.clone(), offer(READER), request(1), answer(1, true)];
        let may = |priors: &Priors, to| priors.may_fetch(CLINIC, to, manifest().parcel);
        let priors = told(&all).unwrap();
        assert!(may(&priors, READER) && !may(&priors, OTHER));
        let with = |more: &[Fact]| told(&[&all[..], more].concat());
        assert!(with(&[answer(1, true)]).is_err(), "twice");
        assert!(
            with(&[request(1), answer(1, true)]).is_err(),
            "granted again"
        );
        assert!(with(&[request(3), answer(3, true)]).is_err(), "not offered");
        assert!(with(&[answer(2, false)]).is_err(), "not asked for");
        assert!(with(&[request(2), answer(2, false)]).is_ok());
        assert!(with(&[offer(READER)]).is_err(), "offered twice");
        assert!(told(&[grant.clone(), offer(OTHER)]).is_err());
        assert!(told(&[offer(READER)]).is_err());
        assert!(told(&[Fact::Pseudonymous(case()), grant, offer(READER)]).is_err());
    }

    #[test]
    fn nothing_goes_after_the_end() {
        let open = [link(READER, granted()), offer(READER), request(1)];
        let back = RequesterEvent::Withdrawn(WithdrawalReason::NotNeeded);
        let withdrawn = [&open[..], &[link(READER, back)]].concat();
        let signed = [
            proposal(3, READER, issued(1, ReportStatus::Final)),
            link(READER, RequesterEvent::Admitted(document(3))),
        ];
        let signed = [&open[..], &signed].concat();
        for ended in [withdrawn, signed] {
            assert!(told(&ended).is_ok());
            assert!(told(&[&ended[..], &[answer(1, true)]].concat()).is_err());
        }
        let first = [
            proposal(3, READER, issued(1, ReportStatus::Preliminary)),
            link(READER, RequesterEvent::Admitted(document(3))),
        ];
        let read_on = [&open[..], &first, &[answer(1, true)]].concat();
        assert!(told(&read_on).is_ok());
    }
}
