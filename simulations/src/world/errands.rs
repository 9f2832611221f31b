//! People who make partners of their sites, and part.

use dokuei_protocol::input::Command;
use dokuei_protocol::limits;
use dokuei_protocol::partner::agreement::Naming;
use dokuei_protocol::time::Span;

use super::agenda::Event;
use super::site::Asker;
use super::{START, World};
use crate::checks::Violation;
use crate::tally::Group;

/// By then the agreements that were made in the first hours of a run have run out.
const RUN_OUT: Span = Span(limits::AGREEMENT_TERM.0 + Span::HOUR.times(4).0);

/// What a pair of sites agrees on: every third pair lets studies travel under a pseudonym only, and stays with that.
fn naming_between(a: usize, b: usize) -> Naming {
    match (a + b).is_multiple_of(3) {
        true => Naming::Pseudonymous,
        false => Naming::Identified,
    }
}

impl World {
    /// Whether a site has another as a partner, and an agreement with it in force.
    fn knows(&self, a: usize, b: usize) -> (bool, bool) {
        let service = self.sites[a].service();
        let partner = service.and_then(|service| service.state().partners.get(&self.sites[b].id));
        let agreed = partner.is_some_and(|partner| partner.agreement(self.clock(a)).is_some());
        (partner.is_some(), agreed)
    }

    /// Whether two sites are partners of each other.
    pub(super) fn are_partners(&self, a: usize, b: usize) -> bool {
        self.knows(a, b).0 && self.knows(b, a).0
    }

    /// Whether two sites are what they want to be.
    pub(super) fn are_paired(&self, a: usize, b: usize) -> bool {
        self.knows(a, b) == (true, true) && self.knows(b, a) == (true, true)
    }

    /// One person invites, in order to tell the other the code; again until it has worked.
    pub(super) fn pair(&mut self, inviter: usize, accepter: usize) -> Result<(), Violation> {
        let wanted = self.sites[inviter].wanted.contains(&accepter);
        let (paired, year) = (
            self.are_paired(inviter, accepter),
            self.weather.begins.0 > 0,
        );
        // In a run that sees agreements run out, people keep an eye on them until they have.
        if !wanted || paired && !(year && self.now < START.after(RUN_OUT)) {
            return Ok(());
        }
        // While nobody can be reached for months, people try twice a day.
        let quiet = self.now < START.after(self.weather.begins);
        let again = match quiet && self.now > START.after(Span::HOUR.times(3)) {
            true => Span::HOUR.times(12),
            false => Span::MINUTE.times(self.chance.between(20, 40)),
        };
        self.put(again, Event::Pair { inviter, accepter });
        // The acceptance may still be on its way: people give it some time.
        let hurry = if self.is_calm() { 50 } else { 10 };
        if paired || self.are_partners(inviter, accepter) && !self.chance.percent(hurry) {
            return Ok(());
        }
        let command = Command::Invite {
            addresses: vec![self.sites[inviter].address()],
            retention_days: self.chance.pick(&[0, 1, 2, 30]).unwrap_or(30),
            naming: naming_between(inviter, accepter),
        };
        self.command(inviter, "invites", Asker::Inviter { accepter }, command)
    }

    /// The other types the code in; now and then wrongly.
    pub(super) fn accept(
        &mut self,
        inviter: usize,
        accepter: usize,
        secret: String,
    ) -> Result<(), Violation> {
        let secret = if self.chance.percent(5) {
            "00000-00000-00000-00000".to_owned()
        } else {
            secret
        };
        let command = Command::Accept {
            addresses: vec![self.sites[inviter].address()],
            secret,
        };
        self.tally.count(Group::People, "pairings tried");
        self.command(accepter, "accepts an invitation", Asker::Person, command)
    }

    /// A partner is removed: for some hours, or for good; then the other side may do the same.
    pub(super) fn remove(&mut self, site: usize, partner: usize) -> Result<(), Violation> {
        let command = Command::RemovePartner(self.sites[partner].id);
        self.tally.count(Group::People, "removals");
        self.command(site, "removes a partner", Asker::Person, command)?;
        if !self.sites[site].wanted.contains(&partner) {
            return Ok(());
        }
        let later = Span::MINUTE.times(self.chance.between(20, 600));
        if self.chance.percent(60) {
            let (inviter, accepter) = if self.chance.percent(50) {
                (site, partner)
            } else {
                (partner, site)
            };
            self.put(later, Event::Pair { inviter, accepter });
            return Ok(());
        }
        self.sites[site].wanted.remove(&partner);
        self.sites[partner].wanted.remove(&site);
        if self.chance.percent(50) {
            let (site, partner) = (partner, site);
            self.put(later, Event::Remove { site, partner });
        }
        Ok(())
    }
}
