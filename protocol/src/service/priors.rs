//! Earlier studies of the patient: offered by the requester, asked for by the reader, handed over.
//!
//! Nothing of this holds a reading up. The node is asked at once to find out which earlier studies there are, while the case
//! is offered and the study is on its way; whenever it has, and a reader is booked, that reader is told.

use std::collections::BTreeSet;

use dokuei_keys::envelope::{GrantContext, RecipientRole};
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;
use dokuei_keys::signed::Signed;

use crate::case::CaseId;
use crate::case::event::Grant;
use crate::case::priors::{
    Asked, HeldPrior, PriorAnswer, PriorFound, PriorGiven, PriorList, PriorRefusal, PriorsOffer,
    PriorsRequest,
};
use crate::case::reading::Reading;
use crate::case::request::{Keeping, Request};
use crate::effect::{Answer, CannotDo, DocumentAnswer};
use crate::limits;
use crate::record::Record;
use crate::service::{Service, Turn};
use crate::state::Held;
use crate::study::manifest::ManifestReference;

/// What the node has found of a prior: its parcels with their keys, or why there are none.
type Found = Result<Vec<(ManifestReference, ContentKey)>, PriorRefusal>;

impl Service {
    /// The node has found out which earlier studies there are.
    pub(crate) fn list_priors(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        list: PriorList,
    ) -> Result<Answer, CannotDo> {
        let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
        if !request.wants_priors() {
            return Err(CannotDo::NotNow);
        }
        if !list.is_within_bounds() {
            return Err(CannotDo::Limit);
        }
        self.note(turn, Record::PriorsListed(case, list));
        Ok(Answer::Done)
    }

    /// What follows by itself: a list goes to the booked reader, and what was found is handed over as soon as it can be.
    pub(crate) fn advance_priors(&mut self, turn: &mut Turn) {
        let takes: Vec<CaseId> = self
            .state
            .requests
            .values()
            .filter(|request| request.priors.list.is_some() && request.takes_priors().is_some())
            .map(|request| request.case)
            .collect();
        for case in takes {
            self.offer_priors(turn, case);
            self.answer_wishes(turn, case);
        }
    }

    fn offer_priors(&mut self, turn: &mut Turn, case: CaseId) {
        let Some(request) = self.state.requests.get(&case) else {
            return;
        };
        let (Some(list), None, Some(thread)) = (
            &request.priors.list,
            &request.priors.offer,
            request.takes_priors(),
        ) else {
            return;
        };
        let offer = PriorsOffer {
            case,
            requester: self.identity.site,
            reader: thread.reader(),
            follows: thread.head(),
            at: turn.now,
            list: list.clone(),
        };
        if let Ok(bytes) = self.sign(offer) {
            self.note(turn, Record::PriorsOffered(bytes.into()));
        }
    }

    fn answer_wishes(&mut self, turn: &mut Turn, case: CaseId) {
        let Some(request) = self.state.requests.get(&case) else {
            return;
        };
        let found = request.priors.asked.iter().filter_map(|(number, asked)| {
            let Asked::Found(found) = asked else {
                return None;
            };
            Some((*number, found.clone()))
        });
        for (number, found) in found.collect::<Vec<_>>() {
            // Without the reader's key to seal for it waits.
            let Some(given) = self.given(turn, case, found) else {
                continue;
            };
            self.answer_wish(turn, case, number, given);
        }
    }

    fn given(&mut self, turn: &Turn, case: CaseId, found: PriorFound) -> Option<PriorGiven> {
        let parts = match found {
            PriorFound::Refused(why) => return Some(PriorGiven::Refused(why)),
            PriorFound::Here(parts) => parts,
        };
        let reader = self.state.requests.get(&case)?.takes_priors()?.reader();
        let mut grants = Vec::with_capacity(parts.len());
        for manifest in parts {
            let Some(key) = self.vault.content.get(&manifest.parcel) else {
                // Its case was over and its time has passed since it was found.
                return Some(PriorGiven::Refused(PriorRefusal::NotKept));
            };
            let (key, role) = (key.duplicate(), RecipientRole::Reader);
            let grant = self.wrap_for(turn.now, case, reader, role, manifest, &key);
            grants.push(grant.ok()?);
        }
        Some(PriorGiven::Granted(grants))
    }

    fn answer_wish(&mut self, turn: &mut Turn, case: CaseId, number: u16, given: PriorGiven) {
        let request = self.state.requests.get(&case);
        let reader = request
            .and_then(Request::takes_priors)
            .map(|thread| thread.reader());
        let priors = request.map(|request| (request.priors.offer, request.priors.answers));
        let (Some(reader), Some((Some((offer, _)), answers))) = (reader, priors) else {
            return;
        };
        let answer = PriorAnswer {
            case,
            requester: self.identity.site,
            reader,
            offer,
            at: turn.now,
            sequence: answers,
            number,
            given,
        };
        if let Ok(bytes) = self.sign(answer) {
            self.note(turn, Record::PriorAnswered(bytes.into()));
        }
    }

    /// A reader's request arrived and is signed by it.
    pub(crate) fn priors_request_arrived(
        &mut self,
        turn: &mut Turn,
        document: &Signed<PriorsRequest>,
    ) -> DocumentAnswer {
        let asked = document.content();
        let Some(request) = self.state.requests.get(&asked.case) else {
            return DocumentAnswer::Refused;
        };
        let priors = &request.priors;
        if priors.known.contains(&document.id()) {
            return DocumentAnswer::Accepted;
        }
        let is_booked = request
            .takes_priors()
            .is_some_and(|thread| thread.reader() == asked.reader);
        let is_offered = priors.offer.is_some_and(|(offer, _)| offer == asked.offer)
            && priors
                .list
                .as_ref()
                .is_some_and(|list| list.offers(&asked.numbers));
        if !is_booked || !is_offered || priors.requests >= limits::PRIOR_REQUESTS {
            return DocumentAnswer::Refused;
        }
        self.note(
            turn,
            Record::PriorsRequestReceived(document.bytes().to_vec().into()),
        );
        DocumentAnswer::Accepted
    }

    /// The node has found a prior that was asked for, or cannot hand it over.
    pub(crate) fn found_prior(
        &mut self,
        turn: &mut Turn,
        (case, number): (CaseId, u16),
        found: Found,
    ) -> Result<Answer, CannotDo> {
        let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
        let is_sought = request.priors.asked.get(&number) == Some(&Asked::Sought);
        if !is_sought || request.takes_priors().is_none() {
            return Err(CannotDo::NotNow);
        }
        let is_kept = |parcel: ParcelId| {
            let mut requests = self.state.requests.values();
            !requests.any(|other| other.manifest.parcel == parcel && other.keeping != Keeping::Kept)
        };
        let found = found.and_then(|parts| {
            // Found a moment ago, and its time as the study of another case has just run out.
            if !parts.iter().all(|(part, _)| is_kept(part.parcel)) {
                return Err(PriorRefusal::NotKept);
            }
            let bytes: u64 = parts.iter().map(|(part, _)| part.bytes).sum();
            match parts.len() {
                0 => Err(PriorRefusal::NotKept),
                count if count > limits::PRIOR_PARTS || bytes > limits::PRIOR_BYTES => {
                    Err(PriorRefusal::TooLarge)
                }
                _ => Ok(parts),
            }
        });
        let noted = match found {
            Err(why) => PriorFound::Refused(why),
            Ok(parts) => {
                let mut manifests = Vec::with_capacity(parts.len());
                for (manifest, key) in parts {
                    self.keep_content_key(turn, manifest.parcel, key);
                    manifests.push(manifest);
                }
                PriorFound::Here(manifests)
            }
        };
        self.note(turn, Record::PriorFound(case, number, noted));
        Ok(Answer::Done)
    }

    /// A requester's list arrived and is signed by it. One is taken for each booking, while the case is read.
    pub(crate) fn priors_offer_arrived(
        &mut self,
        turn: &mut Turn,
        document: &Signed<PriorsOffer>,
    ) -> DocumentAnswer {
        let offer = document.content();
        let Some(reading) = self.reading_of(offer.case, offer.requester) else {
            return DocumentAnswer::Refused;
        };
        let held = reading.priors.offer.as_ref();
        if reading.priors.known.contains(&document.id()) {
            return DocumentAnswer::Accepted;
        }
        if !reading.thread.chain().contains(&offer.follows) {
            return DocumentAnswer::Later;
        }
        let is_meant = reading.thread.is_in_sight(offer.follows) && reading.takes_priors();
        if held.is_some() || !is_meant || !offer.list.is_within_bounds() {
            return DocumentAnswer::Refused;
        }
        self.note(
            turn,
            Record::PriorsOfferReceived(document.bytes().to_vec().into()),
        );
        DocumentAnswer::Accepted
    }

    fn reading_of(&self, case: CaseId, requester: SiteId) -> Option<&Reading> {
        let reading = self.state.readings.get(&case)?;
        (reading.thread.requester() == requester).then_some(reading)
    }

    /// A person asks for priors. What was asked for already and not refused stays as it is.
    pub(crate) fn ask_priors(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        numbers: &[u16],
    ) -> Result<Answer, CannotDo> {
        let reading = self.state.readings.get(&case).ok_or(CannotDo::NoCase)?;
        if !reading.takes_priors() {
            return Err(CannotDo::NotNow);
        }
        let offer = reading.priors.offer.as_ref();
        let (offer, list) = offer.ok_or(CannotDo::NoPrior)?;
        let distinct: BTreeSet<u16> = numbers.iter().copied().collect();
        let numbers: Vec<u16> = distinct.into_iter().collect();
        if !list.offers(&numbers) {
            return Err(CannotDo::NoPrior);
        }
        let numbers = reading.priors.unasked(&numbers);
        if numbers.is_empty() {
            return Ok(Answer::Done);
        }
        if reading.priors.requests >= limits::PRIOR_REQUESTS {
            return Err(CannotDo::Limit);
        }
        let document = self.sign(PriorsRequest {
            case,
            requester: reading.thread.requester(),
            reader: self.identity.site,
            offer: *offer,
            at: turn.now,
            sequence: reading.priors.requests,
            numbers,
        })?;
        self.note(turn, Record::PriorsAsked(document.into()));
        Ok(Answer::Done)
    }

    /// A requester's answer arrived and is signed by it.
    pub(crate) fn prior_answer_arrived(
        &mut self,
        turn: &mut Turn,
        document: &Signed<PriorAnswer>,
    ) -> DocumentAnswer {
        let answer = document.content();
        let Some(reading) = self.reading_of(answer.case, answer.requester) else {
            return DocumentAnswer::Refused;
        };
        let priors = &reading.priors;
        if priors.known.contains(&document.id()) {
            return DocumentAnswer::Accepted;
        }
        let offer = priors.offer.as_ref().map(|(id, _)| *id);
        let wish = priors.wishes.get(&answer.number);
        let is_awaited = wish.is_some_and(|wish| wish.answer.is_none());
        if offer != Some(answer.offer) || !is_awaited || !reading.takes_priors() {
            return DocumentAnswer::Refused;
        }
        let keys = match &answer.given {
            PriorGiven::Refused(_) => Vec::new(),
            PriorGiven::Granted(grants) => {
                let by = Held::Prior(answer.case);
                if grants
                    .iter()
                    .any(|grant| self.is_going(grant.manifest.parcel, by))
                {
                    return DocumentAnswer::Later;
                }
                match self.open_prior_keys(answer, grants) {
                    Some(keys) => keys,
                    None => return DocumentAnswer::Refused,
                }
            }
        };
        self.note(
            turn,
            Record::PriorAnswerReceived(document.bytes().to_vec().into()),
        );
        for (parcel, key) in keys {
            self.keep_content_key(turn, parcel, key);
        }
        DocumentAnswer::Accepted
    }

    /// The keys of all parcels of a prior; none when one cannot be kept here.
    fn open_prior_keys(
        &self,
        answer: &PriorAnswer,
        grants: &[Grant],
    ) -> Option<Vec<(ParcelId, ContentKey)>> {
        let parcels: BTreeSet<ParcelId> =
            grants.iter().map(|grant| grant.manifest.parcel).collect();
        let bytes = grants.iter().map(|grant| grant.manifest.bytes);
        let bytes = bytes.fold(0, u64::saturating_add);
        let reading = self.state.readings.get(&answer.case)?;
        let within = (1..=limits::PRIOR_PARTS).contains(&grants.len())
            && parcels.len() == grants.len()
            && bytes <= limits::PRIOR_BYTES
            && parcels.iter().all(|parcel| {
                Some(*parcel) != reading.parcel && !reading.priors.held.contains_key(parcel)
            });
        if !within {
            return None;
        }
        let open = |grant: &Grant| {
            let manifest = &grant.manifest;
            let context = GrantContext {
                case: *answer.case.as_bytes(),
                parcel: manifest.parcel,
                sender: answer.requester,
                recipient: self.identity.site,
                role: RecipientRole::Reader,
                commitment: manifest.commitment,
            };
            let within = manifest.objects as usize <= limits::OBJECTS
                && manifest.length <= limits::MANIFEST_BYTES as u64
                && !self.is_taken(manifest.parcel, Held::Prior(answer.case))
                && self.fits_held(grant);
            let key = self.open_key(grant, &context).filter(|_| within)?;
            Some((manifest.parcel, key))
        };
        grants.iter().map(open).collect()
    }

    /// Destroys the keys of priors whose time is over: they are kept as long as the study of their case, and are not
    /// taken any further once it is read or was given back.
    pub(super) fn end_priors(&mut self, turn: &mut Turn) {
        let ended = |reading: &Reading, prior: &HeldPrior| {
            let is_over = reading.keeping != Keeping::Kept
                || reading.thread.phase().grant().is_none()
                || !prior.arrived && !reading.takes_priors();
            prior.keeping == Keeping::Kept && is_over
        };
        let mut due = Vec::new();
        for (case, reading) in &self.state.readings {
            let held = reading.priors.held.iter();
            let over = held.filter(|(_, prior)| ended(reading, prior));
            due.extend(over.map(|(parcel, _)| (*case, *parcel)));
        }
        for (case, parcel) in due {
            self.drop_prior(turn, case, parcel);
        }
    }

    pub(super) fn drop_prior(&mut self, turn: &mut Turn, case: CaseId, parcel: ParcelId) {
        self.note(turn, Record::PriorKeyDestroyed(case, parcel));
        if !self.is_needed(parcel) {
            self.destroy_content_key(turn, parcel);
        }
    }
}
