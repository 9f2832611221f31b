//! How long the sealed copy of a study is kept once its case is over. Its content key is destroyed
//! first, in the same transaction that writes it down; its files go after, as a job.
//!
//! A reader may keep a closed case's study for as many days as the agreement says, and one that came
//! to no report not at all. The requester keeps its own sealed copy as long as the reader may, and
//! one that came to no report until it is read: it may be offered again. Reports stay.
//!
//! A study of its own that this site answered for (storage commitment, PS3.4 annex J) stays whatever comes of its cases:
//! whoever asked has removed theirs, and this may be the only copy.
//!
//! Where the reader's archive answers for what it keeps, a study that was read there stays until it has: it may be the
//! only copy at the place that reported on it. What came to no report, or is of who is no partner any more, goes all the
//! same.

use std::collections::BTreeSet;

use dokuei_keys::id::{DocumentId, ParcelId, SiteId};

use crate::case::CaseId;
use crate::case::phase::Phase;
use crate::case::reading::Reading;
use crate::case::request::{Keeping, Request};
use crate::effect::{Answer, CannotDo, Effect, SecretChange};
use crate::input::Job;
use crate::record::Record;
use crate::service::{Service, Turn};
use crate::state::Held;
use crate::time::{Span, Timestamp};

impl Service {
    /// Destroys the content keys of studies whose time is over.
    pub(crate) fn advance_retention(&mut self, turn: &mut Turn) {
        let due: Vec<(CaseId, ParcelId)> = self
            .retained()
            .filter(|(_, _, until)| *until <= turn.now)
            .map(|(case, parcel, _)| (case, parcel))
            .collect();
        for (case, parcel) in due {
            self.note(turn, Record::StudyKeyDestroyed(case));
            if self.is_needed(parcel) {
                continue;
            }
            self.destroy_content_key(turn, parcel);
        }
        self.end_priors(turn);
        self.destroy_unneeded(turn);
    }

    /// Destroys the keys of studies whose own time is over, and that nothing else needs any more.
    fn destroy_unneeded(&mut self, turn: &mut Turn) {
        let requests = self.state.requests.values();
        let over = requests.filter(|request| request.keeping == Keeping::KeyDestroyed);
        let parcels = over.map(|request| request.manifest.parcel);
        let held = |parcel: &ParcelId| self.vault.content.contains_key(parcel);
        let due: BTreeSet<ParcelId> = parcels
            .filter(|parcel| held(parcel) && !self.is_needed(*parcel))
            .collect();
        for parcel in due {
            self.destroy_content_key(turn, parcel);
        }
    }

    pub(crate) fn destroy_content_key(&mut self, turn: &mut Turn, parcel: ParcelId) {
        self.vault.content.remove(&parcel);
        let destroyed = SecretChange::DestroyContentKey(parcel);
        turn.step.secrets.push(destroyed);
    }

    /// The next moment at which a study's time is over.
    pub(crate) fn retention_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.retained().map(|(_, _, until)| until);
        ends.filter(|until| *until > now).min()
    }

    /// Until when this site keeps the sealed study of a case, once that can be said.
    pub fn kept_until(&self, case: CaseId) -> Option<Timestamp> {
        match self.state.requests.get(&case) {
            Some(request) => self.request_kept_until(request),
            None => self.reading_kept_until(self.state.readings.get(&case)?),
        }
    }

    /// Studies of cases that are over and whose keys are still here, and until when that may be.
    fn retained(&self) -> impl Iterator<Item = (CaseId, ParcelId, Timestamp)> {
        let asked = self.state.requests.values().filter_map(|request| {
            let until = self.request_kept_until(request)?;
            Some((request.case, request.manifest.parcel, until))
        });
        let read = self.state.readings.iter().filter_map(|(case, reading)| {
            let until = self.reading_kept_until(reading)?;
            Some((*case, reading.parcel?, until))
        });
        asked.chain(read)
    }

    /// Answers for studies of this site.
    ///
    /// # Errors
    /// [`CannotDo::StudyGone`] when the key of one is destroyed; then nothing is answered for.
    pub(crate) fn commit(
        &mut self,
        turn: &mut Turn,
        parcels: &BTreeSet<ParcelId>,
    ) -> Result<Answer, CannotDo> {
        let mut requests = self.state.requests.values();
        let gone = |request: &Request| {
            parcels.contains(&request.manifest.parcel) && request.keeping != Keeping::Kept
        };
        if requests.any(gone) {
            return Err(CannotDo::StudyGone);
        }
        for parcel in parcels {
            if !self.state.committed.contains(parcel) {
                self.note(turn, Record::StudyCommitted(*parcel));
            }
        }
        Ok(Answer::Done)
    }

    fn request_kept_until(&self, request: &Request) -> Option<Timestamp> {
        let thread = request.booked()?;
        let Phase::Closed(_) = thread.phase() else {
            return None;
        };
        let parcel = request.manifest.parcel;
        if request.keeping != Keeping::Kept || self.state.committed.contains(&parcel) {
            return None;
        }
        let closed = thread.timeline().last()?.at;
        Some(closed.after(self.agreed_span(thread.reader(), thread.phase())))
    }

    fn reading_kept_until(&self, reading: &Reading) -> Option<Timestamp> {
        let (thread, (_, heard)) = (&reading.thread, reading.heard);
        if reading.keeping != Keeping::Kept || reading.parcel.is_none() {
            return None;
        }
        // While an addendum is on its way, or waits for a partner's key, the study belongs to it,
        // until the case is closed again. From who is no partner any more no key comes.
        let requester = thread.requester();
        let waits = reading.sealed.is_some() && self.state.partners.contains_key(&requester);
        let settled = || {
            !waits && (thread.pending().is_empty() || matches!(thread.expected(), Phase::Closed(_)))
        };
        match thread.phase() {
            Phase::Closed(_) if self.awaits_archive(reading) => None,
            Phase::Closed(_) if settled() => {
                Some(heard.after(self.agreed_span(thread.requester(), thread.phase())))
            }
            Phase::Ended(_) => Some(heard),
            _ => None,
        }
    }

    /// Whether the archive has yet to answer for a study.
    fn awaits_archive(&self, reading: &Reading) -> bool {
        let requester = reading.thread.requester();
        self.archive_answers && !reading.stored && self.state.partners.contains_key(&requester)
    }

    /// Cases that are closed and whose studies are kept beyond their time at `now`, since the archive has not answered
    /// for all of them.
    pub fn kept_for_archive(&self, now: Timestamp) -> impl Iterator<Item = CaseId> {
        let readings = self.state.readings.iter();
        let kept = readings.filter(move |(_, reading)| {
            let (thread, (_, heard)) = (&reading.thread, reading.heard);
            let phase = thread.phase();
            let is_held = reading.keeping == Keeping::Kept
                && reading.parcel.is_some()
                && matches!(phase, Phase::Closed(_))
                && self.awaits_archive(reading);
            is_held && heard.after(self.agreed_span(thread.requester(), phase)) <= now
        });
        kept.map(|(case, _)| *case)
    }

    /// How long the agreement of a booking lets its reader keep the study. What is not known, or
    /// went with the partner, allows nothing.
    fn agreed_span(&self, partner: SiteId, phase: &Phase) -> Span {
        let days = |agreement: DocumentId| {
            let known = self.state.partners.get(&partner)?;
            Some(known.agreements.get(&agreement)?.agreement.retention_days)
        };
        let agreed = phase.offer().and_then(|offer| days(offer.agreement));
        Span::DAY.times(u64::from(agreed.unwrap_or_default()))
    }

    /// Whether a case still needs a parcel's key: one study may lie in several cases.
    pub(crate) fn is_needed(&self, parcel: ParcelId) -> bool {
        let mut asked = self.state.requests.values();
        let mut read = self.state.readings.values();
        asked.any(|request| {
            let is_study = request.manifest.parcel == parcel && request.keeping == Keeping::Kept;
            let mut priors = request.priors.parcels();
            is_study || request.takes_priors().is_some() && priors.any(|prior| prior == parcel)
        }) || read.any(|reading| {
            let is_study = reading.parcel == Some(parcel) && reading.keeping == Keeping::Kept;
            let prior = reading.priors.held.get(&parcel);
            is_study || prior.is_some_and(|prior| prior.keeping == Keeping::Kept)
        })
    }

    /// Whether something else lies here under the name of a parcel that a partner grants. It chooses
    /// that name, and must not reach what is not its own by it.
    pub(crate) fn is_taken(&self, parcel: ParcelId, by: Held) -> bool {
        match self.state.parcels.get(&parcel) {
            Some(held) => *held != by && !self.state.is_shared(parcel, by),
            None => self.vault.content.contains_key(&parcel),
        }
    }

    /// Whether a parcel that would be shared cannot be now: its key is destroyed, and its files are still to go.
    pub(crate) fn is_going(&self, parcel: ParcelId, by: Held) -> bool {
        self.state.is_shared(parcel, by) && !self.vault.content.contains_key(&parcel)
    }

    /// The parcels whose keys are destroyed and whose files are still to go, by case.
    pub(crate) fn removals(&self) -> impl Iterator<Item = Job> {
        let asked = self.state.requests.values();
        let asked = asked.filter(|request| request.keeping == Keeping::KeyDestroyed);
        let read = self.state.readings.iter();
        let read = read.filter(|(_, reading)| reading.keeping == Keeping::KeyDestroyed);
        asked
            .map(|request| Job::RemoveStudy(request.case))
            .chain(read.map(|(case, _)| Job::RemoveStudy(*case)))
    }

    /// The effect that removes a case's study; none while its key is needed by another case.
    pub(crate) fn removal(&self, case: CaseId) -> Option<Effect> {
        let parcel = match self.state.requests.get(&case) {
            Some(request) => request.manifest.parcel,
            None => self.state.readings.get(&case)?.parcel?,
        };
        (!self.is_needed(parcel)).then_some(Effect::RemoveStudy { case, parcel })
    }
}
