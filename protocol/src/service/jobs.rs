//! Jobs: what is owed from the state, begun, ended, tried again.

use std::borrow::Cow;
use std::collections::BTreeSet;

use dokuei_keys::id::{NodeId, ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;

use crate::case::CaseId;
use crate::case::event::Grant;
use crate::case::phase::Phase;
use crate::case::reading::Reading;
use crate::case::report::Reception;
use crate::case::request::Keeping;
use crate::case::terms::Priority;
use crate::effect::{Effect, Permit};
use crate::input::{Job, Outcome, Trouble};
use crate::limits;
use crate::record::Record;
use crate::service::{Service, Turn};
use crate::time::{Span, Timestamp};

/// What became of a job so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Whether it is under way.
    pub(crate) running: bool,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Not before this moment again.
    pub(crate) not_before: Timestamp,
    /// Why it failed last.
    pub(crate) trouble: Option<Trouble>,
}

impl Attempt {
    pub(crate) const FIRST: Attempt = Attempt {
        running: true,
        failures: 0,
        not_before: Timestamp(0),
        trouble: None,
    };

    /// Whether its moment lies ahead. No pause is longer than [`limits::RETRY_MOST`]: a moment
    /// further ahead was set before the clock was set back, and does not count.
    pub(crate) fn waits(&self, now: Timestamp) -> bool {
        now < self.not_before && self.not_before <= now.after(limits::RETRY_MOST)
    }

    pub(crate) fn failed(self, now: Timestamp, trouble: Trouble) -> Attempt {
        let doubled = limits::RETRY_FIRST
            .0
            .saturating_mul(1 << self.failures.min(16));
        let pause = Span(doubled.min(limits::RETRY_MOST.0));
        Attempt {
            running: false,
            failures: self.failures.saturating_add(1),
            not_before: now.after(pause),
            trouble: Some(trouble),
        }
    }
}

impl Service {
    /// Everything but documents that is owed now, whether or not it can be begun. Of a case's report
    /// versions the oldest one that is awaited is owed: they reach the archive in their order.
    fn owed(&self) -> Vec<Job> {
        let mut owed = Vec::new();
        for (case, reading) in &self.state.readings {
            owed.extend(reading_job(*case, reading, self.now));
        }
        owed.extend(self.removals());
        owed.extend(self.prior_jobs());
        for (case, request) in &self.state.requests {
            let versions = request
                .booked()
                .and_then(|thread| thread.phase().versions());
            let awaited = versions.and_then(|versions| versions.awaited().next());
            owed.extend(awaited.map(|version| Job::ReceiveReport(*case, version.issued.version)));
        }
        owed
    }

    /// Whether the end of a job still means something.
    fn is_owed(&self, job: Job) -> bool {
        match job {
            Job::Send(site, id) => self
                .state
                .outbox
                .get(&site)
                .is_some_and(|queue| queue.iter().any(|outgoing| outgoing.id == id)),
            Job::ReceiveStudy(case) | Job::StoreStudy(case) => self
                .state
                .readings
                .get(&case)
                .is_some_and(|reading| reading_job(case, reading, self.now) == Some(job)),
            Job::RemoveStudy(_) => self.removals().any(|removal| removal == job),
            Job::ReceiveReport(case, version) => self
                .state
                .requests
                .get(&case)
                .and_then(|request| request.booked())
                .and_then(|thread| thread.phase().versions())
                .and_then(|versions| versions.numbered(version))
                .is_some_and(|version| version.reception == Reception::Issued),
            Job::ListPriors(case)
            | Job::FindPrior(case, _)
            | Job::ReceivePrior(case, _)
            | Job::StorePrior(case, _)
            | Job::RemovePrior(case, _) => self.prior_jobs_of(case).contains(&job),
        }
    }

    /// Begins what is owed and not under way.
    pub(crate) fn begin_jobs(&mut self, turn: &mut Turn) {
        let jobs = self.owed();
        let owed: BTreeSet<Job> = jobs.iter().copied().collect();
        self.attempts.retain(|job, attempt| {
            attempt.running || matches!(job, Job::Send(..)) || owed.contains(job)
        });
        self.forget_unqueued();
        for job in self.sendings().into_iter().chain(jobs) {
            let known = self.attempts.get(&job).copied();
            if known.is_some_and(|attempt| attempt.running || attempt.waits(turn.now)) {
                continue;
            }
            let held_up = self.another_version_runs(job)
                || self.another_holds(job)
                || self.another_has_parcel(job);
            if !self.may_begin(job) || held_up {
                continue;
            }
            let Some(effect) = self.effect_of(job) else {
                continue;
            };
            let attempt = known.map_or(Attempt::FIRST, |attempt| Attempt {
                running: true,
                ..attempt
            });
            self.attempts.insert(job, attempt);
            turn.effect(effect);
        }
    }

    /// Whether another version of the same report is being fetched. It may be a preliminary that a
    /// final has just replaced: the final waits for its end, so that it comes to lie on top.
    fn another_version_runs(&self, job: Job) -> bool {
        let Job::ReceiveReport(case, _) = job else {
            return false;
        };
        let versions = Job::ReceiveReport(case, 0)..=Job::ReceiveReport(case, u32::MAX);
        let mut running = self.attempts.range(versions).filter(|(_, at)| at.running);
        running.any(|(other, _)| *other != job)
    }

    /// Whether a study is being removed that is to be fetched again, or the other way round.
    fn another_holds(&self, job: Job) -> bool {
        let runs = |other: Job| self.attempts.get(&other).is_some_and(|at| at.running);
        match job {
            Job::ReceiveStudy(case) => runs(Job::RemoveStudy(case)),
            Job::RemoveStudy(case) => runs(Job::ReceiveStudy(case)) || runs(Job::StoreStudy(case)),
            Job::Send(..)
            | Job::StoreStudy(_)
            | Job::ReceiveReport(..)
            | Job::ListPriors(_)
            | Job::FindPrior(..)
            | Job::ReceivePrior(..)
            | Job::StorePrior(..)
            | Job::RemovePrior(..) => false,
        }
    }

    /// The effect that begins a job; none while its partner is not connected or a key is missing.
    fn effect_of(&self, job: Job) -> Option<Effect> {
        match job {
            Job::Send(to, id) => {
                let node = self.is_connected(to)?;
                let outgoing = self
                    .state
                    .outbox
                    .get(&to)?
                    .iter()
                    .find(|outgoing| outgoing.id == id)?;
                Some(Effect::Send {
                    to,
                    node,
                    id,
                    bytes: outgoing.bytes.clone(),
                })
            }
            Job::ReceiveStudy(case) => {
                let (from, grant, key) = self.granted_study(case)?;
                Some(Effect::ReceiveStudy {
                    case,
                    shared: self.shared(case, from),
                    from,
                    node: self
                        .is_connected(from)
                        .or_else(|| self.is_carried(case, from))?,
                    priority: self.priority(case),
                    grant,
                    key,
                })
            }
            Job::StoreStudy(case) => {
                let (from, grant, key) = self.granted_study(case)?;
                Some(Effect::StoreStudy {
                    case,
                    from,
                    grant,
                    key,
                })
            }
            Job::RemoveStudy(case) => self.removal(case),
            Job::ListPriors(_)
            | Job::FindPrior(..)
            | Job::ReceivePrior(..)
            | Job::StorePrior(..)
            | Job::RemovePrior(..) => self.prior_effect(job),
            Job::ReceiveReport(case, version) => {
                let thread = self.state.requests.get(&case)?.booked()?;
                let issued = thread.phase().versions()?.numbered(version)?.issued.clone();
                let key = self
                    .vault
                    .content
                    .get(&issued.grant.manifest.parcel)?
                    .duplicate();
                let from = thread.reader();
                Some(Effect::ReceiveReport {
                    case,
                    from,
                    node: self.is_connected(from)?,
                    issued,
                    revocations: self.revoked_by(from),
                    key,
                })
            }
        }
    }

    /// The node of a partner that need not be connected: what it would send lies here already.
    fn is_carried(&self, case: CaseId, from: SiteId) -> Option<NodeId> {
        let partner = self.partner_in_force(from)?;
        self.carried.contains(&case).then_some(partner.node)
    }

    fn granted_study(&self, case: CaseId) -> Option<(SiteId, Grant, ContentKey)> {
        let thread = &self.state.readings.get(&case)?.thread;
        let grant = thread.phase().grant()?.clone();
        let key = self.vault.content.get(&grant.manifest.parcel)?.duplicate();
        Some((thread.requester(), grant, key))
    }

    /// How urgent a case is that this site reads.
    pub(crate) fn priority(&self, case: CaseId) -> Priority {
        let reading = self.state.readings.get(&case);
        let offer = reading.and_then(|reading| reading.thread.phase().offer());
        offer.map_or(Priority::Routine, |offer| offer.terms.priority)
    }

    /// The studies that are owed and not here whole: of each its case, who granted it, what was granted, and its key.
    pub fn incomplete(&self) -> Vec<(CaseId, SiteId, Grant, ContentKey)> {
        let readings = self.state.readings.iter();
        let owed = readings.filter(|(case, reading)| {
            reading_job(**case, reading, self.now) == Some(Job::ReceiveStudy(**case))
        });
        owed.filter_map(|(case, _)| {
            let (from, grant, key) = self.granted_study(*case)?;
            Some((*case, from, grant, key))
        })
        .collect()
    }

    pub(crate) fn job_ended(&mut self, turn: &mut Turn, job: Job, outcome: Outcome) {
        let Some(attempt) = self.attempts.remove(&job) else {
            return;
        };
        if let Job::ReceiveStudy(case) = job {
            self.carried.remove(&case);
        }
        // A node that does not act signs nothing, and what ends meanwhile would be signed for: it is
        // owed again when the node acts again.
        let signs = !matches!(job, Job::Send(..));
        if !self.is_owed(job) || signs && self.halt().is_some() {
            return;
        }
        match outcome {
            Outcome::Failed(trouble) => {
                self.attempts.insert(job, attempt.failed(turn.now, trouble));
            }
            Outcome::Done | Outcome::Impossible => {
                self.job_done(turn, job, outcome == Outcome::Done)
            }
        }
    }

    fn job_done(&mut self, turn: &mut Turn, job: Job, well: bool) {
        match (job, well) {
            (Job::Send(site, id), true) => {
                let matter = self.matter_of(site, id);
                self.note(turn, Record::DocumentConfirmed(site, id));
                self.hurry(site, matter);
            }
            (Job::Send(site, id), false) => self.note(turn, Record::DocumentRefused(site, id)),
            (Job::ReceiveStudy(case), true) => self.note(turn, Record::StudyArrived(case)),
            (Job::ReceiveStudy(case), false) => self.study_unreadable(turn, case),
            (Job::StoreStudy(case), true) => self.note(turn, Record::StudyStored(case)),
            (Job::StoreStudy(_), false) => {
                let failed = Attempt::FIRST.failed(turn.now, Trouble::ArchiveRefused);
                self.attempts.insert(job, failed);
            }
            (Job::RemoveStudy(case), true) => self.note(turn, Record::StudyRemoved(case)),
            (Job::RemoveStudy(_), false) => {
                let failed = Attempt::FIRST.failed(turn.now, Trouble::Disk);
                self.attempts.insert(job, failed);
            }
            (Job::ReceiveReport(case, version), well) => {
                self.report_received(turn, case, version, well)
            }
            (
                Job::ListPriors(_)
                | Job::FindPrior(..)
                | Job::ReceivePrior(..)
                | Job::StorePrior(..)
                | Job::RemovePrior(..),
                well,
            ) => self.prior_job_done(turn, job, well),
        }
    }

    /// A partner is back: what waited for it is tried at once.
    pub(crate) fn connected(&mut self, node: NodeId) {
        self.connected.insert(node);
        let Some(site) = self.site_of(node) else {
            return;
        };
        let waiting: Vec<Job> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| !attempt.running)
            .map(|(job, _)| *job)
            .collect();
        for job in waiting {
            if self.partner_of(job) == Some(site) {
                self.attempts.remove(&job);
            }
        }
    }

    /// The partner that a job needs connected.
    pub(crate) fn partner_of(&self, job: Job) -> Option<SiteId> {
        match job {
            Job::Send(site, _) => Some(site),
            Job::ReceiveStudy(case) | Job::ReceivePrior(case, _) => self
                .state
                .readings
                .get(&case)
                .map(|reading| reading.thread.requester()),
            Job::StoreStudy(_)
            | Job::RemoveStudy(_)
            | Job::ListPriors(_)
            | Job::FindPrior(..)
            | Job::StorePrior(..)
            | Job::RemovePrior(..) => None,
            Job::ReceiveReport(case, _) => self
                .state
                .requests
                .get(&case)
                .and_then(|request| request.booked())
                .map(|thread| thread.reader()),
        }
    }

    /// The next moment at which something is tried again. An attempt whose moment has come and that
    /// was not begun waits for its partner to connect.
    pub(crate) fn next_attempt(&self, now: Timestamp) -> Option<Timestamp> {
        self.attempts
            .values()
            .filter(|attempt| !attempt.running && attempt.waits(now))
            .map(|attempt| attempt.not_before)
            .min()
    }

    /// Tells the node who may fetch what, when that has changed.
    pub(crate) fn permit_parcels(&mut self, turn: &mut Turn) {
        let mut permits = Vec::new();
        let mut permit = |site: SiteId, parcel: ParcelId| {
            permits.extend(self.partner_in_force(site).map(|partner| Permit {
                node: partner.node,
                parcel,
            }));
        };
        for request in self.state.requests.values() {
            for thread in request.threads.values() {
                if let Phase::HandingOver(phase) = thread.phase() {
                    permit(thread.reader(), phase.grant.manifest.parcel);
                }
            }
            if let Some(thread) = request.takes_priors() {
                let granted = request.priors.granted();
                granted.for_each(|parcel| permit(thread.reader(), parcel));
            }
        }
        for reading in self.state.readings.values() {
            let thread = &reading.thread;
            let expected = match thread.pending().is_empty() {
                true => Cow::Borrowed(thread.phase()),
                false => Cow::Owned(thread.expected()),
            };
            let versions = expected.versions().into_iter();
            for version in versions.flat_map(|versions| versions.awaited()) {
                permit(thread.requester(), version.issued.grant.manifest.parcel);
            }
        }
        permits.sort_unstable();
        permits.dedup();
        if permits != self.permitted {
            self.permitted.clone_from(&permits);
            turn.effect(Effect::Permit(permits));
        }
    }
}

/// What is owed for a case that this site reads: first the study, then its place in the archive.
/// A study that could not be opened is not fetched again at once when its release was refused.
fn reading_job(case: CaseId, reading: &Reading, now: Timestamp) -> Option<Job> {
    reading.thread.phase().grant()?;
    if reading.keeping != Keeping::Kept {
        return None;
    }
    match (reading.arrived, reading.stored) {
        (false, _) if reading.keeps_quiet(now) => None,
        (false, _) => matches!(reading.thread.expected(), Phase::HandingOver(_))
            .then_some(Job::ReceiveStudy(case)),
        (true, false) => Some(Job::StoreStudy(case)),
        (true, true) => None,
    }
}
