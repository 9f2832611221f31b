//! The one place where everything is decided. `handle` takes what happened and the time, and gives
//! back what to write down and what to do; it does nothing itself.
//!
//! Contract with the node: commit records and secrets of a step in one transaction, then perform
//! its effects, in order. After a restart, [`Service::replay`] each stored entry, give back the
//! stored secrets, then perform [`Service::resume`].

mod ahead;
mod cancelling;
mod carrying;
mod commands;
mod documents;
mod jobs;
mod pairing;
mod partners;
mod prior_jobs;
mod priors;
mod reading;
pub use reading::NextVersion;
mod requesting;
mod retention;
mod sending;
mod sharing;
mod standing;
pub use standing::Halt;
pub mod views;

pub use carrying::Cargo;

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{NodeId, ParcelId, PrekeyId, SiteId};
use dokuei_keys::prekey::PrekeySecret;
use dokuei_keys::secret::{ContentKey, Secret32};
use dokuei_keys::signed::{Document, Signed};
use dokuei_keys::signing::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::case::CaseId;
use crate::effect::{Answer, CannotDo, Effect, KeptPrekey, Member, Permit, SecretChange, Step};
use crate::input::{Input, Job, Ticket};
use crate::limits;
use crate::log::entry::BrokenLog;
use crate::partner::announcement::OfferSlot;
use crate::partner::introduction::{Acquaintance, Introduction};
use crate::record::Record;
use crate::service::jobs::Attempt;
use crate::service::pairing::Pairings;
use crate::state::State;
use crate::time::Timestamp;

/// What a site proves itself with.
pub struct Identity {
    /// The site.
    pub site: SiteId,
    /// Its certificate, as signed by its root.
    pub certificate: Vec<u8>,
    /// Its node's delegation, as signed by the site key.
    pub node: Vec<u8>,
    /// Its node.
    pub node_id: NodeId,
    /// The site key.
    pub key: SigningKey,
}

/// Secrets that the service works with; the node keeps them sealed.
#[derive(Default)]
pub(crate) struct Vault {
    prekeys: BTreeMap<PrekeyId, (Timestamp, PrekeySecret)>,
    content: BTreeMap<ParcelId, ContentKey>,
}

/// The service of one site.
pub struct Service {
    identity: Identity,
    /// What this site's own certificates say; none when they cannot be read.
    own: Option<Acquaintance>,
    state: State,
    vault: Vault,
    rng: ChaCha20Rng,
    pairings: Pairings,
    connected: BTreeSet<NodeId>,
    attempts: BTreeMap<Job, Attempt>,
    synced: BTreeMap<NodeId, Timestamp>,
    /// Partners that have said since the start what they hold of this site.
    told: BTreeSet<SiteId>,
    /// Cases whose sealed study lies here because a medium brought it, until an attempt to take it has failed.
    carried: BTreeSet<CaseId>,
    /// The partner that has seen more of this site than its data folder knows.
    older: Option<SiteId>,
    admitted: Vec<Member>,
    barred: Vec<NodeId>,
    permitted: Vec<Permit>,
    /// Cases that a person of this site wants to answer by hand.
    quoting: Quoting,
    /// Whether this site's archive has to answer for a received study before it is dropped here.
    archive_answers: bool,
    /// When something was decided last.
    now: Timestamp,
    contradictions: u64,
}

/// How a reading site answers offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Quoting {
    /// Quote whatever the capacity offer covers.
    #[default]
    Automatic,
    /// Leave it to a person.
    ByHand,
}

/// One step under way.
pub(crate) struct Turn {
    now: Timestamp,
    step: Step,
}

impl Turn {
    fn new(now: Timestamp) -> Turn {
        Turn {
            now,
            step: Step::default(),
        }
    }

    fn effect(&mut self, effect: Effect) {
        self.step.effects.push(effect);
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Answer, CannotDo>) {
        self.effect(Effect::Answer(ticket, answer));
    }
}

impl Service {
    /// The service of a site of which nothing has happened yet. `seed` feeds every random choice.
    pub fn new(identity: Identity, quoting: Quoting, seed: &Secret32) -> Service {
        let state = State::new(identity.site);
        let own = Acquaintance::recorded(&identity.certificate, &identity.node).ok();
        Service {
            identity,
            own,
            state,
            vault: Vault::default(),
            rng: ChaCha20Rng::from_seed(*seed.expose()),
            pairings: Pairings::default(),
            connected: BTreeSet::new(),
            attempts: BTreeMap::new(),
            synced: BTreeMap::new(),
            told: BTreeSet::new(),
            carried: BTreeSet::new(),
            older: None,
            admitted: Vec::new(),
            barred: Vec::new(),
            permitted: Vec::new(),
            quoting,
            archive_answers: false,
            now: Timestamp::default(),
            contradictions: 0,
        }
    }

    /// This site's archive answers for what it keeps: a study that was read here stays until it has. Without, and that is
    /// so at first, a study goes when the agreement says, archived or not.
    pub fn await_archive(&mut self) {
        self.archive_answers = true;
    }

    /// Takes the next entry of the stored log.
    ///
    /// # Errors
    /// [`BrokenLog`] names the entry that is damaged; the node must not go on.
    pub fn replay(&mut self, entry: &[u8]) -> Result<(), BrokenLog> {
        self.state.replay(entry)
    }

    /// Gives back the secret half of a prekey after a restart.
    pub fn restore_prekey(&mut self, kept: KeptPrekey) {
        self.vault.prekeys.insert(
            kept.id,
            (kept.published, PrekeySecret::from_seed(kept.secret)),
        );
    }

    /// Gives back a content key after a restart.
    pub fn restore_content_key(&mut self, parcel: ParcelId, key: ContentKey) {
        self.vault.content.insert(parcel, key);
    }

    /// The state, to look at.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What is owed after a restart: derived from the state, never from guesswork.
    pub fn resume(&mut self, now: Timestamp) -> Step {
        self.admitted.clear();
        self.barred.clear();
        self.permitted.clear();
        self.handle(Input::Tick, now)
    }

    /// Decides.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Step {
        let mut turn = Turn::new(now);
        self.now = now;
        match input {
            Input::Command(ticket, command) => self.command(&mut turn, ticket, command),
            Input::PairingCalled {
                ticket,
                node,
                frame,
            } => self.pairing_called(&mut turn, ticket, node, &frame),
            Input::PairingAnswered { node, frame } => {
                self.pairing_answered(&mut turn, node, &frame)
            }
            Input::PairingFailed => self.pairing_failed(&mut turn),
            Input::DocumentArrived {
                ticket,
                node,
                bytes,
            } => {
                let answer = self.document_arrived(&mut turn, node, &bytes);
                turn.effect(Effect::AnswerDocument(ticket, answer));
            }
            Input::SyncAsked {
                ticket,
                node,
                bytes,
            } => self.sync_asked(&mut turn, ticket, node, &bytes),
            Input::SyncAnswered { node, bytes } => self.sync_answered(&mut turn, node, &bytes),
            Input::SyncFailed(node) => self.ask_again_soon(now, node),
            Input::Connected(node) => {
                self.synced.remove(&node);
                self.connected(node);
            }
            Input::Disconnected(node) => {
                self.connected.remove(&node);
                self.synced.remove(&node);
            }
            Input::JobEnded(job, outcome) => self.job_ended(&mut turn, job, outcome),
            Input::Tick => {}
        }
        self.advance(&mut turn);
        turn.step
    }

    /// Everything that follows by itself, from the state and the time.
    fn advance(&mut self, turn: &mut Turn) {
        if self.halt().is_none() {
            self.sign_anew(turn);
            self.rotate_prekeys(turn);
            self.advance_requests(turn);
            self.advance_readings(turn);
            self.advance_priors(turn);
            self.advance_retention(turn);
        }
        self.close_invitation(turn);
        self.bar_nodes(turn);
        self.admit_members(turn);
        self.permit_parcels(turn);
        self.ask_for_announcements(turn);
        self.begin_jobs(turn);
        let next = [self.next_attempt(turn.now), self.next_deadline(turn.now)]
            .into_iter()
            .flatten()
            .min();
        if let Some(at) = next {
            turn.effect(Effect::Wake(at.max(turn.now)));
        }
    }

    /// The next moment at which something follows from the time alone. What is due already and has
    /// not been done waits for something else, so waking for it would be in vain.
    fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let ahead = |at: &Timestamp| *at > now;
        let prekey = self
            .newest_prekey()
            .map(|at| at.after(limits::PREKEY_EVERY));
        let destroyed = self
            .vault
            .prekeys
            .values()
            .map(|(published, _)| published.after(limits::PREKEY_KEPT))
            .filter(ahead)
            .min();
        let sync = self
            .synced
            .values()
            .map(|at| at.after(limits::SYNC_EVERY))
            .filter(ahead)
            .min();
        [
            self.request_deadline(now),
            self.retention_deadline(now),
            self.reading_deadline(now),
            self.pairings.deadline(),
            prekey,
            destroyed,
            sync,
            self.certificate_deadline(now),
        ]
        .into_iter()
        .flatten()
        .filter(ahead)
        .min()
    }

    /// Writes down what happened. A record that contradicts the state is a bug of this crate; it is
    /// dropped rather than stored, and shows up as a case that does not move.
    fn note(&mut self, turn: &mut Turn, record: Record) {
        match self.state.commit(turn.now, record) {
            Ok(bytes) => turn.step.records.push(bytes),
            Err(_) => {
                self.contradictions += 1;
                debug_assert!(false, "a record contradicts the state");
            }
        }
    }

    /// How many records contradicted the state, since the start, and were dropped. Each is a fault
    /// of this crate.
    pub fn contradictions(&self) -> u64 {
        self.contradictions
    }

    fn keep_content_key(&mut self, turn: &mut Turn, parcel: ParcelId, key: ContentKey) {
        turn.step
            .secrets
            .push(SecretChange::KeepContentKey(parcel, key.duplicate()));
        self.vault.content.insert(parcel, key);
    }

    /// Signs with the site key. A document that exceeds its kind's limits is not made.
    fn sign<T: Document>(&self, content: T) -> Result<Vec<u8>, CannotDo> {
        Signed::sign(content, &self.identity.key)
            .map(|document| document.bytes().to_vec())
            .map_err(|_| CannotDo::Limit)
    }

    fn introduction(&self) -> Option<Introduction> {
        let (address, _) = self.state.own.address.as_ref()?;
        Some(Introduction {
            certificate: self.identity.certificate.clone().into(),
            node: self.identity.node.clone().into(),
            address: address.clone().into(),
        })
    }

    fn site_of(&self, node: NodeId) -> Option<SiteId> {
        self.state
            .partners
            .iter()
            .find(|(_, partner)| partner.node == node)
            .map(|(site, _)| *site)
    }

    fn is_connected(&self, site: SiteId) -> Option<NodeId> {
        let node = self.partner_in_force(site)?.node;
        self.connected.contains(&node).then_some(node)
    }

    /// Whether this site may be asked to read one more case by a partner.
    fn has_room_for_case_of(&self, requester: SiteId) -> bool {
        let readings = self.state.readings.values();
        let theirs = readings.filter(|reading| {
            reading.thread.requester() == requester && !reading.thread.phase().is_over()
        });
        self.open_cases() < limits::OPEN_CASES && theirs.count() < limits::OPEN_CASES_OF_PARTNER
    }

    fn open_cases(&self) -> usize {
        let requests = self
            .state
            .requests
            .values()
            .filter(|request| !request.is_over())
            .count();
        requests
            + self
                .state
                .readings
                .values()
                .filter(|reading| !reading.thread.phase().is_over())
                .count()
    }
}

/// Lists the offer lines that a capacity offer of these would carry, in order and without doubles.
pub(crate) fn ordered(mut slots: Vec<OfferSlot>) -> Vec<OfferSlot> {
    slots.sort();
    slots.dedup();
    slots
}
