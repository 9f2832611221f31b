//! The wire: effects of one site become inputs of another.

use dokuei_keys::id::{DocumentId, NodeId};
use dokuei_protocol::effect::{DocumentAnswer, Effect};
use dokuei_protocol::input::{Input, Job, Outcome, Trouble};
use dokuei_protocol::partner::announcement::SyncRequest;

use super::World;

/// Something on the way.
pub(crate) enum Delivery {
    /// An input for a site.
    Input(usize, Input),
    /// A document from one site to another, sent as a job.
    Document {
        from: usize,
        to: usize,
        id: DocumentId,
        bytes: Vec<u8>,
    },
}

/// Who waits for the answer to a ticket.
pub(super) enum Asker {
    Sync(usize),
    Pairing(usize),
}

impl World {
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Input(site, input) => self.tell(site, input),
            Delivery::Document {
                from,
                to,
                id,
                bytes,
            } => {
                let answer = if self.connected.contains(&(from.min(to), from.max(to))) {
                    self.sent.push((from, to, bytes.clone()));
                    self.hand_over(from, to, bytes)
                } else {
                    None
                };
                if let Some(answer) = answer {
                    self.heard.push((id, answer));
                }
                let outcome = match answer {
                    Some(DocumentAnswer::Accepted) => Outcome::Done,
                    Some(DocumentAnswer::Refused) => Outcome::Impossible,
                    Some(DocumentAnswer::Later) => Outcome::Failed(Trouble::PartnerBusy),
                    None => Outcome::Failed(Trouble::PartnerUnreachable),
                };
                let job = Job::Send(self.id(to), id);
                self.wire
                    .push_back(Delivery::Input(from, Input::JobEnded(job, outcome)));
            }
        }
    }

    /// Hands a document to a site as if `from` had sent it, and gives its answer. There is none when
    /// the receiver stopped before it answered.
    pub(crate) fn hand_over(
        &mut self,
        from: usize,
        to: usize,
        bytes: Vec<u8>,
    ) -> Option<DocumentAnswer> {
        let (ticket, node) = (self.ticket(), self.sites[from].node);
        let input = Input::DocumentArrived {
            ticket,
            node,
            bytes,
        };
        self.asked_document = Some((ticket, None));
        self.tell(to, input);
        self.asked_document.take().and_then(|(_, answer)| answer)
    }

    /// `from` asks a site for its announcements and names what it has taken from it last.
    pub(crate) fn ask_holding(&mut self, from: usize, to: usize, taken: Vec<u8>) {
        let request = SyncRequest {
            address: None,
            capacity: None,
            prekey: None,
            certificate: None,
            revocations: None,
            taken: Some(taken.into()),
        };
        let input = Input::SyncAsked {
            ticket: self.ticket(),
            node: self.sites[from].node,
            bytes: dokuei_keys::cbor::encode(&request),
        };
        self.tell(to, input);
    }

    /// What a stopped node had under way comes to nothing.
    pub(super) fn lose_exchanges_of(&mut self, site: usize) {
        self.wire.retain(|delivery| match delivery {
            Delivery::Input(to, _) => *to != site,
            Delivery::Document { from, .. } => *from != site,
        });
        for asker in std::mem::take(&mut self.askers).into_values() {
            if let Asker::Pairing(caller) = asker {
                self.wire
                    .push_back(Delivery::Input(caller, Input::PairingFailed));
            }
        }
    }

    pub(super) fn perform(&mut self, site: usize, effect: Effect) {
        if (self.hold)(&effect) {
            self.held.push((site, effect));
            return;
        }
        match effect {
            Effect::Admit(members) => {
                self.sites[site].admitted = members.iter().map(|member| member.node).collect();
                self.reconnect();
            }
            Effect::Bar(nodes) => self.sites[site].barred = nodes,
            Effect::Permit(permits) => self.sites[site].permitted = permits,
            Effect::OpenPairing(_) => self.sites[site].pairing_open = true,
            Effect::ClosePairing => self.sites[site].pairing_open = false,
            Effect::Wake(at) => self.sites[site].wake = Some(at),
            Effect::Answer(ticket, answer) => {
                self.sites[site].answers.insert(ticket, answer);
            }
            Effect::AnswerDocument(ticket, answer) => {
                if let Some((asked, place)) = &mut self.asked_document
                    && *asked == ticket
                {
                    *place = Some(answer);
                }
            }
            talk => self.exchange(site, talk),
        }
    }

    fn exchange(&mut self, site: usize, effect: Effect) {
        match effect {
            Effect::CallInviter { addresses, frame } => self.call(site, &addresses, frame),
            Effect::AnswerPairing(ticket, answer) => {
                let Some(Asker::Pairing(caller)) = self.askers.remove(&ticket) else {
                    return;
                };
                let node = self.sites[site].node;
                let input = answer.map_or(Input::PairingFailed, |frame| Input::PairingAnswered {
                    node,
                    frame,
                });
                self.wire.push_back(Delivery::Input(caller, input));
            }
            Effect::Send {
                node, id, bytes, ..
            } => {
                let to = self.at(node);
                self.wire.push_back(Delivery::Document {
                    from: site,
                    to,
                    id,
                    bytes,
                });
            }
            Effect::AskSync(node, bytes) => {
                let (to, ticket) = (self.at(node), self.ticket());
                self.askers.insert(ticket, Asker::Sync(site));
                let node = self.sites[site].node;
                let input = Input::SyncAsked {
                    ticket,
                    node,
                    bytes,
                };
                self.wire.push_back(Delivery::Input(to, input));
            }
            Effect::AnswerSync(ticket, answer) => {
                if let (Some(Asker::Sync(asker)), Some(bytes)) =
                    (self.askers.remove(&ticket), answer)
                {
                    let node = self.sites[site].node;
                    let input = Input::SyncAnswered { node, bytes };
                    self.wire.push_back(Delivery::Input(asker, input));
                }
            }
            job => self.work(site, job),
        }
    }

    fn call(&mut self, caller: usize, addresses: &[String], frame: Vec<u8>) {
        let inviter = self
            .sites
            .iter()
            .position(|site| site.pairing_open && addresses.iter().any(|at| at == site.name));
        let (ticket, node) = (self.ticket(), self.sites[caller].node);
        let delivery = match inviter {
            Some(inviter) => {
                self.askers.insert(ticket, Asker::Pairing(caller));
                let input = Input::PairingCalled {
                    ticket,
                    node,
                    frame,
                };
                Delivery::Input(inviter, input)
            }
            None => Delivery::Input(caller, Input::PairingFailed),
        };
        self.wire.push_back(delivery);
    }

    /// Fetching and storing: done at once, if the other side hands out the parcel.
    fn work(&mut self, site: usize, effect: Effect) {
        let me = self.sites[site].node;
        let permitted = |world: &World, node, parcel| {
            let permits = &world.sites[world.at(node)].permitted;
            let found = permits
                .iter()
                .any(|permit| permit.node == me && permit.parcel == parcel);
            match found {
                true => Outcome::Done,
                false => Outcome::Failed(Trouble::NotPermitted),
            }
        };
        let (job, outcome) = match effect {
            Effect::ReceiveStudy {
                case, node, grant, ..
            } => (
                Job::ReceiveStudy(case),
                permitted(self, node, grant.manifest.parcel),
            ),
            Effect::StoreStudy { case, .. } => (Job::StoreStudy(case), Outcome::Done),
            Effect::RemoveStudy { case, parcel } => {
                self.sites[site].removed.push(parcel);
                (Job::RemoveStudy(case), Outcome::Done)
            }
            Effect::ReceiveReport {
                case, node, issued, ..
            } => (
                Job::ReceiveReport(case, issued.version),
                permitted(self, node, issued.grant.manifest.parcel),
            ),
            // The scenarios say themselves what is found, and when.
            Effect::ListPriors { .. } | Effect::FindPrior { .. } => return,
            Effect::ReceivePrior {
                case, node, grant, ..
            } => (
                Job::ReceivePrior(case, grant.manifest.parcel),
                permitted(self, node, grant.manifest.parcel),
            ),
            Effect::StorePrior { case, grant, .. } => {
                (Job::StorePrior(case, grant.manifest.parcel), Outcome::Done)
            }
            Effect::RemovePrior { case, parcel } => {
                self.sites[site].removed.push(parcel);
                (Job::RemovePrior(case, parcel), Outcome::Done)
            }
            _ => unreachable!("every other effect was performed before"),
        };
        self.wire
            .push_back(Delivery::Input(site, Input::JobEnded(job, outcome)));
    }

    /// Connects who admits each other, and takes apart who does not any more.
    pub(super) fn reconnect(&mut self) {
        for a in 0..self.sites.len() {
            for b in a + 1..self.sites.len() {
                let (one, two) = (self.sites[a].node, self.sites[b].node);
                let may = self.sites[a].admitted.contains(&two)
                    && self.sites[b].admitted.contains(&one)
                    && !self.cut.contains(&(a, b));
                let event: fn(NodeId) -> Input = match (self.connected.contains(&(a, b)), may) {
                    (false, true) => Input::Connected,
                    (true, false) => Input::Disconnected,
                    (true, true) | (false, false) => continue,
                };
                match may {
                    true => self.connected.insert((a, b)),
                    false => self.connected.remove(&(a, b)),
                };
                self.wire.push_back(Delivery::Input(a, event(two)));
                self.wire.push_back(Delivery::Input(b, event(one)));
            }
        }
    }

    fn at(&self, node: NodeId) -> usize {
        let found = self.sites.iter().position(|site| site.node == node);
        found.expect("only known nodes are spoken to")
    }
}
