//! No grant without an agreement in force and membership; and nothing is sent, admitted or handed out
//! to who is no partner.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, ReaderEvent, RequesterEvent};
use dokuei_protocol::partner::agreement::Agreement;
use dokuei_protocol::time::Timestamp;

use super::Violation;
use crate::chronicle::Fact;

const RULE: &str = "grants";

/// Who is whose partner, under which agreements, and was given which parcels.
#[derive(Default)]
pub(crate) struct Grants {
    partners: BTreeSet<(SiteId, SiteId)>,
    agreements: BTreeMap<SiteId, BTreeMap<DocumentId, (Agreement, bool)>>,
    given: BTreeMap<(SiteId, SiteId, ParcelId), CaseId>,
    released: BTreeSet<DocumentId>,
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
                agreements.retain(|_, (terms, _)| !is_party(terms, *other));
            }
            Fact::Proposed(id, agreement) => {
                let agreements = self.agreements.entry(site).or_default();
                agreements.insert(*id, (agreement.clone(), false));
            }
            Fact::Accepted(_, accepted) => {
                let agreements = self.agreements.entry(site).or_default();
                if let Some((_, signed)) = agreements.get_mut(&accepted.agreement) {
                    *signed = true;
                }
            }
            Fact::LinkMade(_, link) => return self.link(site, at, link),
            Fact::ProposalMade(_, proposal) => {
                if let ReaderEvent::Reported(issued) = &proposal.event {
                    let parcel = issued.grant.manifest.parcel;
                    return self.grant(site, at, proposal.requester, parcel, proposal.case);
                }
            }
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

    fn grant(
        &mut self,
        site: SiteId,
        at: Timestamp,
        to: SiteId,
        parcel: ParcelId,
        case: CaseId,
    ) -> Result<(), Violation> {
        let agreed = self.agreements.get(&site).is_some_and(|agreements| {
            agreements
                .values()
                .any(|(terms, signed)| *signed && is_party(terms, to) && terms.in_force(at))
        });
        self.is_partner(site, to, "grants to")?;
        self.given.insert((site, to, parcel), case);
        if agreed {
            Ok(())
        } else {
            Err(Violation::new(
                RULE,
                format!("{site:?} grants to {to:?} without an agreement in force"),
            ))
        }
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
        if self.partners.contains(&(site, other)) {
            Ok(())
        } else {
            Err(Violation::new(
                RULE,
                format!("{site:?} {does} {other:?}, who is no partner"),
            ))
        }
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
        if self.given.contains_key(&(site, other, parcel)) {
            Ok(())
        } else {
            Err(Violation::new(
                RULE,
                format!("{site:?} hands {parcel:?} out to {other:?}, who has no grant for it"),
            ))
        }
    }
}

fn is_party(terms: &Agreement, site: SiteId) -> bool {
    terms.proposer == site || terms.accepter == site
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{
        CLINIC, OTHER, READER, document, granted, issued, link, made, manifest, proposal,
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
    fn a_report_needs_them_too() {
        let report = made(5, READER, issued(1, ReportStatus::Final));
        let [paired, proposed, accepted] = agreed(READER, CLINIC);
        assert!(told(READER, NOON, &[paired, proposed, accepted, report.clone()]).is_ok());
        assert!(told(READER, NOON, &[report]).is_err());
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
}
