//! One step of a node: decide, commit, perform; and all the ways in which it can be cut short.

use dokuei_protocol::effect::Step;
use dokuei_protocol::input::{Command, Input, Ticket};
use dokuei_protocol::state::State;
use dokuei_protocol::time::Span;

use super::World;
use super::agenda::Event;
use super::site::Asker;
use crate::checks::Violation;
use crate::checks::{bounds, custody, readers, secrets};
use crate::chronicle::Fact;
use crate::tally::Group;

/// Percent of the starts before which a certificate is renewed: often, so that every seed sees a few.
const RENEWALS: u32 = 25;
/// Once it is calm, people renew what runs out within this time: `status` warns of it.
pub(super) const WARNED: Span = Span::DAY.times(60);
/// A renewed certificate is valid from this long before: clocks are off by two days in either direction, and jump.
const BACKDATED: Span = Span::DAY.times(10);

/// How a step ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// As it should.
    Well,
    /// While its transaction is written.
    InCommit,
    /// After its transaction, before its first effect.
    AfterCommit,
    /// After so many effects.
    AfterEffects(usize),
}

/// Why the fates are named in the counts.
impl Fate {
    fn name(self) -> &'static str {
        match self {
            Fate::Well => "none",
            Fate::InCommit => "crashes in a commit",
            Fate::AfterCommit => "crashes before effects",
            Fate::AfterEffects(_) => "crashes between effects",
        }
    }
}

impl World {
    fn draw_fate(&mut self) -> Fate {
        if !self.chance.per_mille(self.weather.crash) {
            return Fate::Well;
        }
        match self.chance.below(3) {
            0 => Fate::InCommit,
            1 => Fate::AfterCommit,
            _ => Fate::AfterEffects(self.chance.between(1, 3) as usize),
        }
    }

    /// Gives a node an input. Nothing happens when it does not run.
    pub(super) fn feed(
        &mut self,
        site: usize,
        what: &'static str,
        input: Input,
    ) -> Result<(), Violation> {
        let (now, fate) = (self.clock(site), self.draw_fate());
        let Some(process) = &mut self.sites[site].process else {
            return Ok(());
        };
        let before = (fate == Fate::InCommit).then(|| process.service.state().clone());
        let step = process.service.handle(input, now);
        self.take(site, what, step, fate, before)
    }

    /// A person, or the node itself, asks for something.
    pub(super) fn command(
        &mut self,
        site: usize,
        what: &'static str,
        asker: Asker,
        command: Command,
    ) -> Result<(), Violation> {
        let ticket = Ticket(self.token());
        let Some(process) = &mut self.sites[site].process else {
            return Ok(());
        };
        process.askers.insert(ticket, asker);
        self.say(|| format!("site {site}: {what}"));
        self.feed(site, what, Input::Command(ticket, command))
    }

    fn take(
        &mut self,
        site: usize,
        what: &'static str,
        step: Step,
        fate: Fate,
        before: Option<State>,
    ) -> Result<(), Violation> {
        self.steps += 1;
        self.at_once += 1;
        let head = [self.now.0.to_be_bytes(), (site as u64).to_be_bytes()].concat();
        let counts = [
            step.effects.len() as u8,
            step.secrets.len() as u8,
            fate_byte(fate),
        ];
        let mut parts: Vec<&[u8]> = vec![&head, &counts];
        parts.extend(step.records.iter().map(Vec::as_slice));
        self.trace.add(what, &parts);
        let bytes: usize = step.records.iter().map(Vec::len).sum();
        if fate == Fate::InCommit && bytes > 0 {
            let written = self.chance.below(bytes as u64) as usize;
            self.sites[site].store.tear(&step, written);
            self.halt(site, before, fate.name());
            return Ok(());
        }
        self.sites[site].store.commit(&step);
        self.observe(site, &step)?;
        let reached = match fate {
            Fate::Well | Fate::InCommit => usize::MAX,
            Fate::AfterCommit => 0,
            Fate::AfterEffects(count) => count,
        };
        let wakes = step.effects.len();
        for (at, effect) in step.effects.into_iter().enumerate() {
            if at == reached {
                break;
            }
            self.perform(site, effect)?;
        }
        if reached <= wakes {
            self.halt(site, None, fate.name());
            return Ok(());
        }
        self.check_load(site)
    }

    /// Shows the checkers what was committed.
    fn observe(&mut self, site: usize, step: &Step) -> Result<(), Violation> {
        let (id, at) = (self.sites[site].id, self.clock(site));
        for entry in &step.records {
            self.checks.entry(id, entry)?;
            let fact = Fact::of(entry)?;
            self.checks.observe(id, at, &fact)?;
            let site = &self.sites[site];
            let granted = fact.case().and_then(|case| {
                let reading = site.service()?.state().readings.get(&case)?;
                Some(reading.thread.expected().grant()?.manifest.parcel)
            });
            readers::is_reader(&fact, site.staff.reader_id)?;
            custody::is_here(&fact, granted, &site.store, &site.archive)?;
            self.count_fact(&fact);
            if matches!(fact, Fact::LinkReceived(..)) {
                self.compare_chains(self.index_of(id), &fact)?;
            }
        }
        Ok(())
    }

    fn index_of(&self, id: dokuei_keys::id::SiteId) -> usize {
        self.site_of(id).unwrap_or_default()
    }

    fn check_load(&mut self, site: usize) -> Result<(), Violation> {
        let now = self.clock(site);
        let Some(process) = &self.sites[site].process else {
            return Ok(());
        };
        bounds::check(&self.load(process))?;
        secrets::check(self.sites[site].store.published(), now)
    }

    /// A node stops, in whatever it does. `expected` is what its state must come back to, when that is
    /// not what it has now.
    pub(super) fn halt(&mut self, site: usize, expected: Option<State>, why: &'static str) {
        let Some(process) = self.sites[site].process.take() else {
            return;
        };
        self.say(|| format!("site {site}: {why}"));
        self.tally.count(Group::Faults, why);
        let state = expected.unwrap_or_else(|| process.service.state().clone());
        self.sites[site].expected = Some(state);
        self.sites[site].store.lose_power();
        self.relink_all(site);
        let down = match self.chance.below(10) {
            0 => self.chance.between(600, 7200),
            _ => self.chance.between(1, 90),
        };
        self.put(Span::SECOND.times(down), Event::Start(site));
    }

    /// A node starts: reads its disk, replays, and resumes.
    pub(super) fn start(&mut self, site: usize) -> Result<(), Violation> {
        if self.sites[site].process.is_some() {
            return Ok(());
        }
        self.renew(site)?;
        let seed = self.chance.secret();
        let mut process = self.sites[site].boot(&seed);
        let opened = self.sites[site].store.open();
        let mut facts = Vec::new();
        for entry in &opened.entries {
            let replayed = process.service.replay(entry);
            replayed.map_err(|broken| Violation::new("replay", broken.to_string()))?;
            facts.push(Fact::of(entry)?);
        }
        self.tally.count(Group::Checks, "replays");
        let mut state = process.service.state().clone();
        if let Some(expected) = self.sites[site].expected.take()
            && expected != state
        {
            let what = format!("site {site} does not come back as it was");
            return Err(Violation::new("replay", what));
        }
        self.checks.restarted(self.sites[site].id, &facts)?;
        if let Some(torn) = opened.dropped {
            self.tally.count(Group::Faults, "torn transactions");
            let refused = torn
                .entries
                .iter()
                .any(|entry| state.replay(entry).is_err());
            if torn.cut && !refused {
                return Err(Violation::new("replay", "a torn entry is taken for whole"));
            }
        }
        for kept in opened.prekeys.into_values() {
            process.service.restore_prekey(kept);
        }
        for (parcel, key) in opened.content {
            process.service.restore_content_key(parcel, key);
        }
        let (now, fate) = (self.clock(site), self.draw_fate());
        let before = (fate == Fate::InCommit).then(|| process.service.state().clone());
        let step = process.service.resume(now);
        self.sites[site].process = Some(process);
        self.say(|| format!("site {site}: starts"));
        self.take(site, "resume", step, fate, before)?;
        self.configure(site)
    }

    /// Some use a node's rest to renew its certificate, and once it is calm everybody whose certificate
    /// runs out.
    fn renew(&mut self, site: usize) -> Result<(), Violation> {
        let began = self.sites[site].store.entries().next().is_some();
        let now = self.clock(site);
        let due = match self.is_calm() {
            true => self.sites[site].is_running_out(now, WARNED),
            false => self.chance.percent(RENEWALS),
        };
        if !began || !due {
            return Ok(());
        }
        self.tally.count(Group::Faults, "certificates renewed");
        self.say(|| format!("site {site}: its certificate is renewed"));
        self.sites[site]
            .certify(now, BACKDATED)
            .map_err(|refused| Violation::new("keys", refused.why().to_string()))
    }

    /// What a node says from its configuration at each start.
    fn configure(&mut self, site: usize) -> Result<(), Violation> {
        let address = vec![self.sites[site].address()];
        let slots = self.sites[site].slots.clone();
        let addresses = Command::AnnounceAddresses(address);
        self.command(site, "announces addresses", Asker::Person, addresses)?;
        let capacity = Command::AnnounceCapacity(slots);
        self.command(site, "announces capacity", Asker::Person, capacity)
    }
}

fn fate_byte(fate: Fate) -> u8 {
    match fate {
        Fate::Well => 0,
        Fate::InCommit => 1,
        Fate::AfterCommit => 2,
        Fate::AfterEffects(count) => 3 + count as u8,
    }
}
