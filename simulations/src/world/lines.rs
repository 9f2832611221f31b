//! The network: connections between nodes that admit each other, and messages that are lost, doubled,
//! late, out of order, changed, or said by somebody else.

use dokuei_protocol::effect::DocumentAnswer;
use dokuei_protocol::input::{Input, Outcome, Ticket, Trouble};
use dokuei_protocol::time::{Span, Timestamp};

use super::World;
use super::agenda::{Body, Copy, Event, Message, Token};
use super::site::{Asker, Work};
use crate::checks::Violation;
use crate::tally::Group;

/// How long a node waits for an answer.
const PATIENCE: Span = Span::SECOND.times(30);
/// What was received before a connection ended may reach the service this much later.
const LINGERS: Span = Span::SECOND;

/// The line between two sites.
#[derive(Default)]
pub(crate) struct Line {
    broken: bool,
    up: bool,
    /// Counts connections.
    epoch: u32,
    /// When the last one ended.
    ended: Timestamp,
    dialing: bool,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    fn line(&mut self, a: usize, b: usize) -> &mut Line {
        self.lines.entry(pair(a, b)).or_default()
    }

    fn admits(&self, a: usize, b: usize) -> bool {
        let node = self.sites[b].node;
        let process = self.sites[a].process.as_ref();
        process.is_some_and(|process| process.admitted.contains(&node))
    }

    /// The connection between two nodes, if there is one.
    pub(super) fn connection(&self, a: usize, b: usize) -> Option<u32> {
        let line = self.lines.get(&pair(a, b))?;
        line.up.then_some(line.epoch)
    }

    pub(super) fn cut(&mut self, a: usize, b: usize, broken: bool) {
        if broken && self.is_calm() {
            return;
        }
        if broken {
            self.tally.count(Group::Faults, "partitions");
        }
        self.line(a, b).broken = broken;
        self.relink(a, b);
    }

    pub(super) fn relink_all(&mut self, site: usize) {
        for other in (0..self.sites.len()).filter(|other| *other != site) {
            self.relink(site, other);
        }
    }

    /// Takes a connection apart that may not be, and tries to make one that may.
    fn relink(&mut self, a: usize, b: usize) {
        let admitted = self.admits(a, b) && self.admits(b, a);
        let now = self.now;
        let line = self.line(a, b);
        let may = admitted && !line.broken;
        let epoch = line.epoch;
        if line.up && !may {
            (line.up, line.ended) = (false, now);
            self.tell_both(a, b, epoch, false);
        } else if !line.up && may && !line.dialing {
            line.dialing = true;
            let takes = self.chance.between(50, 20_000);
            self.put(Span(takes), Event::Dial { a, b });
        }
    }

    pub(super) fn dial(&mut self, a: usize, b: usize) {
        let admitted = self.admits(a, b) && self.admits(b, a);
        let line = self.line(a, b);
        line.dialing = false;
        if line.up || line.broken || !admitted {
            return;
        }
        line.up = true;
        line.epoch += 1;
        let epoch = line.epoch;
        self.tell_both(a, b, epoch, true);
    }

    fn tell_both(&mut self, a: usize, b: usize, epoch: u32, up: bool) {
        for (site, peer) in [(a, b), (b, a)] {
            let most = if up || self.is_calm() { 200 } else { 20_000 };
            let after = self.chance.below(most);
            let notice = Event::Notice {
                site,
                peer,
                epoch,
                up,
            };
            self.put(Span(after), notice);
        }
    }

    /// A node notices that a connection is there, or gone. Notices may come in any order.
    pub(super) fn notice(
        &mut self,
        site: usize,
        peer: usize,
        epoch: u32,
        up: bool,
    ) -> Result<(), Violation> {
        let believed = self.believes(site, peer);
        if believed.is_some_and(|known| known < epoch || !up && known == epoch) {
            if let Some(process) = &mut self.sites[site].process {
                process.believes.remove(&peer);
            }
            let node = self.sites[peer].node;
            self.feed(site, "disconnected", Input::Disconnected(node))?;
            self.drop_work(site, peer)?;
        }
        if up && self.connection(site, peer) == Some(epoch) && believed != Some(epoch) {
            let Some(process) = &mut self.sites[site].process else {
                return Ok(());
            };
            process.believes.insert(peer, epoch);
            self.say(|| format!("site {site}: connected to site {peer}"));
            let node = self.sites[peer].node;
            self.feed(site, "connected", Input::Connected(node))?;
        }
        Ok(())
    }

    pub(super) fn believes(&self, site: usize, peer: usize) -> Option<u32> {
        let process = self.sites[site].process.as_ref()?;
        process.believes.get(&peer).copied()
    }

    /// Everything under way with a peer has failed.
    fn drop_work(&mut self, site: usize, peer: usize) -> Result<(), Violation> {
        let Some(process) = &self.sites[site].process else {
            return Ok(());
        };
        let with_peer = |work: &Work| work.peer() == Some(peer);
        let work = process.work.iter().filter(|(_, work)| with_peer(work));
        let tokens: Vec<Token> = work.map(|(token, _)| *token).collect();
        for token in tokens {
            self.end(site, token, Outcome::Failed(Trouble::PartnerUnreachable))?;
        }
        Ok(())
    }

    /// Something under way has ended.
    pub(super) fn end(
        &mut self,
        site: usize,
        token: Token,
        outcome: Outcome,
    ) -> Result<(), Violation> {
        let process = self.sites[site].process.as_mut();
        let Some(work) = process.and_then(|process| process.work.remove(&token)) else {
            return Ok(());
        };
        match (work.job(), work) {
            (Some(job), _) => {
                self.say(|| format!("site {site}: {job:?} {outcome:?}"));
                self.feed(site, "job ended", Input::JobEnded(job, outcome))
            }
            (None, Work::Call) => self.feed(site, "pairing failed", Input::PairingFailed),
            (None, _) => Ok(()),
        }
    }

    pub(super) fn time_out(&mut self, site: usize, token: Token) -> Result<(), Violation> {
        self.end(site, token, Outcome::Failed(Trouble::PartnerUnreachable))
    }

    /// Says something to a peer and waits for its answer, for a while.
    pub(super) fn exchange(&mut self, site: usize, peer: usize, work: Work, body: Body) {
        let epoch = self.connection(site, peer);
        let token = self.work(site, work);
        self.put(PATIENCE, Event::Timeout { site, token });
        self.post(Message {
            from: site,
            to: peer,
            epoch: Some(epoch.unwrap_or_default()),
            token,
            body,
        });
    }

    /// Calls an inviter.
    pub(super) fn call(&mut self, site: usize, addresses: &[String], frame: Vec<u8>) {
        let token = self.work(site, Work::Call);
        self.put(PATIENCE, Event::Timeout { site, token });
        let inviter = self
            .sites
            .iter()
            .position(|site| addresses.contains(&site.address()));
        let Some(to) = inviter else { return };
        self.post(Message {
            from: site,
            to,
            epoch: None,
            token,
            body: Body::Call(frame),
        });
    }

    /// Gives a message to the network.
    pub(super) fn post(&mut self, message: Message) {
        self.tally.count(Group::Traffic, "messages");
        self.copy(&message);
        if self.chance.percent(self.weather.loss) {
            self.tally.count(Group::Faults, "messages lost");
            return;
        }
        let latency = self.latency();
        self.put(latency, Event::Arrive(message));
    }

    fn latency(&mut self) -> Span {
        if self.chance.per_mille(self.weather.slow) {
            self.tally.count(Group::Faults, "messages late");
            return match self.chance.below(4) {
                0 => Span::SECOND.times(self.chance.between(60, 1800)),
                _ => Span::SECOND.times(self.chance.between(1, 60)),
            };
        }
        Span(self.chance.between(5, 400))
    }

    /// Documents may come twice, changed, or from somebody who has only heard them.
    fn copy(&mut self, message: &Message) {
        let Body::Document { bytes, .. } = &message.body else {
            return;
        };
        let mut copies = Vec::new();
        if self.chance.per_mille(self.weather.doubled) {
            self.tally.count(Group::Faults, "documents doubled");
            copies.push((message.from, bytes.clone(), Copy::Double));
        }
        if self.chance.per_mille(self.weather.forged) {
            self.tally.count(Group::Faults, "documents forged");
            let mut forged = bytes.clone();
            let at = self.chance.below(bytes.len() as u64) as usize;
            forged[at] ^= 1 << self.chance.below(8);
            copies.push((message.from, forged, Copy::Forged));
            let other = self.chance.below(self.sites.len() as u64) as usize;
            if other != message.from && other != message.to {
                copies.push((other, bytes.clone(), Copy::Forged));
            }
            if other != message.from {
                let signed = self.sites[other].sign_again(bytes);
                copies.extend(signed.map(|bytes| (message.from, bytes, Copy::Forged)));
            }
        }
        for (from, bytes, copy) in copies {
            let after = match self.chance.below(3) {
                0 => Span::MINUTE.times(self.chance.between(1, 600)),
                _ => Span(self.chance.between(5, 5_000)),
            };
            let message = Message {
                from,
                to: message.to,
                epoch: None,
                token: 0,
                body: Body::Document { bytes, copy },
            };
            self.put(after, Event::Arrive(message));
        }
    }

    /// A message has arrived, if the connection it was sent over is still there.
    pub(super) fn arrive(&mut self, message: Message) -> Result<(), Violation> {
        let Message {
            from,
            to,
            epoch,
            token,
            body,
        } = message;
        let stranger = matches!(body, Body::Call(_) | Body::CallAnswer(_));
        let now = self.now;
        let line = self.line(from, to);
        let (broken, over) = (line.broken, line.epoch);
        let there = line.up || now.since(line.ended) < LINGERS;
        let copied = matches!(&body, Body::Document { copy, .. } if *copy != Copy::Original);
        let reached = match epoch {
            _ if copied => true,
            None => stranger && !broken,
            epoch => there && epoch == Some(over),
        };
        if !reached || self.sites[to].process.is_none() {
            return Ok(());
        }
        let node = self.sites[from].node;
        match body {
            Body::Document { bytes, copy } => {
                self.tally.count(Group::Traffic, "documents arrived");
                let asker = Asker::Sender {
                    peer: from,
                    token,
                    epoch,
                    forged: copy == Copy::Forged,
                };
                let ticket = self.asked_by(to, asker);
                let input = Input::DocumentArrived {
                    ticket,
                    node,
                    bytes,
                };
                self.feed(to, "document arrived", input)
            }
            Body::Answer(answer) => self.document_answered(to, token, answer),
            Body::SyncAsk(bytes) => {
                let peer = from;
                let ticket = self.asked_by(to, Asker::Sync { peer, token, epoch });
                let input = Input::SyncAsked {
                    ticket,
                    node,
                    bytes,
                };
                self.feed(to, "sync asked", input)
            }
            Body::SyncAnswer(bytes) => {
                self.finish(to, token);
                match bytes {
                    Some(bytes) => {
                        self.feed(to, "sync answered", Input::SyncAnswered { node, bytes })
                    }
                    None => Ok(()),
                }
            }
            Body::Call(frame) => self.called(from, to, token, frame),
            Body::CallAnswer(frame) => self.call_answered(from, to, token, frame),
        }
    }

    fn call_answered(
        &mut self,
        from: usize,
        to: usize,
        token: u64,
        frame: Option<Vec<u8>>,
    ) -> Result<(), Violation> {
        if !self.finish(to, token) {
            return Ok(());
        }
        let node = self.sites[from].node;
        let input = frame.map_or(Input::PairingFailed, |frame| Input::PairingAnswered {
            node,
            frame,
        });
        self.feed(to, "pairing answered", input)
    }

    fn called(
        &mut self,
        from: usize,
        to: usize,
        token: Token,
        frame: Vec<u8>,
    ) -> Result<(), Violation> {
        let (now, node) = (self.clock(to), self.sites[from].node);
        let process = self.sites[to].process.as_ref();
        let open = process.and_then(|process| process.pairing_until);
        if open.is_none_or(|until| until <= now) {
            self.post(Message {
                from: to,
                to: from,
                epoch: None,
                token,
                body: Body::CallAnswer(None),
            });
            return Ok(());
        }
        let ticket = self.asked_by(to, Asker::Caller { peer: from, token });
        let input = Input::PairingCalled {
            ticket,
            node,
            frame,
        };
        self.feed(to, "pairing called", input)
    }

    fn asked_by(&mut self, site: usize, asker: Asker) -> Ticket {
        let ticket = Ticket(self.token());
        if let Some(process) = &mut self.sites[site].process {
            process.askers.insert(ticket, asker);
        }
        ticket
    }

    /// Forgets something under way; whether it was.
    fn finish(&mut self, site: usize, token: Token) -> bool {
        let process = self.sites[site].process.as_mut();
        process.is_some_and(|process| process.work.remove(&token).is_some())
    }

    fn document_answered(
        &mut self,
        site: usize,
        token: Token,
        answer: DocumentAnswer,
    ) -> Result<(), Violation> {
        let outcome = match answer {
            DocumentAnswer::Accepted => Outcome::Done,
            DocumentAnswer::Later => Outcome::Failed(Trouble::PartnerBusy),
            DocumentAnswer::Refused => Outcome::Impossible,
        };
        self.end(site, token, outcome)
    }
}
