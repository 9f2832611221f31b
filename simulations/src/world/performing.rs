//! What a node does when the service says so.

use dokuei_keys::id::ParcelId;
use dokuei_keys::sealed;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect, Member, Permit};
use dokuei_protocol::input::{Input, Job, Ticket};
use dokuei_protocol::time::{Span, Timestamp};

use super::World;
use super::agenda::{Body, Copy, Event, Message};
use super::site::{Asker, Work};
use crate::checks::{Violation, bounds};
use crate::tally::Group;

impl World {
    /// Performs one effect. The node may not run any more when an effect before has ended it.
    pub(super) fn perform(&mut self, site: usize, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Admit(members) => self.admit(site, &members),
            // Whom the node bars it does not admit either, and pairing with it fails.
            Effect::Bar(_) => Ok(()),
            Effect::Permit(permits) => self.permit(site, permits),
            Effect::OpenPairing(until) => {
                self.set_pairing(site, Some(until));
                Ok(())
            }
            Effect::ClosePairing => {
                self.set_pairing(site, None);
                Ok(())
            }
            Effect::AnswerPairing(ticket, frame) => {
                self.reply(site, ticket, Body::CallAnswer(frame))
            }
            Effect::CallInviter { addresses, frame } => {
                self.call(site, &addresses, frame);
                Ok(())
            }
            Effect::Send {
                to,
                node,
                id,
                bytes,
            } => {
                let (owner, partner) = (self.sites[site].id, to);
                self.checks.grants.is_partner(owner, partner, "sends to")?;
                let Some(peer) = self.site_at(node) else {
                    return Err(Violation::new(
                        "grants",
                        "a document goes to an unknown node",
                    ));
                };
                let job = Job::Send(to, id);
                self.exchange(
                    site,
                    peer,
                    Work::Send { peer, job },
                    Body::Document {
                        bytes,
                        copy: Copy::Original,
                    },
                );
                Ok(())
            }
            Effect::AnswerDocument(ticket, answer) => self.answer_document(site, ticket, answer),
            Effect::AskSync(node, bytes) => {
                let Some(peer) = self.site_at(node) else {
                    return Err(Violation::new("grants", "an unknown node is asked"));
                };
                let other = self.sites[peer].id;
                self.checks
                    .grants
                    .is_partner(self.sites[site].id, other, "asks")?;
                self.exchange(site, peer, Work::Sync { peer }, Body::SyncAsk(bytes));
                Ok(())
            }
            Effect::AnswerSync(ticket, bytes) => self.reply(site, ticket, Body::SyncAnswer(bytes)),
            Effect::Answer(ticket, answer) => {
                self.answered(site, ticket, answer);
                Ok(())
            }
            Effect::Wake(at) => self.set_wake(site, at),
            job => self.perform_job(site, job),
        }
    }

    fn perform_job(&mut self, site: usize, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::ReceiveStudy {
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
                self.fetch_study(site, Job::ReceiveStudy(case), node, from, grant, key)
            }
            Effect::StoreStudy {
                case, grant, key, ..
            } => {
                fits(&key, &grant.manifest)?;
                self.begin_shelving(site, Job::StoreStudy(case), case);
                Ok(())
            }
            Effect::RemoveStudy { case, parcel } => {
                self.begin_clearing(site, Job::RemoveStudy(case), parcel);
                Ok(())
            }
            Effect::ReceiveReport {
                case,
                node,
                issued,
                key,
                ..
            } => {
                fits(&key, &issued.grant.manifest)?;
                let Some(peer) = self.site_at(node) else {
                    return Err(Violation::new("grants", "a report is fetched from nowhere"));
                };
                let issued = Box::new(issued);
                let token = self.work(site, Work::Report { peer, case, issued });
                let takes = self.chance.between(20, 8_000);
                self.put(Span(takes), Event::Report { site, token });
                Ok(())
            }
            of_priors => self.perform_priors(site, of_priors),
        }
    }

    pub(super) fn begin_shelving(&mut self, site: usize, job: Job, name: CaseId) {
        let token = self.work(site, Work::Shelve { job, name });
        let takes = self.chance.between(20, 5_000);
        self.put(Span(takes), Event::Shelve { site, token });
    }

    pub(super) fn begin_clearing(&mut self, site: usize, job: Job, parcel: ParcelId) {
        let token = self.work(site, Work::Clear { job, parcel });
        let takes = self.chance.between(5, 3_000);
        self.put(Span(takes), Event::Clear { site, token });
    }

    /// Notes something that is under way from now on.
    pub(super) fn work(&mut self, site: usize, work: Work) -> u64 {
        let token = self.token();
        if let Some(process) = &mut self.sites[site].process {
            process.work.insert(token, work);
        }
        token
    }

    fn admit(&mut self, site: usize, members: &[Member]) -> Result<(), Violation> {
        let id = self.sites[site].id;
        for member in members {
            self.checks.grants.is_partner(id, member.site, "admits")?;
        }
        if let Some(process) = &mut self.sites[site].process {
            process.admitted = members.iter().map(|member| member.node).collect();
        }
        self.relink_all(site);
        Ok(())
    }

    fn permit(&mut self, site: usize, permits: Vec<Permit>) -> Result<(), Violation> {
        let id = self.sites[site].id;
        for permit in &permits {
            let Some(other) = self.site_at(permit.node) else {
                return Err(Violation::new("grants", "a parcel is handed out to nobody"));
            };
            let other = self.sites[other].id;
            match self.checks.priors.may_fetch(id, other, permit.parcel) {
                true => self.checks.grants.is_partner(id, other, "hands out to")?,
                false => self.checks.grants.may_fetch(id, other, permit.parcel)?,
            }
        }
        if let Some(process) = &mut self.sites[site].process {
            process.permits = permits.into_iter().collect();
        }
        Ok(())
    }

    fn set_pairing(&mut self, site: usize, until: Option<Timestamp>) {
        if let Some(process) = &mut self.sites[site].process {
            process.pairing_until = until;
        }
    }

    fn set_wake(&mut self, site: usize, at: Timestamp) -> Result<(), Violation> {
        let now = self.clock(site);
        bounds::wakes_later(at, now)?;
        let Some(process) = &mut self.sites[site].process else {
            return Ok(());
        };
        process.generation += 1;
        let generation = process.generation;
        let sleeps = at.since(now).min(self.weather.sleep);
        self.put(sleeps, Event::Wake { site, generation });
        Ok(())
    }

    /// A clock was set right: a node that trusts its service entirely would sleep on by the old time.
    pub(super) fn look_at_the_clock(&mut self, site: usize) {
        if let Some(process) = &self.sites[site].process {
            let generation = process.generation;
            self.put(Span::SECOND, Event::Wake { site, generation });
        }
    }

    pub(super) fn wake(&mut self, site: usize, generation: u64) -> Result<(), Violation> {
        let process = self.sites[site].process.as_ref();
        if process.is_some_and(|process| process.generation == generation) {
            self.feed(site, "wake", Input::Tick)?;
        }
        Ok(())
    }

    /// Sends an answer to whoever waits for a ticket.
    fn reply(&mut self, site: usize, ticket: Ticket, body: Body) -> Result<(), Violation> {
        let process = self.sites[site].process.as_mut();
        let Some(asker) = process.and_then(|process| process.askers.remove(&ticket)) else {
            return Err(Violation::new(
                "setup",
                "something is answered that nobody asked",
            ));
        };
        let (to, token, epoch) = match asker {
            Asker::Sender {
                peer, token, epoch, ..
            }
            | Asker::Sync { peer, token, epoch } => (peer, token, epoch),
            Asker::Caller { peer, token } => (peer, token, None),
            Asker::Inviter { .. } | Asker::Person => return Ok(()),
        };
        self.post(Message {
            from: site,
            to,
            epoch,
            token,
            body,
        });
        Ok(())
    }

    fn answer_document(
        &mut self,
        site: usize,
        ticket: Ticket,
        answer: DocumentAnswer,
    ) -> Result<(), Violation> {
        let process = self.sites[site].process.as_ref();
        let asker = process.and_then(|process| process.askers.get(&ticket));
        if let Some(Asker::Sender { forged: true, .. }) = asker {
            self.tally.count(Group::Checks, "forgeries");
            if answer == DocumentAnswer::Accepted {
                let what = format!("site {site} accepts a forged document");
                return Err(Violation::new("chains", what));
            }
        }
        self.reply(site, ticket, Body::Answer(answer))
    }

    fn answered(&mut self, site: usize, ticket: Ticket, answer: Result<Answer, CannotDo>) {
        let process = self.sites[site].process.as_mut();
        let asker = process.and_then(|process| process.askers.remove(&ticket));
        self.say(|| match &answer {
            Ok(Answer::Invited { .. }) => format!("site {site}: an invitation is open"),
            answer => format!("site {site}: answers {answer:?}"),
        });
        let count = match &answer {
            Ok(_) => "commands done",
            Err(_) => "commands refused",
        };
        self.tally.count(Group::People, count);
        if let (Some(Asker::Inviter { accepter }), Ok(Answer::Invited { secret, .. })) =
            (asker, answer)
        {
            let takes = self.chance.between(20, 400);
            let inviter = site;
            self.put(
                Span::SECOND.times(takes),
                Event::Accept {
                    inviter,
                    accepter,
                    secret,
                },
            );
        }
    }
}

/// The key that came with a grant opens what was granted.
pub(super) fn fits(
    key: &dokuei_keys::secret::ContentKey,
    manifest: &dokuei_protocol::study::manifest::ManifestReference,
) -> Result<(), Violation> {
    if sealed::commitment(key, &manifest.parcel) == manifest.commitment {
        Ok(())
    } else {
        Err(Violation::new(
            "custody",
            "a key does not open what was granted",
        ))
    }
}
