//! Documents from partners: who may say this, and is it so.

use dokuei_keys::delegation::Revocation;
use dokuei_keys::id::{DocumentId, NodeId, SiteId};
use dokuei_keys::signed::{self, Document, Signed};
use dokuei_keys::signing::PublicKey;

use crate::case::cancel::CancelRequest;
use crate::case::event::{Link, Proposal};
use crate::case::priors::{PriorAnswer, PriorsOffer, PriorsRequest};
use crate::effect::DocumentAnswer;
use crate::limits;
use crate::partner::agreement::{Agreement, AgreementAccepted};
use crate::record::Record;
use crate::service::{Service, Turn};
use crate::time::Timestamp;

impl Service {
    /// Takes a document: length, member, kind, signature, clock, then its content. A peer's bytes
    /// never lead to more than an answer.
    pub(crate) fn document_arrived(
        &mut self,
        turn: &mut Turn,
        node: NodeId,
        bytes: &[u8],
    ) -> DocumentAnswer {
        if bytes.len() > limits::DOCUMENT_BYTES {
            return DocumentAnswer::Refused;
        }
        // A sender that is no partner, or whose certificate has run out or is revoked, is not heard
        // now. That is not for ever: a refusal would tear a hole into a chain that goes on after the
        // two have paired again, or the certificate was renewed.
        let Some(site) = self.site_of(node).filter(|_| self.halt().is_none()) else {
            return DocumentAnswer::Later;
        };
        let Some(partner) = self.partner_in_force(site) else {
            return DocumentAnswer::Later;
        };
        let Ok(header) = signed::peek(bytes) else {
            return DocumentAnswer::Refused;
        };
        if header.kind == Revocation::KIND {
            return match self.take_revocation(turn, site, bytes) {
                true => DocumentAnswer::Accepted,
                false => DocumentAnswer::Refused,
            };
        }
        let keys = partner.site_keys();
        let Some(key) = keys.into_iter().find(|key| *key == header.key) else {
            return DocumentAnswer::Refused;
        };
        let (from, now) = ((site, &key), turn.now);
        match header.kind.as_str() {
            Link::KIND => match self.heard(from, bytes, now) {
                Ok(link) => self.link_arrived(turn, &link),
                Err(answer) => answer,
            },
            CancelRequest::KIND => match self.heard(from, bytes, now) {
                Ok(cancel) => self.cancel_arrived(turn, &cancel),
                Err(answer) => answer,
            },
            PriorsOffer::KIND => match self.heard(from, bytes, now) {
                Ok(offer) => self.priors_offer_arrived(turn, &offer),
                Err(answer) => answer,
            },
            PriorsRequest::KIND => match self.heard(from, bytes, now) {
                Ok(request) => self.priors_request_arrived(turn, &request),
                Err(answer) => answer,
            },
            PriorAnswer::KIND => match self.heard(from, bytes, now) {
                Ok(answer) => self.prior_answer_arrived(turn, &answer),
                Err(answer) => answer,
            },
            Proposal::KIND => match self.heard(from, bytes, now) {
                Ok(proposal) => self.proposal_arrived(turn, &proposal),
                Err(answer) => answer,
            },
            Agreement::KIND => self.take_agreement(turn, site, &key, bytes),
            AgreementAccepted::KIND => self.take_acceptance(turn, site, &key, bytes),
            _ => DocumentAnswer::Refused,
        }
    }

    /// A document about a case, if it may be heard: its signature counts, it is of the site that sends it and for this one,
    /// its key was not revoked by then, and neither clock is broken. A broken one is not for ever either: it may be this
    /// site's own.
    fn heard<T: AboutCase>(
        &self,
        (site, key): (SiteId, &PublicKey),
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Signed<T>, DocumentAnswer> {
        let verified = Signed::<T>::verify(bytes, key);
        let document = verified.map_err(|_| DocumentAnswer::Refused)?;
        let Ends { from, to, at } = document.content().ends();
        let is_theirs = from == site && to == self.identity.site;
        if !is_theirs || self.is_revoked(site, key.as_bytes(), at.seconds()) {
            return Err(DocumentAnswer::Refused);
        }
        if at > now.after(limits::CLOCK_AHEAD) {
            return Err(DocumentAnswer::Later);
        }
        Ok(document)
    }

    fn take_agreement(
        &mut self,
        turn: &mut Turn,
        site: SiteId,
        key: &PublicKey,
        bytes: &[u8],
    ) -> DocumentAnswer {
        let Ok(agreement) = Agreement::verify(bytes, key) else {
            return DocumentAnswer::Refused;
        };
        // It has no date: one by a revoked key may have been signed at any time.
        if self.is_revoked(site, key.as_bytes(), turn.now.seconds())
            || agreement.proposer != site
            || agreement.accepter != self.identity.site
        {
            return DocumentAnswer::Refused;
        }
        let Some(partner) = self.state.partners.get(&site) else {
            return DocumentAnswer::Refused;
        };
        if !partner.agreements.contains_key(&DocumentId::of(bytes)) {
            if partner.agreements.len() >= limits::AGREEMENTS {
                return DocumentAnswer::Refused;
            }
            self.note(turn, Record::AgreementProposed(bytes.to_vec().into()));
        }
        DocumentAnswer::Accepted
    }

    fn take_acceptance(
        &mut self,
        turn: &mut Turn,
        site: SiteId,
        key: &PublicKey,
        bytes: &[u8],
    ) -> DocumentAnswer {
        let Ok(document) = Signed::<AgreementAccepted>::verify(bytes, key) else {
            return DocumentAnswer::Refused;
        };
        let accepted = document.content();
        if self.is_revoked(site, key.as_bytes(), accepted.at.seconds())
            || accepted.accepter != site
            || accepted.proposer != self.identity.site
        {
            return DocumentAnswer::Refused;
        }
        let Some(state) = self
            .state
            .partners
            .get(&site)
            .and_then(|partner| partner.agreements.get(&accepted.agreement))
        else {
            return DocumentAnswer::Refused;
        };
        if !state.accepted {
            self.note(turn, Record::AgreementAccepted(bytes.to_vec().into()));
        }
        DocumentAnswer::Accepted
    }
}

/// Who says something about a case, to whom, and when by the clock of who says it.
struct Ends {
    from: SiteId,
    to: SiteId,
    at: Timestamp,
}

/// A document about a case, which one of its two sites signs for the other.
trait AboutCase: Document {
    fn ends(&self) -> Ends;
}

impl AboutCase for Link {
    fn ends(&self) -> Ends {
        Ends {
            from: self.requester,
            to: self.reader,
            at: self.at,
        }
    }
}

impl AboutCase for CancelRequest {
    fn ends(&self) -> Ends {
        Ends {
            from: self.requester,
            to: self.reader,
            at: self.at,
        }
    }
}

impl AboutCase for PriorsOffer {
    fn ends(&self) -> Ends {
        Ends {
            from: self.requester,
            to: self.reader,
            at: self.at,
        }
    }
}

impl AboutCase for PriorAnswer {
    fn ends(&self) -> Ends {
        Ends {
            from: self.requester,
            to: self.reader,
            at: self.at,
        }
    }
}

impl AboutCase for PriorsRequest {
    fn ends(&self) -> Ends {
        Ends {
            from: self.reader,
            to: self.requester,
            at: self.at,
        }
    }
}

impl AboutCase for Proposal {
    fn ends(&self) -> Ends {
        Ends {
            from: self.reader,
            to: self.requester,
            at: self.at,
        }
    }
}
