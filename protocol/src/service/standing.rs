//! Whose keys count: revocations and renewals, of partners and of this site, and whether this node may act at all.

use dokuei_keys::delegation::Revocation;
use dokuei_keys::id::{DocumentId, NodeId, PersonId, SiteId};
use dokuei_keys::signed::{self, Signed};
use dokuei_keys::signing::PublicKey;
use dokuei_keys::time::UnixSeconds;

use crate::case::event::{Link, Proposal};
use crate::effect::{Answer, CannotDo, Effect};
use crate::input::{Command, Job};
use crate::limits;
use crate::outbox::Matter;
use crate::partner::Partner;
use crate::partner::announcement::SyncRequest;
use crate::partner::notice::{Barred, Notice, Renewal};
use crate::record::Record;
use crate::service::{Service, Turn};
use crate::time::Timestamp;

/// Why this node does not act, but only says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// A key that it lives by is revoked.
    Revoked(Barred),
    /// This partner holds a document of this site that the data folder does not know: the folder is
    /// an older copy, and what it would sign contradicts what was signed since.
    Older(SiteId),
}

impl Service {
    /// Why this node does not act, if it does not: it signs nothing, sends nothing but revocations,
    /// and takes no documents.
    pub fn halt(&self) -> Option<Halt> {
        if let Some(site) = self.older {
            return Some(Halt::Older(site));
        }
        let own = self.own.as_ref()?;
        let known = self.state.known.get(&self.identity.site)?;
        known
            .revocations
            .bar(&own.root, &own.key, own.node.as_bytes())
            .map(Halt::Revoked)
    }

    /// The answer to a command that is not performed because the node does not act.
    pub(crate) fn halted(&self, command: &Command) -> Option<Result<Answer, CannotDo>> {
        let cannot = match self.halt()? {
            Halt::Revoked(_) => CannotDo::OwnKeyRevoked,
            Halt::Older(_) => CannotDo::FolderOlder,
        };
        match command {
            Command::RemovePartner(_) | Command::TakeNotice(_) => None,
            // What the configuration says is said when the node acts again.
            Command::AnnounceAddresses(_) | Command::AnnounceCapacity(_) => Some(Ok(Answer::Done)),
            Command::Invite { .. }
            | Command::Accept { .. }
            | Command::ProposeAgreement { .. }
            | Command::AcceptAgreement(_)
            | Command::RevokePerson(_)
            | Command::NoteCheck(..)
            | Command::Commit(_)
            | Command::TakeCargo { .. }
            | Command::OpenCase(_)
            | Command::Offer { .. }
            | Command::Withdraw(..)
            | Command::Decline(_)
            | Command::Quote { .. }
            | Command::Claim { .. }
            | Command::Release(..)
            | Command::IssueReport(_)
            | Command::Acknowledge(..)
            | Command::ListPriors(..)
            | Command::FoundPrior { .. }
            | Command::AskPriors(..) => Some(Err(cannot)),
        }
    }

    /// Whether a job may be begun. A document goes out only after its receiver has said what it
    /// holds: a node on an older copy of its data finds that out before it contradicts itself.
    pub(crate) fn may_begin(&self, job: Job) -> bool {
        let Job::Send(site, id) = job else {
            return self.halt().is_none();
        };
        match self.halt() {
            None => self.told.contains(&site),
            Some(Halt::Older(_)) => false,
            Some(Halt::Revoked(_)) => self.matter_of(site, id) == Some(Matter::Keys),
        }
    }

    /// A partner that is heard: its certificates hold and none of the keys it lives by is revoked.
    pub(crate) fn partner_in_force(&self, site: SiteId) -> Option<&Partner> {
        let partner = self.state.partners.get(&site)?;
        partner.in_force(self.now).then_some(partner)
    }

    /// What a site has revoked.
    pub fn revoked_by(&self, site: SiteId) -> Vec<Revocation> {
        let known = self.state.known.get(&site);
        let all = known.into_iter().flat_map(|known| known.revocations.all());
        all.map(|(_, revocation)| revocation.clone()).collect()
    }

    /// Whether what a key of a site signed at `at` is revoked.
    pub(crate) fn is_revoked(&self, site: SiteId, key: &[u8; 32], at: UnixSeconds) -> bool {
        let known = self.state.known.get(&site);
        known.is_some_and(|known| known.revocations.cover(key, at))
    }

    /// Whether a person of this site may act by their key.
    pub(crate) fn check_person(&self, person: PersonId) -> Result<(), CannotDo> {
        let known = self.state.known.get(&self.identity.site);
        match known.and_then(|known| known.revocations.since(person.as_bytes())) {
            Some(_) => Err(CannotDo::PersonRevoked),
            None => Ok(()),
        }
    }

    pub(crate) fn revoke_person(
        &mut self,
        turn: &mut Turn,
        person: PersonId,
    ) -> Result<Answer, CannotDo> {
        if self.check_person(person).is_err() {
            return Ok(Answer::Done);
        }
        let revocation = Revocation {
            site: self.identity.site,
            revoked: person.key().map_err(|_| CannotDo::BadNotice)?,
            since: turn.now.seconds(),
        };
        if !self.has_room(self.identity.site, false) {
            return Err(CannotDo::Limit);
        }
        let bytes = self.sign(revocation)?;
        self.note(turn, Record::KeyRevoked(bytes.into()));
        Ok(Answer::Done)
    }

    /// Takes what a site says of its keys. Who brought it does not matter; what does not verify is
    /// left out.
    pub(crate) fn take_notice(
        &mut self,
        turn: &mut Turn,
        notice: &Notice,
    ) -> Result<Answer, CannotDo> {
        let site = notice.site;
        if site != self.identity.site && !self.state.partners.contains_key(&site) {
            return Err(CannotDo::NoPartner);
        }
        // The renewal first: later revocations may be signed by the key that it brings.
        let renewed = match &notice.renewal {
            Some(renewal) if site != self.identity.site => self.take_renewal(turn, site, renewal),
            Some(_) | None => true,
        };
        let mut all = renewed;
        for bytes in notice.revocations.iter().take(limits::REVOCATIONS) {
            all &= self.take_revocation(turn, site, bytes);
        }
        if all {
            Ok(Answer::Done)
        } else {
            Err(CannotDo::BadNotice)
        }
    }

    /// Takes a partner's renewed certificate, if it is one. Whether it, or a newer one, is held.
    fn take_renewal(&mut self, turn: &mut Turn, site: SiteId, renewal: &Renewal) -> bool {
        let Ok(renewed) = renewal.check(turn.now) else {
            return false;
        };
        let Some(partner) = self
            .state
            .partners
            .get(&site)
            .filter(|_| renewed.site == site)
        else {
            return false;
        };
        if renewed.serial <= partner.serial {
            return renewed.serial == partner.serial;
        }
        let known = self.state.known.get(&site);
        let bar = known.and_then(|known| {
            let node = renewed.node.as_bytes();
            known.revocations.bar(&renewed.root, &renewed.key, node)
        });
        // Nothing but its own word says that the node is its own: it may not name another's.
        let foreign = renewed.node == self.identity.node_id
            || self
                .site_of(renewed.node)
                .is_some_and(|other| other != site);
        if bar.is_some() || foreign {
            return false;
        }
        // What it says of itself under a new key is asked for again, and so is what it was not heard
        // with; soon, not at once: it may bring another certificate each time.
        if renewed.key != partner.key || !partner.in_force(turn.now) {
            let node = partner.node;
            self.ask_again_soon(turn.now, node);
        }
        let bytes = dokuei_keys::cbor::encode(renewal);
        self.note(turn, Record::PartnerRenewed(bytes.into()));
        true
    }

    /// Takes a revocation by a partner or by this site itself, if it is one. Whether it is held.
    pub(crate) fn take_revocation(&mut self, turn: &mut Turn, site: SiteId, bytes: &[u8]) -> bool {
        let Some((root, keys)) = self.revokers(site) else {
            return false;
        };
        let Ok(document) = Revocation::verify(bytes, &root, &keys) else {
            return false;
        };
        let known = self.state.known.get(&site);
        if known.is_some_and(|known| known.revocations.holds(document.id())) {
            return true;
        }
        let by_root = signed::peek(bytes).is_ok_and(|header| header.key == root);
        if !self.has_room(site, by_root) {
            return false;
        }
        self.note(turn, Record::KeyRevoked(bytes.to_vec().into()));
        true
    }

    /// Who may revoke a site's keys: its root, and its site keys but those that are revoked.
    fn revokers(&self, site: SiteId) -> Option<(PublicKey, Vec<PublicKey>)> {
        let (root, mut keys) = if site == self.identity.site {
            let own = self.own.as_ref()?;
            (own.root, vec![own.key])
        } else {
            let partner = self.state.partners.get(&site)?;
            (partner.root, partner.site_keys())
        };
        if let Some(known) = self.state.known.get(&site) {
            keys.retain(|key| known.revocations.since(key.as_bytes()).is_none());
        }
        Some((root, keys))
    }

    fn has_room(&self, site: SiteId, by_root: bool) -> bool {
        let known = self.state.known.get(&site);
        let held = known.map_or(0, |known| known.revocations.count());
        held < match by_root {
            true => limits::REVOCATIONS,
            false => limits::REVOCATIONS_BY_SITE_KEY,
        }
    }

    /// Signs again, with the present site key, what an earlier one revoked: whoever pairs from now
    /// on knows the present one only.
    pub(crate) fn sign_anew(&mut self, turn: &mut Turn) {
        let Some((own, known)) = self
            .own
            .as_ref()
            .zip(self.state.known.get(&self.identity.site))
        else {
            return;
        };
        let signer = |bytes: &[u8]| signed::peek(bytes).ok().map(|header| header.key);
        let counts = |bytes: &[u8]| {
            signer(bytes).is_some_and(|signer| signer == own.root || signer == own.key)
        };
        let again: Vec<Revocation> = known
            .revocations
            .all()
            .filter(|(_, revocation)| {
                let mut others = known.revocations.all();
                !others.any(|(bytes, other)| other == *revocation && counts(bytes))
            })
            .map(|(_, revocation)| revocation.clone())
            .collect();
        for revocation in again {
            if let (true, Ok(bytes)) = (
                self.has_room(self.identity.site, false),
                self.sign(revocation),
            ) {
                self.note(turn, Record::KeyRevoked(bytes.into()));
            }
        }
    }

    /// What this site says of its keys to a partner that holds this of them.
    pub(crate) fn notice_for(&self, request: &SyncRequest) -> Option<Notice> {
        let own = self.own.as_ref()?;
        let news = request.certificate.is_none_or(|held| held < own.serial);
        let revocations = self.state.known.get(&own.site);
        let revocations = revocations.map(|known| &known.revocations);
        let told = revocations.and_then(|all| all.digest()) == request.revocations;
        if !news && told {
            return None;
        }
        let signed = revocations.into_iter().flat_map(|all| all.all());
        Some(Notice {
            site: own.site,
            renewal: news.then(|| Renewal {
                certificate: self.identity.certificate.clone().into(),
                node: self.identity.node.clone().into(),
            }),
            revocations: signed
                .filter(|_| !told)
                .map(|(bytes, _)| bytes.to_vec().into())
                .collect(),
        })
    }

    /// A partner has said what it holds of this site. Only this site's own signature, by its
    /// present key or an earlier one, under a document that it does not know shows that its data
    /// folder is an older copy.
    pub(crate) fn partner_holds(&mut self, partner: SiteId, taken: Option<&[u8]>) {
        if taken.is_some_and(|bytes| self.is_unknown(partner, bytes)) {
            self.older = Some(partner);
        }
        self.told.insert(partner);
    }

    fn is_unknown(&self, partner: SiteId, bytes: &[u8]) -> bool {
        let (id, site) = (DocumentId::of(bytes), self.identity.site);
        let Ok(key) = signed::peek(bytes).map(|header| header.key) else {
            return false;
        };
        if key != self.identity.key.public() && !self.state.own.keys.contains(&key) {
            return false;
        }
        // Whoever stole a key that was revoked since must not stop this node with it.
        let counts = |at: Timestamp| !self.is_revoked(site, key.as_bytes(), at.seconds());
        if let Ok(link) = Signed::<Link>::verify(bytes, &key) {
            let link = link.content();
            let request = self.state.requests.get(&link.case);
            let thread = request.and_then(|request| request.threads.get(&partner));
            let known = thread.is_some_and(|thread| thread.chain().contains(&id));
            link.requester == site && link.reader == partner && !known && counts(link.at)
        } else if let Ok(proposal) = Signed::<Proposal>::verify(bytes, &key) {
            let proposal = proposal.content();
            let reading = self.state.readings.get(&proposal.case);
            let known = reading.is_some_and(|reading| reading.thread.knows(id));
            let ours = proposal.reader == site && proposal.requester == partner;
            ours && !known && counts(proposal.at)
        } else {
            false
        }
    }

    /// Tells the node whom it must never let in, when that has changed.
    pub(crate) fn bar_nodes(&mut self, turn: &mut Turn) {
        // A site revokes its own nodes only: a key that it was never known by may be another's.
        let revoked = self.state.known.values().flat_map(|known| {
            let nodes = known.nodes.iter().copied();
            nodes.filter(|node| known.revocations.since(node.as_bytes()).is_some())
        });
        let partners = self.state.partners.values();
        let disowned = partners
            .filter(|partner| partner.barred.is_some())
            .map(|partner| partner.node);
        let mut barred: Vec<NodeId> = revoked.chain(disowned).collect();
        barred.sort_unstable();
        barred.dedup();
        if barred != self.barred {
            self.barred.clone_from(&barred);
            turn.effect(Effect::Bar(barred));
        }
    }

    /// The next moment at which a partner's certificate ends, or its time to bring another.
    pub(crate) fn certificate_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.state.partners.values().flat_map(|partner| {
            let end = Timestamp(partner.valid_until.0.saturating_mul(1000));
            [end, end.after(limits::RENEWAL_LATE)]
        });
        ends.filter(|end| *end > now).min()
    }
}
