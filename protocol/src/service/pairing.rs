//! Pairing: the invitation, the call, the first agreement.

use dokuei_keys::cbor;
use dokuei_keys::id::{NodeId, SiteId};
use dokuei_keys::pairing::PairingSecret;

use crate::effect::{Answer, CannotDo, Effect};
use crate::input::Ticket;
use crate::limits;
use crate::partner::agreement::{Agreement, AgreementAccepted, IdentifiedAgreement, Naming};
use crate::partner::introduction::{Acquaintance, Introduction};
use crate::partner::pairing::{FRAME_BYTES, PairingAnswer, PairingCall};
use crate::record::Record;
use crate::service::{Service, Turn};
use crate::time::Timestamp;

/// Pairings under way. They live in memory only: a restart closes an open invitation, and its
/// secret is never written down.
#[derive(Default)]
pub(crate) struct Pairings {
    invitation: Option<Invitation>,
    call: Option<Call>,
}

struct Invitation {
    secret: PairingSecret,
    until: Timestamp,
    tries: u8,
    retention_days: u16,
    naming: Naming,
}

struct Call {
    ticket: Ticket,
    secret: PairingSecret,
    said: PairingCall,
}

impl Pairings {
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.invitation.as_ref().map(|invitation| invitation.until)
    }
}

impl Service {
    pub(crate) fn invite(
        &mut self,
        turn: &mut Turn,
        addresses: Vec<String>,
        retention_days: u16,
        naming: Naming,
    ) -> Result<Answer, CannotDo> {
        if self.state.partners.len() >= limits::PARTNERS {
            return Err(CannotDo::TooManyPartners);
        }
        self.announce_addresses(turn, addresses)?;
        let secret = PairingSecret::from_rng(&mut self.rng);
        let until = turn.now.after(limits::INVITATION);
        let answer = Answer::Invited {
            secret: secret.to_string(),
            until,
        };
        self.pairings.invitation = Some(Invitation {
            secret,
            until,
            tries: 0,
            retention_days,
            naming,
        });
        turn.effect(Effect::OpenPairing(until));
        Ok(answer)
    }

    /// Calls an inviter. The command is answered when the inviter has, or cannot be reached.
    pub(crate) fn accept_invitation(
        &mut self,
        turn: &mut Turn,
        ticket: Ticket,
        addresses: Vec<String>,
        secret: &str,
    ) -> Result<(), CannotDo> {
        if self.pairings.call.is_some() {
            return Err(CannotDo::PairingBusy);
        }
        if self.state.partners.len() >= limits::PARTNERS {
            return Err(CannotDo::TooManyPartners);
        }
        let secret: PairingSecret = secret.parse().map_err(|_| CannotDo::BadCode)?;
        let introduction = self.introduction().ok_or(CannotDo::NotNow)?;
        let said = PairingCall::new(&secret, introduction);
        turn.effect(Effect::CallInviter {
            addresses,
            frame: cbor::encode(&said),
        });
        self.pairings.call = Some(Call {
            ticket,
            secret,
            said,
        });
        Ok(())
    }

    pub(crate) fn pairing_called(
        &mut self,
        turn: &mut Turn,
        ticket: Ticket,
        node: NodeId,
        frame: &[u8],
    ) {
        let answer = self.answer_call(turn, node, frame);
        if answer.is_none() {
            self.count_wrong_call(turn);
        }
        turn.effect(Effect::AnswerPairing(ticket, answer));
    }

    fn answer_call(&mut self, turn: &mut Turn, node: NodeId, frame: &[u8]) -> Option<Vec<u8>> {
        let call: PairingCall = cbor::decode_strict(frame, FRAME_BYTES).ok()?;
        let invitation = self
            .pairings
            .invitation
            .as_ref()
            .filter(|invitation| turn.now < invitation.until)?;
        let acquaintance = call.check(&invitation.secret, node, turn.now).ok()?;
        if !self.may_pair(&acquaintance) {
            return None;
        }
        // What was agreed to travel under a pseudonym does so after pairing again, too.
        let naming = invitation
            .naming
            .max(self.agreed_naming(acquaintance.site, turn.now));
        let agreement = self
            .signed_agreement(
                acquaintance.site,
                turn.now,
                invitation.retention_days,
                naming,
            )
            .ok()?;
        let introduction = self.introduction()?;
        let answer = PairingAnswer::new(&invitation.secret, &call, introduction, agreement.clone());
        self.pairings.invitation = None;
        turn.effect(Effect::ClosePairing);
        self.paired(turn, &acquaintance, &call.introduction);
        self.note(turn, Record::AgreementProposed(agreement.into()));
        Some(cbor::encode(&answer))
    }

    /// Whether this may become a partner: no key it lives by is revoked, its certificate is not one
    /// that a newer has replaced, and this node acts.
    fn may_pair(&self, acquaintance: &Acquaintance) -> bool {
        let current = self
            .state
            .known
            .get(&acquaintance.site)
            .is_none_or(|known| {
                let node = acquaintance.node.as_bytes();
                let bar = known
                    .revocations
                    .bar(&acquaintance.root, &acquaintance.key, node);
                bar.is_none() && known.serial <= acquaintance.serial
            });
        current && acquaintance.site != self.identity.site && self.halt().is_none()
    }

    fn count_wrong_call(&mut self, turn: &mut Turn) {
        let Some(invitation) = &mut self.pairings.invitation else {
            return;
        };
        invitation.tries += 1;
        if invitation.tries >= limits::INVITATION_TRIES {
            self.pairings.invitation = None;
            turn.effect(Effect::ClosePairing);
        }
    }

    pub(crate) fn pairing_answered(&mut self, turn: &mut Turn, node: NodeId, frame: &[u8]) {
        let Some(call) = self.pairings.call.take() else {
            return;
        };
        let answer = self
            .take_answer(turn, &call, node, frame)
            .map(Answer::Paired)
            .ok_or(CannotDo::NotPaired);
        turn.answer(call.ticket, answer);
    }

    fn take_answer(
        &mut self,
        turn: &mut Turn,
        call: &Call,
        node: NodeId,
        frame: &[u8],
    ) -> Option<SiteId> {
        let answer: PairingAnswer = cbor::decode_strict(frame, FRAME_BYTES).ok()?;
        let acquaintance = answer
            .check(&call.secret, &call.said, node, turn.now)
            .ok()
            .filter(|acquaintance| self.may_pair(acquaintance))?;
        let terms = Agreement::verify(&answer.agreement, &acquaintance.key).ok()?;
        if terms.proposer != acquaintance.site || terms.accepter != self.identity.site {
            return None;
        }
        self.paired(turn, &acquaintance, &answer.introduction);
        self.note(turn, Record::AgreementProposed(answer.agreement.clone()));
        // What would let go of pseudonyms takes a person's word; until then the agreement before holds.
        if terms.naming >= self.agreed_naming(acquaintance.site, turn.now) {
            self.accept_agreement(turn, acquaintance.site).ok()?;
        }
        Some(acquaintance.site)
    }

    pub(crate) fn pairing_failed(&mut self, turn: &mut Turn) {
        if let Some(call) = self.pairings.call.take() {
            turn.answer(call.ticket, Err(CannotDo::NotPaired));
        }
    }

    fn paired(
        &mut self,
        turn: &mut Turn,
        acquaintance: &Acquaintance,
        introduction: &Introduction,
    ) {
        debug_assert_ne!(acquaintance.site, self.identity.site);
        // What it said of itself before goes with the old partner: it is asked for anew.
        self.synced.remove(&acquaintance.node);
        self.note(
            turn,
            Record::PartnerPaired(cbor::encode(introduction).into()),
        );
    }

    /// Under which name studies travel by the agreement in force with a site.
    fn agreed_naming(&self, site: SiteId, now: Timestamp) -> Naming {
        let partner = self.state.partners.get(&site);
        let agreed = partner.and_then(|partner| partner.agreement(now));
        agreed.map_or(Naming::default(), |(_, agreement)| agreement.naming)
    }

    /// An agreement of this site's with another, signed.
    fn signed_agreement(
        &self,
        accepter: SiteId,
        now: Timestamp,
        retention_days: u16,
        naming: Naming,
    ) -> Result<Vec<u8>, CannotDo> {
        let agreement = Agreement {
            proposer: self.identity.site,
            accepter,
            from: Timestamp(now.0.saturating_sub(limits::AGREEMENT_BACKDATED.0)),
            until: now.after(limits::AGREEMENT_TERM),
            retention_days,
            sequence: self.state.head().length,
            naming,
        };
        match naming {
            Naming::Identified => self.sign(IdentifiedAgreement::from(agreement)),
            Naming::Pseudonymous => self.sign(agreement),
        }
    }

    pub(crate) fn propose_agreement(
        &mut self,
        turn: &mut Turn,
        site: SiteId,
        retention_days: u16,
        naming: Naming,
    ) -> Result<Answer, CannotDo> {
        let partner = self.state.partners.get(&site).ok_or(CannotDo::NoPartner)?;
        if partner.agreements.len() >= limits::AGREEMENTS {
            return Err(CannotDo::Limit);
        }
        let agreement = self.signed_agreement(site, turn.now, retention_days, naming)?;
        self.note(turn, Record::AgreementProposed(agreement.into()));
        Ok(Answer::Done)
    }

    pub(crate) fn accept_agreement(
        &mut self,
        turn: &mut Turn,
        site: SiteId,
    ) -> Result<Answer, CannotDo> {
        let partner = self.state.partners.get(&site).ok_or(CannotDo::NoPartner)?;
        let (agreement, _) = partner
            .proposed_to(self.identity.site)
            .ok_or(CannotDo::NoAgreement)?;
        let accepted = AgreementAccepted {
            agreement,
            proposer: site,
            accepter: self.identity.site,
            at: turn.now,
        };
        let bytes = self.sign(accepted)?;
        self.note(turn, Record::AgreementAccepted(bytes.into()));
        Ok(Answer::Done)
    }

    pub(crate) fn close_invitation(&mut self, turn: &mut Turn) {
        if self
            .pairings
            .deadline()
            .is_some_and(|until| until <= turn.now)
        {
            self.pairings.invitation = None;
            turn.effect(Effect::ClosePairing);
        }
    }
}
