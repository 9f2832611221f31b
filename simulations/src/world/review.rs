//! Looking at everybody: what each holds, whether two agree, and whether all has come to rest.

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{ReaderEvent, RequesterEvent};
use dokuei_protocol::case::phase::Phase;
use dokuei_protocol::case::priors::PriorGiven;
use dokuei_protocol::case::request::Keeping;
use dokuei_protocol::case::thread::Thread;
use dokuei_protocol::service::views::{CaseView, Side, Waiting};
use dokuei_protocol::service::{Quoting, Service};
use dokuei_protocol::time::Span;

use super::agenda::Event;
use super::site::{Process, Work};
use super::{REST, World};
use crate::checks::Violation;
use crate::checks::bounds::Load;
use crate::checks::chains::Chains;
use crate::checks::liveness::{self, Rest};
use crate::checks::retention;
use crate::checks::waiting::Situation;
use crate::chronicle::Fact;
use crate::tally::Group;

impl World {
    pub(super) fn load(&self, process: &Process) -> Load {
        let state = process.service.state();
        let mut sending = vec![0; self.sites.len()];
        for work in process.work.values() {
            if let Work::Send { peer, .. } = work {
                sending[*peer] += 1;
            }
        }
        let readings = state.readings.values().map(|reading| &reading.thread);
        let requests = state.requests.values();
        let asked = requests.flat_map(|request| request.threads.values());
        let queues = state.outbox.values().map(|queue| queue.len());
        Load {
            outbox: queues.max().unwrap_or_default(),
            pending: readings
                .map(|thread| thread.pending().len())
                .max()
                .unwrap_or_default(),
            vain: asked.map(in_vain).max().unwrap_or_default(),
            sending: sending.into_iter().max().unwrap_or_default(),
            contradictions: process.service.contradictions(),
            halted: process.service.halt().is_some(),
        }
    }

    /// Compares both sides' chains after a link has arrived at `site`, and whether a reader that the
    /// chain says holds a study does.
    pub(super) fn compare_chains(&mut self, site: usize, fact: &Fact) -> Result<(), Violation> {
        let Fact::LinkReceived(_, link) = fact else {
            return Ok(());
        };
        let here = &self.sites[site];
        let Some(reading) = here
            .service()
            .and_then(|service| service.state().readings.get(&link.case))
        else {
            return Err(Violation::new(
                "chains",
                "a link arrived and nothing is read",
            ));
        };
        let says_held = matches!(
            reading.thread.phase(),
            Phase::Received(_) | Phase::Claimed(_) | Phase::Reported(_)
        );
        let parcel = reading
            .thread
            .phase()
            .grant()
            .map(|grant| grant.manifest.parcel);
        if says_held && !parcel.is_some_and(|parcel| here.store.holds(parcel)) {
            let what = format!(
                "{:?}: the chain says that a study is held that is not",
                link.case
            );
            return Err(Violation::new("custody", what));
        }
        let requester = self.site_of(link.requester);
        let thread = requester
            .and_then(|requester| self.sites[requester].service())
            .and_then(|service| service.state().requests.get(&link.case))
            .and_then(|request| request.threads.get(&link.reader));
        if let Some(thread) = thread {
            Chains::compare(thread, &reading.thread)?;
            self.tally.count(Group::Checks, "chains compared");
        }
        Ok(())
    }

    pub(super) fn count_fact(&mut self, fact: &Fact) {
        let name = match fact {
            Fact::Paired(_) => "pairings",
            Fact::Opened(_) => "cases opened",
            Fact::Pseudonymous(_) => "cases under a pseudonym",
            Fact::LinkMade(_, link) => match &link.event {
                RequesterEvent::Offered(_) => "offers",
                RequesterEvent::Booked(_) => "bookings",
                RequesterEvent::Granted(_) => "grants",
                RequesterEvent::Delivered(_) => "reports delivered",
                RequesterEvent::ReportRejected(_) => "reports rejected",
                RequesterEvent::NotAdmitted(_) => "proposals not admitted",
                _ => return,
            },
            Fact::ProposalMade(_, proposal) => match &proposal.event {
                ReaderEvent::Received(_) => "receipts",
                ReaderEvent::Reported(_) => "reports issued",
                _ => return,
            },
            Fact::PriorsOffered(..) => "priors offered",
            Fact::PriorsRequestReceived(..) => "priors asked for",
            Fact::PriorAnswered(answer) => match answer.given {
                PriorGiven::Granted(_) => "priors granted",
                PriorGiven::Refused(_) => "priors refused",
            },
            Fact::PriorArrived(..) => "priors arrived",
            Fact::Confirmed(..) => "documents confirmed",
            Fact::Refused(..) => "documents refused",
            _ => return,
        };
        self.tally.count(Group::Traffic, name);
    }

    /// A case at a site, and what is true of it; none while the requester's node does not run.
    pub(super) fn situation(&self, site: usize, view: &CaseView) -> Option<Situation> {
        let partner = view.partner.and_then(|partner| self.site_of(partner));
        let (requester, reader) = match view.side {
            Side::Requester => (site, partner),
            Side::Reader => (partner?, Some(site)),
        };
        let asked = self.sites[requester].service()?;
        let thread = reader.and_then(|reader| {
            let request = asked.state().requests.get(&view.case)?;
            request.threads.get(&self.sites[reader].id)
        });
        let stored = reader.is_some_and(|reader| self.is_stored(reader, view.case));
        let agreed = reader.is_some_and(|reader| {
            let partner = asked.state().partners.get(&self.sites[reader].id);
            partner.is_some_and(|partner| partner.agreement(self.clock(requester)).is_some())
        });
        let parted = reader.is_none_or(|reader| !self.are_partners(requester, reader));
        let by_hand = reader.is_some_and(|reader| self.sites[reader].quoting == Quoting::ByHand);
        let reader_gone = reader.is_some_and(|reader| self.sites[reader].staff.reader_leaves);
        let person_gone = match view.waiting {
            Waiting::Acknowledgement | Waiting::AcknowledgementHere => {
                self.sites[requester].staff.doctor_leaves
            }
            Waiting::Quote | Waiting::QuoteHere => reader_gone && by_hand,
            _ => reader_gone,
        };
        let returns = &self.checks.returns;
        Some(Situation {
            side: view.side,
            waiting: view.waiting,
            phase: thread.map_or("draft", |thread| thread.phase().code()),
            connected: partner.is_some_and(|partner| self.believes(site, partner).is_some()),
            stored,
            agreed,
            person_gone,
            parted,
            given_back: returns.is_given_back(self.sites[requester].id, view.case),
            cancelled: returns.is_cancelled(self.sites[requester].id, view.case),
        })
    }

    fn is_stored(&self, reader: usize, case: CaseId) -> bool {
        let service = self.sites[reader].service();
        let reading = service.and_then(|service| service.state().readings.get(&case));
        reading.is_some_and(|reading| reading.stored)
    }

    /// Whether all has come to rest. If not, it is looked at again, for a while.
    pub(super) fn review(&mut self) -> Result<bool, Violation> {
        let sites = 0..self.sites.len();
        let rests: Vec<Rest> = sites.map(|site| self.rest(site)).collect();
        match rests.iter().try_for_each(liveness::at_rest) {
            Ok(()) => self.conclude().map(|()| true),
            Err(violation) => {
                let since = self.calm_since.unwrap_or(self.now);
                if self.now.since(since) > REST {
                    return Err(violation);
                }
                self.put(Span::HOUR, Event::Review);
                Ok(false)
            }
        }
    }

    fn rest(&self, site: usize) -> Rest {
        let here = &self.sites[site];
        let name = here.name.clone();
        let Some(process) = &here.process else {
            return Rest {
                site: name,
                ..Rest::default()
            };
        };
        let service = &process.service;
        let reachable = service.state().outbox.iter().filter(|(partner, _)| {
            let other = self.site_of(**partner);
            other.is_some_and(|other| self.are_partners(site, other))
        });
        let views = service.cases();
        Rest {
            site: name,
            running: true,
            queued: reachable.map(|(_, queue)| queue.len()).sum(),
            jobs: process
                .work
                .values()
                .filter(|work| work.job().is_some())
                .count(),
            cases: views
                .iter()
                .filter_map(|view| self.situation(site, view))
                .collect(),
            missing: here
                .wanted
                .iter()
                .filter(|other| !self.are_paired(site, **other))
                .count(),
        }
    }

    /// The last look: every disk gives back what is lived through, and how every case ended.
    fn conclude(&mut self) -> Result<(), Violation> {
        for site in 0..self.sites.len() {
            let seed = self.chance.secret();
            let mut replayed = self.sites[site].boot(&seed).service;
            for entry in self.sites[site].store.entries() {
                let taken = replayed.replay(entry);
                taken.map_err(|broken| Violation::new("replay", broken.to_string()))?;
            }
            let Some(service) = self.sites[site].service() else {
                continue;
            };
            if replayed.state() != service.state() {
                let what = format!("the log of site {site} tells something else than it lives");
                return Err(Violation::new("replay", what));
            }
            let state = service.state();
            let asked = state
                .requests
                .values()
                .map(|request| (request.case, Some(request.manifest.parcel), request.keeping));
            let read = state
                .readings
                .iter()
                .map(|(case, reading)| (*case, reading.parcel, reading.keeping));
            let is_prior = |parcel| {
                let mut readings = state.readings.values();
                let mut requests = state.requests.values();
                readings.any(|reading| reading.priors.held.contains_key(&parcel))
                    || requests.any(|request| {
                        let mut priors = request.priors.parcels();
                        request.takes_priors().is_some() && priors.any(|prior| prior == parcel)
                    })
            };
            self.priors_at_rest(site, service)?;
            for (case, parcel, keeping) in asked.chain(read) {
                // Of what was removed as the study of one case something lies here again as a prior of another.
                let Some(parcel) = parcel.filter(|parcel| !is_prior(*parcel)) else {
                    continue;
                };
                let holding = retention::Holding {
                    keeping,
                    until: service.kept_until(case),
                    key: service.content_key(parcel).is_some(),
                    objects: self.sites[site].store.has_some(parcel),
                };
                retention::at_rest(&holding, self.clock(site))?;
            }
            let codes: Vec<_> = service
                .state()
                .requests
                .values()
                .map(|request| request.code())
                .collect();
            let entries = service.state().head().length;
            self.tally.count(Group::Checks, "replays");
            self.tally.add(Group::Run, "log entries", entries);
            for code in codes {
                self.tally.count(Group::Cases, code);
            }
        }
        Ok(())
    }

    /// Of priors nothing is left when their case's study is gone.
    fn priors_at_rest(&self, site: usize, service: &Service) -> Result<(), Violation> {
        let state = service.state();
        let is_kept = |parcel| {
            let mut readings = state.readings.values();
            readings.any(|reading| {
                let prior = reading.priors.held.get(&parcel);
                reading.parcel == Some(parcel) && reading.keeping == Keeping::Kept
                    || prior.is_some_and(|prior| prior.keeping == Keeping::Kept)
            })
        };
        for reading in state.readings.values() {
            for (parcel, prior) in &reading.priors.held {
                // What is kept for another case as well goes with the last of them.
                if prior.keeping == Keeping::KeyDestroyed && is_kept(*parcel) {
                    continue;
                }
                let holding = retention::Holding {
                    keeping: match (reading.keeping, prior.keeping) {
                        (Keeping::Kept, keeping) => keeping,
                        (_, _) => Keeping::KeyDestroyed,
                    },
                    until: None,
                    key: service.content_key(*parcel).is_some(),
                    objects: self.sites[site].store.has_some(*parcel),
                };
                retention::at_rest(&holding, self.clock(site))?;
            }
        }
        Ok(())
    }
}

/// Proposals of a thread that were not admitted.
fn in_vain(thread: &Thread) -> usize {
    let told = thread.timeline().iter();
    told.filter(|line| line.what == "not-admitted").count()
}
