//! Earlier studies: what a node finds out and finds of them, and what people ask for.

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::priors::{PriorList, PriorRefusal, lies_as};
use dokuei_protocol::case::request::Keeping;
use dokuei_protocol::effect::Effect;
use dokuei_protocol::input::{Command, Job, Outcome};
use dokuei_protocol::study::manifest::ManifestReference;
use dokuei_protocol::time::Span;

use super::World;
use super::agenda::{Event, Token};
use super::performing::fits;
use super::site::{Asker, Work};
use crate::checks::Violation;
use crate::parcel;
use crate::tally::Group;

impl World {
    pub(super) fn perform_priors(&mut self, site: usize, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::ListPriors { case, .. } => {
                self.begin_looking(site, Job::ListPriors(case));
                Ok(())
            }
            Effect::FindPrior { case, number, .. } => {
                self.begin_looking(site, Job::FindPrior(case, number));
                Ok(())
            }
            Effect::ReceivePrior {
                case,
                node,
                from,
                grant,
                key,
                shared,
                ..
            } => {
                fits(&key, &grant.manifest)?;
                let (id, parcels) = (self.sites[site].id, &shared.parcels);
                self.checks.grants.both_had(id, from, parcels)?;
                let job = Job::ReceivePrior(case, grant.manifest.parcel);
                self.fetch_study(site, job, node, from, grant, key)
            }
            Effect::StorePrior {
                case, grant, key, ..
            } => {
                fits(&key, &grant.manifest)?;
                let parcel = grant.manifest.parcel;
                self.begin_shelving(site, Job::StorePrior(case, parcel), lies_as(case, parcel));
                Ok(())
            }
            Effect::RemovePrior { case, parcel } => {
                self.begin_clearing(site, Job::RemovePrior(case, parcel), parcel);
                Ok(())
            }
            _ => Err(Violation::new("setup", "an effect that no node performs")),
        }
    }

    /// An archive answers at once, or takes the better part of an hour.
    fn begin_looking(&mut self, site: usize, job: Job) {
        let token = self.work(site, Work::Priors(job));
        let most = if self.chance.percent(20) {
            2_000_000
        } else {
            5_000
        };
        let takes = self.chance.between(20, most);
        self.put(Span(takes), Event::Priors { site, token });
    }

    /// A node has found out which priors there are, or has found one; or not.
    pub(super) fn look_for_priors(&mut self, site: usize, token: Token) -> Result<(), Violation> {
        let process = self.sites[site].process.as_ref();
        let work = process.and_then(|process| process.work.get(&token));
        let Some(Work::Priors(job)) = work else {
            return Ok(());
        };
        let command = match *job {
            Job::ListPriors(case) => Command::ListPriors(case, self.list()),
            Job::FindPrior(case, number) => {
                if let Some(trouble) = self.archive_trouble(site) {
                    return self.end(site, token, Outcome::Failed(trouble));
                }
                Command::FoundPrior {
                    case,
                    number,
                    found: self.found(site, case),
                }
            }
            _ => return Err(Violation::new("setup", "no job of priors")),
        };
        self.tally.count(Group::Traffic, "priors looked for");
        self.command(site, "looks for priors", Asker::Person, command)?;
        // What ends meanwhile takes the node with it, or the work.
        self.end(site, token, Outcome::Done)
    }

    fn list(&mut self) -> PriorList {
        PriorList {
            offered: self.chance.below(4) as u16,
            sealed: self.chance.bytes().to_vec().into(),
        }
    }

    /// A study of another case, or one from the archive, or none.
    fn found(
        &mut self,
        site: usize,
        case: CaseId,
    ) -> Result<Vec<(ManifestReference, dokuei_keys::secret::ContentKey)>, PriorRefusal> {
        let refusals = PriorRefusal::ALL;
        if self.chance.percent(20) {
            return Err(self.chance.pick(refusals).unwrap_or(PriorRefusal::NotSent));
        }
        if self.chance.percent(40) {
            let service = self.sites[site].service();
            let requests = service
                .into_iter()
                .flat_map(|service| service.state().requests.values());
            let others: Vec<CaseId> = requests
                .filter(|other| other.case != case && other.keeping == Keeping::Kept)
                .map(|other| other.case)
                .collect();
            let picked = self.chance.pick(&others);
            let known = picked.and_then(|other| {
                let service = self.sites[site].service()?;
                let manifest = service.state().requests.get(&other)?.manifest.clone();
                let key = service.content_key(manifest.parcel)?.duplicate();
                Some((manifest, key))
            });
            return known.map(|known| vec![known]).ok_or(PriorRefusal::NotKept);
        }
        let id = self.sites[site].id;
        let mut parts = Vec::new();
        for _ in 0..self.chance.between(1, 2) {
            let (manifest, reference, key) = parcel::study(&mut self.chance, id);
            let studies = &mut self.sites[site].store.studies;
            studies.insert(reference.parcel, manifest);
            parts.push((reference, key));
        }
        Ok(parts)
    }

    /// Who reads asks for priors, now and then for some that were not offered.
    pub(super) fn ask_for_priors(&mut self, site: usize, case: CaseId) -> Result<(), Violation> {
        let count = self.chance.between(1, 3);
        let numbers = (0..count)
            .map(|_| self.chance.between(1, 3) as u16)
            .collect();
        self.person(site, "asks for priors", Command::AskPriors(case, numbers))
    }
}
