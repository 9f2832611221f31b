//! What this site says of itself, what partners say of themselves, and who may connect.

use dokuei_keys::cbor;
use dokuei_keys::id::{NodeId, PrekeyId, SiteId};
use dokuei_keys::prekey::PrekeySecret;
use dokuei_keys::signed;
use dokuei_keys::time::{UnixSeconds, Validity};
use minicbor::bytes::ByteVec;

use crate::effect::{Answer, CannotDo, Effect, KeptPrekey, Member, SecretChange};
use crate::input::Ticket;
use crate::limits;
use crate::partner::announcement::{
    AddressRecord, Announcement, CapacityOffer, OfferSlot, SyncAnswer, SyncRequest,
};
use crate::record::Record;
use crate::service::{Service, Turn, ordered};
use crate::time::Timestamp;

impl Service {
    pub(crate) fn announce_addresses(
        &mut self,
        turn: &mut Turn,
        addresses: Vec<String>,
    ) -> Result<Answer, CannotDo> {
        let known = self.state.own.address.as_ref().map(|(_, record)| record);
        let bytes = self.state.own.address.as_ref().map(|(bytes, _)| bytes);
        let same = |record: &AddressRecord| {
            record.addresses == addresses && record.node == self.identity.node_id
        };
        if known.is_some_and(same) && self.is_by_present_key(bytes) {
            return Ok(Answer::Done);
        }
        let sequence = next_sequence(known.map(|record| record.sequence), turn.now);
        let record = AddressRecord {
            site: self.identity.site,
            node: self.identity.node_id,
            addresses,
            sequence,
        };
        let bytes = self.sign(record)?;
        self.note(turn, Record::AnnouncementMade(bytes.into()));
        self.synced.clear();
        Ok(Answer::Done)
    }

    pub(crate) fn announce_capacity(
        &mut self,
        turn: &mut Turn,
        slots: Vec<OfferSlot>,
    ) -> Result<Answer, CannotDo> {
        let slots = ordered(slots);
        let known = self.state.own.capacity.as_ref().map(|(_, offer)| offer);
        let bytes = self.state.own.capacity.as_ref().map(|(bytes, _)| bytes);
        let fresh = |offer: &CapacityOffer| {
            turn.now.after(limits::PREKEY_EVERY) < offer.until && self.is_by_present_key(bytes)
        };
        if known.is_some_and(|offer| offer.slots == slots && fresh(offer))
            || known.is_none() && slots.is_empty()
        {
            return Ok(Answer::Done);
        }
        let sequence = next_sequence(known.map(|offer| offer.sequence), turn.now);
        let offer = CapacityOffer {
            site: self.identity.site,
            slots,
            sequence,
            until: turn.now.after(limits::CAPACITY_HOLDS),
        };
        let bytes = self.sign(offer)?;
        self.note(turn, Record::AnnouncementMade(bytes.into()));
        Ok(Answer::Done)
    }

    /// A new prekey every day, old secrets destroyed, the capacity offer renewed with it.
    pub(crate) fn rotate_prekeys(&mut self, turn: &mut Turn) {
        let newest = self.newest_prekey();
        // A clock that was set back does not stop the rotation: it is due when the newest one lies
        // more than a period away in either direction. One whose secret did not come back with the
        // data, or that an earlier site key signed, opens nothing that partners seal from now on.
        let due = newest.is_none_or(|at| {
            turn.now >= at.after(limits::PREKEY_EVERY) || at > turn.now.after(limits::PREKEY_EVERY)
        }) || self
            .state
            .own
            .prekey
            .as_ref()
            .is_some_and(|(bytes, prekey)| {
                !self.vault.prekeys.contains_key(&prekey.id) || !self.is_by_present_key(Some(bytes))
            });
        if due {
            self.publish_prekey(turn);
            if let Some(slots) = self
                .state
                .own
                .capacity
                .as_ref()
                .map(|(_, offer)| offer.slots.clone())
            {
                let _ = self.announce_capacity(turn, slots);
            }
        }
        let old = |published: &Timestamp| published.after(limits::PREKEY_KEPT) <= turn.now;
        let destroyed: Vec<PrekeyId> = self
            .vault
            .prekeys
            .iter()
            .filter(|(_, (published, _))| old(published))
            .map(|(id, _)| *id)
            .collect();
        for id in destroyed {
            self.vault.prekeys.remove(&id);
            turn.step.secrets.push(SecretChange::DestroyPrekey(id));
        }
    }

    /// When this site's newest prekey was made.
    pub(crate) fn newest_prekey(&self) -> Option<Timestamp> {
        let (_, prekey) = self.state.own.prekey.as_ref()?;
        Some(Timestamp(prekey.validity.from.0.saturating_mul(1000)).after(limits::PREKEY_BACKDATED))
    }

    fn publish_prekey(&mut self, turn: &mut Turn) {
        let secret = PrekeySecret::generate(&mut self.rng);
        let backdated = turn
            .now
            .seconds()
            .0
            .saturating_sub(limits::PREKEY_BACKDATED.0 / 1000);
        // Partners keep the one that begins last: of two within a second, or beside a clock that went a little ahead,
        // this one has to.
        let held = self.state.own.prekey.as_ref();
        let later = held
            .map(|(_, prekey)| prekey.validity.from.0 + 1)
            .filter(|later| (backdated..=turn.now.seconds().0).contains(later));
        let from = UnixSeconds(later.unwrap_or(backdated));
        let prekey = secret.prekey(
            self.identity.site,
            Validity::starting(from, limits::PREKEY_USABLE.0 / 1000),
        );
        let id = prekey.id;
        let Ok(bytes) = self.sign(prekey) else { return };
        self.note(turn, Record::AnnouncementMade(bytes.into()));
        turn.step.secrets.push(SecretChange::KeepPrekey(KeptPrekey {
            id,
            published: turn.now,
            secret: secret.seed().duplicate(),
        }));
        self.vault.prekeys.insert(id, (turn.now, secret));
    }

    pub(crate) fn remove_partner(
        &mut self,
        turn: &mut Turn,
        site: SiteId,
    ) -> Result<Answer, CannotDo> {
        if !self.state.partners.contains_key(&site) {
            return Err(CannotDo::NoPartner);
        }
        self.note(turn, Record::PartnerRemoved(site));
        Ok(Answer::Done)
    }

    /// Tells the node who may connect, when that has changed.
    pub(crate) fn admit_members(&mut self, turn: &mut Turn) {
        let members: Vec<Member> = self
            .state
            .partners
            .iter()
            .filter(|(_, partner)| partner.may_connect(turn.now))
            .map(|(site, partner)| Member {
                site: *site,
                node: partner.node,
                addresses: partner
                    .address
                    .as_ref()
                    .map(|record| record.addresses.clone())
                    .unwrap_or_default(),
            })
            .collect();
        if members != self.admitted {
            self.admitted.clone_from(&members);
            turn.effect(Effect::Admit(members));
        }
    }

    /// Asks each connected partner for what it says of itself: on connection, then hourly.
    pub(crate) fn ask_for_announcements(&mut self, turn: &mut Turn) {
        for node in self.connected.clone() {
            let recent = self
                .synced
                .get(&node)
                .is_some_and(|at| *at <= turn.now && turn.now < at.after(limits::SYNC_EVERY));
            let Some(partner) = self
                .site_of(node)
                .and_then(|site| self.state.partners.get(&site))
                .filter(|_| !recent)
            else {
                continue;
            };
            let known = self
                .site_of(node)
                .and_then(|site| self.state.known.get(&site));
            let taken = known.and_then(|known| known.taken.clone());
            let request = SyncRequest {
                address: partner.address.as_ref().map(|record| record.sequence),
                capacity: partner.capacity.as_ref().map(|offer| offer.sequence),
                prekey: partner.prekey.as_ref().map(|prekey| prekey.validity.from.0),
                certificate: Some(partner.serial),
                revocations: known.and_then(|known| known.revocations.digest()),
                taken: taken
                    .filter(|bytes| bytes.len() <= limits::SYNC_TAKEN)
                    .map(Into::into),
            };
            self.synced.insert(node, turn.now);
            turn.effect(Effect::AskSync(node, cbor::encode(&request)));
        }
    }

    /// A question that was lost, or whose answer changes what there is to ask, is asked again soon, not
    /// only after the usual time.
    pub(crate) fn ask_again_soon(&mut self, now: Timestamp, node: NodeId) {
        let early = limits::SYNC_EVERY.0 - limits::SYNC_AGAIN.0;
        if let Some(asked) = self.synced.get_mut(&node) {
            *asked = Timestamp(now.0.saturating_sub(early));
        }
    }

    pub(crate) fn sync_asked(
        &mut self,
        turn: &mut Turn,
        ticket: Ticket,
        node: NodeId,
        bytes: &[u8],
    ) {
        let site = self.site_of(node);
        let partner = site.and_then(|site| Some((site, self.state.partners.get(&site)?)));
        let partner = partner.filter(|(_, partner)| partner.may_connect(turn.now));
        let request = cbor::decode_strict::<SyncRequest>(bytes, limits::SYNC_BYTES);
        let Some(((site, partner), request)) = partner.zip(request.ok()) else {
            turn.effect(Effect::AnswerSync(ticket, None));
            return;
        };
        let heard = partner.in_force(turn.now);
        if heard {
            let taken = request.taken.as_ref().map(|taken| taken.as_slice());
            self.partner_holds(site, taken);
        }
        let acts = self.halt().is_none();
        let answer = SyncAnswer {
            announcements: self
                .newer_than(&request)
                .filter(|_| heard && acts)
                .collect(),
            notice: self.notice_for(&request),
        };
        turn.effect(Effect::AnswerSync(ticket, Some(cbor::encode(&answer))));
    }

    fn newer_than(&self, request: &SyncRequest) -> impl Iterator<Item = ByteVec> + use<> {
        let own = &self.state.own;
        let address = own
            .address
            .as_ref()
            .filter(|(_, record)| request.address.is_none_or(|held| held < record.sequence))
            .map(|(bytes, _)| bytes);
        let capacity = own
            .capacity
            .as_ref()
            .filter(|(_, offer)| request.capacity.is_none_or(|held| held < offer.sequence))
            .map(|(bytes, _)| bytes);
        let prekey = own
            .prekey
            .as_ref()
            .filter(|(_, prekey)| {
                request
                    .prekey
                    .is_none_or(|held| held < prekey.validity.from.0)
            })
            .map(|(bytes, _)| bytes);
        let newer = [address, capacity, prekey].map(|bytes| bytes.cloned().map(ByteVec::from));
        newer.into_iter().flatten()
    }

    pub(crate) fn sync_answered(&mut self, turn: &mut Turn, node: NodeId, bytes: &[u8]) {
        let Some(site) = self.site_of(node) else {
            return;
        };
        let Ok(answer) = cbor::decode_strict::<SyncAnswer>(bytes, limits::SYNC_BYTES) else {
            return;
        };
        // What does not verify is left out, and whether some did not is nobody's question here.
        if let Some(notice) = answer.notice.filter(|notice| notice.site == site) {
            let _ = self.take_notice(turn, &notice);
        }
        for announcement in answer.announcements.iter().take(3) {
            let Some(partner) = self.partner_in_force(site) else {
                return;
            };
            let Ok(heard) = Announcement::verify(announcement, site, &partner.key) else {
                continue;
            };
            if partner.is_news(&heard) && !begins_later(&heard, turn.now) {
                self.note(turn, Record::AnnouncementReceived(announcement.clone()));
            }
        }
    }

    /// Whether a node belongs to a partner, and to which.
    pub fn partner_at(&self, node: NodeId) -> Option<SiteId> {
        self.site_of(node)
    }

    /// Whether a document of this site is signed by its present site key.
    fn is_by_present_key(&self, document: Option<&Vec<u8>>) -> bool {
        let header = document.and_then(|bytes| signed::peek(bytes).ok());
        header.is_some_and(|header| header.key == self.identity.key.public())
    }
}

/// Whether an announcement is of a prekey whose time has not come: it would stand before every other
/// until then.
fn begins_later(announcement: &Announcement, now: Timestamp) -> bool {
    match announcement {
        Announcement::Prekey(prekey) => prekey.validity.from > now.seconds(),
        Announcement::Address(_) | Announcement::Capacity(_) => false,
    }
}

/// The next number of an announcement: by the clock, so that a site whose data came back from an
/// older copy still counts on from what its partners have heard.
fn next_sequence(known: Option<u64>, now: Timestamp) -> u64 {
    known.map_or(0, |known| known + 1).max(now.seconds().0)
}
