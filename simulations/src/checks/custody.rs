//! Nothing acknowledged is lost: a document that a partner confirmed, a study that a receipt was given
//! for, a study or report that is said to be in an archive.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use dokuei_protocol::case::event::{ReaderEvent, RequesterEvent};
use dokuei_protocol::case::priors::lies_as;

use super::Violation;
use crate::archive::Archive;
use crate::chronicle::Fact;
use crate::store::Store;

const RULE: &str = "custody";

/// Who holds what.
#[derive(Default)]
pub(crate) struct Custody {
    held: BTreeMap<SiteId, BTreeSet<DocumentId>>,
}

impl Custody {
    /// Takes a fact.
    ///
    /// # Errors
    /// When a document is taken for confirmed that the partner does not hold, or is refused that it does.
    pub(crate) fn observe(&mut self, site: SiteId, fact: &Fact) -> Result<(), Violation> {
        if let Some(id) = fact.taken() {
            self.held.entry(site).or_default().insert(id);
        }
        let holds = |partner: &SiteId, id: &DocumentId| {
            self.held.get(partner).is_some_and(|held| held.contains(id))
        };
        match fact {
            Fact::Confirmed(partner, id) if !holds(partner, id) => Err(Violation::new(
                RULE,
                format!("{site:?} was told that {partner:?} holds {id:?}, and it does not"),
            )),
            Fact::Refused(partner, id) if holds(partner, id) => Err(Violation::new(
                RULE,
                format!("{site:?} was refused {id:?}, which {partner:?} holds"),
            )),
            _ => Ok(()),
        }
    }

    /// Compares a disk after a start with what was held before.
    ///
    /// # Errors
    /// When something is gone.
    pub(crate) fn restarted(&self, site: SiteId, facts: &[Fact]) -> Result<(), Violation> {
        let now: BTreeSet<DocumentId> = facts.iter().filter_map(Fact::taken).collect();
        let before = self.held.get(&site);
        match before.into_iter().flatten().find(|id| !now.contains(*id)) {
            Some(lost) => Err(Violation::new(RULE, format!("{site:?} has lost {lost:?}"))),
            None => Ok(()),
        }
    }
}

/// Checks a fact against the disk and the archive of the site that states it. `parcel` is the study
/// that was granted for the fact's case.
///
/// # Errors
/// When something is said to be here that is not.
pub(crate) fn is_here(
    fact: &Fact,
    parcel: Option<ParcelId>,
    store: &Store,
    archive: &Archive,
) -> Result<(), Violation> {
    let held = || parcel.is_some_and(|parcel| store.holds(parcel));
    let (here, what) = match fact {
        Fact::ProposalMade(_, proposal) => match &proposal.event {
            ReaderEvent::Received(_) => (held(), "a receipt is given for a study that is not here"),
            _ => return Ok(()),
        },
        Fact::StudyArrived(_) => (held(), "a study arrived that is not here"),
        Fact::PriorArrived(_, prior) => (store.holds(*prior), "a prior arrived that is not here"),
        Fact::PriorStored(case, prior) => (
            archive.has_study(lies_as(*case, *prior)),
            "a prior is stored that is not in the archive",
        ),
        Fact::StudyStored(case) => (
            archive.has_study(*case),
            "a study is stored that is not in the archive",
        ),
        Fact::LinkMade(_, link) => match &link.event {
            RequesterEvent::Delivered(version) => (
                archive.has_report(link.case, *version),
                "a report is delivered that is not in the archive",
            ),
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    if here {
        Ok(())
    } else {
        Err(Violation::new(RULE, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{
        CLINIC, READER, case, document, link, made, manifest, proposal, quote, receipt,
    };

    #[test]
    fn a_confirmation_of_what_is_not_held_is_noticed() {
        let mut custody = Custody::default();
        let confirmed = Fact::Confirmed(CLINIC, document(1));
        assert!(custody.observe(READER, &confirmed).is_err());
        assert!(
            custody
                .observe(CLINIC, &proposal(1, READER, quote()))
                .is_ok()
        );
        assert!(custody.observe(READER, &confirmed).is_ok());
        assert!(
            custody
                .observe(READER, &Fact::Refused(CLINIC, document(1)))
                .is_err()
        );
        assert!(
            custody
                .observe(READER, &Fact::Refused(CLINIC, document(2)))
                .is_ok()
        );
    }

    #[test]
    fn a_document_that_is_gone_after_a_restart_is_noticed() {
        let mut custody = Custody::default();
        let facts = [proposal(1, READER, quote()), proposal(2, READER, quote())];
        for fact in &facts {
            assert!(custody.observe(CLINIC, fact).is_ok());
        }
        assert!(custody.restarted(CLINIC, &facts).is_ok());
        assert!(custody.restarted(CLINIC, &facts[..1]).is_err());
    }

    #[test]
    fn a_receipt_or_delivery_of_what_is_not_here_is_noticed() {
        let (mut store, mut archive) = (Store::default(), Archive::default());
        let parcel = Some(manifest().parcel);
        let facts = [
            made(1, READER, receipt()),
            Fact::StudyArrived(case()),
            Fact::StudyStored(case()),
            link(READER, RequesterEvent::Delivered(1)),
        ];
        for fact in &facts {
            assert!(is_here(fact, parcel, &store, &archive).is_err());
        }
        store.whole(manifest().parcel);
        archive.store_study(case());
        let status = dokuei_protocol::case::report::ReportStatus::Final;
        archive.store_report(case(), 1, status).unwrap();
        for fact in &facts {
            assert!(is_here(fact, parcel, &store, &archive).is_ok());
        }
    }
}
