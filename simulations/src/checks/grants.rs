//! No study without an agreement in force and membership, none under another name than that wants, no report without a study; nothing is sent, admitted or handed out to who
//! is no partner; and an offer goes under the agreement that both sides know.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{DeclineReason, Link, Proposal, ReaderEvent, RequesterEvent};
use dokuei_protocol::partner::agreement::{Agreement, Naming};
use dokuei_protocol::time::Timestamp;

use super::Violation;
use crate::chronicle::Fact;

const RULE: &str = "grants";

/// Who is whose partner, under which agreements, and was given which parcels.
#[derive(Default)]
pub(crate) struct Grants {
    partners: BTreeSet<(SiteId, SiteId)>,
    agreements: BTreeMap<SiteId, Vec<Agreed>>,
    /// Cases whose study is under a pseudonym.
    pseudonymous: BTreeSet<(SiteId, CaseId)>,
    given: BTreeMap<(SiteId, SiteId, ParcelId), CaseId>,
    /// The same of everything that ever was: by whom, to whom.
    had: BTreeSet<(SiteId, SiteId, ParcelId)>,
    released: BTreeSet<DocumentId>,
    /// Under which agreement a reader was asked last.
    asked: BTreeMap<(SiteId, CaseId), DocumentId>,
    /// Which readers were granted which cases, as they have heard.
    booked: BTreeSet<(SiteId, CaseId)>,
}

/// An agreement as one site knows it, in the order in which it was signed by both, then proposed.
struct Agreed {
    id: DocumentId,
    terms: Agreement,
    signed: bool,
}

impl Grants {
    /// Takes a fact that `site` committed at the moment `at` of its clock.
    ///
    /// # Errors
    /// When a key is granted without membership or without an agreement in force.
    pub(crate) fn observe(
        &mut self,
        site: SiteId,
        at: Timestamp,
        fact: &Fact,
    ) -> Result<(), Violation> {
        match fact {
            Fact::Paired(other) => {
                self.partners.insert((site, *other));
            }
            Fact::Removed(other) => {
                self.partners.remove(&(site, *other));
                let agreements = self.agreements.entry(site).or_default();
                agreements.retain(|agreed| !is_party(&agreed.terms, *other));
            }
            Fact::Pseudonymous(case) => {
                self.pseudonymous.insert((site, *case));
            }
            Fact::Proposed(id, agreement) => {
                let agreements = self.agreements.entry(site).or_default();
                agreements.push(Agreed {
                    id: *id,
                    terms: agreement.clone(),
                    signed: false,
                });
            }
            Fact::Accepted(_, accepted) => {
                let agreements = self.agreements.entry(site).or_default();
                let place = agreements
                    .iter()
                    .position(|agreed| agreed.id == accepted.agreement);
                if let Some(place) = place {
                    let mut agreed = agreements.remove(place);
                    agreed.signed = true;
                    agreements.push(agreed);
                }
            }
            Fact::LinkReceived(_, link) => {
                if let RequesterEvent::Offered(offer) = &link.event {
                    self.asked.insert((site, link.case), offer.agreement);
                    self.booked.remove(&(site, link.case));
                }
                if let RequesterEvent::Granted(_) = &link.event {
                    self.booked.insert((site, link.case));
                }
            }
            Fact::LinkMade(_, link) => return self.link(site, at, link),
            Fact::ProposalMade(_, proposal) => return self.proposal(site, at, proposal),
            Fact::ProposalReceived(id, proposal) => {
                if matches!(proposal.event, ReaderEvent::Released(_)) {
                    self.released.insert(*id);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn link(&mut self, site: SiteId, at: Timestamp, link: &Link) -> Result<(), Violation> {
        let ends = match &link.event {
            RequesterEvent::Offered(offer) => {
                let known = self.in_force(site, link.reader, at).last();
                return holds(
                    known.is_some_and(|agreed| agreed.id == offer.agreement),
                    || format!("{site:?} offers under another agreement than the last"),
                );
            }
            RequesterEvent::Granted(grant) => {
                return self.grant(site, at, link.reader, grant.manifest.parcel, link.case);
            }
            RequesterEvent::Admitted(id) => self.released.contains(id),
            RequesterEvent::Withdrawn(_) | RequesterEvent::Closed => true,
            _ => false,
        };
        if ends {
            self.given.retain(|(by, to, _), case| {
                (*by, *to, *case) != (link.requester, link.reader, link.case)
            });
        }
        Ok(())
    }

    fn proposal(
        &mut self,
        site: SiteId,
        at: Timestamp,
        proposal: &Proposal,
    ) -> Result<(), Violation> {
        match &proposal.event {
            ReaderEvent::Reported(issued) => {
                let parcel = issued.grant.manifest.parcel;
                self.report(site, proposal.requester, parcel, proposal.case)
            }
            ReaderEvent::Declined(DeclineReason::NoAgreement) => {
                let asked = self.asked.get(&(site, proposal.case));
                let all = self.agreements.get(&site).into_iter().flatten();
                let mut known = all.filter(|agreed| Some(&agreed.id) == asked);
                holds(!known.any(|agreed| agreed.terms.in_force(at)), || {
                    format!("{site:?} declines for want of an agreement that it knows")
                })
            }
            _ => Ok(()),
        }
    }

    /// Agreements of `site` with `other` that both have signed and that are in force, oldest first.
    fn in_force(
        &self,
        site: SiteId,
        other: SiteId,
        at: Timestamp,
    ) -> impl Iterator<Item = &Agreed> {
        let all = self.agreements.get(&site).into_iter().flatten();
        all.filter(move |agreed| {
            agreed.signed && is_party(&agreed.terms, other) && agreed.terms.in_force(at)
        })
    }

    fn grant(
        &mut self,
        site: SiteId,
        at: Timestamp,
        to: SiteId,
        parcel: ParcelId,
        case: CaseId,
    ) -> Result<(), Violation> {
        self.is_partner(site, to, "grants to")?;
        self.given.insert((site, to, parcel), case);
        self.had.insert((site, to, parcel));
        let newest = self.in_force(site, to, at).last();
        holds(newest.is_some(), || {
            format!("{site:?} grants to {to:?} without an agreement in force")
        })?;
        let wanted = newest.map(|agreed| agreed.terms.naming);
        let is_so =
            wanted != Some(Naming::Pseudonymous) || self.pseudonymous.contains(&(site, case));
        holds(is_so, || {
            format!("{site:?} grants to {to:?} who it is of, against the agreement")
        })
    }

    fn report(
        &mut self,
        site: SiteId,
        to: SiteId,
        parcel: ParcelId,
        case: CaseId,
    ) -> Result<(), Violation> {
        self.is_partner(site, to, "reports to")?;
        self.given.insert((site, to, parcel), case);
        holds(self.booked.contains(&(site, case)), || {
            format!("{site:?} reports on {case:?}, for which it holds no grant")
        })
    }

    /// Whether `site` may have to do with `other`.
    ///
    /// # Errors
    /// When it is no partner.
    pub(crate) fn is_partner(
        &self,
        site: SiteId,
        other: SiteId,
        does: &str,
    ) -> Result<(), Violation> {
        holds(self.partners.contains(&(site, other)), || {
            format!("{site:?} {does} {other:?}, who is no partner")
        })
    }

    /// Whether what `site` looks through for a study of `from` is what both have had.
    ///
    /// # Errors
    /// When it is not: `from` could find out what lies there.
    pub(crate) fn both_had(
        &self,
        site: SiteId,
        from: SiteId,
        parcels: &BTreeSet<ParcelId>,
    ) -> Result<(), Violation> {
        let was_granted = |by, to, parcel: &ParcelId| self.had.contains(&(by, to, *parcel));
        let mut parcels = parcels.iter();
        let is_so = parcels.all(|one| was_granted(site, from, one) || was_granted(from, site, one));
        holds(is_so, || {
            format!("{site:?} looks for a study of {from:?} among what that never had")
        })
    }

    /// Whether `site` may hand a parcel out to `other`.
    ///
    /// # Errors
    /// When it was not granted, or is not any more.
    pub(crate) fn may_fetch(
        &self,
        site: SiteId,
        other: SiteId,
        parcel: ParcelId,
    ) -> Result<(), Violation> {
        self.is_partner(site, other, "hands a parcel out to")?;
        holds(self.given.contains_key(&(site, other, parcel)), || {
            format!("{site:?} hands {parcel:?} out to {other:?}, who has no grant for it")
        })
    }
}

fn holds(rule: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if rule {
        Ok(())
    } else {
        Err(Violation::new(RULE, what()))
    }
}

fn is_party(terms: &Agreement, site: SiteId) -> bool {
    terms.proposer == site || terms.accepter == site
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{
        CLINIC, OTHER, READER, document, granted, issued, link, made, manifest, offered, proposal,
    };
    use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};
    use dokuei_protocol::case::report::ReportStatus;
    use dokuei_protocol::partner::agreement::AgreementAccepted;

    const NOON: Timestamp = Timestamp(50);

    fn agreed(by: SiteId, with: SiteId) -> [Fact; 3] {
        let agreement = Agreement {
            proposer: by,
            accepter: with,
            from: Timestamp(10),
            until: Timestamp(100),
            retention_days: 1,
            sequence: 0,
            naming: Naming::Identified,
        };
        let accepted = AgreementAccepted {
            agreement: document(1),
            proposer: by,
            accepter: with,
            at: Timestamp(20),
        };
        [
            Fact::Paired(with),
            Fact::Proposed(document(1), agreement),
            Fact::Accepted(document(2), accepted),
        ]
    }

    fn told(site: SiteId, at: Timestamp, facts: &[Fact]) -> Result<Grants, Violation> {
        let mut grants = Grants::default();
        for fact in facts {
            grants.observe(site, at, fact)?;
        }
        Ok(grants)
    }

    #[test]
    fn who_a_study_is_of_is_not_granted_where_pseudonyms_are_agreed() {
        let [paired, mut proposed, accepted] = agreed(CLINIC, READER);
        let Fact::Proposed(_, agreement) = &mut proposed else {
            panic!("an agreement");
        };
        agreement.naming = Naming::Pseudonymous;
        let grant = link(READER, granted());
        let Fact::LinkMade(_, made) = &grant else {
            panic!("a link");
        };
        let named = Fact::Pseudonymous(made.case);
        let known = [paired, proposed, accepted];
        let with = |more: &[Fact]| told(CLINIC, NOON, &[&known[..], more].concat());
        assert!(with(std::slice::from_ref(&grant)).is_err());
        assert!(with(&[named, grant]).is_ok());
    }

    #[test]
    fn a_grant_needs_a_partner_and_an_agreement_by_both_in_force() {
        let [paired, proposed, accepted] = agreed(CLINIC, READER);
        let grant = link(READER, granted());
        let all = [
            paired.clone(),
            proposed.clone(),
            accepted.clone(),
            grant.clone(),
        ];
        assert!(told(CLINIC, NOON, &all).is_ok());
        assert!(told(CLINIC, Timestamp(100), &all).is_err(), "run out");
        assert!(told(CLINIC, Timestamp(9), &all).is_err(), "not begun");
        let unsigned = [paired.clone(), proposed.clone(), grant.clone()];
        assert!(told(CLINIC, NOON, &unsigned).is_err());
        let removed = [
            paired.clone(),
            proposed,
            accepted,
            Fact::Removed(READER),
            grant.clone(),
        ];
        assert!(told(CLINIC, NOON, &removed).is_err());
        assert!(told(CLINIC, NOON, &[paired, grant]).is_err());
        let [paired, proposed, accepted] = agreed(CLINIC, READER);
        let other = [
            paired,
            proposed,
            accepted,
            Fact::Paired(OTHER),
            link(OTHER, granted()),
        ];
        assert!(
            told(CLINIC, NOON, &other).is_err(),
            "agreed with somebody else"
        );
    }

    #[test]
    fn a_report_needs_a_partner_and_a_study_that_was_granted() {
        let report = made(5, READER, issued(1, ReportStatus::Final));
        let Fact::LinkMade(id, grant) = link(READER, granted()) else {
            panic!("a link");
        };
        let grant = Fact::LinkReceived(id, grant);
        let [paired, proposed, accepted] = agreed(READER, CLINIC);
        let all = [
            paired.clone(),
            proposed,
            accepted,
            grant.clone(),
            report.clone(),
        ];
        assert!(told(READER, NOON, &all).is_ok());
        assert!(told(READER, Timestamp(200), &all).is_ok(), "run out");
        assert!(told(READER, NOON, &[grant, report.clone()]).is_err());
        assert!(told(READER, NOON, &[paired, report]).is_err());
    }

    #[test]
    fn what_is_handed_out_was_granted_and_not_taken_back() {
        let [paired, proposed, accepted] = agreed(CLINIC, READER);
        let mut facts = vec![paired, proposed, accepted];
        let may = |facts: &[Fact]| {
            let grants = told(CLINIC, NOON, facts).unwrap();
            grants.may_fetch(CLINIC, READER, manifest().parcel).is_ok()
        };
        assert!(!may(&facts));
        facts.push(link(READER, granted()));
        assert!(may(&facts));
        let mut withdrawn = facts.clone();
        let back = RequesterEvent::Withdrawn(WithdrawalReason::NotNeeded);
        withdrawn.push(link(READER, back));
        assert!(!may(&withdrawn));
        let release = ReaderEvent::Released(ReleaseReason::ShiftEnded);
        facts.push(proposal(3, READER, release));
        assert!(may(&facts));
        facts.push(link(READER, RequesterEvent::Admitted(document(3))));
        assert!(!may(&facts));
    }

    #[test]
    fn looking_for_a_study_among_what_another_gave_is_noticed() {
        let [paired, proposed, accepted] = agreed(CLINIC, READER);
        let facts = [paired, proposed, accepted, link(READER, granted())];
        let grants = told(CLINIC, NOON, &facts).unwrap();
        let shared = BTreeSet::from([manifest().parcel]);
        for (site, from) in [(CLINIC, READER), (READER, CLINIC)] {
            assert!(grants.both_had(site, from, &shared).is_ok());
        }
        for (site, from) in [(CLINIC, OTHER), (READER, OTHER)] {
            assert!(grants.both_had(site, from, &shared).is_err());
            assert!(grants.both_had(site, from, &BTreeSet::new()).is_ok());
        }
    }

    #[test]
    fn an_offer_under_an_older_or_foreign_agreement_is_noticed() {
        let offer = |agreement| {
            let RequesterEvent::Offered(mut offer) = offered() else {
                panic!("an offer");
            };
            offer.agreement = document(agreement);
            link(READER, RequesterEvent::Offered(offer))
        };
        let [paired, proposed, accepted] = agreed(CLINIC, READER);
        let Fact::Proposed(_, mut terms) = proposed.clone() else {
            panic!("an agreement");
        };
        terms.sequence = 1;
        let newer = Fact::Proposed(document(9), terms);
        let Fact::Accepted(_, mut acceptance) = accepted.clone() else {
            panic!("an acceptance");
        };
        acceptance.agreement = document(9);
        let signed = Fact::Accepted(document(10), acceptance);
        let mut facts = vec![paired, proposed, accepted, newer];
        let under = |facts: &[Fact], agreement| {
            let all = [facts, &[offer(agreement)]].concat();
            told(CLINIC, NOON, &all).is_ok()
        };
        assert!(under(&facts, 1));
        assert!(!under(&facts, 9), "not signed");
        assert!(!under(&facts, 77), "unknown");
        facts.push(signed);
        assert!(under(&facts, 9));
        assert!(!under(&facts, 1), "older");
    }

    #[test]
    fn a_decline_for_want_of_an_agreement_that_is_there_is_noticed() {
        let declined = made(4, READER, ReaderEvent::Declined(DeclineReason::NoAgreement));
        let RequesterEvent::Offered(mut offer) = offered() else {
            panic!("an offer");
        };
        offer.agreement = document(1);
        let Fact::LinkMade(id, asked) = link(READER, RequesterEvent::Offered(offer)) else {
            panic!("a link");
        };
        let asked = Fact::LinkReceived(id, asked);
        let [paired, proposed, _] = agreed(READER, CLINIC);
        let untrue = [paired, proposed, asked.clone(), declined.clone()];
        assert!(told(READER, NOON, &untrue).is_err());
        assert!(told(READER, Timestamp(200), &untrue).is_ok(), "run out");
        assert!(told(READER, NOON, &[asked, declined]).is_ok(), "unknown");
    }
}
