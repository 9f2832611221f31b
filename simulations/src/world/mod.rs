//! Everything there is in one run: sites, lines, people, faults, and the agenda that moves the clock.

mod agenda;
mod errands;
mod faults;
mod fetching;
mod lines;
mod people;
mod performing;
mod priors;
mod review;
mod site;
mod stepping;

use std::collections::BTreeMap;

use dokuei_keys::id::{NodeId, SiteId};
use dokuei_protocol::partner::announcement::OfferSlot;
use dokuei_protocol::service::Quoting;
use dokuei_protocol::time::{Span, Timestamp};

use crate::chance::Chance;
use crate::checks::{Checks, Violation};
use crate::tally::{Group, Tally};
use crate::trace::Trace;
use crate::weather::Weather;
use agenda::{Agenda, Event, Token};
use lines::Line;
use site::Site;

/// The right time at the beginning of every run: 2027-01-15, about noon in Tokyo.
const START: Timestamp = Timestamp(1_800_000_000_000);
/// Virtual time after the faults within which everything must come to rest. An offer may stand for a
/// day, a prekey of a wrong clock may have to become valid, announcements are asked for hourly.
const REST: Span = Span::DAY.times(6);
/// More steps than any run needs: more means that sites talk in circles.
const STEPS_MOST: u64 = 400_000;
/// More steps at one and the same moment than any run needs.
const STEPS_AT_ONCE: u64 = 3_000;

/// One run.
pub(crate) struct World {
    now: Timestamp,
    chance: Chance,
    agenda: Agenda,
    sites: Vec<Site>,
    lines: BTreeMap<(usize, usize), Line>,
    weather: Weather,
    calm_since: Option<Timestamp>,
    checks: Checks,
    trace: Trace,
    tally: Tally,
    tokens: Token,
    steps: u64,
    at_once: u64,
    loud: bool,
}

/// How a run ended.
pub(crate) struct Ending {
    /// What was counted.
    pub(crate) tally: Tally,
    /// The digest over everything that happened.
    pub(crate) trace: Trace,
    /// Virtual time from the beginning to the end.
    pub(crate) lasted: Span,
    /// The rule that did not hold, if one did not.
    pub(crate) violation: Option<Violation>,
}

impl World {
    /// The world of a seed. When `loud`, it tells what happens as it happens.
    ///
    /// # Errors
    /// When a site's own certificates cannot be made.
    pub(crate) fn new(seed: u64, loud: bool) -> Result<World, Violation> {
        let mut chance = Chance::new(seed);
        let count = chance.between(2, 6) as usize;
        let mut weather = Weather::draw(&mut chance);
        // Certificates were made long ago, or just now, so that they outlast the agreements.
        let mut certified = Span::DAY.times(10);
        if chance.percent(5) {
            weather = weather.at_the_end_of_the_year();
            certified = Span::HOUR;
        }
        let mut sites = Vec::new();
        for index in 0..count {
            let site = Site::new(&mut chance, index, START, certified)
                .map_err(|refused| Violation::new("setup", refused.to_string()))?;
            sites.push(site);
        }
        let mut world = World {
            now: START,
            chance,
            agenda: Agenda::default(),
            sites,
            lines: BTreeMap::new(),
            weather,
            calm_since: None,
            checks: Checks::default(),
            trace: Trace::default(),
            tally: Tally::default(),
            tokens: 0,
            steps: 0,
            at_once: 0,
            loud,
        };
        world.cast();
        world.plan_faults();
        Ok(world)
    }

    /// Gives everybody a part: who asks, who reads what, who knows whom.
    fn cast(&mut self) {
        let count = self.sites.len();
        for index in 0..count {
            // The first always asks, the second always reads: every run has somebody to work with.
            let part = match index {
                0 => self.chance.pick(&[0, 2, 2]),
                1 => self.chance.pick(&[1, 2, 2]),
                _ => self.chance.pick(&[0, 1, 1, 2]),
            };
            let part = part.unwrap_or(2);
            self.sites[index].asks = part != 1;
            if part != 0 {
                self.sites[index].slots = self.draw_slots();
            }
            let (id, slots) = (self.sites[index].id, self.sites[index].slots.clone());
            match self.chance.percent(15) {
                true => self.sites[index].quoting = Quoting::ByHand,
                false => self.checks.places.offers(id, slots),
            }
            let start = self.chance.below(10_000);
            self.put(Span(start), Event::Start(index));
            let look = self.weather.begins.0 + Span::MINUTE.times(self.chance.between(30, 60)).0;
            self.put(Span(look), Event::Look(index));
        }
        for a in 0..count {
            for b in a + 1..count {
                let useful = self.sites[a].asks && !self.sites[b].slots.is_empty()
                    || self.sites[b].asks && !self.sites[a].slots.is_empty();
                if (a, b) == (0, 1) || useful && self.chance.percent(70) {
                    self.acquaint(a, b);
                }
            }
        }
    }

    fn acquaint(&mut self, a: usize, b: usize) {
        self.sites[a].wanted.insert(b);
        self.sites[b].wanted.insert(a);
        let (inviter, accepter) = if self.chance.percent(50) {
            (a, b)
        } else {
            (b, a)
        };
        let at = self.chance.between(1, 30);
        self.put(Span::MINUTE.times(at), Event::Pair { inviter, accepter });
    }

    fn draw_slots(&mut self) -> Vec<OfferSlot> {
        use dokuei_protocol::case::terms::{Modality, Priority, Specialty};
        let modalities = [Modality::Ct, Modality::Mr];
        let taken = self.chance.between(1, 2) as usize;
        let slot = |modality, per_day| OfferSlot {
            modality,
            specialty: Specialty::Chest,
            priority: Priority::Urgent,
            per_day,
            hours: 8,
        };
        modalities[..taken]
            .iter()
            .map(|modality| slot(*modality, self.chance.between(1, 8) as u16))
            .collect()
    }

    /// Lives through everything.
    pub(crate) fn run(mut self) -> Ending {
        let violation = self.live().err();
        let lasted = self.now.since(START);
        self.tally.add(Group::Run, "steps", self.steps);
        self.tally
            .add(Group::Run, "virtual hours", lasted.0 / Span::HOUR.0);
        self.tally.add(Group::Run, "sites", self.sites.len() as u64);
        Ending {
            tally: self.tally,
            trace: self.trace,
            lasted,
            violation,
        }
    }

    fn live(&mut self) -> Result<(), Violation> {
        while let Some((at, event)) = self.agenda.next() {
            if at > self.now {
                (self.now, self.at_once) = (at, 0);
            }
            if self.steps > STEPS_MOST || self.at_once > STEPS_AT_ONCE {
                return Err(Violation::new("bounds", "the sites talk in circles"));
            }
            if self.happen(event)? {
                return Ok(());
            }
        }
        Err(Violation::new("liveness", "nothing is left to happen"))
    }

    /// Lets something happen; true when all has come to rest.
    fn happen(&mut self, event: Event) -> Result<bool, Violation> {
        match event {
            Event::Wake { site, generation } => self.wake(site, generation)?,
            Event::Arrive(message) => self.arrive(message)?,
            Event::Timeout { site, token } => self.time_out(site, token)?,
            Event::Dial { a, b } => self.dial(a, b),
            Event::Notice {
                site,
                peer,
                epoch,
                up,
            } => self.notice(site, peer, epoch, up)?,
            Event::Begin { site, token } => self.begin_fetch(site, token)?,
            Event::Pack {
                site,
                token,
                stream,
                pack,
                lost,
            } => self.pack(site, token, stream, pack, lost)?,
            Event::Report { site, token } => self.fetch_report(site, token)?,
            Event::Shelve { site, token } => self.shelve(site, token)?,
            Event::Clear { site, token } => self.clear(site, token)?,
            Event::Priors { site, token } => self.look_for_priors(site, token)?,
            Event::Stop(site) => self.halt(site, None, "stops"),
            Event::Start(site) => self.start(site)?,
            Event::Cut(a, b) => self.cut(a, b, true),
            Event::Mend(a, b) => self.cut(a, b, false),
            Event::Jump(site) => self.jump(site),
            Event::ArchiveDown(site) => self.archive_goes(site, true),
            Event::ArchiveUp(site) => self.archive_goes(site, false),
            Event::Look(site) => self.look(site)?,
            Event::Open(site) => self.open(site)?,
            Event::Pair { inviter, accepter } => self.pair(inviter, accepter)?,
            Event::Accept {
                inviter,
                accepter,
                secret,
            } => self.accept(inviter, accepter, secret)?,
            Event::Remove { site, partner } => self.remove(site, partner)?,
            Event::Calm => self.becalm(),
            Event::Review => return self.review(),
        }
        Ok(false)
    }

    fn put(&mut self, after: Span, event: Event) {
        self.agenda.put(self.now.after(after), event);
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        self.tokens
    }

    fn is_calm(&self) -> bool {
        self.calm_since.is_some()
    }

    /// What a site's clock says.
    fn clock(&self, site: usize) -> Timestamp {
        Timestamp(self.now.0.saturating_add_signed(self.sites[site].ahead))
    }

    fn site_at(&self, node: NodeId) -> Option<usize> {
        self.sites.iter().position(|site| site.node == node)
    }

    fn site_of(&self, id: SiteId) -> Option<usize> {
        self.sites.iter().position(|site| site.id == id)
    }

    /// Tells what happens, when somebody listens.
    fn say(&self, what: impl FnOnce() -> String) {
        if self.loud {
            println!("{} {}", since_start(self.now.since(START)), what());
        }
    }
}

/// A span as days, hours, minutes and seconds.
pub(crate) fn since_start(span: Span) -> String {
    let seconds = span.0 / 1000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    format!(
        "{days}d {hours:02}:{minutes:02}:{rest:02}.{:03}",
        span.0 % 1000
    )
}
