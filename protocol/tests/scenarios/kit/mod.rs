//! Two or three sites, a clock that moves only when told, and a wire that loses nothing unless told.
//!
//! The kit plays the node: it commits what a step decided, then performs its effects, and it hops
//! from wake-up to wake-up when time passes.

mod keys;
mod site;
mod talk;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect};
use dokuei_protocol::input::{Command, Input, Job, Outcome, Ticket};
use dokuei_protocol::time::{Span, Timestamp};

pub(crate) use site::Site;
pub(crate) use talk::{parcel, report_id, slot};
use wire::{Asker, Delivery};

/// 2027-01-15, about noon in Tokyo.
pub(crate) const START: Timestamp = Timestamp(1_800_000_000_000);
/// The site that asks, in every scenario.
pub(crate) const CLINIC: usize = 0;
/// The first site that reads.
pub(crate) const HOSPITAL: usize = 1;
/// The second site that reads.
pub(crate) const UNIVERSITY: usize = 2;

/// More inputs than any scenario needs between two moments: more means that the sites talk in circles.
const INPUTS_MOST: usize = 20_000;

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) sites: Vec<Site>,
    wire: VecDeque<Delivery>,
    cut: BTreeSet<(usize, usize)>,
    connected: BTreeSet<(usize, usize)>,
    /// Effects that are not performed but kept in [`World::held`].
    pub(crate) hold: fn(&Effect) -> bool,
    /// What was held back, by site.
    pub(crate) held: Vec<(usize, Effect)>,
    /// Every document that went over the wire: from, to, bytes.
    pub(crate) sent: Vec<(usize, usize, Vec<u8>)>,
    /// Every answer to a document, in order.
    pub(crate) heard: Vec<(DocumentId, DocumentAnswer)>,
    /// Inputs handled so far.
    pub(crate) inputs: usize,
    /// Restart the site that has handled this input, counted from one.
    pub(crate) restart_after: Option<usize>,
    tickets: u64,
    askers: BTreeMap<Ticket, Asker>,
    asked_document: Option<(Ticket, Option<DocumentAnswer>)>,
}

impl World {
    fn new(names: &[&'static str], certified: Span) -> World {
        let sites = names
            .iter()
            .enumerate()
            .map(|(index, name)| Site::new(index, name, certified))
            .collect();
        World {
            now: START,
            sites,
            wire: VecDeque::new(),
            cut: BTreeSet::new(),
            connected: BTreeSet::new(),
            hold: |_| false,
            held: Vec::new(),
            sent: Vec::new(),
            heard: Vec::new(),
            inputs: 0,
            restart_after: None,
            tickets: 0,
            askers: BTreeMap::new(),
            asked_document: None,
        }
    }

    /// A clinic and a hospital that do not know each other.
    pub(crate) fn strangers() -> World {
        World::new(&["clinic", "hospital"], Span::HOUR)
    }

    /// The same, with clocks that are that many milliseconds ahead of the right time.
    pub(crate) fn strangers_with_clocks(clinic: i64, hospital: i64) -> World {
        let mut world = World::new(&["clinic", "hospital"], Span::DAY.times(5));
        world.sites[CLINIC].ahead = clinic;
        world.sites[HOSPITAL].ahead = hospital;
        world
    }

    /// A clinic and a hospital with an agreement in force; the hospital reads CT of the chest.
    pub(crate) fn pair() -> World {
        let mut world = World::strangers();
        world.introduce(HOSPITAL);
        world
    }

    /// A clinic with agreements with a hospital and a university, which both read CT of the chest.
    pub(crate) fn trio() -> World {
        let mut world = World::new(&["clinic", "hospital", "university"], Span::HOUR);
        world.introduce(HOSPITAL);
        world.introduce(UNIVERSITY);
        world
    }

    fn introduce(&mut self, reader: usize) {
        self.pair_up(CLINIC, reader);
        let offered = self.ask(reader, Command::AnnounceCapacity(vec![slot(10)]));
        assert_eq!(offered, Ok(Answer::Done));
        self.sleep(Span::HOUR.times(2));
    }

    /// Gives a site an input, commits what it decides, performs what it says.
    pub(crate) fn tell(&mut self, site: usize, input: Input) {
        let now = self.clock(site);
        let step = self.sites[site].handle(input, now);
        self.inputs += 1;
        if self.restart_after == Some(self.inputs) {
            self.restart(site);
            return;
        }
        for effect in step {
            self.perform(site, effect);
        }
    }

    /// A command, and everything that follows from it, and its answer.
    pub(crate) fn ask(&mut self, site: usize, command: Command) -> Result<Answer, CannotDo> {
        let answer = self.attempt(site, command);
        answer.expect("a command is answered")
    }

    /// The same; there is no answer when the node stopped before it gave one.
    pub(crate) fn attempt(
        &mut self,
        site: usize,
        command: Command,
    ) -> Option<Result<Answer, CannotDo>> {
        let ticket = self.ticket();
        self.tell(site, Input::Command(ticket, command));
        self.drive();
        self.sites[site].answers.remove(&ticket)
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Delivers until nothing is on the way.
    pub(crate) fn drive(&mut self) {
        let mut most = INPUTS_MOST;
        while let Some(delivery) = self.wire.pop_front() {
            self.deliver(delivery);
            most -= 1;
            assert!(most > 0, "the sites talk in circles");
        }
    }

    /// Lets time pass, waking sites when they asked for it.
    pub(crate) fn sleep(&mut self, span: Span) {
        let end = self.now.after(span);
        let mut most = INPUTS_MOST;
        self.drive();
        while let Some((at, site)) = self.next_wake().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.sites[site].wake = None;
            self.tell(site, Input::Tick);
            self.drive();
            most -= 1;
            assert!(most > 0, "a site wakes up for nothing, again and again");
        }
        self.now = end;
    }

    fn next_wake(&self) -> Option<(Timestamp, usize)> {
        let wakes = self.sites.iter().enumerate();
        wakes
            .filter_map(|(index, site)| {
                let at = site.wake?;
                Some((shifted(at, -site.ahead), index))
            })
            .min()
    }

    /// What a site's clock says.
    pub(crate) fn clock(&self, site: usize) -> Timestamp {
        shifted(self.now, self.sites[site].ahead)
    }

    /// Breaks the line between two sites.
    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        self.cut.insert((a.min(b), a.max(b)));
        self.reconnect();
        self.drive();
    }

    /// Mends it.
    pub(crate) fn mend(&mut self, a: usize, b: usize) {
        self.cut.remove(&(a.min(b), a.max(b)));
        self.reconnect();
        self.drive();
    }

    /// Stops a site's node and starts it again from what it had committed.
    pub(crate) fn restart(&mut self, site: usize) {
        self.stop(site);
        let now = self.clock(site);
        let step = self.sites[site].restart(now);
        self.began(site, step);
    }

    /// The node ends without a word.
    fn stop(&mut self, site: usize) {
        let lost: Vec<_> = self.connected.iter().copied().collect();
        for (a, b) in lost.into_iter().filter(|(a, b)| *a == site || *b == site) {
            self.connected.remove(&(a, b));
            let other = if a == site { b } else { a };
            let node = self.sites[site].node;
            self.wire
                .push_back(Delivery::Input(other, Input::Disconnected(node)));
        }
        self.lose_exchanges_of(site);
        self.held.retain(|(holder, _)| *holder != site);
    }

    fn began(&mut self, site: usize, step: Vec<Effect>) {
        for effect in step {
            self.perform(site, effect);
        }
        self.reconnect();
    }

    /// Performs everything that was held back, and holds nothing back any more.
    pub(crate) fn let_go(&mut self) {
        self.hold = |_| false;
        for (site, effect) in std::mem::take(&mut self.held) {
            self.perform(site, effect);
        }
        self.drive();
    }

    pub(crate) fn end_job(&mut self, site: usize, job: Job, outcome: Outcome) {
        self.tell(site, Input::JobEnded(job, outcome));
        self.drive();
    }

    pub(crate) fn id(&self, site: usize) -> SiteId {
        self.sites[site].id
    }

    /// Documents on the way from one site to another.
    pub(crate) fn queue(&self, from: usize, to: usize) -> usize {
        let outbox = &self.sites[from].service.state().outbox;
        outbox
            .get(&self.id(to))
            .map_or(0, std::collections::VecDeque::len)
    }
}

fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp(at.0.saturating_add_signed(by))
}
