//! Both parties' chains agree: the reader holds a beginning of what the requester made, link by link,
//! and at equal length both have come to the same phase. A proposal that counts was made by its
//! reader. Nothing is held by one side that the other has not committed: effects come after commits.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, RequesterEvent};
use dokuei_protocol::case::thread::Thread;

use super::Violation;
use crate::chronicle::Fact;

const RULE: &str = "chains";

type Pair = (CaseId, SiteId, SiteId);

/// The chains, from what was committed.
#[derive(Default)]
pub(crate) struct Chains {
    made: BTreeMap<Pair, Made>,
    received: BTreeMap<Pair, usize>,
    proposed: BTreeMap<DocumentId, Proposed>,
    links: BTreeSet<DocumentId>,
    answered: BTreeSet<DocumentId>,
}

#[derive(Default)]
struct Made {
    links: Vec<DocumentId>,
    /// Where the newest offer lies.
    round: usize,
}

#[derive(Clone, Copy)]
struct Proposed {
    by: SiteId,
    follows: DocumentId,
}

impl Chains {
    /// Takes a fact.
    ///
    /// # Errors
    /// When a chain has a gap, a fork, or a link that nobody made; when a proposal counts twice.
    pub(crate) fn observe(&mut self, site: SiteId, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::LinkMade(id, link) => self.made(site, *id, link),
            Fact::LinkReceived(id, link) => self.received(site, *id, link),
            Fact::ProposalMade(id, proposal) => {
                let follows = proposal.follows;
                self.proposed.insert(*id, Proposed { by: site, follows });
                holds(proposal.reader == site, || {
                    format!("{site:?} proposes as another")
                })
            }
            Fact::ProposalReceived(id, proposal) => {
                let by = self.proposed.get(id).map(|proposed| proposed.by);
                holds(by == Some(proposal.reader), || {
                    format!("{site:?} holds a proposal that its reader has not committed")
                })
            }
            Fact::Refused(by, id) => {
                let of_case = self.proposed.contains_key(id) || self.links.contains(id);
                holds(!of_case, || {
                    format!("{by:?} refuses what {site:?} says in a case: the chain is torn")
                })
            }
            _ => Ok(()),
        }
    }

    fn made(&mut self, site: SiteId, id: DocumentId, link: &Link) -> Result<(), Violation> {
        let chain = self.made.entry(pair(link)).or_default();
        let fits = link.requester == site
            && link.sequence as usize == chain.links.len()
            && link.previous == chain.links.last().copied();
        if matches!(link.event, RequesterEvent::Offered(_)) {
            chain.round = chain.links.len();
        }
        chain.links.push(id);
        self.links.insert(id);
        holds(fits, || {
            format!("a link of {:?} is out of its place", link.case)
        })?;
        if let RequesterEvent::Admitted(answered) | RequesterEvent::NotAdmitted(answered) =
            &link.event
        {
            let proposed = self.proposed.get(answered).copied();
            let proposed = proposed.filter(|proposed| proposed.by == link.reader);
            holds(proposed.is_some(), || {
                format!("a link of {:?} answers nothing", link.case)
            })?;
            let round = &chain.links[chain.round..];
            let timely = proposed.is_some_and(|proposed| round.contains(&proposed.follows));
            let admitted = matches!(link.event, RequesterEvent::Admitted(_));
            holds(timely || !admitted, || {
                format!(
                    "what {:?} said of an earlier offer of {:?} counts",
                    link.reader, link.case
                )
            })?;
            let first = self.answered.insert(*answered);
            holds(first, || {
                format!("a proposal of {:?} is answered twice", link.case)
            })?;
        }
        Ok(())
    }

    fn received(&mut self, site: SiteId, id: DocumentId, link: &Link) -> Result<(), Violation> {
        let at = self.received.entry(pair(link)).or_default();
        let chain = self.made.get(&pair(link));
        let made = chain.and_then(|chain| chain.links.get(*at));
        let fits =
            link.reader == site && link.sequence as usize == *at && made.copied() == Some(id);
        *at += 1;
        holds(fits, || {
            format!(
                "{site:?} holds a link of {:?} that the requester has not made",
                link.case
            )
        })
    }

    /// Compares both sides' own views of a chain.
    ///
    /// # Errors
    /// When the reader's is no beginning of the requester's, or equal chains fold to different phases.
    pub(crate) fn compare(requester: &Thread, reader: &Thread) -> Result<(), Violation> {
        let case = requester.case();
        holds(requester.chain().starts_with(reader.chain()), || {
            format!("{case:?}: the reader's chain is no beginning of the requester's")
        })?;
        let equal = requester.chain().len() == reader.chain().len();
        holds(!equal || requester.phase() == reader.phase(), || {
            let (one, other) = (requester.phase().code(), reader.phase().code());
            format!("{case:?}: the same chain is {one} to the requester, {other} to the reader")
        })
    }
}

fn pair(link: &Link) -> Pair {
    (link.case, link.requester, link.reader)
}

fn holds(rule: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if rule {
        Ok(())
    } else {
        Err(Violation::new(RULE, what()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{
        CLINIC, OTHER, READER, document, made, offered, placed, proposal, quote,
    };

    fn told(facts: &[(SiteId, Fact)]) -> Result<(), Violation> {
        let mut chains = Chains::default();
        let mut all = facts.iter();
        all.try_for_each(|(site, fact)| chains.observe(*site, fact))
    }

    fn arrived(fact: &Fact) -> Fact {
        match fact {
            Fact::LinkMade(id, link) => Fact::LinkReceived(*id, link.clone()),
            _ => panic!("only links arrive"),
        }
    }

    #[test]
    fn gaps_forks_and_foreign_links_are_noticed() {
        let first = placed(1, 0, None, READER, offered());
        let second = placed(2, 1, Some(1), READER, RequesterEvent::Expired);
        let fork = placed(3, 1, Some(1), READER, RequesterEvent::NotChosen);
        let gap = placed(4, 2, Some(2), READER, offered());
        let (one, two) = ((CLINIC, first.clone()), (CLINIC, second.clone()));
        let heard = |fact: &Fact| (READER, arrived(fact));
        assert!(told(&[one.clone(), two.clone(), heard(&first), heard(&second)]).is_ok());
        assert!(told(&[one.clone(), two.clone(), (CLINIC, fork.clone())]).is_err());
        assert!(told(&[one.clone(), (CLINIC, gap)]).is_err());
        assert!(
            told(&[one.clone(), two.clone(), heard(&second)]).is_err(),
            "out of order"
        );
        assert!(told(&[one.clone(), two, heard(&first), heard(&fork)]).is_err());
        assert!(
            told(&[heard(&first)]).is_err(),
            "not committed by the requester"
        );
        assert!(
            told(&[one, (OTHER, arrived(&first))]).is_err(),
            "not its reader"
        );
    }

    #[test]
    fn a_proposal_counts_once_and_only_if_it_was_made() {
        let offer = (CLINIC, placed(1, 0, None, READER, offered()));
        let propose = (READER, made(7, READER, quote()));
        let heard = (CLINIC, proposal(7, READER, quote()));
        let admit = |number, sequence, previous| {
            let event = RequesterEvent::Admitted(document(7));
            (
                CLINIC,
                placed(number, sequence, Some(previous), READER, event),
            )
        };
        let good = [
            offer.clone(),
            propose.clone(),
            heard.clone(),
            admit(2, 1, 1),
        ];
        assert!(told(&good).is_ok());
        let mut twice = good.to_vec();
        twice.push(admit(3, 2, 2));
        assert!(told(&twice).is_err());
        assert!(told(&[offer.clone(), heard]).is_err());
        assert!(told(&[offer, admit(2, 1, 1)]).is_err());
        assert!(told(&[(OTHER, made(7, READER, quote()))]).is_err());
        let again = |number, sequence, previous, event| {
            (
                CLINIC,
                placed(number, sequence, Some(previous), READER, event),
            )
        };
        let mut late = good[..3].to_vec();
        late.push(again(2, 1, 1, RequesterEvent::Expired));
        late.push(again(3, 2, 2, offered()));
        late.push(admit(4, 3, 3));
        assert!(told(&late).is_err(), "it spoke of the offer before");
    }

    #[test]
    fn a_refusal_that_tears_a_chain_is_noticed() {
        let offer = (CLINIC, placed(1, 0, None, READER, offered()));
        let propose = (READER, made(7, READER, quote()));
        let refused = |id| Fact::Refused(READER, document(id));
        assert!(told(&[offer.clone(), (CLINIC, refused(1))]).is_err());
        assert!(told(&[propose, (READER, refused(7))]).is_err());
        assert!(
            told(&[offer, (CLINIC, refused(200))]).is_ok(),
            "an agreement"
        );
    }

    #[test]
    fn views_that_differ_are_noticed() {
        let thread = |events: Vec<RequesterEvent>| {
            let mut thread: Option<Thread> = None;
            for (at, event) in events.into_iter().enumerate() {
                let number = at as u8 + 1;
                let previous = (at > 0).then_some(at as u8);
                let Fact::LinkMade(id, link) = placed(number, at as u32, previous, READER, event)
                else {
                    panic!("a link");
                };
                match &mut thread {
                    Some(thread) => thread.append(id, &link).unwrap(),
                    None => thread = Some(Thread::open(id, &link).unwrap()),
                }
            }
            thread.unwrap()
        };
        let long = thread(vec![offered(), RequesterEvent::Expired]);
        let short = thread(vec![offered()]);
        let other = thread(vec![offered(), RequesterEvent::NotChosen]);
        assert!(Chains::compare(&long, &short).is_ok());
        assert!(
            Chains::compare(&short, &long).is_err(),
            "the reader is ahead"
        );
        assert!(
            Chains::compare(&long, &other).is_err(),
            "the same ids, another phase"
        );
    }
}
