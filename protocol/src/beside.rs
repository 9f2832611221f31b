//! What is said beside the chain of a case: requests to stop, and priors. It orders nothing.

use dokuei_keys::id::{ParcelId, SiteId};

use crate::case::CaseId;
use crate::case::cancel::{Cancel, CancelRequest, Told};
use crate::case::priors::{Asked, HeldPrior, PriorAnswer, PriorGiven, PriorsOffer, PriorsRequest};
use crate::case::request::Keeping;
use crate::outbox::Matter;
use crate::record::Record;
use crate::state::{Contradiction, Held, State, recorded};

impl State {
    pub(crate) fn cancel_made(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let (id, asked) = recorded::<CancelRequest>(bytes)?;
        let request = self.requests.get_mut(&asked.case).ok_or(Contradiction)?;
        request.cancel = Some(Cancel::new(id, &asked, Told::OnItsWay));
        self.post(asked.reader, id, Matter::Cancel(asked.case), bytes);
        Ok(())
    }

    pub(crate) fn cancel_received(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let (id, asked) = recorded::<CancelRequest>(bytes)?;
        let reading = self.reading(&asked.case)?;
        reading.cancel = Some(Cancel::new(id, &asked, Told::Told));
        reading.cancels.insert(id);
        Ok(())
    }

    /// Applies what happened to priors.
    pub(crate) fn apply_priors(&mut self, record: &Record) -> Result<(), Contradiction> {
        match record {
            Record::PriorsListed(case, list) => {
                self.request(case)?.priors.list = Some(list.clone());
                Ok(())
            }
            Record::PriorsOffered(bytes) => self.priors_offered(bytes),
            Record::PriorsOfferReceived(bytes) => {
                let (id, offer) = recorded::<PriorsOffer>(bytes)?;
                self.reading(&offer.case)?.priors.offered(id, offer.list);
                Ok(())
            }
            Record::PriorsAsked(bytes) => {
                let (id, asked) = recorded::<PriorsRequest>(bytes)?;
                let reading = self.reading(&asked.case)?;
                reading.priors.ask(id, &asked.numbers);
                self.post(asked.requester, id, Matter::Priors(asked.case), bytes);
                Ok(())
            }
            Record::PriorsRequestReceived(bytes) => {
                let (id, asked) = recorded::<PriorsRequest>(bytes)?;
                let request = self.request(&asked.case)?;
                request.priors.ask(id, &asked.numbers);
                Ok(())
            }
            Record::PriorFound(case, number, found) => {
                let asked = self.request(case)?.priors.asked.get_mut(number);
                *asked.ok_or(Contradiction)? = Asked::Found(found.clone());
                Ok(())
            }
            Record::PriorAnswered(bytes) => {
                let (id, answer) = recorded::<PriorAnswer>(bytes)?;
                let request = self.request(&answer.case)?;
                let follows = request.priors.answer(&answer);
                self.post(answer.reader, id, Matter::Priors(answer.case), bytes);
                follows.then_some(()).ok_or(Contradiction)
            }
            Record::PriorAnswerReceived(bytes) => self.prior_answer_received(bytes),
            Record::PriorArrived(case, parcel) => {
                self.prior(case, parcel)?.arrived = true;
                Ok(())
            }
            Record::PriorStored(case, parcel) => {
                self.prior(case, parcel)?.stored = true;
                Ok(())
            }
            Record::PriorKeyDestroyed(case, parcel) => {
                self.prior(case, parcel)?.keeping = Keeping::KeyDestroyed;
                Ok(())
            }
            Record::PriorRemoved(case, parcel) => {
                let held = &mut self.reading(case)?.priors.held;
                held.remove(parcel).ok_or(Contradiction)?;
                if self.parcels.get(parcel) == Some(&Held::Prior(*case)) {
                    self.parcels.remove(parcel);
                }
                Ok(())
            }
            _ => Err(Contradiction),
        }
    }

    fn priors_offered(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let (id, offer) = recorded::<PriorsOffer>(bytes)?;
        let request = self.request(&offer.case)?;
        request.priors.offer = Some((id, Told::OnItsWay));
        self.post(offer.reader, id, Matter::Priors(offer.case), bytes);
        Ok(())
    }

    fn prior_answer_received(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let (id, answer) = recorded::<PriorAnswer>(bytes)?;
        self.reading(&answer.case)?.priors.answer(id, &answer);
        if let PriorGiven::Granted(grants) = &answer.given {
            for grant in grants {
                self.holds(grant.manifest.parcel, Held::Prior(answer.case));
            }
        }
        Ok(())
    }

    fn prior(&mut self, case: &CaseId, parcel: &ParcelId) -> Result<&mut HeldPrior, Contradiction> {
        let held = &mut self.reading(case)?.priors.held;
        held.get_mut(parcel).ok_or(Contradiction)
    }

    /// Notes how far what was said of priors has come to a partner.
    pub(crate) fn priors_told(
        &mut self,
        case: CaseId,
        id: dokuei_keys::id::DocumentId,
        told: Told,
    ) {
        if let Some((offer, how)) = self
            .requests
            .get_mut(&case)
            .and_then(|request| request.priors.offer.as_mut())
            && *offer == id
        {
            *how = told;
        }
        if let Some(reading) = self.readings.get_mut(&case) {
            reading.priors.told(id, told);
        }
    }

    /// Whether a parcel that lies here may be kept for something else as well: a prior is often the study of another case,
    /// or a prior of it. All of it must have been granted by one site, which chose the parcel's name: it reaches nothing by
    /// it but its own.
    pub(crate) fn is_shared(&self, parcel: ParcelId, by: Held) -> bool {
        let (first, second) = match (self.parcels.get(&parcel), by) {
            (Some(Held::Prior(first)), Held::Study(second) | Held::Prior(second))
            | (Some(Held::Study(first)), Held::Prior(second)) => (*first, second),
            _ => return false,
        };
        let of = |case: CaseId| -> Option<SiteId> {
            let reading = self.readings.get(&case)?;
            Some(reading.thread.requester())
        };
        of(second).is_some() && of(first) == of(second)
    }
}
