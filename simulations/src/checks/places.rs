//! One case per place: on one day of its own calendar a site that answers by its capacity promises no
//! more readings at once than it offers. People may promise what they like.

use std::collections::BTreeMap;

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, Proposal, ReaderEvent, RequesterEvent};
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::limits;
use dokuei_protocol::partner::announcement::OfferSlot;
use dokuei_protocol::time::Timestamp;

use super::Violation;
use crate::chronicle::Fact;

/// A promise that has not been given up.
struct Promise {
    modality: Modality,
    at: Timestamp,
    quote: DocumentId,
    booked: bool,
}

/// The promises of every site.
#[derive(Default)]
pub(crate) struct Places {
    offered: BTreeMap<SiteId, Vec<OfferSlot>>,
    asked: BTreeMap<(SiteId, CaseId), Modality>,
    promises: BTreeMap<(SiteId, CaseId), Promise>,
}

impl Places {
    /// Says what a site offers that answers by its capacity.
    pub(crate) fn offers(&mut self, site: SiteId, slots: Vec<OfferSlot>) {
        self.offered.insert(site, slots);
    }

    /// Takes a fact that `site` committed at the moment `at` of its clock.
    ///
    /// # Errors
    /// When it promises more than it offers.
    pub(crate) fn observe(
        &mut self,
        site: SiteId,
        at: Timestamp,
        fact: &Fact,
    ) -> Result<(), Violation> {
        match fact {
            Fact::LinkReceived(_, link) => {
                self.heard(site, link);
                Ok(())
            }
            Fact::ProposalMade(id, proposal) => self.proposed(site, at, *id, proposal),
            _ => Ok(()),
        }
    }

    fn heard(&mut self, site: SiteId, link: &Link) {
        let place = (site, link.case);
        match &link.event {
            RequesterEvent::Offered(offer) => {
                self.asked.insert(place, offer.terms.modality);
            }
            RequesterEvent::Booked(quote) => {
                if let Some(promise) = self.promises.get_mut(&place) {
                    promise.booked |= promise.quote == *quote;
                }
            }
            RequesterEvent::NotAdmitted(id) => {
                let void = |promise: &Promise| promise.quote == *id;
                self.give_up(place, void);
            }
            RequesterEvent::Withdrawn(_) | RequesterEvent::Expired | RequesterEvent::NotChosen => {
                self.give_up(place, |_| true);
            }
            _ => {}
        }
    }

    fn give_up(&mut self, place: (SiteId, CaseId), which: impl Fn(&Promise) -> bool) {
        if self.promises.get(&place).is_some_and(which) {
            self.promises.remove(&place);
        }
    }

    fn proposed(
        &mut self,
        site: SiteId,
        at: Timestamp,
        id: DocumentId,
        proposal: &Proposal,
    ) -> Result<(), Violation> {
        let place = (site, proposal.case);
        match &proposal.event {
            ReaderEvent::Quoted(_) => {
                let Some(modality) = self.asked.get(&place).copied() else {
                    return Err(Violation::new("places", "a quote without an offer"));
                };
                let promise = Promise {
                    modality,
                    at,
                    quote: id,
                    booked: false,
                };
                self.promises.insert(place, promise);
                self.count(site, modality, at)
            }
            ReaderEvent::Released(_) | ReaderEvent::Declined(_) => {
                self.give_up(place, |_| true);
                Ok(())
            }
            ReaderEvent::Received(_) | ReaderEvent::Claimed(_) | ReaderEvent::Reported(_) => Ok(()),
        }
    }

    fn count(&self, site: SiteId, modality: Modality, now: Timestamp) -> Result<(), Violation> {
        let Some(places) = self.offered.get(&site) else {
            return Ok(());
        };
        let most: u16 = places
            .iter()
            .filter(|slot| slot.modality == modality)
            .map(|slot| slot.per_day)
            .sum();
        let promised = self.promises.iter().filter(|((by, _), promise)| {
            *by == site
                && promise.modality == modality
                && promise.at.japanese_day() == now.japanese_day()
                && (promise.booked || now < promise.at.after(limits::QUOTE_LEASE))
        });
        let promised = promised.count();
        if promised <= usize::from(most) {
            Ok(())
        } else {
            let what = format!("{site:?} promises {promised} readings a day and offers {most}");
            Err(Violation::new("places", what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{READER, document, link_of, made_of, offered, quote};
    use dokuei_protocol::case::event::ReleaseReason;
    use dokuei_protocol::case::terms::{Priority, Specialty};
    use dokuei_protocol::time::Span;

    const MORNING: Timestamp = Timestamp(1_800_000_000_000);

    /// A reader with one place a day lives through facts of two cases.
    fn told(facts: &[(Span, Fact)]) -> Result<(), Violation> {
        let mut places = Places::default();
        places.offers(
            READER,
            vec![OfferSlot {
                modality: Modality::Ct,
                specialty: Specialty::Chest,
                priority: Priority::Urgent,
                per_day: 1,
                hours: 8,
            }],
        );
        let mut all = facts.iter();
        all.try_for_each(|(after, fact)| places.observe(READER, MORNING.after(*after), fact))
    }

    fn quoted(case: u8, after: Span) -> [(Span, Fact); 2] {
        [
            (after, link_of(case, 0, offered())),
            (after, made_of(case, 50 + case, quote())),
        ]
    }

    #[test]
    fn a_promise_too_many_is_noticed() {
        let [offer, quote] = quoted(1, Span(0));
        let [offer_two, quote_two] = quoted(2, Span::HOUR);
        let both = [offer, quote, offer_two, quote_two];
        assert!(told(&both).is_err());
        let end = |event| {
            let mut facts = both.to_vec();
            facts.insert(2, (Span(1), event));
            told(&facts)
        };
        assert!(end(link_of(1, 1, RequesterEvent::NotChosen)).is_ok());
        assert!(end(link_of(1, 1, RequesterEvent::NotAdmitted(document(51)))).is_ok());
        assert!(end(link_of(1, 1, RequesterEvent::Admitted(document(51)))).is_err());
        let release = ReaderEvent::Released(ReleaseReason::ShiftEnded);
        assert!(end(made_of(1, 99, release)).is_ok());
    }

    #[test]
    fn a_lease_ends_unless_it_was_booked_and_a_day_ends() {
        let late = Span::HOUR.times(5);
        let [offer, quote] = quoted(1, Span(0));
        let [offer_two, quote_two] = quoted(2, late);
        let leased = [offer, quote, offer_two, quote_two];
        assert!(told(&leased).is_ok());
        let mut booked = leased.to_vec();
        booked.insert(
            2,
            (Span(1), link_of(1, 1, RequesterEvent::Booked(document(51)))),
        );
        assert!(told(&booked).is_err());
        let [offer_three, quote_three] = quoted(3, Span::DAY);
        booked.truncate(3);
        booked.extend([offer_three, quote_three]);
        assert!(told(&booked).is_ok());
    }
}
