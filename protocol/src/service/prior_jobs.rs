//! What is owed of priors: found out and found by the requester, fetched, archived and removed by the reader.

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;

use crate::case::CaseId;
use crate::case::event::Grant;
use crate::case::priors::{Asked, HeldPrior, lies_as};
use crate::case::request::Keeping;
use crate::effect::Effect;
use crate::input::{Job, Trouble};
use crate::record::Record;
use crate::service::jobs::Attempt;
use crate::service::{Service, Turn};

impl Service {
    /// Everything that is owed of priors.
    pub(super) fn prior_jobs(&self) -> Vec<Job> {
        let asked = self.state.requests.keys();
        let read = self.state.readings.keys();
        let cases = asked.chain(read);
        cases.flat_map(|case| self.prior_jobs_of(*case)).collect()
    }

    /// What is owed of the priors of one case.
    pub(super) fn prior_jobs_of(&self, case: CaseId) -> Vec<Job> {
        if let Some(request) = self.state.requests.get(&case) {
            let list = request.wants_priors().then_some(Job::ListPriors(case));
            let asked = request.priors.asked.iter();
            let sought = asked.filter(|(_, asked)| **asked == Asked::Sought);
            let takes = request.takes_priors().is_some();
            let find = sought.filter(|_| takes);
            let find = find.map(|(number, _)| Job::FindPrior(case, *number));
            return list.into_iter().chain(find).collect();
        }
        let Some(reading) = self.state.readings.get(&case) else {
            return Vec::new();
        };
        let held = reading.priors.held.iter();
        let job = |(parcel, prior): (&ParcelId, &HeldPrior)| match (prior.keeping, prior.arrived) {
            (Keeping::KeyDestroyed, _) => Some(Job::RemovePrior(case, *parcel)),
            (Keeping::Removed, _) => None,
            (Keeping::Kept, false) => reading
                .takes_priors()
                .then_some(Job::ReceivePrior(case, *parcel)),
            (Keeping::Kept, true) => (!prior.stored).then_some(Job::StorePrior(case, *parcel)),
        };
        held.filter_map(job).collect()
    }

    /// The effect that begins a job of priors; none while a partner is not connected, a key is missing, or the parcel is
    /// needed by another case.
    pub(super) fn prior_effect(&self, job: Job) -> Option<Effect> {
        match job {
            Job::ListPriors(case) => {
                let parcel = self.state.requests.get(&case)?.manifest.parcel;
                let key = self.vault.content.get(&parcel)?.duplicate();
                Some(Effect::ListPriors { case, parcel, key })
            }
            Job::FindPrior(case, number) => {
                let request = self.state.requests.get(&case)?;
                let parcel = request.manifest.parcel;
                let attempt = self.attempts.get(&job);
                Some(Effect::FindPrior {
                    case,
                    number,
                    list: request.priors.list.clone()?,
                    parcel,
                    key: self.vault.content.get(&parcel)?.duplicate(),
                    failures: attempt.map_or(0, |attempt| attempt.failures),
                })
            }
            Job::ReceivePrior(case, parcel) => {
                let (from, grant, key) = self.granted_prior(case, parcel)?;
                Some(Effect::ReceivePrior {
                    case,
                    from,
                    node: self.is_connected(from)?,
                    priority: self.priority(case),
                    grant,
                    key,
                    shared: self.shared(case, from),
                })
            }
            Job::StorePrior(case, parcel) => {
                let (from, grant, key) = self.granted_prior(case, parcel)?;
                Some(Effect::StorePrior {
                    case,
                    from,
                    grant,
                    key,
                })
            }
            Job::RemovePrior(case, parcel) => {
                (!self.is_needed(parcel)).then_some(Effect::RemovePrior { case, parcel })
            }
            Job::Send(..)
            | Job::ReceiveStudy(_)
            | Job::StoreStudy(_)
            | Job::RemoveStudy(_)
            | Job::ReceiveReport(..) => None,
        }
    }

    fn granted_prior(&self, case: CaseId, parcel: ParcelId) -> Option<(SiteId, Grant, ContentKey)> {
        let reading = self.state.readings.get(&case)?;
        let grant = reading.priors.held.get(&parcel)?.grant.clone();
        let key = self.vault.content.get(&parcel)?.duplicate();
        Some((reading.thread.requester(), grant, key))
    }

    pub(super) fn prior_job_done(&mut self, turn: &mut Turn, job: Job, well: bool) {
        match (job, well) {
            (Job::ReceivePrior(case, parcel), true) => {
                self.note(turn, Record::PriorArrived(case, parcel));
            }
            // What was granted cannot be read: it goes, and the wish says so.
            (Job::ReceivePrior(case, parcel), false) => self.drop_prior(turn, case, parcel),
            (Job::StorePrior(case, parcel), true) => {
                self.note(turn, Record::PriorStored(case, parcel));
            }
            (Job::RemovePrior(case, parcel), true) => {
                self.note(turn, Record::PriorRemoved(case, parcel));
            }
            (Job::StorePrior(..), false) => self.again(turn, job, Trouble::ArchiveRefused),
            // The node says by a command what it has found. Ended without, it is owed still.
            _ => self.again(turn, job, Trouble::Disk),
        }
    }

    fn again(&mut self, turn: &Turn, job: Job, trouble: Trouble) {
        let failed = Attempt::FIRST.failed(turn.now, trouble);
        self.attempts.insert(job, failed);
    }

    /// Whether a parcel that a job is about is being fetched, stored or removed for another case: a prior is often the
    /// study of another one.
    pub(super) fn another_has_parcel(&self, job: Job) -> bool {
        let Some(parcel) = self.parcel_of(job) else {
            return false;
        };
        let mut running = self.attempts.iter().filter(|(_, at)| at.running);
        running.any(|(other, _)| {
            let is_prior = |job: Job| {
                matches!(
                    job,
                    Job::ReceivePrior(..) | Job::StorePrior(..) | Job::RemovePrior(..)
                )
            };
            *other != job
                && (is_prior(job) || is_prior(*other))
                && self.parcel_of(*other) == Some(parcel)
        })
    }

    fn parcel_of(&self, job: Job) -> Option<ParcelId> {
        match job {
            Job::ReceivePrior(_, parcel)
            | Job::StorePrior(_, parcel)
            | Job::RemovePrior(_, parcel) => Some(parcel),
            Job::ReceiveStudy(case) | Job::StoreStudy(case) | Job::RemoveStudy(case) => {
                self.state.readings.get(&case)?.parcel
            }
            Job::Send(..) | Job::ReceiveReport(..) | Job::ListPriors(_) | Job::FindPrior(..) => {
                None
            }
        }
    }

    /// Which prior lies here under a name of [`lies_as`]: of which case it is, and its number.
    pub fn prior_lying_as(&self, name: CaseId) -> Option<(CaseId, u16)> {
        self.state.readings.iter().find_map(|(case, reading)| {
            let mut held = reading.priors.held.iter();
            let found = held.find(|(parcel, _)| lies_as(*case, **parcel) == name);
            found.map(|(_, prior)| (*case, prior.number))
        })
    }

    /// The newest trouble of a prior that the requester's node looks for, or that is on its way here.
    pub fn prior_trouble(&self, job: Job) -> Option<Trouble> {
        let attempt = self.attempts.get(&job).filter(|attempt| !attempt.running);
        attempt.and_then(|attempt| attempt.trouble)
    }
}
